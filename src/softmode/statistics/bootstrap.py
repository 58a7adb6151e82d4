"""The bootstrap: of rows that are independent (materials), and of series whose frames are correlated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from softmode.crystal.arrays import FloatArray, IntArray
from softmode.statistics.autocorrelation import run_starts

#: Maps ``(..., n_rows, n_columns)`` to ``(..., n_results)``.
Statistic = Callable[[FloatArray], FloatArray]

_N_SAMPLES = 2000
_MAX_ELEMENTS = 4_000_000


class Estimate(NamedTuple):
    """A figure with its interval; NaN where it, or its bounds, are not defined."""

    value: float
    low: float = np.nan
    high: float = np.nan

    def columns(self, name: str) -> dict[str, float]:
        """As it stands in a row of a table: `name`, ``<name>_low`` and ``<name>_high``."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


#: The figure of nothing.
UNDEFINED = Estimate(np.nan)


def percentile_interval(samples: FloatArray, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Bounds between which the middle of the samples lies.

    Parameters
    ----------
    samples : (n_samples, ...) array
        Samples that are NaN are left out; infinite ones are allowed.
    level : float
        Share of the samples inside.

    Returns
    -------
    low, high : (...) arrays
        NaN where no sample is defined.
    """
    tails = [0.5 - 0.5 * level, 0.5 + 0.5 * level]
    defined = ~np.isnan(samples).all(axis=0)
    known = np.where(defined, samples, 0.0)
    with np.errstate(invalid="ignore"):
        bounds = np.nanquantile(known, tails, axis=0)
    if np.isnan(bounds).any():  # between infinities, which have no middle
        bounds = np.where(np.isnan(bounds), np.nanquantile(known, tails, axis=0, method="higher"), bounds)
    low, high = np.where(defined, bounds, np.nan)
    return low, high


# Independent rows


def resampled(
    rows: ArrayLike, statistic: Statistic, seed: int | np.random.Generator, n_samples: int = _N_SAMPLES
) -> FloatArray:
    """A statistic of rows drawn with replacement, ``(n_samples, n_results)``; arguments as below."""
    data = _as_rows(rows)
    rng, n = np.random.default_rng(seed), len(data)
    chunk = max(1, _MAX_ELEMENTS // data.size)
    sizes = [min(chunk, n_samples - start) for start in range(0, n_samples, chunk)]
    return np.concatenate([statistic(data[rng.integers(0, n, size=(size, n))]) for size in sizes])


def bootstrap_over(
    rows: ArrayLike,
    statistic: Statistic,
    seed: int | np.random.Generator,
    *,
    n_samples: int = _N_SAMPLES,
    level: float = 0.95,
) -> tuple[Estimate, ...]:
    """Percentile bootstrap over rows, one row per material.

    Parameters
    ----------
    rows : (n_rows,) or (n_rows, n_columns) array
        What is resampled, whole rows at a time; at least one.
    statistic : callable
        Vectorised: maps ``(..., n_rows, n_columns)`` to ``(..., n_results)``.
    seed : int or numpy.random.Generator
        Of the resampling.
    n_samples : int
        Bootstrap samples.
    level : float
        Nominal coverage of the intervals.

    Returns
    -------
    tuple of Estimate
        One for each result, without bounds for a single row. Samples in which a result is not defined (NaN)
        are left out.
    """
    data = _as_rows(rows)
    values = [float(value) for value in statistic(data)]
    if len(data) < 2:
        return tuple(Estimate(value) for value in values)
    bounds = percentile_interval(resampled(data, statistic, seed, n_samples), level)
    return tuple(Estimate(*map(float, each)) for each in zip(values, *bounds, strict=True))


def bootstrap_median(values: ArrayLike, seed: int | np.random.Generator) -> Estimate:
    """Median with its 95 % interval; infinite values (failures counted as wrong) are allowed.

    Parameters
    ----------
    values : (n,) array
        One value per material.
    seed : int or numpy.random.Generator
        Of the resampling.

    Returns
    -------
    Estimate
        Undefined without values; no bounds for a single one.
    """
    if np.size(values) == 0:
        return UNDEFINED
    return bootstrap_over(values, lambda rows: np.median(rows, axis=-2), seed)[0]


def _as_rows(rows: ArrayLike) -> FloatArray:
    data = np.asarray(rows, dtype=np.float64)
    return data[:, None] if data.ndim == 1 else data


# Correlated series


def block_starts(run_lengths: Sequence[int], block_length: int) -> IntArray:
    """First frames of all blocks of a length, overlapping, none across the boundary of two runs.

    Parameters
    ----------
    run_lengths : sequence of int
        Frames of each run; runs shorter than a block have none.
    block_length : int
        Frames of a block.
    """
    return np.concatenate(
        [
            np.arange(start, start + length - block_length + 1)
            for start, length in zip(run_starts(run_lengths), run_lengths, strict=True)
        ]
    )


def whole_blocks(run_lengths: Sequence[int], block_length: int) -> IntArray:
    """First frames of the blocks that fit into the runs one after the other; arguments as above."""
    return np.concatenate(
        [
            start + block_length * np.arange(length // block_length)
            for start, length in zip(run_starts(run_lengths), run_lengths, strict=True)
        ]
    )


def drawn_blocks(
    run_lengths: Sequence[int],
    block_length: int,
    rng: np.random.Generator,
    n_samples: int,
    most: int | None = None,
) -> IntArray:
    """Moving-block bootstrap (H. R. Künsch, Ann. Stat. 17, 1217 (1989)): the blocks each sample is made of.

    Parameters
    ----------
    run_lengths : sequence of int
        Frames of each run.
    block_length : int
        Frames of a block.
    rng : numpy.random.Generator
        Of the draw.
    n_samples : int
        Bootstrap samples.
    most : int, optional
        Blocks of a sample at most.

    Returns
    -------
    (n_samples, n_blocks) array
        First frames of blocks: about as many as make up the frames, two at least.
    """
    starts, n_blocks = block_starts(run_lengths, block_length), max(2, round(sum(run_lengths) / block_length))
    chosen = rng.integers(0, len(starts), size=(n_samples, min(n_blocks, most or n_blocks)))
    return starts[chosen]
