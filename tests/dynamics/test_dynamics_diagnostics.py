"""Drift and equilibration on synthetic series whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from softmode.dynamics import equilibration, linear_drift

TIMES = 0.01 * np.arange(400)


def correlated(rng: np.random.Generator, n: int, memory: float) -> np.ndarray:
    """First-order autoregression of unit variance with correlation ``exp(-k / memory)``."""
    rho = np.exp(-1.0 / memory) if memory else 0.0
    noise = np.sqrt(1.0 - rho**2) * rng.standard_normal(n)
    noise[0] = rng.standard_normal()
    return np.asarray(lfilter([1.0], [1.0, -rho], noise))


@pytest.mark.parametrize("memory", [0.0, 3.0, 10.0])
def test_there_is_rarely_a_drift_where_there_is_none(memory: float) -> None:
    rng = np.random.default_rng(1)
    drifts = [linear_drift(TIMES, correlated(rng, 400, memory)) for _ in range(400)]
    assert 0.02 < np.mean([drift.significant() for drift in drifts]) < 0.11  # 5 % asked for
    ratio = np.std([drift.slope for drift in drifts]) / np.mean([drift.standard_error for drift in drifts])
    assert ratio == pytest.approx(1.0, abs=0.2)


def test_a_drift_is_found() -> None:
    rng = np.random.default_rng(2)
    drift = linear_drift(TIMES, 5.0 + 1.5 * TIMES + correlated(rng, 400, 5.0))
    assert drift.significant()
    assert drift.slope == pytest.approx(1.5, abs=3 * drift.standard_error)


def test_a_line_without_noise() -> None:
    drift = linear_drift(TIMES, 2.0 * TIMES)
    assert drift.slope == pytest.approx(2.0)
    assert drift.significant()
    assert not linear_drift(TIMES, np.full(400, 3.0)).significant()


def test_stationary_series_are_kept() -> None:
    rng = np.random.default_rng(3)
    skipped = [equilibration(correlated(rng, 1000, 5.0)).skip for _ in range(50)]
    assert np.median(skipped) <= 100


@pytest.mark.parametrize("relaxation", [20.0, 60.0])
def test_relaxing_series_lose_their_beginning(relaxation: float) -> None:
    rng = np.random.default_rng(4)
    start = 8.0 * np.exp(-np.arange(1000) / relaxation)
    found = [equilibration(start + correlated(rng, 1000, 5.0)) for _ in range(30)]
    assert relaxation < np.median([one.skip for one in found]) < 6 * relaxation
    assert all(one.n_effective > 20 for one in found)
