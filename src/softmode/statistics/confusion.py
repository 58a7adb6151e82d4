"""Confusion matrices between reference and model classes, with intervals over materials (paper Fig. 3 and 4).

Rows are the classes of the reference, columns those of the model. A material on which the model failed has a
reference class and no model class; figures are given over the others and, ``failures_as_wrong``, over all.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from softmode.anharmonic.classes import CLASSES, class_indices

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_N = len(CLASSES)


def _no_failures() -> IntArray:
    return np.zeros(_N, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class ConfusionMatrix:
    """Counts of materials by reference class (rows) and model class (columns).

    Attributes
    ----------
    counts : (3, 3) array of int
        Materials on which the model gave a result.
    failed : (3,) array of int
        Materials on which the model failed, by reference class.
    """

    counts: IntArray
    failed: IntArray = field(default_factory=_no_failures)

    def __post_init__(self) -> None:
        counts, failed = np.asarray(self.counts), np.asarray(self.failed)
        if counts.shape != (_N, _N) or failed.shape != (_N,):
            raise ValueError(
                f"counts of shape {counts.shape} with failures of shape {failed.shape}, not 3 × 3 and 3"
            )
        if (counts < 0).any() or (failed < 0).any() or (counts % 1 != 0).any() or (failed % 1 != 0).any():
            raise ValueError("counts of materials are whole numbers, not below zero")
        for name, values in (("counts", counts), ("failed", failed)):
            own = values.astype(np.int64)
            own.flags.writeable = False
            object.__setattr__(self, name, own)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ConfusionMatrix):
            return NotImplemented
        return bool((self._table == other._table).all())

    def __hash__(self) -> int:
        return hash(self._table.tobytes())

    @property
    def _table(self) -> IntArray:
        return np.column_stack([self.counts, self.failed])

    @property
    def n_materials(self) -> int:
        """Number of materials, failures included."""
        return int(self._table.sum())

    @property
    def n_failed(self) -> int:
        """Number of materials on which the model failed."""
        return int(self.failed.sum())

    def rates(self, failures_as_wrong: bool = False) -> FloatArray:
        """Share of each reference class that the model puts into each class, ``(3, 3)``.

        Rows add up to 1, or with failures counted as wrong to 1 less the share of failures; NaN where the
        reference has no material of the class.
        """
        return _rates(self._seen(failures_as_wrong))[:, :_N]

    def accuracy(self, failures_as_wrong: bool = False) -> float:
        """Share of the materials whose class is right."""
        return float(_accuracy(self._seen(failures_as_wrong)))

    def kappa(self, failures_as_wrong: bool = False) -> float:
        """Agreement beyond chance (J. Cohen, Educ. Psychol. Meas. 20, 37 (1960)); 1 is perfect, 0 is chance.

        NaN where both sides know one class only. Failures are a fourth answer that is never right.
        """
        return float(kappas(self._seen(failures_as_wrong)))

    def called_more_stable(self, failures_as_wrong: bool = False) -> float:
        """Share of the strong and unstable materials that the model calls more stable (paper §3.3: 38 %)."""
        return float(_called_more_stable(self._seen(failures_as_wrong)))

    def called_less_stable(self, failures_as_wrong: bool = False) -> float:
        """Share of the weak and strong materials that the model calls less stable (paper §3.3: 6 %)."""
        return float(_called_less_stable(self._seen(failures_as_wrong)))

    def _seen(self, failures_as_wrong: bool) -> FloatArray:
        seen = self._table.astype(np.float64)
        if not failures_as_wrong:
            seen[:, _N] = 0.0
        return seen

    def __add__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        return ConfusionMatrix(self.counts + other.counts, self.failed + other.failed)


# The figures of merit, vectorised over leading axes. A table is (..., 3, 4): model classes, then failures.


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    part, whole = np.broadcast_arrays(part, whole)
    quotient: FloatArray = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return quotient


def _rates(table: FloatArray) -> FloatArray:
    return _ratio(table, table.sum(axis=-1, keepdims=True))


def _right(table: FloatArray) -> FloatArray:
    total: FloatArray = np.trace(table[..., :_N], axis1=-2, axis2=-1)
    return total


def _total(table: FloatArray) -> FloatArray:
    total: FloatArray = table.sum(axis=(-2, -1))
    return total


def _accuracy(table: FloatArray) -> FloatArray:
    return _ratio(_right(table), _total(table))


def kappas(table: FloatArray) -> FloatArray:
    """Cohen's κ of many tables of counts ``(..., 3, 4)``, failures last; NaN where it is not defined."""
    # (p_observed - p_chance) / (1 - p_chance), times the squared total: whole numbers until divided.
    total = _total(table)
    chance = np.sum(table.sum(axis=-1) * table.sum(axis=-2)[..., :_N], axis=-1)
    return _ratio(_right(table) * total - chance, total**2 - chance)


