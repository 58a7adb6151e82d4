"""Is one confusion matrix the other? Effect sizes with intervals, and tests, of measured and published ones.

Of two matrices (rows: reference class, columns: model class) four questions are asked apart:

===========  ==========================================================  =====================
question     compared                                                    degrees of freedom
===========  ==========================================================  =====================
whole        the nine cells                                              8
reference    the sums of rows: is it the same mix of materials?          2
errors       the cells of each row, whatever the mix: does the model     6
             err alike? The three rows together
rows         the same for one reference class                            2
===========  ==========================================================  =====================

Cells that are empty on both sides take away a degree of freedom; a row that is empty on one side cannot be
compared and takes away all of its own.

**Independence.** The tests, and the intervals of differences, are those of two independent samples of
materials. A run on the published compounds is no second sample: scatter between materials, which both share,
cancels in their difference. Then the tests are conservative (their p is too large, the intervals too wide),
and any change of counts is a fact about the two calculations; :attr:`MatrixComparison.fewest_moved` says of
how many materials at least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc

from softmode.crystal.arrays import FloatArray, IntArray
from softmode.statistics.bootstrap import percentile_interval
from softmode.statistics.confusion import ConfusionMatrix, kappas, resampled_counts
from softmode.statistics.shares import Difference, share_difference

#: Below this expected count in any cell the distribution of chi-square is not trusted (W. G. Cochran,
#: Biometrics 10, 417 (1954)) and tables are drawn instead.
SMALLEST_EXPECTED = 5.0
CHI_SQUARE, MONTE_CARLO, NOTHING = "chi-square", "Monte Carlo", "no data"
_ROUNDING = 1e-9  # relative: the same table drawn again counts as equally far


@dataclass(frozen=True)
class Homogeneity:
    """Whether two sets of counts come from the same shares.

    Attributes
    ----------
    n : (int, int)
        Materials of either side that are compared.
    distance : float
        Share of the materials that would have to be in another cell for the shares to be equal (total
        variation, ``½ Σ |p - q|``; 0 to 1). NaN where nothing is compared, and so are all below.
    distance_by_chance : float
        What the distance is on average if the shares are the same: it is never zero.
    statistic : float
        Pearson's chi-square.
    degrees_of_freedom : int
        Cells that are not empty less one, summed over rows.
    p_value : float
        Probability of a statistic at least as large if the shares are the same.
    method : str
        ``chi-square``: its asymptotic distribution. ``Monte Carlo``: share of drawn tables with the same
        margins, the observed one included, where an expected count is below five.
    smallest_expected : float
        Smallest expected count.
    """

    n: tuple[int, int]
    distance: float
    distance_by_chance: float
    statistic: float
    degrees_of_freedom: int
    p_value: float
    method: str
    smallest_expected: float


@dataclass(frozen=True, eq=False)
class MatrixComparison:
    """Two confusion matrices compared; see the module for what is asked.

    Attributes
    ----------
    accuracy, kappa, called_more_stable, called_less_stable : Difference
        Effect sizes, first minus second.
    whole, reference, errors : Homogeneity
        Of all cells, of the mix of materials, of the cells given the reference class.
    rows : tuple of Homogeneity
        Of each reference class.
    row_shares : tuple of Difference
        Share of each reference class that is classified right.
    fewest_moved : int
        Materials that at least are in another cell, if both sides are of the same ones (of the smaller side,
        if one holds more).
    """

    accuracy: Difference
    kappa: Difference
    called_more_stable: Difference
    called_less_stable: Difference
    whole: Homogeneity
    reference: Homogeneity
    errors: Homogeneity
    rows: tuple[Homogeneity, ...]
    row_shares: tuple[Difference, ...]
    fewest_moved: int


def homogeneity(first: ArrayLike, second: ArrayLike, seed: int, *, n_samples: int = 9999) -> Homogeneity:
    """Test whether two sets of counts come from the same shares, row by row of what is given.

    Rows are strata: their sums may differ as they like, what is tested are the shares within rows. A single
    row is the ordinary test of homogeneity of two samples.

    Parameters
    ----------
    first, second : (n_rows, n_columns) or (n_columns,) array of int
        Counts of materials.
    seed : int
        Of the tables drawn.
    n_samples : int
        Tables drawn with the margins of each row fixed. With the observed table counted in, a test of level
        0.05 rejects a true hypothesis in at most 5 % of cases whatever their number (B. Phipson &
        G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 9, 39 (2010)).

    Raises
    ------
    ValueError
        If shapes differ or counts are not whole numbers from 0 on.
    """
    a, b = _checked(first), _checked(second)
    if a.shape != b.shape:
        raise ValueError(f"counts of shapes {a.shape} and {b.shape} are not of the same cells")
    compared = (a.sum(axis=1) > 0) & (b.sum(axis=1) > 0)
    a, b = a[compared], b[compared]
    n = (int(a.sum()), int(b.sum()))
    if not len(a):
        nan = np.nan
        return Homogeneity(n, nan, nan, nan, 0, nan, NOTHING, nan)
    freedom = int(((a + b) > 0).sum() - len(a))
    statistic, distance = (float(value[0]) for value in _statistics(a[None], a + b))
    expected = _expected(a + b, a.sum(axis=1))
    smallest = float(min(part[(a + b) > 0].min() for part in (expected, (a + b) - expected)))
    drawn, distances = _statistics(_drawn(a + b, a.sum(axis=1), seed, n_samples), a + b)
    if smallest >= SMALLEST_EXPECTED:
        method, p_value = CHI_SQUARE, float(chdtrc(freedom, statistic)) if freedom else 1.0
    else:
        as_far = int((drawn >= statistic * (1.0 - _ROUNDING)).sum())
        method, p_value = MONTE_CARLO, (1 + as_far) / (1 + n_samples)
    return Homogeneity(
        n=n,
        distance=distance,
        distance_by_chance=float(distances.mean()),
        statistic=statistic,
        degrees_of_freedom=freedom,
        p_value=p_value,
        method=method,
        smallest_expected=smallest,
    )


def _checked(counts: ArrayLike) -> IntArray:
    values = np.atleast_2d(np.asarray(counts))
    if values.ndim != 2 or (values < 0).any() or (values % 1 != 0).any():
        raise ValueError("counts of materials are whole numbers, not below zero, in rows")
    return values.astype(np.int64)


def _expected(pooled: IntArray, n_first: IntArray) -> FloatArray:
    """Expected counts of the first side, margins fixed."""
    shares: FloatArray = pooled / pooled.sum(axis=1, keepdims=True)
    return shares * n_first[:, None]


def _drawn(pooled: IntArray, n_first: IntArray, seed: int, n_samples: int) -> IntArray:
    """Tables of the first side, ``(n_samples, n_rows, n_columns)``: materials dealt out anew in each row."""
    rng = np.random.default_rng(seed)
    rows = [
        rng.multivariate_hypergeometric(row, n, size=n_samples, method="marginals")
        for row, n in zip(pooled, n_first, strict=True)
    ]
    return np.stack(rows, axis=1)


def _statistics(first: IntArray, pooled: IntArray) -> tuple[FloatArray, FloatArray]:
    """Chi-square and total variation of many first sides ``(n, n_rows, n_columns)`` with the same margins."""
    n_first = first[0].sum(axis=1)
    n_second = pooled.sum(axis=1) - n_first
    expected = _expected(pooled, n_first)
    squares = (first - expected) ** 2
    # both sides of a cell are off by the same; 1/E1 + 1/E2 = pooled / (E1 E2)
    weight = np.divide(
        pooled, expected * (pooled - expected), out=np.zeros(expected.shape), where=expected > 0
    )
    shares = first / n_first[:, None] - (pooled - first) / n_second[:, None]
    of_row = pooled.sum(axis=1) / pooled.sum()
    distance: FloatArray = 0.5 * (np.abs(shares).sum(axis=2) @ of_row)
    statistic: FloatArray = (squares * weight).sum(axis=(1, 2))
    return statistic, distance


def holm(p_values: ArrayLike) -> FloatArray:
    """P-values corrected for their number (S. Holm, Scand. J. Stat. 6, 65 (1979)); NaN are left out of it.

    Parameters
    ----------
    p_values : (n,) array
        Of as many tests, of whatever dependence.

    Returns
    -------
    (n,) array
        Reject where this is below the level: the chance of any false rejection stays below it.
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known])]
    times = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * times), 1.0)
    return adjusted


