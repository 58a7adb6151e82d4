"""The three classes of anharmonicity and the probability of each (paper §2.2, Fig. 2)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from softmode.crystal.arrays import IntArray
from softmode.statistics.confusion import ConfusionMatrix, count_answers
from softmode.statistics.correlated_means import MeanEstimate

#: The classes, from the most to the least stable.
CLASSES = ("weak", "strong", "unstable")
#: Said wherever the probability of a class is that of the sampling alone.
WITHOUT_OWN_ERROR = "the potential's own error is not in it"
#: Said where the frames carry neither interval nor probabilities.
NO_INTERVAL = "no interval: too few independent frames"
#: ``weak < 0.5 <= strong <= 1 < unstable``.
EDGES = (0.5, 1.0)


class ClassProbabilities(NamedTuple):
    """Probability of each class; the three add up to 1."""

    weak: float
    strong: float
    unstable: float


def class_indices(sigma: ArrayLike) -> IntArray:
    """Index of the class of each score in :data:`CLASSES`.

    Parameters
    ----------
    sigma : array
        Mean over frames of ``σ(t)``, of any shape.

    Raises
    ------
    ValueError
        If a score is NaN.
    """
    values = np.asarray(sigma, dtype=np.float64)
    if np.isnan(values).any():
        raise ValueError("a score that is not a number has no class")
    indices: IntArray = (values >= EDGES[0]).astype(np.int64) + (values > EDGES[1])
    return indices


def classify(sigma: float) -> str:
    """Name of the class of a score; 0.5 and 1 are ``strong``.

    Raises
    ------
    ValueError
        If the score is NaN.
    """
    return CLASSES[int(class_indices(sigma))]


def class_probabilities(estimate: MeanEstimate | ArrayLike) -> ClassProbabilities:
    """Probability that the true mean of ``σ(t)`` lies in each class.

    Parameters
    ----------
    estimate : MeanEstimate or (n_samples,) array
        An estimate, or its samples. They are widened for few blocks in the same
        way as the interval: a class that the 95 % interval does not touch has a probability of at most 2.5 %.
    """
    samples = (
        estimate.samples if isinstance(estimate, MeanEstimate) else np.asarray(estimate, dtype=np.float64)
    )
    if samples.size == 0:
        raise ValueError("no samples")
    counts = np.bincount(class_indices(samples).ravel(), minlength=len(CLASSES))
    return ClassProbabilities(*(float(share) for share in counts / samples.size))


def confusion_matrix(
    reference_sigma: ArrayLike,
    model_sigma: ArrayLike,
    failed: ArrayLike | None = None,
    *,
    collapsed: ArrayLike | None = None,
) -> ConfusionMatrix:
    """Confusion matrix of two sets of scores.

    Parameters
    ----------
    reference_sigma, model_sigma : (n_materials,) array
        Mean over frames of ``σ(t)`` of the same materials.
    failed : (n_materials,) array of bool, optional
        Materials on which the model failed; those with a model score that is not finite always count as such,
        unless they collapsed.
    collapsed : (n_materials,) array of bool, optional
        Materials that the model's own dynamics takes apart: it calls them unstable, whatever their score.

    Raises
    ------
    ValueError
        If the lengths differ, or a reference score is not finite.
    """
    reference, model = np.asarray(reference_sigma, float), np.asarray(model_sigma, float)
    lost = np.zeros(reference.shape, bool) if failed is None else np.asarray(failed, bool)
    apart = np.zeros(reference.shape, bool) if collapsed is None else np.asarray(collapsed, bool)
    if not (reference.ndim == 1 and reference.shape == model.shape == lost.shape == apart.shape):
        raise ValueError(
            f"scores of shapes {reference.shape}, {model.shape}, {lost.shape} are not of the same materials"
        )
    if not np.isfinite(reference).all():
        raise ValueError("a reference score is not finite")
    lost = lost | ~(np.isfinite(model) | apart)
    given = class_indices(np.where(lost, 0.0, np.where(apart, np.inf, model)))
    return count_answers(class_indices(reference), given, lost, len(CLASSES))
