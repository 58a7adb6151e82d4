"""Uncertainty of a statistic over materials: whole rows of a table are resampled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

FloatArray = NDArray[np.float64]
#: Maps ``(..., n_rows, n_columns)`` to ``(..., n_results)``.
Statistic = Callable[[FloatArray], FloatArray]

_MAX_ELEMENTS = 4_000_000


@dataclass(frozen=True, eq=False)
class BootstrapInterval:
    """A statistic over rows with its bootstrap interval; arrays of the shape the statistic returns.

    Bounds are NaN where there are fewer than two rows or the statistic is not defined.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray


def bootstrap_over(
    rows: ArrayLike,
    statistic: Statistic,
    seed: int,
    *,
    n_samples: int = 2000,
    level: float = 0.95,
    accelerated: bool = False,
) -> BootstrapInterval:
    """Bootstrap over rows, one row per material.

    Parameters
    ----------
    rows : (n_rows,) or (n_rows, n_columns) array
        What is resampled, whole rows at a time.
    statistic : callable
        Vectorised: maps ``(..., n_rows, n_columns)`` to ``(..., n_results)``.
    seed : int
        Seed of the resampling.
    n_samples : int
        Bootstrap samples.
    level : float
        Nominal coverage of the interval.
    accelerated : bool
        Bias-corrected and accelerated interval (B. Efron, J. Am. Stat. Assoc. 82, 171 (1987)) in place of
        percentiles; for smooth statistics.

    Returns
    -------
    BootstrapInterval
        Samples in which the statistic is not defined (NaN) are left out.
    """
    data = np.asarray(rows, dtype=np.float64)
    data = data[:, None] if data.ndim == 1 else data
    n = len(data)
    value = np.asarray(statistic(data), dtype=np.float64) if n else np.full(1, np.nan)
    if n < 2:
        return BootstrapInterval(value, np.full_like(value, np.nan), np.full_like(value, np.nan))
    rng = np.random.default_rng(seed)
    chunk = max(1, _MAX_ELEMENTS // data.size)
    sizes = [min(chunk, n_samples - start) for start in range(0, n_samples, chunk)]
    samples = np.concatenate([statistic(data[rng.integers(0, n, size=(size, n))]) for size in sizes])
    tails = np.broadcast_to(np.array([[0.5 - 0.5 * level], [0.5 + 0.5 * level]]), (2, value.size))
    if accelerated:
        tails = _accelerated_tails(samples, value, _jackknife(data, statistic), tails)
    bounds = [
        _finite_quantiles(sample, tail)
        for sample, tail in zip(samples.reshape(n_samples, -1).T, tails.T, strict=True)
    ]
    low, high = np.array(bounds).T.reshape(2, *value.shape)
    return BootstrapInterval(value, low, high)


def _finite_quantiles(sample: FloatArray, probabilities: FloatArray) -> FloatArray:
    """Order statistics nearest to the quantiles: defined with infinities too, NaN left out."""
    ordered = np.sort(sample[~np.isnan(sample)])
    if len(ordered) == 0 or np.isnan(probabilities).any():
        return np.full(len(probabilities), np.nan)
    index = np.clip(np.round(probabilities * len(ordered) - 0.5).astype(int), 0, len(ordered) - 1)
    result: FloatArray = ordered[index]
    return result


def _jackknife(data: FloatArray, statistic: Statistic) -> FloatArray:
    rows = np.arange(len(data))
    return np.array([statistic(data[rows != row]) for row in rows])


def _accelerated_tails(
    samples: FloatArray, value: FloatArray, jackknife: FloatArray, tails: FloatArray
) -> FloatArray:
    samples, jackknife = samples.reshape(len(samples), -1), jackknife.reshape(len(jackknife), -1)
    below = np.mean(samples < value.ravel(), axis=0) + 0.5 * np.mean(samples == value.ravel(), axis=0)
    bias = ndtri(np.clip(below, 0.5 / len(samples), 1.0 - 0.5 / len(samples)))
    influence = jackknife.mean(axis=0) - jackknife
    cube, square = np.sum(influence**3, axis=0), np.sum(influence**2, axis=0)
    acceleration = np.divide(cube, 6.0 * square**1.5, out=np.zeros_like(cube), where=square > 0)
    shifted = bias + ndtri(tails)
    result: FloatArray = ndtr(bias + shifted / (1.0 - acceleration * shifted))
    return result
