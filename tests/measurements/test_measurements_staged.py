"""Dynamic stability in stages: who decides, what it costs, and that an interruption changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from ase.io import write
from pydantic import ValidationError
from tiny_study import FACTORIES, QUICK, emt, factory, record_contents, run_tiny

from softmode.measurements.staged import StagedSettings, looks
from softmode.study.folder import Study
from softmode.study.label_results import _labelled
from softmode.study.results import cell_table
from softmode.study.screening import screening_table
from softmode.study.settings import parse_study


def staged_study(
    root: Path, output: str, potential: dict[str, Any], *, temperature: float = 300.0, **staged: Any
) -> tuple[Study, pd.Series]:
    structures = root / "structures"
    structures.mkdir(exist_ok=True)
    write(structures / "Cu.cif", bulk("Cu", "fcc", cubic=True))
    settings = parse_study(
        {
            "name": "staged",
            "output": str(root / output),
            "dataset": {
                "kind": "structures",
                "path": str(structures),
                "options": {"supercell_matrix": [2, 2, 2]},
            },
            "potential": [potential],
            "measurements": ["staged"],
            "staged": {"steps": 400, **staged},
            "protocol": QUICK,
            "self_consistent": {"temperature": temperature, "statistics": "quantum"}
            if temperature == 0.0
            else {"temperature": temperature},
            "run": {"executor": f"{FACTORIES}:one_thread"},
        },
        "staged.toml",
    )
    study, _ = run_tiny(settings)
    return study, cell_table(study).iloc[0]


def test_looks_are_few_and_end_with_the_last_step() -> None:
    assert looks(1000) == (100, 150, 200, 300, 400, 600, 800, 1000)
    assert looks(100) == (100,)
    assert looks(330)[-1] == 330


@pytest.mark.parametrize("wrong", [{"certainty": 0.5}, {"certainty": 1.0}, {"steps": 50}, {"timestep": 0.0}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        StagedSettings(**wrong)


def test_dynamics_at_rest_are_refused(tmp_path: Path) -> None:
    _, cell = staged_study(tmp_path, "o", factory("double_wells", quartic=60.0), temperature=0.0)
    assert cell["failure"].startswith("Cu: samples at 0 K do not decide, and dynamics")


def test_samples_decide_where_they_can(tmp_path: Path) -> None:
    _, cell = staged_study(tmp_path, "o", emt())
    assert cell["staged_decided_by"] == "samples"
    assert cell["staged_md_steps"] == 0
    assert cell["sigma_staged_class"] == "weak"
    assert cell["sigma_staged_mean_t"] == cell["sigma_self_consistent_mean_t"]
    assert cell["staged_reason"].startswith("lowest mode ")
    # one displacement and the crystal at rest, five times four samples and twenty more, and no dynamics
    assert cell["calls"] == 2 + 20 + 20


def test_a_crystal_that_leaves_is_unstable_and_it_is_said_when_and_for_what(tmp_path: Path) -> None:
    wells = factory("double_wells", quartic=4.0)
    _, cell = staged_study(tmp_path, "o", wells)
    # X is three points of three modes each; M u'' = -E'' = 1 eV/Å²
    expected = -np.sqrt(1.0 / bulk("Cu").get_masses()[0]) * 15.633302
    assert cell["model_lowest_of_supercell_THz"] == pytest.approx(expected, rel=1e-3)
    assert (
        cell["model_lowest_THz"] <= cell["model_lowest_of_supercell_THz"]
    )  # Fourier interpolation overshoots
    assert cell["model_stability_margin_THz"] == pytest.approx(cell["model_lowest_THz"] + 0.1)
    assert cell["staged_decided_by"] == "dynamics"
    assert cell["staged_asked_dynamics"] == "modes are imaginary or near it"
    assert (cell["sigma_staged_class"], cell["sigma_staged_p_unstable"]) == ("unstable", 1.0)
    assert cell["staged_left"]
    assert cell["staged_md_steps"] < 400
    assert cell["staged_left_at_ps"] <= 4e-3 * cell["staged_md_steps"]
    assert cell["staged_frozen_share"] > 0.75
    assert "left its phase at" in cell["staged_reason"]
    # nine wells at ±1/2 √Å of eight atoms: 9 (1/2)²/8; thermal motion in a well makes it a little less
    [(_, size)] = json.loads(cell["staged_mean_displacement_A"]).items()
    assert size == pytest.approx(np.sqrt(9 * 0.25 / 8), rel=0.1)
    ranked = screening_table(pd.DataFrame([cell]))
    assert bool(ranked["crystal_lost"][0])
    known = {"label": 1.4, "stratum": ("Cl", "unstable"), "stratum_size": 3}
    labelled = _labelled(pd.DataFrame([{**cell, **known}]), cell["potential"], "staged", "all", 0)
    assert labelled.model.tolist() == [2.0]
    assert labelled.lost.tolist() == [True]


def test_hopping_between_shallow_wells_is_staying(tmp_path: Path) -> None:
    _, cell = staged_study(tmp_path, "o", factory("double_wells", quartic=60.0))
    assert cell["model_lowest_THz"] < -1.9
    assert not cell["staged_left"]
    assert cell["staged_frozen_share"] < 0.5
    assert cell["staged_decided_by"] in ("dynamics", "nothing")
    assert np.isfinite(cell["sigma_staged_mean_t"])


def test_an_interrupted_run_goes_on_to_the_very_same_record(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    wells = factory("double_wells", quartic=60.0, flag=str(flag))
    whole, undisturbed = staged_study(tmp_path, "whole", wells, steps=200)
    flag.touch()
    cut, cell = staged_study(tmp_path, "cut", wells, steps=200)
    assert "the plug was pulled" in cell["failure"]
    assert len(list(cut.store.root.glob("*/*.partial/replica_0/piece_*.h5"))) == 3  # beyond the first looks
    flag.unlink()
    resumed, cell = staged_study(tmp_path, "cut", wells, steps=200)
    assert repr(record_contents(resumed)) == repr(record_contents(whole))  # NaN is not itself
    assert cell["calls"] == undisturbed["calls"]
