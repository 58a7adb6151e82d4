"""What displaced atoms do to the others, and how well it obeys what every harmonic crystal obeys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from softmode.crystal.arrays import LARGEST, FloatArray, IntArray
from softmode.crystal.force_constants import DisplacementForces, ForceConstants
from softmode.crystal.supercell_symmetry import SupercellSymmetry

_SAME_VECTOR = 1e-3  # of a displacement, relative


@dataclass(frozen=True, eq=False)
class Response:
    """Forces on all atoms when one is displaced.

    Parameters
    ----------
    atom : int
        The displaced atom of the supercell.
    displacements : (n, 3) array
        Å.
    forces : (n, n_atoms, 3) array
        eV/Å.
    """

    atom: int
    displacements: FloatArray
    forces: FloatArray

    @property
    def per_length(self) -> FloatArray:
        """Forces by length of the displacement, eV/Å²."""
        lengths = np.linalg.norm(self.displacements, axis=1)
        return np.asarray(self.forces / lengths[:, None, None])


def responses(reference: DisplacementForces | ForceConstants, rows: IntArray | None = None) -> list[Response]:
    """What is known of single displaced atoms.

    Parameters
    ----------
    reference : DisplacementForces or ForceConstants
        Supercells in which several atoms are displaced are left out; force constants are forces on supercells
        displaced along each axis.
    rows : (n_rows,) int array, optional
        Atoms of the supercell whose force constants are looked at: of full ones these rows, of compact ones
        what the rows are.
    """
    if isinstance(reference, ForceConstants):
        values = reference.values
        chosen = np.arange(len(values)) if rows is None else rows
        if len(values) == values.shape[1]:
            values = values[chosen]
        unit = np.eye(3)
        return [
            Response(int(atom), unit, -row.transpose(1, 0, 2))
            for atom, row in zip(chosen, values, strict=True)
        ]
    moved = np.abs(reference.displacements).max(axis=2) > 0.0
    single = moved.sum(axis=1) == 1
    atoms = moved.argmax(axis=1)
    found = []
    for atom in np.unique(atoms[single]):
        own = np.flatnonzero(single & (atoms == atom))
        found.append(Response(int(atom), reference.displacements[own, atom], reference.forces[own]))
    return found


def largest_response(given: Sequence[Response]) -> float:
    """Largest force by length of displacement, eV/Å²."""
    return max(float(np.linalg.norm(response.per_length, axis=2).max()) for response in given)


def net_force(given: Sequence[Response]) -> float:
    """Largest sum of forces over a supercell, in units of the largest force, each by length of displacement.

    In a crystal without external forces it is zero.
    """
    sums = (np.linalg.norm(response.per_length.sum(axis=1), axis=1).max() for response in given)
    return float(max(sums)) / largest_response(given)


@dataclass(frozen=True, eq=False)
class FittedResponse:
    """Force constants between one atom and all others, made symmetric, and what they leave.

    Parameters
    ----------
    atom : int
        The displaced atom.
    force_constants : (n_atoms, 3, 3) array
        Negative forces on each atom (rows) by displacement of this one (columns), eV/Å².
    residual : float
        Largest force by length of displacement that these, with all symmetries of the site, do not give,
        eV/Å².
    asymmetry : float
        Difference between forces that a symmetry which the displacement keeps makes equal, as a share of the
        forces on the other atoms, root mean square; the largest of all supercells and symmetries.
    """

    atom: int
    force_constants: FloatArray
    residual: float
    asymmetry: float

    @property
    def stiffness(self) -> float:
        """Mean curvature in which the atom sits, eV/Å²."""
        return float(np.trace(self.force_constants[self.atom]) / 3.0)


def fitted(response: Response, symmetry: SupercellSymmetry) -> FittedResponse:
    """Least squares over the displacements and all their images under the symmetry of the site.

    Parameters
    ----------
    response : Response
        Of one atom.
    symmetry : SupercellSymmetry
        Of its supercell.
    """
    rotations, images = symmetry.site_operations(response.atom)
    turned = np.empty((len(rotations), *response.forces.shape))
    operations = np.arange(len(rotations))[:, None]
    turned[operations, :, images] = (response.forces @ rotations.transpose(0, 2, 1)[:, None]).transpose(
        0, 2, 1, 3
    )
    moved = response.displacements @ rotations.transpose(0, 2, 1)
    flat = moved.reshape(-1, 3)
    inverse = np.linalg.pinv(flat)
    by_atom = turned.transpose(2, 0, 1, 3).reshape(turned.shape[2], -1, 3)
    constants = -(inverse @ by_atom).transpose(0, 2, 1)
    expected = -np.einsum("kij,mj->mki", constants, response.displacements)
    lengths = np.linalg.norm(response.displacements, axis=1)
    misfit = np.linalg.norm(response.forces - expected, axis=2).max(axis=1)
    kept = np.abs(moved - response.displacements).max(axis=2) < _SAME_VECTOR * lengths
    others = np.arange(len(constants)) != response.atom
    differences = np.where(kept, np.linalg.norm((turned - response.forces)[:, :, others], axis=(2, 3)), 0.0)
    sizes = np.linalg.norm(response.forces[:, others], axis=(1, 2))
    shares = differences.max(axis=0) / np.where(sizes > 1.0 / LARGEST, sizes, 1.0)
    return FittedResponse(
        response.atom,
        np.asarray(constants, dtype=np.float64),
        float((misfit / lengths).max()),
        float(shares.max()),
    )


def sum_rule(given: Sequence[FittedResponse], symmetry: SupercellSymmetry) -> float | None:
    """Largest force on an atom when all others move alike, in units of the largest on-site curvature.

    Force constants between sublattices, summed over lattice vectors, are brought from the displaced atoms to
    all others by the symmetry of the crystal. That forces on a supercell add up to zero says nothing of this
    sum: forces of one displaced atom on the others are compared with forces of the others on it.

    Returns
    -------
    float or None
        None where the displaced atoms do not determine it.
    """
    n = symmetry.images.shape[1]
    between = np.full((n, n, 3, 3), np.nan)
    for one in given:
        own = np.zeros((n, 3, 3))
        np.add.at(own, symmetry.sublattice, one.force_constants)
        target = symmetry.images[:, symmetry.sublattice[one.atom]]
        turned = np.einsum("gia,kab,gjb->gkij", symmetry.cartesian, own, symmetry.cartesian)
        between[target[:, None], symmetry.images] = turned
    stiffest = max(one.stiffness for one in given)
    total = float(np.abs(between.sum(axis=0)).max())
    return None if np.isnan(total) or stiffest <= 0.0 else total / stiffest


def translation_asymmetry(force_constants: ForceConstants, symmetry: SupercellSymmetry) -> float:
    """Largest difference between full force constants that lattice translations make equal.

    In units of the largest of their row. Rows of the first image of each primitive atom are compared with the
    rest.
    """
    values = force_constants.values
    rows = symmetry.first_atoms
    largest = np.abs(values[rows]).max(axis=(1, 2, 3))
    worst = 0.0
    for images in symmetry.translations():
        difference = np.abs(values[images[rows][:, None], images] - values[rows]).max(axis=(1, 2, 3))
        worst = max(worst, float((difference / np.where(largest > 1.0 / LARGEST, largest, 1.0)).max()))
    return worst


def harmonic_part(
    given: Sequence[FittedResponse], symmetry: SupercellSymmetry, displacements: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Harmonic forces on the displaced atoms and their images under lattice translations.

    Parameters
    ----------
    given : sequence of FittedResponse
        Of some atoms.
    symmetry : SupercellSymmetry
        Of the supercell.
    displacements : (n_frames, n_atoms, 3) array
        Å.

    Returns
    -------
    atoms : (n,) int array
        Whose forces these are.
    forces : (n_frames, n, 3) array
        eV/Å.
    """
    images = symmetry.translations()
    moved = displacements[:, images]
    parts = [np.einsum("kab,ftka->ftb", one.force_constants, moved, optimize=True) for one in given]
    atoms = np.concatenate([images[:, one.atom] for one in given])
    return atoms, -np.concatenate(parts, axis=1)
