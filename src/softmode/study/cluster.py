"""Run the cases of a study on the workers of a cluster."""

from __future__ import annotations

import math
import pickle
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from softmode.cluster.engine import open_pool
from softmode.cluster.messages import Ended, Missing, Place
from softmode.cluster.pool import EngineLostError, Free, Lost, Pool
from softmode.cluster.settings import ClusterSettings
from softmode.errors import StorageError
from softmode.potentials.presence import lacking
from softmode.potentials.resolution import ResolvedPotential
from softmode.study.endings import case_task, ended_with, store_failure, too_late, worker_died
from softmode.study.folder import Case, Study
from softmode.study.helping import Helpers, forget_pieces
from softmode.study.lanes import Lanes
from softmode.study.takers import Takers
from softmode.study.work import FOLDER, WorkLog
from softmode.study.worker import CaseOutcome, run_case

_STORAGE = StorageError("", "", "").kind

_WAIT = 1.0  # s
_LOSSES = 5  # of the worker that has a case, after which the case is taken to be the cause
_STORE_TRIES = 4  # of a case whose records could not be written
_STORE_PAUSE = 20.0  # s before the next try, times the tries so far
_ENGINES = 10  # times that Parsl is started, where it breaks down
_AHEAD = 2.0  # s of work that a worker is given at a time, where single cells take less
_IDLE = 60.0  # s after which a worker that has nothing to do is let go


def on_cluster(
    study: Study, cases: Sequence[Case], settings: ClusterSettings, known: Sequence[tuple[Case, float]] = ()
) -> Iterator[tuple[Case, CaseOutcome]]:
    """Compute cases on a cluster; yield them as they are finished.

    A case whose worker is lost, with its node or alone, is tried again; so is one that cannot be stored,
    after a while: file systems recover. One that ends its process, or does not come to an end, is treated as
    on processes of this machine.

    Parameters
    ----------
    study : Study
        Opened, and run by nobody else.
    cases : sequence of Case
        Those to compute.
    settings : ClusterSettings
        What to ask the cluster for.
    known : sequence of (Case, float)
        Cells that are finished, and the seconds that they took.
    """
    left = {id(case): case for case in cases}
    for attempt in range(_ENGINES):
        try:
            for case, outcome in _on_pool(study, tuple(left.values()), settings, known):
                del left[id(case)]
                yield case, outcome
            return
        except EngineLostError:
            if attempt == _ENGINES - 1:
                raise
        except StorageError:  # where to keep what another engine needs
            if attempt in (0, _ENGINES - 1):
                raise
            time.sleep(_STORE_PAUSE)


def _on_pool(
    study: Study, cases: Sequence[Case], settings: ClusterSettings, known: Sequence[tuple[Case, float]]
) -> Iterator[tuple[Case, CaseOutcome]]:
    """Compute cases on the workers of one pool."""
    run = study.settings.run
    with (
        open_pool(
            settings,
            study.folder / FOLDER,
            "run.cluster",
            threads=study.settings.conditions.threads,
            memory_limit=run.memory_limit,
            survey=pickle.dumps((lacking, _potentials(cases))),
        ) as pool,
        WorkLog(study.folder) as log,
    ):
        distribution = _Distribution(study, cases, pool, log, known)
        yield from distribution.run()
    for case in distribution.helpers.cases:
        forget_pieces(study, case)


def _potentials(cases: Sequence[Case]) -> dict[str, ResolvedPotential]:
    """Potentials of cases, by label."""
    return {case.label: case.potential for case in cases if case.potential is not None}


