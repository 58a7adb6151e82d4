"""Which supercell forces or force constants are of, where no file says it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import spglib

from softmode.crystal import Cell, DisplacementForces
from softmode.crystal.arrays import FloatArray, IntArray
from softmode.datasets.assemble import FileForceConstants, phonopy_supercell
from softmode.datasets.formats import SAY_SUPERCELL
from softmode.errors import InputDataError

#: Share of the forces that may break the symmetry of a site (root mean square). In the true supercell those
#: of 143 materials of the phonon database break it by less than 1e-12; in a wrong one springs do by half.
_LARGEST_VIOLATION = 0.2
_SAME_SITE = 1e-3


def infer_supercell_matrix(
    unitcell: Cell, reference: DisplacementForces | FileForceConstants, subject: str
) -> IntArray:
    """The only multiple of the unit cell that the number of atoms, the lattice and the forces allow.

    Multiples along the lattice vectors are considered that keep the point group of the crystal. In the right
    one, what a displaced atom does to the others has the symmetry of its site; in a wrong one, or where the
    atoms are in another order than phonopy's, it has not.

    Parameters
    ----------
    unitcell : Cell
        The unit cell.
    reference : DisplacementForces or FileForceConstants
        What is known of the supercell, in phonopy's order.
    subject : str
        The file, for errors.

    Raises
    ------
    InputDataError
        If none fits, or several do; they are named.
    """
    given = reference.forces if isinstance(reference, DisplacementForces) else reference.values
    n_atoms = given.shape[1]
    times, rest = divmod(n_atoms, unitcell.n_atoms)
    if rest or not times:
        raise InputDataError(
            subject,
            f"it is of {n_atoms} atoms, which is no multiple of the {unitcell.n_atoms} of the unit cell",
            "give the unit cell of its supercell",
        )
    possible = list(_multiples(unitcell, times))
    responses = _responses(reference, times)
    fitting = [m for m in possible if _violation(unitcell, m, responses) < _LARGEST_VIOLATION]
    if len(fitting) == 1:
        return np.diag(fitting[0])
    named = " or ".join(f'"{a} {b} {c}"' for a, b, c in (fitting or possible)[:4])
    if fitting:
        problem = f"its {n_atoms} atoms can be the supercell {named}"
    elif possible:
        problem = f"the forces on its {n_atoms} atoms have not the symmetry of the supercell {named}"
    else:
        problem = f"no multiple of the unit cell that keeps its symmetry has {n_atoms} atoms"
    raise InputDataError(subject, f"no supercell matrix is given, and {problem}", SAY_SUPERCELL)


def _symmetry(unitcell: Cell) -> tuple[IntArray, FloatArray]:
    """Rotations and translations, in fractional coordinates; the identity where spglib finds none."""
    found = spglib.get_symmetry_dataset((unitcell.lattice, unitcell.scaled_positions, unitcell.numbers))
    if found is None:
        return np.eye(3, dtype=np.int64)[None], np.zeros((1, 3))
    return np.asarray(found.rotations, dtype=np.int64), np.asarray(found.translations)


def _multiples(unitcell: Cell, times: int) -> Iterator[tuple[int, int, int]]:
    """Multiples along the three vectors whose lattice has the point group of the crystal."""
    rotations, _ = _symmetry(unitcell)
    divisors = [n for n in range(1, times + 1) if times % n == 0]
    for a, b in product(divisors, divisors):
        if times % (a * b) == 0:
            multiples = np.array([a, b, times // (a * b)])
            changed = rotations * multiples[None, None, :] / multiples[None, :, None]
            if np.allclose(changed, np.rint(changed)):
                yield a, b, times // (a * b)


#: A displaced atom; its displacement (none: any); forces (n, 3) or force constants (n, 3, 3) of all atoms.
_Response = tuple[int, FloatArray | None, FloatArray]


def _responses(reference: DisplacementForces | FileForceConstants, times: int) -> list[_Response]:
    if isinstance(reference, FileForceConstants):
        values, rows = reference.values, reference.rows
        if len(values) == values.shape[1]:
            return [(atom, None, values[atom]) for atom in range(0, len(values), times)]
        atoms = range(0, len(values) * times, times) if rows is None else rows
        return [(int(atom), None, row) for atom, row in zip(atoms, values, strict=True)]
    moved = [np.flatnonzero(np.abs(u).max(axis=1) > 0) for u in reference.displacements]
    return [
        (int(atoms[0]), u[atoms[0]], forces)
        for atoms, u, forces in zip(moved, reference.displacements, reference.forces, strict=True)
        if len(atoms) == 1
    ]


def _violation(unitcell: Cell, multiples: tuple[int, int, int], responses: Sequence[_Response]) -> float:
    """Largest share of a response without the symmetry of the site of its atom; 0 where that has none."""
    matrix = np.diag(multiples)
    supercell = Cell.from_phonopy(phonopy_supercell(unitcell, matrix, "supercell"))
    positions = supercell.scaled_positions * multiples
    rotations, translations = _symmetry(unitcell)
    cartesian = np.array([unitcell.lattice.T @ r @ np.linalg.inv(unitcell.lattice.T) for r in rotations])
    worst = 0.0
    for atom, displacement, response in responses:
        centre = positions[atom]
        others = np.arange(len(positions)) != atom
        size = float((response[others] ** 2).sum())
        offsets = rotations @ centre + translations - centre
        stays = np.abs(offsets - np.rint(offsets)).max(axis=1) < _SAME_SITE
        for rotation, turn in zip(rotations[stays], cartesian[stays], strict=True):
            if displacement is not None and not _same(turn @ displacement, displacement):
                continue
            image = _images(centre + (positions - centre) @ rotation.T, positions, multiples)
            turned = response @ turn.T if response.ndim == 2 else turn @ response @ turn.T
            difference = float(((response[image] - turned)[others] ** 2).sum())
            worst = max(worst, float(np.sqrt(difference / size)) if size > 0 else 0.0)
    return worst


def _same(a: FloatArray, b: FloatArray) -> bool:
    return bool(np.abs(a - b).max() < 1e-3 * np.abs(b).max())


def _images(moved: FloatArray, positions: FloatArray, multiples: tuple[int, int, int]) -> IntArray:
    """Index of the atom on each moved position; fractional coordinates of the unit cell."""
    difference = (moved[:, None, :] - positions[None, :, :]) / np.array(multiples)
    return np.asarray(np.abs(difference - np.rint(difference)).max(axis=2).argmin(axis=1))
