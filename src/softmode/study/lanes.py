"""Which worker process gets which case: one potential after the other, each over all of its materials."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from softmode.measurements.view import shared_size
from softmode.study.folder import Case

#: What a worker may keep of what the potentials of a material share, bytes. Where that of all materials is
#: more, the potentials are gone through once for each part that fits, and loaded anew for it: that costs a
#: per cent where what is shared would cost as much as phonons of a cheap potential to make again for each.
SHARED_SIZE = 400 << 20

#: Materials for which a worker loads all potentials at least; where there are fewer for each worker, some
#: take potentials from others instead.
FEW = 8

#: Frames that a trajectory is taken to have: where there are fewer, potentials are loaded more often than
#: need be, where there are more, evaluating them takes so long that nothing else counts.
_FRAMES = 1600


def blocks(cases: Sequence[Case], n_lanes: int) -> list[list[Case]]:
    """Cases in blocks of materials, as many as workers where memory allows, potential by potential.

    Materials are dealt out in turn, so that those that are dear (a halide, a large supercell) are in every
    block. The materials of one potential are followed by the same of the next in reverse order, and
    the last potential of a block is the first of that which follows for a worker: what was used last is used
    again first.

    Parameters
    ----------
    cases : sequence of Case
        In the order of the study.
    n_lanes : int
        Worker processes.
    """
    materials = {case.material.name: case.material for case in cases}
    labels = list(dict.fromkeys(case.label for case in cases))
    size = sum(
        shared_size(one.n_supercell_atoms, _FRAMES if one.trajectory else 0) for one in materials.values()
    )
    rounds = max(1, -(-size // (n_lanes * SHARED_SIZE)))
    n_blocks = n_lanes * rounds if rounds > 1 else max(1, min(n_lanes, len(materials) // FEW))
    place = {name: index for index, name in enumerate(materials)}
    rank = {label: index for index, label in enumerate(labels)}
    members: list[list[Case]] = [[] for _ in range(n_blocks)]
    for case in cases:
        members[place[case.material.name] % n_blocks].append(case)

    def order(block: int, case: Case) -> tuple[int, int]:
        there = block // n_lanes % 2 == 0
        potential = rank[case.label] if there else len(labels) - 1 - rank[case.label]
        material = place[case.material.name]
        return potential, material if potential % 2 == 0 else -material

    found = [sorted(block, key=lambda case: order(number, case)) for number, block in enumerate(members)]
    return [block for block in found if block]


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
        self._blocks = deque(blocks(cases, n_lanes))
        self._queues: list[deque[Case]] = [deque() for _ in range(n_lanes)]
        self._loaded = [""] * n_lanes

    def next(self, lane: int) -> Case | None:
        """Take the next case for a worker; None when there is none left.

        From its own block, then from the next block, then from the end of the longest queue of the others:
        half of it at most, and of one potential only.
        """
        if not self._queues[lane] and self._blocks:
            self._queues[lane].extend(self._blocks.popleft())
        self._balance(lane)
        own = self._queues[lane]
        if not own:
            longest = max(self._queues, key=len)
            for _ in range(-(-len(longest) // 2)):
                if own and longest[-1].label != own[0].label:
                    break
                own.appendleft(longest.pop())
        if not own:
            return None
        self._loaded[lane] = own[0].label
        return own.popleft()

    def _balance(self, lane: int) -> None:
        """Before a worker goes on to another potential, take materials over from one that is behind.

        Those for which the potential this one has loaded is still to be computed, half of them, with all
        that comes later: workers stay together, and none has to load a potential again at the end.
        """
        own, label = self._queues[lane], self._loaded[lane]
        if own and own[0].label == label:
            return

        def behind(queue: deque[Case]) -> list[str]:
            return [case.material.name for case in queue if case.label == label]

        slowest = max(range(len(self._queues)), key=lambda other: len(behind(self._queues[other])))
        waiting = behind(self._queues[slowest])
        if len(waiting) < FEW:
            return
        theirs, moved = self._queues[slowest], set(waiting[len(waiting) // 2 :])
        rank = {
            name: index for index, name in enumerate(dict.fromkeys(case.label for case in (*theirs, *own)))
        }
        taken = [case for case in theirs if case.material.name in moved]
        self._queues[slowest] = deque(case for case in theirs if case.material.name not in moved)
        self._queues[lane] = deque(sorted([*taken, *own], key=lambda case: rank[case.label]))
