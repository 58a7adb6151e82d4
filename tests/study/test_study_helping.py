"""Who helps with which cell, and that records do not tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from moving_metals import MOVING, write_moving_metal
from tiny_study import factory, run_tiny, tiny_study

from softmode.measurements import Facts, pieces
from softmode.study.costs import Costs
from softmode.study.endings import case_task
from softmode.study.folder import Case, Study, open_study
from softmode.study.helping import Helpers, forget_pieces
from softmode.study.materials import MaterialSummary
from softmode.study.run import run_study
from softmode.study.worker import run_case

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


@pytest.fixture
def helpers(clock: Clock) -> Helpers:
    """One potential takes 10, 130 and 1,000 s for three materials; loading it takes 30 s."""
    costs = Costs()
    costs.learn(cell("short"), 10.0, loading=30.0)
    costs.learn(cell("middle"), 130.0)
    costs.learn(cell("long"), 1000.0)
    return Helpers(costs, clock)


def test_the_cell_that_is_expected_to_last_longest_is_helped_with(helpers: Helpers, clock: Clock) -> None:
    short, long, other = cell("short"), cell("long"), cell("long", divides=False)
    assert helpers.choose("one") is None
    for one in (short, long, other):
        helpers.began(one)
    assert helpers.choose("one") is long
    clock.now = 700.0  # what should have ended is overdue by more than what is left of the other
    assert helpers.choose("one") is short
    helpers.ended(short)
    assert helpers.choose("one") is long  # the second: 300 s by three
    clock.now = 960.0
    assert helpers.choose("one") is long  # overdue as well from half of the time it has lasted
    helpers.ended(long)
    assert helpers.choose("one") is None


def test_another_potential_is_loaded_only_where_that_is_worth_it(helpers: Helpers) -> None:
    middle = cell("middle")
    helpers.began(middle)
    assert helpers.choose("one", lambda label: label != "one") is None  # it cannot run this one
    assert helpers.choose("two") is None  # 130 s shared by two is not much more than twice 30 s
    assert helpers.choose("one") is middle


def test_where_there_was_nothing_to_do_it_is_tried_again_later(helpers: Helpers, clock: Clock) -> None:
    long = cell("long")
    helpers.began(long)
    assert helpers.choose("one") is long
    helpers.left(long)
    assert helpers.choose("one") is None
    clock.now = 30.0
    assert helpers.choose("one") is long


def test_before_costs_are_known_what_has_lasted_is_taken_to_last_as_long_again(clock: Clock) -> None:
    helpers, one = Helpers(Costs(), clock), cell("one")
    helpers.began(one)
    clock.now = 9.0
    assert helpers.choose("one") is None
    clock.now = 11.0
    assert helpers.choose("one") is one


def moving_study(tmp_path: Path, name: str) -> Study:
    if not (tmp_path / "data").exists():
        write_moving_metal(tmp_path / "data" / "Al", "Al", n_frames=N_FRAMES)
    potential = factory("logging_emt", log=str(tmp_path / name))
    return open_study(tiny_study(tmp_path / "data", tmp_path / f"{name}.study", potential, options=MOVING))


def contents(study: Study) -> dict[str, Any]:
    records = study.records(study.cases[0], with_arrays=True)
    return {name: (dict(one.values), dict(one.arrays)) for name, one in records.items()}


def test_a_helper_changes_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that comes before the other has begun evaluates all frames; none of them is evaluated again."""
    monkeypatch.setattr(pieces, "_SAVE_SHARED_EVERY", 0.0)
    study = moving_study(tmp_path, "helped")
    [case] = study.cases
    outcome = run_case(case_task(study, case, 0))
    assert (outcome.failure, outcome.paused) == (None, False)
    evaluated = (tmp_path / "helped").read_text().split()
    assert len(evaluated) == len(set(evaluated)) == N_FRAMES
    assert not study.records(case)
    run_study(study)
    evaluated = (tmp_path / "helped").read_text().split()
    assert len(evaluated) == len(set(evaluated))
    assert not list(study.store.root.glob("*/*.partial"))

    alone, _ = run_tiny(moving_study(tmp_path, "alone").settings)
    found, wanted = map(contents, (study, alone))
    np.testing.assert_equal(found, wanted)


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
