"""The material's score ⟨σ(t)⟩_t with what is known of its uncertainty, and its class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softmode.anharmonic.classes import CLASSES, EDGES, class_probabilities, classify
from softmode.errors import InputDataError
from softmode.statistics.correlated_means import mean_with_interval
from softmode.statistics.sequential import StopRule, judge

_LEAST_SAMPLES = 4  # independent ones; Student's t holds for few, but not for any skew of fewer


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
        Of each class; None without an interval.
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


def score(
    per_frame: NDArray[np.float64],
    run_lengths: Sequence[int],
    *,
    seed: int,
    subject: str,
    independent: bool = False,
) -> Score:
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
    independent : bool
        Whether the frames are known to be independent, so that few are enough: none looks like another by
        chance.
    """
    mean = float(per_frame.mean())
    try:
        estimate = mean_with_interval(per_frame, run_lengths, seed=seed, subject=subject)
    except InputDataError as error:
        return Score(mean, None, None, None, classify(mean), None, note=str(error))
    found = (mean, estimate.n_effective, estimate.autocorrelation_time)
    if independent and len(per_frame) < _LEAST_SAMPLES:
        note = (
            f"{subject}: {len(per_frame)} samples, too few for a confidence interval: give {_LEAST_SAMPLES}"
        )
        return _score(*found, None, None, note=note)
    if not (independent or estimate.enough):
        return _score(*found, None, None, note=estimate.too_few(subject))
    return _score(
        *found, (estimate.low, estimate.high), class_probabilities(estimate), reliable=estimate.reliable
    )


def score_of_part(
    per_frame: NDArray[np.float64],
    run_lengths: Sequence[int],
    n_looks: int,
    *,
    population: int | None,
    worth: float | None,
    subject: str,
) -> Score:
    """Mean of σ(t) over configurations that a sequential rule stopped at.

    Parameters
    ----------
    per_frame : (n_evaluated,) array
        σ(t) in order of time.
    run_lengths : sequence of int
        Evaluated frames of each run.
    n_looks : int
        Among how many looks the chance of an error is divided.
    population : int or None
        Frames of the trajectory; None for independent samples.
    worth : float or None
        Independent frames that all of these are worth, where that is known.
    subject : str
        Named in the note when there are too few.
    """
    found = judge(
        per_frame,
        run_lengths,
        StopRule(None, None, EDGES),
        n_looks,
        population=population,
        worth=worth,
        independent=population is None,
        subject=subject,
    )
    interval = None if found.low is None or found.high is None else (found.low, found.high)
    own = (found.mean, found.n_effective, found.autocorrelation_time)
    return _score(*own, interval, found.probabilities, reliable=interval is not None, note=found.note)


def _score(
    mean: float,
    n_effective: float | None,
    autocorrelation_time: float | None,
    interval: tuple[float, float] | None,
    chances: Sequence[float] | None,
    *,
    reliable: bool = False,
    note: str = "",
) -> Score:
    named = None if chances is None else {name: float(p) for name, p in zip(CLASSES, chances, strict=True)}
    return Score(mean, interval, n_effective, autocorrelation_time, classify(mean), named, reliable, note)
