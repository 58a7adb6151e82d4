"""The bootstrap: of rows that are independent (materials), and of series whose frames are correlated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softmode.crystal.arrays import FloatArray, IntArray
from softmode.statistics.autocorrelation import run_starts

#: Maps ``(..., n_rows, n_columns)`` to ``(..., n_results)``.
Statistic = Callable[[FloatArray], FloatArray]

#: Maps a column and which rows each sample holds to what is sought of each sample.
OfSamples = Callable[[FloatArray, IntArray], FloatArray]

_N_SAMPLES = 2000
_MAX_ELEMENTS = 4_000_000
#: Drawn rows of a seed that are kept, of at most so many numbers.
_KEPT_ELEMENTS = 1_000_000


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
    quantile = np.nanquantile if np.isnan(known).any() else np.quantile
    with np.errstate(invalid="ignore"):
        bounds = quantile(known, tails, axis=0)
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
    return with_bounds(values, resampled(data, statistic, seed, n_samples), level)


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
    return bootstrap_medians(np.asarray(values, dtype=np.float64)[:, None], seed)[0]


def bootstrap_medians(columns: ArrayLike, seed: int | np.random.Generator) -> tuple[Estimate, ...]:
    """Medians of columns, all over the same samples of the rows; otherwise as :func:`bootstrap_median`.

    Parameters
    ----------
    columns : (n_rows, n_columns) array
        One row per material.
    seed : int or numpy.random.Generator
        Of the resampling.
    """
    return _over_columns(columns, np.median, medians_of_samples, seed)


def bootstrap_means(columns: ArrayLike, seed: int | np.random.Generator) -> tuple[Estimate, ...]:
    """Means of columns, all over the same samples of the rows; otherwise as :func:`bootstrap_median`.

    Parameters
    ----------
    columns : (n_rows, n_columns) array
        One row per material.
    seed : int or numpy.random.Generator
        Of the resampling.
    """
    return _over_columns(columns, np.mean, _means_of_samples, seed)


def _means_of_samples(values: FloatArray, drawn: IntArray) -> FloatArray:
    means: FloatArray = values.take(drawn).mean(axis=1)
    return means


def _over_columns(
    columns: ArrayLike,
    figure: Callable[..., Any],
    of_samples: OfSamples,
    seed: int | np.random.Generator,
) -> tuple[Estimate, ...]:
    """A figure of each column, with its bootstrap interval where there are two rows."""
    data = np.asarray(columns, dtype=np.float64)
    n = len(data)
    if n == 0:
        return tuple(UNDEFINED for _ in data.T)
    values = [float(figure(np.ascontiguousarray(column))) for column in data.T]
    if n < 2:
        return tuple(Estimate(value) for value in values)
    drawn = drawn_rows(n, seed)
    samples = [of_samples(np.ascontiguousarray(column), drawn) for column in data.T]
    return with_bounds(values, np.stack(samples, axis=-1))


def with_bounds(values: Iterable[float], samples: FloatArray, level: float = 0.95) -> tuple[Estimate, ...]:
    """Estimates with their percentile intervals.

    Parameters
    ----------
    values : iterable of float
        The figures.
    samples : (n_samples, n_values) array
        Of each bootstrap sample; NaN are left out.
    level : float
        Nominal coverage of the intervals.
    """
    bounds = percentile_interval(samples, level)
    return tuple(Estimate(*map(float, each)) for each in zip(values, *bounds, strict=True))


def drawn_rows(n: int, seed: int | np.random.Generator, n_samples: int = _N_SAMPLES) -> IntArray:
    """Which rows each bootstrap sample holds, ``(n_samples, n)``; the same as :func:`resampled` takes.

    Parameters
    ----------
    n : int
        Rows.
    seed : int or numpy.random.Generator
        Of the draw.
    n_samples : int
        Bootstrap samples.
    """
    if isinstance(seed, np.random.Generator) or n * n_samples > _KEPT_ELEMENTS:
        return np.random.default_rng(seed).integers(0, n, size=(n_samples, n))
    return _kept_rows(n, int(seed), n_samples)


@lru_cache(maxsize=8)
def _kept_rows(n: int, seed: int, n_samples: int) -> IntArray:
    """Rows drawn with a seed, kept: many figures of the same materials share them."""
    drawn = np.random.default_rng(seed).integers(0, n, size=(n_samples, n))
    drawn.flags.writeable = False
    return drawn


def sampled_medians(columns: FloatArray, seed: int, n_samples: int = _N_SAMPLES) -> FloatArray:
    """Medians of columns in each bootstrap sample of the rows, ``(n_samples, n_columns)``.

    Parameters
    ----------
    columns : (n_rows, n_columns) array
        One row per material; a column that was met before is not computed again.
    seed : int
        Of the resampling.
    n_samples : int
        Bootstrap samples.
    """
    return _kept_columns(medians_of_samples, columns, seed, n_samples)


def sampled_means(columns: FloatArray, seed: int, n_samples: int = _N_SAMPLES) -> FloatArray:
    """Means of columns in each bootstrap sample of the rows; as :func:`sampled_medians`."""
    return _kept_columns(_means_of_samples, columns, seed, n_samples)


def _kept_columns(of_samples: OfSamples, columns: FloatArray, seed: int, n_samples: int) -> FloatArray:
    every = np.ascontiguousarray(np.asarray(columns, dtype=np.float64).T)
    return np.stack([_kept(of_samples, column.tobytes(), seed, n_samples) for column in every], axis=-1)


@lru_cache(maxsize=512)
def _kept(of_samples: OfSamples, column: bytes, seed: int, n_samples: int) -> FloatArray:
    values = np.frombuffer(column, dtype=np.float64)
    return of_samples(values, drawn_rows(len(values), seed, n_samples))


def sampled_counts(flags: NDArray[np.bool_], drawn: IntArray) -> IntArray:
    """How many of what each bootstrap sample holds are flagged, ``(n_samples, n_columns)``.

    Parameters
    ----------
    flags : (n_rows, n_columns) array of bool
        One row per material.
    drawn : (n_samples, n_rows) array
        From :func:`drawn_rows`.
    """
    columns = [np.count_nonzero(column.take(drawn), axis=1) for column in np.ascontiguousarray(flags.T)]
    return np.stack(columns, axis=-1)


def times_drawn(drawn: IntArray) -> FloatArray:
    """How often each bootstrap sample holds each row, ``(n_samples, n_rows)``.

    Parameters
    ----------
    drawn : (n_samples, n_rows) array
        From :func:`drawn_rows`.
    """
    n_samples, n = drawn.shape
    flat = (drawn + n * np.arange(n_samples)[:, None]).ravel()
    return np.bincount(flat, minlength=n_samples * n).reshape(n_samples, n).astype(np.float64)


def medians_of_samples(values: FloatArray, drawn: IntArray) -> FloatArray:
    """Median of each bootstrap sample of a column, exactly, from the ranks of what it holds.

    Parameters
    ----------
    values : (n,) array
        May be infinite.
    drawn : (n_samples, n) array
        From :func:`drawn_rows`.
    """
    if np.isnan(values).any():
        of_nan: FloatArray = np.median(values[drawn], axis=1)
        return of_nan
    n = len(values)
    order = np.argsort(values, kind="stable")
    ranks = np.empty(n, dtype=np.uint16 if n < 2**16 else np.uint32)  # small ones are partitioned fastest
    ranks[order] = np.arange(n, dtype=ranks.dtype)
    parted = np.partition(ranks.take(drawn), n // 2, axis=1)
    ordered = values[order]
    upper: FloatArray = ordered[parted[:, n // 2]]
    if n % 2:
        return upper
    lower = ordered[parted[:, : n // 2].max(axis=1)]
    middle: FloatArray = (lower + upper) / 2.0
    return middle


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
