"""How good class probabilities are: Brier score and its parts, log loss, reliability over bins.

A forecast is a row of probabilities, one for each class, that add up to 1. An outcome is the index of the
class that the reference has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from softmode.crystal.arrays import FloatArray, IntArray
from softmode.statistics.shares import wilson_interval

#: No forecast is taken to be surer than this: the class probabilities are shares of 4000 bootstrap samples.
LOG_LOSS_FLOOR = 1.0 / 4000.0
#: Squared distance of a forecast that is certain of a wrong class.
WORST_BRIER = 2.0
N_BINS = 5


def checked_forecasts(probabilities: ArrayLike, outcomes: ArrayLike) -> tuple[FloatArray, IntArray]:
    """Forecasts (n, n_classes) and outcomes (n,) as arrays.

    Raises
    ------
    ValueError
        If shapes do not match, a probability is not between 0 and 1 or a row does not add up to 1 (within
        1e-6, for rounding), or an outcome is no class.
    """
    p, k = np.asarray(probabilities, dtype=np.float64), np.asarray(outcomes)
    if p.ndim != 2 or k.shape != p.shape[:1]:
        raise ValueError(
            f"forecasts of shape {p.shape} and outcomes of shape {k.shape} do not belong together"
        )
    if not (np.abs(p - 0.5) <= 0.5 + 1e-6).all() or (np.abs(p.sum(axis=1) - 1.0) > 1e-6).any():
        raise ValueError("a forecast is not made of probabilities that add up to 1")
    if (k % 1 != 0).any() or ((k < 0) | (k >= p.shape[1])).any():
        raise ValueError(f"an outcome is none of the {p.shape[1]} classes")
    return np.clip(p, 0.0, 1.0), k.astype(np.int64)


def brier_terms(probabilities: ArrayLike, outcomes: ArrayLike) -> FloatArray:
    """Squared distance of each forecast from what came, Σ_k (p_k - o_k)²: from 0 to 2, shape (n,).

    Their mean is the Brier score (G. W. Brier, Mon. Weather Rev. 78, 1 (1950)), in its original form for
    several classes. With two classes it is twice the usual one.
    """
    p, k = checked_forecasts(probabilities, outcomes)
    terms: FloatArray = np.sum((p - np.eye(p.shape[1])[k]) ** 2, axis=1)
    return terms


def log_loss_terms(
    probabilities: ArrayLike, outcomes: ArrayLike, floor: float = LOG_LOSS_FLOOR
) -> FloatArray:
    """Minus the natural logarithm of the probability given to what came, shape (n,).

    Parameters
    ----------
    probabilities : (n, n_classes) array
        Forecasts.
    outcomes : (n,) array of int
        Classes that came.
    floor : float
        Probabilities below are raised to it and the row made to add up to 1 again: without that a single
        impossible event decides everything.
    """
    p, k = checked_forecasts(probabilities, outcomes)
    clipped = np.maximum(p, floor)
    terms: FloatArray = -np.log(clipped[np.arange(len(p)), k] / clipped.sum(axis=1))
    return terms


@dataclass(frozen=True)
class BrierDecomposition:
    """Parts of the Brier score, summed over classes.

    ``score = reliability - resolution + uncertainty + within_bins``, exactly. The last, the variance less the
    covariance inside bins, is what the three of A. H. Murphy, J. Appl. Meteorol. 12, 595 (1973) lack when
    forecasts of a bin differ (D. B. Stephenson et al., Weather Forecast. 23, 752 (2008)).

    Attributes
    ----------
    score : float
        The Brier score, 0 to 2; lower is better.
    reliability : float
        Mean squared difference of forecast and observed frequency over bins; 0 is calibrated.
    resolution : float
        How far observed frequencies of bins differ from the overall ones; higher is better.
    uncertainty : float
        Brier score of the overall frequencies as the forecast of everything.
    within_bins : float
        See above.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float

    @property
    def skill(self) -> float:
        """Brier skill score, 1 - score / uncertainty: 1 is perfect, 0 no better than the overall frequencies.

        NaN where all outcomes are of one class.
        """
        return 1.0 - self.score / self.uncertainty if self.uncertainty > 0 else float("nan")


