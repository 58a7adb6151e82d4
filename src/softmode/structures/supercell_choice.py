"""Which supercell a structure is given whose reference has none."""

from __future__ import annotations

import numpy as np

from softmode.crystal import Cell
from softmode.crystal.arrays import FloatArray, IntArray
from softmode.crystal.periodic_images import shortest_vector
from softmode.datasets.assemble import supercell_matrix_between
from softmode.datasets.structure_files import standard_cell

#: Å, between an atom and its nearest image.
MINIMUM_LENGTH = 10.0
#: Prototypes whose primitive cell is doubled: 80 atoms, 72 and 40. Published labels are of the same cells.
DOUBLED = ("halide_double_perovskite", "a2bx6", "abx3")
_MAX_CONVENTIONAL_ATOMS = 200


def choose_supercell(
    primitive: Cell, prototype: str = "other", minimum_length: float | None = None
) -> IntArray:
    """Supercell matrix of a standard primitive cell.

    Halide (double) perovskites and K2PtCl6 get 2 × 2 × 2 of the primitive cell, commensurate with all
    zone-boundary points where their soft modes are. Everything else, and these too when `minimum_length` is
    given, gets the smallest multiple of the conventional cell in which no atom is closer than that to an
    image of its own; of the primitive cell where the other would hold more than 200 atoms.

    Parameters
    ----------
    primitive : Cell
        Standard primitive cell.
    prototype : str
        As `softmode.datasets.classify` names it.
    minimum_length : float, optional
        Å; 10 Å when not given.

    Returns
    -------
    (3, 3) int array
        In phonopy's convention, with respect to `primitive`.
    """
    if minimum_length is None and prototype in DOUBLED:
        return 2 * np.eye(3, dtype=np.int64)
    length = MINIMUM_LENGTH if minimum_length is None else minimum_length
    standard = standard_cell(primitive, 1e-5, to_primitive=False)
    conventional = supercell_matrix_between(primitive, standard, "conventional cell")
    matrix = conventional @ _multiples(conventional.T @ primitive.lattice, length)
    if round(float(np.linalg.det(matrix))) * primitive.n_atoms <= _MAX_CONVENTIONAL_ATOMS:
        return matrix
    return _multiples(primitive.lattice, length)


def _multiples(lattice: FloatArray, length: float) -> IntArray:
    """Diagonal matrix of the smallest multiples with no lattice vector shorter than `length`."""
    lengths = np.linalg.norm(lattice, axis=1)
    times = np.maximum(1, np.ceil(length / lengths - 1e-6)).astype(np.int64)
    while shortest_vector(times[:, None] * lattice) < length - 1e-6:
        times[np.argmin(times * lengths)] += 1
    return np.diag(times)
