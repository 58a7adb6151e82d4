"""Correlation of two figures: over materials, which are independent, and over frames, which are not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from softmode.crystal.arrays import FloatArray, IntArray
from softmode.statistics.autocorrelation import checked_series, correlation_times
from softmode.statistics.bootstrap import (
    UNDEFINED,
    Estimate,
    drawn_blocks,
    drawn_rows,
    percentile_interval,
    whole_blocks,
    with_bounds,
)

_FEWEST, _FEWEST_FOR_INTERVAL = 3, 5
#: With fewer blocks a correlation has neither interval nor significance.
_FEWEST_BLOCKS = 5
_CHUNK = 2_000_000


def pearson(first: FloatArray, second: FloatArray) -> FloatArray:
    """Pearson's coefficient along the last axis; NaN where a side has no spread.

    Parameters
    ----------
    first, second : (..., n) arrays
        Pairs.
    """
    x = first - first.mean(axis=-1, keepdims=True)
    y = second - second.mean(axis=-1, keepdims=True)
    return _over_root((x * y).sum(axis=-1), np.asarray((x**2).sum(axis=-1) * (y**2).sum(axis=-1)))


def ranks(values: FloatArray) -> FloatArray:
    """Ranks along the last axis, from 1; equal values share their mean rank (as `scipy.stats.rankdata`)."""
    order = np.argsort(values, axis=-1)
    ordered = np.take_along_axis(values, order, axis=-1)
    n = values.shape[-1]
    place = np.broadcast_to(np.arange(n), values.shape)
    new = np.ones(values.shape, dtype=bool)  # where another value begins
    new[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    first = np.maximum.accumulate(np.where(new, place, 0), axis=-1)
    ends = np.ones(values.shape, dtype=bool)
    ends[..., :-1] = new[..., 1:]
    last = np.minimum.accumulate(np.where(ends, place, n)[..., ::-1], axis=-1)[..., ::-1]
    found = np.empty(values.shape)
    np.put_along_axis(found, order, 0.5 * (first + last) + 1.0, axis=-1)
    return found


def spearman(first: FloatArray, second: FloatArray) -> FloatArray:
    """Spearman's coefficient along the last axis, as :func:`pearson`; infinities rank last.

    As `scipy.stats.spearmanr`, which takes one pair of series at a time.
    """
    return pearson(ranks(first), ranks(second))


def spearman_of_resamples(
    first: FloatArray, second: FloatArray
) -> Callable[[IntArray, IntArray], FloatArray]:
    """Spearman's coefficient of many resamples of the same series at once, as :func:`spearman` of each.

    Parameters
    ----------
    first, second : (n,) arrays
        Series; infinities rank last.

    Returns
    -------
    callable
        Maps which of the first and which of the second stand in each resample, ``(n_samples, m)``, to the
        coefficients ``(n_samples,)``.
    """
    places = [np.unique(side, return_inverse=True)[1].reshape(-1) for side in (first, second)]

    def of(*drawn: IntArray) -> FloatArray:
        x, y = (_ranks_of_places(place[rows]) for place, rows in zip(places, drawn, strict=True))
        return pearson(x, y)

    return of


def _ranks_of_places(places: IntArray) -> FloatArray:
    """As :func:`ranks` along the last of two axes, of numbers from 0 that are few: counted, not sorted."""
    n_samples, n_places = len(places), int(places.max()) + 1
    own = places + n_places * np.arange(n_samples)[:, None]
    counts = np.bincount(own.ravel(), minlength=n_samples * n_places).reshape(n_samples, n_places)
    before = np.cumsum(counts, axis=1) - counts
    found: FloatArray = np.take_along_axis(before + 0.5 * (counts + 1), places, axis=1)
    return found


def kendall_of_resamples(first: FloatArray, second: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Kendall's coefficient (tau-b) of many resamples of the same pairs at once.

    Parameters
    ----------
    first, second : (n,) arrays
        Pairs; infinities rank last.

    Returns
    -------
    callable
        Maps how often each pair is there, ``(n_samples, n)``, to the coefficients ``(n_samples,)``: with the
        signs S of all differences ``wᵀ(S_x S_y)w``, over the root of the numbers not tied in x and in y.
    """
    sx, sy = (np.sign(np.subtract.outer(rank, rank)) for rank in (ranks(first), ranks(second)))

    def of(weights: FloatArray) -> FloatArray:
        agreeing, untied_x, untied_y = (
            np.sum(weights * (weights @ signs), axis=1) for signs in (sx * sy, np.abs(sx), np.abs(sy))
        )
        return _over_root(agreeing, untied_x * untied_y)

    return of


