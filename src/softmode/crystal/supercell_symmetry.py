"""Which atom of a supercell each symmetry operation of its crystal brings where.

Found by arithmetic of whole numbers: an atom is one of the primitive cell and a lattice vector, and an
operation acts on both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import spglib

from softmode.crystal.arrays import FloatArray, IntArray
from softmode.crystal.cell import Cell

#: Å: how far atoms may be from symmetric positions.
SYMPREC = 1e-4


@lru_cache(maxsize=8)
def symmetry_dataset(cell: Cell, symprec: float) -> spglib.SpglibDataset | None:
    """What spglib finds of a cell; kept for the same object, for the search takes longer than reading it.

    Parameters
    ----------
    cell : Cell
        Primitive or conventional.
    symprec : float
        Tolerance, Å.
    """
    try:
        return spglib.get_symmetry_dataset(
            (cell.lattice, cell.scaled_positions, cell.numbers), symprec=symprec
        )
    except spglib.SpglibError:  # two atoms in one place
        return None


@dataclass(frozen=True, eq=False)
class SupercellSymmetry:
    """The operations of a crystal that a supercell keeps.

    Parameters
    ----------
    sublattice, cells : (n_atoms,) and (n_atoms, 3) int arrays
        Atom of the primitive cell that each atom is an image of, and its lattice vector.
    multiples : (3, 3) int array
        Vectors of the supercell in those of the primitive cell, as rows.
    rotations, cartesian : (n_operations, 3, 3) arrays
        In lattice vectors (int) and Cartesian.
    images, offsets : (n_operations, n_primitive) and (n_operations, n_primitive, 3) int arrays
        Atom of the primitive cell that each one is brought to, and the lattice vector added.
    """

    sublattice: IntArray
    cells: IntArray
    multiples: IntArray
    rotations: IntArray
    cartesian: FloatArray
    images: IntArray
    offsets: IntArray

    @property
    def first_atoms(self) -> IntArray:
        """The first image in the supercell of each atom of the primitive cell."""
        return np.unique(self.sublattice, return_index=True)[1]

    def site_operations(self, atom: int) -> tuple[FloatArray, IntArray]:
        """Operations that leave an atom where it is.

        Parameters
        ----------
        atom : int
            Of the supercell.

        Returns
        -------
        rotations : (n, 3, 3) array
            Cartesian.
        images : (n, n_atoms) int array
            Atom that each atom is brought to.
        """
        own = self.sublattice[atom]
        chosen = np.flatnonzero(self.images[:, own] == own)
        moved = (self.cells - self.cells[atom]) @ self.rotations[chosen].transpose(0, 2, 1)
        moved += self.offsets[chosen][:, self.sublattice] - self.offsets[chosen][:, [own]]
        return self.cartesian[chosen], self._atoms(
            self.images[chosen][:, self.sublattice], moved + self.cells[atom]
        )

    def translations(self) -> IntArray:
        """Atom that each lattice translation brings each atom to, (n_translations, n_atoms)."""
        shifts = self.cells[self.sublattice == self.sublattice[0]] - self.cells[0]
        moved = self.cells + shifts[:, None]
        return self._atoms(np.broadcast_to(self.sublattice, moved.shape[:-1]), moved)

    def _atoms(self, sublattice: IntArray, cells: IntArray) -> IntArray:
        """Atoms of the supercell, or the atoms that they are periodic images of."""
        known = self._codes(self.sublattice, self.cells)
        order = np.argsort(known)
        return np.asarray(order[np.searchsorted(known[order], self._codes(sublattice, cells))])

    def _codes(self, sublattice: IntArray, cells: IntArray) -> IntArray:
        """A number for each atom, the same for all its periodic images."""
        n_cells = round(float(np.linalg.det(self.multiples)))
        adjugate = np.rint(np.linalg.inv(self.multiples) * n_cells).astype(np.int64)
        n_cells, code = abs(n_cells), sublattice
        for residue in np.moveaxis((cells @ adjugate) % n_cells, -1, 0):
            code = code * n_cells + residue
        return np.asarray(code)


def supercell_symmetry(unitcell: Cell, supercell: Cell) -> SupercellSymmetry | None:
    """Operations of a crystal that its supercell keeps.

    Parameters
    ----------
    unitcell : Cell
        The crystal.
    supercell : Cell
        In phonopy's order of atoms: images of the first atom of the unit cell, of the second …

    Returns
    -------
    SupercellSymmetry or None
        None where spglib finds no symmetry, or none that brings each atom onto another.
    """
    found = symmetry_dataset(unitcell, SYMPREC)
    if found is None:
        return None
    lattice = np.asarray(found.primitive_lattice)
    to_cell = np.linalg.inv(lattice)
    _, first, sites = np.unique(found.mapping_to_primitive, return_index=True, return_inverse=True)
    sublattice = np.repeat(sites, supercell.n_atoms // unitcell.n_atoms)
    places = unitcell.scaled_positions[first] @ unitcell.lattice @ to_cell
    cells = _whole(supercell.scaled_positions @ supercell.lattice @ to_cell - places[sublattice])
    multiples = _whole(supercell.lattice @ to_cell)
    # one operation of each rotation: the others differ by lattice vectors of the primitive cell
    _, chosen = np.unique(found.rotations, axis=0, return_index=True)
    between = to_cell.T @ unitcell.lattice.T  # from fractional coordinates of one cell to the other
    rotations = _whole(between @ found.rotations[chosen] @ np.linalg.inv(between))
    turned = multiples @ rotations.transpose(0, 2, 1) @ np.linalg.inv(multiples)
    kept = np.abs(turned - np.rint(turned)).max(axis=(1, 2)) < 1e-6
    rotations, shifts = rotations[kept], found.translations[chosen][kept] @ between.T
    moved = places @ rotations.transpose(0, 2, 1) + shifts[:, None]
    apart = moved[:, :, None] - places
    lengths = np.linalg.norm(lattice, axis=1)
    images = np.linalg.norm((apart - np.rint(apart)) * lengths, axis=-1).argmin(axis=-1)
    offsets = _whole(np.take_along_axis(apart, images[:, :, None, None], axis=2)[:, :, 0])
    cartesian = lattice.T @ rotations @ to_cell.T
    # atoms in one place, or a cell next to flat: what spglib finds is then none of its symmetries
    one_to_one = (np.sort(images, axis=1) == np.arange(len(places))).all(axis=1)
    if not one_to_one.all() or (np.abs(np.linalg.det(rotations)) < 0.5).any() or not len(rotations):
        return None
    return SupercellSymmetry(sublattice, cells, multiples, rotations, cartesian, images, offsets)


def _whole(values: FloatArray) -> IntArray:
    return np.rint(values).astype(np.int64)
