"""What σ costs beyond reading the trajectory, and what re-evaluating frames costs beyond the force calls.

    python benchmarks/sigma_cost.py [7net-0]

1. σ of 1600 frames of 80 atoms with all its resolved forms and intervals: by frame, element, site and phonon
   mode, block bootstrap and class probabilities.
2. The measurement that re-evaluates a trajectory, its interim results written to disk, beside its own force
   calls: the time spent inside the calculator's ``calculate`` is taken in the same run, so that what is left
   is what softmode adds (and what ASE adds, which a bare loop has too).
3. The same frames in a bare loop with the potential's own ASE calculator, in turn with the measurement. On a
   machine that does anything else these pairs scatter by more than the difference.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from softmode import harmonic as hm
from softmode.anharmonic.sigma import harmonic_forces
from softmode.crystal import Material, Trajectory
from softmode.datasets import open_reference
from softmode.measurements.measure import measure
from softmode.potentials import resolve


def synthetic(material: Material, n_frames: int) -> Trajectory:
    """Correlated thermal-like frames with harmonic forces and some noise."""
    phonon = hm.build_phonopy(material)
    constants = hm.symmetrised(phonon, hm.reference_force_constants(phonon, material))
    cell = hm.reference_supercell(phonon)
    rng = np.random.default_rng(0)
    moved = np.zeros((n_frames, cell.n_atoms, 3))
    for frame in range(1, n_frames):
        moved[frame] = 0.9 * moved[frame - 1] + rng.normal(0.0, 0.04, (cell.n_atoms, 3))
    forces = harmonic_forces(hm.full_force_constants(phonon, constants), moved)
    forces += rng.normal(0.0, 0.05, forces.shape)
    return Trajectory(cell.lattice, cell.numbers, cell.scaled_positions @ cell.lattice + moved, forces)


def cost_of_sigma(material: Material) -> None:
    trajectory = synthetic(material, 1600)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        measure("reference_sigma", material, trajectory=trajectory)
        times.append(time.perf_counter() - start)
    print(f"sigma, all resolved forms and interval, 1600 frames x 80 atoms: {statistics.median(times):.2f} s")


class Stopwatch:
    """Adds up the time spent in a function."""

    def __init__(self, function: Any) -> None:
        self.function, self.seconds = function, 0.0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function and take the time."""
        start = time.perf_counter()
        try:
            return self.function(*args, **kwargs)
        finally:
            self.seconds += time.perf_counter() - start


def added_to_force_calls(material: Material, name: str, n_frames: int = 48) -> None:
    potential = resolve(name).load()
    trajectory = synthetic(material, n_frames)
    calculator = potential.calculator()
    with tempfile.TemporaryDirectory() as folder:

        def evaluate(name: str) -> None:
            pieces = {"trajectory_forces": Path(folder) / name}
            measure("trajectory_forces", material, potential, trajectory=trajectory, pieces=pieces)

        evaluate("warm")
        inside = Stopwatch(type(calculator).calculate)
        type(calculator).calculate = lambda *args, **kwargs: inside(*args, **kwargs)
        start = time.perf_counter()
        evaluate("timed")
        total = time.perf_counter() - start
        type(calculator).calculate = inside.function
    print(
        f"{name}: {n_frames} frames, {inside.seconds / n_frames:.3f} s a frame in the calculator, "
        f"{1e3 * (total - inside.seconds) / n_frames:.2f} ms a frame beside it: "
        f"{100 * (total / inside.seconds - 1):.2f} % more"
    )


def cost_of_evaluation(material: Material, name: str, n_frames: int = 16, repeats: int = 5) -> None:
    potential = resolve(name).load()
    trajectory = synthetic(material, n_frames)
    perfect = hm.reference_supercell(hm.build_phonopy(material)).to_atoms()
    calculator = potential.calculator()

    def bare() -> None:
        for positions in trajectory.positions:
            atoms = perfect.copy()
            atoms.positions = positions
            atoms.calc = calculator
            atoms.get_forces()

    def measured() -> None:
        measure("trajectory_forces", material, potential, trajectory=trajectory)

    bare(), measured()
    ratios, seconds = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        bare()
        middle = time.perf_counter()
        measured()
        end = time.perf_counter()
        ratios.append((end - middle) / (middle - start))
        seconds.append((middle - start) / n_frames)
    print(
        f"{name}: bare {statistics.median(seconds):.3f} s a frame; re-evaluation / bare "
        f"{statistics.median(ratios):.3f} (from {min(ratios):.3f} to {max(ratios):.3f}, {repeats} pairs)"
    )


if __name__ == "__main__":
    example = open_reference("example")
    cost_of_sigma(example)
    for potential_name in sys.argv[1:] or ["7net-0"]:
        added_to_force_calls(example, potential_name)
        cost_of_evaluation(example, potential_name)
