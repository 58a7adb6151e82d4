"""The field's metrics in records and in the command: both sides, differences, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.calculators.emt import EMT
from moving_metals import phonopy_of
from softmode_test_factories import scaled_emt, stiff_emt
from tiny_study import EMT_NAME, FACTORIES, QUICK
from typer.testing import CliRunner

import softmode as sm
from softmode.cli.app import app
from softmode.harmonic import HarmonicProtocol, named_protocol
from softmode.measurements.field_metrics import FREQUENCY_FIGURES, KELVIN_FIGURES, THERMODYNAMIC_FIGURES

QUICKLY: HarmonicProtocol = named_protocol("default", **QUICK)
STIFFER = 1.2


def values_of(folder: Path, calculator: Any, protocol: HarmonicProtocol = QUICKLY) -> dict[str, Any]:
    return dict(sm.compare_phonons(sm.load(folder), calculator, protocol).records["harmonic"].values)


def test_a_potential_equal_to_the_reference_has_no_differences(tiny_dataset: Path) -> None:
    values = values_of(tiny_dataset / "Al", EMT())
    for name in (*FREQUENCY_FIGURES, *KELVIN_FIGURES, *THERMODYNAMIC_FIGURES):
        assert values[f"mesh_{name.format('difference')}"] == pytest.approx(0.0, abs=1e-4), name
    assert values["mesh_dos_distance_THz"] < 1e-5
    assert values["mesh_lowest_reference_K"] == values["mesh_lowest_difference_THz"] == 0.0  # a translation
    assert values["mesh_imaginary_modes_reference"] == values["mesh_imaginary_modes_model"] == 0.0
    assert values["mesh_thermodynamics_note"] == ""
    assert 0.9 * 3 * 8.314 < values["mesh_heat_capacity_reference_J_per_molK"] < 3 * 8.314


def test_stiffer_force_constants_raise_all_frequencies_alike(tiny_dataset: Path) -> None:
    comparison = sm.compare_phonons(sm.load(tiny_dataset / "Cu"), stiff_emt(), QUICKLY)
    values, arrays = comparison.records["harmonic"].values, comparison.records["harmonic"].arrays
    ratio = np.sqrt(STIFFER)
    for name in ("largest", "mean_frequency"):
        reference, model = values[f"mesh_{name}_reference_K"], values[f"mesh_{name}_model_K"]
        assert model == pytest.approx(ratio * reference, rel=1e-5)
        assert values[f"mesh_{name}_difference_K"] == pytest.approx(model - reference)
    # every mode is moved by (ratio - 1) ν
    moved = (ratio - 1) * values["mesh_mean_frequency_reference_THz"]
    assert values["mesh_dos_distance_THz"] == pytest.approx(moved, rel=1e-4)
    classical = -1.5 * 8.314 * np.log(STIFFER)
    assert 0.85 < values["mesh_entropy_difference_J_per_molK"] / classical < 1.0
    spacing = np.diff(arrays["dos_frequencies"]).mean()
    for side in ("reference", "model"):
        assert spacing * arrays[f"dos_{side}"].sum() == pytest.approx(3.0, rel=1e-3)  # bands
    shown = comparison.thermodynamics
    assert shown.loc["entropy, J/(mol K)", "potential"] == values["mesh_entropy_model_J_per_molK"]


def test_a_side_that_is_mostly_imaginary_has_no_thermodynamics_and_that_is_said(tiny_dataset: Path) -> None:
    values = values_of(tiny_dataset / "Cu", scaled_emt(-1.0))
    assert values["mesh_imaginary_modes_model"] > 0.9
    said = values["mesh_thermodynamics_note"]
    assert said.endswith("% of the modes of the potential are imaginary: no thermodynamics")
    for name in THERMODYNAMIC_FIGURES:
        assert values[f"mesh_{name.format('model')}"] is values[f"mesh_{name.format('difference')}"] is None
        assert values[f"mesh_{name.format('reference')}"] is not None
    runner, arguments = CliRunner(), ["phonons", "--reference", str(tiny_dataset / "Cu"), "--potential"]
    arguments += [f"{FACTORIES}:scaled_emt", "--kwargs", '{"factor": -1.0}']
    shown = runner.invoke(app, arguments, env={"COLUMNS": "80"}).stdout
    [line] = [line for line in shown.splitlines() if line.startswith("entropy")]
    assert line.split()[-1] == "–"
    assert "of the modes of the potential are imaginary: no thermodynamics" in " ".join(shown.split())
    found = json.loads(runner.invoke(app, [*arguments, "--json"]).stdout)
    assert found["mesh_entropy_model_J_per_molK"] is None
    assert found["mesh_entropy_reference_J_per_molK"] == pytest.approx(
        values["mesh_entropy_reference_J_per_molK"], rel=0.05
    )


def velocities(folder: Path, factor: float, record: Any) -> np.ndarray:
    """phonopy's own along the path of a record, of forces times `factor`, not symmetrised."""
    phonon = phonopy_of(folder)
    phonon.force_constants = factor * np.asarray(phonon.force_constants)
    n = record.values["points_per_segment"]
    segments = record.arrays["qpoints"].reshape(-1, n, 3)
    phonon.run_band_structure(list(segments), with_group_velocities=True)
    return np.concatenate(phonon.band_structure.group_velocities)


def test_the_papers_own_arithmetic_stands_beside_ours_under_its_protocol(tiny_dataset: Path) -> None:
    name = "path_rmse_vg_as_published_THzA"
    assert name not in values_of(tiny_dataset / "Al", stiff_emt())
    published = named_protocol("yang2026", **QUICK)
    comparison = sm.compare_phonons(sm.load(tiny_dataset / "Al"), stiff_emt(), published)
    record = comparison.records["harmonic"]
    error = velocities(tiny_dataset / "Al", STIFFER, record) - velocities(tiny_dataset / "Al", 1.0, record)
    assert record.values[name] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-4)
    assert record.values["path_mae_vg_as_published_THzA"] == pytest.approx(np.abs(error).mean(), rel=1e-4)
    shown = CliRunner().invoke(
        app,
        [
            "phonons",
            "--reference",
            str(tiny_dataset / "Al"),
            "--potential",
            EMT_NAME,
            "--protocol",
            "yang2026",
        ],
        env={"COLUMNS": "80"},
    )
    assert "RMSE(v), paper's, THz·Å" in shown.stdout