class _Distribution:
    """Who has what, and what is still to be given."""

    def __init__(
        self,
        study: Study,
        cases: Sequence[Case],
        pool: Pool,
        log: WorkLog,
        known: Sequence[tuple[Case, float]] = (),
    ) -> None:
        self._study, self._pool, self._log = study, pool, log
        self._cases = cases
        self._numbers = {id(case): number for number, case in enumerate(cases)}
        self._left = Counter(case.label for case in cases)
        self._takers = Takers(pool)
        self._lanes = Lanes(cases, self._takers.wanted(self._left).total(), known)
        self._running: dict[int, int] = {}  # number of a case, worker
        self._again: list[tuple[float, int, bool]] = []  # from when, number, in a new process
        self._idle: dict[int, float] = {}  # worker, since when
        self._alone: set[int] = set()  # those that have been tried in a new process
        self._over: set[int] = set()
        self._given: dict[int, float] = {}  # when
        self._losses: Counter[int] = Counter()
        self._unstored: Counter[int] = Counter()
        self._woken = -math.inf
        self.helpers = Helpers(self._lanes)  # their numbers follow those of cases
        self._helped: dict[int, tuple[int, float]] = {}  # number, by which worker, since when
        self._idle_before: dict[int, float] = {}  # the same of those that may help, until they really do
        self._has: dict[int, dict[int, float]] = defaultdict(dict)  # worker, number, s it may take
        self._before: defaultdict[int, float] = defaultdict(float)  # s that a case took before it was paused
        self._work: defaultdict[int, float] = defaultdict(float)  # and what the records made then cost

    def run(self) -> Iterator[tuple[Case, CaseOutcome]]:
        """Compute them all."""
        self._log.began({name: one.slots for name, one in self._pool.pools.items()})
        while self._left:
            self._pool.want(self._takers.wanted(self._left))
            for event in self._pool.wait(_WAIT):
                if isinstance(event, Free):
                    self._met(event.lane)
                    self._give(event.lane)
                    continue
                number = event.number
                if isinstance(event, Lost):
                    self._has_left(event.lane)
                    self._take_back(event.waiting)
                if number is None:
                    continue
                if number in self._helped:
                    self._no_longer_helps(number, event if isinstance(event, Ended) else None)
                    continue
                outcome = (
                    self._lost(number, event.silent)
                    if isinstance(event, Lost)
                    else self._ended(number, event)
                )
                self._gone(number)
                if outcome is not None:
                    yield self._finished(number, outcome)
            self._wake()
            yield from self._nobodys()

    def _gone(self, number: int) -> None:
        """A worker has a case no more."""
        lane = self._running.pop(number, None)
        if lane is not None:
            self._has[lane].pop(number, None)
        self.helpers.ended(self._cases[number])

    def _take_back(self, waiting: Iterable[int]) -> None:
        """What a worker had not begun is given to another."""
        for number in waiting:
            if number in self._helped:
                self._no_longer_helps(number, None)
            else:
                self._gone(number)
                self._again.insert(0, (0.0, number, number in self._alone))

    def _no_longer_helps(self, number: int, ended: Ended | None) -> None:
        """A helper has ended, or is lost; what it has evaluated then is in the cell for the most part."""
        lane, since = self._helped.pop(number)
        self._has[lane].pop(number, None)
        if ended is None or ended.died or ended.error is not None:
            outcome = CaseOutcome(None, stored=True, seconds=time.monotonic() - since)
        else:
            outcome = _outcome(ended)
        case = self.helpers.left(number - len(self._cases), outcome.batches)
        if outcome.batches:
            self._idle_before.pop(lane, None)
        self._log.part(case, outcome, lane, self._pool.places.get(lane))

    def _finished(self, number: int, outcome: CaseOutcome) -> tuple[Case, CaseOutcome]:
        case = self._cases[number]
        self._over.add(number)
        self._left -= Counter([case.label])
        return case, outcome

    def _met(self, lane: int) -> None:
        """Take account of what a worker says of itself."""
        place, lacks = self._worker(lane)
        self._log.came(lane, place, self._pool.pools[place.pool].cores_per_worker)
        self._takers.met(lane, place, lacks, self._left)

    def _has_left(self, lane: int) -> None:
        """A worker is there no more."""
        self._log.left(lane)
        self._takers.gone(lane)
        self._idle.pop(lane, None)
        self._idle_before.pop(lane, None)
        self._has.pop(lane, None)

    def _worker(self, lane: int) -> tuple[Place, Mapping[str, Missing]]:
        return self._pool.places[lane], self._pool.lacks(lane)

    def _nobodys(self) -> Iterator[tuple[Case, CaseOutcome]]:
        """Cases of potentials that no worker can run: all that is left of these."""
        for label in list(self._left):
            if (failure := self._takers.nobody(label, self._left)) is None:
                continue
            self._again = [one for one in self._again if self._cases[one[1]].label != label]
            self._lanes.give_up(label)
            for number, case in enumerate(self._cases):
                if case.label == label and number not in self._over and number not in self._running:
                    yield self._finished(number, store_failure(self._study, case, failure))

    def _give(self, lane: int) -> None:
        """Give a worker what is due to be tried again, or else what comes next for it.

        Of short cells several, so that it never waits for the next; not more than is fair towards others.
        """
        has = self._has[lane]
        while self._give_one(lane) and sum(has.values()) < min(_AHEAD, 0.5 * self._lanes.left):
            pass

    def _give_one(self, lane: int) -> bool:
        """Give a worker something; whether there was anything."""
        now = time.monotonic()
        place, lacks = self._worker(lane)

        def takes(label: str) -> bool:
            return self._takers.takes(place, lacks, label)

        due = next(
            (one for one in self._again if one[0] <= now and takes(self._cases[one[1]].label)),
            None,
        )
        if due is not None:
            self._again.remove(due)
            _, number, fresh = due
        elif (case := self._lanes.next(lane, takes)) is not None:
            number, fresh = self._numbers[id(case)], False
        elif self._has[lane]:
            return False
        elif (chosen := self.helpers.choose(lane, takes)) is not None:
            self._idle_before[lane] = self._idle.pop(lane, self._idle_before.get(lane, now))
            self._log.idle(lane, False)
            self._help(lane, *chosen)
            return False
        else:
            self._idle.setdefault(lane, self._idle_before.pop(lane, now))
            self._log.idle(lane, True)
            return False
        self._idle.pop(lane, None)
        self._idle_before.pop(lane, None)
        self._log.idle(lane, False)
        case = self._cases[number]
        self._has[lane][number] = math.inf if fresh else self._expected(case)
        self._lanes.loaded[lane] = case.label
        self._running[number], self._given[number] = lane, now
        self.helpers.began(case)
        self._pool.give(lane, number, run_case, case_task(self._study, case), fresh=fresh)
        return True

    def _expected(self, case: Case) -> float:
        """About how long a case takes, as far as that is known."""
        costs = self._lanes.costs
        return costs.estimate(case) if costs.knows(case.label) else math.inf

    def _help(self, lane: int, helper: int, case: Case) -> None:
        """Have a worker help with what another does."""
        number = len(self._cases) + helper
        self._helped[number], self._has[lane][number] = (lane, time.monotonic()), math.inf
        self._pool.give(lane, number, run_case, case_task(self._study, case, helper))

    def _wake(self) -> None:
        """Give to idle workers what is due, or worth to be helped with; let go who has long been idle."""
        now = time.monotonic()
        if now < self._woken + _WAIT and not any(due <= now for due, _, _ in self._again):
            return
        self._woken = now
        for lane, since in list(self._idle.items()):
            self._give(lane)
            if lane not in self._idle:
                continue
            if now > since + _IDLE and not self._waits(lane):
                self._pool.end(lane)
                self._has_left(lane)

    def _waits(self, lane: int) -> bool:
        """Whether something is to be tried again later that a worker can be given."""
        place, lacks = self._worker(lane)
        return any(
            self._takers.takes(place, lacks, self._cases[number].label) for _, number, _ in self._again
        )

    def _ended(self, number: int, ended: Ended) -> CaseOutcome | None:
        """What came of a case; None where it is tried again."""
        case = self._cases[number]
        now = time.monotonic()  # when what the worker has next begins
        self._given |= dict.fromkeys(self._has[self._running[number]], now)
        if ended.died:
            self._in_vain(number, ended.seconds)
        if ended.late:
            return too_late(self._study, case)
        if ended.died:
            if number in self._alone:
                return worker_died(self._study, case)
            self._try_alone(number)
            return None
        outcome = ended_with(self._study, case, ended.error) or _outcome(ended)
        lane = self._running[number]
        if outcome.paused:
            self._before[number] += outcome.seconds
            self._work[number] += outcome.work
            self._log.part(case, outcome, lane, self._pool.places.get(lane))
            self._losses[number] = 0  # it gets on
            self._again.insert(0, (0.0, number, False))
            return None
        failure = outcome.failure
        if failure is not None and failure.kind == _STORAGE and self._unstored[number] < _STORE_TRIES - 1:
            self._unstored[number] += 1
            self._in_vain(number, ended.seconds)
            self._again.append((time.monotonic() + _STORE_PAUSE * self._unstored[number], number, False))
            return None
        if failure is not None and failure.lacked_memory and number not in self._alone:
            self._in_vain(number, ended.seconds)
            self._try_alone(number)
            return None
        self._lanes.done(case, outcome.work + self._work[number], outcome.loading)
        self._log.note(case, outcome, lane, self._pool.places.get(lane))
        return replace(outcome, seconds=outcome.seconds + self._before[number])

    def _in_vain(self, number: int, seconds: float) -> None:
        lane = self._running[number]
        self._log.in_vain(self._cases[number], seconds, lane, self._pool.places.get(lane))

    def _try_alone(self, number: int) -> None:
        self._alone.add(number)
        self._again.append((0.0, number, True))

    def _lost(self, number: int, silent: float) -> CaseOutcome | None:
        """What came of a case whose worker was lost, so long ago; None where it is tried again."""
        case = self._cases[number]
        if self._study.settled(case):  # it was done, and the worker could not say so any more
            failures = [record.failure for record in self._study.records(case).values()]
            return CaseOutcome(next((one for one in failures if one is not None), None), True, 0.0)
        self._in_vain(number, max(0.0, time.monotonic() - silent - self._given[number]))
        self._losses[number] += 1
        if self._losses[number] == _LOSSES:
            return worker_died(self._study, case)
        self._again.insert(0, (0.0, number, False))
        return None


def _outcome(ended: Ended) -> CaseOutcome:
    outcome = pickle.loads(ended.result)
    assert isinstance(outcome, CaseOutcome)
    return outcome
