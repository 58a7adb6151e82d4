"""How long is the tail of a study: the time in which some worker of a cluster has nothing to do?

    python benchmarks/cluster_tail.py
    python benchmarks/cluster_tail.py --long 8 [--without-help]

The code that hands out cells (``softmode.study.lanes``) and that finds the cell to help with
(``softmode.study.helping``) is run in virtual time, on 8,000 cells whose costs are drawn from those recorded
in 143 × 11 cells of real potentials (``cell_costs.json``: phonons of the phonon database, seconds of all
measurements, on one core). Loading a potential takes ten seconds more. With ``--long`` so many of the
materials have trajectories of 1,600 frames: their cells take a hundred times the median of their potential,
and can be helped with, batch by batch of eight frames. With ``--blind`` it is not told what cells have cost.
With ``--picture FILE`` it is drawn how many workers are at work in three studies.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import fmean, median
from types import SimpleNamespace
from typing import Any

from softmode.study.helping import Helpers
from softmode.study.lanes import Lanes

COSTS = Path(__file__).with_name("cell_costs.json")
BATCHES = 200  # of eight frames
LONGER = 100.0  # times the median
N_POTENTIALS = len(json.loads(COSTS.read_text())["seconds"])


def drawn_cells(n: int, seed: int, factor: float = 1.0, long: int = 0) -> list[Any]:
    """So many cells with costs: materials drawn with replacement, each with all potentials."""
    seconds = json.loads(COSTS.read_text())["seconds"]
    generator = random.Random(seed)
    n_recorded = len(next(iter(seconds.values())))
    chosen = [generator.randrange(n_recorded) for _ in range(-(-n // len(seconds)))]
    moving = set(generator.sample(range(len(chosen)), long))
    materials = [
        SimpleNamespace(name=f"m{index}", n_supercell_atoms=64, trajectory="it" if index in moving else "")
        for index in range(len(chosen))
    ]
    return [
        SimpleNamespace(
            material=material,
            label=label,
            inputs={"trajectory_forces": {}} if index in moving else {},
            cost=factor * (LONGER * median(costs) if index in moving else costs[which]),
        )
        for label, costs in seconds.items()
        for index, (material, which) in enumerate(zip(materials, chosen, strict=True))
    ][:n]


@dataclass
class Running:
    """A cell that is being computed, by one worker or several."""

    cell: Any
    owner: int
    left: float  # s, for one
    since: float
    helpers: list[tuple[int, int]] = field(default_factory=list)  # worker, number
    version: int = 0


@dataclass
class Outcome:
    """What came of a study.

    Attributes
    ----------
    end : float
        s after which it ends.
    tail : float
        s of these in which some worker has nothing to do.
    used : float
        Share of all workers' time that something is done in.
    loads : int
        Times that a potential is loaded.
    at_work : list of (float, int)
        How many workers do something from a time on.
    """

    end: float
    tail: float
    used: float
    loads: int
    at_work: list[tuple[float, int]]


class Simulation:
    """A study in virtual time."""

    def __init__(self, cells: list[Any], workers: int, load: float, *, blind: bool, helping: bool) -> None:
        self.lanes = Lanes(cells, workers)
        self.now, self.load, self.blind, self.helping = 0.0, load, blind, helping
        self.helpers = Helpers(self.lanes, lambda: self.now)
        self.events: list[tuple[float, int, Any, Any]] = []  # when, order, what, with what
        self.order = count()
        self.running: dict[int, Running] = {}
        self.idle = set(range(workers))
        self.at_work: list[tuple[float, int]] = []
        self.loaded = [""] * workers
        self.workers, self.loads = workers, 0

    def after(self, seconds: float, what: Any, *given: Any) -> None:
        """Have something happen later."""
        heapq.heappush(self.events, (self.now + seconds, next(self.order), what, given))

    def run(self) -> Outcome:
        """Compute all cells."""
        self.ask()
        self.at_work, end = [(0.0, self.workers - len(self.idle))], 0.0
        while self.events:
            self.now, _, what, given = heapq.heappop(self.events)
            if what(*given):
                end = self.now
            self.ask()
            self.at_work.append((self.now, self.workers - len(self.idle)))
        steps = [
            (time, until - time, n)
            for (time, n), (until, _) in zip(self.at_work, self.at_work[1:], strict=False)
            if time < end
        ]
        tail = sum(seconds for _, seconds, n in steps if n < self.workers)
        used = sum(seconds * n for _, seconds, n in steps) / (end * self.workers)
        return Outcome(end, tail, used, self.loads, self.at_work)

    def ask(self) -> None:
        """Give the workers that have nothing to do what there is."""
        for lane in sorted(self.idle):
            if (cell := self.lanes.next(lane)) is not None:
                self.idle.discard(lane)
                self.helpers.began(cell)
                self.after(self.loading(lane, cell), self.begin, lane, cell)
            elif self.helping and (chosen := self.helpers.choose(lane)) is not None:
                self.idle.discard(lane)
                number, cell = chosen
                self.after(self.loading(lane, cell), self.join, lane, number, cell)
        if (
            self.idle
            and self.helping
            and self.running
            and not any(w == self.tick for _, _, w, _ in self.events)
        ):
            self.after(1.0, self.tick)

    def tick(self) -> bool:
        """Time passes: what has taken long may now be worth to be helped with."""
        return False

    def loading(self, lane: int, cell: Any) -> float:
        """Seconds until a worker has the potential of a cell loaded."""
        if self.loaded[lane] == cell.label:
            return 0.0
        self.loaded[lane] = cell.label
        self.loads += 1
        return self.load

    def begin(self, lane: int, cell: Any) -> bool:
        """A worker begins with a cell."""
        self.running[id(cell)] = Running(cell, lane, cell.cost, self.now)
        self.foresee(self.running[id(cell)])
        return False

    def join(self, lane: int, number: int, cell: Any) -> bool:
        """A worker begins to help, if there still is something."""
        one = self.running.get(id(cell))
        if one is None or one.left == 0.0:
            self.helpers.left(number)
            self.idle.add(lane)
            return False
        one.left -= (self.now - one.since) * (1 + len(one.helpers))
        one.since = self.now
        one.helpers.append((lane, number))
        self.foresee(one)
        return False

    def foresee(self, one: Running) -> None:
        """When a cell has nothing left to share, if nobody joins."""
        one.version += 1
        self.after(max(0.0, one.left) / (1 + len(one.helpers)), self.share_out, one, one.version)

    def share_out(self, one: Running, version: int) -> bool:
        """Helpers leave, unless somebody has joined since that was foreseen; the last batch is not shared."""
        if version != one.version:
            return False
        self.after(one.cell.cost / BATCHES if one.helpers else 0.0, self.end, one)
        one.left = 0.0
        for lane, number in one.helpers:
            self.helpers.left(number, 1)
            self.idle.add(lane)
        return False

    def end(self, one: Running) -> bool:
        """A cell ends."""
        if self.running.pop(id(one.cell), None) is None:
            return False
        self.helpers.ended(one.cell)
        self.idle.add(one.owner)
        if not self.blind:
            self.lanes.done(one.cell, one.cell.cost, self.load)
        return True


def drawn(outcomes: dict[str, Outcome], path: Path) -> None:
    """How many workers are at work from the beginning to the end of studies."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.5, 2.8), layout="constrained")
    for name, found in outcomes.items():
        times = [time / 60 for time, _ in found.at_work]
        axes.step(times, [n for _, n in found.at_work], where="post", label=name)
    axes.set(xlabel="time, min", ylabel="workers at work", xlim=(0, None), ylim=(0, None))
    axes.legend(frameon=False, fontsize=8, loc="lower left")
    figure.savefig(path, dpi=160)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--load", type=float, default=10.0, help="s that loading a potential takes")
    parser.add_argument("--factor", type=float, default=1.0, help="of the recorded costs")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--long", type=int, default=0, help="materials with trajectories")
    parser.add_argument("--without-help", action="store_true")
    parser.add_argument("--blind", action="store_true")
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()

    def simulated(n: int, long: int, *, helping: bool) -> list[Outcome]:
        found = []
        for seed in range(given.seeds):
            cells = drawn_cells(n, seed, given.factor, long)
            run = Simulation(cells, given.workers, given.load, blind=given.blind, helping=helping).run()
            print(
                f"{run.end / 60:.1f} min; tail {100 * run.tail / run.end:.1f} %; "
                f"{100 * run.used:.1f} % of the workers' time used; {run.loads} loadings",
                flush=True,
            )
            found.append(run)
        tails = [100 * run.tail / run.end for run in found]
        print(f"tail {min(tails):.1f} to {max(tails):.1f} %, in the mean {fmean(tails):.1f} %", flush=True)
        return found

    if given.picture is None:
        simulated(given.cells, given.long, helping=not given.without_help)
        return
    few = 10 * N_POTENTIALS
    given.seeds = 1
    studies = {
        "8,000 cells": simulated(8000, 0, helping=True),
        f"{few} long cells, no help": simulated(few, 10, helping=False),
        f"{few} long cells, with help": simulated(few, 10, helping=True),
    }
    drawn({name: found[0] for name, found in studies.items()}, given.picture)


if __name__ == "__main__":
    main()
