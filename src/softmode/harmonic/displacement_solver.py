"""Force constants from forces on displaced supercells, when many potentials share the displacements.

The arithmetic is that of phonopy's own solver, step by step. What depends on crystal and displacements alone
(site symmetries, which atom goes where, the pseudo-inverse) is found once; a set of forces is then some small
matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from phonopy import Phonopy
from phonopy.harmonic.force_constants import (
    distribute_force_constants,
    get_positions_sent_by_rot_inv,
    get_rotated_displacement,
)
from phonopy.utils import similarity_transformation

from softmode.crystal import ForceConstants
from softmode.crystal.arrays import FloatArray, IntArray
from softmode.errors import InputDataError


@dataclass(frozen=True, eq=False)
class _DisplacedAtom:
    """What the forces on the supercells with one atom displaced are multiplied with.

    Parameters
    ----------
    row : int
        Index of the atom among those of the primitive cell.
    supercells : (n,) array
        Which displaced supercells these are.
    sources : (n_operations, n_atoms) array
        Atom whose force each site-symmetry operation brings to an atom.
    rotations : (n_operations, 3, 3) array
        Cartesian, transposed.
    inverse : (3, n * n_operations) array
        Pseudo-inverse of the rotated displacements.
    """

    row: int
    supercells: IntArray
    sources: IntArray
    rotations: FloatArray
    inverse: FloatArray

    def solve(self, forces: FloatArray) -> FloatArray:
        """Force constants (n_atoms, 3, 3) between this atom and all others."""
        rotated = forces[self.supercells][:, self.sources, None, :] @ self.rotations[:, None]
        n_atoms = self.sources.shape[1]
        by_atom = np.ascontiguousarray(rotated[..., 0, :].transpose(2, 0, 1, 3)).reshape(n_atoms, -1, 3)
        return np.asarray(-(self.inverse @ by_atom))


@dataclass(frozen=True, eq=False)
class DisplacementSolver:
    """Force constants of a crystal from forces on given displaced supercells, one atom displaced in each.

    Parameters
    ----------
    phonon : phonopy.Phonopy
        Supercell, primitive cell and symmetry.
    atoms : tuple
        The displaced atoms.
    displaced : (n,) array
        Their indices in the supercell, ascending.
    operations : (n,) array
        Symmetry operations by which the other atoms get their force constants.
    """

    phonon: Phonopy
    atoms: tuple[_DisplacedAtom, ...]
    displaced: IntArray
    operations: IntArray

    def solve(self, forces: FloatArray) -> ForceConstants:
        """Compact force constants, not symmetrised.

        Parameters
        ----------
        forces : (n_supercells, n_atoms, 3) array
            eV/Å, in the order of the displacements.
        """
        phonon = self.phonon
        targets = phonon.primitive.p2s_map
        values = np.zeros((len(targets), len(phonon.supercell), 3, 3))
        for atom in self.atoms:
            values[atom.row] = atom.solve(forces)
        symmetry = phonon.symmetry
        distribute_force_constants(
            values,
            self.displaced,
            _columns(phonon),
            symmetry.symmetry_operations["rotations"][self.operations],
            np.ascontiguousarray(symmetry.atomic_permutations[self.operations]),
            atom_list=targets,
        )
        return ForceConstants(values)


def displacement_solver(phonon: Phonopy, displacements: FloatArray) -> DisplacementSolver:
    """Prepare the solution for displacements of single atoms.

    Parameters
    ----------
    phonon : phonopy.Phonopy
        From :func:`softmode.harmonic.build_phonopy`; not modified.
    displacements : (n_supercells, n_atoms, 3) array
        One atom displaced in each supercell, Å, phonopy's order.

    Raises
    ------
    InputDataError
        If the displaced atoms do not determine the force constants.
    """
    moved = np.linalg.norm(displacements, axis=2).argmax(axis=1)
    displaced = np.unique(moved)
    rows = {int(atom): row for row, atom in enumerate(phonon.primitive.p2s_map)}
    operations = _first_operations(phonon.symmetry.atomic_permutations, displaced)
    if operations is None or not set(displaced.tolist()) <= set(rows):
        raise InputDataError(
            "displaced supercells",
            "the displaced atoms do not determine the force constants of all others",
            "displace every symmetry-distinct atom of the primitive cell",
        )
    atoms = tuple(
        _displaced_atom(phonon, int(atom), rows[int(atom)], np.flatnonzero(moved == atom), displacements)
        for atom in displaced
    )
    return DisplacementSolver(phonon, atoms, displaced, operations)


def _columns(phonon: Phonopy) -> FloatArray:
    """Lattice vectors of the supercell as columns, as phonopy's functions want them."""
    return np.array(phonon.supercell.cell.T, dtype=np.float64, order="C")


def _displaced_atom(
    phonon: Phonopy, atom: int, row: int, supercells: IntArray, displacements: FloatArray
) -> _DisplacedAtom:
    supercell, symmetry = phonon.supercell, phonon.symmetry
    lattice = supercell.cell.T
    positions = supercell.scaled_positions
    operations = symmetry.get_site_symmetry(atom)
    sources = get_positions_sent_by_rot_inv(
        lattice, positions - positions[atom], operations, symmetry.tolerance, supercell.permutation_types
    )
    cartesian = [similarity_transformation(lattice, operation) for operation in operations]
    moved = get_rotated_displacement([displacements[index, atom] for index in supercells], cartesian)
    return _DisplacedAtom(
        row=row,
        supercells=supercells,
        sources=sources,
        rotations=np.array(cartesian).transpose(0, 2, 1),
        inverse=np.linalg.pinv(moved),
    )


def _first_operations(permutations: IntArray, displaced: IntArray) -> IntArray | None:
    """Operations that phonopy takes: for each atom the first that maps it onto a displaced one.

    Without the others the same are found, sooner.
    """
    onto = np.isin(permutations, displaced)
    if not onto.any(axis=0).all():
        return None
    return np.unique(onto.argmax(axis=0))
