"""Which worker process gets which case: one potential after the other, each over all of its materials."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile

from softmode.measurements.view import shared_size
from softmode.study.costs import FRAMES, Costs
from softmode.study.folder import Case

#: What a worker may keep of what the potentials of a material share, bytes. Where that of all materials is
#: more, the potentials are gone through once for each part that fits, and loaded anew for it: that costs a
#: per cent where what is shared would cost as much as phonons of a cheap potential to make again for each.
SHARED_SIZE = 400 << 20

#: Materials for which a worker loads all potentials at least; where there are fewer for each worker, some
#: take potentials from others instead.
FEW = 8

#: Of the time that is left, the part that a cell takes which is given out before all others; the part, and
#: how many times what cells take in the mean, of those that are looked at for it.
_URGENT, _LONG, _UNEVEN = 0.5, 0.05, 3.0

#: How many times as many cells must be known as at the last time, to count again what is left.
_COUNT_AGAIN = 1.2

#: Workers for each potential from which on some begin with another potential than the rest.
_TRYING = 2


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
    # of a trajectory with fewer frames than it is taken to have, potentials are loaded more often than need
    # be; of one with more, evaluating them takes so long that nothing else counts
    size = sum(
        shared_size(one.n_supercell_atoms, FRAMES if one.trajectory else 0) for one in materials.values()
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
    known : iterable of (Case, float)
        Cells that are finished, and the seconds that they took.

    Attributes
    ----------
    loaded : list of str
        The potential that each worker has loaded.
    costs : Costs
        What cells take.
    """

    def __init__(self, cases: Sequence[Case], n_lanes: int, known: Iterable[tuple[Case, float]] = ()) -> None:
        self._blocks = deque(blocks(cases, n_lanes))
        self._queues: list[deque[Case]] = [deque() for _ in range(n_lanes)]
        self.loaded = [""] * n_lanes
        self._labels = list(dict.fromkeys(case.label for case in cases))
        self._rank: dict[str, int] = {}  # of potentials, the dearest first, once all have been tried
        self.costs = Costs()
        self._waiting = {id(case): case for case in cases}
        self._left, self._long = 0.0, list[Case]()
        self._counted_at = 0
        for case, seconds in known:
            self.costs.learn(case, seconds)
        if n_lanes >= _TRYING * len(self._labels):
            self._try_all()

    def _try_all(self) -> None:
        """Let workers begin with different potentials, so that it is soon known what each costs."""
        for label, block in zip(self._labels, self._blocks, strict=False):
            block.sort(key=lambda case: case.label != label)

    def done(self, case: Case, seconds: float, loading: float = 0.0) -> None:
        """Learn how long a case took, and before that its potential to be loaded.

        Others are given out by what they are expected to take.
        """
        self.costs.learn(case, seconds, loading)

    def give_up(self, label: str) -> None:
        """Nothing of a potential is to be given out any more."""
        self._waiting = {number: case for number, case in self._waiting.items() if case.label != label}
        self._queues = [deque(case for case in queue if case.label != label) for queue in self._queues]
        blocks = ([case for case in block if case.label != label] for block in self._blocks)
        self._blocks = deque(block for block in blocks if block)
        self._labels = [one for one in self._labels if one != label]
        self._counted_at = 0  # what is left is counted again

    def next(self, lane: int, can: Callable[[str], bool] = lambda label: True) -> Case | None:
        """Take the next case for a worker, of those whose potential it can run; None when there is none left.

        From its own block, then from the next block, then from the end of the dearest queue of the others:
        half of what that costs at most, and of one potential only. Of each potential the dearest come first,
        so that workers finish at about the same time. Single cells so long that the study would wait for them
        in the end come before all others.
        """
        case = self._urgent(lane, can)
        if case is None:
            case = self._in_turn(lane, can)
        if case is not None:
            self.loaded[lane] = case.label
            self._waiting.pop(id(case))
            self._left -= self.costs.estimate(case)
        return case

    @property
    def left(self) -> float:
        """About how long each worker still takes for what has not been given out, s; once cells are known."""
        return max(0.0, self._left) / len(self._queues)

    def _urgent(self, lane: int, can: Callable[[str], bool]) -> Case | None:
        """A cell that takes a good part of what is left to each worker, taken from whoever was to have it."""
        if self.costs.n_known > _COUNT_AGAIN * self._counted_at or not self._counted_at:
            self._counted_at = max(1, self.costs.n_known)
            expected = {number: self.costs.estimate(case) for number, case in self._waiting.items()}
            self._left = sum(expected.values())
            least = max(
                _LONG * self._left / len(self._queues), _UNEVEN * self._left / max(1, len(self._waiting))
            )
            self._long = [self._waiting[number] for number, cost in expected.items() if cost > least]
        self._long = [case for case in self._long if id(case) in self._waiting]
        least = _URGENT * self._left / len(self._queues)
        urgent = [case for case in self._long if self.costs.estimate(case) > least and can(case.label)]
        if not urgent:
            return None
        found = max(urgent, key=lambda case: (case.label == self.loaded[lane], self.costs.estimate(case)))
        for cells in (*self._queues, *self._blocks):
            for index, case in enumerate(cells):
                if case is found:
                    del cells[index]
                    return found
        return None

    def _in_turn(self, lane: int, can: Callable[[str], bool]) -> Case | None:
        if not _any(self._queues[lane], can):
            self._begin_block(lane, can)
        self._balance(lane)
        own = self._queues[lane]
        if own and not can(own[0].label):  # what it cannot is left to others
            self._queues[lane] = own = deque(sorted(own, key=lambda case: not can(case.label)))
        if not own or not can(own[0].label):
            own.extendleft(reversed(self._taken_over(can)))
        if not own or not can(own[0].label):
            return None
        if self.loaded[lane] != own[0].label:
            self._dearest_potential_first(lane, can)
            own = self._queues[lane]
            self._dearest_first(own)
        return own.popleft()

    def _begin_block(self, lane: int, can: Callable[[str], bool]) -> None:
        """Take the next block in which there is something that a worker can run."""
        for index, block in enumerate(self._blocks):
            if _any(block, can):
                self._queues[lane].extend(block)
                del self._blocks[index]
                return

    def _taken_over(self, can: Callable[[str], bool]) -> list[Case]:
        """Cases from the dearest queue for a worker that has none: every second case of one potential."""
        cost = self.costs.estimate
        own: list[Case] = []
        costs = [sum(cost(case) for case in queue if can(case.label)) for queue in self._queues]
        dearest, most = self._queues[costs.index(max(costs))], max(costs)
        if not most:
            return own
        label = max((case for case in reversed(dearest) if can(case.label)), key=cost).label
        same = [case for case in reversed(dearest) if case.label == label]
        taken, chosen = 0.0, set()
        for case in sorted(same, key=cost, reverse=True)[::2]:
            if taken < 0.5 * most:
                taken += cost(case)
                chosen.add(id(case))
                own.append(case)
        kept = [case for case in dearest if id(case) not in chosen]
        dearest.clear()
        dearest.extend(kept)
        return own

    def _dearest_potential_first(self, lane: int, can: Callable[[str], bool]) -> None:
        """Put those that can be run in order, the one that is loaded before all, once all have been tried.

        What is left at the end are then short cells. The order is the same for all workers, and stays, so
        that they keep together; materials that come in parts keep the order of their parts until the last.
        """
        if self._blocks or (not self._rank and not all(map(self.costs.knows, self._labels))):
            return
        if not self._rank:
            by_rate = sorted(self._labels, key=self.costs.rate, reverse=True)
            self._rank = {label: place for place, label in enumerate(by_rate)}
        own, loaded = self._queues[lane], self.loaded[lane]
        self._queues[lane] = deque(
            sorted(
                own,
                key=lambda case: (not can(case.label), case.label != loaded, self._rank[case.label]),
            )
        )

    def _dearest_first(self, own: deque[Case]) -> None:
        """Put the cases of the next potential in order."""
        label = own[0].label
        first = list(takewhile(lambda case: case.label == label, own))
        rest = list(own)[len(first) :]
        own.clear()
        own.extend(sorted(first, key=self.costs.estimate, reverse=True))
        own.extend(rest)

    def _balance(self, lane: int) -> None:
        """Before a worker goes on to another potential, take materials over from one that is behind.

        Those for which the potential this one has loaded is still to be computed, half of them, with all
        that comes later: workers stay together, and none has to load a potential again at the end.
        """
        own, label = self._queues[lane], self.loaded[lane]
        if own and own[0].label == label:
            return

        def behind(queue: deque[Case]) -> list[str]:
            return [case.material.name for case in queue if case.label == label]

        slowest = max(range(len(self._queues)), key=lambda other: len(behind(self._queues[other])))
        waiting = behind(self._queues[slowest])
        if slowest == lane or len(waiting) < FEW:
            return
        theirs, moved = self._queues[slowest], set(waiting[len(waiting) // 2 :])
        rank = {
            name: index for index, name in enumerate(dict.fromkeys(case.label for case in (*theirs, *own)))
        }
        taken = [case for case in theirs if case.material.name in moved]
        self._queues[slowest] = deque(case for case in theirs if case.material.name not in moved)
        self._queues[lane] = deque(sorted([*taken, *own], key=lambda case: rank[case.label]))


def _any(cases: Iterable[Case], can: Callable[[str], bool]) -> bool:
    return any(can(case.label) for case in cases)
