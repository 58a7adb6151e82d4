"""The bootstrap: against formulas, SciPy and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from softmode.statistics.bootstrap import (
    block_starts,
    bootstrap_means,
    bootstrap_median,
    bootstrap_medians,
    bootstrap_over,
    drawn_blocks,
    drawn_rows,
    medians_of_samples,
    percentile_interval,
    sampled_counts,
    sampled_means,
    sampled_medians,
    times_drawn,
    whole_blocks,
)

NUMBER = st.one_of(st.floats(-1e6, 1e6), st.just(np.inf))


def white(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n)


def test_percentiles_leave_out_what_is_not_defined_and_bear_infinities() -> None:
    samples = np.column_stack([np.arange(101.0), np.full(101, np.nan), np.arange(101.0), np.arange(101.0)])
    samples[:5, 0] = np.nan  # 5 to 100 are left
    samples[80:, 2] = np.inf
    samples[:9, 3], samples[99:, 3] = -np.inf, np.inf
    low, high = percentile_interval(samples, level=0.8)
    np.testing.assert_allclose(low, [5 + 0.1 * 95, np.nan, 10.0, 10.0])
    np.testing.assert_allclose(high, [5 + 0.9 * 95, np.nan, np.inf, 90.0])


# Rows


def test_bootstrap_of_a_mean_is_the_normal_interval_for_many_rows() -> None:
    rows = white(400)
    [found] = bootstrap_over(rows, lambda x: x.mean(axis=-2), seed=0, n_samples=4000)
    assert found.value == pytest.approx(rows.mean())
    error = 1.96 * rows.std() / 20
    np.testing.assert_allclose([rows.mean() - found.low, found.high - rows.mean()], error, rtol=0.08)


@pytest.mark.parametrize("n", [2, 3, 8, 15, 150])
def test_columns_share_their_samples_and_are_what_each_is_by_itself(n: int) -> None:
    rows = np.round(np.random.default_rng(n).normal(size=(n, 3)), 1)  # with equal values
    rows[0, 1], rows[n // 2 :, 2] = np.inf, np.inf
    for figure, together in ((np.median, bootstrap_medians), (np.mean, bootstrap_means)):
        found = together(rows[:, :2], 5)
        alone = [
            bootstrap_over(column, lambda x, of=figure: of(x, axis=-2), 5)[0] for column in rows[:, :2].T
        ]
        np.testing.assert_allclose(found, alone, rtol=1e-12)
    drawn = drawn_rows(n, 5)
    for column in rows.T:
        np.testing.assert_array_equal(medians_of_samples(column, drawn), np.median(column[drawn], axis=1))
    np.testing.assert_array_equal(sampled_medians(rows, 5), np.median(rows[drawn], axis=1))
    np.testing.assert_allclose(sampled_means(rows[:, :1], 5), rows[drawn, :1].mean(axis=1), atol=1e-12)
    np.testing.assert_array_equal(sampled_counts(rows > 0.0, drawn), (rows[drawn] > 0.0).sum(axis=1))
    assert (times_drawn(drawn).sum(axis=1) == n).all()


def test_a_generator_goes_on_where_it_was() -> None:
    rng, same = np.random.default_rng(3), np.random.default_rng(3)
    values = white(9)
    first, second = bootstrap_median(values, rng), bootstrap_median(values, rng)
    assert first == bootstrap_median(values, 3)
    same.integers(0, 9, size=(2000, 9))
    assert second == bootstrap_median(values, same)


def test_bootstrap_agrees_with_scipy_for_a_skewed_statistic() -> None:
    rows = np.exp(white(60))

    def spread(x: np.ndarray) -> np.ndarray:
        return x.std(axis=-2)

    [ours] = bootstrap_over(rows, spread, seed=0, n_samples=8000)
    theirs = stats.bootstrap((rows,), np.std, n_resamples=8000, method="percentile", rng=0)
    assert ours.low == pytest.approx(theirs.confidence_interval.low, rel=0.06)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, rel=0.06)


def test_bootstrap_keeps_columns_of_a_row_together_and_survives_infinities() -> None:
    x = white(50)
    [ratio] = bootstrap_over(
        np.column_stack([x, 2 * x]),
        lambda rows: rows[..., 1].sum(axis=-1, keepdims=True) / rows[..., 0].sum(-1, keepdims=True),
        seed=0,
    )
    assert (ratio.low, ratio.high) == pytest.approx((2.0, 2.0))
    failures = np.concatenate([x, np.full(45, np.inf)])
    [median] = bootstrap_over(
        failures, lambda rows: np.sort(rows, axis=-2)[..., rows.shape[-2] // 2, :], seed=0
    )
    assert np.isfinite(median.low)
    assert np.isinf(median.high)
    assert np.isnan(bootstrap_over([1.0], lambda rows: rows.mean(axis=-2), seed=0)[0].low)


def brute_median(values: list[float]) -> float:
    """The middle value; of two middle values their mean, infinite as soon as the upper one is."""
    ordered = sorted(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return np.inf if high == np.inf else (low + high) / 2


@given(st.lists(NUMBER, min_size=1, max_size=9))
def test_the_median_stays_defined_with_infinities(values: list[float]) -> None:
    found = bootstrap_median(np.array(values), 0).value
    assert not np.isnan(found)
    assert found == pytest.approx(brute_median(values), rel=1e-12, abs=1e-12)


@given(st.lists(NUMBER, min_size=2, max_size=12))
def test_the_interval_contains_the_median(values: list[float]) -> None:
    interval = bootstrap_median(np.array(values), np.random.default_rng(0))
    assert interval.low <= interval.value <= interval.high
    assert min(values) <= interval.low
    assert interval.high <= max(values)


def test_intervals_of_few_values() -> None:
    rng = np.random.default_rng(0)
    nothing = bootstrap_median(np.empty(0), rng)
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()
    one = bootstrap_median(np.array([3.0]), rng)
    assert one.value == 3.0
    assert np.isnan([one.low, one.high]).all()
    same = bootstrap_median(np.full(5, 2.0), rng)
    assert (same.value, same.low, same.high) == (2.0, 2.0, 2.0)


def test_the_interval_is_reproducible_and_shrinks() -> None:
    values = np.random.default_rng(5).normal(size=400)
    one, two = (bootstrap_median(values, np.random.default_rng(3)) for _ in range(2))
    assert one == two
    few = bootstrap_median(values[:25], np.random.default_rng(3))
    assert one.high - one.low < 0.5 * (few.high - few.low)


def test_the_interval_covers_the_true_median() -> None:
    """At 95 % nominal, of 400 samples of a normal distribution 90 to 98 % must hold the true median."""
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(400):
        interval = bootstrap_median(rng.normal(size=41), rng)
        held += interval.low <= 0.0 <= interval.high
    assert 0.90 <= held / 400 <= 0.98


# Blocks


def test_blocks_do_not_straddle_runs() -> None:
    runs = [7, 2, 10]
    series = np.repeat([1.0, 10.0, 100.0], runs)
    blocks = series[block_starts(runs, 4)[:, None] + np.arange(4)]
    assert sorted(blocks.mean(axis=1)) == [1.0] * 4 + [100.0] * 7
    assert block_starts(runs, 3).tolist() == [*range(5), *range(9, 17)]
    assert whole_blocks(runs, 3).tolist() == [0, 3, 9, 12, 15]
    assert set(drawn_blocks(runs, 3, np.random.default_rng(0), 400).ravel()) == set(block_starts(runs, 3))


def test_samples_are_about_as_long_as_the_series() -> None:
    rng = np.random.default_rng(0)
    assert drawn_blocks([100, 50], 10, rng, 7).shape == (7, 15)
    assert drawn_blocks([100, 50], 90, rng, 7, most=4).shape == (7, 2)
    assert drawn_blocks([100, 50], 1, rng, 7, most=4).shape == (7, 4)
