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

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from softmode.configurations.descriptors import FrameFeatures, frame_blocks
from softmode.errors import InputDataError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: Exact mode: no similarity of two frames with given weights is wrong by more.
EXACT_TOLERANCE = 1e-9
#: Exact mode, too: no more than this share of the mean squared deviation, for frames that hardly differ.
EXACT_SHARE = 2e-6
#: Fast mode: share of the mean squared deviation that may be lost.
FAST_TOLERANCE = 7e-4
#: Frames that the basis is first made from, in fast and in exact mode.
SAMPLE_FRAMES = (48, 96)
#: Atoms that directions are found from, in fast and in exact mode.
_SAMPLE_ATOMS = (1600, 2400)
#: Directions along which coordinates are computed in double precision in exact mode.
_HEAD = 100
_ROUNDS = 8
#: Frames that directions are added for at a time.
_WORST = 40


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
    sample: int | None = None,
    seed: int = 0,
    threads: int = 1,
) -> ReducedFrames:
    """Project the frames on as few directions as the tolerance allows.

    The basis is made from atoms of a sample of the frames. The loss of every frame is then measured; where it
    is too large, directions are added for the worst frames.

    Parameters
    ----------
    features : FrameFeatures
        Unit vectors of the atoms of each frame, made a block at a time: they are never all in memory.
    exact : bool
        Double precision, and a tolerance for the error of the similarity of two frames; otherwise single
        precision, and a tolerance for the mean loss.
    tolerance : float, optional
        ``exact``: largest error of the similarity of two frames. Otherwise: share of the mean squared
        deviation that may be lost; a single frame may lose five times as much.
    sample : int, optional
        Frames that the basis is first made from.
    seed : int
        Of the sample and of the random projections.
    threads : int
        Threads; linear algebra is kept to one thread in each.

    Raises
    ------
    InputDataError
        If there is a single frame, or vectors are not finite.
    """
    limit = tolerance if tolerance is not None else (EXACT_TOLERANCE if exact else FAST_TOLERANCE)
    if features.n_frames < 2:
        raise InputDataError("map", "there is a single frame", "A map needs two frames or more")
    rng = np.random.default_rng(seed)
    wanted = sample if sample is not None else SAMPLE_FRAMES[exact]
    chosen = np.sort(rng.choice(features.n_frames, min(wanted, features.n_frames), replace=False))
    with threadpool_limits(1):
        basis = fit_basis(features(chosen), features.numbers, limit, exact=exact, rng=rng)
        reduced = project(features, basis, exact=exact, threads=threads)
        # Fast mode: the hottest frames lose most, and the errors of their pairs are the largest.
        allowed = min(limit, EXACT_SHARE * reduced.deviations) if exact else 5.0 * limit * reduced.deviations
        for _ in range(_ROUNDS):
            loss = reduced.losses.mean(axis=1)
            worst = np.argsort(loss)[::-1][:_WORST]
            worst = np.sort(worst[loss[worst] > allowed])
            if len(worst) == 0:
                break
            aim = 0.5 * allowed
            more = extend_basis(basis, features(worst), features.numbers, aim, rng)
            reduced = joined(reduced, project(features, more, exact=exact, threads=threads))
            basis = Basis(basis.means, np.concatenate([basis.vectors, more.vectors], axis=1))
    return reduced


def joined(reduced: ReducedFrames, more: ReducedFrames) -> ReducedFrames:
    """Frames with coordinates along further directions, orthogonal to those they have."""
    kept = np.sum(more.coordinates.astype(np.float64) ** 2, axis=2)
    return replace(
        reduced,
        coordinates=np.concatenate([reduced.coordinates, more.coordinates], axis=2),
        losses=np.maximum(reduced.losses - kept, 0.0),
    )


def fit_basis(
    vectors: NDArray[Any],
    numbers: IntArray,
    tolerance: float,
    *,
    exact: bool,
    rng: np.random.Generator,
) -> Basis:
    """Means and principal directions of a sample of frames.

    Directions are found by a randomised range finder from a few thousand atoms (N. Halko, P. G. Martinsson &
    J. A. Tropp, SIAM Rev. 53, 217 (2011), §4.4 and §4.5), and then rotated to the principal ones.

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
    n_features = vectors.shape[-1]
    rows = rng.permutation(vectors.shape[0] * len(element))[: _SAMPLE_ATOMS[exact]]
    chosen = vectors.reshape(-1, n_features)[rows]
    deviations = (chosen - means[element[rows % len(element)]]).astype(np.float32)
    # Frames that the basis was not made from lose more.
    spread = _mean_square(deviations)
    aim = 0.2 * min(tolerance, EXACT_SHARE * spread) if exact else 0.7 * tolerance * spread
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


def project(features: FrameFeatures, basis: Basis, *, exact: bool, threads: int = 1) -> ReducedFrames:
    """Project all frames, a block at a time.

    Parameters
    ----------
    features : FrameFeatures
        Unit vectors of the atoms.
    basis : Basis
        From :func:`fit_basis`.
    exact : bool
        Double precision. Coordinates along directions after the first hundred are small, and are computed in
        single precision all the same: their errors of 1e-9 are multiplied by other small numbers.
    threads : int
        Blocks worked on at a time.

    Returns
    -------
    ReducedFrames
    """
    counts = element_counts(features.numbers)
    element = np.repeat(np.arange(len(counts)), counts)
    n_frames, n_atoms = features.n_frames, len(element)
    dtype = np.dtype(np.float64 if exact else np.float32)
    coordinates = np.empty((n_frames, n_atoms, basis.rank), dtype=dtype)
    mean_products = np.empty((n_frames, n_atoms, len(counts)), dtype=dtype)
    squares, losses = np.empty((n_frames, n_atoms)), np.empty((n_frames, n_atoms))
    head = min(_HEAD, basis.rank) if exact else 0
    first, others = basis.vectors[:, :head].copy(), basis.vectors[:, head:].astype(np.float32)
    means = basis.means.astype(dtype)

    def work(frames: IntArray) -> None:
        values = features(frames)
        if not np.isfinite(values).all():
            raise InputDataError(
                "features",
                f"some of frames {frames[0]} to {frames[-1]} (counted from 0) are not finite (NaN)",
                "Leave out frames whose positions are not finite",
            )
        flat: NDArray[Any] = (
            (values - basis.means[element]).reshape(-1, values.shape[-1]).astype(dtype, copy=False)
        )
        inside = np.concatenate([flat @ first, flat.astype(np.float32, copy=False) @ others], axis=1)
        coordinates[frames] = inside.reshape(len(frames), n_atoms, -1)
        mean_products[frames] = (flat @ means.T).reshape(len(frames), n_atoms, -1)
        lengths = np.einsum("if,if->i", flat, flat, dtype=np.float64)
        kept = np.einsum("if,if->i", inside, inside, dtype=np.float64)
        squares[frames] = lengths.reshape(len(frames), n_atoms)
        losses[frames] = np.maximum(lengths - kept, 0.0).reshape(len(frames), n_atoms)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, frame_blocks(n_frames, n_atoms, basis.vectors.shape[0])):
            pass
    table = basis.means @ basis.means.T
    return ReducedFrames(coordinates, mean_products, table, counts, losses, float(squares.mean()))


def element_counts(numbers: IntArray) -> IntArray:
    """Atoms of each element, by atomic number; the numbers must be sorted."""
    if np.any(np.diff(numbers) < 0):
        raise ValueError("atoms must be sorted by atomic number")
    return np.asarray(np.unique(numbers, return_counts=True)[1], dtype=np.int64)
