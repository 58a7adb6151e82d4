"""Confusion matrices between reference and model classes, with intervals over materials (paper Fig. 3 and 4).

Rows are the classes of the reference, columns those of the model, both from the most to the least stable. A
material on which the model failed has a reference class and no model class; figures are given over the others
and, ``failures_as_wrong``, over all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from softmode.crystal.arrays import FloatArray, IntArray
from softmode.statistics.bootstrap import Estimate, percentile_interval

#: Counts of materials, drawn ones as floats.
Table = IntArray | FloatArray
#: Figures of merit, methods of :class:`ConfusionMatrix` and attributes of :class:`ConfusionEstimate`.
FIGURES = ("accuracy", "kappa", "called_more_stable", "called_less_stable")


@dataclass(frozen=True, eq=False)
class ConfusionMatrix:
    """Counts of materials by reference class (rows) and model class (columns).

    Attributes
    ----------
    counts : (n_classes, n_classes) array of int
        Materials on which the model gave a result.
    failed : (n_classes,) array of int
        Materials on which the model failed, by reference class; none when not given.
    """

    counts: IntArray
    failed: IntArray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        counts = np.asarray(self.counts)
        failed = np.zeros(len(counts), np.int64) if self.failed is None else np.asarray(self.failed)
        if counts.shape != (len(counts), len(counts)) or failed.shape != (len(counts),):
            raise ValueError(
                f"counts of shape {counts.shape} with failures of shape {failed.shape}, not n × n and n"
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
        return np.array_equal(self.table(True), other.table(True))

    def __hash__(self) -> int:
        return hash(self.table(True).tobytes())

    def table(self, failures_as_wrong: bool = False) -> IntArray:
        """Counts with failures as a last column, which is empty unless they count, ``(n, n + 1)``."""
        return np.column_stack(
            [self.counts, self.failed if failures_as_wrong else np.zeros_like(self.failed)]
        )

    @property
    def n_materials(self) -> int:
        """Number of materials, failures included."""
        return int(self.table(True).sum())

    @property
    def n_failed(self) -> int:
        """Number of materials on which the model failed."""
        return int(self.failed.sum())

    def rates(self, failures_as_wrong: bool = False) -> FloatArray:
        """Share of each reference class that the model puts into each class, ``(n, n)``.

        Rows add up to 1, or with failures counted as wrong to 1 less the share of failures; NaN where the
        reference has no material of the class.
        """
        return _rates(self.table(failures_as_wrong))[:, :-1]

    def accuracy(self, failures_as_wrong: bool = False) -> float:
        """Share of the materials whose class is right."""
        return float(_accuracy(self.table(failures_as_wrong)))

    def kappa(self, failures_as_wrong: bool = False) -> float:
        """Agreement beyond chance (J. Cohen, Educ. Psychol. Meas. 20, 37 (1960)); 1 is perfect, 0 is chance.

        NaN where both sides know one class only. Failures are a fourth answer that is never right.
        """
        return float(kappas(self.table(failures_as_wrong)))

    def called_more_stable(self, failures_as_wrong: bool = False) -> float:
        """Share of the strong and unstable materials that the model calls more stable (paper §3.3: 38 %)."""
        return float(_called_more_stable(self.table(failures_as_wrong)))

    def called_less_stable(self, failures_as_wrong: bool = False) -> float:
        """Share of the weak and strong materials that the model calls less stable (paper §3.3: 6 %)."""
        return float(_called_less_stable(self.table(failures_as_wrong)))

    def __add__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        return ConfusionMatrix(self.counts + other.counts, self.failed + other.failed)


# The figures of merit, vectorised over leading axes. A table is (..., n, n + 1), failures last.


def _ratio(part: Table, whole: Table) -> FloatArray:
    part, whole = np.broadcast_arrays(part, whole)
    quotient: FloatArray = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return quotient


def _rates(table: Table) -> FloatArray:
    return _ratio(table, table.sum(axis=-1, keepdims=True))


def _right(table: Table) -> FloatArray:
    total: FloatArray = np.trace(table[..., :-1], axis1=-2, axis2=-1)
    return total


def _total(table: Table) -> FloatArray:
    total: FloatArray = table.sum(axis=(-2, -1))
    return total


def _accuracy(table: Table) -> FloatArray:
    return _ratio(_right(table), _total(table))


def kappas(table: Table) -> FloatArray:
    """Cohen's κ of many tables of counts ``(..., n, n + 1)``, failures last; NaN where it is not defined."""
    # (p_observed - p_chance) / (1 - p_chance), times the squared total: whole numbers until divided.
    total = _total(table)
    chance = np.sum(table.sum(axis=-1) * table.sum(axis=-2)[..., :-1], axis=-1)
    return _ratio(_right(table) * total - chance, total**2 - chance)


