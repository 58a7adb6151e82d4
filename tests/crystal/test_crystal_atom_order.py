"""The atom map: permutations, lattice translations and small displacements are undone; the rest refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmode.crystal import Cell, Material
from softmode.crystal.atom_order import map_atoms
from softmode.datasets.assemble import phonopy_supercell
from softmode.errors import InputDataError


@pytest.fixture(scope="module")
def supercell(example: Material) -> Cell:
    return Cell.from_phonopy(phonopy_supercell(example.unitcell, example.supercell_matrix, "test"))


def variant(cell: Cell, order: np.ndarray, shift: np.ndarray) -> Cell:
    return Cell(cell.lattice, (cell.scaled_positions + shift)[order], cell.numbers[order])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), amplitude=st.floats(0, 0.2))
def test_permutations_are_found(supercell: Cell, seed: int, amplitude: float) -> None:
    rng = np.random.default_rng(seed)
    order = rng.permutation(supercell.n_atoms)
    images = rng.integers(-3, 4, (supercell.n_atoms, 3))
    kick = rng.uniform(-1, 1, (supercell.n_atoms, 3)) * amplitude / np.sqrt(3)
    other = variant(supercell, order, images + kick @ np.linalg.inv(supercell.lattice))
    permutation = map_atoms(supercell, other, tolerance=0.21)
    np.testing.assert_array_equal(order[permutation], np.arange(supercell.n_atoms))
    np.testing.assert_array_equal(map_atoms(supercell.to_atoms(), other.to_atoms(), 0.21), permutation)


def test_refusals(supercell: Cell) -> None:
    identity = np.arange(supercell.n_atoms)
    moved = np.zeros((supercell.n_atoms, 3))
    moved[40, 2] = 0.5 / np.linalg.norm(supercell.lattice[2])
    with pytest.raises(
        InputDataError, match=r"SPOSCAR: atom 41 \(Br\) is 0.500 Å from the nearest Br"
    ) as caught:
        map_atoms(supercell, variant(supercell, identity, moved), subject="SPOSCAR")
    assert "undisplaced" in caught.value.remedy
    onto = supercell.scaled_positions.copy()
    onto[1] = onto[0]
    twice = Cell(supercell.lattice, onto, supercell.numbers)
    with pytest.raises(InputDataError, match=r"atoms 1 and 2 \(Cs\) both fall on the same atom"):
        map_atoms(supercell, twice)
    with pytest.raises(InputDataError, match="lattice vectors differ"):
        map_atoms(supercell, Cell(supercell.lattice * 1.01, supercell.scaled_positions, supercell.numbers))
    numbers = supercell.numbers.copy()
    numbers[-1] = 17
    with pytest.raises(InputDataError, match="it holds Cl1 Br47"):
        map_atoms(supercell, Cell(supercell.lattice, supercell.scaled_positions, numbers))
