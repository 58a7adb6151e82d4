"""Which worker process gets which case: those of one material the same, one potential after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from softmode.study.folder import Case

#: Materials whose cases are computed together; a worker keeps what their potentials share.
BLOCK = 8


def blocks(cases: Sequence[Case]) -> list[list[Case]]:
    """Cells in blocks of a few materials each, potential by potential, there and back.

    Within a block the materials of one potential are followed by the same of the next in reverse order, and
    the last potential of a block is the first of the next: what was used last is used again first.
    """
    materials = list(dict.fromkeys(case.material.name for case in cases))
    labels = list(dict.fromkeys(case.label for case in cases))
    place = {name: index for index, name in enumerate(materials)}
    rank = {label: index for index, label in enumerate(labels)}
    members: list[list[Case]] = [[] for _ in range(-(-len(materials) // BLOCK))]
    for case in cases:
        members[place[case.material.name] // BLOCK].append(case)

    def order(block: int, case: Case) -> tuple[int, int]:
        potential = rank[case.label] if block % 2 == 0 else len(labels) - 1 - rank[case.label]
        material = place[case.material.name]
        return potential, material if potential % 2 == 0 else -material

    return [sorted(block, key=lambda case: order(number, case)) for number, block in enumerate(members)]


class Lanes:
    """The cases still to be computed, shared out among worker processes.

    Parameters
    ----------
    cases : sequence of Case
        In the order of the study.
    n_lanes : int
        Worker processes.
    """

    def __init__(self, cases: Sequence[Case], n_lanes: int) -> None:
        self._blocks = deque(blocks(cases))
        self._queues: list[deque[Case]] = [deque() for _ in range(n_lanes)]

    def next(self, lane: int) -> Case | None:
        """Take the next case for a worker; None when there is none left.

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
