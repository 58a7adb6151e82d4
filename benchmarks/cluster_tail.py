"""How long is the tail of a study: the time in which some workers of a cluster have nothing left to do?

    python benchmarks/cluster_tail.py

The code that hands out cells (``softmode.study.lanes``) is run in virtual time, on 8,000 cells whose
costs are drawn from those recorded in 143 × 11 cells of real potentials (``cell_costs.json``: phonons of
the phonon database, seconds of all measurements, on one core). Loading a potential takes ten seconds
more. With ``--blind`` it is not told what cells have cost.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from softmode.study.lanes import Lanes

COSTS = Path(__file__).with_name("cell_costs.json")


def drawn_cells(n: int, seed: int, factor: float) -> list[Any]:
    """So many cells with costs: materials drawn with replacement, each with all potentials."""
    seconds = json.loads(COSTS.read_text())["seconds"]
    generator = random.Random(seed)
    n_recorded = len(next(iter(seconds.values())))
    chosen = [generator.randrange(n_recorded) for _ in range(-(-n // len(seconds)))]
    materials = [
        SimpleNamespace(name=f"m{index}", n_supercell_atoms=64, trajectory="") for index in range(len(chosen))
    ]
    cells = [
        SimpleNamespace(material=material, label=label, cost=factor * costs[which])
        for label, costs in seconds.items()
        for material, which in zip(materials, chosen, strict=True)
    ]
    return cells[:n]


def simulated(
    lanes: Lanes, arrivals: list[float], load: float, finished: Callable[[Any], None] = lambda cell: None
) -> tuple[float, float, float, int]:
    """When the last cell ends, and the first worker has none left; s of work; loadings."""
    free = [(arrival, lane, "", None) for lane, arrival in enumerate(arrivals)]
    heapq.heapify(free)
    first_idle, end, busy, loads = 0.0, 0.0, 0.0, 0
    while free:
        now, lane, label, done = heapq.heappop(free)
        if done is not None:
            finished(done)
        end = max(end, now if done is not None else 0.0)
        cell: Any = lanes.next(lane)
        if cell is None:
            first_idle = first_idle or now
            continue
        seconds = cell.cost + (load if cell.label != label else 0.0)
        loads += cell.label != label
        busy += seconds
        heapq.heappush(free, (now + seconds, lane, cell.label, cell))
    return end, first_idle, busy, loads


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--load", type=float, default=10.0, help="s that loading a potential takes")
    parser.add_argument("--factor", type=float, default=1.0, help="of the recorded costs")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--blind", action="store_true")
    given = parser.parse_args()
    for seed in range(given.seeds):
        cells = drawn_cells(given.cells, seed, given.factor)
        lanes = Lanes(cells, given.workers)
        told = (lambda cell: None) if given.blind else (lambda cell, lanes=lanes: lanes.done(cell, cell.cost))
        end, idle, busy, loads = simulated(lanes, [0.0] * given.workers, given.load, told)
        print(
            f"{end / 60:.1f} min; tail {100 * (end - idle) / end:.1f} %; "
            f"{100 * busy / (end * given.workers):.1f} % of the workers' time used; {loads} loadings"
        )


if __name__ == "__main__":
    main()
