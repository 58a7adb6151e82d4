from __future__ import annotations

import numpy as np
import pytest

from softmode.anharmonic.classes import class_indices
from softmode.statistics.calibration import brier_terms
from softmode.statistics.recalibration import (
    Recalibration,
    enough_labels,
    held_out_probabilities,
    recalibrate,
)


def population(n: int, seed: int, error: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and scores that are wrong by a log-normal factor and biased by another."""
    rng = np.random.default_rng(seed)
    label = np.exp(rng.normal(np.log(0.65), 0.45, n))
    return label, 1.4 * label * np.exp(rng.normal(0.0, error, n))


def drawn_classes(model: Recalibration, sigma: np.ndarray, seed: int) -> np.ndarray:
    chances = model.probabilities(sigma)
    return (np.random.default_rng(seed).random(len(sigma))[:, None] > chances.cumsum(axis=1)).sum(axis=1)


def test_the_parameters_of_a_known_model_are_found() -> None:
    truth = Recalibration(slope=3.0, thresholds=(-1.0, 1.5))
    sigma = np.exp(np.random.default_rng(0).normal(0.0, 0.8, 20_000))
    found = recalibrate(sigma, drawn_classes(truth, sigma, 1), 3)
    assert found.slope == pytest.approx(truth.slope, rel=0.05)
    assert found.thresholds == pytest.approx(truth.thresholds, abs=0.1)


def test_probabilities_add_up_and_follow_the_score() -> None:
    chances = Recalibration(2.0, (-0.5, 0.5)).probabilities([0.05, 0.5, 1.0, 5.0])
    assert np.allclose(chances.sum(axis=1), 1.0)
    assert (np.diff(chances[:, 0]) < 0).all()
    assert (np.diff(chances[:, 2]) > 0).all()


def test_learnt_probabilities_beat_the_certainty_of_a_biased_score() -> None:
    label, score = population(300, seed=2, error=0.3)
    outcome = class_indices(label)
    certain = np.eye(3)[class_indices(score)]
    learnt = held_out_probabilities(score, outcome, 3, seed=0)
    shares = np.bincount(outcome, minlength=3) / len(outcome)
    base = brier_terms(np.tile(shares, (len(outcome), 1)), outcome).mean()
    assert brier_terms(learnt, outcome).mean() < 0.8 * base < brier_terms(certain, outcome).mean()


def test_a_score_that_says_nothing_gives_the_shares_of_the_classes() -> None:
    label, _ = population(2000, seed=3, error=0.0)
    noise = np.exp(np.random.default_rng(4).normal(size=2000))
    outcome = class_indices(label)
    chances = recalibrate(noise, outcome, 3).probabilities(noise)
    shares = np.bincount(outcome, minlength=3) / len(outcome)
    assert np.abs(chances - shares).max() < 0.08


def test_scores_that_separate_the_classes_do_not_end_in_infinities() -> None:
    label, _ = population(200, seed=5, error=0.0)
    model = recalibrate(label, class_indices(label), 3)
    assert np.isfinite(model.slope)
    chances = model.probabilities(label)
    assert np.isfinite(chances).all()
    assert (chances.argmax(axis=1) == class_indices(label)).mean() > 0.95


def test_no_compound_is_predicted_from_its_own_label() -> None:
    """Changing one label leaves its own held-out probabilities as they were, if the folds stay the same."""
    label, score = population(120, seed=6, error=0.3)
    outcome = class_indices(label)
    before = held_out_probabilities(score, outcome, 3, seed=1, folds=120)
    for index in (0, 17):
        others = np.arange(120) != index
        alone = recalibrate(score[others], outcome[others], 3).probabilities(score[[index]])
        assert np.allclose(before[index], alone[0], atol=1e-4)


def test_too_few_labels() -> None:
    assert not enough_labels([0] * 40, 3)
    assert not enough_labels([0, 1, 2] * 5, 3)
    assert enough_labels([0, 1, 2] * 10, 3)
    with pytest.raises(ValueError, match="too few"):
        recalibrate(np.ones(40), np.zeros(40, dtype=int), 3)
    with pytest.raises(ValueError, match="finite"):
        recalibrate([np.nan] * 30, [0, 1, 2] * 10, 3)
