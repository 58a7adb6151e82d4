"""Force constants that are analytic second derivatives, beside those of finite displacements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from softmode.crystal import Cell, Material
from softmode.errors import PotentialError
from softmode.measurements.conditions import Conditions
from softmode.measurements.measure import measure
from softmode.potentials import Potential, PotentialSettings, resolve
from softmode.records import Record


@pytest.fixture(scope="module")
def salt() -> Material:
    return Material(
        name="salt",
        formula="NaCl",
        unitcell=Cell.from_atoms(bulk("NaCl", "rocksalt", a=5.6, cubic=True)),
        supercell_matrix=np.eye(3, dtype=int),
        primitive_matrix=np.array([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]),
    )


def phonons(salt: Material, potential: Potential, **protocol: object) -> dict[str, Record]:
    conditions = Conditions.create({"protocol": {"mesh_length": 20.0, "points_per_segment": 8, **protocol}})
    return measure("model_phonons", salt, potential, conditions)


def test_the_limit_of_small_displacements(salt: Material, tmp_path: Path) -> None:
    pytest.importorskip("mace")
    from small_mace import build_small_mace

    potential = resolve(PotentialSettings(name=str(build_small_mace(tmp_path / "small.model")))).load()
    analytic, coarse, fine = (
        phonons(salt, potential, symmetrise=False, **how)
        for how in (
            {"force_constants": "analytic"},
            {"dispersion_displacement": 0.1},
            {"dispersion_displacement": 0.001},
        )
    )
    exact = analytic["model_phonons"].arrays["frequencies_model"]
    errors = [
        np.abs(np.abs(records["model_phonons"].arrays["frequencies_model"]) ** 2 - np.abs(exact) ** 2).max()
        for records in (coarse, fine)
    ]
    assert np.abs(exact).max() > 1.0
    assert errors[0] > 1e-3  # anharmonic: the square of the displacement
    assert errors[1] < 1e-3 * errors[0]
    # a derivative of the energy of a crystal that may be shifted: sums vanish to rounding
    assert analytic["model_phonons"].values["model_asr_eV_per_A2"] < 1e-9
    forces = analytic["displaced_forces"]
    assert forces.calls == forces.values["n_supercells"] + 1
    assert forces.inputs["force_constants"] == "analytic"


def test_a_potential_without_them_is_named(salt: Material) -> None:
    potential = resolve(PotentialSettings(name="ase.calculators.lj:LennardJones")).load()
    with pytest.raises(PotentialError, match="no analytic second derivatives"):
        phonons(salt, potential, force_constants="analytic")
