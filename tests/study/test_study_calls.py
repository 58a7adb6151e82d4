"""How often potentials are evaluated: counted in records and tables, and no configuration twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from moving_metals import MOVING, write_moving_metal
from tiny_study import emt, factory, run_tiny, tiny_study

from softmode.study.folder import Study
from softmode.study.results import calls_made, cell_table, record_index

EVERYTHING = ["harmonic", "sigma", "one_shot", "self_consistent", "model_phonons", "model_only"]
N_FRAMES = 10
N_SAMPLES = 4
SAMPLED = {
    "measurements": EVERYTHING,
    "md": {"steps": 20, "sample_every": 2, "discard": 4, "checkpoint_every": 10},
    "one_shot": {"n_samples": N_SAMPLES},
    "self_consistent": {"n_samples": N_SAMPLES, "iterations": 3, "samples_per_iteration": 4},
}


def run_all(folder: Path, *potentials: dict[str, Any], moving: bool = True, **more: Any) -> Study:
    """A study of aluminium with every way to σ."""
    if not (folder / "data").exists():
        write_moving_metal(folder / "data" / "Al", "Al", n_frames=N_FRAMES)
    options = MOVING if moving else {}
    settings = tiny_study(folder / "data", folder / "o", *potentials, options=options, **SAMPLED, **more)
    study, report = run_tiny(settings)
    assert report.failed == 0, cell_table(study)["failure"].tolist()
    return study


def evaluated(log: Path) -> list[str]:
    """Digest of each configuration that was evaluated."""
    return [line.split()[1] for line in log.read_text().splitlines()]


@pytest.mark.parametrize("moving", [True, False], ids=["trajectory", "structure"])
@pytest.mark.parametrize("relax", [False, True], ids=["as-it-is", "relaxed"])
@pytest.mark.parametrize("protocol", ["default", "yang2026"])
def test_each_evaluation_is_counted_and_none_made_twice(
    tmp_path: Path, protocol: str, relax: bool, moving: bool
) -> None:
    log = tmp_path / "log"
    study = run_all(
        tmp_path,
        factory("counting_emt", "emt", log=str(log)),
        moving=moving,
        protocol={"name": protocol, "relax": relax},
    )
    made = evaluated(log)
    calls = record_index(study)["calls"]
    assert calls.sum() == len(made) > 60
    assert cell_table(study)["calls"].tolist() == [len(made)]
    # dynamics evaluates each of its two starts until the potential answers the same twice
    warm_up = 2 * 2
    assert len(made) - len(set(made)) == warm_up


def test_what_is_shared_counts_once(tmp_path: Path) -> None:
    """A potential under two names, with frames that no potential is needed for."""
    study = run_all(tmp_path, emt("one"), emt("again"))
    index = record_index(study).set_index(["potential", "measurement"])["calls"]
    assert (index["again"] == 0).all()
    assert index["one"]["trajectory_forces"] == N_FRAMES
    assert index["one"]["displaced_forces"] == 2
    assert index["one"]["displaced_forces_for_sigma"] == 0
    assert (index["one"][["harmonic", "sigma", "reference_sigma", "model_phonons", "model_only"]] == 0).all()
    [row] = calls_made(record_index(study)).to_dict("records")
    assert row["potential"] == "one"
    assert row["all"] == index["one"].sum()
    assert row["thermal_forces"] == N_SAMPLES