def _over_root(part: FloatArray, square: FloatArray) -> FloatArray:
    quotient: FloatArray = np.divide(
        part, np.sqrt(square), out=np.full(square.shape, np.nan), where=square > 0.0
    )
    return quotient


def correlations(
    first: ArrayLike, second: ArrayLike, seed: int, n_samples: int = 2000
) -> tuple[Estimate, Estimate]:
    """Pearson's and Spearman's coefficients with 95 % bootstrap intervals over materials.

    Parameters
    ----------
    first, second : (n,) arrays
        One value per material, finite.
    seed : int
        Seed of the bootstrap.
    n_samples : int
        Bootstrap samples.

    Returns
    -------
    (Estimate, Estimate)
        NaN where not defined: fewer than three materials or no spread; bounds for fewer than five.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"values of shapes {x.shape} and {y.shape} are not of the same materials")
    if len(x) < _FEWEST:
        return UNDEFINED, UNDEFINED

    spearmans = spearman_of_resamples(x, y)

    def both(drawn: IntArray) -> FloatArray:
        return np.stack([pearson(x[drawn], y[drawn]), spearmans(drawn, drawn)], axis=-1)

    size = max(1, _CHUNK // len(x))
    drawn = drawn_rows(len(x), seed, n_samples)
    samples = np.concatenate([both(drawn[at : at + size]) for at in range(0, n_samples, size)])
    found = with_bounds(both(np.arange(len(x))[None])[0].tolist(), samples)
    few = len(x) < _FEWEST_FOR_INTERVAL
    kept = [Estimate(each.value) if few or np.isnan(each.value) else each for each in found]
    return kept[0], kept[1]


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
    subject: str = "trajectory",
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
    subject : str
        What the series belong to, for messages.

    Raises
    ------
    InputDataError
        If a value is not finite.
    """
    x, runs = checked_series(first, run_lengths, subject)
    y, _ = checked_series(second, run_lengths, subject)
    value = float(spearman(x, y))
    length = max(correlation_times(series, runs).block_length for series in (x, y))
    within = np.arange(length)
    whole = whole_blocks(runs, length)[:, None] + within
    if np.isnan(value) or len(whole) < _FEWEST_BLOCKS:
        return RankCorrelation(value, np.nan, np.nan, np.nan, len(whole))
    rng = np.random.default_rng(seed)
    drawn = drawn_blocks(runs, length, rng, n_samples)
    frames = (drawn[:, :, None] + within).reshape(n_samples, -1)
    low, high = percentile_interval(_of_frames(x, y, frames, frames))
    orders = np.argsort(rng.random((n_samples, len(whole))), axis=1)
    still = np.broadcast_to(whole.ravel(), (n_samples, whole.size))
    exchanged = _of_frames(x, y, still, whole[orders].reshape(n_samples, -1))
    as_it_is = abs(float(spearman(x[whole.ravel()], y[whole.ravel()])))
    reached = 1 + int(np.sum(np.abs(exchanged) >= as_it_is - 1e-12))
    return RankCorrelation(value, float(low), float(high), reached / (1 + n_samples), len(whole))


def _of_frames(x: FloatArray, y: FloatArray, of_x: IntArray, of_y: IntArray) -> FloatArray:
    """Coefficients of resampled series, a bounded amount of memory at a time."""
    size = max(1, _CHUNK // of_x.shape[1])
    spearmans = spearman_of_resamples(x, y)
    return np.concatenate(
        [spearmans(of_x[at : at + size], of_y[at : at + size]) for at in range(0, len(of_x), size)]
    )
