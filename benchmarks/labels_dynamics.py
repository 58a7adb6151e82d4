"""The paper's own dynamics played through with one potential: what the heat of its thermostat does to σ.

    python benchmarks/labels_dynamics.py FOLDER OUT.csv [--compounds LIST.txt]

FOLDER is that of a study with labels and force constants of relaxed compounds (``softmode screen``); relaxed
structures and force constants are those of its records. Of each compound, or of those in the list:

1. as the published labels were made, Andersen collisions of probability 1/2 from the crystal at rest,
   positions at 300 K, 0.8 ps;
2. from its last frame, as the paper did, 0.8 ps of the printed protocol, which brings positions to 450 K, and
3. the same with positions at 300 K, with the same random numbers.

For a mode that is slow against a fs such collisions are Brownian motion of friction p / ((1 - p) Δt) at the
temperature T (1 - p/2) / (1 - p) (``softmode.dynamics.thermostats``): 1/fs and, set to 300 K, 450 K. Just so
are those of probability 8/9 in steps of 8 fs set to a fifth of the temperature of the positions, which take
an eighth of the calls.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dynamics_side_by_side import Relaxed, relaxed
from softmode import dynamics as dy
from softmode.anharmonic.classes import class_indices
from softmode.anharmonic.displacements import displacements
from softmode.anharmonic.sigma import harmonic_forces, sigma
from softmode.crystal import Trajectory
from softmode.crystal.arrays import FloatArray
from softmode.measurements.md.replicas import sites
from softmode.statistics.bootstrap import bootstrap_median
from softmode.structures.labels import compound_key
from softmode.study.folder import open_study, reopen_study
from softmode.study.label_results import open_labels

STEPS, SEED = 100, 2026
SKIPPED = 12  # of the frames from rest: the 100 fs that the labels leave out


def overdamped(
    crystal: Relaxed, start: FloatArray, temperature: float, calculator: Any, seed: int
) -> tuple[FloatArray, FloatArray]:
    """σ(t), and the last positions, of a run with positions at a temperature, K."""
    settings = dy.MDSettings(
        thermostat="andersen",
        timestep=8.0,
        collision_probability=8 / 9,
        temperature=temperature / 5,
        steps=STEPS,
        seed=seed,
    )
    assert np.isclose(dy.sampled_temperature(settings), temperature)
    atoms = crystal.supercell.to_atoms()
    atoms.positions = start
    chunks = dy.md_chunks(atoms, calculator, settings, reference=sites(crystal.supercell))
    frames = dy.Frames.joined([chunk.frames for chunk in chunks])
    trajectory = Trajectory(
        crystal.supercell.lattice, crystal.supercell.numbers, frames.positions, frames.forces
    )
    moved = displacements(trajectory, crystal.supercell)
    harmonic = harmonic_forces(crystal.force_constants, moved)
    return sigma(frames.forces, harmonic, subject="dynamics").per_frame, frames.positions[-1]


def main() -> None:
    """Write and print a line for each compound, and what the heat does."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--compounds", type=Path, help="text file with a formula on each line")
    given = parser.parse_args()
    study = open_study(reopen_study(given.folder).settings)
    assert study.settings.labels is not None
    labels = open_labels(study.settings.labels)
    wanted = None
    if given.compounds is not None:
        lines = given.compounds.read_text(encoding="utf-8").splitlines()
        wanted = {compound_key(line) for line in lines if line and not line.startswith("#")}
    calculator, rows = None, []
    for case in study.cases:
        forces = study.records(case, with_arrays=True).get("displaced_forces_for_dynamics")
        left_out = wanted is not None and compound_key(case.material.formula) not in wanted
        if left_out or forces is None or not forces.ok or case.potential is None:
            continue
        calculator = calculator or case.potential.load().calculator()
        crystal, label = relaxed(case, forces), labels.find(case.material.formula)
        at_rest, start = overdamped(crystal, sites(crystal.supercell), 300.0, calculator, SEED)
        printed, true = (
            overdamped(crystal, start, temperature, calculator, SEED + 1)[0].mean()
            for temperature in (450.0, 300.0)
        )
        row = {"formula": case.material.formula, "label": None if label is None else label.sigma}
        row |= {"from_rest": at_rest[SKIPPED:].mean(), "positions_450_K": printed, "positions_300_K": true}
        rows.append(row)
        print(pd.Series(row).to_frame().T.to_string(index=False, header=len(rows) == 1), flush=True)
        pd.DataFrame(rows).to_csv(given.out, index=False, float_format="%.4g")
    table = pd.DataFrame(rows)
    hot, right = (table[name].to_numpy(float) for name in ("positions_450_K", "positions_300_K"))
    ratio = bootstrap_median(hot / right, SEED)
    moved = class_indices(hot) - class_indices(right)
    within = f"[{ratio.low:.3f}, {ratio.high:.3f}]"
    print(f"σ at 450 K over that at 300 K, median of {len(table)}: {ratio.value:.3f} {within}")
    print(f"less stable by the heat: {(moved > 0).sum()}, more stable: {(moved < 0).sum()}")


if __name__ == "__main__":
    main()
