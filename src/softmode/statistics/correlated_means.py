"""Uncertainty of a mean over the frames of molecular dynamics runs.

Frames are correlated. How the interval of a mean is made, and how often it holds the truth, is written in
``docs/statistics.md``; in short:

1. blocks of five correlation times, never across the boundary of two runs;
2. moving-block bootstrap of the mean (H. R. Künsch, Ann. Stat. 17, 1217 (1989)): it gives the distribution
   its shape;
3. its spread is set to a standard error that is nearly unbiased for few blocks, from the lowest cosine
   components of each run and from the differences between run means (U. K. Müller, J. Econometrics 141, 1331
   (2007); E. Lazarus et al., J. Bus. Econ. Stat. 36, 541 (2018)), with one degree of freedom less than there
   are blocks;
4. it is widened to Student's t with these degrees of freedom.

For uncorrelated frames this is the classical t interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft
from scipy.special import chdtri

from softmode.crystal.arrays import FloatArray
from softmode.errors import InputDataError
from softmode.statistics.autocorrelation import (
    CorrelationTimes,
    checked_series,
    correlation_times,
    is_constant,
    stacked_runs,
)
from softmode.statistics.bootstrap import drawn_blocks, percentile_interval

#: From this many effective frames on the 95 % interval is known to cover 90 to 98 % of the time.
RELIABLE_N_EFFECTIVE = 10.0
_MIN_BLOCKS_RELIABLE = 4
#: More blocks than this are drawn as fewer, longer ones: cheaper, and longer blocks are valid too.
_MAX_DRAWN_BLOCKS = 128


@dataclass(frozen=True)
class CorrelatedMean:
    """A mean over frames with its standard error.

    Attributes
    ----------
    mean : float
        Mean over all frames.
    standard_error : float
        Standard error of the mean.
    n_frames : int
        Number of frames.
    n_effective : float
        Number of independent frames they are worth, ``n_frames / (2 τ)``, no more than there are different.
    autocorrelation_time : float
        Integrated autocorrelation time ``τ``, frames, at least 1/2.
    block_length : int
        Length of the blocks, frames.
    n_blocks : int
        Number of whole blocks that fit into the runs.
    """

    mean: float
    standard_error: float
    n_frames: int
    n_effective: float
    autocorrelation_time: float
    block_length: int
    n_blocks: int

    @property
    def degrees_of_freedom(self) -> int:
        """Degrees of freedom of the standard error."""
        return self.n_blocks - 1

    @property
    def enough(self) -> bool:
        """Whether the frames are worth so many independent ones that an interval means something."""
        return self.n_effective >= RELIABLE_N_EFFECTIVE

    @property
    def reliable(self) -> bool:
        """Whether there are enough frames, as far as they can tell, for an interval to be trusted.

        Necessary, not sufficient: frames that are fewer than the correlation time cannot show how long it is.
        """
        return self.enough and self.n_blocks >= _MIN_BLOCKS_RELIABLE

    def too_few(self, subject: str) -> str:
        """Why there is no interval that could be relied on."""
        return (
            f"{subject}: {self.n_frames} frames, worth {self.n_effective:.1f} independent ones: fewer than "
            f"{RELIABLE_N_EFFECTIVE:g}, too few for a confidence interval."
        )


@dataclass(frozen=True, eq=False)
class MeanEstimate(CorrelatedMean):
    """A mean over correlated frames with its interval.

    Attributes
    ----------
    low, high : float
        Bounds of the interval.
    level : float
        Nominal coverage of the interval.
    samples : (n_samples,) array
        The distribution the interval is taken from: probabilities taken from it agree with the interval.
    """

    low: float
    high: float
    level: float
    samples: FloatArray = field(repr=False)


def _count_blocks(runs: Sequence[int], block_length: int) -> int:
    return sum(length // block_length for length in runs)


def _standard_error(values: FloatArray, runs: Sequence[int], times: CorrelationTimes) -> float:
    """Standard error of the mean with ``n_blocks - 1`` degrees of freedom.

    In a run of ``n`` frames that holds ``B`` blocks, each of the ``B - 1`` lowest components of the
    orthonormal cosine transform has the variance that ``sqrt(n)`` times the mean has, as long as its
    wavelength is long against the correlation time. What it lacks where it is not so long is made up for as
    if the correlation decayed exponentially (prewhitening: D. W. K. Andrews & J. C. Monahan, Econometrica 60,
    953 (1992)). The weighted differences between run means add one degree of freedom less than there are
    runs.
    """
    block_length = times.block_length
    power, degrees = 0.0, -1
    lengths, means = [], []
    for rows in stacked_runs(values, runs):
        n_runs, length = rows.shape
        n_components = length // block_length - 1
        if n_components < 0:
            continue
        lengths.append(np.full(n_runs, length))
        means.append(rows.mean(axis=1))
        degrees += n_runs * (1 + n_components)
        components = fft.dct(rows, type=2, norm="ortho")[:, 1 : n_components + 1]
        half_phase = np.pi * np.arange(1, n_components + 1) / (2 * length)
        falloff = 1.0 + (4.0 * times.integrated**2 - 1.0) * np.sin(half_phase) ** 2
        power += float(np.sum(components**2 * falloff))
    frames, run_means = np.concatenate(lengths), np.concatenate(means)
    power += float(frames @ (run_means - frames @ run_means / frames.sum()) ** 2)
    return math.sqrt(power / degrees / len(values))


def _check_blocks(runs: Sequence[int], times: CorrelationTimes, subject: str) -> int:
    n_blocks = _count_blocks(runs, times.block_length)
    if n_blocks < 2:
        n = sum(runs)
        given = f"{n} frame{'s' if n > 1 else ''}" + (f" in {len(runs)} runs" if len(runs) > 1 else "")
        raise InputDataError(
            subject,
            f"{given}, fewer than two blocks of {times.block_length} (autocorrelation time "
            f"{times.longest:.3g} frames): too few for a confidence interval",
            "Give longer runs, or frames further apart in time",
        )
    return n_blocks


@lru_cache(maxsize=256)
def _widening(degrees: int, n_samples: int) -> FloatArray:
    """Factors that turn normal deviates into Student's t, at evenly spaced probabilities."""
    evenly = (np.arange(n_samples) + 0.5) / n_samples
    factors: FloatArray = np.sqrt(degrees / chdtri(degrees, evenly))
    factors.flags.writeable = False
    return factors


