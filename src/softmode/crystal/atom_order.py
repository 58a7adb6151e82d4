"""Which atom of one cell is which of another: by element and minimum-image distance, one to one.

phonopy's supercell order, the order of POSCAR/SPOSCAR and that of a trajectory may all differ.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from softmode.crystal.arrays import FloatArray, IntArray
from softmode.crystal.cell import Cell
from softmode.crystal.periodic_images import minimum_image_distances
from softmode.errors import InputDataError

#: Largest distance (Å) between two descriptions of the same ideal supercell: rounding of coordinates.
SAME_STRUCTURE = 0.01


def as_cell(structure: Cell | Atoms) -> Cell:
    """`structure` as a `Cell`."""
    return Cell.from_atoms(structure) if isinstance(structure, Atoms) else structure


def map_atoms(
    reference: Cell | Atoms,
    other: Cell | Atoms,
    tolerance: float = SAME_STRUCTURE,
    subject: str = "atom order",
    lattice_tolerance: float = 0.01,
) -> IntArray:
    """Index in `other` of every atom of `reference`.

    Parameters
    ----------
    reference : Cell or ase.Atoms
        The cell whose atom order is wanted.
    other : Cell or ase.Atoms
        The same crystal, its atoms in any order and any periodic image; they may be displaced.
    tolerance : float
        Largest distance allowed between an atom and its partner, Å.
    subject : str
        File or material named in the error.
    lattice_tolerance : float
        Largest difference allowed between components of the lattice vectors, Å.

    Returns
    -------
    (n_atoms,) int array
        ``other_quantity[permutation]`` is in the order of `reference`.

    Raises
    ------
    InputDataError
        If the lattices or the elements differ, or the map is not one to one within `tolerance`; the atom
        (counted from 1, in the order of `other`) and the distance are named.
    """
    reference, other = as_cell(reference), as_cell(other)
    _check_lattices(reference, other, lattice_tolerance, subject)
    _check_elements(reference, other, subject)
    permutation = np.full(reference.n_atoms, -1, dtype=np.int64)
    for number in np.unique(reference.numbers):
        in_reference = np.flatnonzero(reference.numbers == number)
        in_other = np.flatnonzero(other.numbers == number)
        distances = minimum_image_distances(
            other.lattice, other.scaled_positions[in_other], reference.scaled_positions[in_reference]
        )
        nearest = distances.argmin(axis=1)
        _check_one_to_one(distances, nearest, in_other, chemical_symbols[number], tolerance, subject)
        permutation[in_reference[nearest]] = in_other
    return permutation


def _check_lattices(reference: Cell, other: Cell, tolerance: float, subject: str) -> None:
    difference = float(np.abs(reference.lattice - other.lattice).max())
    if difference > tolerance:
        raise InputDataError(
            subject,
            f"its lattice vectors differ from those of the reference supercell by up to {difference:.4f} Å",
            "give both in the same setting and with the same supercell matrix",
        )


def _check_elements(reference: Cell, other: Cell, subject: str) -> None:
    def count(cell: Cell) -> str:
        return " ".join(f"{s}{cell.symbols.count(s)}" for s in cell.elements)

    if count(reference) != count(other):
        raise InputDataError(
            subject,
            f"it holds {count(other)}, but the reference supercell {count(reference)}",
            "check that structure and supercell matrix (DIM) belong to this file",
        )


def _check_one_to_one(
    distances: FloatArray, nearest: IntArray, in_other: IntArray, symbol: str, tolerance: float, subject: str
) -> None:
    remedy = (
        "give the supercell the forces were calculated in, undisplaced, with the unit cell it was made from"
    )
    found = distances[np.arange(len(nearest)), nearest]
    worst = int(found.argmax())
    if not found[worst] <= tolerance:
        raise InputDataError(
            subject,
            f"atom {in_other[worst] + 1} ({symbol}) is {found[worst]:.3f} Å from the nearest {symbol} "
            f"of the reference supercell (allowed {tolerance:g} Å)",
            remedy,
        )
    targets, counts = np.unique(nearest, return_counts=True)
    if (counts > 1).any():
        first, second = np.flatnonzero(nearest == targets[counts.argmax()])[:2]
        raise InputDataError(
            subject,
            f"atoms {in_other[first] + 1} and {in_other[second] + 1} ({symbol}) both fall on the same "
            f"atom of the reference supercell ({found[first]:.3f} and {found[second]:.3f} Å away)",
            remedy,
        )
