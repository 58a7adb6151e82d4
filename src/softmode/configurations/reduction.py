"""Feature vectors of thermal frames in few dimensions, with what is common taken out.

The linear similarity of two environments depends on their inner product alone. In frames of one crystal the
vector of an atom is the mean vector of its element plus a small deviation, and the deviations of all atoms in
all frames span few dimensions to any precision that matters. With ``x_i = m_a + z_i`` (atom `i`, element `a`)

    C_ij = x_i·x_j' = m_a·m_b + z_i·m_b + m_a·z_j' + z_i·z_j'

the first term is a small table, the next two are numbers per atom and element, computed with the full
vectors, and only the last needs the product over features, for which the `z` are projected on their leading
principal directions. What the projection loses of an atom, ``r_i = |z_i - projected|²``, is computed for
every atom of every frame. By the Cauchy-Schwarz inequality no similarity is wrong by more than
``sqrt(r_i r_j')``; and as the weights of a match add up to ``1/n`` over each row and column, the similarity
of two frames is wrong by no more than ``sqrt(r r')``, where `r` is the mean of ``r_i`` over its atoms.

The three varying terms are of the order of 1e-3, so that single precision makes errors of 1e-10 in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmode.configurations.descriptors import FrameFeatures, feature_blocks
from softmode.errors import InputDataError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Exact mode: no similarity of two frames with given weights is wrong by more.
EXACT_TOLERANCE = 5e-10
#: Fast mode: share of the mean squared deviation that may be lost.
FAST_TOLERANCE = 1e-3
_BLOCK_RANK = 64
_ROUNDS = 4


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


@dataclass(frozen=True, eq=False)
class ReducedFrames:
    """Frames as the matching needs them; atoms sorted by atomic number.

    Parameters
    ----------
    coordinates : (n_frames, n_atoms, rank) array
        Deviations from the element's mean in the basis.
    mean_products : (n_frames, n_atoms, n_elements) array
        Products ``z_i·m_b`` of the full deviations with the means.
    table : (n_elements, n_elements) array
        Products ``m_a·m_b``.
    counts : (n_elements,) int array
        Atoms of each element.
    losses : (n_frames, n_atoms) array
        Squared length of what the projection lost of each atom.
    deviations : float
        Mean squared length of all deviations.
    """

    coordinates: NDArray[Any]
    mean_products: NDArray[Any]
    table: FloatArray
    counts: IntArray
    losses: FloatArray
    deviations: float

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.coordinates)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return int(self.coordinates.shape[1])

    @property
    def rank(self) -> int:
        """Number of directions that were kept."""
        return int(self.coordinates.shape[2])

    @property
    def largest_error(self) -> float:
        """Bound of the error that the projection makes in ``Σ P_ij C_ij`` of any two frames."""
        return float(self.losses.mean(axis=1).max())

    @property
    def lost(self) -> float:
        """Share of the mean squared deviation that the projection lost."""
        return float(self.losses.mean() / self.deviations) if self.deviations > 0.0 else 0.0

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, bytes."""
        return self.coordinates.nbytes + self.mean_products.nbytes + self.losses.nbytes

    def similarities(self, rows: IntArray, columns: IntArray) -> FloatArray:
        """Similarities of the atoms of pairs of frames, (n_pairs, n_atoms, n_atoms), in double precision."""
        left, right = self.coordinates[rows], self.coordinates[columns]
        element = np.repeat(np.arange(len(self.counts)), self.counts)
        c = left.astype(np.float64) @ right.astype(np.float64).transpose(0, 2, 1)
        c += self.mean_products[rows][:, :, element]
        c += self.mean_products[columns][:, :, element].transpose(0, 2, 1)
        return np.asarray(c + self.table[np.ix_(element, element)])


def reduced_rank_bytes(n_frames: int, n_atoms: int, rank: int, n_elements: int, itemsize: int) -> int:
    """Memory that :class:`ReducedFrames` need, bytes."""
    return n_frames * n_atoms * ((rank + n_elements) * itemsize + 8)


