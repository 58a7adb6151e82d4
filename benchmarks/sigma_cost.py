"""What σ costs beyond reading the trajectory, and what re-evaluating frames costs beyond the force calls.

    python benchmarks/sigma_cost.py [7net-0]

1. σ of 1600 frames of 80 atoms with all its resolved forms and intervals: by frame, element, site and phonon
   mode, block bootstrap and class probabilities.
2. The measurement that re-evaluates a trajectory, beside a bare loop over the same frames with the
   potential's own ASE calculator, in turn.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from softmode import harmonic as hm
from softmode.anharmonic.sigma import harmonic_forces
from softmode.datasets import open_reference
from softmode.harmonic import named_protocol
from softmode.material import Material, Trajectory
from softmode.potentials import resolve
from softmode.study.context import CellContext
from softmode.study.one_off import score_trajectory
from softmode.study.sigma_measurements import trajectory_forces


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
        score_trajectory(material, trajectory, symmetrise=True)
        times.append(time.perf_counter() - start)
    print(f"sigma, all resolved forms and interval, 1600 frames x 80 atoms: {statistics.median(times):.2f} s")


def cost_of_evaluation(material: Material, name: str, n_frames: int = 16, repeats: int = 5) -> None:
    potential = resolve(name).load()
    trajectory = synthetic(material, n_frames)
    context = CellContext(
        material, lambda: potential, named_protocol("default"), load_trajectory=lambda: trajectory
    )
    perfect = hm.reference_supercell(context.phonon).to_atoms()
    calculator = potential.calculator()

    def bare() -> None:
        for positions in trajectory.positions:
            atoms = perfect.copy()
            atoms.positions = positions
            atoms.calc = calculator
            atoms.get_forces()

    bare(), trajectory_forces(context)
    ratios, seconds = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        bare()
        middle = time.perf_counter()
        trajectory_forces(context)
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
        cost_of_evaluation(example, potential_name)