def _called_more_stable(table: FloatArray) -> FloatArray:
    wrong = table[..., 1, 0] + table[..., 2, 0] + table[..., 2, 1] + table[..., 1:, _N].sum(axis=-1)
    return _ratio(wrong, table[..., 1:, :].sum(axis=(-2, -1)))


def _called_less_stable(table: FloatArray) -> FloatArray:
    wrong = table[..., 0, 1] + table[..., 0, 2] + table[..., 1, 2] + table[..., :2, _N].sum(axis=-1)
    return _ratio(wrong, table[..., :2, :].sum(axis=(-2, -1)))


def confusion_matrix(
    reference_sigma: ArrayLike,
    model_sigma: ArrayLike,
    failed: ArrayLike | None = None,
    *,
    collapsed: ArrayLike | None = None,
) -> ConfusionMatrix:
    """Confusion matrix of two sets of scores.

    Parameters
    ----------
    reference_sigma, model_sigma : (n_materials,) array
        Mean over frames of ``σ(t)`` of the same materials.
    failed : (n_materials,) array of bool, optional
        Materials on which the model failed; those with a model score that is not finite always count as such,
        unless they collapsed.
    collapsed : (n_materials,) array of bool, optional
        Materials that the model's own dynamics takes apart: it calls them unstable, whatever their score.

    Raises
    ------
    ValueError
        If the lengths differ, or a reference score is not finite.
    """
    reference, model = np.asarray(reference_sigma, float), np.asarray(model_sigma, float)
    lost = np.zeros(reference.shape, bool) if failed is None else np.asarray(failed, bool)
    apart = np.zeros(reference.shape, bool) if collapsed is None else np.asarray(collapsed, bool)
    if not (reference.ndim == 1 and reference.shape == model.shape == lost.shape == apart.shape):
        raise ValueError(
            f"scores of shapes {reference.shape}, {model.shape}, {lost.shape} are not of the same materials"
        )
    model = np.where(apart & ~lost, 2.0, model)  # any score of the last class
    if not np.isfinite(reference).all():
        raise ValueError("a reference score is not finite")
    lost = lost | ~np.isfinite(model)
    column = np.where(lost, _N, class_indices(np.where(lost, 0.0, model)))
    cells = class_indices(reference) * (_N + 1) + column
    table = np.bincount(cells, minlength=_N * (_N + 1)).reshape(_N, _N + 1)
    return ConfusionMatrix(table[:, :_N], table[:, _N])


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval; all NaN where it is not defined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class ConfusionEstimate:
    """Figures of merit of a confusion matrix with 95 % intervals over materials.

    Attributes
    ----------
    matrix : ConfusionMatrix
        The counts.
    failures_as_wrong : bool
        Whether failures count as wrong, or are left out.
    accuracy, kappa, called_more_stable, called_less_stable : Estimate
        As the methods of :class:`ConfusionMatrix`.
    rates, rates_low, rates_high : (3, 3) array
        Shares of each reference class with the bounds of their intervals.
    """

    matrix: ConfusionMatrix
    failures_as_wrong: bool
    accuracy: Estimate
    kappa: Estimate
    called_more_stable: Estimate
    called_less_stable: Estimate
    rates: FloatArray
    rates_low: FloatArray
    rates_high: FloatArray


