"""Cells of a second each on Parsl's local provider, beside the process pool: how much of its throughput?

    PYTHONPATH=tests/helpers:benchmarks python benchmarks/cluster_throughput.py FOLDER --cells 240 --workers 4
    … --cells 1200 --seconds 0.02

Both engines run the same cells, which sleep instead of computing: what else a machine does disturbs little.
Throughput is taken from the first to the last cell that is finished; the time before the first, when workers
start, is given apart.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path
from typing import Any

from tiny_study import METALS, emt, tiny_study, write_metal

import softmode.study.cluster
import softmode.study.run
from softmode.study.folder import open_study
from softmode.study.worker import CaseOutcome, CaseTask

#: Environment variable with the seconds that a cell takes: workers have it, too.
SECONDS = "SOFTMODE_BENCHMARK_SECONDS"
POTENTIALS = 4


def sleep(task: CaseTask) -> CaseOutcome:  # noqa: ARG001  in place of run_case
    """A cell that takes its time."""
    seconds = float(os.environ[SECONDS])
    time.sleep(seconds)
    return CaseOutcome(None, stored=True, seconds=seconds)


def timed(dataset: Path, folder: Path, run: dict[str, Any]) -> tuple[float, float]:
    """Seconds before the first cell is finished, and cells a second from then on."""
    shutil.rmtree(folder, ignore_errors=True)
    study = open_study(tiny_study(dataset, folder, *(emt(f"p{n}") for n in range(POTENTIALS)), run=run))
    began, finished = time.perf_counter(), []
    softmode.study.run.run_study(study, lambda case, outcome: finished.append(time.perf_counter() - began))
    finished.sort()
    return finished[0], (len(finished) - 1) / (finished[-1] - finished[0])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cells", type=int, default=240)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=1.0, help="that a cell takes")
    given = parser.parse_args()
    os.environ[SECONDS] = str(given.seconds)
    folder = given.folder.resolve()
    n_materials = -(-given.cells // POTENTIALS)
    dataset = folder / f"{n_materials}_metals"
    for number in range(n_materials):
        symbol = METALS[number % len(METALS)]
        if not (dataset / f"{symbol}{number}").exists():
            write_metal(dataset / f"{symbol}{number}", symbol)
    from cluster_throughput import sleep as named  # as workers find it, not as __main__

    softmode.study.run.run_case = softmode.study.cluster.run_case = named
    ways: dict[str, dict[str, Any]] = {
        "process pool": {"workers": given.workers},
        "Parsl, local provider": {"cluster": {"workers_per_node": given.workers}},
    }
    rates = []
    for way, run in ways.items():
        first, rate = timed(dataset, folder / "study", run)
        rates.append(rate)
        print(f"{way}: first cell after {first:.1f} s, then {rate:.3f} cells/s", flush=True)
    print(f"Parsl's throughput is {100 * rates[1] / rates[0]:.1f} % of the process pool's")


if __name__ == "__main__":
    main()
