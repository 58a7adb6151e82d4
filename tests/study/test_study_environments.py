"""Potentials of a study in environments of their own: the same records, failures of their cells alone."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_study import emt, factory, run_tiny, tiny_study

from softmode.potentials.environments import made_for
from softmode.study.results import FAILED, OK, cell_table
from softmode.study.settings import parse_study


def test_records_are_shared_with_a_potential_that_runs_here(tiny_dataset: Path, tmp_path: Path) -> None:
    elsewhere = tiny_study(tiny_dataset, tmp_path / "o", emt(python=sys.executable))
    study, report = run_tiny(elsewhere)
    assert (report.computed, report.failed) == (3, 0)
    for case in study.cases:
        records = study.records(case, with_arrays=True).values()
        [there] = [each.arithmetic["potential"] for each in records if "potential" in each.arithmetic]
        assert there["python"] == sys.version.split()[0]
        assert there["versions"]["ase"]
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


@pytest.mark.slow
@pytest.mark.shared_data
def test_three_families_that_cannot_be_installed_together(shared_data: Path, tmp_path: Path) -> None:
    """MACE (e3nn 0.4.4), sevenn from 0.11 on (e3nn 0.5 and newer) and Nequix (JAX) side by side in one study.

    Each where `softmode potentials install mace sevennet nequix` has put it; for those whose versions are the
    same here, results are the same to the last bit.
    """
    missing = [name for name in ("MACE", "SevenNet", "Nequix") if made_for(name) is None]
    if missing:
        pytest.skip(f"softmode potentials install {' '.join(missing)}")
    from mace import modules  # noqa: F401 (makes e3nn importable)
    from small_mace import build_small_mace

    model = build_small_mace(tmp_path / "small.model", ("Cs", "K", "Y", "F", "Na", "Al", "Cu"))
    weights = shared_data / "weights" / "nequix" / "nequix-mp-1.nqx"
    names = [{"name": str(model)}, {"name": "7net-0"}, {"name": "nequix-mp-1", "weights": str(weights)}]
    studies = []
    for more in ({}, {"python": "same"}):
        content = {
            "name": "environments",
            "output": str(tmp_path / str(len(studies))),
            "dataset": {
                "kind": "phonondb",
                "path": str(shared_data / "phonondb"),
                "select": {"ids": ["mp-6059", "mp-6586", "mp-6968"]},
            },
            "potential": [name | more for name in names],
        }
        study, report = run_tiny(parse_study(content, "environments.toml"))
        assert (report.computed, report.failed) == (9, 0)
        studies.append(study)
    for there, here in zip(*(study.cases for study in studies), strict=True):
        one, two = (
            study.records(case, with_arrays=True)["displaced_forces"]
            for study, case in zip(studies, (there, here), strict=True)
        )
        assert ("potential" in one.arithmetic, "potential" in two.arithmetic) == (True, False)
        assert there.potential is not None
        assert here.potential is not None
        if there.potential.versions[0] == here.potential.versions[0]:
            assert one.key == two.key
            np.testing.assert_array_equal(one.arrays["forces"], two.arrays["forces"])
        else:
            assert there.potential.versions[0][0] == "sevenn"
            assert one.key != two.key
            np.testing.assert_allclose(one.arrays["forces"], two.arrays["forces"], atol=1e-5)
