"""The material's score ⟨σ(t)⟩_t with what is known of its uncertainty, and its class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softmode.anharmonic.classes import CLASSES, class_probabilities, classify
from softmode.errors import InputDataError
from softmode.statistics.correlated_means import mean_with_interval


@dataclass(frozen=True)
class Score:
    """⟨σ(t)⟩_t of a trajectory.

    Parameters
    ----------
    mean_t : float
        Mean over frames.
    interval : (float, float) or None
        95 % confidence interval; None when there are too few independent frames to tell.
    n_effective, autocorrelation_time : float or None
        Number of independent frames; correlation time in frames.
    reliable : bool
        Whether there are enough independent frames for the interval's 95 % to be taken at its word.
    class_name : str
        Class of the mean.
    probabilities : dict of str to float, or None
        Of each class.
    note : str
        Why there is no interval; else empty.
    """

    mean_t: float
    interval: tuple[float, float] | None
    n_effective: float | None
    autocorrelation_time: float | None
    class_name: str
    probabilities: dict[str, float] | None
    reliable: bool = False
    note: str = ""


def score(per_frame: NDArray[np.float64], run_lengths: Sequence[int], *, seed: int, subject: str) -> Score:
    """Mean of σ(t) with a block-bootstrap interval and class probabilities.

    Parameters
    ----------
    per_frame : (n_frames,) array
        σ(t).
    run_lengths : sequence of int
        Frames of each independent run.
    seed : int
        Seed of the bootstrap.
    subject : str
        Named in the note when there are too few frames; the mean is given all the same.
    """
    mean = float(per_frame.mean())
    try:
        estimate = mean_with_interval(per_frame, run_lengths, seed=seed, subject=subject)
    except InputDataError as error:
        return Score(mean, None, None, None, classify(mean), None, note=str(error))
    chances = class_probabilities(estimate)
    return Score(
        mean_t=mean,
        interval=(estimate.low, estimate.high),
        n_effective=estimate.n_effective,
        autocorrelation_time=estimate.autocorrelation_time,
        class_name=classify(mean),
        reliable=estimate.reliable,
        probabilities={name: float(p) for name, p in zip(CLASSES, chances, strict=True)},
    )
