"""Cells go to ASE and phonopy and back unchanged, and say what is wrong with them."""

from __future__ import annotations

import numpy as np
import pytest

from softmode.crystal import Cell, ForceConstants
from softmode.errors import InputDataError

LATTICE = np.array([[4.0, 0.1, 0.0], [0.0, 5.0, 0.2], [0.3, 0.0, 6.0]])
POSITIONS = np.array([[0.0, 0.0, 0.0], [0.5, -0.25, 1.75]])
CELL = Cell(LATTICE, POSITIONS, np.array([55, 17]), np.array([132.9, 36.97]))


def same(one: Cell, other: Cell) -> None:
    for name in ("lattice", "scaled_positions", "numbers", "masses"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=0, atol=1e-14)


def test_there_and_back() -> None:
    same(Cell.from_atoms(CELL.to_atoms()), CELL)
    same(Cell.from_phonopy(CELL.to_phonopy()), CELL)
    assert CELL.to_phonopy().symbols == ["Cs", "Cl"]
    bohr = Cell.from_phonopy(CELL.to_phonopy(), length_unit=0.5)
    np.testing.assert_allclose(bohr.lattice, 0.5 * LATTICE)
    np.testing.assert_allclose(bohr.scaled_positions, POSITIONS)


@pytest.mark.parametrize(
    ("lattice", "positions", "problem"),
    [
        (np.ones((3, 3)), POSITIONS, "span no volume"),
        (LATTICE[:2], POSITIONS, r"lattice has shape \(2, 3\)"),
        (LATTICE, POSITIONS[:1], "2 atomic numbers but positions of shape"),
        (LATTICE, POSITIONS * np.nan, "not finite"),
    ],
)
def test_what_is_no_cell_is_refused(lattice: np.ndarray, positions: np.ndarray, problem: str) -> None:
    with pytest.raises(InputDataError, match=problem):
        Cell(lattice, positions, np.array([55, 17]))


def test_the_matrix_of_force_constants_gives_the_forces() -> None:
    rng = np.random.default_rng(0)
    constants = ForceConstants(rng.normal(size=(2, 4, 3, 3)))
    u = rng.normal(size=(4, 3))
    by_pairs = [sum(constants.values[i, j] @ u[j] for j in range(4)) for i in range(2)]
    np.testing.assert_allclose((constants.matrix @ u.ravel()).reshape(2, 3), by_pairs, atol=1e-12)


def test_masses_not_given_are_those_of_the_natural_mixture_of_isotopes() -> None:
    cell = Cell(4.0 * np.eye(3), [[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]], [29, 35])
    np.testing.assert_allclose(cell.masses, [63.546, 79.904], atol=5e-4)  # Cu, Br: IUPAC
