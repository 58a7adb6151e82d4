"""When enough frames have been evaluated: an order that covers a trajectory, and a rule that stops.

A mean is looked at a few times, after numbers of frames that are fixed beforehand (:func:`looks`). What is
allowed to go wrong is divided evenly among the looks, so that the rate of errors holds however often one
looks and however the looks depend on each other (Bonferroni). At each look

1. the standard error of the mean is that of correlated frames
   (:func:`~softmode.statistics.correlated_means.correlated_mean`), never less than that of as many
   independent ones; there is none while the frames are not worth ten independent ones;
2. Student's t gives the interval and the probability of each class;
3. where the frames are a sample of a trajectory, the distance to the mean over *all* its frames is known
   whatever its correlation: one frame is drawn at random from each of many equal parts, so that the
   differences of neighbours bound the scatter within parts (collapsed strata: W. G. Cochran, *Sampling
   Techniques*, 3rd ed., 1977, §5A.12). It says when the rest of the trajectory would add nothing.

How often it is wrong, by simulation, is written in ``docs/statistics.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from softmode.crystal.arrays import FloatArray, IntArray
from softmode.errors import InputDataError
from softmode.statistics.autocorrelation import checked_series
from softmode.statistics.correlated_means import RELIABLE_N_EFFECTIVE, correlated_mean

#: Of the interval that is given.
LEVEL = 0.95
#: Before so many values nothing is decided.
FIRST_LOOK = 12
#: A trajectory has nothing more to say when its other frames account for less than this of the variance of
#: the mean: all of them would make the interval a tenth narrower.
_LITTLE = 0.2
#: Fewer frames than these cannot say so.
_EXHAUSTED_FROM = 64

#: ``class``: certain; ``interval``: narrow enough; ``exhausted``: more frames of this trajectory would change
#: next to nothing; ``all``: there are no more; ``""``: go on.
Reason = Literal["class", "interval", "exhausted", "all", ""]


@dataclass(frozen=True)
class StopRule:
    """What is asked for; evaluation stops as soon as one of the two is reached.

    Parameters
    ----------
    certainty : float or None
        Probability with which the class is to be right, ``0.5 < certainty < 1``.
    half_width : float or None
        Half the width of the 95 % interval.
    edges : tuple of float
        Between the classes, ascending.
    """

    certainty: float | None = 0.95
    half_width: float | None = None
    edges: tuple[float, ...] = ()

    def paid_looks(self, most: int) -> int:
        """Among how many looks at up to `most` values the chance of an error is to be divided.

        All, where the mean decides when to stop; one where the width alone does, which says nothing of the
        mean (Y. S. Chow & H. Robbins, Ann. Math. Stat. 36, 457 (1965)).
        """
        return 1 if self.certainty is None else len(looks(most))


@dataclass(frozen=True)
class Verdict:
    """What one look at the values so far says.

    Parameters
    ----------
    reason : str
        Why to stop; empty: go on.
    mean : float
        Of the values.
    low, high : float or None
        95 % interval that holds at all looks together; None where the values carry none.
    probabilities : tuple of float or None
        Of the classes, from the distribution that the interval is taken from.
    n_effective, autocorrelation_time : float or None
        Independent values they are worth; correlation time in values.
    note : str
        Why there is no interval; else empty.
    """

    reason: Reason
    mean: float
    low: float | None = None
    high: float | None = None
    probabilities: tuple[float, ...] | None = None
    n_effective: float | None = None
    autocorrelation_time: float | None = None
    note: str = ""


def covering_order(n_frames: int, seed: int) -> IntArray:
    """All frames in an order that is spread over the trajectory wherever one stops.

    The trajectory is halved again and again. The first ``2^k`` frames are one from each of ``2^k`` equal
    parts, at a random place in it; which half comes first is drawn at each halving (van der Corput's
    sequence, scrambled: A. B. Owen, in *Monte Carlo and Quasi-Monte Carlo Methods*, Springer, 1995, 299).

    Parameters
    ----------
    n_frames : int
        Frames of the trajectory, runs one after the other.
    seed : int
        Of the draws.

    Returns
    -------
    (n_frames,) array
        Indices of the frames; each occurs once.
    """
    rng = np.random.default_rng([seed, n_frames])
    levels = max(1, math.ceil(math.log2(n_frames))) + 2  # then each frame is met: parts are a quarter of one
    index = np.arange(2**levels)
    part = np.zeros(len(index), dtype=np.int64)
    for level in range(levels):
        swapped = rng.integers(0, 2, 2**level)
        part = 2 * part + (((index >> level) & 1) ^ swapped[part])
    place = (part + rng.random(len(index))) / len(index)
    frames = np.minimum((place * n_frames).astype(np.int64), n_frames - 1)
    _, first = np.unique(frames, return_index=True)
    order: IntArray = frames[np.sort(first)]
    return order


def looks(most: int) -> tuple[int, ...]:
    """Numbers of values after which is looked: 12, 16, 24, 32, 48 … and `most`."""
    if most < 1:
        raise ValueError(f"there is nothing to look at among {most} values")
    steps = [FIRST_LOOK * 2**k for k in range(64)] + [16 * 2**k for k in range(64)]
    return (*sorted(step for step in steps if step < most), most)


def judge(
    series: ArrayLike,
    run_lengths: Sequence[int] | None,
    rule: StopRule,
    n_looks: int,
    *,
    population: int | None = None,
    worth: float | None = None,
    independent: bool = False,
    subject: str = "trajectory",
) -> Verdict:
    """Whether the values so far are enough.

    Parameters
    ----------
    series : (n,) array
        Values so far in order of time, run after run.
    run_lengths : sequence of int, optional
        Values of each run; one run when not given.
    rule : StopRule
        What is asked for.
    n_looks : int
        Among how many looks the chance of an error is divided: :meth:`StopRule.paid_looks`.
    population : int, optional
        Frames of the trajectory of which these are the first of :func:`covering_order`; None when the values
        are those of a run that goes on, or independent samples.
    worth : float, optional
        Independent values that all frames of the trajectory are worth, where something that goes with these
        values, such as the reference's own, is known on all of them: few frames cannot show how long the
        trajectory remembers itself, but it can.
    independent : bool
        Whether the values are known to be independent.
    subject : str
        What they belong to, for messages.

    Raises
    ------
    InputDataError
        If a value is not finite.
    """
    values, runs = checked_series(series, run_lengths, subject)
    n, mean = len(values), float(values.mean())
    needed = None if rule.certainty is None else 1.0 - (1.0 - rule.certainty) / n_looks

    def certain(error: float, degrees: int) -> bool:
        return needed is not None and max(_shares(mean, error, degrees, rule.edges)) >= needed

    def rest(error: float) -> Reason:
        """Whether there are more frames, and whether they would say more than that."""
        if population is None or n == population:
            return "" if population is None else "all"
        of_rest = _error_of_rest(values, population)
        shown = n >= (_EXHAUSTED_FROM if worth is None else FIRST_LOOK)
        little = shown and of_rest**2 <= _LITTLE * error**2
        return "exhausted" if little and (needed is None or certain(of_rest, n // 2)) else ""

    spread = float(values.std(ddof=1)) if n > 1 else math.inf
    most = math.inf if worth is None else worth
    found, note = None, ""
    try:
        found = correlated_mean(values, runs, subject=subject, independent=independent)
    except InputDataError as refused:
        note = str(refused)
    if found is not None:
        found = replace(found, n_effective=min(found.n_effective, most))
        note = "" if found.enough else found.too_few(subject)
    if found is None or note:
        # worth fewer independent frames than that, the mean is known no better
        reason = rest(spread / math.sqrt(min(most, RELIABLE_N_EFFECTIVE)))
        n_effective = None if found is None else found.n_effective
        time = None if found is None else found.autocorrelation_time
        return Verdict(reason, mean, n_effective=n_effective, autocorrelation_time=time, note=note)
    error = max(found.standard_error, spread / math.sqrt(min(n, most)))
    degrees = found.degrees_of_freedom
    quantile = float(stdtrit(degrees, 1.0 - 0.5 * (1.0 - LEVEL) / n_looks))
    half_width = error * quantile
    widened = half_width / float(stdtrit(degrees, 0.5 + 0.5 * LEVEL))
    narrow = rule.half_width is not None and half_width <= rule.half_width
    return Verdict(
        reason="interval" if narrow else "class" if certain(error, degrees) else rest(error),
        mean=mean,
        low=mean - half_width,
        high=mean + half_width,
        probabilities=_shares(mean, widened, degrees, rule.edges),
        n_effective=found.n_effective,
        autocorrelation_time=found.autocorrelation_time,
    )


def _shares(mean: float, error: float, degrees: int, edges: Sequence[float]) -> tuple[float, ...]:
    """Probability of each class by Student's t."""
    if error == 0.0:
        below = [float(edge > mean) for edge in edges]
    else:
        below = [float(stdtr(degrees, (edge - mean) / error)) for edge in edges]
    return tuple(float(share) for share in np.diff([0.0, *below, 1.0]))


def _error_of_rest(values: FloatArray, population: int) -> float:
    """Standard error of the mean as an estimate of that over all frames, from neighbours in time."""
    n = len(values)
    variance = float(np.mean(np.diff(values) ** 2)) / 2.0
    return math.sqrt(variance / n * (1.0 - n / population))