def compare_matrices(
    first: ConfusionMatrix,
    second: ConfusionMatrix,
    seed: int,
    *,
    failures_as_wrong: bool = False,
    n_samples: int = 9999,
    level: float = 0.95,
) -> MatrixComparison:
    """Compare two confusion matrices: effect sizes with intervals, and tests.

    Parameters
    ----------
    first, second : ConfusionMatrix
        Measured and published.
    seed : int
        Of tables drawn and of the bootstrap of κ.
    failures_as_wrong : bool
        Whether failures are a fourth answer, always wrong, or are left out.
    n_samples : int
        Tables drawn for each test.
    level : float
        Nominal coverage of intervals; of shares Newcombe's, of κ the percentile bootstrap over materials.
    """
    a, b = first.table(failures_as_wrong), second.table(failures_as_wrong)

    def test(one: IntArray, other: IntArray) -> Homogeneity:
        return homogeneity(one, other, seed, n_samples=n_samples)

    def share(rows: Sequence[int], counted: Sequence[tuple[int, int]]) -> Difference:
        sides = [
            (int(sum(table[cell] for cell in counted)), int(table[list(rows)].sum())) for table in (a, b)
        ]
        return share_difference(sides[0], sides[1], level)

    failed = [(row, 3) for row in range(3)]
    return MatrixComparison(
        accuracy=share((0, 1, 2), ((0, 0), (1, 1), (2, 2))),
        kappa=_kappa_difference(first, second, seed, failures_as_wrong, level),
        called_more_stable=share((1, 2), ((1, 0), (2, 0), (2, 1), *failed[1:])),
        called_less_stable=share((0, 1), ((0, 1), (0, 2), (1, 2), *failed[:2])),
        whole=test(a.reshape(1, -1), b.reshape(1, -1)),
        reference=test(a.sum(axis=1), b.sum(axis=1)),
        errors=test(a, b),
        rows=tuple(test(a[row], b[row]) for row in range(3)),
        row_shares=tuple(share((row,), ((row, row),)) for row in range(3)),
        fewest_moved=int(min(a.sum(), b.sum()) - np.minimum(a, b).sum()),
    )


def _kappa_difference(
    first: ConfusionMatrix, second: ConfusionMatrix, seed: int, failures_as_wrong: bool, level: float
) -> Difference:
    sides = [matrix.table(failures_as_wrong) for matrix in (first, second)]
    one, other = (float(kappas(table)) for table in sides)
    low = high = np.nan
    # a side in complete agreement is the same in every sample: its own uncertainty would be missing
    if not np.isnan([one, other]).any() and max(one, other) < 1.0:
        rng = np.random.default_rng(seed)
        drawn = [kappas(resampled_counts(table, rng)) for table in sides]
        low, high = map(float, percentile_interval(drawn[0] - drawn[1], level))
    return Difference(one, other, one - other, low, high, (int(sides[0].sum()), int(sides[1].sum())))
