"""The three classes of anharmonicity and the probability of each (paper §2.2, Fig. 2)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softmode.statistics.correlated_means import MeanEstimate

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

#: The classes, from the most to the least stable.
CLASSES = ("weak", "strong", "unstable")
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
        An estimate, or the distribution from
        :func:`softmode.statistics.correlated_means.bootstrap_means`. It is widened for few blocks in the same
        way as the interval: a class that the 95 % interval does not touch has a probability of at most 2.5 %.
    """
    samples = (
        estimate.samples if isinstance(estimate, MeanEstimate) else np.asarray(estimate, dtype=np.float64)
    )
    if samples.size == 0:
        raise ValueError("no samples")
    counts = np.bincount(class_indices(samples).ravel(), minlength=len(CLASSES))
    return ClassProbabilities(*(float(share) for share in counts / samples.size))
