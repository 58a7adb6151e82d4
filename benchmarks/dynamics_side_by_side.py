"""σ and the temperature of the modes in several runs of dynamics of the same compounds, finished or not.

    python benchmarks/dynamics_side_by_side.py [--ps TIME] RUN[=NAME]… OUT

Each RUN is the folder of a study of double perovskites with the measurement ``model_only``, and NAME what the
picture calls it. Of each compound what lies before TIME is taken, or as much as all runs have, of all
replicas; what is not finished is read from the pieces stored so far. Into OUT go

- ``sigma.csv``: ⟨σ(t)⟩ of every compound, beside its label,
- ``ratios.csv``: each run against the first, median over compounds with a 95 % interval, and how many change
  their class,
- ``temperatures.csv``: by the frequency at rest, the temperature at which the modes are. It is
  ``-<F_Q Q> / k_B``, which in equilibrium is T in an anharmonic crystal too; means over modes, frames and
  compounds, with the standard error over compounds.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ase import units
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from softmode import dynamics as dy
from softmode import harmonic as hm
from softmode.anharmonic.classes import CLASSES, EDGES, class_indices
from softmode.anharmonic.displacements import displacements
from softmode.anharmonic.sigma import harmonic_forces, sigma
from softmode.crystal import Cell, DisplacementForces, ForceConstants, Trajectory
from softmode.crystal.arrays import FloatArray
from softmode.datasets import open_dataset
from softmode.measurements.md import DynamicsSettings
from softmode.records import Record
from softmode.statistics.bootstrap import bootstrap_median
from softmode.study.folder import Case, Study, reopen_study
from softmode.study.label_results import open_labels
from softmode.style import SIGMA, colours, figure_style, legend_below, markers, square_from_zero

SEED = 2026
#: Frequencies at rest between which modes are taken together, THz; imaginary ones below zero.
BANDS = (-np.inf, -0.1, 1.0, 2.0, 3.5, 5.0, 10.0, np.inf)


@dataclass(frozen=True, eq=False)
class Relaxed:
    """A compound as a potential relaxed it."""

    supercell: Cell
    force_constants: ForceConstants
    modes: dy.NormalModes


def relaxed(case: Case, forces: Record) -> Relaxed:
    """Supercell, force constants and modes from a record of displaced forces."""
    material = case.material
    structures = open_dataset(
        "structures", formulas=[material.formula], prototype=material.tags["prototype"]
    ).entries()
    given, arrays = structures[0].load(), forces.arrays
    cell = Cell(
        arrays["unitcell_lattice"],
        arrays["unitcell_scaled_positions"],
        given.unitcell.numbers,
        given.unitcell.masses,
    )
    phonon = hm.build_phonopy(hm.with_cell(given, cell))
    found = hm.force_constants_from_forces(
        phonon, DisplacementForces(arrays["displacements"], arrays["forces"])
    )
    full = hm.full_force_constants(phonon, hm.symmetrised(phonon, found))
    return Relaxed(hm.reference_supercell(phonon), full, dy.supercell_normal_modes(phonon, full))


def frames(study: Study, case: Case) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
    """Times in ps, positions and forces of each replica, as far as they are made."""
    step = 1e-3 * study.settings.conditions.of(DynamicsSettings).timestep
    record = study.records(case, with_arrays=True).get("md")
    if record is not None and record.ok:
        ends = np.cumsum(record.arrays["run_lengths"])[:-1]
        steps, *others = (np.split(record.arrays[name], ends) for name in ("steps", "positions", "forces"))
        return list(zip([step * part for part in steps], *others, strict=True))
    folder = study.store.partial(case.keys["md"]).folder
    runs = [dy.read_md(part).frames for part in sorted(folder.glob("replica_*"))]
    return [(step * run.steps, run.positions, run.forces) for run in runs]


def looked_at(study: Study, case: Case, last: float) -> tuple[float, FloatArray, FloatArray]:
    """⟨σ(t)⟩, and of each mode its frequency and temperature, of the frames up to a time, ps."""
    crystal = relaxed(case, study.records(case, with_arrays=True)["displaced_forces_for_dynamics"])
    runs = [
        (positions[steps <= last], forces[steps <= last]) for steps, positions, forces in frames(study, case)
    ]
    positions, forces = (np.concatenate(part) for part in zip(*runs, strict=True))
    trajectory = Trajectory(crystal.supercell.lattice, crystal.supercell.numbers, positions, forces)
    moved = displacements(trajectory, crystal.supercell)
    harmonic = harmonic_forces(crystal.force_constants, moved)
    score = sigma(forces, harmonic, subject=case.material.name).per_frame.mean()
    modes = crystal.modes
    pull = (forces / np.sqrt(modes.masses)[:, None]).reshape(len(forces), -1) @ modes.vectors.T
    temperatures = -(pull * modes.coordinates(moved)).mean(axis=0) / units.kB
    return float(score), modes.frequencies, temperatures


def summarised(sigmas: pd.DataFrame, runs: list[str]) -> pd.DataFrame:
    """Each run against the first."""
    first, rows = runs[0], []
    for run in runs[1:]:
        both = sigmas.dropna(subset=[first, run])
        one, two = (both[name].to_numpy(float) for name in (first, run))
        moved = class_indices(two) - class_indices(one)
        rows.append(
            {"first": first, "second": run, "n": len(both)}
            | bootstrap_median(two / one, SEED).columns("sigma_ratio")
            | {"less_stable": int((moved > 0).sum()), "more_stable": int((moved < 0).sum())}
        )
    return pd.DataFrame(rows)


def by_band(found: pd.DataFrame) -> pd.DataFrame:
    """Mean temperature of the modes in each band, over compounds."""
    found = found.assign(band=pd.cut(found["frequency_THz"], BANDS))
    each = found.groupby(["run", "band", "compound"], observed=True)["temperature_K"].mean()
    over = each.groupby(["run", "band"], observed=True, sort=False)
    return pd.DataFrame(
        {"mean_K": over.mean(), "error_K": over.sem(), "compounds": over.size()}
    ).reset_index()


def picture(sigmas: pd.DataFrame, temperatures: pd.DataFrame, shown_as: dict[str, str]) -> Figure:
    """σ of each run against that of the first, and the temperatures of modes."""
    runs = list(shown_as)
    colour, marker = colours(runs), markers(runs)
    places = {band: place for place, band in enumerate(temperatures["band"].cat.categories)}
    with figure_style():
        figure = Figure(figsize=(9.0, 4.4))
        left, right = figure.subplots(1, 2)
        for run in runs:
            looks: Any = {"color": colour[run], "marker": marker[run], "markersize": 5}
            if run != runs[0]:
                left.plot(sigmas[runs[0]], sigmas[run], linestyle="", **looks)
            own = temperatures[temperatures["run"] == run]
            x = [places[band] for band in own["band"]]
            right.errorbar(x, own["mean_K"], yerr=own["error_K"], label=shown_as[run], linewidth=1.0, **looks)
        square_from_zero(left, 1.1 * float(np.nanmax(sigmas[runs])), EDGES)
        others = ", ".join(shown_as[run] for run in runs[1:])
        left.set(xlabel=f"{SIGMA}, {shown_as[runs[0]]}", ylabel=f"{SIGMA}, {others}")
        right.axhline(300.0, color="0.4", linewidth=0.8, linestyle="--")
        right.set_yscale("log")
        right.set_yticks([200, 300, 450, 1000, 2000], ["200", "300", "450", "1000", "2000"])
        right.yaxis.set_minor_formatter(NullFormatter())
        names = ["imaginary", *(f"to {band.right:g}" for band in list(places)[1:-1]), f"above {BANDS[-2]:g}"]
        right.set_xticks(range(len(places)), names, fontsize=7.5)
        right.set(xlabel="frequency at rest (THz)", ylabel="temperature of the positions (K)")
        legend_below(figure, right.get_legend_handles_labels()[0], 3)
        return figure


def main() -> None:
    """Write tables and a picture, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ps", type=float, help="how much of each replica is taken, ps")
    parser.add_argument("folders", nargs="+")
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    named = [(Path(folder), shown) for folder, _, shown in (each.partition("=") for each in given.folders)]
    studies = {folder.name: reopen_study(folder) for folder, _ in named}
    shown_as = {folder.name: shown or folder.name for folder, shown in named}
    there = {
        (run, case.material.formula): (study, case)
        for run, study in studies.items()
        for case in study.cases
        if frames(study, case)
    }
    shared = set.intersection(*({formula for name, formula in there if name == run} for run in studies))
    chosen = [pair for (_, formula), pair in there.items() if formula in shared]
    last = given.ps or min(float(times[-1]) for pair in chosen for times, _, _ in frames(*pair))
    settings = next(iter(studies.values())).settings
    labels = None if settings.labels is None else open_labels(settings.labels)
    rows, temperatures = {}, []
    for (run, formula), pair in there.items():
        if formula not in shared:
            continue
        value, frequency, found = looked_at(*pair, last)
        label = None if labels is None else labels.find(formula)
        row = rows.setdefault(formula, {"formula": formula, "label": None if label is None else label.sigma})
        row |= {run: value, f"{run}_class": CLASSES[int(class_indices(value))]}
        part = {"run": run, "compound": formula, "frequency_THz": frequency, "temperature_K": found}
        temperatures.append(pd.DataFrame(part))
    sigmas = pd.DataFrame(rows.values())
    tables = {
        "sigma": sigmas,
        "ratios": summarised(sigmas, list(studies)),
        "temperatures": by_band(pd.concat(temperatures)),
    }
    given.out.mkdir(parents=True, exist_ok=True)
    with figure_style():
        shown = picture(sigmas, tables["temperatures"], shown_as)
        shown.savefig(given.out / "dynamics.png", dpi=110)
    print(f"first {last:g} ps of each replica")
    for name, table in tables.items():
        table.to_csv(given.out / f"{name}.csv", index=False, float_format="%.4g")
        print(table.to_string(index=False, float_format="%.3g"))


if __name__ == "__main__":
    main()