def _interval(samples: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Percentiles along the first axis of the samples that are defined."""
    defined = ~np.isnan(samples).all(axis=0)
    tails = [0.5 - 0.5 * level, 0.5 + 0.5 * level]
    bounds = np.nanquantile(np.where(defined, samples, 0.0), tails, axis=0)
    low, high = np.where(defined, bounds, np.nan)
    return low, high


def _share(
    value: FloatArray, n: FloatArray, samples: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """Interval of a share; exact (Clopper–Pearson) where it is 0 or 1, which resampling never leaves."""
    low, high = _interval(samples, level)
    tail = 0.5 - 0.5 * level
    with np.errstate(invalid="ignore"):
        low = np.where(value == 1.0, beta.ppf(tail, np.maximum(n, 1), 1), low)
        high = np.where(value == 0.0, beta.ppf(1.0 - tail, 1, np.maximum(n, 1)), high)
    undefined = np.isnan(value)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def resampled(
    matrix: ConfusionMatrix, rng: np.random.Generator, n_samples: int, *, failures_as_wrong: bool = False
) -> FloatArray:
    """Bootstrap over materials: `n_samples` tables ``(n_samples, 3, 4)`` of counts, failures last.

    Resampling materials with replacement changes nothing but the twelve counts, which then are multinomial
    with the observed shares. So the counts are drawn from that: the same bootstrap, and it works for
    published matrices too.
    """
    seen = matrix._seen(failures_as_wrong)
    total = int(seen.sum())
    if not total:
        return np.zeros((n_samples, *seen.shape))
    drawn = rng.multinomial(total, seen.ravel() / total, size=n_samples)
    return drawn.reshape(n_samples, *seen.shape).astype(np.float64)


def with_intervals(
    matrix: ConfusionMatrix,
    seed: int,
    *,
    failures_as_wrong: bool = False,
    n_samples: int = 2000,
    level: float = 0.95,
) -> ConfusionEstimate:
    """Figures of merit with bootstrap intervals over materials, see :func:`resampled`.

    Parameters
    ----------
    matrix : ConfusionMatrix
        From :func:`confusion_matrix` or published.
    seed : int
        Seed of the resampling.
    failures_as_wrong : bool
        Whether failures count as wrong, or are left out.
    n_samples : int
        Bootstrap samples.
    level : float
        Nominal coverage of the intervals.
    """
    seen = matrix._seen(failures_as_wrong)
    samples = resampled(matrix, np.random.default_rng(seed), n_samples, failures_as_wrong=failures_as_wrong)

    def share(value: FloatArray, n: FloatArray, sampled: FloatArray) -> Estimate:
        low, high = _share(value, n, sampled, level)
        return Estimate(float(value), float(low), float(high))

    by_row = seen.sum(axis=-1)
    kappa_low, kappa_high = _interval(kappas(samples), level)
    kappa = float(kappas(seen))
    defined = not np.isnan(kappa)
    rates = _rates(seen)[:, :_N]
    rates_low, rates_high = _share(rates, by_row[:, None], _rates(samples)[..., :_N], level)
    return ConfusionEstimate(
        matrix=matrix,
        failures_as_wrong=failures_as_wrong,
        accuracy=share(_accuracy(seen), by_row.sum(), _accuracy(samples)),
        kappa=Estimate(kappa, *((float(kappa_low), float(kappa_high)) if defined else (np.nan, np.nan))),
        called_more_stable=share(_called_more_stable(seen), by_row[1:].sum(), _called_more_stable(samples)),
        called_less_stable=share(_called_less_stable(seen), by_row[:2].sum(), _called_less_stable(samples)),
        rates=rates,
        rates_low=rates_low,
        rates_high=rates_high,
    )