def _called_more_stable(table: Table) -> FloatArray:
    wrong = _total(np.tril(table[..., :-1], -1)) + table[..., 1:, -1].sum(axis=-1)
    return _ratio(wrong, _total(table[..., 1:, :]))


def _called_less_stable(table: Table) -> FloatArray:
    wrong = _total(np.triu(table[..., :-1], 1)) + table[..., :-1, -1].sum(axis=-1)
    return _ratio(wrong, _total(table[..., :-1, :]))


def figures_of(table: Table) -> dict[str, FloatArray]:
    """Figures of merit of many tables of counts ``(..., n, n + 1)``, failures last, by :data:`FIGURES`."""
    return {
        "accuracy": _accuracy(table),
        "kappa": kappas(table),
        "called_more_stable": _called_more_stable(table),
        "called_less_stable": _called_less_stable(table),
    }


def count_answers(
    reference: ArrayLike, answers: ArrayLike, failed: ArrayLike, n_classes: int
) -> ConfusionMatrix:
    """Confusion matrix from the class of each material.

    Parameters
    ----------
    reference, answers : (n_materials,) array of int
        Classes, from 0; answers of failures are not looked at.
    failed : (n_materials,) array of bool
        Materials on which the model failed.
    n_classes : int
        How many there are.
    """
    column = np.where(failed, n_classes, answers)
    cells = np.asarray(reference) * (n_classes + 1) + column
    table = np.bincount(cells, minlength=n_classes * (n_classes + 1)).reshape(n_classes, n_classes + 1)
    return ConfusionMatrix(table[:, :n_classes], table[:, n_classes])


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
    rates, rates_low, rates_high : (n_classes, n_classes) array
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


def _share(
    value: FloatArray, n: FloatArray, samples: FloatArray, level: float
) -> tuple[FloatArray, FloatArray]:
    """Interval of a share; exact (Clopper–Pearson) where it is 0 or 1, which resampling never leaves."""
    low, high = percentile_interval(samples, level)
    tail = 0.5 - 0.5 * level
    with np.errstate(invalid="ignore"):
        low = np.where(value == 1.0, tail ** (1.0 / np.maximum(n, 1)), low)
        high = np.where(value == 0.0, 1.0 - tail ** (1.0 / np.maximum(n, 1)), high)
    undefined = np.isnan(value)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def resampled_counts(table: IntArray, rng: np.random.Generator, n_samples: int = 2000) -> FloatArray:
    """Bootstrap over materials: `n_samples` tables of counts of the shape of `table`, failures last.

    Resampling materials with replacement changes nothing but the counts, which then are multinomial with the
    observed shares. So the counts are drawn from that: the same bootstrap, also of published matrices.
    """
    total = int(table.sum())
    if not total:
        return np.zeros((n_samples, *table.shape))
    drawn = rng.multinomial(total, table.ravel() / total, size=n_samples)
    return drawn.reshape(n_samples, *table.shape).astype(np.float64)


