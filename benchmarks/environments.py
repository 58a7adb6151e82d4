"""What it costs to run a potential in another environment: beside the same potential in this process.

    python benchmarks/environments.py [--potential 7net-0] [--rounds 20] [--python PATH]

A cell of 40 atoms (Cs2AgBiBr6), displaced anew for every call; calls of one configuration, as in molecular
dynamics, and of eight, as in studies; both potentials in turn, in this order and the other, on one thread
each. Prints wall and processor time of the fastest fifth of calls (what else runs here makes the others
slow), their ratio, and what the way there and back takes by itself: the same messages to a potential
that computes nothing. Energies and forces must be the same to the last bit, else it ends with status 1; PATH
must have the same versions of packages for that (the Python that runs this when not given).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.spacegroup import crystal

from softmode.numerics import limited_threads, set_thread_variables
from softmode.potentials import Potential, PotentialSettings, resolve
from softmode.potentials.remote import RemotePotential

_TICK = os.sysconf("SC_CLK_TCK")


class Nothing(Calculator):  # type: ignore[misc]
    """A calculator that computes nothing."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def calculate(self, atoms: Atoms | None = None, *arguments: object) -> None:
        """Zeros."""
        super().calculate(atoms, *arguments)
        self.results = {"energy": 0.0, "forces": np.zeros((len(self.atoms), 3))}


def cell() -> Atoms:
    """The conventional cell of Cs2AgBiBr6."""
    return crystal(
        ["Cs", "Ag", "Bi", "Br"],
        [(0.25, 0.25, 0.25), (0.5, 0.5, 0.5), (0, 0, 0), (0.2506, 0, 0)],
        spacegroup=225,
        cellpar=[11.25] * 3 + [90] * 3,
    )


def processor_time(potential: Potential) -> float:
    """Of this process and the potential's, s."""
    seconds = time.process_time()
    if isinstance(potential, RemotePotential):
        stat = Path(f"/proc/{potential.process}/schedstat").read_text().split()
        seconds += int(stat[0]) / 1e9
    return seconds


def timed(potential: Potential, batch: list[Atoms]) -> tuple[float, float, list[np.ndarray]]:
    """Wall and processor time of a call, s, and what it gave."""
    wall, processor = time.perf_counter(), processor_time(potential)
    result = potential.evaluate(batch)
    wall, processor = time.perf_counter() - wall, processor_time(potential) - processor
    return wall, processor, [result.energies, *result.forces]


def fastest(times: list[float]) -> float:
    """Mean of the smallest fifth."""
    return float(np.mean(sorted(times)[: max(1, len(times) // 5)]))


def compare(name: str, python: str, size: int, rounds: int) -> bool:
    """Print one comparison; whether all numbers were the same."""
    here = resolve(PotentialSettings(name=name, python="same")).load()
    there = resolve(PotentialSettings(name=name, python=python)).load()
    random = np.random.default_rng(7)
    same = True
    times: dict[str, list[tuple[float, float]]] = {"here": [], "there": []}
    for number in range(-2, rounds):  # two to warm up
        batch = [cell() for _ in range(size)]
        for atoms in batch:
            atoms.positions += random.uniform(-0.02, 0.02, atoms.positions.shape)
        found = {}
        for which in ("here", "there") if number % 2 else ("there", "here"):
            *seconds, found[which] = timed(here if which == "here" else there, batch)
            if number >= 0:
                times[which].append((seconds[0], seconds[1]))
        same &= all(np.array_equal(*pair) for pair in zip(found["here"], found["there"], strict=True))
    there.close()
    print(f"{name}, {size} configuration{'s' if size > 1 else ''} of 40 atoms a call, {rounds} calls:")
    for index, kind in enumerate(("wall", "processor")):
        one, two = (fastest([each[index] for each in times[which]]) for which in ("here", "there"))
        print(f"  {kind:9s} here {1e3 * one:8.2f} ms  there {1e3 * two:8.2f} ms  ratio {two / one:.4f}")
    print(f"  numbers {'the same to the last bit' if same else 'DIFFER'}")
    return same


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--potential", default="7net-0")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    set_thread_variables(1)
    python, here = str(Path(arguments.python).absolute()), Path(__file__).resolve().parent
    # scripts beside this one have names of packages, so that it is found as a module of the current folder
    sys.path = [path for path in sys.path if Path(path).resolve() != here]
    os.chdir(here)
    same = True
    with limited_threads(1):
        for size in (1, 8):
            same &= compare(arguments.potential, python, size, arguments.rounds)
            same &= compare("environments:Nothing", python, size, 200)
    sys.exit(not same)


if __name__ == "__main__":
    main()
