"""Frames of one cloud that the other does not visit.

The distance of two frames is that of feature space, ``sqrt(2 (1 - K))``. How *foreign* a frame is: its mean
distance to the nearest frames of the reference, divided by what is usual between frames of the reference (the
median over its frames of the same mean). Frames of the reference that are close in time are close in feature
space, so that a frame's own block and those next to it are left out (:mod:`softmode.configurations.overlap`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softmode.configurations.overlap import block_numbers, correlation_block_length, near_blocks
from softmode.crystal.arrays import FloatArray
from softmode.errors import InputDataError

#: A frame is called foreign when it is farther away than this share of the reference's own frames.
QUANTILE = 0.95


@dataclass(frozen=True, eq=False)
class Foreignness:
    """How foreign frames are to a reference.

    Attributes
    ----------
    reference : (n_reference,) array
        Of the reference's own frames; the median is 1.
    other : (n_other,) array
        Of the other cloud's frames.
    unit : float
        The distance that counts as 1.
    threshold : float
        95 % of the reference's own frames are below it.
    n_neighbours : int
        Nearest frames that distances are averaged over.
    independent : bool
        Whether neighbours in time could be left out; not where the reference holds too few blocks: then its
        own distances are too small, and others look more foreign than they are.
    """

    reference: FloatArray
    other: FloatArray
    unit: float
    threshold: float
    n_neighbours: int
    independent: bool

    @property
    def foreign(self) -> NDArray[np.bool_]:
        """Which of the other cloud's frames are foreign."""
        return np.asarray(self.other > self.threshold)

    @property
    def share(self) -> float:
        """Share of the other cloud's frames that are foreign; 0.05 if it is of the same distribution."""
        return float(np.mean(self.foreign))


def foreignness(
    dissimilarities: FloatArray,
    reference_runs: Sequence[int],
    *,
    block_length: int | None = None,
    n_neighbours: int = 5,
) -> Foreignness:
    """How foreign the frames of a cloud are to a reference.

    Parameters
    ----------
    dissimilarities : (n_frames, n_frames) array
        ``1 - K``, the frames of the reference first.
    reference_runs : sequence of int
        Frames of each run of the reference.
    block_length : int, optional
        Frames of a block; from the correlation times of the reference unless given.
    n_neighbours : int
        Nearest frames that distances are averaged over; fewer where there are fewer.

    Raises
    ------
    InputDataError
        If the reference is a single frame, or its frames are all the same.
    """
    n = sum(reference_runs)
    if n < 2:
        raise InputDataError("map", "the reference is a single frame", "Give two frames or more of it")
    length = block_length or correlation_block_length(dissimilarities[:n, :n], reference_runs)
    blocks = block_numbers(reference_runs, length)
    near = near_blocks(blocks, reference_runs, length)
    sizes = np.bincount(blocks)
    fewest = n - int((near @ sizes).max())
    independent = fewest > 0
    k = max(1, min(n_neighbours, fewest if independent else n - 1))
    own = np.array(dissimilarities[:n, :n])
    own[near[np.ix_(blocks, blocks)] if independent else np.eye(n, dtype=bool)] = np.inf
    reference = _nearest(own, k)
    unit = float(np.median(reference))
    if not unit > 0.0:
        raise InputDataError(
            "map", "the frames of the reference are all the same", "Give frames that differ from each other"
        )
    reference = reference / unit
    return Foreignness(
        reference=reference,
        other=_nearest(dissimilarities[n:, :n], k) / unit,
        unit=unit,
        threshold=float(np.quantile(reference, QUANTILE)),
        n_neighbours=k,
        independent=independent,
    )


def _nearest(dissimilarities: FloatArray, k: int) -> FloatArray:
    """Mean distance of each row's `k` nearest columns."""
    if len(dissimilarities) == 0:
        return np.empty(0)
    nearest = np.partition(dissimilarities, k - 1, axis=1)[:, :k]
    return np.asarray(np.sqrt(2.0 * np.maximum(nearest, 0.0)).mean(axis=1))
