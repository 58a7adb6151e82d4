"""Classes and the confusion of them: by scikit-learn, against the published figures, as properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from softmode.anharmonic.classes import (
    CLASSES,
    class_indices,
    class_probabilities,
    classify,
    confusion_matrix,
)
from softmode.statistics.confusion import with_intervals

COUNTS = arrays(np.int64, (3, 3), elements=st.integers(0, 50))
SCORES = arrays(np.float64, 30, elements=st.floats(0, 3))


def test_edges_of_the_classes() -> None:
    assert [classify(sigma) for sigma in (0.0, np.nextafter(0.5, 0), 0.5, 0.7, 1.0)] == [
        *("weak", "weak"),
        *("strong", "strong", "strong"),
    ]
    assert classify(float(np.nextafter(1.0, 2.0))) == classify(np.inf) == "unstable"
    with pytest.raises(ValueError, match="no class"):
        classify(np.nan)


@given(SCORES)
def test_classes_partition_and_follow_the_order_of_scores(sigma: np.ndarray) -> None:
    indices = class_indices(sigma)
    assert set(indices) <= {0, 1, 2}
    assert (np.diff(indices[np.argsort(sigma)]) >= 0).all()
    assert sum((indices == k).sum() for k in range(3)) == len(sigma)


@given(SCORES)
def test_class_probabilities_add_up_to_one(samples: np.ndarray) -> None:
    p = class_probabilities(samples)
    assert sum(p) == pytest.approx(1.0)
    assert p.weak == np.mean(samples < 0.5)
    assert p.unstable == np.mean(samples > 1.0)


@given(COUNTS)
@settings(max_examples=30, deadline=None)
def test_agrees_with_scikit_learn(counts: np.ndarray) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    assume((counts.sum(axis=0) > 0).sum() > 1)
    assume(counts.sum() > 0)
    truth, answer = (np.repeat(grid.ravel(), counts.ravel()) for grid in np.indices((3, 3)))
    centres = np.array([0.2, 0.8, 1.5])
    matrix = confusion_matrix(centres[truth], centres[answer])
    np.testing.assert_array_equal(matrix.counts, metrics.confusion_matrix(truth, answer, labels=[0, 1, 2]))
    assert matrix.accuracy() == pytest.approx(metrics.accuracy_score(truth, answer))
    assert matrix.kappa() == pytest.approx(metrics.cohen_kappa_score(truth, answer), abs=1e-12)


@given(SCORES, SCORES, st.randoms(use_true_random=False))
def test_order_of_materials_does_not_matter_and_groups_add_up(reference, model, random) -> None:
    order = list(range(len(reference)))
    random.shuffle(order)
    failed = model > 2.5
    whole = confusion_matrix(reference, model, failed)
    assert confusion_matrix(reference[order], model[order], failed[order]) == whole
    parts = [confusion_matrix(reference[s], model[s], failed[s]) for s in (slice(0, 9), slice(9, None))]
    assert parts[0] + parts[1] == whole
    assert whole.n_materials == len(reference)


def test_failures_are_counted_by_reference_class_and_scores_that_are_not_finite_are_failures() -> None:
    matrix = confusion_matrix([0.1, 0.7, 2.0, 2.0], [0.1, np.nan, np.inf, 0.7], [False, False, False, True])
    np.testing.assert_array_equal(matrix.counts, np.diag([1, 0, 0]))
    np.testing.assert_array_equal(matrix.failed, [0, 1, 2])
    with pytest.raises(ValueError, match="reference score"):
        confusion_matrix([np.nan], [0.1])
    with pytest.raises(ValueError, match="same materials"):
        confusion_matrix([0.1, 0.2], [0.1])


def test_drawing_counts_equals_resampling_materials() -> None:
    rng = np.random.default_rng(0)
    reference = rng.uniform(0.2, 1.3, 120)
    model = reference + rng.normal(0, 0.25, 120)
    failed = rng.random(120) < 0.1
    estimate = with_intervals(
        confusion_matrix(reference, model, failed), seed=1, failures_as_wrong=True, n_samples=4000
    )
    chosen = [rng.integers(0, 120, 120) for _ in range(3000)]
    matrices = [confusion_matrix(reference[c], model[c], failed[c]) for c in chosen]
    for name in ("accuracy", "kappa", "called_more_stable", "called_less_stable"):
        low, high = np.quantile([getattr(m, name)(True) for m in matrices], [0.025, 0.975])
        ours = getattr(estimate, name)
        assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.015)


# Published


def test_classes_are_those_of_the_published_figures() -> None:
    import tomllib
    from importlib.resources import files

    text = files("softmode").joinpath("data/published/yang2026.toml").read_text(encoding="utf-8")
    stated = tomllib.loads(text)["classes"]
    assert tuple(stated["names"]) == CLASSES
    assert [classify(edge) for edge in stated["edges"]] == ["strong", "strong"]
