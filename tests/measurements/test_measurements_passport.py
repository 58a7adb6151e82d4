"""Passports of crystals whose phonons, and what moves them, are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from moving_metals import phonopy_hessian, write_moving_metal
from report_page import document_of, panel_of
from spring_crystal import simple_cubic, spring_force_constants
from tiny_study import EMT_NAME, run_tiny, tiny_study

from softmode import harmonic as hm
from softmode.anharmonic.classes import classify
from softmode.crystal import Cell, ForceConstants, Material
from softmode.crystal.arrays import FloatArray
from softmode.datasets import open_reference
from softmode.errors import PotentialError, SettingsError
from softmode.harmonic.protocol import HarmonicProtocol
from softmode.measurements.conditions import Conditions
from softmode.measurements.measure import measure
from softmode.measurements.passport.figure import passport_figure
from softmode.measurements.passport.panels import SHOWN
from softmode.measurements.passport.ways import (
    PassportSettings,
    chosen_labels,
    grid,
    other_supercell,
    protocol_way,
)
from softmode.notebook.inputs import load
from softmode.potentials import Potential, PotentialInfo, PotentialSettings, resolve
from softmode.records import Record
from softmode.report.bands import band_overlay
from softmode.report.build import build_report

QUICK = {"points_per_segment": 6, "mesh_length": 12.0}
SPRINGS = np.diag([3, 3, 3])


class Springs(Potential):
    """Forces of given force constants, about the positions of one supercell; of nothing else."""

    dtype, device, twice_differentiable = "float64", "cpu", True

    def __init__(self, perfect: Atoms, constants: ForceConstants) -> None:
        self.info = PotentialInfo("springs")
        self._perfect, self._constants = perfect, constants.values

    def _evaluate(self, configurations: Sequence[Atoms]) -> tuple[Sequence[float], Sequence[Any]]:
        if any(len(atoms) != len(self._perfect) for atoms in configurations):
            raise PotentialError("springs", "know one supercell alone", "Give that")
        moved = np.array([atoms.positions - self._perfect.positions for atoms in configurations])
        return [0.0] * len(moved), list(-self._product(moved))

    def _product(self, moved: FloatArray) -> FloatArray:
        return np.einsum("ijxy,njy->nix", self._constants, moved)

    def _hessian_products(self, atoms: Atoms, directions: FloatArray) -> Any:
        return self._product(directions)

    def calculator(self) -> Any:
        raise PotentialError("springs", "have no stress", "Leave relaxation away")


def spring_material(ground: float) -> tuple[Material, Springs]:
    """Springs, and one to the ground at every atom that may be negative: an unstable crystal."""
    bare = Material("springs", "Ar", Cell.from_atoms(simple_cubic(1)), SPRINGS, np.eye(3))
    perfect = hm.reference_supercell(hm.build_phonopy(bare)).to_atoms()
    place = np.rint(perfect.get_scaled_positions() * 3).astype(int) % 3 @ np.array([9, 3, 1])
    values = spring_force_constants(3).values[np.ix_(place, place)]
    values[np.arange(27), np.arange(27)] += ground * np.eye(3)
    constants = ForceConstants(values)
    return replace(bare, reference=constants), Springs(perfect, constants)


def softest_wave(material: Material) -> float:
    """Lowest frequency over the non-zero wave vectors of the supercell, by phonopy, THz."""
    phonon = hm.with_force_constants(hm.build_phonopy(material), material.reference)
    waves = [np.array(wave) / 3 for wave in np.ndindex(3, 3, 3) if any(wave)]
    phonon.run_qpoints(waves)
    return float(phonon.qpoints.frequencies.min())


def passport(material: Material, potential: Any, **own: Any) -> dict[str, Record]:
    conditions = Conditions.create({"protocol": {**QUICK, **own.pop("protocol", {})}, "passport": own})
    return measure("passport", material, potential, conditions)


@pytest.mark.parametrize("ground", [0.0, -0.3])
def test_a_potential_equal_to_the_reference_has_its_verdict_and_nothing_else(ground: float) -> None:
    material, springs = spring_material(ground)
    # not symmetrised: springs to the ground break the sum rule that symmetrising imposes
    record = passport(material, springs, protocol={"symmetrise": False})["passport"]
    values = record.values
    figures = dict(zip(values["figures"], record.arrays["figures"].T, strict=True))
    errors = [
        name for name in figures if "rmse" in name or "mae_" in name or name.endswith("dos_distance_THz")
    ]
    assert len(errors) > 10
    for name in errors:
        assert np.nanmax(np.abs(figures[name])) < 1e-6, name
        assert name not in values["moves"]
    assert "path_softening" not in values["moves"]
    for part in ("verdict", "margin_THz", "lowest_THz", "highest_THz"):
        own, reference = values[f"passport_{part}"], values[f"passport_reference_{part}"]
        if part == "verdict":
            assert (
                own.partition(" ")[0] == reference.partition(" ")[0] == ("unstable" if ground else "stable")
            )
        else:
            assert own == pytest.approx(reference, abs=1e-6)
    assert bool(values["passport_otherwise"]) == bool(
        ground
    )  # symmetrising takes the springs to the ground away
    if not ground:  # the softest wave that fits into the supercell, and no translation
        assert values["passport_margin_THz"] == pytest.approx(softest_wave(material) + 0.1, abs=1e-4)
    assert values["left_out"] == {
        "structure relaxed": "have no stress",
        "supercell another": "know one supercell alone",
    }


@pytest.fixture(scope="module")
def copper(tiny_dataset: Path) -> dict[str, Record]:
    potential = resolve(PotentialSettings(name=EMT_NAME)).load()
    return passport(open_reference(tiny_dataset / "Cu"), potential, displacements=[0.005, 0.02, 0.05])


def test_the_way_of_the_protocol_gives_what_the_comparison_gives(copper: dict[str, Record]) -> None:
    """EMT's own forces at 0.01 Å are the reference: the first way has no error, others have."""
    values = copper["passport"].values
    ways = chosen_labels(values["choices"], copper["passport"].arrays["ways"])
    assert ways[0]["displacement"] == "0.01 Å"
    first = dict(zip(values["figures"], copper["passport"].arrays["figures"][0], strict=True))
    assert first["path_rmse_w2_THz2"] < 1e-6
    move = values["moves"]["path_rmse_w2_THz2"]
    assert move["lowest"] == pytest.approx(0.0, abs=1e-6)
    # anharmonicity: four times as much at twice the displacement, beside that of 0.01 Å
    numbers = copper["passport"].arrays["figures"][:, values["figures"].index("path_rmse_w2_THz2")]
    by_length = {
        way["displacement"]: number
        for way, number in zip(ways, numbers, strict=True)
        if all(way[name] == ways[0][name] for name in way if name != "displacement")
    }
    ratio = by_length["0.05 Å"] / by_length["0.02 Å"]
    assert ratio == pytest.approx((25 - 1) / (4 - 1), rel=0.1)
    assert move["by"]["displacement"][1] == pytest.approx(by_length["0.05 Å"])


