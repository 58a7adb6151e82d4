"""Paired errors of two potentials: by hand, and scipy's tests of the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest, quantile_test

from softmode.statistics.paired import compare_paired, median_by_order, sign_test


def test_medians_counts_and_significance_are_those_of_the_pairs() -> None:
    first = [1.0, 2.0, 4.0, 3.0, 10.0, 5.0, 0.0, np.nan, np.inf]
    second = [0.5, 1.0, 1.0, 3.0, 11.0, 1.0, 0.0, 2.0, np.inf]
    found = compare_paired(first, second)
    assert (found.n, found.better, found.worse) == (7, 4, 1)
    # differences -0.5 -1 -3 0 1 -4 0, ratios 0.5 0.5 0.25 1 1.1 0.2 1
    assert found.difference.value == -0.5
    assert found.ratio.value == 0.5
    assert found.p_value == pytest.approx(2 * (1 + 5) / 2**5)


def test_a_failure_is_larger_than_any_error() -> None:
    found = compare_paired([1.0, 1.0, 1.0, np.inf], [np.inf, np.inf, 2.0, 3.0])
    assert (found.n, found.better, found.worse) == (4, 1, 3)
    assert found.ratio.value == np.inf


@pytest.mark.parametrize("n", [5, 6, 15, 143])
def test_the_interval_of_the_median_is_the_one_of_order_statistics(n: int) -> None:
    values = np.random.default_rng(n).lognormal(size=n)
    interval = quantile_test(values, q=0.0, p=0.5).confidence_interval(0.95)
    found = median_by_order(values)
    assert found.value == np.median(values)
    np.testing.assert_array_equal([found.low, found.high], [interval.low, interval.high])


def test_interval_and_test_agree() -> None:
    """No difference is outside the interval where the sign test says so, and nowhere else."""
    rng = np.random.default_rng(3)
    verdicts = set()
    for shift in np.linspace(0.0, 1.0, 40):
        differences = rng.normal(shift, 1.0, 25)
        bounds = median_by_order(differences)
        outside = not bounds.low <= 0.0 <= bounds.high
        assert outside == (binomtest(int((differences > 0).sum()), 25).pvalue < 0.05)
        verdicts.add(outside)
    assert verdicts == {True, False}


def test_what_is_no_pair_of_errors_is_refused() -> None:
    with pytest.raises(ValueError, match="same materials"):
        compare_paired([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="negative"):
        compare_paired([1.0, -1.0], [1.0, 2.0])
    nothing = compare_paired([], [])
    assert nothing.n == 0
    assert np.isnan(nothing.difference.value)
    assert np.isnan(nothing.p_value)


def test_the_sign_test_and_the_ranks_of_bounds_are_scipys() -> None:
    for n in (*range(1, 40), 143, 1000):
        values = np.arange(float(n))
        rank = int(binom.ppf(0.025, n, 0.5))
        assert median_by_order(values).low == (
            values[rank - 1] if rank else pytest.approx(np.nan, nan_ok=True)
        )
        for k in {0, n // 3, n // 2, n}:
            assert sign_test(k, n - k) == pytest.approx(binomtest(k, n).pvalue, rel=1e-9)
    assert np.isnan(sign_test(0, 0))
