"""Forces of a harmonic study by Nequix: softmode beside the calculator of its authors.

    python benchmarks/nequix_vs_calculator.py path/to/phonondb --weights path/to/nequix-mp-1.nqx [--again]

The perfect and the displaced supercells of the halide double perovskites of a phonon database are evaluated
in processes of their own: by `NequixCalculator` as shipped (without its kernels, which need a GPU), by
softmode with an empty cache of compiled programs, and by softmode with the cache which that left. Each time
counts all of a process from its start: imports, loading, compiling. `--again` runs `NequixCalculator` once
more on one thread, as softmode runs it: what the same program differs by from itself in float32.

Time is that of the processor (all threads) and of the clock; memory is the most that the process held.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import read, write


def supercells(database: Path, n_materials: int) -> list[Atoms]:
    """The perfect and the displaced supercells, material by material."""
    from softmode import harmonic
    from softmode.datasets import open_dataset
    from softmode.datasets.base import Selection

    wanted, found = Selection(prototype="halide_double_perovskite"), []
    for entry in open_dataset("phonondb", database).entries():
        material = entry.load()
        if n_materials and wanted.matches(material):
            plan = harmonic.plan_displacements(harmonic.build_phonopy(material), 0.01)
            found += [plan.perfect, *plan.supercells()]
            n_materials -= 1
    return found


def calculator_forces(weights: Path) -> Callable[[Atoms], Any]:
    """By the package."""
    from nequix.calculator import NequixCalculator

    calculator = NequixCalculator(model_path=str(weights), use_kernel=False)

    def forces(atoms: Atoms) -> Any:
        atoms.calc = calculator
        return atoms.get_forces()

    return forces


def calculator_forces_on_one_thread(weights: Path) -> Callable[[Atoms], Any]:
    """By the package, XLA told to use one thread before it starts."""
    os.environ |= {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false", "NPROC": "1", "PJRT_NPROC": "1"}
    return calculator_forces(weights)


def softmode_forces(weights: Path) -> Callable[[Atoms], Any]:
    """By softmode."""
    from softmode.potentials import resolve

    potential = resolve(str(weights)).load()
    return lambda atoms: potential.evaluate([atoms]).forces[0]


SIDES = {
    "NequixCalculator": calculator_forces,
    "NequixCalculator, one thread": calculator_forces_on_one_thread,
    "softmode": softmode_forces,
}


def evaluate(side: str, weights: Path, frames: Path, output: Path) -> None:
    """All of one side, in this process."""
    forces = SIDES[side](weights)
    np.savez(output, *[forces(atoms) for atoms in read(frames, ":")])
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"processor": used.ru_utime + used.ru_stime, "memory_MB": used.ru_maxrss / 1024}))


def measured(side: str, weights: Path, frames: Path, cache: Path) -> dict[str, Any]:
    """One side in a process of its own."""
    output = frames.parent / "forces.npz"
    command = [sys.executable, __file__, str(frames), "--weights", str(weights)]
    started = time.perf_counter()
    done = subprocess.run(
        [*command, "--side", side, "--output", str(output)],
        env={**os.environ, "SOFTMODE_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    clock = time.perf_counter() - started
    with np.load(output) as stored:
        return {**json.loads(done.stdout.splitlines()[-1]), "clock": clock, "forces": list(stored.values())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--materials", type=int, default=58)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        evaluate(arguments.side, arguments.weights, arguments.database, arguments.output)
        return
    with tempfile.TemporaryDirectory() as folder:
        frames, cache = Path(folder) / "frames.traj", Path(folder) / "cache"
        cells = supercells(arguments.database, arguments.materials)
        write(frames, cells)
        columns = "processor, s | ratio | clock, s | ratio | memory, MB | largest difference"
        print(f"{len(cells)} supercells | {columns}", flush=True)
        runs = [("NequixCalculator", ""), ("softmode", ", empty cache"), ("softmode", ", filled cache")]
        if arguments.again:
            runs.append(("NequixCalculator, one thread", ""))
        first: dict[str, Any] = {}
        for side, state in runs:
            found = measured(side, arguments.weights, frames, cache)
            first = first or found
            ratios = [first[name] / found[name] for name in ("processor", "clock")]
            differences = [np.abs(a - b).max() for a, b in zip(first["forces"], found["forces"], strict=True)]
            print(
                f"{side}{state} | {found['processor']:.0f} | {ratios[0]:.1f} | {found['clock']:.0f} | "
                f"{ratios[1]:.1f} | {found['memory_MB']:.0f} | {max(differences):.1e} eV/Å",
                flush=True,
            )


if __name__ == "__main__":
    main()