def brier_decomposition(
    probabilities: ArrayLike, outcomes: ArrayLike, n_bins: int = N_BINS
) -> BrierDecomposition:
    """Brier score and its parts, from equal bins of each class's probability; all NaN without forecasts."""
    p, k = checked_forecasts(probabilities, outcomes)
    if len(p) == 0:
        return BrierDecomposition(*[float("nan")] * 5)
    n, n_classes = p.shape
    observed = np.eye(n_classes)[k]
    reliability = resolution = within = 0.0
    base = observed.mean(axis=0)
    for index in range(n_classes):
        bins = _bin_of(p[:, index], n_bins)
        for b in np.unique(bins):
            forecast, came = p[bins == b, index], observed[bins == b, index]
            weight = len(forecast) / n
            reliability += weight * (forecast.mean() - came.mean()) ** 2
            resolution += weight * (came.mean() - base[index]) ** 2
            centred = forecast - forecast.mean()
            within += weight * float(np.mean(centred**2) - 2.0 * np.mean(centred * (came - came.mean())))
    return BrierDecomposition(
        score=float(brier_terms(p, k).mean()),
        reliability=float(reliability),
        resolution=float(resolution),
        uncertainty=float(np.sum(base * (1.0 - base))),
        within_bins=float(within),
    )


@dataclass(frozen=True)
class ReliabilityBin:
    """Forecasts of about the same probability, and how often they came true.

    Attributes
    ----------
    low, high : float
        Edges of the bin.
    n : int
        Forecasts in it.
    forecast : float
        Their mean.
    frequency : float
        Share that came true.
    frequency_low, frequency_high : float
        Wilson interval of that share.
    """

    low: float
    high: float
    n: int
    forecast: float
    frequency: float
    frequency_low: float
    frequency_high: float


def reliability_bins(
    forecasts: ArrayLike, came_true: ArrayLike, n_bins: int = N_BINS, level: float = 0.95
) -> tuple[ReliabilityBin, ...]:
    """How often events came true, over equal bins of the probability they were given; empty bins left out.

    Parameters
    ----------
    forecasts : (n,) array
        Probability given to one event of each material: a class, or that the called class is right. One for
        each material, so that they are independent, as the interval assumes.
    came_true : (n,) array of bool
        Whether it came.
    n_bins : int
        Equal bins from 0 to 1; the upper edge belongs to the last only.
    level : float
        Nominal coverage of the intervals.

    Raises
    ------
    ValueError
        If lengths differ, or a forecast is no probability.
    """
    p, came = np.asarray(forecasts, dtype=np.float64), np.asarray(came_true, dtype=bool)
    if p.ndim != 1 or p.shape != came.shape or not ((p >= 0.0) & (p <= 1.0)).all():
        raise ValueError("forecasts are probabilities, one for each event")
    bins = _bin_of(p, n_bins)
    found = []
    for b in np.unique(bins):
        inside = bins == b
        n, successes = int(inside.sum()), int(came[inside].sum())
        found.append(
            ReliabilityBin(
                b / n_bins,
                (b + 1) / n_bins,
                n,
                float(p[inside].mean()),
                successes / n,
                *wilson_interval(successes, n, level),
            )
        )
    return tuple(found)


def calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Expected calibration error: mean absolute difference of forecast and frequency; NaN without forecasts.

    Few materials in a bin make it large without any fault of the forecasts.
    """
    total = sum(b.n for b in bins)
    return sum(b.n * abs(b.forecast - b.frequency) for b in bins) / total if total else float("nan")


def _bin_of(probabilities: FloatArray, n_bins: int) -> IntArray:
    if n_bins < 1:
        raise ValueError("there is at least one bin")
    edges = np.arange(1, n_bins) / n_bins
    return np.searchsorted(edges, probabilities, side="right").astype(np.int64)
