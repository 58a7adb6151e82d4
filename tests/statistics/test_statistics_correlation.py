"""Correlation coefficients against scipy; their intervals against a known distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from softmode.statistics.correlation import correlations


def sample(n: int, seed: int, r: float = 0.7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(2, n))
    return x, r * x + np.sqrt(1.0 - r**2) * noise


def test_as_scipy_has_them() -> None:
    x, y = sample(30, 1)
    y[3] = y[5]  # equal ranks
    pearson, spearman = correlations(x, np.exp(y), seed=4)
    assert pearson.value == pytest.approx(pearsonr(x, np.exp(y)).statistic, abs=1e-12)
    assert spearman.value == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)


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
