"""Scores against labels: by scikit-learn and SciPy, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from softmode.anharmonic.classes import CLASSES, class_indices
from softmode.anharmonic.label_score import LabelScore, score_against_labels


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