def test_only_new_forces_are_asked_for(copper: dict[str, Record]) -> None:
    values = copper["passport"].values
    number = copper["displaced_forces"].values["n_supercells"]
    # 0.005 and 0.05 Å in the reference's structure, four lengths in the relaxed one, another supercell, and
    # the relaxation; 0.01 and 0.02 Å are of other records
    assert values["passport_reused"] == 2 * number
    assert values["passport_new_calls"] >= (2 + 4 + 1) * number
    assert values["passport_new_calls"] <= (2 + 4 + 1) * number + 25
    assert values["passport_verdict"].startswith(f"stable in all {values['passport_ways']} ways")
    assert values["left_out"] == {}


def test_ways_are_each_different_and_begin_with_the_protocol() -> None:
    own = protocol_way(HarmonicProtocol(), "float32")
    ways = grid(own, PassportSettings(), ("float32", "float64"), analytic=True)
    assert ways[0] == own
    assert len(set(ways)) == len(ways)
    labels = [way.labels() for way in ways]
    assert {label["precision"] for label in labels} == {"float32", "float64"}
    assert sum(label["displacement"] == "analytic" for label in labels) == 4
    few = PassportSettings(displacements=[0.02], structures=False, precisions=False, largest_supercell=0)
    assert {way.structure for way in grid(own, few, ("float32", "float64"), analytic=False)} == {"reference"}


