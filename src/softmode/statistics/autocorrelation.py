"""How far apart in a trajectory two frames must be to count as two: correlation times and block lengths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from softmode.crystal.arrays import FloatArray
from softmode.errors import InputDataError

#: The autocorrelation is summed up to the first lag that is this many correlation times long (Sokal's c).
WINDOW = 5.0
#: Length of a block in correlation times.
BLOCK = 5.0


@dataclass(frozen=True)
class CorrelationTimes:
    """Time scales of a series of frames.

    Attributes
    ----------
    integrated : float
        Integrated autocorrelation time ``τ = 1/2 + Σ_{k≥1} ρ(k)``, frames, at least 1/2.
    decorrelation : float
        The same sum over ``2 ρ(k)²``, frames, at least 1/2. Equal to ``τ`` for white noise, nearly so for an
        exponential decay, and longer than ``τ`` where ``ρ`` oscillates: there the terms of ``τ`` cancel while
        the frames remember each other for as long as the oscillation lives.
    window : int
        Lag at which both sums end, frames.
    """

    integrated: float
    decorrelation: float
    window: int

    @property
    def longest(self) -> float:
        """The longer of the two times, frames."""
        return max(self.integrated, self.decorrelation)

    @property
    def block_length(self) -> int:
        """Length of blocks that are independent for the purpose of a mean, frames.

        Five times the longer time, corrected such that uncorrelated frames have blocks of one frame: the
        variance of a block mean falls short by ``(τ - 1/(4τ)) / length`` in relative terms for an
        exponential decay, and by nothing for white noise.
        """
        time = self.longest
        return max(1, math.ceil(BLOCK * (time - 1.0 / (4.0 * time)) - 0.5))


def checked_series(
    series: ArrayLike, run_lengths: Sequence[int] | None, subject: str
) -> tuple[FloatArray, list[int]]:
    """Series and run lengths, checked.

    Parameters
    ----------
    series : (n_frames,) array
        One value per frame, run after run.
    run_lengths : sequence of int, optional
        Frames of each run; one run when not given.
    subject : str
        What the series belongs to, for messages.

    Raises
    ------
    InputDataError
        If a value is not finite; the frames are named.
    ValueError
        If the run lengths do not add up to the number of frames.
    """
    values = np.asarray(series, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"a series has one value per frame, not the shape {values.shape}")
    runs = [len(values)] if run_lengths is None else [int(length) for length in run_lengths]
    if min(runs, default=0) < 1 or sum(runs) != len(values):
        raise ValueError(f"runs of {runs} frames do not make {len(values)} frames")
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        frames = ", ".join(str(index) for index in wrong[:5]) + (", …" if len(wrong) > 5 else "")
        raise InputDataError(
            subject,
            f"{len(wrong)} of {len(values)} frames have no finite value (frames {frames}, counted from 0)",
            "Leave these frames out, or find out what went wrong in them",
        )
    return values, runs


def run_starts(run_lengths: Sequence[int]) -> NDArray[np.int64]:
    """Index of the first frame of each run in a series that holds them one after the other."""
    starts: NDArray[np.int64] = np.cumsum([0, *run_lengths[:-1]])
    return starts


def stacked_runs(series: FloatArray, run_lengths: Sequence[int]) -> list[FloatArray]:
    """Runs of equal length as the rows of one array, ``(n_runs, length)``, for each length there is."""
    lengths, starts = np.asarray(run_lengths), run_starts(run_lengths)
    return [series[starts[lengths == length][:, None] + np.arange(length)] for length in np.unique(lengths)]


def is_constant(values: FloatArray) -> bool:
    """Whether a series varies by rounding only."""
    return float(np.ptp(values)) <= 1e-13 * float(np.max(np.abs(values)))


def autocorrelation(series: FloatArray, run_lengths: Sequence[int]) -> FloatArray:
    """Normalised autocorrelation function, pooled over runs.

    Every run is centred by the mean of all frames, so that runs which disagree show as a correlation that
    does not decay. Products of frames of different runs do not occur. Sums are divided by the total number
    of frames, which keeps the function positive definite.

    Parameters
    ----------
    series : (n_frames,) array
        Finite, not constant.
    run_lengths : sequence of int
        Frames of each run.

    Returns
    -------
    (longest run,) array
        ``ρ(k)`` for lags ``k = 0, 1, …`` frames.
    """
    covariance = np.zeros(max(run_lengths))
    for rows in stacked_runs(series - series.mean(), run_lengths):
        length = rows.shape[1]
        size = fft.next_fast_len(2 * length, real=True)
        spectrum = fft.rfft(rows, size)
        power = np.sum(spectrum.real**2 + spectrum.imag**2, axis=0)
        covariance[:length] += fft.irfft(power, size)[:length]
    rho: FloatArray = covariance / covariance[0]
    return rho


def correlation_times(
    series: ArrayLike, run_lengths: Sequence[int] | None = None, *, subject: str = "trajectory"
) -> CorrelationTimes:
    """Correlation times with an automatic window.

    The window is the first lag that is five times as long as the correlation time summed so far (A. Sokal,
    *Monte Carlo Methods in Statistical Mechanics*, Cargèse lectures, 1996, §3), where the time is the
    longer of the integrated and the decorrelation time: with the integrated time alone an oscillating series
    closes the window after half a period. The bias from subtracting the mean of the same frames is corrected
    to first order (U. Wolff, Comput. Phys. Commun. 156, 143 (2004), eq. 49); from each ``ρ²`` the ``1/n`` is
    taken that noise alone would give.

    Parameters and errors are those of :func:`checked_series`.
    """
    values, runs = checked_series(series, run_lengths, subject)
    if is_constant(values):
        return CorrelationTimes(0.5, 0.5, 0)
    rho = autocorrelation(values, runs)
    n = len(values)
    lags = np.arange(len(rho))
    integrated = (np.cumsum(rho) - 0.5) * (1.0 + (2.0 * lags + 1.0) / n)
    decorrelation = 0.5 + 2.0 * np.cumsum(np.where(lags > 0, rho**2 - 1.0 / n, 0.0))
    longest = np.maximum(np.maximum(integrated, decorrelation), 0.5)
    closed = lags >= WINDOW * longest
    window = int(np.argmax(closed)) if closed.any() else len(rho) - 1
    return CorrelationTimes(
        integrated=max(0.5, float(integrated[window])),
        decorrelation=max(0.5, float(decorrelation[window])),
        window=window,
    )
