"""Analytic second derivatives beside differences of forces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lj import LennardJones
from shared_weights import SHARED_WEIGHTS

from softmode.errors import NonFiniteForcesError, PotentialError
from softmode.potentials import Potential, PotentialInfo, PotentialSettings, resolve
from softmode.potentials.base import FloatArray
from softmode.potentials.calculator import CalculatorPotential

Load = Callable[[PotentialSettings], Potential]
NEQUIX = SHARED_WEIGHTS / "nequix" / "nequix-mp-1.nqx"
MATGL = SHARED_WEIGHTS / "matgl" / "TensorNet-MatPES-PBE-v2025.1-PES"


def crystal() -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    atoms.rattle(0.05, rng=np.random.default_rng(0))
    return atoms


def directions() -> FloatArray:
    """One atom along z, and all atoms at random."""
    found = np.zeros((2, 8, 3))
    found[0, 3, 2] = 1.0
    found[1] = np.random.default_rng(1).normal(size=(8, 3)) / np.sqrt(24)
    return found


def differences(potential: Potential, step: float) -> FloatArray:
    """Central differences of forces, extrapolated to no step from two of them (error of order step⁴)."""

    def central(h: float) -> FloatArray:
        moved = [crystal() for _ in range(4)]
        for index, sign in enumerate((h, -h)):
            for offset, direction in enumerate(directions()):
                moved[2 * index + offset].positions += sign * direction
        forces = potential.evaluate(moved).stacked_forces()
        return -(forces[:2] - forces[2:]) / (2 * h)

    return (4 * central(step / 2) - central(step)) / 3


def check(potential: Potential, step: float, tolerance: float) -> None:
    assert potential.twice_differentiable
    expected = differences(potential, step)
    found = potential.hessian_products(crystal(), directions())
    assert np.abs(expected).max() > 0.05
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)
    # nothing is left behind that would change forces
    np.testing.assert_array_equal(differences(potential, step), expected)


def test_mace_in_float64(small_mace_path: Path, load_potential: Load) -> None:
    check(load_potential(PotentialSettings(name=str(small_mace_path))), 1e-3, 1e-6)


@pytest.mark.slow  # the program for second derivatives takes most of a minute to compile
@pytest.mark.real_potential
@pytest.mark.shared_data
@pytest.mark.skipif(not NEQUIX.is_file(), reason="needs weights in ../shared/data")
def test_nequix_in_float64(load_potential: Load) -> None:
    fine = load_potential(PotentialSettings(name=str(NEQUIX), dtype="float64"))
    check(fine, 1e-3, 1e-6)
    # in float32 only forces are rounded
    coarse = load_potential(PotentialSettings(name=str(NEQUIX)))
    np.testing.assert_array_equal(
        coarse.hessian_products(crystal(), directions()), fine.hessian_products(crystal(), directions())
    )


@pytest.mark.real_potential
@pytest.mark.parametrize(
    ("name", "module", "step", "tolerance"),
    [
        pytest.param("7net-0", "sevenn", 0.02, 5e-4, marks=pytest.mark.slow),
        # steps in its forces, where a neighbour comes within a cutoff, are not in its derivatives
        ("chgnet", "chgnet", 0.004, 1e-2),
        pytest.param(str(MATGL), "matgl", 0.02, 5e-4, marks=[pytest.mark.shared_data, pytest.mark.slow]),
    ],
)
def test_of_those_in_float32(
    name: str, module: str, step: float, tolerance: float, load_potential: Load
) -> None:
    pytest.importorskip(module)
    if Path(name).is_absolute() and not Path(name).is_dir():
        pytest.skip("needs weights in ../shared/data")
    check(load_potential(PotentialSettings(name=name)), step, tolerance)


def test_a_potential_without_says_so() -> None:
    potential = CalculatorPotential(PotentialInfo("lj"), LennardJones())
    assert not potential.twice_differentiable
    with pytest.raises(PotentialError, match="no analytic second derivatives"):
        potential.hessian_products(bulk("Ar"), np.zeros((1, 1, 3)))


def test_what_is_not_finite_is_refused(small_mace_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    potential = resolve(PotentialSettings(name=str(small_mace_path))).load()
    monkeypatch.setattr(potential, "_hessian_products", lambda atoms, along: np.full(along.shape, np.nan))
    with pytest.raises(NonFiniteForcesError, match="not finite"):
        potential.hessian_products(crystal(), directions())
