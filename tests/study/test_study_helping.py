"""Who helps with which cell, and that records do not tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from moving_metals import MOVING, write_moving_metal
from tiny_study import factory, run_tiny, tiny_study

from softmode.measurements import Facts, pieces
from softmode.measurements.view import Sources
from softmode.records import Failure, Record, RecordStore
from softmode.study import worker
from softmode.study.costs import Costs, known_costs
from softmode.study.endings import case_task
from softmode.study.folder import Case, Study, open_study
from softmode.study.helping import Helpers, forget_pieces
from softmode.study.materials import MaterialSummary
from softmode.study.run import run_study
from softmode.study.worker import CaseOutcome, run_case

N_FRAMES = 21


def cell(name: str, label: str = "one", *, divides: bool = True) -> Case:
    inputs = {"trajectory_forces" if divides else "displaced_forces": {}}
    return Case(MaterialSummary(name=name, fingerprint=""), label, Facts(""), inputs, {}, None, None)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def helpers_of(clock: Clock, costs: Costs, *loaded: str) -> Helpers:
    """Helpers where workers have these potentials loaded."""
    return Helpers(SimpleNamespace(costs=costs, loaded=list(loaded)), clock)  # type: ignore[arg-type]


@pytest.fixture
def helpers(clock: Clock) -> Helpers:
    """One potential takes 10, 130 and 1,000 s for three materials; loading it takes 30 s.

    The first worker has it loaded, the second another.
    """
    costs = Costs()
    costs.learn(cell("short"), 10.0, loading=30.0)
    costs.learn(cell("middle"), 130.0)
    costs.learn(cell("long"), 1000.0)
    return helpers_of(clock, costs, "one", "two")


def test_the_cell_that_is_expected_to_last_longest_is_helped_with(helpers: Helpers, clock: Clock) -> None:
    short, long, other = cell("short"), cell("long"), cell("long", divides=False)
    assert helpers.choose(0) is None
    for one in (short, long, other):
        helpers.began(one)
    assert helpers.choose(0) == (0, long)
    clock.now = 700.0  # what should have ended is overdue by more than what is left of the other
    assert helpers.choose(0) == (1, short)
    helpers.ended(short)
    assert helpers.choose(0) == (2, long)  # the second: 300 s by three
    clock.now = 960.0
    assert helpers.choose(0) == (3, long)  # overdue as well from half of the time it has lasted
    helpers.ended(long)
    assert helpers.choose(0) is None
    assert helpers.cases == [long, short, long, long]
    assert helpers.left(1) is short


def test_another_potential_is_loaded_only_where_that_is_worth_it(helpers: Helpers) -> None:
    middle = cell("middle")
    helpers.began(middle)
    assert helpers.choose(0, lambda label: label != "one") is None  # it cannot run this one
    assert helpers.choose(1) is None  # 130 s shared by two is not much more than twice 30 s
    assert helpers.choose(0) == (0, middle)


def test_where_there_was_nothing_to_do_it_is_tried_again_each_time_twice_as_late(
    helpers: Helpers, clock: Clock
) -> None:
    long, tried = cell("long"), []
    helpers.began(long)
    for clock.now in range(200):
        if (chosen := helpers.choose(0)) is not None:
            tried.append(clock.now)
            helpers.left(chosen[0])
    assert tried == [0, 20, 60, 140]
    clock.now = 300
    for _ in range(3):
        chosen = helpers.choose(0)
        assert chosen is not None
        helpers.left(chosen[0], 5)
        clock.now += 20  # as there was something, no later


def test_what_is_not_known_beforehand_is_not_helped_with(clock: Clock) -> None:
    helpers = helpers_of(clock, Costs(), "one")
    one = cell("one")
    one.inputs["trajectory_forces"] = {"until": {"certainty": 0.95, "interval": None}}
    helpers.began(one)
    clock.now = 1000.0
    assert helpers.choose(0) is None
    del one.inputs["trajectory_forces"]["until"]
    helpers.began(one)
    clock.now = 2000.0
    assert helpers.choose(0) is not None


def test_before_costs_are_known_what_has_lasted_is_taken_to_last_as_long_again(clock: Clock) -> None:
    helpers, one = helpers_of(clock, Costs(), "one"), cell("one")
    helpers.began(one)
    clock.now = 9.0
    assert helpers.choose(0) is None
    clock.now = 11.0
    assert helpers.choose(0) == (0, one)


def moving_study(tmp_path: Path, name: str) -> Study:
    if not (tmp_path / "data").exists():
        write_moving_metal(tmp_path / "data" / "Al", "Al", n_frames=N_FRAMES)
    potential = factory("logging_emt", log=str(tmp_path / name))
    return open_study(tiny_study(tmp_path / "data", tmp_path / f"{name}.study", potential, options=MOVING))


def contents(study: Study) -> dict[str, Any]:
    records = study.records(study.cases[0], with_arrays=True)
    return {name: (dict(one.values), dict(one.arrays), one.calls) for name, one in records.items()}


def test_a_helper_changes_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that comes before the other has begun evaluates all frames; none of them is evaluated again."""
    monkeypatch.setattr(pieces, "_SAVE_SHARED_EVERY", 0.0)
    study = moving_study(tmp_path, "helped")
    [case] = study.cases
    outcome = run_case(case_task(study, case, 0))
    assert (outcome.failure, outcome.paused, outcome.batches) == (None, False, 3)
    evaluated = (tmp_path / "helped").read_text().split()
    assert len(evaluated) == len(set(evaluated)) == N_FRAMES
    assert not study.records(case)
    outcomes: list[CaseOutcome] = []
    run_study(study, lambda case, outcome: outcomes.append(outcome))
    evaluated = (tmp_path / "helped").read_text().split()
    assert len(evaluated) == len(set(evaluated))
    assert not list(study.store.root.glob("*/*.partial"))

    alone, _ = run_tiny(moving_study(tmp_path, "alone").settings)
    found, wanted = map(contents, (study, alone))
    np.testing.assert_equal(found, wanted)
    # what it cost is the same as well, as far as times can be: those of helpers are in it
    records = study.records(case)
    assert records["trajectory_forces"].calls == N_FRAMES
    made = {record.key: record.seconds for record in records.values()}
    assert outcomes[0].work == pytest.approx(sum(made.values()))
    assert known_costs(study, [case]) == [(case, pytest.approx(sum(made.values())))]


