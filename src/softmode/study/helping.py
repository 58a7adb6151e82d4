"""Which of the cells that are being computed a worker helps with that has nothing left to take."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from itertools import count

from softmode.measurements.registry import measurement
from softmode.study.costs import Costs
from softmode.study.folder import Case, Study

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
    costs : Costs
        What cells take.
    clock : callable
        The time, s.
    """

    def __init__(self, costs: Costs, clock: Callable[[], float] = time.monotonic) -> None:
        self._costs, self._clock = costs, clock
        self._began: dict[int, tuple[Case, float]] = {}
        self._helpers: Counter[int] = Counter()
        self._next: dict[int, float] = {}  # when it may be tried again
        self._numbers = count()

    def began(self, case: Case) -> None:
        """A worker has begun with a cell."""
        if any(measurement(name).divides for name in case.inputs):
            self._began[id(case)] = case, self._clock()

    def ended(self, case: Case) -> None:
        """It has ended, or its worker is lost."""
        self._began.pop(id(case), None)
        self._next.pop(id(case), None)

    def choose(self, loaded: str, takes: Callable[[str], bool] = lambda label: True) -> Case | None:
        """The cell to help with for a worker that has a potential loaded; None where none is worth it.

        That which is expected to last longest, shared by all that are at it then. Another potential is loaded
        only where that takes less than half as long. The worker counts as a helper of it from now on.
        """
        now, best, most = self._clock(), None, 0.0
        for case, began in self._began.values():
            if not takes(case.label) or now < self._next.get(id(case), now):
                continue
            share = self._left(case, now - began) / (2 + self._helpers[id(case)])
            if case.label != loaded:
                share -= 2.0 * self._costs.loading(case.label)
            if share > max(most, _WORTH):
                best, most = case, share
        if best is not None:
            self._helpers[id(best)] += 1
        return best

    def number(self) -> int:
        """A number for a helper that none had before."""
        return next(self._numbers)

    def left(self, case: Case) -> None:
        """A helper has ended."""
        self._helpers[id(case)] -= 1
        self._next[id(case)] = self._clock() + _PAUSE

    def _left(self, case: Case, lasted: float) -> float:
        """About how long a cell takes still, for one worker."""
        expected = self._costs.estimate(case) if self._costs.n_known else 2.0 * lasted
        return max(expected - lasted, _OVERDUE * lasted)


def forget_pieces(study: Study, case: Case) -> None:
    """Remove pieces that a helper which was killed has left beside a record."""
    for key in case.keys.values():
        if study.store.settled(key):
            study.store.partial(key).clear()