@pytest.mark.parametrize(
    ("atoms", "most", "expected"),
    [(40, 300, 2), (80, 300, 3), (80, 200, None), (270, 300, 2), (10, 50, None)],
)
def test_another_supercell_is_the_next_larger_or_smaller(atoms: int, most: int, expected: int | None) -> None:
    fcc = 4.0 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    found = other_supercell(fcc, 10, atoms, most)
    if expected is None:
        assert found is None
    else:
        np.testing.assert_array_equal(found, expected * np.eye(3))


def test_without_a_reference_the_verdict_stands(tiny_dataset: Path) -> None:
    material = replace(open_reference(tiny_dataset / "Cu"), reference=None)
    potential = resolve(PotentialSettings(name=EMT_NAME)).load()
    values = passport(material, potential, structures=False, largest_supercell=0)["passport"].values
    assert values["figures"] == ["lowest_model_THz"]
    assert values["passport_verdict"].startswith("stable in all")
    assert "passport_reference_verdict" not in values


def test_the_picture_has_a_bar_for_each_factor(copper: dict[str, Record]) -> None:
    values = copper["passport"].values
    figure = passport_figure(values, "Cu, EMT")
    drawn = [axes.get_title() for axes in figure.axes]
    assert drawn[0] == SHOWN["lowest_model_THz"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()][:2] == ["all ways", "displacement"]
    assert values["passport_verdict"] in figure.get_suptitle()
    assert "no figure moves" in passport_figure({"moves": {}}, "Cu").get_suptitle()


def test_a_study_has_passports_on_its_page(tiny_dataset: Path, tmp_path: Path) -> None:
    few = {"displacements": [0.02], "structures": False, "largest_supercell": 0}
    settings = tiny_study(
        tiny_dataset,
        tmp_path / "run",
        ids=["Cu"],
        measurements=["harmonic", "passport"],
        passport=few,
    )
    study, report = run_tiny(settings)
    assert report.failed == 0
    page = build_report(study)
    assert panel_of(document_of(page), "passport")["title"] == "Passports: how sure figures and verdicts are"
    [line] = (page.parent / "tables" / "passport.csv").read_text(encoding="utf-8").splitlines()[1:]
    record = study.result("Cu", "emt", "passport")
    assert record is not None
    assert record.values["passport_verdict"] in line
    # the noise floor that was measured is the one in pictures of bands
    overlay = band_overlay(study, "emt", "Cu", "")
    assert overlay is not None
    assert overlay.floor == record.values["noise_floor_THz"] > 0.0


def test_the_class_is_varied_where_there_is_a_trajectory(tmp_path: Path) -> None:
    """σ(t) from its definition, with force constants that phonopy makes of the same forces."""
    folder = tmp_path / "Al"
    truth = write_moving_metal(folder, "Al", n_frames=8)
    crystal = load(folder).with_trajectory([folder / "run.extxyz"])
    own = {"displacements": [0.05], "structures": False, "largest_supercell": 0, "sigma": True}
    conditions = Conditions.create({"protocol": QUICK, "passport": own})
    potential = resolve(PotentialSettings(name=EMT_NAME)).load()
    records = measure("passport", crystal.material, potential, conditions, trajectory=crystal.trajectory)
    values, figures = records["passport"].values, records["passport"].arrays["figures"]
    found = figures[:, values["figures"].index("sigma_phi_model_mean_t")]
    expected = truth.sigma_t(phonopy_hessian(folder)).mean()
    assert found[0] == pytest.approx(expected, rel=1e-6)
    assert values["passport_class"] == classify(expected)
    move = values["moves"]["sigma_phi_model_mean_t"]
    assert move["lowest"] < move["highest"]
    assert values["passport_class_verdict"].startswith(f"{classify(expected)} in all {len(found)} ways")
    with pytest.raises(SettingsError, match="a reference trajectory"):
        measure("passport", crystal.material, potential, conditions)
