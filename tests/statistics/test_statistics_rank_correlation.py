"""Correlation coefficients against scipy; their intervals against known distributions and simulations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.stats import pearsonr, spearmanr

from softmode.errors import InputDataError
from softmode.statistics.rank_correlation import (
    correlations,
    kendall_of_resamples,
    rank_correlation,
    ranks,
    spearman,
    spearman_of_resamples,
)

FloatArray = NDArray[np.float64]


def sample(n: int, seed: int, r: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(2, n))
    return x, r * x + np.sqrt(1.0 - r**2) * noise


def test_ranks_are_scipys() -> None:
    values = np.random.default_rng(0).integers(0, 9, (4, 30)).astype(float)
    values[0, :3] = np.inf
    for given_values in (values, values[0], values[:, :1]):
        np.testing.assert_array_equal(ranks(given_values), stats.rankdata(given_values, axis=-1))


def test_as_scipy_has_them() -> None:
    x, y = sample(30, 1)
    y[3] = y[5]  # equal ranks
    pearson, of_ranks = correlations(x, np.exp(y), seed=4)
    assert pearson.value == pytest.approx(pearsonr(x, np.exp(y)).statistic, abs=1e-12)
    assert of_ranks.value == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)


def test_resamples_of_a_series_have_scipys_coefficient_each() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.integers(0, 5, size=12).astype(float), rng.normal(size=12)
    x[3] = np.inf
    drawn = rng.integers(0, 12, size=(40, 2, 9))
    expected = [spearmanr(x[of_x], y[of_y]).statistic for of_x, of_y in drawn]
    found = spearman_of_resamples(x, y)(drawn[:, 0], drawn[:, 1])
    assert np.isfinite(found).sum() > 30
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = 0
    for seed in range(200):
        pearson, _ = correlations(*sample(60, seed), seed=seed, n_samples=400)
        held += pearson.low <= 0.7 <= pearson.high
    assert 0.88 <= held / 200 <= 0.99


def test_where_there_is_nothing_to_correlate() -> None:
    for pair in (([1.0, 2.0], [1.0, 2.0]), ([], []), ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])):
        for found in correlations(*pair, seed=1):
            assert np.isnan([found.value, found.low, found.high]).all()
    few, _ = correlations([1.0, 2.0, 4.0, 3.0], [1.0, 2.0, 3.0, 4.0], seed=1)
    assert few.value == pytest.approx(0.8)
    assert np.isnan([few.low, few.high]).all()
    with pytest.raises(ValueError, match="not of the same materials"):
        correlations([1.0, 2.0, 3.0], [1.0, 2.0], seed=1)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=40))
def test_rank_correlations_are_those_of_scipy(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, dtype=float).T
    rho, tau = float(spearman(x, y)), float(kendall_of_resamples(x, y)(np.ones((1, len(x))))[0])
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert np.isnan([rho, tau]).all()
    else:
        assert rho == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
        assert tau == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)


def test_weights_stand_for_pairs_drawn_several_times() -> None:
    rng = np.random.default_rng(6)
    x, y = np.round(rng.standard_normal((2, 12)), 1)
    weights = rng.integers(0, 4, (5, 12))
    taus = [stats.kendalltau(np.repeat(x, w), np.repeat(y, w)).statistic for w in weights]
    np.testing.assert_allclose(kendall_of_resamples(x, y)(weights.astype(float)), taus, atol=1e-12)


# Over the frames of runs


def wandering(n: int, memory: float, rng: np.random.Generator, n_series: int = 1) -> FloatArray:
    """First-order autoregressions of variance one."""
    noise = rng.standard_normal((n, n_series))
    series = np.empty_like(noise)
    series[0] = noise[0]
    for index in range(1, n):
        series[index] = memory * series[index - 1] + np.sqrt(1 - memory**2) * noise[index]
    return series


def test_coefficient_is_scipys() -> None:
    rng = np.random.default_rng(3)
    x = np.round(rng.standard_normal(60), 1)  # with ties
    y = x + rng.standard_normal(60)
    found = rank_correlation(x, y, (60,), seed=0)
    assert found.value == pytest.approx(spearmanr(x, y).statistic)
    assert found.low < found.value < found.high
    assert found.p_value < 0.01


def test_significance_respects_time() -> None:
    """Independent series that remember: naive p-values call a third of them correlated."""
    rng = np.random.default_rng(1)
    ours, naive = [], []
    for seed in range(60):
        x, y = wandering(400, 0.9, rng, 2).T
        ours.append(rank_correlation(x, y, (200, 200), seed=seed, n_samples=200).p_value)
        naive.append(spearmanr(x, y).pvalue)
    assert np.mean(np.array(naive) < 0.05) > 0.3
    assert np.mean(np.array(ours) < 0.05) < 0.15


def test_intervals_hold_the_truth() -> None:
    """Gaussian pairs with a common part: Spearman's coefficient is 6/π asin(r/2)."""
    rng = np.random.default_rng(2)
    truth = 6.0 / np.pi * np.arcsin(0.6 / 2.0)
    held = []
    for seed in range(60):
        a, b = wandering(600, 0.7, rng, 2).T
        found = rank_correlation(a, 0.6 * a + 0.8 * b, (600,), seed=seed, n_samples=300)
        held.append(found.low <= truth <= found.high)
    assert np.mean(held) > 0.8


def test_few_blocks_have_no_interval() -> None:
    slow = np.linspace(0.0, 1.0, 40)
    found = rank_correlation(slow, slow**2, (40,), seed=0)
    assert found.value == pytest.approx(1.0)
    assert np.isnan([found.low, found.high, found.p_value]).all()


def test_constant_series_have_no_coefficient() -> None:
    found = rank_correlation(np.ones(30), np.arange(30.0), (30,), seed=0)
    assert np.isnan(found.value)
    assert np.isnan(found.p_value)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InputDataError, match="no finite value"):
        rank_correlation([0.0, np.nan, 1.0], [1.0, 2.0, 3.0], (3,), seed=0)
