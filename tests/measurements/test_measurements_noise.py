"""The noise floor of potentials whose noise is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from softmode.crystal import Cell, Material
from softmode.harmonic.dispersion import frequency_factor
from softmode.measurements.conditions import Conditions
from softmode.measurements.measure import measure
from softmode.measurements.noise_floor import FLOORS
from softmode.potentials import PotentialInfo
from softmode.potentials.calculator import CalculatorPotential
from softmode.records import Record


class Rounded(CalculatorPotential):
    """EMT, its forces rounded to so much, eV/Å, as a potential of less precision would."""

    def __init__(self, grain: float) -> None:
        super().__init__(PotentialInfo("rounded"), EMT())
        self._grain = grain

    def _evaluate(self, configurations: Sequence[Atoms]) -> tuple[Sequence[float], Sequence[Any]]:
        energies, forces = super()._evaluate(configurations)
        # positions decide how a force is rounded, as they do in floating point
        starts = [atoms.positions[:1] % 1.0 * self._grain for atoms in configurations]
        found = zip(forces, starts, strict=True)
        return energies, [np.rint((force + start) / self._grain) * self._grain for force, start in found]


def made(grain: float, **protocol: object) -> dict[str, Record]:
    copper = Material(
        "Cu", "Cu", Cell.from_atoms(bulk("Cu", "fcc", a=3.6)), 2 * np.eye(3, dtype=int), np.eye(3)
    )
    conditions = Conditions.create({"protocol": {"mesh_length": 15.0, **protocol}})
    return measure("noise_floor", copper, Rounded(grain), conditions)


def test_rounding_is_found_by_translation_and_grows_with_its_grain() -> None:
    smooth, coarse = (made(grain)["noise_floor"].values["noise_floors_THz"] for grain in (1e-12, 1e-4))
    assert smooth["translation"] < 1e-3
    # forces wrong by a grain over the displacement: so wrong are force constants, and squares over the mass
    expected = frequency_factor() * np.sqrt(1e-4 / 0.01 / 63.546)
    assert 0.2 * expected < coarse["translation"] < 3 * expected
    assert coarse["sum_rule"] < 1e-3  # rounded alike on both sides of an atom, which no sum rule shows


def test_anharmonicity_is_found_by_the_displacement() -> None:
    small, large = (
        made(1e-12, dispersion_displacement=length)["noise_floor"].values for length in (0.01, 0.04)
    )
    assert large["noise_floor_from"] == FLOORS["displacement"]
    # force constants by both signs of a displacement are wrong by its square: frequencies by itself
    ratio = large["noise_floor_THz"] / small["noise_floors_THz"]["displacement"]
    assert ratio == pytest.approx(4.0, rel=0.1)


def test_only_what_is_new_is_asked_for() -> None:
    records = made(1e-12)
    number = records["displaced_forces"].values["n_supercells"]
    assert records["noise_floor"].calls == 2 * number
