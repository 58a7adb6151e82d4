"""Potentials of a study in environments of their own: the same records, failures of their cells alone."""

from __future__ import annotations

import sys
from pathlib import Path

from tiny_study import emt, factory, run_tiny, tiny_study

from softmode.study.results import FAILED, OK, cell_table


def test_records_are_shared_with_a_potential_that_runs_here(tiny_dataset: Path, tmp_path: Path) -> None:
    elsewhere = tiny_study(tiny_dataset, tmp_path / "o", emt(python=sys.executable))
    study, report = run_tiny(elsewhere)
    assert (report.computed, report.failed) == (3, 0)
    for case in study.cases:
        records = study.records(case, with_arrays=True).values()
        [there] = [each.arithmetic["potential"] for each in records if "potential" in each.arithmetic]
        assert there["python"] == sys.version.split()[0]
        assert there["ase"]
        assert all(pool["threads"] == 1 for pool in there["blas"])
    here = tiny_study(tiny_dataset, tmp_path / "o", emt(python="same"))
    assert run_tiny(here)[1].computed == 0


def test_a_process_that_dies_or_hangs_fails_its_case_alone(
    tiny_dataset: Path, tmp_path: Path, importable_helpers: None
) -> None:
    dying = factory("dying_emt", "dying", element="Au") | {"python": sys.executable}
    gone = emt("gone", python=str(tmp_path / "bin" / "python"))
    study, _ = run_tiny(tiny_study(tiny_dataset, tmp_path / "o", dying, gone))
    table = cell_table(study).set_index(["potential", "material"])
    assert table.loc["dying", "state"].to_dict() == {"Al": OK, "Au": FAILED, "Cu": OK}
    assert table.loc[("dying", "Au"), "failure_kind"] == "WorkerDied"
    assert "ended with exit status 3" in table.loc[("dying", "Au"), "failure"]
    assert (table.loc["gone", "state"] == FAILED).all()
    assert "there is no such file" in table.loc[("gone", "Cu"), "failure"]
