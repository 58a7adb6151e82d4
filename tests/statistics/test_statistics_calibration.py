"""Calibration and scores against labels: by scikit-learn and SciPy, by hand, as properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from softmode.anharmonic.classes import CLASSES, class_indices
from softmode.anharmonic.label_score import LabelScore, rank_correlations, score_against_labels
from softmode.statistics.calibration import (
    brier_decomposition,
    brier_terms,
    calibration_error,
    log_loss_terms,
    reliability_bins,
    wilson_interval,
)


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


@given(st.integers(0, 40), st.integers(1, 40), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_wilson_interval_is_that_of_scipy(successes: int, n: int, level: float) -> None:
    successes = min(successes, n)
    expected = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    assert wilson_interval(successes, n, level) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_wilson_interval_of_nothing() -> None:
    assert np.isnan(wilson_interval(0, 0)).all()
    with pytest.raises(ValueError, match="no share"):
        wilson_interval(3, 2)


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


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=40))
def test_rank_correlations_are_those_of_scipy(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, dtype=float).T
    spearman, kendall = rank_correlations(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert np.isnan([spearman, kendall]).all()
    else:
        assert spearman == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
        assert kendall == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)


def screening(n: int = 150, n_failed: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray, LabelScore]:
    rng = np.random.default_rng(5)
    label = rng.lognormal(-0.6, 0.5, n)
    model = label * rng.lognormal(-0.1, 0.3, n)
    model[:n_failed] = np.nan
    samples = model[:, None] * rng.lognormal(0.0, 0.1, (n, 400))
    p = np.eye(3)[class_indices(np.nan_to_num(samples))].mean(axis=1)
    p[:n_failed] = np.nan
    p[n_failed] = np.nan  # one has a score and no probabilities
    return label, model, p, score_against_labels(label, model, p, seed=3, n_samples=500)


def test_score_against_labels_by_other_packages() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    label, model, p, score = screening()
    ok, with_p = np.isfinite(model), np.isfinite(p).all(axis=1)
    assert (score.n_labels, score.n_failed, score.n_with_probabilities) == (150, 7, 142)
    found = score.successes
    assert (found.n, score.failures_wrong.n) == (143, 150)
    assert found.spearman.value == pytest.approx(stats.spearmanr(label[ok], model[ok]).statistic)
    assert found.kendall.value == pytest.approx(stats.kendalltau(label[ok], model[ok]).statistic)
    truth = class_indices(label)
    assert found.confusion.kappa.value == pytest.approx(
        metrics.cohen_kappa_score(truth[ok], class_indices(model[ok]))
    )
    brier = metrics.brier_score_loss(truth[with_p], p[with_p], labels=[0, 1, 2], scale_by_half=False)
    assert [found.brier.value, score.decomposition.score] == pytest.approx([brier, brier])
    assert score.mean_absolute_difference.value == pytest.approx(np.abs(model - label)[ok].mean())
    assert score.median_difference.value == pytest.approx(np.median((model - label)[ok]))
    for estimate in (found.spearman, found.kendall, found.brier, found.log_loss, score.median_difference):
        assert estimate.low < estimate.value < estimate.high
    assert sum(b.n for b in score.confidence) == 142
    assert set(score.by_class) == set(CLASSES)


def test_failures_count_as_wrong() -> None:
    label, model, _, score = screening()
    wrong, right = score.failures_wrong, score.successes
    assert wrong.failures_as_wrong
    assert wrong.brier.value == pytest.approx((142 * right.brier.value + 7 * 2.0) / 149)
    worst = -np.log(score.log_loss_floor / (1 + 2 * score.log_loss_floor))
    assert wrong.log_loss.value == pytest.approx((142 * right.log_loss.value + 7 * worst) / 149)
    assert wrong.confusion.accuracy.value == pytest.approx(right.confusion.accuracy.value * 143 / 150)
    last = np.where(np.isfinite(model), model, 1e9)
    assert wrong.spearman.value == pytest.approx(stats.spearmanr(label, last).statistic)
    flagged = score_against_labels(label, np.full(150, 0.7), seed=1, failed=np.isnan(model), n_samples=20)
    assert flagged.n_failed == 7
    assert np.isnan(flagged.successes.spearman.value)  # all predictions equal
    assert np.isnan(flagged.failures_wrong.brier.value)  # there are no probabilities at all


def test_bootstrap_of_rank_correlations_is_that_of_resampled_rows() -> None:
    rng = np.random.default_rng(0)
    label = np.round(rng.lognormal(-0.6, 0.5, 80), 1)  # with ties
    model = label + rng.normal(0.0, 0.3, 80)
    drawn = rng.integers(0, 80, (2000, 80))
    taus = [stats.kendalltau(label[i], model[i]).statistic for i in drawn]
    rhos = [stats.spearmanr(label[i], model[i]).statistic for i in drawn]
    score = score_against_labels(label, model, seed=9, n_samples=2000).successes
    for found, samples in ((score.kendall, taus), (score.spearman, rhos)):
        np.testing.assert_allclose([found.low, found.high], np.quantile(samples, [0.025, 0.975]), atol=0.015)


def test_scores_of_few_or_no_materials() -> None:
    none = score_against_labels([0.3, 0.7], [np.nan, np.nan], seed=0)
    assert none.n_failed == 2
    assert none.confidence == ()
    assert np.isnan(none.successes.spearman.value)
    assert np.isnan(none.mean_absolute_difference.value)
    assert none.failures_wrong.confusion.accuracy.value == 0.0
    one = score_against_labels([0.3], [0.4], [[0.9, 0.1, 0.0]], seed=0)
    assert one.mean_absolute_difference.value == pytest.approx(0.1)
    assert np.isnan(one.mean_absolute_difference.low)
    assert one.successes.brier.value == pytest.approx(0.02)
    with pytest.raises(ValueError, match="reference score is not finite"):
        score_against_labels([np.nan], [0.4], seed=0)
    with pytest.raises(ValueError, match="probabilities of shape"):
        score_against_labels([0.3], [0.4], [[0.9, 0.1]], seed=0)


def test_the_same_seed_gives_the_same_intervals() -> None:
    *_, first = screening()
    *_, second = screening()
    assert first.successes.kendall == second.successes.kendall
    assert first.failures_wrong.brier == second.failures_wrong.brier