def reduce_frames(
    features: FrameFeatures,
    *,
    exact: bool = False,
    tolerance: float | None = None,
    sample: int = 24,
    seed: int = 0,
) -> ReducedFrames:
    """Project the frames on as few directions as the tolerance allows.

    The basis is made from a sample of the frames. The loss of every other frame is then measured; where it is
    too large, the worst frames join the sample and the basis is made again.

    Parameters
    ----------
    features : FrameFeatures
        Unit vectors of the atoms of each frame, made a block at a time: they are never all in memory.
    exact : bool
        Double precision, and a tolerance for the error of the similarity of two frames; otherwise single
        precision, and a tolerance for the mean loss.
    tolerance : float, optional
        ``exact``: largest error of the similarity of two frames. Otherwise: share of the mean squared
        deviation that may be lost.
    sample : int
        Frames that the basis is first made from, at least.
    seed : int
        Of the sample and of the random projections.

    Raises
    ------
    InputDataError
        If vectors are not finite, or the frames cannot be described with this tolerance.
    """
    limit = tolerance if tolerance is not None else (EXACT_TOLERANCE if exact else FAST_TOLERANCE)
    if features.n_frames < 2:
        raise InputDataError("map", "there is a single frame", "A map needs two frames or more")
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(features.n_frames, min(sample, features.n_frames), replace=False))
    dtype = np.float64 if exact else np.float32
    for _ in range(_ROUNDS):
        vectors = features(chosen)
        basis = fit_basis(vectors, features.numbers, limit, exact=exact, rng=rng)
        reduced = project(features, basis, dtype)
        per_frame = reduced.losses.mean(axis=1)
        fits = reduced.largest_error <= limit if exact else reduced.lost <= 1.5 * limit
        if fits or len(chosen) == features.n_frames:
            break
        order = np.argsort(per_frame)[::-1]
        new = order[~np.isin(order, chosen)][: max(8, len(chosen))]
        chosen = np.sort(np.concatenate([chosen, new]))
    return reduced


def fit_basis(
    vectors: NDArray[Any], numbers: IntArray, tolerance: float, *, exact: bool, rng: np.random.Generator
) -> Basis:
    """Means and principal directions of a sample of frames.

    Directions are found by a randomised range finder, a block at a time until the tolerance is met
    (N. Halko, P. G. Martinsson & J. A. Tropp, SIAM Rev. 53, 217 (2011), §4.4 and §4.5), and then rotated to
    the principal ones.

    Parameters
    ----------
    vectors : (n, n_atoms, n_features) array
        Unit vectors of the sample.
    numbers : (n_atoms,) int array
        Atomic numbers, ascending.
    tolerance : float
        As for :func:`reduce_frames`.
    exact : bool
        Whether `tolerance` is for the largest error of the similarity of two frames.
    rng : numpy.random.Generator
        Of the random projections.

    Returns
    -------
    Basis
    """
    counts = element_counts(numbers)
    element = np.repeat(np.arange(len(counts)), counts)
    means = np.array(
        [vectors[:, element == a].mean(axis=(0, 1), dtype=np.float64) for a in range(len(counts))]
    )
    deviations = (vectors - means[element]).astype(np.float32).reshape(-1, vectors.shape[-1])
    n_atoms, n_features = vectors.shape[1:]
    full = _frame_squares(deviations, n_atoms)
    largest = min(deviations.shape)
    # The last digits of a bound that is to hold for frames outside the sample, too.
    aim = 0.3 * tolerance if exact else 0.7 * tolerance
    directions = np.zeros((n_features, 0), dtype=np.float32)
    rest = deviations.copy()
    left = full.copy()
    while not _within(left, full, aim, exact=exact) and directions.shape[1] < largest:
        width = min(_BLOCK_RANK, largest - directions.shape[1])
        sketch = rng.standard_normal((width, len(rest)), dtype=np.float32) @ rest
        sketch = np.linalg.qr(sketch.T)[0]
        sketch = (rest @ sketch).T @ rest
        block = sketch.T - directions @ (directions.T @ sketch.T)
        block = np.linalg.qr(block)[0]
        block = np.linalg.qr(block - directions @ (directions.T @ block))[0]
        directions = np.concatenate([directions, block], axis=1)
        rest -= (rest @ block) @ block.T
        left = _frame_squares(rest, n_atoms)
    if directions.shape[1] == 0:
        return Basis(means, np.zeros((n_features, 0)))
    inside = deviations @ directions
    _, rotation = np.linalg.eigh((inside.T @ inside).astype(np.float64))
    vectors_kept = np.linalg.qr(directions.astype(np.float64) @ rotation[:, ::-1])[0]
    squares = (inside.astype(np.float64) @ rotation[:, ::-1]) ** 2
    squares = squares.reshape(len(full), n_atoms, -1).mean(axis=1)
    rank = _smallest_rank(squares, left, full, aim, exact=exact)
    return Basis(means, np.ascontiguousarray(vectors_kept[:, :rank]))


