"""Scores of a potential against labels: classes, ranks, differences and probabilities, with intervals.

Failures are counted both ways: left out, and as wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from softmode.anharmonic.classes import CLASSES, class_indices, confusion_matrix
from softmode.crystal.arrays import FloatArray, IntArray
from softmode.statistics.bootstrap import (
    UNDEFINED,
    Estimate,
    bootstrap_over,
    drawn_rows,
    times_drawn,
    with_bounds,
)
from softmode.statistics.calibration import (
    LOG_LOSS_FLOOR,
    N_BINS,
    WORST_BRIER,
    BrierDecomposition,
    ReliabilityBin,
    brier_decomposition,
    brier_terms,
    calibration_error,
    checked_forecasts,
    log_loss_terms,
    reliability_bins,
)
from softmode.statistics.confusion import ConfusionEstimate, with_intervals
from softmode.statistics.rank_correlation import kendall_of_resamples, spearman


@dataclass(frozen=True, eq=False)
class Agreement:
    """Agreement with the labels under one treatment of failures.

    Attributes
    ----------
    failures_as_wrong : bool
        Whether failures count as wrong, or are left out. As wrong: a class that is never right; a rank after
        all others (tied); probabilities that were certain of a wrong class.
    n : int
        Materials this is over.
    confusion : ConfusionEstimate
        Accuracy, kappa, shares called more and less stable.
    spearman, kendall : Estimate
        Rank correlations (Kendall's tau-b) of the scores.
    brier, log_loss : Estimate
        Means over the materials that have probabilities, and over failures where these count.
    """

    failures_as_wrong: bool
    n: int
    confusion: ConfusionEstimate
    spearman: Estimate
    kendall: Estimate
    brier: Estimate
    log_loss: Estimate


@dataclass(frozen=True, eq=False)
class LabelScore:
    """How good predicted scores and class probabilities are.

    Attributes
    ----------
    n_labels, n_failed, n_with_probabilities : int
        Materials with a label; of these those without a predicted score, and those with probabilities.
    successes, failures_wrong : Agreement
        With failures left out, and counted as wrong.
    mean_absolute_difference, median_difference : Estimate
        Predicted minus label, over successes.
    decomposition : BrierDecomposition
        Parts of the Brier score, over successes with probabilities.
    confidence : tuple of ReliabilityBin
        Probability of the likeliest class against how often it is right.
    by_class : mapping of str to tuple of ReliabilityBin
        Probability of each class against how often the label is of it.
    calibration_error : float
        Of `confidence`.
    log_loss_floor : float
        Probabilities below were raised to it for the log loss.
    level : float
        Nominal coverage of all intervals; over materials.
    """

    n_labels: int
    n_failed: int
    n_with_probabilities: int
    successes: Agreement
    failures_wrong: Agreement
    mean_absolute_difference: Estimate
    median_difference: Estimate
    decomposition: BrierDecomposition
    confidence: tuple[ReliabilityBin, ...]
    by_class: Mapping[str, tuple[ReliabilityBin, ...]]
    calibration_error: float
    log_loss_floor: float
    level: float


def score_against_labels(
    label_sigma: ArrayLike,
    model_sigma: ArrayLike,
    probabilities: ArrayLike | None = None,
    *,
    seed: int,
    failed: ArrayLike | None = None,
    n_bins: int = N_BINS,
    n_samples: int = 2000,
    level: float = 0.95,
    log_loss_floor: float = LOG_LOSS_FLOOR,
) -> LabelScore:
    """Score predictions against labels.

    Parameters
    ----------
    label_sigma, model_sigma : (n,) array
        Scores of the same materials; a predicted one that is not finite is a failure.
    probabilities : (n, 3) array, optional
        Class probabilities, in the order of `softmode.anharmonic.classes.CLASSES`; a row that is not finite
        has none.
    seed : int
        Seed of the bootstrap over materials.
    failed : (n,) array of bool, optional
        Further failures.
    n_bins : int
        Bins of the reliability diagram.
    n_samples : int
        Bootstrap samples.
    level : float
        Nominal coverage of the intervals.
    log_loss_floor : float
        See `softmode.statistics.calibration.log_loss_terms`.

    Raises
    ------
    ValueError
        If lengths differ, a label is not finite, or probabilities are none.
    """
    label, model = np.asarray(label_sigma, dtype=np.float64), np.asarray(model_sigma, dtype=np.float64)
    lost = ~np.isfinite(model) if failed is None else ~np.isfinite(model) | np.asarray(failed, dtype=bool)
    matrix = confusion_matrix(label, model, lost)
    rows = np.full((len(label), len(CLASSES)), np.nan) if probabilities is None else probabilities
    given = np.asarray(rows, dtype=np.float64)
    if given.shape != (len(label), len(CLASSES)):
        raise ValueError(f"probabilities of shape {given.shape}, not {(len(label), len(CLASSES))}")
    forecast = np.isfinite(given).all(axis=1) & ~lost
    p, outcome = checked_forecasts(given[forecast], class_indices(label[forecast]))
    brier, loss = np.full(len(label), np.nan), np.full(len(label), np.nan)
    brier[forecast], loss[forecast] = brier_terms(p, outcome), log_loss_terms(p, outcome, log_loss_floor)

    worst_loss = float(log_loss_terms([[1.0, 0.0, 0.0]], [1], log_loss_floor)[0])

    def agreement(as_wrong: bool) -> Agreement:
        table = np.column_stack([label, np.where(lost, np.inf, model), brier, loss])
        if as_wrong and forecast.any():
            table[lost, 2:] = WORST_BRIER, worst_loss
        estimates = _rank_and_mean_estimates(table if as_wrong else table[~lost], seed, n_samples, level)
        return Agreement(
            as_wrong,
            len(label) if as_wrong else int((~lost).sum()),
            with_intervals(matrix, seed, failures_as_wrong=as_wrong, n_samples=n_samples, level=level),
            *estimates,
        )

    absolute, median = _difference_estimates((model - label)[~lost], seed, n_samples, level)
    called = p.argmax(axis=1) if len(p) else np.zeros(0, dtype=np.int64)
    confidence = reliability_bins(p.max(axis=1, initial=0.0), called == outcome, n_bins, level)
    return LabelScore(
        n_labels=len(label),
        n_failed=int(lost.sum()),
        n_with_probabilities=int(forecast.sum()),
        successes=agreement(False),
        failures_wrong=agreement(True),
        mean_absolute_difference=absolute,
        median_difference=median,
        decomposition=brier_decomposition(p, outcome, n_bins),
        confidence=confidence,
        by_class=MappingProxyType(
            {name: reliability_bins(p[:, k], outcome == k, n_bins, level) for k, name in enumerate(CLASSES)}
        ),
        calibration_error=calibration_error(confidence),
        log_loss_floor=log_loss_floor,
        level=level,
    )


def _rank_and_mean_estimates(
    table: FloatArray, seed: int, n_samples: int, level: float
) -> tuple[Estimate, ...]:
    """Spearman, Kendall of the first two columns, means of the others without what is NaN."""
    if len(table) == 0:
        return (UNDEFINED,) * int(table.shape[1])
    x, y = np.ascontiguousarray(table[:, 0]), np.ascontiguousarray(table[:, 1])
    values, known = np.nan_to_num(table[:, 2:]), np.isfinite(table[:, 2:]).astype(np.float64)

    def means(times: FloatArray) -> FloatArray:
        counted = times @ known
        quotient: FloatArray = np.divide(
            times @ values, counted, out=np.full(counted.shape, np.nan), where=counted > 0
        )
        return quotient

    once = np.ones((1, len(table)))
    figures = np.concatenate([_ranks(x, y, np.arange(len(table))[None]), means(once)], axis=1)[0]
    if len(table) < 2:
        return tuple(Estimate(float(value)) for value in figures)
    drawn = drawn_rows(len(table), seed, n_samples)
    samples = np.concatenate(
        [_kept_ranks(x.tobytes(), y.tobytes(), seed, n_samples), means(times_drawn(drawn))], axis=1
    )
    return with_bounds(map(float, figures), samples, level)


def _ranks(x: FloatArray, y: FloatArray, drawn: IntArray) -> FloatArray:
    """Spearman's and Kendall's coefficients of what each sample holds, ``(n_samples, 2)``."""
    return np.column_stack([spearman(x[drawn], y[drawn]), kendall_of_resamples(x, y)(times_drawn(drawn))])


@lru_cache(maxsize=32)
def _kept_ranks(x: bytes, y: bytes, seed: int, n_samples: int) -> FloatArray:
    """Of bootstrap samples; the same scores are set beside labels with several sets of probabilities."""
    one, other = (np.frombuffer(side, dtype=np.float64) for side in (x, y))
    return _ranks(one, other, drawn_rows(len(one), seed, n_samples))


def _difference_estimates(
    differences: FloatArray, seed: int, n_samples: int, level: float
) -> tuple[Estimate, ...]:
    if len(differences) == 0:
        return UNDEFINED, UNDEFINED

    def statistic(rows: FloatArray) -> FloatArray:
        values = rows[..., 0]
        return np.stack([np.abs(values).mean(axis=-1), np.median(values, axis=-1)], axis=-1)

    return bootstrap_over(differences, statistic, seed, n_samples=n_samples, level=level)
