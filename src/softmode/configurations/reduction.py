"""Feature vectors of thermal frames in few dimensions, with what is common taken out.

The linear similarity of two environments depends on their inner product alone. In frames of one crystal the
vector of an atom is the mean vector of its element plus a small deviation, and the deviations of all atoms in
all frames span few dimensions to any precision that matters. With ``x_i = m_a + z_i`` (atom `i`, element `a`)

    C_ij = x_i·x_j' = m_a·m_b + z_i·m_b + m_a·z_j' + z_i·z_j'

the first term is a small table, the next two are numbers per atom and element, computed with the full
vectors, and only the last needs the product over features, for which the `z` are projected on their leading
principal directions.

What the projection leaves of an atom is ``r_i = R_a + s_i``, where ``R_a`` is its mean over the atoms of the
element in the frame. Within an element the weights of a match are nearly alike, so what counts of the lost
products is ``R_a·R_b'``, and that is kept: each frame has one vector ``R_a`` per element, in directions of
their own. The others, with ``s_i``, add up to zero but for the differences between weights, which are of the
order of the similarities' own deviations over α. Hence K is wrong by a small part of ``|r_i||r_j'|`` only
(:func:`sensitivity`; without the means it would be by all of it), and few directions do.

The varying terms are of the order of 1e-3, so that single precision makes errors of 1e-10 in them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from softmode.configurations.basis import (
    EXACT_SHARE,
    Basis,
    element_counts,
    element_means,
    element_statistics,
    extend_basis,
    find_directions,
    fit_basis,
)
from softmode.configurations.descriptors import FrameFeatures, frame_blocks
from softmode.crystal.arrays import FloatArray, IntArray
from softmode.errors import InputDataError

#: Exact mode: error of the similarity of two frames.
EXACT_TOLERANCE = 1e-9
#: Fast mode: error of the similarity of two frames, in units of the mean squared deviation.
FAST_TOLERANCE = 7e-4
#: Share of the mean squared deviation that is lost at most, in fast and in exact mode.
_LARGEST_LOSS = (0.03, 3e-3)
#: Frames that the basis is first made from, in fast and in exact mode.
SAMPLE_FRAMES = (48, 96)
#: Of the error that is allowed, what the lost means may make: they cost little.
_MEAN_SHARE = 0.02
_ROUNDS = 8
#: Frames that directions are added for at a time.
_WORST = 40


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
    element_means : (n_frames, n_elements, n_directions) array
        Means of what the projection lost over the atoms of each element, in directions of their own.
    losses : (n_frames, n_atoms) array
        Squared length of what the projection lost of each atom.
    mean_losses : (n_frames,) array
        Squared length of what was lost of the means, too, weighted with the number of atoms.
    deviations : float
        Mean squared length of all deviations.
    alpha : float
        Smallest weight of the entropy that the frames are good enough for.
    """

    coordinates: NDArray[Any]
    mean_products: NDArray[Any]
    table: FloatArray
    counts: IntArray
    element_means: NDArray[Any]
    losses: FloatArray
    mean_losses: FloatArray
    deviations: float
    alpha: float

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
        """Estimate from above of the error that the projection makes in K of any two frames."""
        atoms = float(self.losses.mean(axis=1).max())
        return sensitivity(self.deviations, self.alpha) * atoms + float(self.mean_losses.max())

    @property
    def lost(self) -> float:
        """Share of the mean squared deviation that the projection lost."""
        return float(self.losses.mean() / self.deviations) if self.deviations > 0.0 else 0.0

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, bytes."""
        arrays = (self.coordinates, self.mean_products, self.element_means, self.losses)
        return sum(array.nbytes for array in arrays)

    def lost_products(self, row: int, columns: IntArray | slice) -> NDArray[Any]:
        """``R_a·R_b'`` of a frame (index `a`) with others, (n_columns, n_elements `b`, n_elements `a`)."""
        own = self.element_means[row].copy()  # a product of an array with itself takes another routine
        return np.asarray(self.element_means[columns] @ own.T)

    def similarities(self, rows: IntArray, columns: IntArray) -> FloatArray:
        """Similarities of the atoms of pairs of frames, (n_pairs, n_atoms, n_atoms), in double precision."""
        left, right = self.coordinates[rows], self.coordinates[columns]
        element = np.repeat(np.arange(len(self.counts)), self.counts)
        c = left.astype(np.float64) @ right.astype(np.float64).transpose(0, 2, 1)
        c += self.mean_products[rows][:, :, element]
        c += self.mean_products[columns][:, :, element].transpose(0, 2, 1)
        means = self.element_means.astype(np.float64)
        lost = means[rows] @ means[columns].transpose(0, 2, 1)
        return np.asarray(c + (lost + self.table)[:, element][:, :, element])


