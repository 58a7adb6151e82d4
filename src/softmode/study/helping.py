"""Which of the cells that are being computed a worker helps with that has nothing left to take."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from softmode.measurements.registry import measurement
from softmode.study.folder import Case, Study
from softmode.study.lanes import Lanes

#: s that a cell must still last, for each that is at it, for one more to help.
_WORTH = 5.0
#: s after which it is tried again to help with a cell in which there was nothing to do.
_PAUSE = 20.0
#: Of the time that a cell has lasted, what it is taken to last still where it should have ended already.
_OVERDUE = 1.0


class Helpers:
    """Helpers of cells that are being computed.

    Parameters
    ----------
    lanes : Lanes
        What workers have loaded, and what cells take.
    clock : callable
        The time, s.
    """

    def __init__(self, lanes: Lanes, clock: Callable[[], float] = time.monotonic) -> None:
        self._lanes, self._costs, self._clock = lanes, lanes.costs, clock
        self._began: dict[int, tuple[Case, float]] = {}
        self._with: dict[int, Case] = {}  # by number of the helper
        self._helpers: Counter[int] = Counter()
        self._next: dict[int, float] = {}  # when it may be tried again
        self._vain: Counter[int] = Counter()  # how often there was nothing to do
        self._numbers = count()

    def began(self, case: Case) -> None:
        """A worker has begun with a cell."""
        if any(_divides(name, inputs) for name, inputs in case.inputs.items()):
            self._began[id(case)] = case, self._clock()

    def ended(self, case: Case) -> None:
        """It has ended, or its worker is lost."""
        self._began.pop(id(case), None)
        self._next.pop(id(case), None)
        self._vain.pop(id(case), None)

    @property
    def cases(self) -> list[Case]:
        """Cells that somebody helps with."""
        return list(self._with.values())

    def choose(self, lane: int, takes: Callable[[str], bool] = lambda label: True) -> tuple[int, Case] | None:
        """The cell to help with for a worker, as the helper of a number; None where none is worth it.

        That which is expected to last longest, shared by all that are at it then. Another potential is loaded
        only where that takes less than half as long. The worker counts as a helper of it from now on.
        """
        now, best, most = self._clock(), None, 0.0
        loaded = self._lanes.loaded[lane]
        for case, began in self._began.values():
            if not takes(case.label) or now < self._next.get(id(case), now):
                continue
            share = self._left(case, now - began) / (2 + self._helpers[id(case)])
            if case.label != loaded:
                share -= 2.0 * self._costs.loading(case.label)
            if share > max(most, _WORTH):
                best, most = case, share
        if best is None:
            return None
        self._helpers[id(best)] += 1
        self._lanes.loaded[lane] = best.label
        number = next(self._numbers)
        self._with[number] = best
        return number, best

    def left(self, number: int, batches: int = 0) -> Case:
        """A helper has ended, and has evaluated so many batches; return what it helped with.

        Where there was nothing to do it is tried again later, and each time twice as late.
        """
        case = self._with.pop(number)
        self._helpers[id(case)] -= 1
        if batches:
            self._vain.pop(id(case), None)
        self._next[id(case)] = self._clock() + _PAUSE * 2.0 ** self._vain[id(case)]
        self._vain[id(case)] += not batches
        return case

    def _left(self, case: Case, lasted: float) -> float:
        """About how long a cell takes still, for one worker."""
        expected = self._costs.estimate(case) if self._costs.n_known else 2.0 * lasted
        return max(expected - lasted, _OVERDUE * lasted)


def _divides(name: str, inputs: Mapping[str, Any]) -> bool:
    divides = measurement(name).divides
    return divides is not None and divides(inputs)


def forget_pieces(study: Study, case: Case) -> None:
    """Remove pieces that a helper which was killed has left beside a record."""
    for key in case.keys.values():
        if study.store.settled(key):
            study.store.partial(key).clear()
