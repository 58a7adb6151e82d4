"""Which frequencies are noise, of changes whose effect is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from phonopy import Phonopy
from spring_crystal import THZ, simple_cubic, spring_force_constants

from softmode import harmonic as hm
from softmode.crystal import Cell, ForceConstants, Material

MASS = 40.0
SITES = np.indices((3, 3, 3)).reshape(3, -1).T
ATOMS = np.arange(27)


@pytest.fixture(scope="module")
def phonon() -> Phonopy:
    cell = Cell.from_atoms(simple_cubic(1))
    return hm.build_phonopy(Material("springs", "Ar", cell, 3 * np.eye(3, dtype=int), np.eye(3)))


@pytest.fixture(scope="module")
def exact() -> ForceConstants:
    return spring_force_constants(3)


def order(phonon: Phonopy) -> np.ndarray:
    """Which of :data:`SITES` each atom of phonopy's supercell is on."""
    return np.rint(phonon.supercell.scaled_positions * 3).astype(int) % 3 @ np.array([9, 3, 1])


def floor(phonon: Phonopy, exact: ForceConstants, change: np.ndarray, **how: bool) -> float:
    sorted_in = order(phonon)
    points = hm.q_mesh(phonon, 12.0).points
    vectors = hm.soft_mode_vectors(phonon, arranged(phonon, exact), points)
    change = change[np.ix_(sorted_in, sorted_in)]
    return hm.frequency_floor(phonon, ForceConstants(change), points, vectors, **how)


def arranged(phonon: Phonopy, constants: ForceConstants) -> ForceConstants:
    sorted_in = order(phonon)
    return ForceConstants(constants.values[np.ix_(sorted_in, sorted_in)])


def test_force_constants_that_keep_all_rules_have_none(phonon: Phonopy, exact: ForceConstants) -> None:
    floors = hm.own_floors(phonon, arranged(phonon, exact), hm.q_mesh(phonon, 12.0).points)
    assert set(floors) == {"sum_rule", "antisymmetry"}
    assert max(floors.values()) < 1e-6  # the root of rounding, THz


def test_a_spring_to_the_ground_moves_all_squares_by_its_stiffness(
    phonon: Phonopy, exact: ForceConstants
) -> None:
    ground = np.zeros(exact.values.shape)
    ground[ATOMS, ATOMS] = 0.01 * np.eye(3)
    expected = THZ * np.sqrt(0.01 / MASS)
    assert floor(phonon, exact, ground) == pytest.approx(expected, rel=1e-6)
    assert floor(phonon, exact, -ground) == pytest.approx(expected, rel=1e-6)
    broken = arranged(phonon, ForceConstants(exact.values + ground))
    own = hm.own_floors(phonon, broken, hm.q_mesh(phonon, 12.0).points)
    assert own["sum_rule"] == pytest.approx(expected, rel=1e-6)
    assert own["antisymmetry"] < 1e-6


def test_what_breaks_action_and_reaction_is_dropped_by_phonons_and_counted(
    phonon: Phonopy, exact: ForceConstants
) -> None:
    """Stiffer towards the neighbour ahead, softer towards the one behind."""
    broken = np.zeros(exact.values.shape)
    for step in (1, -1):
        for axis in range(3):
            other = SITES.copy()
            other[:, axis] = (other[:, axis] + step) % 3
            broken[ATOMS, other @ np.array([9, 3, 1])] += step * 0.02 * np.eye(3)
    assert floor(phonon, exact, broken) < 1e-6
    waves = hm.q_mesh(phonon, 12.0).points
    expected = np.abs(2 * 0.02 * np.sin(2 * np.pi * waves).sum(axis=1)).max() / MASS
    found = floor(phonon, exact, broken, antisymmetric=True)
    assert found == pytest.approx(THZ * np.sqrt(expected), rel=1e-6)
