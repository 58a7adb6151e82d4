"""Calibration of class probabilities: by scikit-learn, by hand, as properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softmode.statistics.calibration import (
    brier_decomposition,
    brier_terms,
    calibration_error,
    log_loss_terms,
    reliability_bins,
)
from softmode.statistics.shares import wilson_interval


def forecasts(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts, and outcomes drawn from them: calibrated by construction."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([0.7, 0.6, 0.5], size=n)
    return p, (rng.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1)


def test_brier_score_and_log_loss_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    p, k = forecasts(200)
    expected = metrics.brier_score_loss(k, p, labels=[0, 1, 2], scale_by_half=False)
    assert brier_terms(p, k).mean() == pytest.approx(expected, rel=1e-12)
    floor = 0.01
    clipped = np.maximum(p, floor)
    clipped /= clipped.sum(axis=1, keepdims=True)
    assert (p < floor).any()
    assert log_loss_terms(p, k, floor).mean() == pytest.approx(metrics.log_loss(k, clipped), rel=1e-12)


def test_brier_score_by_hand() -> None:
    p = [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(brier_terms(p, [0, 2, 1, 0]), [0.0, 2.0, 0.5, 2 / 3])
    assert log_loss_terms(p, [0, 2, 1, 0], 1e-3)[1] == pytest.approx(-np.log(1e-3 / 1.002))


@given(st.integers(1, 60), st.integers(0, 1000), st.integers(1, 12))
def test_the_parts_of_the_brier_score_add_up(n: int, seed: int, n_bins: int) -> None:
    p, k = forecasts(n, seed)
    parts = brier_decomposition(p, k, n_bins)
    total = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bins
    assert parts.score == pytest.approx(total, abs=1e-12)
    assert parts.score == pytest.approx(brier_terms(p, k).mean())
    assert min(parts.reliability, parts.resolution, parts.uncertainty) >= 0.0


def test_parts_of_the_brier_score_say_what_they_should() -> None:
    base = np.tile([0.5, 0.3, 0.2], (100, 1))
    k = np.repeat([0, 1, 2], [50, 30, 20])
    climate = brier_decomposition(base, k)
    assert climate.reliability == pytest.approx(0.0)
    assert climate.resolution == pytest.approx(0.0)
    assert climate.score == pytest.approx(climate.uncertainty) == pytest.approx(0.62)
    assert climate.skill == pytest.approx(0.0)
    perfect = brier_decomposition(np.eye(3)[k], k)
    assert (perfect.score, perfect.skill) == pytest.approx((0.0, 1.0))
    assert perfect.resolution == pytest.approx(perfect.uncertainty)
    overconfident = brier_decomposition(np.tile([1.0, 0.0, 0.0], (100, 1)), k)
    assert overconfident.reliability == pytest.approx(0.5**2 + 0.3**2 + 0.2**2)
    assert np.isnan(brier_decomposition(np.zeros((0, 3)), []).score)
    assert np.isnan(brier_decomposition([[1.0, 0.0, 0.0]], [0]).skill)


def test_reliability_bins_count_every_forecast_once() -> None:
    bins = reliability_bins([0.0, 0.1, 0.2, 0.25, 0.99, 1.0], [0, 1, 0, 1, 1, 1], n_bins=5)
    assert [(b.low, b.high, b.n) for b in bins] == [(0.0, 0.2, 2), (0.2, 0.4, 2), (0.8, 1.0, 2)]
    assert [b.frequency for b in bins] == [0.5, 0.5, 1.0]
    assert bins[1].forecast == pytest.approx(0.225)
    assert (bins[2].frequency_low, bins[2].frequency_high) == pytest.approx(wilson_interval(2, 2))
    assert calibration_error(bins) == pytest.approx((0.45 + 0.275 + 0.005) / 3)
    assert reliability_bins([], []) == ()
    assert np.isnan(calibration_error(()))
    with pytest.raises(ValueError, match="probabilities"):
        reliability_bins([1.2], [True])


def test_calibrated_forecasts_lie_on_the_diagonal() -> None:
    p, k = forecasts(4000)
    for index in range(3):
        bins = reliability_bins(p[:, index], k == index, n_bins=10, level=0.999)
        assert sum(b.n for b in bins) == 4000
        assert all(b.frequency_low <= b.forecast <= b.frequency_high for b in bins)
    assert brier_decomposition(p, k).reliability < 1e-3


@pytest.mark.parametrize(
    ("p", "k", "message"),
    [
        ([[0.5, 0.5, 0.1]], [0], "add up to 1"),
        ([[1.1, -0.1, 0.0]], [0], "add up to 1"),
        ([[1.0, 0.0, 0.0]], [3], "none of the 3 classes"),
        ([[1.0, 0.0, 0.0]], [0, 1], "do not belong together"),
    ],
)
def test_what_is_no_forecast_is_refused(p: list[list[float]], k: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        brier_terms(p, k)
