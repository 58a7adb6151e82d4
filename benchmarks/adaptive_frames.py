"""Whether adaptive frames find the class that all frames give, how often they are wrong, and what they cost.

    python benchmarks/adaptive_frames.py [repetitions]

Every row is one kind of synthetic trajectory of 1,600 frames, with its mean at some distance from a boundary
between classes. The claim: of the trajectories whose class is called certain at most 5 % are called wrongly,
for series worth ten independent frames or more; and the class is that of all frames in at least 95 %, for
all series.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interval_coverage import Maker, first_order, mixed, oscillating, skewed
from softmode.anharmonic.classes import EDGES, class_indices
from softmode.statistics.autocorrelation import correlation_times
from softmode.statistics.sequential import StopRule, Verdict, covering_order, judge, looks

N_FRAMES = 1600
#: Correlation of σ(t) of potential and reference; 0.98 between two Nequix models on Cs2AgBiBr6.
ALIKE = 0.8
RULE = StopRule(0.95, None, EDGES)


@dataclass(frozen=True)
class Case:
    """One row: a kind of series of unit spread, its correlation time; mean and spread of σ(t); runs."""

    kind: str
    time: float
    make: Maker
    mean: float
    spread: float
    n_runs: int = 1

    @property
    def worth(self) -> float:
        """Independent frames of the whole trajectory."""
        return N_FRAMES / (2 * self.time)

    @property
    def claimed(self) -> bool:
        """Whether the error rate is claimed for it."""
        return self.worth >= 10

    @property
    def margin(self) -> float:
        """Distance to the nearest boundary, in spreads of σ(t)."""
        return min(abs(self.mean - edge) for edge in EDGES) / self.spread


@dataclass(frozen=True)
class Outcome:
    """What came of a row; shares between 0 and 1."""

    median_frames: float
    mean_frames: float
    same_class: float
    wrong: float
    covered: float
    reasons: Counter[str]


def cases() -> Iterator[Case]:
    kinds: list[tuple[str, float, Maker]] = [
        *((f"exponential, {time:g}", time, first_order(time)) for time in (0.5, 5.0, 20.0, 50.0, 200.0)),
        ("oscillation, period 20", 15.0, oscillating(20, 30)),
        ("oscillation, period 60", 50.0, oscillating(60, 100)),
        ("oscillation, period 100", 200.0, oscillating(100, 400)),
        ("relaxation + oscillation", 10.0, mixed(10.0, 20, 20)),
        ("log-normal, 0.5", 5.0, _standardised(5.0)),
    ]
    for index, (kind, time, make) in enumerate(kinds):
        for mean, spread in (
            (0.3, 0.03),
            (0.47, 0.03),
            (0.49, 0.03),
            (0.499, 0.03),
            (0.75, 0.05),
            (0.97, 0.06),
            (1.2, 0.1),
        ):
            yield Case(kind, time, make, mean, spread, 1 + index % 2)


def _standardised(time: float) -> Maker:
    """Log-normal of mean 0 and unit spread."""
    make, mean = skewed(time, 0.5), np.exp(0.125)
    spread = mean * np.sqrt(np.exp(0.25) - 1.0)
    return lambda rng, n_series, n_frames: (make(rng, n_series, n_frames) - mean) / spread


def decided(
    series: NDArray[np.float64], runs: list[int], seed: int, worth: float, rule: StopRule = RULE
) -> tuple[Verdict, int]:
    """Look at more and more frames of a trajectory until there is a verdict; how many were needed."""
    order, schedule, n_frames = covering_order(len(series), seed), looks(len(series)), len(series)
    run_of = np.repeat(np.arange(len(runs)), runs)
    for n in schedule:
        seen = np.sort(order[:n])
        lengths = [int(length) for length in np.bincount(run_of[seen]) if length]
        verdict = judge(
            series[seen], lengths, rule, rule.paid_looks(n_frames), population=n_frames, worth=worth
        )
        if verdict.reason:
            break
    return verdict, n


def outcome(case: Case, repetitions: int, seed: int = 0) -> Outcome:
    """Simulate one row."""
    rng = np.random.default_rng([seed, int(1000 * case.mean), int(10 * case.time)])
    runs = [N_FRAMES // case.n_runs] * case.n_runs
    made, other = (
        np.concatenate([case.make(rng, repetitions, length) for length in runs], axis=1) for _ in range(2)
    )
    series, reference = case.mean + case.spread * made, ALIKE * made + np.sqrt(1 - ALIKE**2) * other
    worth = [N_FRAMES / (2 * correlation_times(one, runs).integrated) for one in reference]
    found = [decided(one, runs, index, worth[index]) for index, one in enumerate(series)]
    called = class_indices([verdict.mean for verdict, _ in found])
    frames = np.array([n for _, n in found])
    certain = np.array([verdict.reason == "class" for verdict, _ in found])
    held = [verdict.low <= case.mean <= verdict.high for verdict, _ in found if verdict.low is not None]
    return Outcome(
        median_frames=float(np.median(frames)),
        mean_frames=float(frames.mean()),
        same_class=float(np.mean(called == class_indices(series.mean(axis=1)))),
        wrong=float(np.mean(certain & (called != class_indices(case.mean)))),
        covered=float(np.mean(held)) if held else np.nan,
        reasons=Counter(verdict.reason for verdict, _ in found),
    )


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    names = (
        "series",
        "worth",
        "runs",
        "⟨σ⟩",
        "margin / spread",
        "frames, median",
        "frames, mean",
        "class of all frames",
    )
    names += ("called certain", "certain and wrong", "covered", "nothing more to say", "all frames")
    print("|", " | ".join(names), "|\n|" + "---|" * len(names))
    medians, same, wrong = [], [], []
    for case in cases():
        row = outcome(case, repetitions)
        share = {name: row.reasons[name] / repetitions for name in ("class", "exhausted", "all")}
        worth = f"**{case.worth:.0f}**" if case.claimed else f"{case.worth:.0f}"
        shown = [case.kind, worth, str(case.n_runs), f"{case.mean:g}", f"{case.margin:.2g}"]
        shown += [
            f"{row.median_frames:.0f}",
            f"{row.mean_frames:.0f}",
            f"{row.same_class:.1%}",
            f"{share['class']:.0%}",
        ]
        shown += [
            f"{row.wrong:.1%}",
            f"{row.covered:.1%}",
            f"{share['exhausted']:.0%}",
            f"{share['all']:.0%}",
        ]
        print("|", " | ".join(shown), "|", flush=True)
        medians.append(row.median_frames)
        same.append(row.same_class)
        wrong += [row.wrong] if case.claimed else []
    print(
        f"\nMedian over the {len(medians)} rows of the median number of frames: {np.median(medians):g}, "
        f"1/{N_FRAMES / np.median(medians):.0f} of all. Class of all frames in {min(same):.1%} to "
        f"{max(same):.1%}, mean {np.mean(same):.1%}. Certain and wrong, where worth ten or more: at most "
        f"{max(wrong):.1%}, mean {np.mean(wrong):.2%}. {repetitions} repetitions a row."
    )


if __name__ == "__main__":
    main()
