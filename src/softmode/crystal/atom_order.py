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

#: Largest distance between two descriptions of the same ideal supercell, and difference between components of
#: their lattice vectors, Å: rounding of coordinates.
SAME_STRUCTURE = 0.01


def composition(numbers: IntArray) -> str:
    """Atoms of each element, as ``Cs2 Ag1 …`` by atomic number."""
    counts = np.unique(numbers, return_counts=True)
    return " ".join(f"{chemical_symbols[number]}{count}" for number, count in zip(*counts, strict=True))


def nearest_sites(
    lattice: FloatArray, scaled_positions: FloatArray, numbers: IntArray, cell: Cell
) -> tuple[IntArray, FloatArray]:
    """The atom of a cell, of the same element, that each atom is nearest to.

    Parameters
    ----------
    lattice : (3, 3) array
        Lattice vectors as rows, Å.
    scaled_positions, numbers : (n_atoms, 3) and (n_atoms,) arrays
        Fractional coordinates and elements of the atoms; no element that the cell lacks.
    cell : Cell
        Whose atoms they may be.

    Returns
    -------
    site, distance : (n_atoms,) arrays
        Index in `cell`, and how far away, Å (see
        :func:`~softmode.crystal.periodic_images.minimum_image_distances`).
    """
    site, distance = np.empty(len(numbers), dtype=np.int64), np.empty(len(numbers))
    for number in np.unique(numbers):
        atoms, sites = np.flatnonzero(numbers == number), np.flatnonzero(cell.numbers == number)
        between = minimum_image_distances(lattice, scaled_positions[atoms], cell.scaled_positions[sites])
        nearest = between.argmin(axis=1)
        site[atoms], distance[atoms] = sites[nearest], between[np.arange(len(atoms)), nearest]
    return site, distance


def map_atoms(
    reference: Cell | Atoms,
    other: Cell | Atoms,
    tolerance: float = SAME_STRUCTURE,
    subject: str = "atom order",
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
    reference, other = (Cell.from_atoms(s) if isinstance(s, Atoms) else s for s in (reference, other))
    _check_lattices(reference, other, subject)
    _check_elements(reference, other, subject)
    site, distance = nearest_sites(other.lattice, other.scaled_positions, other.numbers, reference)
    _check_one_to_one(site, distance, other.symbols, tolerance, subject)
    return np.argsort(site)


def _check_lattices(reference: Cell, other: Cell, subject: str) -> None:
    difference = float(np.abs(reference.lattice - other.lattice).max())
    if difference > SAME_STRUCTURE:
        raise InputDataError(
            subject,
            f"its lattice vectors differ from those of the reference supercell by up to {difference:.4f} Å",
            "give both in the same setting and with the same supercell matrix",
        )


def _check_elements(reference: Cell, other: Cell, subject: str) -> None:
    held, wanted = composition(other.numbers), composition(reference.numbers)
    if held != wanted:
        raise InputDataError(
            subject,
            f"it holds {held}, but the reference supercell {wanted}",
            "check that structure and supercell matrix (DIM) belong to this file",
        )


def _check_one_to_one(
    site: IntArray, distance: FloatArray, symbols: tuple[str, ...], tolerance: float, subject: str
) -> None:
    remedy = (
        "give the supercell the forces were calculated in, undisplaced, with the unit cell it was made from"
    )
    worst = int(distance.argmax())
    symbol = symbols[worst]
    if not distance[worst] <= tolerance:
        raise InputDataError(
            subject,
            f"atom {worst + 1} ({symbol}) is {distance[worst]:.3f} Å from the nearest {symbol} of the "
            f"reference supercell (allowed {tolerance:g} Å)",
            remedy,
        )
    targets, counts = np.unique(site, return_counts=True)
    if (counts > 1).any():
        first, second = np.flatnonzero(site == targets[counts.argmax()])[:2]
        raise InputDataError(
            subject,
            f"atoms {first + 1} and {second + 1} ({symbols[first]}) both fall on the same "
            f"atom of the reference supercell ({distance[first]:.3f} and {distance[second]:.3f} Å away)",
            remedy,
        )
