"""A measurement of another package: one file, and all that a measurement has, nothing changed in softmode."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from matplotlib.image import imread
from plugin_packages import install_plugin
from report_page import document_of, panel_of
from tiny_study import EMT_NAME, emt, factory, metal_phonopy, record_times, run_tiny, tiny_study

from softmode import measurements
from softmode.datasets import open_reference
from softmode.errors import SettingsError
from softmode.measurements import registry
from softmode.measurements.measure import measure
from softmode.potentials import resolve
from softmode.report.build import build_report
from softmode.study.results import cell_table

NAME, MODEL = "heat_capacity", "heat_capacity_model_J_per_molK"


@pytest.fixture(autouse=True)
def plugin(installed_plugin: Callable[[str], None]) -> None:
    installed_plugin(NAME)


def capacity_of_phonopy(symbol: str, mesh: list[int], temperature: float, factor: float = 1.0) -> float:
    """phonopy's own, J/(mol K), from forces of EMT."""
    phonon = metal_phonopy(symbol)
    phonon.generate_displacements(distance=0.01)
    forces = []
    for cell in phonon.supercells_with_displacements:
        displaced = Atoms(cell.symbols, positions=cell.positions, cell=cell.cell, pbc=True)
        displaced.calc = EMT()
        forces.append(factor * displaced.get_forces())
    phonon.forces = np.array(forces)
    phonon.produce_force_constants()
    phonon.symmetrize_force_constants()
    phonon.run_mesh(mesh, is_gamma_center=True)
    phonon.run_thermal_properties(temperatures=[temperature], cutoff_frequency=1e-3)
    return float(phonon.thermal_properties.heat_capacity[0])


def test_a_study_has_its_records_columns_and_figure(tiny_dataset: Path, tmp_path: Path) -> None:
    settings = tiny_study(
        tiny_dataset,
        tmp_path / "o",
        emt(),
        factory("scaled_emt", "soft", factor=0.7),
        measurements=["harmonic", NAME],
        ids=["Cu", "Al"],
        heat_capacity={"temperature": 120.0},
    )
    study, report = run_tiny(settings)
    assert (report.computed, report.failed) == (4, 0)
    table = cell_table(study).set_index(["material", "potential"])
    for case in study.cases:
        divisions = study.records(case)["harmonic"].values["mesh_divisions"]
        factor = 0.7 if case.label == "soft" else 1.0
        expected = capacity_of_phonopy(case.material.name, divisions, 120.0, factor)
        assert table.loc[(case.material.name, case.label), MODEL] == pytest.approx(expected, rel=1e-4)
    page = document_of(build_report(study))
    assert panel_of(page, "heat_capacity")["title"] == "Heat capacity at 120 K"
    [chart] = panel_of(page, "heat_capacity")["charts"]
    values = page["cells"]["values"][chart["y"]]
    assert values == pytest.approx(table[MODEL].tolist(), rel=1e-5)
    assert MODEL in pd.read_csv(tmp_path / "o" / "report" / "tables" / "cells.csv")
    before = record_times(study)
    again, report = run_tiny(settings)
    assert report.found == 4
    assert record_times(again) == before


def test_another_temperature_makes_it_anew_and_nothing_else(tiny_dataset: Path, tmp_path: Path) -> None:
    def keys(**settings: Any) -> dict[str, str]:
        study, _ = run_tiny(
            tiny_study(tiny_dataset, tmp_path / "o", measurements=["harmonic", NAME], ids=["Cu"], **settings)
        )
        return study.cases[0].keys

    cold, warm = keys(heat_capacity={"temperature": 50.0}), keys()
    assert {name for name in cold if cold[name] != warm[name]} == {NAME}


def test_its_settings_are_checked(tiny_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"heat_capacity\.temperature"):
        tiny_study(tiny_dataset, tmp_path, measurements=[NAME], heat_capacity={"temperature": -1.0})
    with pytest.raises(SettingsError, match="did you mean 'temperature'"):
        tiny_study(tiny_dataset, tmp_path, measurements=[NAME], heat_capacity={"temprature": 1.0})
    with pytest.raises(SettingsError, match="did you mean heat_capacity"):
        tiny_study(tiny_dataset, tmp_path, measurements=["heat_capacty"])


def test_it_has_a_command_with_its_settings(tiny_dataset: Path, tmp_path: Path) -> None:
    picture = tmp_path / "capacity.png"
    arguments = ["--reference", str(tiny_dataset / "Cu"), "--potential", EMT_NAME, "--temperature", "120"]
    done = subprocess.run(
        [sys.executable, "-m", "softmode", "measure", NAME, *arguments, "--plot", str(picture), "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    [values] = json.loads(done.stdout)
    assert values["material"] == "Cu"
    assert values[MODEL] == pytest.approx(values["heat_capacity_reference_J_per_molK"], rel=1e-6)
    assert 10.0 < values[MODEL] < 24.94  # below Dulong and Petit
    assert imread(picture).std() > 0.01


def test_the_example_of_the_documentation_works(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``docs/developing.md``: its file and its lines of pyproject.toml, as they stand there."""
    page = (Path(__file__).parents[2] / "docs" / "developing.md").read_text(encoding="utf-8")
    code = page.partition("```python\n# softmode_stiffness.py\n")[2].partition("```")[0]
    declared = page.partition("```toml\n")[2].partition("```")[0]
    folder = tmp_path / "stiffness"
    folder.mkdir()
    (folder / "softmode_stiffness.py").write_text(code, encoding="utf-8")
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "x"\nversion = "1"\n{declared}', encoding="utf-8"
    )
    install_plugin("stiffness", tmp_path / "site", monkeypatch, tmp_path)
    material, potential = open_reference(tiny_dataset / "Cu"), resolve(EMT_NAME)
    records = measure("stiffness", material, potential)
    phonon = metal_phonopy("Cu")
    data = records["displaced_forces"].arrays
    phonon.dataset = {
        "natom": len(phonon.supercell),
        "first_atoms": [
            {"number": 0, "displacement": data["displacements"][0, 0], "forces": data["forces"][0]},
        ],
    }
    phonon.produce_force_constants()
    phonon.symmetrize_force_constants()
    on_site = np.abs(phonon.force_constants[0, 0]).max()
    assert records["stiffness"].values["stiffness_eV_per_A2"] == pytest.approx(on_site, rel=1e-6)


def test_names_for_plugins_are_not_hidden_by_modules() -> None:
    """Importing all of softmode's own measurements leaves what other packages import from the room."""
    registry.measurements()
    modules = [name for name in measurements.__all__ if isinstance(getattr(measurements, name), ModuleType)]
    assert not modules
    assert callable(measurements.derived)
