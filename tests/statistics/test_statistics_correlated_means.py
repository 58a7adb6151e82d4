"""Intervals of means over correlated frames: against formulas, brute force and simulation."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from softmode.anharmonic.classes import class_probabilities
from softmode.errors import InputDataError
from softmode.statistics.autocorrelation import autocorrelation, correlation_times
from softmode.statistics.correlated_means import mean_with_interval


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    """The script behind the table in docs/statistics.md."""
    path = Path(__file__).parents[2] / "benchmarks" / "interval_coverage.py"
    spec = importlib.util.spec_from_file_location("interval_coverage", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def white(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n)


# Correlation times


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8, 0.9, 0.96])
def test_autocorrelation_time_of_an_autoregression_is_the_analytic_one(simulation, rho: float) -> None:
    expected = (1 + rho) / (1 - rho) / 2
    made = simulation.first_order(expected)(np.random.default_rng(3), 40, 20000)
    estimates = [correlation_times(series, [10000, 10000]).integrated for series in made]
    # Sokal: relative standard error sqrt(2 (2 W + 1) / n), W = 5 tau; and e^-5 lies beyond the window.
    assert np.mean(estimates) == pytest.approx(expected, rel=0.03)
    assert np.std(estimates) / expected < 1.5 * np.sqrt(2 * (10 * expected + 1) / 20000)


def test_autocorrelation_equals_the_sum_over_pairs_within_runs() -> None:
    runs = [5, 1, 12, 5]
    series = white(sum(runs)).cumsum()
    centred = series - series.mean()
    expected = np.zeros(12)
    start = 0
    for length in runs:
        run = centred[start : start + length]
        start += length
        for lag in range(length):
            expected[lag] += run[: length - lag] @ run[lag:]
    np.testing.assert_allclose(autocorrelation(series, runs), expected / expected[0], atol=1e-12)


def test_runs_that_disagree_are_correlated_and_centring_each_would_hide_it() -> None:
    agree, disagree = white(1000), white(1000) + np.repeat([-3.0, 3.0], 500)
    assert correlation_times(agree, [500, 500]).integrated < 1.0
    assert correlation_times(disagree, [500, 500]).integrated > 50.0
    with pytest.raises(InputDataError, match="fewer than two blocks"):
        mean_with_interval(disagree, [500, 500], seed=0)


def test_an_oscillation_does_not_close_the_window_early(simulation) -> None:
    made = simulation.oscillating(20, 30)(np.random.default_rng(0), 20, 5000)
    times = [correlation_times(series) for series in made]
    assert np.mean([time.integrated for time in times]) < 2.0
    assert np.mean([time.decorrelation for time in times]) == pytest.approx(15.0, rel=0.1)
    assert min(time.window for time in times) > 40


@given(shift=st.floats(-100, 100), scale=st.floats(0.01, 100), seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_units_and_origin_do_not_matter(shift: float, scale: float, seed: int) -> None:
    series = white(200, seed).cumsum() * 0.1 + white(200, seed + 1)
    plain, moved = (correlation_times(x, [120, 80]) for x in (series, shift + scale * series))
    assert moved.window == plain.window
    assert moved.integrated == pytest.approx(plain.integrated, rel=1e-6)


# Blocks


def test_blocks_grow_with_the_correlation_time(simulation) -> None:
    series = simulation.first_order(10.0)(np.random.default_rng(1), 1, 40000)[0]
    assert mean_with_interval(series, seed=0).block_length == pytest.approx(50, rel=0.15)
    assert mean_with_interval(white(40000), seed=0).block_length == 1


# Intervals


@pytest.mark.parametrize("n", [12, 60, 2000])
def test_interval_of_white_frames_is_the_classical_one(n: int) -> None:
    ratios = []
    for seed in range(40):
        series = white(n, seed)
        if correlation_times(series).block_length > 1:
            continue  # by chance the frames look correlated, and the interval is wider
        estimate = mean_with_interval(series, seed=seed)
        classical = stats.t.interval(0.95, n - 1, series.mean(), stats.sem(series))
        assert estimate.mean == pytest.approx(series.mean(), abs=1e-12)
        ratios.append((estimate.high - estimate.low) / (classical[1] - classical[0]))
    assert len(ratios) > 20
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.06 if n < 20 else 0.03)
    assert np.std(ratios) < 0.1


def test_standard_error_of_independent_single_frame_runs_is_the_textbook_one() -> None:
    series = white(300)
    estimate = mean_with_interval(series, [1] * 300, seed=0)
    assert estimate.standard_error == pytest.approx(stats.sem(series), rel=1e-12)
    assert estimate.n_effective == pytest.approx(300, rel=0.01)


def test_the_same_seed_gives_the_same_interval() -> None:
    series = white(500).cumsum() * 0.05 + white(500, 1)
    first, second, other = (mean_with_interval(series, [300, 200], seed=seed) for seed in (4, 4, 5))
    assert (first.low, first.high) == (second.low, second.high) != (other.low, other.high)
    np.testing.assert_array_equal(first.samples, second.samples)
    assert first.low < first.mean < first.high


def test_level_sets_the_width() -> None:
    series = white(400)
    narrow, wide = (mean_with_interval(series, seed=0, level=level) for level in (0.68, 0.99))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert (narrow.high - narrow.low) / 2 == pytest.approx(narrow.standard_error, rel=0.1)


def test_copies_of_one_frame_have_no_interval() -> None:
    with pytest.raises(InputDataError, match="all 15 frames have the same value"):
        mean_with_interval(np.full(15, 0.7), seed=0)


def test_a_series_that_varies_by_rounding_has_an_interval_of_no_width() -> None:
    estimate = mean_with_interval(0.7 + 1e-16 * np.arange(10), seed=0)
    assert estimate.low == pytest.approx(estimate.high) == pytest.approx(0.7)
    assert estimate.standard_error == 0.0
    assert class_probabilities(estimate) == (0.0, 1.0, 0.0)


def test_copies_count_once() -> None:
    """Frames drawn again and again from a few: the interval is that of the few, or wider."""
    rng = np.random.default_rng(5)
    few = rng.normal(0.6, 0.1, 12)
    many = mean_with_interval(rng.choice(few, 600), seed=0)
    alone = mean_with_interval(few, seed=0)
    assert many.n_effective <= 12.0
    assert many.standard_error == pytest.approx(few.std(ddof=1) / np.sqrt(12), rel=0.25)
    assert alone.n_effective <= 12.0


def test_nine_frames_are_enough_when_they_hardly_remember_each_other() -> None:
    series = 0.6 + 0.05 * np.array([0.1, -1.2, 0.7, 0.3, -0.4, 1.5, -0.8, 0.2, -0.1])
    estimate = mean_with_interval(series, seed=0)
    assert estimate.block_length <= 2
    assert 0.5 < estimate.low < 0.6 < estimate.high < 0.75
    assert not estimate.reliable


def test_too_few_frames_say_how_many_and_what_to_do() -> None:
    with pytest.raises(InputDataError) as error:
        mean_with_interval(np.linspace(0, 1, 40), seed=0, subject="run.xml")
    assert "run.xml: 40 frames" in str(error.value)
    assert "autocorrelation time" in error.value.problem
    assert "longer runs" in error.value.remedy
    with pytest.raises(InputDataError, match="1 frame, fewer than two blocks"):
        mean_with_interval([0.4], seed=0)


def test_frames_that_are_not_finite_are_named() -> None:
    series = white(50)
    series[[7, 30]] = np.nan, np.inf
    with pytest.raises(InputDataError, match=r"2 of 50 frames.*frames 7, 30"):
        mean_with_interval(series, seed=0)


def test_run_lengths_must_add_up() -> None:
    with pytest.raises(ValueError, match="do not make 50 frames"):
        mean_with_interval(white(50), [20, 20], seed=0)
    with pytest.raises(ValueError, match="one value per frame"):
        mean_with_interval(np.zeros((3, 3)), seed=0)


# Coverage


QUICK = [("exponential", 0.5, 100), ("exponential", 10.0, 1600), ("relaxation + oscillation", 10.0, 1600)]


@pytest.mark.parametrize(("kind", "time", "n_frames"), QUICK)
def test_intervals_hold_the_mean_as_often_as_they_say(simulation, kind, time, n_frames) -> None:
    chosen = [
        c for c in simulation.cases() if (c.kind, c.time, c.n_frames, c.n_runs) == (kind, time, n_frames, 2)
    ]
    assert len(chosen) == 1
    assert 0.90 <= simulation.coverage(chosen[0], 500).covered <= 0.98


@pytest.mark.slow
def test_intervals_cover_between_90_and_98_percent_wherever_that_is_claimed(simulation) -> None:
    claimed = [case for case in simulation.cases() if case.claimed]
    assert len(claimed) > 50
    outside = {}
    for case in claimed:
        result = simulation.coverage(case, 2000, seed=1)
        if not 0.90 <= result.covered <= 0.98:
            outside[case.kind, case.time, case.n_frames, case.n_runs] = result
    assert not outside


def test_class_probabilities_are_as_sure_as_they_should_be(simulation) -> None:
    # Runs whose true mean is drawn from a wide range: among the materials called strong with probability p, a
    # share p must be strong.
    rng = np.random.default_rng(8)
    means = rng.uniform(0.3, 1.2, 1500)
    series = means[:, None] + 0.2 * simulation.first_order(2.0)(rng, len(means), 200)
    stated, held = [], []
    for index, (mean, values) in enumerate(zip(means, series, strict=True)):
        p = class_probabilities(mean_with_interval(values, seed=index, n_samples=800))
        assert sum(p) == pytest.approx(1.0)
        stated.append(p.strong)
        held.append(0.5 <= mean <= 1.0)
    stated, held = np.array(stated), np.array(held)
    between = (stated > 0.1) & (stated < 0.9)
    assert between.sum() > 100
    assert held[between].mean() == pytest.approx(stated[between].mean(), abs=0.08)
    assert held[stated <= 0.1].mean() < 0.05
    assert held[stated >= 0.9].mean() > 0.95