def with_intervals(
    matrix: ConfusionMatrix,
    seed: int,
    *,
    failures_as_wrong: bool = False,
    n_samples: int = 2000,
    level: float = 0.95,
) -> ConfusionEstimate:
    """Figures of merit with bootstrap intervals over materials, see :func:`resampled_counts`.

    Parameters
    ----------
    matrix : ConfusionMatrix
        Counted, see :func:`count_answers`, or published.
    seed : int
        Seed of the resampling.
    failures_as_wrong : bool
        Whether failures count as wrong, or are left out.
    n_samples : int
        Bootstrap samples.
    level : float
        Nominal coverage of the intervals.
    """
    table = matrix.table(failures_as_wrong)
    samples = resampled_counts(table, np.random.default_rng(seed), n_samples)

    def share(value: FloatArray, n: FloatArray, sampled: FloatArray) -> Estimate:
        low, high = _share(value, n, sampled, level)
        return Estimate(float(value), float(low), float(high))

    by_row = table.sum(axis=-1)
    kappa = float(kappas(table))
    kappa_bounds = () if np.isnan(kappa) else map(float, percentile_interval(kappas(samples), level))
    rates = _rates(table)[:, :-1]
    rates_low, rates_high = _share(rates, by_row[:, None], _rates(samples)[..., :-1], level)
    return ConfusionEstimate(
        matrix=matrix,
        failures_as_wrong=failures_as_wrong,
        accuracy=share(_accuracy(table), by_row.sum(), _accuracy(samples)),
        kappa=Estimate(kappa, *kappa_bounds),
        called_more_stable=share(_called_more_stable(table), by_row[1:].sum(), _called_more_stable(samples)),
        called_less_stable=share(_called_less_stable(table), by_row[:-1].sum(), _called_less_stable(samples)),
        rates=rates,
        rates_low=rates_low,
        rates_high=rates_high,
    )


def of_the_whole(
    strata: Sequence[tuple[ConfusionMatrix, int]],
    seed: int,
    *,
    failures_as_wrong: bool = False,
    n_samples: int = 2000,
    level: float = 0.95,
) -> dict[str, Estimate]:
    """Figures of merit of a whole whose strata were drawn from at different rates.

    Each material stands for as many as its stratum holds for each one drawn. Intervals are those of the
    shares within strata given what was drawn, all answers being as likely before (W. Perks, J. Inst.
    Actuaries 73, 285 (1947)): resampling would take a stratum whose few materials agree for certain.

    Parameters
    ----------
    strata : sequence of (ConfusionMatrix, int)
        Materials drawn from a stratum, of one reference class, and how many it holds; one from which none was
        drawn is left out.
    seed : int
        Seed of the samples.
    failures_as_wrong : bool
        Whether failures count as wrong, or are left out.
    n_samples : int
        Samples of the shares.
    level : float
        Nominal coverage of the intervals; over materials, as if the strata were large.

    Returns
    -------
    dict of str to Estimate
        By the names of :data:`FIGURES`.
    """
    rng = np.random.default_rng(seed)
    known = [(matrix.table(failures_as_wrong), size) for matrix, size in strata]
    known = [(table, size) for table, size in known if table.any()]
    if not known:
        return dict.fromkeys(FIGURES, Estimate(np.nan))
    whole = np.sum([table * (size / table.sum()) for table, size in known], axis=0)
    possible = np.ones(whole.shape[1], bool)
    possible[-1] = any(table[:, -1].any() for table, _ in known)
    samples = np.zeros((n_samples, *whole.shape))
    for table, size in known:
        cells = table.any(axis=1, keepdims=True) & possible
        samples[:, cells] += size * rng.dirichlet(table[cells] + 1.0 / cells.sum(), n_samples)
    found = {}
    for (name, value), drawn in zip(figures_of(whole).items(), figures_of(samples).values(), strict=True):
        bounds = map(float, percentile_interval(drawn, level))
        low, high = bounds if np.isfinite(value) else (np.nan, np.nan)
        found[name] = Estimate(float(value), min(low, float(value)), max(high, float(value)))
    return found
