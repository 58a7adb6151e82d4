"""Factors between units are found; physics is not taken for one."""

from __future__ import annotations

import re

import numpy as np
import pytest
from ase import units
from hdp_potential import compounds
from hdp_standin import Truth, make_truth

from softmode.crystal import ForceConstants, Trajectory
from softmode.datasets.hdp_units import check_force_constants, check_trajectory, virial_temperature
from softmode.errors import InputDataError

RYDBERG_FORCE = 25.711  # eV/Å in a Ry/bohr
RYDBERG_CONSTANT = 48.587  # eV/Å² in a Ry/bohr²


@pytest.fixture(scope="module", params=compounds(30)[::5], ids=lambda compound: compound.formula)
def truth(request: pytest.FixtureRequest) -> Truth:
    return make_truth(request.param, (8,))


def trajectory(truth: Truth, factor: float = 1.0) -> Trajectory:
    cell = truth.supercell.cell.array
    return Trajectory(cell, truth.supercell.numbers, truth.scaled[0] @ cell, factor * truth.forces[0])


def check(truth: Truth, constants: float = 1.0, forces: float = 1.0) -> tuple[str, ...]:
    values = ForceConstants(constants * truth.force_constants)
    return check_trajectory(trajectory(truth, forces), truth.supercell.positions, values, "here")


def test_right_units_pass_whatever_the_anharmonicity(truth: Truth) -> None:
    check_force_constants(ForceConstants(truth.force_constants), "here")
    check_force_constants(ForceConstants(truth.force_constants[::8]), "here")
    assert check(truth) == ()


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (1 / RYDBERG_CONSTANT, "it would be usual in Ry/bohr²"),
        (RYDBERG_CONSTANT, "it looks converted from Ry/bohr² "),
        (1000.0, "it would be usual in meV/Å²"),
        (-1.0, "its sign is wrong"),
    ],
)
def test_force_constants_in_other_units(truth: Truth, factor: float, said: str) -> None:
    for values in (truth.force_constants, truth.force_constants[::8]):
        with pytest.raises(InputDataError, match=r"the stiffest atom sits in .* eV/Å²") as caught:
            check_force_constants(ForceConstants(factor * values), "here")
        stiffest = np.einsum("iiaa->i", truth.force_constants).max() / 3.0
        if 8.0 < stiffest < 30.0:  # of an ordinary compound the unit is recognised
            assert said in str(caught.value)


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (1 / RYDBERG_FORCE, "it would be usual in Ry/bohr"),
        (RYDBERG_FORCE, "it looks converted from Ry/bohr twice"),
        (1000.0, "it would be usual in meV/Å"),
        (1 / 0.0103643, "it would be usual in kJ/mol/Å"),
        (-1.0, "its sign is wrong"),
    ],
)
def test_forces_in_other_units(truth: Truth, factor: float, said: str) -> None:
    with pytest.raises(InputDataError, match=r"the virial of the forces is that of .* K") as caught:
        check(truth, forces=factor)
    assert re.search(rf"{re.escape(said)}(?!²)", str(caught.value))


def test_both_are_needed_to_tell_force_constants_that_are_off_by_less(truth: Truth) -> None:
    """Ten times too large may be inside the range of all compounds, but not beside its own trajectory."""
    q = np.sqrt(1.0 + truth.sigma_t().mean() ** 2)
    factor = 40.0 * q
    with pytest.raises(InputDataError, match=r"harmonic forces are .* times the forces of its trajectory"):
        check(truth, constants=factor)


def test_a_small_factor_of_the_forces_is_noted(truth: Truth) -> None:
    [note] = check(truth, forces=1 / 1.89)  # eV/bohr
    assert "the virial of the forces is that of 1" in note


def test_without_full_force_constants_the_virial_is_still_checked(truth: Truth) -> None:
    rest = truth.supercell.positions
    assert check_trajectory(trajectory(truth), rest, None, "here") == ()
    with pytest.raises(InputDataError, match="virial"):
        check_trajectory(trajectory(truth, 30.0), rest, ForceConstants(truth.force_constants[::8]), "here")


def test_the_virial_theorem_holds_for_a_quartic_well() -> None:
    """⟨x V'(x)⟩ = k_B T for V = x⁴, by quadrature over the Boltzmann distribution: nothing harmonic in it."""
    kt = 300.0 * units.kB
    x = np.linspace(-2.0, 2.0, 4001)
    weight = np.exp(-(x**4) / kt)
    assert np.average(4.0 * x**4, weights=weight) == pytest.approx(kt, rel=1e-6)
    draws = np.random.default_rng(1).choice(x, size=(2000, 41, 3), p=weight / weight.sum())
    assert virial_temperature(draws, -4.0 * draws**3) == pytest.approx(300.0 * 41 / 40, rel=0.01)
