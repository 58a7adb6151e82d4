"""How often the 95 % interval of a mean over correlated frames holds the true mean, by simulation.

    python benchmarks/interval_coverage.py [repetitions]

Every row is one kind of synthetic series whose mean and correlation time are known; the frames are shared out
to the runs. The claim, 90 to 98 %, is made where a series is worth ten independent frames or more by its true
correlation time, and its values spread by no more than half their mean or are not skewed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from softmode.errors import InputDataError
from softmode.statistics.correlated_means import mean_with_interval

FloatArray = NDArray[np.float64]
Maker = Callable[[np.random.Generator, int, int], FloatArray]

CLAIMED_FROM = 10.0


@dataclass(frozen=True)
class Case:
    """One row: a kind of series, its correlation time in frames, frames, runs."""

    kind: str
    time: float
    n_frames: int
    n_runs: int
    make: Maker
    mean: float = 0.0
    extreme: bool = False

    @property
    def n_effective(self) -> float:
        """Independent frames the series is worth, by its longer correlation time."""
        return self.n_frames / (2 * self.time)

    @property
    def claimed(self) -> bool:
        """Whether coverage is claimed for it."""
        return self.n_effective >= CLAIMED_FROM and not self.extreme

    @property
    def runs(self) -> list[int]:
        """Frames of each run."""
        return [self.n_frames // self.n_runs] * self.n_runs


@dataclass(frozen=True)
class Coverage:
    """Outcome of a row, shares between 0 and 1."""

    refused: float
    covered: float
    reliable: float
    covered_reliable: float
    width: float


def first_order(time: float) -> Maker:
    """Autoregression of unit variance with integrated autocorrelation time ``time`` frames."""
    rho = (2 * time - 1) / (2 * time + 1)

    def make(rng: np.random.Generator, n_series: int, n_frames: int) -> FloatArray:
        noise = rng.standard_normal((n_series, n_frames))
        noise[:, 1:] *= np.sqrt(1 - rho**2)
        return lfilter([1.0], [1.0, -rho], noise, axis=1)

    return make


def skewed(time: float, scale: float) -> Maker:
    """Positive, log-normal: like sigma(t) with rare large excursions. The mean is exp(scale² / 2)."""
    gaussian = first_order(time)
    return lambda rng, n_series, n_frames: np.exp(scale * gaussian(rng, n_series, n_frames))


def oscillating(period: float, lifetime: float) -> Maker:
    """Second-order autoregression of unit variance: excited and forgotten like a phonon."""
    radius, angle = np.exp(-1 / lifetime), 2 * np.pi / period
    filtered = [1.0, -2 * radius * np.cos(angle), radius**2]
    decay = np.arange(int(30 * lifetime))
    response = radius**decay * np.sin((decay + 1) * angle) / np.sin(angle)
    burn_in = int(10 * lifetime)

    def make(rng: np.random.Generator, n_series: int, n_frames: int) -> FloatArray:
        noise = rng.standard_normal((n_series, n_frames + burn_in))
        return lfilter([1.0], filtered, noise, axis=1)[:, burn_in:] / np.sqrt(np.sum(response**2))

    return make


def mixed(time: float, period: float, lifetime: float) -> Maker:
    """Half slow relaxation, half oscillation, by variance."""
    slow, fast = first_order(time), oscillating(period, lifetime)
    return lambda rng, n, frames: (slow(rng, n, frames) + fast(rng, n, frames)) / np.sqrt(2)


def cases() -> Iterator[Case]:
    for time in (0.5, 2.0, 5.0, 10.0, 25.0, 50.0):
        for n_frames in (100, 400, 1600, 3000):
            for n_runs in (1, 2):
                yield Case("exponential", time, n_frames, n_runs, first_order(time))
    for scale in (0.5, 1.0):
        for time in (0.5, 5.0, 25.0):
            for n_frames in (100, 400, 1600):
                maker, mean = skewed(time, scale), float(np.exp(scale**2 / 2))
                yield Case(f"log-normal, {scale}", time, n_frames, 2, maker, mean, scale > 0.5)
    for period, lifetime in ((10, 10), (20, 30), (60, 100)):
        for n_frames in (400, 1600):
            for n_runs in (1, 2):
                kind = f"oscillation, period {period}"
                yield Case(kind, lifetime / 2, n_frames, n_runs, oscillating(period, lifetime))
    for n_frames in (400, 1600):
        yield Case("relaxation + oscillation", 10.0, n_frames, 2, mixed(10.0, 20, 20))


def coverage(case: Case, repetitions: int, seed: int = 0, n_samples: int = 1000) -> Coverage:
    """Simulate one row."""
    rng = np.random.default_rng([seed, case.n_frames, case.n_runs, int(10 * case.time)])
    made = np.concatenate([case.make(rng, repetitions, length) for length in case.runs], axis=1)
    held, reliable, widths = [], [], []
    for index, series in enumerate(made):
        try:
            estimate = mean_with_interval(series, case.runs, seed=index, n_samples=n_samples)
        except InputDataError:
            continue
        held.append(estimate.low <= case.mean <= estimate.high)
        reliable.append(estimate.reliable)
        widths.append(estimate.high - estimate.low)
    trusted = [hit for hit, trust in zip(held, reliable, strict=True) if trust]
    ideal = 2 * 1.96 * made.mean(axis=1).std()
    return Coverage(
        refused=1 - len(held) / repetitions,
        covered=float(np.mean(held)) if held else np.nan,
        reliable=sum(reliable) / repetitions,
        covered_reliable=float(np.mean(trusted)) if trusted else np.nan,
        width=float(np.median(widths) / ideal) if widths else np.nan,
    )


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    columns = (
        "series, correlation time, frames, runs, worth, refused, flagged, covered, unflagged covered, width"
    )
    names = columns.split(", ")
    print("|", " | ".join(names), "|\n|" + "---|" * len(names))
    claimed = []
    for case in cases():
        result = coverage(case, repetitions)
        worth = f"**{case.n_effective:.0f}**" if case.claimed else f"{case.n_effective:.0f}"
        flagged = 1 - result.refused - result.reliable
        trusted = f"{result.covered_reliable:.1%}" if result.reliable > 0.05 else ""
        shown = [case.kind, f"{case.time:g}", str(case.n_frames), str(case.n_runs), worth]
        shown += [f"{result.refused:.1%}", f"{flagged:.1%}", f"{result.covered:.1%}", trusted]
        print("|", " | ".join([*shown, f"{result.width:.2f}"]), "|", flush=True)
        if case.claimed:
            claimed.append(result.covered)
    print(
        f"\nWorth ten or more ({len(claimed)} rows): covered {min(claimed):.1%} to {max(claimed):.1%}, "
        f"mean {np.mean(claimed):.1%}; {repetitions} repetitions a row"
    )


if __name__ == "__main__":
    main()
