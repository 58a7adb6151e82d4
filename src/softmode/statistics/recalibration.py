"""Class probabilities that know how wrong a potential is: learnt from compounds whose class is known.

The probabilities that come with a score know the scatter of its frames only. Here the class of the label is
regressed on the score by the proportional-odds model (P. McCullagh, J. R. Stat. Soc. B 42, 109 (1980)),

    P(class ≤ k | σ) = 1 / (1 + exp(slope · log σ - threshold_k)),

with a weak prior on the slope, so that classes that a score separates completely do not end in certainty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import expit

from softmode.crystal.arrays import FloatArray

#: Fewer labelled compounds than this, or than this of the rarest class, and nothing is learnt.
LEAST_LABELS, LEAST_OF_A_CLASS = 30, 5
_PRIOR_DEVIATION = 10.0  # of the slope, per unit of log σ: barely felt by tens of compounds
_SMALLEST_SIGMA = 1e-3


@dataclass(frozen=True)
class Recalibration:
    """Probabilities of the classes given a score.

    Parameters
    ----------
    slope : float
        Change of the log odds of a less stable class per unit of log σ.
    thresholds : tuple of float
        One for each boundary between classes, ascending.
    """

    slope: float
    thresholds: tuple[float, ...]

    def probabilities(self, sigma: ArrayLike) -> FloatArray:
        """Probabilities of the classes, from the most to the least stable, (n, n_classes).

        Parameters
        ----------
        sigma : (n,) array
            Scores.
        """
        return _probabilities(_feature(sigma), self.slope, np.array(self.thresholds))


def _feature(sigma: ArrayLike) -> FloatArray:
    return np.log(np.maximum(np.atleast_1d(np.asarray(sigma, dtype=np.float64)), _SMALLEST_SIGMA))


def _probabilities(x: FloatArray, slope: float, thresholds: FloatArray) -> FloatArray:
    return np.asarray(np.diff(_edges(x, slope, thresholds), axis=1))


def _edges(x: FloatArray, slope: float, thresholds: FloatArray) -> FloatArray:
    """Probabilities of all classes before each, and of all, (n, n_classes + 1)."""
    edges = np.empty((len(x), len(thresholds) + 2))
    edges[:, 0], edges[:, -1] = 0.0, 1.0
    edges[:, 1:-1] = expit(thresholds - slope * x[:, None])
    return edges


def enough_labels(classes: ArrayLike, n_classes: int) -> bool:
    """Whether something can be learnt from so many labels of so many classes."""
    counts = np.bincount(np.asarray(classes, dtype=np.int64), minlength=n_classes)
    return bool(counts.sum() >= LEAST_LABELS and counts.min() >= LEAST_OF_A_CLASS)


def recalibrate(sigma: ArrayLike, classes: ArrayLike, n_classes: int) -> Recalibration:
    """Learn class probabilities from compounds whose class is known.

    Parameters
    ----------
    sigma : (n,) array
        Scores of the potential.
    classes : (n,) int array
        Index of the class of the label.
    n_classes : int
        How many there are.

    Raises
    ------
    ValueError
        If a score is not finite or there are too few labels (see :func:`enough_labels`).
    """
    x, known = _feature(sigma), np.asarray(classes, dtype=np.int64)
    if not np.isfinite(x).all():
        raise ValueError("a score is not finite")
    if not enough_labels(known, n_classes):
        raise ValueError(f"{len(known)} labels are too few, or a class has fewer than {LEAST_OF_A_CLASS}")
    centre, spread = float(x.mean()), float(x.std()) or 1.0
    scaled = (x - centre) / spread
    shares = np.cumsum(np.bincount(known, minlength=n_classes))[:-1] / len(known)
    start = np.concatenate([[1.0], [_logit(shares[0])], np.log(np.maximum(np.diff(shares * 4.0), 0.1))])

    each = np.arange(len(known))

    def loss(parameters: FloatArray) -> float:
        slope, thresholds = _unpacked(parameters)
        edges = _edges(scaled, slope, thresholds)  # hundreds of times: of the known class alone
        chances = edges[each, known + 1] - edges[each, known]
        prior = 0.5 * (slope / (_PRIOR_DEVIATION * spread)) ** 2
        return float(-np.log(np.maximum(chances, 1e-12)).sum() + prior)

    slope, thresholds = _unpacked(minimize(loss, start, method="BFGS").x)
    return Recalibration(slope / spread, tuple((thresholds + slope / spread * centre).tolist()))


def _unpacked(parameters: FloatArray) -> tuple[float, FloatArray]:
    """Slope, and thresholds that ascend whatever the parameters are."""
    steps = np.concatenate([parameters[1:2], np.exp(parameters[2:])])
    return float(parameters[0]), np.cumsum(steps)


def _logit(share: float) -> float:
    return float(np.log(share / (1.0 - share)))


def held_out_probabilities(
    sigma: ArrayLike, classes: ArrayLike, n_classes: int, *, seed: int, folds: int = 10
) -> FloatArray:
    """Probabilities for each labelled compound, learnt from the others: what a new compound could expect.

    Parameters
    ----------
    sigma, classes, n_classes
        As for :func:`recalibrate`.
    seed : int
        Of the division into folds, which are balanced over classes.
    folds : int
        Parts, each predicted from the others.

    Returns
    -------
    (n, n_classes) array
        NaN in folds for which too few of a class are left to learn from.
    """
    score, known = np.asarray(sigma, dtype=np.float64), np.asarray(classes, dtype=np.int64)
    rng = np.random.default_rng(seed)
    fold = np.empty(len(known), dtype=np.int64)
    start = 0
    for index in range(n_classes):
        members = rng.permutation(np.flatnonzero(known == index))
        fold[members] = (start + np.arange(len(members))) % folds
        start += len(members)
    result = np.full((len(known), n_classes), np.nan)
    for part in range(folds):
        out = fold == part
        if out.any() and enough_labels(known[~out], n_classes):
            result[out] = recalibrate(score[~out], known[~out], n_classes).probabilities(score[out])
    return result
