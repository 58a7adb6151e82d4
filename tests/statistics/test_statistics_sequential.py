"""When to stop evaluating: against formulas and simulation."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from softmode.errors import InputDataError
from softmode.statistics.sequential import (
    FIRST_LOOK,
    StopRule,
    _error_of_rest,
    covering_order,
    judge,
    looks,
)

EDGES = (0.5, 1.0)
CLASSES = StopRule(0.95, None, EDGES)


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    """The script behind the table in docs/statistics.md."""
    for name in ("interval_coverage", "adaptive_frames"):
        path = Path(__file__).parents[2] / "benchmarks" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return module


def normal(n: int, mean: float, spread: float, seed: int = 0) -> np.ndarray:
    """Values that look exactly like their mean and spread."""
    values = np.random.default_rng(seed).standard_normal(n)
    return mean + spread * (values - values.mean()) / values.std(ddof=1)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 9, 100, 1600, 2048])
def test_the_order_holds_each_frame_once(n_frames: int) -> None:
    for seed in range(5):
        assert sorted(covering_order(n_frames, seed)) == list(range(n_frames))


@pytest.mark.parametrize("n_frames", [1600, 2048, 3200])
def test_the_first_frames_are_one_from_each_part(n_frames: int) -> None:
    order = covering_order(n_frames, 2026)
    for n in (2, 4, 8, 16, 32, 64):
        assert sorted(order[:n] * n // n_frames) == list(range(n))
        # and at each stage between, no two frames of the next n are of one part either
        assert len(set(order[n : n + n // 2] * (n // 2) // n_frames)) == n // 2


def test_each_frame_is_as_likely_to_come_first_and_seeds_give_other_orders() -> None:
    first = np.array([covering_order(12, seed)[:3] for seed in range(2000)])
    counts = np.bincount(first[:, 0], minlength=12)
    assert stats.chisquare(counts).pvalue > 1e-3
    counts = np.bincount(first[:, 2], minlength=12)
    assert stats.chisquare(counts).pvalue > 1e-3
    assert np.array_equal(covering_order(1600, 3), covering_order(1600, 3))
    assert not np.array_equal(covering_order(1600, 3), covering_order(1600, 4))


def test_looks_end_with_all_and_do_not_depend_on_how_many_there_are() -> None:
    assert looks(100) == (12, 16, 24, 32, 48, 64, 96, 100)
    assert looks(1600)[:7] == looks(100)[:7]
    assert looks(16) == (12, 16)
    assert looks(9) == (9,)
    with pytest.raises(ValueError, match="nothing to look at"):
        looks(0)


def test_independent_values_are_judged_by_students_t_at_a_level_divided_by_the_looks() -> None:
    n, n_looks, spread = 24, 10, 0.1
    values = normal(n, 0.43, spread)
    verdict = judge(values, None, CLASSES, n_looks, independent=True)
    error = spread / np.sqrt(n)
    half = stats.t.ppf(1 - 0.025 / n_looks, n - 1) * error
    assert (verdict.low, verdict.high) == pytest.approx((0.43 - half, 0.43 + half))
    chance = stats.t.cdf((0.5 - 0.43) / error, n - 1)
    assert chance > 1 - 0.05 / n_looks
    assert verdict.reason == "class"
    # the probabilities that are given belong to the interval that is given
    assert verdict.probabilities is not None
    assert sum(verdict.probabilities) == pytest.approx(1.0)
    at_edge = judge(values - 0.43 + 0.5 - half, None, CLASSES, n_looks, independent=True).probabilities
    assert at_edge is not None
    assert at_edge[1] + at_edge[2] == pytest.approx(0.025)
    # with twenty times as many looks the same values are not enough
    assert chance < 1 - 0.05 / (400 * n_looks)
    assert judge(values, None, CLASSES, 400 * n_looks, independent=True).reason == ""


def test_an_interval_may_be_asked_for_alone_or_beside_the_class() -> None:
    values = normal(48, 0.2, 0.1)
    wide = judge(values, None, StopRule(None, 0.01, EDGES), 5, independent=True)
    assert wide.reason == ""
    assert wide.low is not None
    narrow = StopRule(None, 1.01 * (wide.mean - wide.low), EDGES)
    assert judge(values, None, narrow, 5, independent=True).reason == "interval"
    assert judge(values, None, StopRule(0.95, 0.01, EDGES), 5, independent=True).reason == "class"


def test_correlated_frames_count_for_less_and_too_few_are_never_enough() -> None:
    series = np.repeat(normal(10, 0.2, 0.01), 10) + 1e-6 * normal(100, 0.0, 1.0)
    verdict = judge(series, None, CLASSES, 5)
    assert (verdict.reason, verdict.low, verdict.probabilities) == ("", None, None)
    assert "too few for a confidence interval" in verdict.note
    assert judge(normal(9, 0.2, 0.01), None, CLASSES, 1, independent=True).low is None
    with pytest.raises(InputDataError, match="no finite value"):
        judge([0.1, np.nan], None, CLASSES, 1)


def test_a_trajectory_that_has_no_more_to_say_is_left() -> None:
    # slow: worth few independent frames, but every one of them is known from its neighbours
    rng = np.random.default_rng(5)
    slow = 0.47 + 0.05 * np.cos(np.arange(1600) * 2 * np.pi / 700 + 1.0) + 0.002 * rng.standard_normal(1600)
    order = covering_order(1600, 1)
    seen = np.sort(order[:64])
    verdict = judge(slow[seen], None, CLASSES, len(looks(1600)), population=1600)
    assert verdict.reason == "exhausted"
    assert verdict.mean == pytest.approx(slow.mean(), abs=0.004)
    assert judge(slow[seen], None, CLASSES, len(looks(1600))).reason == ""
    assert judge(slow[np.sort(order[:32])], None, CLASSES, 16, population=1600).reason == ""
    assert judge(slow, None, CLASSES, 16, population=1600).reason == "all"


def test_the_error_of_the_rest_is_that_of_one_frame_from_each_part() -> None:
    """Over all draws the squared distance to the mean over all frames is no larger than what is said."""
    rng = np.random.default_rng(0)
    steps = np.cumsum(rng.standard_normal(1600))
    for series in (steps, np.sin(np.arange(1600) * 2 * np.pi / 25.0), rng.standard_normal(1600)):
        drawn = [series[np.sort(covering_order(1600, seed)[:64])] for seed in range(400)]
        distance = np.mean([(one.mean() - series.mean()) ** 2 for one in drawn])
        said = np.mean([_error_of_rest(one, 1600) ** 2 for one in drawn])
        assert distance < 1.3 * said  # 400 draws: ± 7 %


def test_the_first_look_can_decide_a_clear_case() -> None:
    values = normal(FIRST_LOOK, 0.2, 0.02)
    assert judge(values, None, CLASSES, len(looks(1600)), population=1600, independent=True).reason == "class"


@pytest.mark.slow
def test_the_stated_error_rate_holds(simulation: ModuleType) -> None:
    rows = [simulation.outcome(case, 400, seed=77) for case in simulation.cases()]
    scatter = 3 * np.sqrt(0.05 * 0.95 / 400)
    for case, row in zip(simulation.cases(), rows, strict=True):
        assert row.same_class >= 0.95 - scatter, case
        if case.claimed:
            assert row.wrong <= 0.05, case  # 1.4 % at most in the table
    assert np.mean([row.same_class for row in rows]) > 0.99
    assert np.median([row.median_frames for row in rows]) <= 1600 / 20