def _frame_squares(vectors: NDArray[Any], n_atoms: int) -> FloatArray:
    """Mean squared length of the atoms' vectors in each frame."""
    squares = np.einsum("if,if->i", vectors, vectors).astype(np.float64)
    return np.asarray(squares.reshape(-1, n_atoms).mean(axis=1))


def _within(left: FloatArray, full: FloatArray, aim: float, *, exact: bool) -> bool:
    if exact:
        return bool(left.max() <= aim)
    return bool(left.sum() <= aim * full.sum())


def _smallest_rank(
    squares: FloatArray, left: FloatArray, full: FloatArray, aim: float, *, exact: bool
) -> int:
    """Fewest leading directions that meet the tolerance; `squares` are (n_frames, n_directions)."""
    tails = np.cumsum(squares[:, ::-1], axis=1)[:, ::-1] + left[:, None]
    enough = tails.max(axis=0) <= aim if exact else tails.sum(axis=0) <= aim * full.sum()
    return int(np.argmax(enough)) if enough.any() else int(squares.shape[1])


def project(features: FrameFeatures, basis: Basis, dtype: type[np.floating[Any]]) -> ReducedFrames:
    """Project all frames, a block at a time.

    Parameters
    ----------
    features : FrameFeatures
        Unit vectors of the atoms.
    basis : Basis
        From :func:`fit_basis`.
    dtype : type
        Precision of the result.

    Returns
    -------
    ReducedFrames
    """
    counts = element_counts(features.numbers)
    element = np.repeat(np.arange(len(counts)), counts)
    n_frames, n_atoms, n_elements = features.n_frames, len(element), len(counts)
    coordinates = np.empty((n_frames, n_atoms, basis.rank), dtype=dtype)
    mean_products = np.empty((n_frames, n_atoms, n_elements), dtype=dtype)
    losses = np.empty((n_frames, n_atoms))
    total = 0.0
    vectors = basis.vectors.astype(dtype)
    table = basis.means @ basis.means.T
    for frames, values in feature_blocks(features, basis.vectors.shape[0]):
        if not np.isfinite(values).all():
            raise InputDataError(
                "features",
                f"some of frames {frames[0]} to {frames[-1]} (counted from 0) are not finite (NaN)",
                "Leave out frames whose positions are not finite",
            )
        deviations = (values - basis.means[element]).astype(dtype, copy=False)
        flat = deviations.reshape(-1, deviations.shape[-1])
        inside = flat @ vectors
        coordinates[frames] = inside.reshape(len(frames), n_atoms, -1)
        mean_products[frames] = (flat @ basis.means.T.astype(dtype)).reshape(len(frames), n_atoms, -1)
        outside = flat - inside @ vectors.T
        losses[frames] = np.einsum("if,if->i", outside, outside).reshape(len(frames), n_atoms)
        total += float(np.einsum("if,if->", flat, flat, dtype=np.float64))
    return ReducedFrames(coordinates, mean_products, table, counts, losses, total / (n_frames * n_atoms))


def element_counts(numbers: IntArray) -> IntArray:
    """Atoms of each element, by atomic number; the numbers must be sorted."""
    if np.any(np.diff(numbers) < 0):
        raise ValueError("atoms must be sorted by atomic number")
    return np.asarray(np.unique(numbers, return_counts=True)[1], dtype=np.int64)
