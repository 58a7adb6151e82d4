"""What is given to whom, and given again when workers are lost, processes die, files cannot be written."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tiny_study import emt, factory, tiny_study

from softmode.cluster.messages import Ended, Place
from softmode.cluster.pool import Event, Free, Lost
from softmode.cluster.settings import PoolSettings
from softmode.errors import ClusterError, StorageError
from softmode.records import Failure
from softmode.study import cluster
from softmode.study.cluster import _Distribution
from softmode.study.folder import Case, Study, open_study
from softmode.study.helping import Helpers
from softmode.study.takers import Takers
from softmode.study.work import Ledger, WorkLog
from softmode.study.worker import CaseOutcome


class Workers:
    """Workers whose fate is told: what becomes of the n-th thing that is given."""

    def __init__(self, n: int, fate: Callable[[int], Any]) -> None:
        self.pools, self.fate = {"all": PoolSettings(workers_per_node=n)}, fate
        self.broken: dict[str, ClusterError] = {}
        self.places = {lane: Place(f"host{lane}", 1, "0", pool="all") for lane in range(n)}
        self.lacking: dict[int, dict[str, tuple[str, str]]] = {}
        self.given: list[tuple[int, int, bool]] = []
        self.let_go: list[int] = []
        self.events: list[Event] = [Free(lane) for lane in range(n)]
        self.wanted: list[int] = []

    def want(self, workers: Mapping[str, int]) -> None:
        self.wanted.append(sum(workers.values()))

    def lacks(self, lane: int) -> Mapping[str, tuple[str, str]]:
        return self.lacking.get(lane, {})

    def expected(self, name: str) -> int:
        return 0

    def give(self, lane: int, number: int, function: Any, task: Any, *, fresh: bool = False) -> None:
        self.given.append((lane, number, fresh))
        fate = self.fate(len(self.given))
        if fate == "lost":
            self.events += [Lost(lane, number), Free(lane)]
        elif fate == "lost when done":
            function(task)
            self.events += [Lost(lane, number), Free(lane)]
        elif isinstance(fate, Ended):
            self.events += [Ended(number, fate.result, fate.error, fate.died, fate.late), Free(lane)]
        else:
            self.events += [
                Ended(number, pickle.dumps(fate or CaseOutcome(None, True, 0.5, work=0.5))),
                Free(lane),
            ]

    def end(self, lane: int) -> None:
        self.let_go.append(lane)

    def wait(self, seconds: float) -> Iterator[Event]:
        events, self.events = self.events, []
        yield from events


@pytest.fixture
def study(tiny_dataset: Path, tmp_path: Path) -> Study:
    """Three metals, two potentials; nothing is computed."""
    settings = tiny_study(tiny_dataset, tmp_path / "o", emt(), factory("scaled_emt", "soft", factor=0.9))
    return open_study(settings)


def distributed(study: Study, workers: Workers) -> list[CaseOutcome]:
    with WorkLog(study.folder) as log:
        found = list(_Distribution(study, study.cases, workers, log).run())  # type: ignore[arg-type]
    assert {id(case) for case, _ in found} == {id(case) for case in study.cases}
    assert len(found) == len(study.cases)
    return [outcome for _, outcome in found]


def test_each_is_given_once_and_potentials_stay(study: Study) -> None:
    workers = Workers(1, lambda n: None)
    assert [outcome.failure for outcome in distributed(study, workers)] == [None] * 6
    labels = [study.cases[number].label for _, number, _ in workers.given]
    assert labels == ["emt"] * 3 + ["soft"] * 3
    [host] = Ledger(study.folder).read().by_host.values()
    assert (host.name, host.cells) == ("host0", 6)
    assert host.hours == pytest.approx(6 * 0.5 / 3600)
    assert max(workers.wanted) == 1


def test_what_a_lost_worker_had_is_given_first_to_another(study: Study) -> None:
    workers = Workers(2, lambda n: "lost" if n in (1, 2) else None)
    distributed(study, workers)
    numbers = [number for _, number, _ in workers.given]
    assert len(numbers) == 8
    assert set(numbers[:2]) == set(numbers[2:4])


def test_what_was_stored_is_not_computed_again(study: Study) -> None:
    workers = Workers(1, lambda n: "lost when done" if n == 1 else None)
    assert [outcome.failure for outcome in distributed(study, workers)] == [None] * 6
    assert len(workers.given) == 6


def test_the_silence_of_a_lost_worker_is_not_work_repeated(study: Study) -> None:
    class Silent(Workers):
        def give(self, lane: int, number: int, *more: Any, **rest: Any) -> None:
            super().give(lane, number, *more, **rest)
            if len(self.given) == 1:
                self.events[-2] = Lost(lane, number, silent=1000.0)

    distributed(study, Silent(1, lambda n: "lost" if n == 1 else None))
    lines = (study.folder / "cluster" / "work.jsonl").read_text().splitlines()
    assert [one["repeated"] for one in map(json.loads, lines) if "repeated" in one] == [0.0]


def test_one_that_always_loses_its_worker_is_the_cause(study: Study) -> None:
    first: list[int] = []

    def fate(n: int) -> str | None:
        number = workers.given[-1][1]
        first.append(number)
        return "lost" if number == first[0] else None

    workers = Workers(2, fate)
    failures = [outcome.failure for outcome in distributed(study, workers) if outcome.failure]
    assert [failure.kind for failure in failures] == ["WorkerDied"]
    assert sum(number == first[0] for number in first) == 5


def test_one_that_ends_its_process_is_tried_in_a_new_one(study: Study) -> None:
    workers = Workers(1, lambda n: Ended(0, died=True) if n == 1 else None)
    assert [outcome.failure for outcome in distributed(study, workers)] == [None] * 6
    assert [fresh for _, _, fresh in workers.given] == [False, True, *[False] * 5]
    workers = Workers(1, lambda n: Ended(0, died=True) if n <= 2 else None)
    kinds = [outcome.failure.kind for outcome in distributed(study, workers) if outcome.failure]
    assert kinds == ["WorkerDied"]


def test_one_that_does_not_end_has_failed_at_once(study: Study) -> None:
    workers = Workers(1, lambda n: Ended(0, died=True, late=True) if n == 1 else None)
    kinds = [outcome.failure.kind for outcome in distributed(study, workers) if outcome.failure]
    assert kinds == ["TimeLimit"]
    assert len(workers.given) == 6


def test_memory_that_was_lacking_may_suffice_alone(study: Study) -> None:
    lacking = CaseOutcome(Failure("OutOfMemory", "too little", transient=True), True, 1.0)
    workers = Workers(1, lambda n: lacking if n == 1 else None)
    assert [outcome.failure for outcome in distributed(study, workers)] == [None] * 6
    assert [fresh for _, _, fresh in workers.given][:2] == [False, True]


def test_records_that_cannot_be_written_are_tried_later(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_STORE_PAUSE", 0.05)
    full = CaseOutcome(Failure("Storage", "the disk is full", transient=True), False, 1.0)
    workers = Workers(1, lambda n: full if n == 1 else None)
    assert all(outcome.stored for outcome in distributed(study, workers))
    workers = Workers(1, lambda n: full if workers.given[-1][1] == 0 else None)
    assert [outcome.stored for outcome in distributed(study, workers)].count(False) == 1
    assert sum(number == 0 for _, number, _ in workers.given) == 4


def test_what_a_worker_cannot_import_is_told(study: Study) -> None:
    workers = Workers(1, lambda n: Ended(0, error=ModuleNotFoundError("no module named mine")))
    failures = [outcome.failure for outcome in distributed(study, workers)]
    assert {failure.message for failure in failures if failure} == {
        "ModuleNotFoundError: no module named mine"
    }
    assert not (study.folder / "records").exists()


def test_who_has_nothing_to_do_is_let_go(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_IDLE", -1.0)
    monkeypatch.setattr(cluster, "_WAIT", 0.0)
    workers = Workers(6, lambda n: None)
    distributed(study, workers)
    assert workers.let_go
    assert max(workers.wanted) == 6


class Two(Workers):
    """Two workers of one kind, and two of another that is asked for one potential."""

    def __init__(self, fate: Callable[[int], Any] = lambda n: None) -> None:
        super().__init__(4, fate)
        self.pools = {
            "cpu": PoolSettings(workers_per_node=2, potentials=("emt",)),
            "gpu": PoolSettings(workers_per_node=2, potentials=("s*",)),
        }
        self.places = {
            lane: Place(f"host{lane}", 1, "0", pool="cpu" if lane < 2 else "gpu") for lane in range(4)
        }

    def computed(self, study: Study) -> set[tuple[str, str]]:
        """Which kind of workers got which potential."""
        return {(self.places[lane].pool, study.cases[number].label) for lane, number, _ in self.given}


def test_each_kind_gets_its_potentials(study: Study) -> None:
    workers = Two()
    assert [outcome.failure for outcome in distributed(study, workers)] == [None] * 6
    assert workers.computed(study) == {("cpu", "emt"), ("gpu", "soft")}


def test_a_host_that_lacks_what_a_potential_needs_gets_others(study: Study) -> None:
    workers = Workers(2, lambda n: None)
    workers.lacking = {0: {"soft": ("the package soft is not installed", "Install it")}}
    assert [outcome.failure for outcome in distributed(study, workers)] == [None] * 6
    assert {lane for lane, number, _ in workers.given if study.cases[number].label == "soft"} == {1}


def test_what_nobody_can_run_fails_once_with_a_reason_and_the_rest_goes_on(study: Study) -> None:
    workers = Two()
    lacking = {"soft": ("its interpreter is gone", "Make it again")}
    workers.lacking = dict.fromkeys(range(4), lacking)
    outcomes = distributed(study, workers)
    assert {outcome.failure.message for outcome in outcomes if outcome.failure} == {
        "soft: no worker of the cluster can run it: on host2 (pool gpu) its interpreter is gone. "
        "Make it again."
    }
    assert sum(outcome.failure is None for outcome in outcomes) == 3
    assert workers.computed(study) == {("cpu", "emt")}
    failed = next(case for case in study.cases if case.label == "soft")
    assert not study.settled(failed)  # the next run tries again


def test_who_can_run_a_potential_is_forgotten_when_he_leaves(study: Study) -> None:
    """The one worker that can is lost; the one that comes in its place lacks the weights."""

    class Replaced(Workers):
        waits = 0

        def give(self, lane: int, *given: Any, **more: Any) -> None:
            self.lacking[lane] = dict.fromkeys(("emt", "soft"), ("its weights are gone", "Put them there"))
            super().give(lane, *given, **more)

        def wait(self, seconds: float) -> Iterator[Event]:
            self.waits += 1
            assert self.waits < 100, "it waits for ever"
            yield from super().wait(seconds)

    workers = Replaced(1, lambda n: "lost")
    outcomes = distributed(study, workers)
    assert [number for _, number, _ in workers.given] == [0]
    said = {outcome.failure.message for outcome in outcomes if outcome.failure}
    reason = "no worker of the cluster can run it: on host0 its weights are gone. Put them there."
    assert said == {f"emt: {reason}", f"soft: {reason}"}
    assert len(outcomes) == 6


def test_where_the_last_that_can_run_a_potential_leaves_another_is_waited_for() -> None:
    """Of two hosts one can; that one is lost, and what the other lacks is no reason to give up, yet."""
    workers = Workers(2, lambda n: None)
    takers, lacks, left = Takers(workers), {"emt": ("it is not there", "Put it there")}, {"emt": 3}  # type: ignore[arg-type]
    takers.met(0, workers.places[0], {}, left)
    takers.met(1, workers.places[1], lacks, left)
    takers.gone(0)
    assert takers.nobody("emt", left) is None
    assert takers.wanted(left) == {"all": 2}
    takers.met(0, workers.places[0], lacks, left)
    assert takers.nobody("emt", left) is not None


def test_who_can_do_nothing_of_what_is_tried_again_later_is_let_go(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two have had nothing to do for long; what could not be stored is one's only."""
    monkeypatch.setattr(cluster, "_IDLE", -1.0)
    monkeypatch.setattr(_Distribution, "_give", lambda self, lane: None)
    workers = Workers(2, lambda n: None)
    workers.lacking = {1: {"emt": ("it is not installed", "Install it")}}
    with WorkLog(study.folder) as log:
        distribution = _Distribution(study, study.cases, workers, log)  # type: ignore[arg-type]
        distribution._again = [(math.inf, 0, False)]
        distribution._idle = {0: 0.0, 1: 0.0}
        distribution._wake()
    assert workers.let_go == [1]


