"""Distances under periodic boundary conditions: which of the images of an atom is the nearest."""

from __future__ import annotations

import numpy as np
from ase.geometry import find_mic, minkowski_reduce

from softmode.crystal.arrays import FloatArray

#: Vectors searched at a time among all neighbouring images: bounds the memory.
_CHUNK = 50_000


def rounded_image(vectors: FloatArray, lattice: FloatArray) -> FloatArray:
    """Periodic images of Cartesian vectors by rounding their fractional coordinates.

    The shortest where that is below half the smallest height of the cell; of others, an image that may be
    longer than need be. Enough where only short distances matter.

    Parameters
    ----------
    vectors : (..., 3) array
        Å.
    lattice : (3, 3) array
        Lattice vectors as rows, Å.
    """
    fractional = vectors @ np.linalg.inv(lattice)
    images: FloatArray = (fractional - np.rint(fractional)) @ lattice
    return images


def minimum_image(vectors: FloatArray, lattice: FloatArray) -> FloatArray:
    """Shortest periodic images of Cartesian vectors.

    Parameters
    ----------
    vectors : (..., 3) array
        Å.
    lattice : (3, 3) array
        Lattice vectors as rows, Å.
    """
    images = rounded_image(vectors, lattice).reshape(-1, 3)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    outside = np.flatnonzero(np.einsum("ij,ij->i", images, images) > (0.5 * heights.min()) ** 2)
    for start in range(0, len(outside), _CHUNK):
        chosen = outside[start : start + _CHUNK]
        images[chosen] = find_mic(images[chosen], lattice, pbc=True)[0]
    return images.reshape(vectors.shape)


def minimum_image_distances(
    lattice: FloatArray, positions_a: FloatArray, positions_b: FloatArray
) -> FloatArray:
    """Distances between two sets of atoms under periodic boundary conditions.

    Exact for distances below half the smallest height of the (Minkowski-reduced) cell, an upper bound above.

    Parameters
    ----------
    lattice : (3, 3) array
        Lattice vectors as rows, Å.
    positions_a, positions_b : (n_a, 3) and (n_b, 3) arrays
        Fractional coordinates.

    Returns
    -------
    (n_a, n_b) array
        Distances, Å.
    """
    reduced, _ = minkowski_reduce(lattice)
    between = (positions_b[None, :, :] - positions_a[:, None, :]) @ lattice
    return np.asarray(np.linalg.norm(rounded_image(between, reduced), axis=2))


def shortest_vector(lattice: FloatArray) -> float:
    """Length of the shortest lattice vector, Å: how far an atom is from its nearest image."""
    reduced, _ = minkowski_reduce(lattice)
    return float(np.linalg.norm(reduced, axis=1).min())