def _samples(
    values: FloatArray,
    runs: Sequence[int],
    block_length: int,
    standard_error: float,
    rng: np.random.Generator,
    n_samples: int,
) -> FloatArray:
    n = len(values)
    degrees = _count_blocks(runs, block_length) - 1
    drawn_length = max(block_length, min(math.ceil(n / _MAX_DRAWN_BLOCKS), max(runs)))
    starts = drawn_blocks(runs, drawn_length, rng, n_samples, most=4 * _MAX_DRAWN_BLOCKS)
    total = np.concatenate([[0.0], np.cumsum(values)])
    means = (total[drawn_length:] - total[:-drawn_length]) / drawn_length  # of the block from each frame on
    resampled = means[starts].mean(axis=1)
    resampled -= resampled.mean()
    spread = float(np.sqrt(np.mean(resampled**2)))
    widening = rng.permutation(_widening(degrees, n_samples))
    result: FloatArray = values.mean() + resampled * (standard_error / spread) * widening
    return result


def correlated_mean(
    series: ArrayLike,
    run_lengths: Sequence[int] | None = None,
    *,
    subject: str = "trajectory",
    independent: bool = False,
) -> CorrelatedMean:
    """Mean over the correlated frames of one or more runs, with its standard error.

    Parameters
    ----------
    series : (n_frames,) array
        One value per frame, such as ``σ(t)``, run after run.
    run_lengths : sequence of int, optional
        Frames of each run; one run when not given. Independent frames may be given as one run.
    subject : str
        What the series belongs to, for messages.
    independent : bool
        Whether the frames are known to be independent: how long they remember each other is not asked then.

    Raises
    ------
    InputDataError
        If there are fewer frames than two blocks, all have one value, or a value is not finite.
    ValueError
        If the run lengths do not add up to the number of frames.
    """
    values, runs = checked_series(series, run_lengths, subject)
    distinct = len(np.unique(values))
    if distinct == 1 and len(values) > 1:
        raise InputDataError(
            subject,
            f"all {len(values)} frames have the same value: copies of one frame say nothing of an interval",
            "Give frames that are independent",
        )
    times = CorrelationTimes(0.5, 0.5, 0) if independent else correlation_times(values, runs, subject=subject)
    n_blocks = _check_blocks(runs, times, subject)
    n_effective = len(values) / (2.0 * times.integrated)
    error = 0.0
    if not is_constant(values):
        error = _standard_error(values, runs, times) * math.sqrt(max(1.0, n_effective / distinct))
        n_effective = min(n_effective, float(distinct))  # copies are not independent
    return CorrelatedMean(
        mean=float(values.mean()),
        standard_error=error,
        n_frames=len(values),
        n_effective=n_effective,
        autocorrelation_time=times.integrated,
        block_length=times.block_length,
        n_blocks=n_blocks,
    )


def mean_with_interval(
    series: ArrayLike,
    run_lengths: Sequence[int] | None = None,
    *,
    seed: int,
    n_samples: int = 4000,
    level: float = 0.95,
    subject: str = "trajectory",
) -> MeanEstimate:
    """Mean over the correlated frames of one or more runs, with a confidence interval.

    Parameters
    ----------
    series : (n_frames,) array
        One value per frame, such as ``σ(t)``, run after run.
    run_lengths : sequence of int, optional
        Frames of each run; one run when not given. Independent frames may be given as one run.
    seed : int
        Seed of the bootstrap: the same seed gives the same interval.
    n_samples : int
        Bootstrap samples.
    level : float
        Nominal coverage of the interval, between 0 and 1.
    subject : str
        What the series belongs to, for messages.

    Returns
    -------
    MeanEstimate
        Where the frames are worth ten independent ones or more and the values are not extremely skewed, the
        95 % interval holds the true mean between 90 and 98 % of the time (``docs/statistics.md``).

    Raises
    ------
    InputDataError
        If there are fewer frames than two blocks, all have one value, or a value is not finite.
    ValueError
        If the run lengths do not add up to the number of frames.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"the level of an interval lies between 0 and 1, not at {level}")
    values, runs = checked_series(series, run_lengths, subject)
    found = correlated_mean(values, runs, subject=subject)
    if is_constant(values):
        samples = np.full(n_samples, found.mean)
    else:
        rng = np.random.default_rng(seed)
        samples = _samples(values, runs, found.block_length, found.standard_error, rng, n_samples)
    low, high = percentile_interval(samples, level)
    return MeanEstimate(**asdict(found), low=float(low), high=float(high), level=level, samples=samples)