def test_potentials_of_workers_that_cannot_be_started_fail_and_the_rest_goes_on(study: Study) -> None:
    workers = Two()
    workers.events = [Free(0), Free(1)]
    workers.broken = {"gpu": ClusterError("x", "no worker can be started: Invalid account", "Correct it")}
    outcomes = distributed(study, workers)
    assert sum(outcome.failure is None for outcome in outcomes) == 3
    assert {outcome.failure.message for outcome in outcomes if outcome.failure} == {
        "soft: no worker of the cluster can run it: no worker can be started: Invalid account (pool gpu). "
        "Correct it."
    }


def test_where_parsl_breaks_down_the_rest_is_computed_by_another(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[int] = []

    def on_pool(study: Study, cases: Any, settings: Any, known: Any) -> Iterator[tuple[Any, CaseOutcome]]:
        began.append(len(cases))
        if len(began) == 2:  # there is no space for another, yet
            raise StorageError("cluster", "cannot be written", "Check its space")
        for case in cases[:4]:
            yield case, CaseOutcome(None, True, 0.0)
        if len(cases) > 4:
            raise cluster.EngineLostError("run.cluster", "it has ended", "Run again")

    monkeypatch.setattr(cluster, "_STORE_PAUSE", 0.0)
    monkeypatch.setattr(cluster, "_on_pool", on_pool)
    found = list(cluster.on_cluster(study, study.cases, None))  # type: ignore[arg-type]
    assert [id(case) for case, _ in found] == [id(case) for case in study.cases]
    assert began == [6, 2, 2]


def test_short_cells_are_given_ahead_and_again_where_the_worker_is_lost(study: Study) -> None:
    """Where it is known that a cell takes 0.1 s, a worker has several; only the first was begun."""
    workers = Workers(1, lambda n: CaseOutcome(None, True, 0.1))
    known = [(case, 0.1) for case in study.cases]
    with WorkLog(study.folder) as log:
        distribution = _Distribution(study, study.cases, workers, log, known)  # type: ignore[arg-type]
        distribution._give(0)
        given = [number for _, number, _ in workers.given]
        assert given == [0, 1]  # until what it has takes half as long as what is left: 0.2 of 0.4 s
        workers.events = [Lost(0, given[0], tuple(given[1:])), Free(0)]
        workers.given.clear()
        assert len(list(distribution.run())) == 6
    assert sorted(number for _, number, _ in workers.given) == [0, 1, 2, 3, 4, 5]
    assert distribution._losses == {given[0]: 1}


def test_one_that_pauses_goes_on_with_another_worker(study: Study) -> None:
    paused = CaseOutcome(None, True, 7.0, paused=True)
    workers = Workers(2, lambda n: paused if n == 1 else None)
    outcomes = distributed(study, workers)
    assert len(workers.given) == 7
    assert sorted(outcome.seconds for outcome in outcomes) == [0.5] * 5 + [7.5]


def test_who_has_nothing_to_do_helps_and_is_no_ones_loss(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first helper is lost, the second is not."""
    [case, *_] = study.cases
    chosen = iter([0, 1])

    def choose(self: Helpers, lane: int, takes: Any) -> tuple[int, Case] | None:
        number = next(chosen, None)
        if number is None:
            return None
        self._with[number] = case
        return number, case

    monkeypatch.setattr(Helpers, "choose", choose)
    tasks: list[Any] = []
    give = Workers.give

    def giving(self: Workers, lane: int, number: int, function: Any, task: Any, **more: Any) -> None:
        tasks.append(task)
        give(self, lane, number, function, task, **more)

    monkeypatch.setattr(Workers, "give", giving)
    workers = Workers(6, lambda n: "lost" if tasks[-1].helper == 0 else None)
    assert [outcome.failure for outcome in distributed(study, workers)] == [None] * 6
    helpers = [(task.helper, task.facts) for task in tasks if task.helper is not None]
    assert helpers == [(0, case.facts), (1, case.facts)]
    assert [number for _, number, _ in workers.given if number >= 6] == [6, 7]
    assert len(workers.given) == 8


@pytest.mark.parametrize("batches", [0, 5])
def test_who_looks_in_vain_for_something_to_help_with_has_been_idle_all_the_time(
    study: Study, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    workers = Workers(1, lambda n: CaseOutcome(None, True, 3.0, loading=1.0, batches=batches))
    case = study.cases[0]
    with WorkLog(study.folder) as log:
        distribution = _Distribution(study, study.cases, workers, log)  # type: ignore[arg-type]
        distribution._met(0)
        monkeypatch.setattr(distribution._lanes, "next", lambda *_: None)
        distribution._idle[0] = -100.0
        distribution.helpers._with[0] = case
        monkeypatch.setattr(distribution.helpers, "choose", lambda *_: (0, case))
        distribution._give(0)
        assert not distribution._idle  # it is not let go while it helps
        monkeypatch.setattr(distribution.helpers, "choose", lambda *_: None)
        *_, ended, _ = workers.events
        assert isinstance(ended, Ended)
        distribution._no_longer_helps(ended.number, ended)
        distribution._give(0)
        assert (distribution._idle[0] == -100.0) == (not batches)
    hours = Ledger(study.folder).read().hours()
    assert (hours.computing, hours.loading) == pytest.approx((2 / 3600, 1 / 3600))


def test_costs_are_learnt_from_all_that_went_into_a_cell(study: Study) -> None:
    """Paused after 7 s, in which a record of 5 s was made; then 2 s, of a record of 30 s by several."""
    paused = CaseOutcome(None, True, 7.0, work=5.0, paused=True)
    workers = Workers(1, lambda n: paused if n == 1 else CaseOutcome(None, True, 2.0, work=30.0))
    with WorkLog(study.folder) as log:
        distribution = _Distribution(study, study.cases, workers, log)  # type: ignore[arg-type]
        for case, _ in distribution.run():
            wanted = 35.0 if case is study.cases[0] else 30.0
            learnt = distribution._lanes.costs._seconds[case.label, case.material.name]
            assert learnt == pytest.approx(wanted / max(1, case.material.n_supercell_atoms))
    [host] = Ledger(study.folder).read().by_host.values()
    assert (host.cells, host.hours) == (6, pytest.approx((7 + 6 * 2) / 3600))