def sensitivity(deviations: float, alpha: float) -> float:
    """Part of a lost similarity of atoms, means apart, that is found in K.

    The weights of a match differ within an element by the varying similarities over α; of these what rows
    and columns cannot make up for is ``z_i·z_j'``, at most the mean squared deviation on the average. Between
    0.3 and 2 times that over α was found in thermal frames (docs/maps.md); four times is taken.

    Parameters
    ----------
    deviations : float
        Mean squared length of the deviations.
    alpha : float
        Weight of the entropy.
    """
    return min(1.0, 4.0 * deviations / alpha)


def reduce_frames(
    features: FrameFeatures,
    *,
    alpha: float = 1.0,
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
    alpha : float
        Weight of the entropy in the match, or the smallest of several.
    exact : bool
        Double precision, and a tolerance for the error of the similarity of two frames; otherwise single
        precision, and a tolerance in units of the mean squared deviation.
    tolerance : float, optional
        Error of the similarity of two frames, in these units; a single frame may make five times as much in
        fast mode.
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
        vectors = features(chosen)
        means, deviations = element_statistics(vectors, features.numbers)
        error = min(limit, EXACT_SHARE * deviations) if exact else limit * deviations
        loss = min(error / max(sensitivity(deviations, alpha), 1e-12), _LARGEST_LOSS[exact] * deviations)
        # Frames that the basis was not made from lose more.
        basis = fit_basis(
            vectors, means, features.numbers, (0.4 if exact else 0.7) * loss, exact=exact, rng=rng
        )
        del vectors
        frames = project(features, basis, exact=exact, threads=threads)
        # Fast mode: the hottest frames lose most, and the errors of their pairs are the largest.
        allowed = loss if exact else 5.0 * loss
        for _ in range(_ROUNDS):
            losses = frames.losses.mean(axis=1)
            worst = np.argsort(losses)[::-1][:_WORST]
            worst = np.sort(worst[losses[worst] > allowed])
            if len(worst) == 0:
                break
            more = extend_basis(basis, features(worst), features.numbers, 0.5 * allowed, rng)
            frames = joined(frames, project(features, more, exact=exact, threads=threads), more)
            basis = Basis(basis.means, np.concatenate([basis.vectors, more.vectors], axis=1))
        return frames.reduced(basis, alpha, _MEAN_SHARE * error, rng)


@dataclass(frozen=True, eq=False)
class ProjectedFrames:
    """Frames projected on a basis, with the full means of what is lost.

    Parameters
    ----------
    coordinates, mean_products, losses : array
        As in :class:`ReducedFrames`.
    lost_means : (n_frames, n_elements, n_features) float32 array
        Means of what the projection lost over the atoms of each element.
    deviations : float
        Mean squared length of all deviations.
    counts : (n_elements,) int array
        Atoms of each element.
    """

    coordinates: NDArray[Any]
    mean_products: NDArray[Any]
    losses: FloatArray
    lost_means: NDArray[np.float32]
    deviations: float
    counts: IntArray

    def reduced(self, basis: Basis, alpha: float, aim: float, rng: np.random.Generator) -> ReducedFrames:
        """Give the lost means few directions, so that of none more than ten times `aim` is left.

        Parameters
        ----------
        basis : Basis
            That the frames were projected on.
        alpha : float
            Smallest weight of the entropy that it is good enough for.
        aim : float
            Mean squared length that may be left.
        rng : numpy.random.Generator
            Of the random projections.
        """
        n_frames, n_elements, n_features = self.lost_means.shape
        weights = self.counts / self.counts.sum()
        # Weighted, so that the mean squared length is the one that is compared with the aim.
        rows = self.lost_means * np.sqrt(weights * n_elements).astype(np.float32)[:, None]
        rows = rows.reshape(-1, n_features)
        known = basis.vectors.astype(np.float32)
        found = known[:, :0]
        while True:
            more = find_directions(rows, known, aim, rng, width=16)
            found = np.concatenate([found, more], axis=1)
            rows = rows - (rows @ more) @ more.T
            left = (
                np.einsum("if,if->i", rows, rows, dtype=np.float64).reshape(n_frames, n_elements).mean(axis=1)
            )
            if left.max() <= 10.0 * aim or found.shape[1] + known.shape[1] >= n_features:
                break
            known, aim = np.concatenate([known, more], axis=1), 0.25 * aim
        return ReducedFrames(
            coordinates=self.coordinates,
            mean_products=self.mean_products,
            table=basis.means @ basis.means.T,
            counts=self.counts,
            element_means=(self.lost_means @ found).astype(self.coordinates.dtype),
            losses=self.losses,
            mean_losses=left,
            deviations=self.deviations,
            alpha=alpha,
        )


def joined(frames: ProjectedFrames, more: ProjectedFrames, basis: Basis) -> ProjectedFrames:
    """Frames with coordinates along further directions, those of `basis`, orthogonal to what they have."""
    kept = np.sum(more.coordinates.astype(np.float64) ** 2, axis=2)
    vectors = basis.vectors.astype(np.float32)
    return replace(
        frames,
        coordinates=np.concatenate([frames.coordinates, more.coordinates], axis=2),
        losses=np.maximum(frames.losses - kept, 0.0),
        lost_means=(frames.lost_means - (frames.lost_means @ vectors) @ vectors.T).astype(np.float32),
    )


def project(features: FrameFeatures, basis: Basis, *, exact: bool, threads: int = 1) -> ProjectedFrames:
    """Project all frames, a block at a time.

    Parameters
    ----------
    features : FrameFeatures
        Unit vectors of the atoms.
    basis : Basis
        From :func:`fit_basis`.
    exact : bool
        Double precision.
    threads : int
        Blocks worked on at a time.

    Returns
    -------
    ProjectedFrames
    """
    counts = element_counts(features.numbers)
    n_frames, n_atoms, n_features = features.n_frames, int(counts.sum()), basis.vectors.shape[0]
    dtype = np.dtype(np.float64 if exact else np.float32)
    coordinates = np.empty((n_frames, n_atoms, basis.rank), dtype=dtype)
    mean_products = np.empty((n_frames, n_atoms, len(counts)), dtype=dtype)
    lost_means = np.empty((n_frames, len(counts), n_features), dtype=np.float32)
    squares, losses = np.empty((n_frames, n_atoms)), np.empty((n_frames, n_atoms))
    directions = np.concatenate([basis.vectors, basis.means.T], axis=1).astype(dtype)
    own_means = np.repeat(basis.means, counts, axis=0)

    def work(frames: IntArray) -> None:
        values = features(frames)
        if not np.isfinite(values).all():
            raise InputDataError(
                "features",
                f"some of frames {frames[0]} to {frames[-1]} (counted from 0) are not finite (NaN)",
                "Leave out frames whose positions are not finite",
            )
        flat: NDArray[Any] = (values - own_means).reshape(-1, n_features).astype(dtype, copy=False)
        products = flat @ directions
        inside = products[:, : basis.rank]
        shape = (len(frames), n_atoms, -1)
        coordinates[frames] = inside.reshape(shape)
        mean_products[frames] = products[:, basis.rank :].reshape(shape)
        lengths = np.einsum("if,if->i", flat, flat, dtype=np.float64)
        kept = np.einsum("if,if->i", inside, inside, dtype=np.float64)
        squares[frames] = lengths.reshape(len(frames), n_atoms)
        losses[frames] = np.maximum(lengths - kept, 0.0).reshape(len(frames), n_atoms)
        kept_means = element_means(inside.reshape(shape), counts) @ basis.vectors.T
        lost_means[frames] = element_means(flat.reshape(shape), counts) - kept_means

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, frame_blocks(n_frames, n_atoms, n_features)):
            pass
    return ProjectedFrames(coordinates, mean_products, losses, lost_means, float(squares.mean()), counts)
