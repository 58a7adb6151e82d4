"""Frames of one cloud that the other does not visit, and what goes with being one.

The distance of two frames is that of feature space, ``sqrt(2 (1 - K))``. How *foreign* a frame is: its mean
distance to the nearest frames of the reference, divided by what is usual between frames of the reference (the
median over its frames of the same mean). Frames of the reference that are close in time are close in feature
space, so that a frame's own block and those next to it are left out (:mod:`softmode.configurations.overlap`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from softmode.configurations.overlap import block_numbers, correlation_block_length, near_blocks
from softmode.errors import InputDataError
from softmode.statistics.autocorrelation import checked_series, correlation_times

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: A frame is called foreign when it is farther away than this share of the reference's own frames.
QUANTILE = 0.95
#: With fewer blocks a correlation has neither interval nor significance.
_FEWEST_BLOCKS = 5
_CHUNK = 2_000_000


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


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's coefficient of two series over the correlated frames of runs.

    Attributes
    ----------
    value : float
        NaN where a series is constant.
    low, high : float
        Bounds of the 95 % interval, moving-block bootstrap; NaN with fewer than five blocks.
    p_value : float
        Share of the ways to exchange whole blocks of one series that give a value as far from zero; NaN as
        above.
    n_blocks : int
        Whole blocks of five correlation times of the slower series.
    """

    value: float
    low: float
    high: float
    p_value: float
    n_blocks: int


def rank_correlation(
    first: ArrayLike,
    second: ArrayLike,
    run_lengths: Sequence[int],
    *,
    seed: int,
    n_samples: int = 2000,
) -> RankCorrelation:
    """Spearman's coefficient with interval and significance that respect time correlation.

    Parameters
    ----------
    first, second : (n_frames,) arrays
        One value per frame, run after run.
    run_lengths : sequence of int
        Frames of each run.
    seed : int
        Of bootstrap and permutations.
    n_samples : int
        Of each.

    Raises
    ------
    InputDataError
        If a value is not finite.
    """
    x, runs = checked_series(first, run_lengths, "map")
    y, _ = checked_series(second, run_lengths, "map")
    value = float(_spearman(x[None], y[None])[0])
    length = max(correlation_times(series, runs).block_length for series in (x, y))
    whole = _whole_blocks(runs, length)
    if math.isnan(value) or len(whole) < _FEWEST_BLOCKS:
        return RankCorrelation(value, math.nan, math.nan, math.nan, len(whole))
    rng = np.random.default_rng(seed)
    starts = np.concatenate(
        [np.arange(end - run, end - length + 1) for run, end in zip(runs, np.cumsum(runs), strict=True)]
    )
    drawn = rng.choice(starts, size=(n_samples, max(2, round(len(x) / length))))
    frames = (drawn[:, :, None] + np.arange(length)).reshape(n_samples, -1)
    low, high = np.nanquantile(_in_chunks(x, y, frames, frames), [0.025, 0.975])
    orders = np.argsort(rng.random((n_samples, len(whole))), axis=1)
    still = np.broadcast_to(whole.ravel(), (n_samples, whole.size))
    exchanged = _in_chunks(x, y, still, whole[orders].reshape(n_samples, -1))
    as_it_is = abs(float(_spearman(x[whole.ravel()][None], y[whole.ravel()][None])[0]))
    reached = 1 + int(np.sum(np.abs(exchanged) >= as_it_is - 1e-12))
    return RankCorrelation(value, float(low), float(high), reached / (1 + n_samples), len(whole))


def _whole_blocks(runs: Sequence[int], length: int) -> IntArray:
    """Frames of the blocks that fit into the runs, none across a boundary, (n_blocks, length)."""
    starts = [
        end - run + length * block
        for run, end in zip(runs, np.cumsum(runs).tolist(), strict=True)
        for block in range(run // length)
    ]
    return np.array(starts, dtype=np.int64).reshape(-1, 1) + np.arange(length)


def _in_chunks(x: FloatArray, y: FloatArray, of_x: IntArray, of_y: IntArray) -> FloatArray:
    """Coefficients of resampled series, a bounded amount of memory at a time."""
    size = max(1, _CHUNK // of_x.shape[1])
    return np.concatenate(
        [_spearman(x[of_x[at : at + size]], y[of_y[at : at + size]]) for at in range(0, len(of_x), size)]
    )


def _spearman(x: FloatArray, y: FloatArray) -> FloatArray:
    """Along the last axis; NaN where a series is constant."""
    a, b = rankdata(x, axis=-1), rankdata(y, axis=-1)
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    square = np.sum(a**2, axis=-1) * np.sum(b**2, axis=-1)
    undefined = np.full(square.shape, np.nan)
    return np.asarray(np.divide(np.sum(a * b, axis=-1), np.sqrt(square), out=undefined, where=square > 0.0))
