"""Whether a run is in equilibrium: temperature, drift of the energy, frames to skip."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from softmode.crystal.arrays import FloatArray
from softmode.dynamics.thermostats import degrees_of_freedom, sampled_temperature
from softmode.dynamics.trajectory_writer import MDRun
from softmode.errors import InputDataError
from softmode.statistics.autocorrelation import CorrelationTimes, correlation_times, is_constant

_FEWEST_FRAMES = 8
_CANDIDATES = 40  # frames at which a run may be said to be in equilibrium, evenly spread
_ALARM = 0.997  # level at which a drift is warned of, that of three standard errors
_LATEST = 0.75  # of the run: a shorter rest cannot show its own correlation time


@dataclass(frozen=True)
class Drift:
    """Linear drift of a series.

    Attributes
    ----------
    slope : float
        Per ps.
    standard_error : float
        Of the slope, for correlated frames.
    degrees_of_freedom : int
        Number of independent blocks of frames, less the two that the line takes.
    """

    slope: float
    standard_error: float
    degrees_of_freedom: int

    def significant(self, level: float = 0.95) -> bool:
        """Whether the interval of this level leaves out zero."""
        factor = float(stdtrit(self.degrees_of_freedom, 0.5 + 0.5 * level))
        return abs(self.slope) > factor * self.standard_error


@dataclass(frozen=True)
class Equilibration:
    """Where a series settles.

    Attributes
    ----------
    skip : int
        Frames to leave out at the beginning.
    n_effective : float
        Independent frames that the rest is worth.
    """

    skip: int
    n_effective: float


@dataclass(frozen=True)
class RunDiagnostics:
    """How a run stands with equilibrium, after `skip` frames.

    Attributes
    ----------
    skip : int
        Frames left out at the beginning.
    suggested_skip : int
        Frames that should be left out, by the potential energy.
    n_effective : float
        Independent frames (potential energy) that are left.
    target_temperature, temperature, temperature_error : float
        Set; mean; standard error of the mean, K.
    temperature_std, expected_std, std_error : float
        Fluctuation of the temperature; the canonical ``T sqrt(2 / (3 N - 3))``; standard error, K.
    sampled_temperature : float
        What the thermostat brings the positions to in a long run, K
        (:func:`~softmode.dynamics.thermostats.sampled_temperature`).
    energy_drift : Drift
        Of the potential energy, meV per atom and ps.
    conserved_drift : Drift or None
        Of the conserved energy, meV per atom and ps; None where nothing is conserved.
    warnings : tuple of str
        What is not as it should be; empty for a run in equilibrium.
    """

    skip: int
    suggested_skip: int
    n_effective: float
    target_temperature: float
    temperature: float
    temperature_error: float
    temperature_std: float
    expected_std: float
    std_error: float
    sampled_temperature: float
    energy_drift: Drift
    conserved_drift: Drift | None
    warnings: tuple[str, ...]

    @property
    def equilibrated(self) -> bool:
        """Whether there is nothing to warn of."""
        return not self.warnings


def linear_drift(times: ArrayLike, series: ArrayLike) -> Drift:
    """Slope of a straight line with a standard error that respects autocorrelation.

    Parameters
    ----------
    times : (n_frames,) array
        ps.
    series : (n_frames,) array
        One value per frame.

    Notes
    -----
    The line is fitted to means over blocks of five correlation times (of what remains without the line), with
    two degrees of freedom less than there are blocks, which are at least three. Of first-order
    autoregressions without drift, worth ten independent frames or more, 5 to 9 % are called significant.
    """
    time, values = np.asarray(times, dtype=np.float64), np.asarray(series, dtype=np.float64)
    if len(values) < _FEWEST_FRAMES:
        raise InputDataError("series", f"has {len(values)} frames: too few to see a drift", "run longer")
    if is_constant(values):
        return Drift(0.0, 0.0, len(values) - 2)
    _, residual = _line(time, values)
    length = min(correlation_times(residual, subject="residuals").block_length, len(values) // 3)
    first = len(values) % length
    blocks = [array[first:].reshape(-1, length).mean(axis=1) for array in (time, values)]
    slope, remainder = _line(*blocks)
    degrees = len(remainder) - 2
    centred = blocks[0] - blocks[0].mean()
    return Drift(slope, math.sqrt(float(remainder @ remainder) / degrees / float(centred @ centred)), degrees)


def _line(time: FloatArray, values: FloatArray) -> tuple[float, FloatArray]:
    """Least-squares slope, and what remains."""
    centred = time - time.mean()
    slope = float(centred @ values) / float(centred @ centred)
    return slope, np.asarray(values - values.mean() - slope * centred)


def equilibration(series: ArrayLike) -> Equilibration:
    """Number of frames to skip for as many independent frames as possible.

    J. D. Chodera, J. Chem. Theory Comput. 12, 1799 (2016), with the correlation times used everywhere here.

    Parameters
    ----------
    series : (n_frames,) array
        A series that relaxes when the run does, as the potential energy.
    """
    values = np.asarray(series, dtype=np.float64)
    n = len(values)
    starts = np.unique(np.linspace(0, int(_LATEST * n), min(n, _CANDIDATES)).astype(int))
    best = Equilibration(0, 0.0)
    for start in starts:
        rest = values[start:]
        n_effective = len(rest) / (2.0 * correlation_times(rest).longest)
        if n_effective > best.n_effective:
            best = Equilibration(int(start), n_effective)
    return best


def diagnose(run: MDRun, skip: int | None = None) -> RunDiagnostics:
    """Check a run for equilibrium.

    Parameters
    ----------
    run : MDRun
        From :func:`~softmode.dynamics.trajectory_writer.read_md`.
    skip : int, optional
        Frames to leave out at the beginning; as many as suggested when not given.

    Raises
    ------
    InputDataError
        If fewer than eight frames are left.
    """
    frames = run.frames
    if frames.n_frames - (skip or 0) < _FEWEST_FRAMES:
        raise InputDataError(
            run.source,
            f"{frames.n_frames} frames{f', {skip} of them skipped' if skip else ''}: too few to judge",
            "run longer or record more often",
        )
    settled = equilibration(frames.potential_energy)
    first = settled.skip if skip is None else skip
    times = run.times[first:]
    per_atom = 1000.0 / run.description.n_atoms
    temperature = frames.temperature[first:]
    conserved = frames.conserved_energy[first:]
    correlation = correlation_times(temperature)
    n = len(temperature)
    expected = run.settings.temperature * math.sqrt(2.0 / degrees_of_freedom(run.description.n_atoms))
    spread = float(temperature.std())
    diagnostics = RunDiagnostics(
        skip=first,
        suggested_skip=settled.skip,
        n_effective=n / (2.0 * correlation_times(frames.potential_energy[first:]).longest),
        target_temperature=run.settings.temperature,
        temperature=float(temperature.mean()),
        temperature_error=spread * math.sqrt(2.0 * correlation.integrated / n),
        temperature_std=spread,
        expected_std=expected,
        std_error=_error_of_std(expected, correlation, n),
        sampled_temperature=sampled_temperature(run.settings),
        energy_drift=linear_drift(times, per_atom * frames.potential_energy[first:]),
        conserved_drift=linear_drift(times, per_atom * conserved) if np.isfinite(conserved).all() else None,
        warnings=(),
    )
    return RunDiagnostics(**{**diagnostics.__dict__, "warnings": _warnings(run, diagnostics)})


def _error_of_std(expected: float, correlation: CorrelationTimes, n: int) -> float:
    """Standard error of a standard deviation: ``n / (1 + 2 Σ ρ²)`` squares are independent (Gauss)."""
    independent = n / (correlation.decorrelation + 0.5)
    return expected / math.sqrt(2.0 * max(1.0, independent))


def _warnings(run: MDRun, found: RunDiagnostics) -> tuple[str, ...]:
    warnings = []
    if run.status != "completed":
        warnings.append(run.summary)
    if found.suggested_skip > 0.5 * run.n_frames:
        warnings.append("the run spends more than half its length on the way to equilibrium")
    if found.n_effective < 10.0:
        warnings.append(f"the energy is worth only {found.n_effective:.1f} independent frames")
    difference = found.temperature - found.target_temperature
    if abs(difference) > 3.0 * found.temperature_error + 0.005 * found.target_temperature:
        warnings.append(
            f"the mean temperature is {found.temperature:.0f} K instead of {found.target_temperature:.0f} K"
        )
    if abs(found.temperature_std - found.expected_std) > 3.0 * found.std_error + 0.02 * found.expected_std:
        warnings.append(
            f"the temperature fluctuates by {found.temperature_std:.1f} K "
            f"instead of {found.expected_std:.1f} K"
        )
    if found.sampled_temperature > 1.02 * found.target_temperature:
        warnings.append(
            "Andersen collisions this frequent bring the positions to "
            f"{found.sampled_temperature:.0f} K in a long run"
        )
    drift = found.energy_drift
    if drift.significant(_ALARM):
        warnings.append(
            f"the potential energy drifts by {drift.slope:.2g} ± {drift.standard_error:.1g} meV "
            "per atom and ps"
        )
    return tuple(warnings)
