"""Displacements of a trajectory from the reference supercell."""

from __future__ import annotations

import numpy as np

from softmode.crystal import Cell, Trajectory
from softmode.crystal.arrays import FloatArray
from softmode.crystal.periodic_images import minimum_image


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
