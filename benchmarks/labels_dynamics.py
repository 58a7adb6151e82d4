"""σ of screened compounds in dynamics as overdamped as those that published labels come from.

The labels are from Andersen collisions of probability 1/2 at 1 fs. For a mode that is slow against a fs these
are Brownian motion of friction p / ((1 - p) Δt) at the temperature T (1 - p/2) / (1 - p)
(``softmode.dynamics.thermostats``): 1/fs and 450 K, just as those of probability 8/9 at 8 fs and 90 K, which
take an eighth of the calls. Begins at rest, and in a self-consistent sample at 300 K; 1.6 ps each.

    python benchmarks/labels_dynamics.py FOLDER LABELS.csv

FOLDER is that of ``softmode screen --sampling staged`` (or ``self-consistent``): structures, force constants
and frequencies are those of its records.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from softmode import dynamics as dy
from softmode import harmonic as hm
from softmode.anharmonic.displacements import displacements
from softmode.anharmonic.sigma import harmonic_forces, sigma
from softmode.crystal import Cell, DisplacementForces, Trajectory
from softmode.records import Record
from softmode.structures.labels import read_labels
from softmode.study.folder import Case, open_study, reopen_study

OVERDAMPED = dy.MDSettings(
    thermostat="andersen", timestep=8.0, collision_probability=8 / 9, temperature=90.0, steps=200, seed=1
)
SKIPPED = 12  # of 200 frames: the 100 fs that the labels leave out


def means(case: Case, records: Mapping[str, Record], calculator: Any) -> list[float]:
    """⟨σ(t)⟩ of the run that begins at rest, and of that in a sample."""
    forces = records["displaced_forces_for_dynamics"].arrays
    assert case.entry is not None
    given = case.entry.load()
    cell = Cell(
        forces["unitcell_lattice"],
        forces["unitcell_scaled_positions"],
        given.unitcell.numbers,
        given.unitcell.masses,
    )
    phonon = hm.build_phonopy(hm.with_cell(given, cell))
    supercell = hm.reference_supercell(phonon)
    found = hm.force_constants_from_forces(
        phonon, DisplacementForces(forces["displacements"], forces["forces"])
    )
    full = hm.full_force_constants(phonon, hm.symmetrised(phonon, found))
    modes = dy.supercell_normal_modes(phonon, full)
    effective = records["self_consistent_forces"].arrays["frequencies_effective"]
    thermal = dy.ThermalSettings(temperature=300.0)
    sample = dy.random_samples(replace(modes, frequencies=effective), thermal, 1, 5).displacements[0]
    rest = supercell.to_atoms()
    results = []
    for moved in (np.zeros_like(sample), sample):
        start = rest.copy()
        start.positions = rest.positions + moved
        chunks = list(dy.md_chunks(start, calculator, OVERDAMPED, reference=rest.positions))
        frames = dy.Frames.joined([chunk.frames for chunk in chunks])
        trajectory = Trajectory(
            lattice=supercell.lattice,
            numbers=supercell.numbers,
            positions=frames.positions,
            forces=frames.forces,
        )
        harmonic = harmonic_forces(full, displacements(trajectory, supercell))
        per_frame = sigma(frames.forces, harmonic, subject=case.material.name).per_frame
        results.append(float(per_frame[SKIPPED:].mean()))
    return results


def main(folder: Path, labels_file: Path) -> None:
    """Print a line for each compound that was relaxed."""
    labels, study = read_labels(labels_file), open_study(reopen_study(folder).settings)
    calculator = None
    print("compound      label  from rest  from a sample")
    for case in study.cases:
        records = study.records(case, with_arrays=True)
        found = records.get("self_consistent_forces")
        if found is None or not found.ok or case.potential is None:
            continue
        calculator = calculator or case.potential.load().calculator()
        label = labels.find(case.material.name, {})
        at_rest, sampled = means(case, records, calculator)
        known = "–" if label is None else f"{label.sigma:.2f}"
        print(f"{case.material.name:12s} {known:>6s} {at_rest:10.2f} {sampled:14.2f}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
