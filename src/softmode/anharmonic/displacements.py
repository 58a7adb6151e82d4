"""Displacements of a trajectory from the reference supercell."""

from __future__ import annotations

import numpy as np
from ase.geometry import find_mic
from numpy.typing import NDArray

from softmode.crystal import Cell, Trajectory

FloatArray = NDArray[np.float64]


def minimum_image(vectors: FloatArray, lattice: FloatArray) -> FloatArray:
    """Shortest periodic images of Cartesian vectors.

    Parameters
    ----------
    vectors : (..., 3) array
        Å.
    lattice : (3, 3) array
        Lattice vectors as rows, Å.
    """
    fractional = vectors @ np.linalg.inv(lattice)
    wrapped: FloatArray = (fractional - np.rint(fractional)) @ lattice
    heights = 1.0 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    if np.einsum("...i,...i->...", wrapped, wrapped).max(initial=0.0) <= (0.5 * heights.min()) ** 2:
        return wrapped  # inside the sphere in which rounding fractional coordinates is exact
    shortest: FloatArray = find_mic(wrapped.reshape(-1, 3), lattice, pbc=True)[0].reshape(vectors.shape)
    return shortest


def displacements(trajectory: Trajectory, supercell: Cell, *, remove_drift: bool = True) -> FloatArray:
    """Displacements from the reference supercell, minimum image.

    Parameters
    ----------
    trajectory : Trajectory
        Atoms in the order of `supercell`.
    supercell : Cell
        The reference positions.
    remove_drift : bool
        Subtract from each frame the displacement of its centre of mass. A shift of the whole crystal exerts
        no force, but raw force constants that violate translational invariance say otherwise.

    Returns
    -------
    (n_frames, n_atoms, 3) array
        Å.
    """
    reference = supercell.scaled_positions @ supercell.lattice
    moved = minimum_image(trajectory.positions - reference, supercell.lattice)
    if remove_drift:
        moved -= np.average(moved, axis=1, weights=supercell.masses)[:, None, :]
    return moved
