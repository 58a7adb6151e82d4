"""Molecular dynamics in a study: starts, records, collapse, σ of the model alone, failures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from moving_metals import MOVING, Motion, emt_forces, emt_hessian, supercell, write_moving_metal
from pydantic import ValidationError
from tiny_study import emt, factory, record_times, run_tiny, tiny_study, write_metal

from softmode.errors import SettingsError
from softmode.measurements.md import DynamicsSettings
from softmode.measurements.md.replicas import replica_seed, start_frames
from softmode.records import Record
from softmode.study.folder import Study
from softmode.study.results import FAILED, OK, cell_table
from softmode.study.settings import parse_study

STEPS, EVERY, DISCARD = 120, 2, 20
QUICK_MD = {"steps": STEPS, "sample_every": EVERY, "discard": DISCARD, "checkpoint_every": 50}
EXPLODES = {"thermostat": "langevin", "temperature": 30000.0, "largest_displacement": 1.0}


@dataclass(frozen=True)
class Moving:
    study: Study
    motion: Motion
    table: pd.DataFrame

    def record(self, measurement: str, material: str = "Al", potential: str = "emt") -> Record:
        return record_of(self.study, measurement, material, potential)


def record_of(study: Study, measurement: str, material: str, potential: str = "emt") -> Record:
    [cell] = [c for c in study.cases if (c.material.name, c.label) == (material, potential)]
    return study.records(cell, with_arrays=True)[measurement]


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Moving:
    """EMT in motion: Al begins at frames of its reference; not to be changed."""
    root = tmp_path_factory.mktemp("md")
    motion = write_moving_metal(root / "data" / "Al", "Al")
    settings = tiny_study(
        root / "data",
        root / "o",
        emt(),
        options=MOVING,
        measurements=["sigma", "one_shot", "model_only"],
        md=QUICK_MD,
    )
    study, report = run_tiny(settings)
    assert (report.computed, report.failed) == (1, 0)
    return Moving(study, motion, cell_table(study))


def test_frames_and_traces_are_recorded(moving: Moving) -> None:
    record = moving.record("md")
    frames = STEPS // EVERY
    assert record.arrays["run_lengths"].tolist() == [frames, frames]
    assert record.arrays["steps"].tolist() == 2 * list(range(EVERY, STEPS + 1, EVERY))
    for name in ("positions", "forces"):
        assert record.arrays[name].shape == (2 * frames, 8, 3)
        assert record.arrays[name].dtype == np.float64
    for name in ("temperature", "potential_energy", "conserved_energy"):
        assert record.arrays[name].shape == (2 * frames,)
    assert record.values["md_status"] == "completed"
    assert record.values["md_collapsed"] is False
    assert record.values["md_reason"] == ""
    assert record.values["md_n_frames"] == 2 * frames
    # the forces are those of the recorded positions
    atoms = supercell("Al")
    for index in (0, frames - 1, frames, 2 * frames - 1):
        atoms.positions = record.arrays["positions"][index]
        np.testing.assert_allclose(record.arrays["forces"][index], emt_forces(atoms), atol=1e-9)


def test_replicas_begin_at_different_frames_of_the_reference(moving: Moving) -> None:
    record = moving.record("md")
    replicas = record.values["md_replicas"]
    assert record.values["md_start"] == "reference frames"
    chosen = [replica["start_frame"] for replica in replicas]
    assert len(set(chosen)) == 2
    for start, frame in zip(record.arrays["starts"], chosen, strict=True):
        expected = moving.motion.rest.positions + moving.motion.displacements[frame]
        np.testing.assert_allclose(start, expected, atol=1e-8)
    first = np.linalg.norm(
        record.arrays["positions"][[0, STEPS // EVERY]] - record.arrays["starts"], axis=2
    ).max()
    assert 0.0 < first < 0.1  # two steps on
    seeds = [replica["seed"] for replica in replicas]
    assert seeds == [replica_seed(2026, 0, index) for index in range(2)]
    assert len(set(seeds)) == 2


def test_starts_follow_from_the_seeds() -> None:
    assert start_frames(50, 3, 7, 0) == start_frames(50, 5, 7, 0)[:3]
    assert len(set(start_frames(50, 50, 7, 0))) == 50
    assert start_frames(50, 10, 7, 0) != start_frames(50, 10, 8, 0)
    assert start_frames(50, 10, 7, 0) != start_frames(50, 10, 7, 1)
    assert sorted(start_frames(2, 5, 1, 0)) in ([0, 0, 0, 1, 1], [0, 0, 1, 1, 1])
    seeds = {replica_seed(seed, own, index) for seed in range(3) for own in range(3) for index in range(3)}
    assert len(seeds) == 27


def test_sigma_of_the_model_alone_is_that_of_its_definition(moving: Moving) -> None:
    md, found = moving.record("md"), moving.record("model_only")
    kept = md.arrays["steps"] > DISCARD
    assert kept.sum() == 2 * (STEPS - DISCARD) // EVERY
    own = Motion(moving.motion.rest, md.arrays["positions"][kept], md.arrays["forces"][kept])
    expected = own.sigma_t(emt_hessian("Al"))
    np.testing.assert_allclose(found.arrays["sigma_t_model_only"], expected, rtol=0.01, atol=1e-3)
    assert found.values["sigma_model_only_mean_t"] == pytest.approx(expected.mean(), rel=0.01)
    assert found.arrays["model_only_run_lengths"].tolist() == [kept.sum() // 2] * 2
    assert found.values["model_only_discarded_frames"] == 2 * DISCARD // EVERY
    assert found.values["sigma_model_only_class"] == "weak"
    assert found.values["sigma_model_only_mean_t_low"] < expected.mean()
    assert len(found.arrays["mode_sigma_model_only"]) == len(found.arrays["mode_frequencies_model_only"])


def test_equilibrium_is_looked_at(moving: Moving) -> None:
    record = moving.record("md")
    traces = np.split(record.arrays["temperature"], 2)
    for replica, trace in zip(record.values["md_replicas"], traces, strict=True):
        kept = trace[replica["equilibration_steps"] // EVERY :]
        assert replica["temperature_K"] == pytest.approx(kept.mean())
        assert replica["energy_drift"]["standard_error"] > 0.0
        assert replica["conserved_drift"] is None  # Langevin
    assert moving.table.loc[0, "md_sampled_temperature_K"] == 300.0


def test_what_md_depends_on(moving: Moving, tmp_path: Path) -> None:
    """Leaving out more frames computes no dynamics anew; another temperature does."""
    settings = moving.study.settings
    before = record_times(moving.study)
    for changes, computed in (
        ({"discard": 40}, {"model_only"}),
        ({"temperature": 200.0}, {"md", "model_only"}),
        ({"checkpoint_every": 60}, {"md", "model_only"}),
        ({"replicas": 1}, {"md", "model_only"}),
    ):
        content = settings.content()
        other = parse_study({**content, "md": {**content["md"], **changes}}, "other")
        study, _ = run_tiny(other)
        new = set(record_times(study)) - set(before)
        assert {study.store.read(key).measurement for key in new} == computed
        for key in new:
            study.store.path(key).unlink()
    assert record_times(moving.study) == before


def test_without_reference_trajectory_replicas_begin_in_thermal_samples(tmp_path: Path) -> None:
    write_metal(tmp_path / "data" / "Cu", "Cu")
    settings = tiny_study(tmp_path / "data", tmp_path / "o", measurements=["model_only"], md=QUICK_MD)
    study, report = run_tiny(settings)
    assert report.failed == 0
    record = record_of(study, "md", "Cu")
    assert record.values["md_start"] == "thermal samples"
    moved = record.arrays["starts"] - supercell("Cu").positions
    assert 0.02 < np.sqrt((moved**2).mean()) < 0.2
    np.testing.assert_allclose(moved.mean(axis=1), 0.0, atol=1e-10)  # equal masses: centre at rest
    assert not np.allclose(moved[0], moved[1])
    table = cell_table(study)
    assert table["state"].tolist() == [OK]
    assert 0.01 < table.loc[0, "sigma_model_only_mean_t"] < 0.5

    changed = {**QUICK_MD, "start_temperature": 1200.0, "replicas": 1, "steps": 20, "discard": 0}
    hot, _ = run_tiny(tiny_study(tmp_path / "data", tmp_path / "o", measurements=["model_only"], md=changed))
    started = record_of(hot, "md", "Cu").arrays["starts"][0] - supercell("Cu").positions
    np.testing.assert_allclose(started, 2.0 * moved[0], atol=1e-12)  # the same sample, four times as hot


def collapsed(tmp_path: Path, **changes: Any) -> tuple[Study, pd.Series]:
    write_metal(tmp_path / "data" / "Cu", "Cu")
    settings = tiny_study(
        tmp_path / "data", tmp_path / "o", measurements=["model_only"], md={**QUICK_MD, **EXPLODES, **changes}
    )
    study, report = run_tiny(settings)
    assert (report.computed, report.failed) == (1, 0)  # a result, no failure
    return study, cell_table(study).iloc[0]


def test_a_lost_crystal_is_a_result_with_the_frames_before(tmp_path: Path) -> None:
    study, row = collapsed(tmp_path, temperature=6000.0, largest_displacement=0.8, discard=4)
    assert row["state"] == OK
    assert row["md_status"] == "collapsed"
    assert row["md_collapsed"]
    assert row["sigma_model_only_class"] == "unstable"
    assert row["sigma_model_only_p_unstable"] == 1.0
    assert 0.0 < row["sigma_model_only_mean_t"] < 1.0
    record = record_of(study, "md", "Cu")
    replicas = record.values["md_replicas"]
    lost = [replica for replica in replicas if replica["status"] == "collapsed"]
    assert len(lost) == row["md_n_collapsed"] >= 1
    assert row["md_first_collapse_step"] == min(replica["last_step"] for replica in lost)
    for index, replica in enumerate(replicas):
        if replica in lost:
            assert f"replica {index} collapsed at step {replica['last_step']}: atom" in row["md_reason"]
            assert "more than 0.80 Å" in replica["reason"]
            assert replica["n_frames"] == max(0, replica["last_step"] - 1) // EVERY
    assert record.arrays["run_lengths"].tolist() == [replica["n_frames"] for replica in replicas]
    assert json.loads(row["model_only_notes"])[0] == row["md_reason"]


def test_a_crystal_that_explodes_at_once_leaves_no_frames(tmp_path: Path) -> None:
    _, row = collapsed(tmp_path, largest_displacement=1e-3)
    assert row["md_n_frames"] == 0
    assert row["md_n_collapsed"] == 2
    assert row["sigma_model_only_class"] == "unstable"
    assert pd.isna(row["sigma_model_only_mean_t"])
    assert "no frames after step" in row["model_only_notes"]


def test_forces_that_are_not_finite_end_a_run(tmp_path: Path) -> None:
    write_metal(tmp_path / "data" / "Cu", "Cu")
    settings = tiny_study(
        tmp_path / "data",
        tmp_path / "o",
        factory("nan_close_emt", "fragile", distance=2.2),
        measurements=["model_only"],
        md={**QUICK_MD, "temperature": 1500.0},
    )
    study, report = run_tiny(settings)
    assert report.failed == 0
    row = cell_table(study).iloc[0]
    assert row["md_status"] == "collapsed"
    assert "not finite" in row["md_reason"]


def test_a_failure_of_the_potential_is_a_failure_of_the_cell(tmp_path: Path) -> None:
    write_metal(tmp_path / "data" / "Cu", "Cu")
    settings = tiny_study(
        tmp_path / "data", tmp_path / "o", factory("raising_emt"), measurements=["model_only"], md=QUICK_MD
    )
    study, _ = run_tiny(settings)
    assert cell_table(study)["state"].tolist() == [FAILED]


@pytest.mark.parametrize("temperature", [0.0, -300.0, float("nan")])
def test_temperatures_that_are_none(tmp_path: Path, temperature: float) -> None:
    with pytest.raises(ValidationError):
        DynamicsSettings(temperature=temperature)
    with pytest.raises(SettingsError, match=r"md\.temperature"):
        tiny_study(tmp_path, tmp_path / "o", md={"temperature": temperature})


def test_everything_left_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no frame after the first 100"):
        tiny_study(tmp_path, tmp_path / "o", md={"steps": 100, "discard": 100})
