"""Which worker process gets which cell: those of one material the same, one potential after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from softmode.study.folder import Cell

#: Materials whose cells are computed together; a worker keeps what their potentials share.
BLOCK = 8


def blocks(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Cells in blocks of a few materials each, potential by potential, there and back.

    Within a block the materials of one potential are followed by the same of the next in reverse order, and
    the last potential of a block is the first of the next: what was used last is used again first.
    """
    materials = list(dict.fromkeys(cell.material.name for cell in cells))
    labels = list(dict.fromkeys(cell.label for cell in cells))
    place = {name: index for index, name in enumerate(materials)}
    rank = {label: index for index, label in enumerate(labels)}
    members: list[list[Cell]] = [[] for _ in range(-(-len(materials) // BLOCK))]
    for cell in cells:
        members[place[cell.material.name] // BLOCK].append(cell)

    def order(block: int, cell: Cell) -> tuple[int, int]:
        potential = rank[cell.label] if block % 2 == 0 else len(labels) - 1 - rank[cell.label]
        material = place[cell.material.name]
        return potential, material if potential % 2 == 0 else -material

    return [sorted(block, key=lambda cell: order(number, cell)) for number, block in enumerate(members)]


class Lanes:
    """The cells still to be computed, shared out among worker processes.

    Parameters
    ----------
    cells : sequence of Cell
        In the order of the study.
    n_lanes : int
        Worker processes.
    """

    def __init__(self, cells: Sequence[Cell], n_lanes: int) -> None:
        self._blocks = deque(blocks(cells))
        self._queues: list[deque[Cell]] = [deque() for _ in range(n_lanes)]

    def next(self, lane: int) -> Cell | None:
        """Take the next cell for a worker; None when there is none left.

        From its own block, then from the next block, then from the end of the longest queue of the others.
        """
        own = self._queues[lane]
        if not own and self._blocks:
            own.extend(self._blocks.popleft())
        if not own:
            longest = max(self._queues, key=len)
            for _ in range(-(-len(longest) // 2)):
                own.appendleft(longest.pop())
        return own.popleft() if own else None
