"""Where two potentials go in compounds of Table 2 of Yang et al. (2026), each by its own dynamics at 300 K.

    python benchmarks/table2_maps.py runs/table2 [--potentials nequix-oam-1-pft,chgnet] [--replicas 5,3]

Of the five compounds of the table the three with closed shells, each built from its formula and relaxed by
the first potential, space group kept: all then move in the same lattice, as in the paper. For each compound
``softmode md`` (Langevin, 300 K, runs of 2 ps, 4 fs a step) with every potential, and ``softmode map`` of the
clouds, and of one half of the runs of each potential against its other half, which says what chance does;
and each potential on frames of the other, for what forces, force constants and configurations make of the
difference of σ. It goes on where it was stopped; ``dynamics.csv``, ``parts.csv`` and ``maps.csv`` hold all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import pandas as pd

import softmode as sm
from softmode import harmonic as hm
from softmode.crystal import DisplacementForces
from softmode.dynamics import joined_trajectory, read_md
from softmode.harmonic.protocol import named_protocol
from softmode.harmonic.relaxation import relax_cell
from softmode.measurements.map.clouds import thinned
from softmode.potentials import resolve
from softmode.report.map_page import overlap_row
from softmode.structures.dataset import load_file, load_formula

#: The others of the table, Rb2NiAgF6 and Cs2NaRuF6, are magnetic.
COMPOUNDS = ("Rb3AlF6", "K2RbSbF6", "K2InAgF6")
POTENTIALS = "nequix-oam-1-pft,chgnet"
STEPS, TIMESTEP, SAMPLED, LEFT_OUT = 500, 4.0, 5, 50  # frames 20 fs apart; the first 0.2 ps are no sample
EVERY = 3  # of these frames, where a potential is evaluated on those of another


def structure(formula: str, potential: str, folder: Path) -> Path:
    """The cubic crystal, relaxed by a potential."""
    path = folder / formula / "POSCAR"
    if not path.exists():
        cell = load_formula(formula, "halide_double_perovskite").unitcell
        loaded = resolve(potential).load()
        relaxed = relax_cell(cell, loaded.calculator(), largest_volume_ratio=2.0)
        path.parent.mkdir(parents=True, exist_ok=True)
        relaxed.cell.to_atoms().write(path, format="vasp", direct=True)
    return path


def told(arguments: Sequence[str], path: Path) -> dict[str, Any]:
    """What a command prints as JSON, kept so that it is made once."""
    if not path.exists():
        print("softmode", *arguments, flush=True)
        done = subprocess.run(["softmode", *arguments, "--json"], check=True, capture_output=True, text=True)
        path.write_text(done.stdout)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def dynamics(crystal: Path, potential: str, replicas: int) -> dict[str, Any]:
    """Runs of one potential."""
    folder = crystal.parent / potential
    numbers = {
        "--steps": STEPS,
        "--timestep": TIMESTEP,
        "--sample-every": SAMPLED,
        "--discard": LEFT_OUT,
        "--replicas": replicas,
    }
    options = [str(part) for option in numbers.items() for part in option]
    command = ["md", str(crystal), "--potential", potential, *options, "--output", str(folder)]
    return told(command, folder.with_suffix(".json"))


def compared(crystal: Path, clouds: dict[str, list[Path]], name: str) -> list[dict[str, Any]]:
    """Overlaps of clouds of runs."""
    paths = [(str(path), label) for label, given in clouds.items() for path in given]
    command = ["map", *(path for path, _ in paths)]
    command += [part for _, label in paths for part in ("--labels", label)]
    command += ["--skip", str(LEFT_OUT // SAMPLED), "--threads", "1", "--output", str(crystal.parent / name)]
    content = told(command, crystal.parent / f"{name}.json")
    foreign = {found["label"]: found["foreign_share"] for found in content["foreign_to_first"]}
    return [{**row, "foreign_share": foreign[row["second"]]} for row in content["overlaps"]]


def exchanged(crystal: Path, one: str, other: str, own: float) -> dict[str, Any]:
    """What forces, force constants and configurations make of the difference of σ of two potentials.

    On frames of the one, which is the reference; `own` is σ of the other on its own frames.
    """
    path = crystal.parent / f"{one}_{other}_parts.json"
    if not path.exists():
        material = load_file(crystal)
        plan = hm.plan_displacements(hm.build_phonopy(material), named_protocol("default").sigma_displacement)
        forces = resolve(one).load().evaluate(plan.supercells()).stacked_forces()
        reference = replace(material, reference=DisplacementForces(plan.displacements, forces))
        runs = [read_md(replica) for replica in sorted((crystal.parent / one).glob("replica_*"))]
        frames = thinned(joined_trajectory(runs, LEFT_OUT // SAMPLED), EVERY)
        found = sm.anharmonicity(sm.load(reference).with_trajectory(frames), other).record.values
        names = ("reference_mean_t", "phi_model_mean_t", "force_error", "hessian_error")
        path.write_text(json.dumps({name: found[f"sigma_{name}"] for name in names}))
    parts = json.loads(path.read_text())
    return {"potentials": f"{one} → {other}", **parts, "own": own, "frames": own - parts["phi_model_mean_t"]}


def main() -> None:
    """Run, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--potentials", default=POTENTIALS)
    parser.add_argument("--compounds", default=",".join(COMPOUNDS))
    parser.add_argument("--replicas", default="5,3", help="runs of each potential")
    given = parser.parse_args()
    potentials = given.potentials.split(",")
    overlaps, runs = [], []
    for formula in given.compounds.split(","):
        crystal = structure(formula, potentials[0], given.folder)
        for potential, replicas in zip(potentials, map(int, given.replicas.split(",")), strict=True):
            found = dynamics(crystal, potential, replicas)
            runs.append({"compound": formula, "potential": potential, **found})
        cloud = {potential: [crystal.parent / potential] for potential in potentials}
        pairs = {f"{a}_{b}": {a: cloud[a], b: cloud[b]} for a, b in combinations(potentials, 2)}
        for potential in potentials:
            folders = sorted((crystal.parent / potential).glob("replica_*"))
            half = len(folders) // 2
            names = {f"{potential}, first": folders[:half], f"{potential}, others": folders[half:]}
            if half:
                pairs[f"{potential}_halves"] = names
        for name, clouds in pairs.items():
            overlaps += [{"compound": formula, **row} for row in compared(crystal, clouds, name)]
    pd.DataFrame(runs).to_csv(given.folder / "dynamics.csv", index=False)
    pd.DataFrame(overlaps).to_csv(given.folder / "maps.csv", index=False)
    print("\n| compound | potential | σ, own dynamics | class | left its phase |\n|---|---|---|---|---|")
    for row in runs:
        bounds = row["sigma_ci95"]
        interval = f" [{bounds[0]:.3f}, {bounds[1]:.3f}]" if bounds else ""
        cells = (row["compound"], row["potential"], f"{row['sigma']:.3f}{interval}", row["class"])
        print(f"| {' | '.join(cells)} | {row['left'] or 'no'} |")
    heads = "clouds | frames | blocks | MMD² over variance | neighbour separation | foreign"
    print(f"\n| compound | {heads} |\n|---|---|---|---|---|---|---|")
    for row in overlaps:
        found = overlap_row(row)
        cells = (
            f"{row['compound']} | {found['first']} – {found['second']}",
            found["frames"],
            found["blocks"],
            f"{found['relative']} (p {found['mmd_p']})",
            f"{found['separation']} (p {found['near_p']})",
            f"{100 * row['foreign_share']:.0f} %",
        )
        print(f"| {' | '.join(cells)} |")

    sigma = {(run["compound"], run["potential"]): run["sigma"] for run in runs}
    parts = [
        {
            "compound": formula,
            **exchanged(given.folder / formula / "POSCAR", one, other, sigma[formula, other]),
        }
        for formula in given.compounds.split(",")
        for one, other in permutations(potentials, 2)
    ]
    pd.DataFrame(parts).to_csv(given.folder / "parts.csv", index=False)
    print("\n| compound | from → to | σ | forces | force constants | configurations | σ |")
    print("|---|---|---|---|---|---|---|")
    for row in parts:
        shares = (f"{row[name]:+.3f}" for name in ("force_error", "hessian_error", "frames"))
        ends = (f"{row[name]:.3f}" for name in ("reference_mean_t", "own"))
        print(
            f"| {row['compound']} | {row['potentials']} | {' | '.join([next(ends), *shares, next(ends)])} |"
        )


if __name__ == "__main__":
    main()
