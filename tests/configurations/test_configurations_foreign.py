"""Foreign frames against hand-made distances; correlations against SciPy and simulated series."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from softmode.configurations import foreignness, rank_correlation
from softmode.errors import InputDataError

FloatArray = NDArray[np.float64]


def dissimilarities_of(points: FloatArray) -> FloatArray:
    """1 - K of unit vectors that differ by these small vectors: half the squared distances."""
    differences = points[:, None] - points[None]
    return np.asarray(0.5 * np.sum(differences**2, axis=2))


def wandering(n: int, memory: float, rng: np.random.Generator, n_series: int = 1) -> FloatArray:
    """First-order autoregressions of variance one."""
    noise = rng.standard_normal((n, n_series))
    series = np.empty_like(noise)
    series[0] = noise[0]
    for index in range(1, n):
        series[index] = memory * series[index - 1] + np.sqrt(1 - memory**2) * noise[index]
    return series


def test_distances_of_points_on_a_line() -> None:
    """Reference at 0, 1, 2, 3, 4: two nearest at 1 and 1, at the ends at 1 and 2."""
    points = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 2.0, 10.0])[:, None] * 1e-3
    found = foreignness(dissimilarities_of(points), (5,), block_length=1, n_neighbours=2)
    assert found.unit == pytest.approx(1e-3)
    np.testing.assert_allclose(found.reference, [1.5, 1.0, 1.0, 1.0, 1.5])
    np.testing.assert_allclose(found.other, [0.5, 6.5])
    assert found.threshold == pytest.approx(1.5)
    assert found.foreign.tolist() == [False, True]
    assert found.share == 0.5
    assert found.independent


def test_neighbours_in_time_are_left_out() -> None:
    """A reference that stands still for five frames at 0, 10, 20, 30, 40: its neighbours are 20 away."""
    stays = np.repeat(np.arange(5) * 10.0, 5)
    points = np.append(stays, 20.0)[:, None]
    found = foreignness(dissimilarities_of(points), (25,), block_length=5, n_neighbours=3)
    assert found.unit == pytest.approx(20.0)
    assert found.independent
    with_them = foreignness(dissimilarities_of(points), (25,), block_length=25, n_neighbours=5)
    assert not with_them.independent
    assert with_them.unit == pytest.approx((4 * 0.0 + 10.0) / 5)


def test_frames_of_another_run_are_neighbours() -> None:
    points = np.array([0.0, 0.0, 3.0, 3.0, 7.0, 3.0])[:, None]
    found = foreignness(dissimilarities_of(points), (2, 2, 1), block_length=2, n_neighbours=1)
    assert found.independent
    np.testing.assert_allclose(found.reference * found.unit, [3.0, 3.0, 3.0, 3.0, 4.0])


def test_one_distribution_is_as_foreign_as_is_usual() -> None:
    shares = []
    for seed in range(10):
        points = np.random.default_rng(seed).standard_normal((400, 3))
        shares.append(foreignness(dissimilarities_of(points), (200,), block_length=1).share)
    assert 0.02 < np.mean(shares) < 0.09


def test_a_wider_distribution_is_foreign() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.standard_normal((200, 3)), 3.0 * rng.standard_normal((200, 3))])
    assert foreignness(dissimilarities_of(points), (200,), block_length=1).share > 0.5


@pytest.mark.parametrize(("points", "reference"), [([0.0, 1.0, 2.0], 1), ([1.0, 1.0, 1.0, 5.0], 3)])
def test_nothing_to_compare_with_is_refused(points: list[float], reference: int) -> None:
    with pytest.raises(InputDataError, match=r"single frame|all the same"):
        foreignness(dissimilarities_of(np.array(points)[:, None]), (reference,), block_length=1)


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
