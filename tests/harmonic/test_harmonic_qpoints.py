"""The mesh against spglib's own, which searches the symmetry of the cell itself."""

from __future__ import annotations

import numpy as np
import pytest
import spglib
from ase import Atoms
from ase.build import bulk
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

from softmode import harmonic as hm


def phonopy_of(atoms: Atoms) -> Phonopy:
    cell = PhonopyAtoms(
        cell=atoms.cell.array, scaled_positions=atoms.get_scaled_positions(), numbers=atoms.numbers
    )
    return Phonopy(cell, supercell_matrix=np.eye(3, dtype=int), primitive_matrix="P", log_level=0)


def crystals() -> dict[str, Atoms]:
    tetragonal = bulk("NaCl", "cesiumchloride", a=4.1)
    tetragonal.set_cell(tetragonal.cell.array * [[1.0], [1.0], [1.2]], scale_atoms=True)
    low = bulk("Si", "diamond", a=5.4)
    low.rattle(0.05, seed=1)
    return {
        "fcc": bulk("Cu", "fcc", a=3.6),
        "hexagonal": bulk("Mg", "hcp", a=3.2, c=5.2),
        "polar": bulk("ZnO", "wurtzite", a=3.25, c=5.2),
        "tetragonal": tetragonal,
        "no symmetry": low,
    }


@pytest.mark.parametrize("name", list(crystals()))
@pytest.mark.parametrize("length", [7.0, 31.0])
def test_the_mesh_is_reduced_by_the_symmetry_of_the_crystal(name: str, length: float) -> None:
    phonon = phonopy_of(crystals()[name])
    mesh = hm.q_mesh(phonon, length)
    primitive = phonon.primitive
    cell = (primitive.cell, primitive.scaled_positions, primitive.numbers)
    mapping, grid = spglib.get_ir_reciprocal_mesh(mesh.divisions, cell, is_shift=[0, 0, 0])
    first, counts = np.unique(mapping, return_counts=True)
    np.testing.assert_array_equal(mesh.points, grid[first] / np.array(mesh.divisions))
    np.testing.assert_array_equal(mesh.weights, counts)
    assert mesh.weights.sum() == np.prod(mesh.divisions)
