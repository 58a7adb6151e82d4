"""Correlation of two figures over materials, with bootstrap intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

FloatArray = NDArray[np.float64]

_FEWEST, _FEWEST_FOR_INTERVAL = 3, 5


@dataclass(frozen=True)
class Correlation:
    """A correlation coefficient with its 95 % interval.

    Attributes
    ----------
    value, low, high : float
        NaN where not defined: fewer than three materials or no spread; bounds for fewer than five.
    """

    value: float
    low: float
    high: float


def correlations(
    first: ArrayLike, second: ArrayLike, seed: int, n_samples: int = 2000
) -> tuple[Correlation, Correlation]:
    """Pearson's and Spearman's coefficients with percentile-bootstrap intervals over materials.

    Parameters
    ----------
    first, second : (n,) arrays
        One value per material, finite.
    seed : int
        Seed of the bootstrap.
    n_samples : int
        Bootstrap samples.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"values of shapes {x.shape} and {y.shape} are not of the same materials")
    n = len(x)
    if n < _FEWEST:
        nothing = Correlation(np.nan, np.nan, np.nan)
        return nothing, nothing
    draws = np.random.default_rng(seed).integers(0, n, size=(n_samples, n))
    return (
        _estimate(float(_pearson(x, y)), _pearson(x[draws], y[draws]), n),
        _estimate(float(_spearman(x, y)), _spearman(x[draws], y[draws]), n),
    )


def _estimate(value: float, samples: FloatArray, n: int) -> Correlation:
    if n < _FEWEST_FOR_INTERVAL or np.isnan(value):
        return Correlation(value, np.nan, np.nan)
    low, high = np.nanquantile(samples, [0.025, 0.975])
    return Correlation(value, float(low), float(high))


def _spearman(first: FloatArray, second: FloatArray) -> FloatArray:
    return _pearson(rankdata(first, axis=-1), rankdata(second, axis=-1))


def _pearson(first: FloatArray, second: FloatArray) -> FloatArray:
    """Along the last axis; NaN where a side has no spread."""
    x = first - first.mean(axis=-1, keepdims=True)
    y = second - second.mean(axis=-1, keepdims=True)
    square = np.asarray((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    quotient: FloatArray = np.divide(
        (x * y).sum(axis=-1), np.sqrt(square), out=np.full(square.shape, np.nan), where=square > 0.0
    )
    return quotient
