"""The few directions in which the environments of a crystal's atoms vary, from a sample of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmode.crystal.arrays import FloatArray, IntArray

#: Exact mode, too: no larger error than this share of the mean squared deviation; some frames hardly differ.
EXACT_SHARE = 5e-7
#: Atoms that directions are found from, in fast and in exact mode.
_SAMPLE_ATOMS = (1600, 2400)


@dataclass(frozen=True, eq=False)
class Basis:
    """Mean vectors of the elements and an orthonormal basis of the deviations.

    Parameters
    ----------
    means : (n_elements, n_features) array
        Mean vector of each element, over the sampled frames.
    vectors : (n_features, rank) array
        Orthonormal columns, the direction of largest deviations first.
    """

    means: FloatArray
    vectors: FloatArray

    @property
    def rank(self) -> int:
        """Number of directions that are kept."""
        return int(self.vectors.shape[1])


def element_statistics(vectors: NDArray[Any], numbers: IntArray) -> tuple[FloatArray, float]:
    """Mean vector of each element, and the mean squared length of the deviations from it.

    Parameters
    ----------
    vectors : (n, n_atoms, n_features) array
        Unit vectors.
    numbers : (n_atoms,) int array
        Atomic numbers, ascending.

    Returns
    -------
    (n_elements, n_features) array and float
    """
    counts = element_counts(numbers)
    means = element_means(vectors.mean(axis=0, dtype=np.float64), counts)
    squares = np.einsum("nif,nif->", vectors, vectors, dtype=np.float64) / len(vectors)
    # <|x - m|²> = <|x|²> - |m|²
    deviations = (squares - counts @ np.sum(means**2, axis=1)) / counts.sum()
    return means, max(float(deviations), 0.0)


def fit_basis(
    vectors: NDArray[Any],
    means: FloatArray,
    numbers: IntArray,
    aim: float,
    *,
    exact: bool,
    rng: np.random.Generator,
) -> Basis:
    """Principal directions of a sample of frames.

    Directions are found by a randomised range finder from a few thousand atoms (N. Halko, P. G. Martinsson &
    J. A. Tropp, SIAM Rev. 53, 217 (2011), §4.4 and §4.5), and then rotated to the principal ones.

    Parameters
    ----------
    vectors : (n, n_atoms, n_features) array
        Unit vectors of the sample.
    means : (n_elements, n_features) array
        Mean vector of each element.
    numbers : (n_atoms,) int array
        Atomic numbers, ascending.
    aim : float
        Mean squared length that may be left of the deviations.
    exact : bool
        Whether to take more atoms.
    rng : numpy.random.Generator
        Of the random projections.

    Returns
    -------
    Basis
    """
    element = np.repeat(np.arange(len(means)), element_counts(numbers))
    n_features = vectors.shape[-1]
    rows = rng.permutation(vectors.shape[0] * len(element))[: _SAMPLE_ATOMS[exact]]
    chosen = vectors.reshape(-1, n_features)[rows]
    deviations = (chosen - means[element[rows % len(element)]]).astype(np.float32)
    directions = find_directions(deviations, np.zeros((n_features, 0), dtype=np.float32), aim, rng)
    inside = deviations @ directions
    _, rotation = np.linalg.eigh((inside.T @ inside).astype(np.float64))
    turned = directions.astype(np.float64) @ rotation[:, ::-1]
    squares = np.mean((inside.astype(np.float64) @ rotation[:, ::-1]) ** 2, axis=0)
    left = _mean_square(deviations - inside @ directions.T)
    enough = np.append(np.cumsum(squares[::-1])[::-1], 0.0) + left <= aim
    rank = int(np.argmax(enough)) if enough.any() else len(squares)
    return Basis(means, np.linalg.qr(turned)[0][:, :rank])


def extend_basis(
    basis: Basis, vectors: NDArray[Any], numbers: IntArray, aim: float, rng: np.random.Generator
) -> Basis:
    """Find further directions, orthogonal to those of a basis, for frames that it does not hold.

    Parameters
    ----------
    basis : Basis
        What there is.
    vectors : (n, n_atoms, n_features) array
        Unit vectors of the frames.
    numbers : (n_atoms,) int array
        Atomic numbers, ascending.
    aim : float
        Mean squared length that may be left.
    rng : numpy.random.Generator
        Of the random projections.

    Returns
    -------
    Basis
        The new directions alone.
    """
    counts = element_counts(numbers)
    means = basis.means[np.repeat(np.arange(len(counts)), counts)]
    flat = (vectors - means).astype(np.float32).reshape(-1, vectors.shape[-1])
    known = basis.vectors.astype(np.float32)
    rest = (flat - (flat @ known) @ known.T).astype(np.float32, copy=False)
    largest = np.argsort(np.einsum("if,if->i", rest, rest))[::-1][: _SAMPLE_ATOMS[1]]
    share = min(1.0, len(largest) / len(rest))
    found = find_directions(rest[largest], known, aim / share, rng, width=16)
    exact = found.astype(np.float64)
    for _ in range(2):
        exact = np.linalg.qr(exact - basis.vectors @ (basis.vectors.T @ exact))[0]
    return Basis(basis.means, exact)


def find_directions(
    rest: NDArray[np.float32],
    known: NDArray[np.float32],
    aim: float,
    rng: np.random.Generator,
    *,
    width: int = 48,
) -> NDArray[np.float32]:
    """Orthonormal directions, orthogonal to known ones, a block at a time until enough of `rest` is held.

    Parameters
    ----------
    rest : (n, n_features) array
        Vectors.
    known : (n_features, n_known) array
        Orthonormal columns, to which the vectors are orthogonal but for rounding.
    aim : float
        Mean squared length that may be left.
    rng : numpy.random.Generator
        Of the random projections.
    width : int
        Directions of a block.

    Returns
    -------
    (n_features, n_new) array
    """
    rest, n_known = rest.copy(), known.shape[1]
    largest = min(rest.shape[0], rest.shape[1] - n_known)
    found = known
    while _mean_square(rest) > aim and found.shape[1] - n_known < largest:
        width = min(width, largest - (found.shape[1] - n_known))
        sketch = rng.standard_normal((width, len(rest)), dtype=np.float32) @ rest
        block = ((rest @ np.linalg.qr(sketch.T)[0]).T @ rest).T
        for _ in range(2):
            block = np.linalg.qr(block - found @ (found.T @ block))[0]
        found = np.concatenate([found, block], axis=1)
        rest -= (rest @ block) @ block.T
    return found[:, n_known:]


def _mean_square(vectors: NDArray[Any]) -> float:
    return float(np.mean(np.einsum("if,if->i", vectors, vectors, dtype=np.float64)))


def element_means(values: NDArray[Any], counts: IntArray) -> NDArray[Any]:
    """Means of ``(..., n_atoms, n)`` numbers over the atoms of each element, atoms sorted by element."""
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    return np.asarray(np.add.reduceat(values, starts, axis=-2) / counts[:, None])


def element_counts(numbers: IntArray) -> IntArray:
    """Atoms of each element, by atomic number; the numbers must be sorted."""
    if np.any(np.diff(numbers) < 0):
        raise ValueError("atoms must be sorted by atomic number")
    return np.asarray(np.unique(numbers, return_counts=True)[1], dtype=np.int64)
