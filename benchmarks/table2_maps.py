"""Where two potentials go in compounds of Table 2 of Yang et al. (2026), each by its own dynamics at 300 K.

    python benchmarks/table2_maps.py runs/table2 [--potentials nequix-oam-1-pft,chgnet] [--replicas 5]

Of the five compounds of the table the three with closed shells, each built from its formula and relaxed by
the first potential, space group kept: all then move in the same lattice, as in the paper. For each compound
``softmode md`` (Langevin, 300 K, runs of 2 ps, 4 fs a step) with every potential, and ``softmode map`` of the
clouds, and of one half of the runs of each potential against its other half, which says what chance does. It
goes on where it was stopped. ``maps.csv`` and ``dynamics.csv`` hold what is printed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from softmode.harmonic.relaxation import relax_cell
from softmode.potentials import resolve
from softmode.structures.dataset import load_formula

#: The others of the table, Rb2NiAgF6 and Cs2NaRuF6, are magnetic.
COMPOUNDS = ("Rb3AlF6", "K2RbSbF6", "K2InAgF6")
POTENTIALS = "nequix-oam-1-pft,chgnet"
STEPS, TIMESTEP, SAMPLED, LEFT_OUT = 500, 4.0, 5, 50  # frames 20 fs apart; the first 0.2 ps are no sample


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
    rows: list[dict[str, Any]] = content["overlaps"]
    return rows


def main() -> None:
    """Run, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--potentials", default=POTENTIALS)
    parser.add_argument("--compounds", default=",".join(COMPOUNDS))
    parser.add_argument("--replicas", type=int, default=5)
    given = parser.parse_args()
    potentials = given.potentials.split(",")
    overlaps, runs = [], []
    for formula in given.compounds.split(","):
        crystal = structure(formula, potentials[0], given.folder)
        for potential in potentials:
            found = dynamics(crystal, potential, given.replicas)
            runs.append({"compound": formula, "potential": potential, **found})
        cloud = {potential: [crystal.parent / potential] for potential in potentials}
        pairs = {f"{a}_{b}": {a: cloud[a], b: cloud[b]} for a, b in combinations(potentials, 2)}
        for potential in potentials:
            replicas = sorted((crystal.parent / potential).glob("replica_*"))
            half = len(replicas) // 2
            names = {f"{potential}, first": replicas[:half], f"{potential}, others": replicas[half:]}
            pairs[f"{potential}_halves"] = names
        for name, clouds in pairs.items():
            overlaps += [{"compound": formula, **row} for row in compared(crystal, clouds, name)]
    for name, rows in (("dynamics", runs), ("maps", overlaps)):
        table = pd.DataFrame(rows)
        table.to_csv(given.folder / f"{name}.csv", index=False)
        print(table.to_string())


if __name__ == "__main__":
    main()