def test_a_retry_is_helped_with_and_its_pieces_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure that need not repeat is stored: the record is there, and yet it is made again."""
    study = moving_study(tmp_path, "retried")
    [case] = study.cases
    key, inputs = case.keys["trajectory_forces"], case.inputs["trajectory_forces"]
    failure = Failure("OutOfMemory", "too little", transient=True)
    study.store.write(Record(key, "trajectory_forces", inputs, failure=failure))
    assert run_case(case_task(study, case, 0)).batches == 3
    assert study.store.partial(key).folder.exists()
    run_study(study)
    evaluated = (tmp_path / "retried").read_text().split()
    assert len(evaluated) == len(set(evaluated))
    assert study.settled(case)


def test_who_comes_too_late_loads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, _ = run_tiny(moving_study(tmp_path, "late").settings)
    [case] = study.cases

    found = RecordStore.find

    def find(store: RecordStore, key: str, *, with_arrays: bool = True) -> Record | None:
        assert not with_arrays
        return found(store, key, with_arrays=with_arrays)

    def load() -> Any:
        raise AssertionError

    monkeypatch.setattr(RecordStore, "find", find)
    monkeypatch.setattr(worker, "_sources", lambda task: Sources(task.facts, load, load, load))
    called: list[int] = []
    monkeypatch.setattr(worker._log, "debug", lambda *_, **__: called.append(1))
    assert run_case(case_task(study, case, 0)).batches == 0
    assert not called


def test_what_a_killed_helper_leaves_is_removed(tmp_path: Path) -> None:
    study = moving_study(tmp_path, "killed")
    [case] = study.cases
    place = study.store.partial(case.keys["trajectory_forces"])
    place.save(0, {"starts": np.empty(0)})
    forget_pieces(study, case)
    assert place.folder.exists()  # there is no record yet
    run_study(study)
    place.save(0, {"starts": np.empty(0)})
    forget_pieces(study, case)
    assert not place.folder.exists()


def test_a_helper_that_fails_is_nobodys_failure(tmp_path: Path) -> None:
    study = moving_study(tmp_path, "fails")
    [case] = study.cases
    task = case_task(study, case, 0)
    assert run_case(replace(task, records=tmp_path / "data" / "Al" / "POSCAR")).failure is None
