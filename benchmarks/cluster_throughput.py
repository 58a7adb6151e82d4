"""Cells of a second each on Parsl's local provider, beside the process pool: how much of its throughput?

    PYTHONPATH=tests/helpers:benchmarks python benchmarks/cluster_throughput.py FOLDER --cells 240 --workers 4

Both engines run the same cells, which sleep instead of computing: what else a machine does disturbs little.
Throughput is taken from the first to the last cell that is finished; the time before the first, when workers
start, is given apart.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

from tiny_study import METALS, emt, tiny_study, write_metal

import softmode.study.cluster
import softmode.study.run
from softmode.study.folder import open_study
from softmode.study.worker import CaseOutcome, CaseTask

SECONDS = 1.0


def sleep(task: CaseTask) -> CaseOutcome:  # noqa: ARG001  in place of run_case
    """A cell that takes its time."""
    time.sleep(SECONDS)
    return CaseOutcome(None, stored=True, seconds=SECONDS)


def timed(dataset: Path, folder: Path, n: int, run: dict[str, Any]) -> tuple[float, float]:
    """Seconds before the first cell is finished, and cells a second from then on."""
    shutil.rmtree(folder, ignore_errors=True)
    study = open_study(tiny_study(dataset, folder, *(emt(f"p{number}") for number in range(n)), run=run))
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
    given = parser.parse_args()
    folder = given.folder.resolve()
    dataset = folder / "metals"
    for symbol in METALS:
        if not (dataset / symbol).exists():
            write_metal(dataset / symbol, symbol)
    from cluster_throughput import sleep as named  # as workers find it, not as __main__

    softmode.study.run.run_case = softmode.study.cluster.run_case = named
    ways: dict[str, dict[str, Any]] = {
        "process pool": {"workers": given.workers},
        "Parsl, local provider": {"cluster": {"workers_per_node": given.workers}},
    }
    rates = []
    for way, run in ways.items():
        first, rate = timed(dataset, folder / "study", -(-given.cells // len(METALS)), run)
        rates.append(rate)
        print(f"{way}: first cell after {first:.1f} s, then {rate:.3f} cells/s", flush=True)
    print(f"Parsl's throughput is {100 * rates[1] / rates[0]:.1f} % of the process pool's")


if __name__ == "__main__":
    main()
