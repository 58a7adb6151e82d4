"""The raw tree of the halide double perovskite database, filled with compounds whose truth is known.

    python tests/helpers/hdp_standin.py TREE --compounds 2000 --frames 25

writes folders as VASP and phonopy leave them (CONTCAR, SPOSCAR, force_constants.hdf5, MD/vasprun_prod_*.xml)
and ``double_halide_pv.db``. Forces are those of :mod:`hdp_potential`; motion is an Ornstein–Uhlenbeck process
at 300 K.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
from ase import Atoms
from ase.db import connect
from hdp_potential import (
    Compound,
    Springs,
    build_network,
    compounds,
    find_sites,
    springs_of,
    thermal_displacements,
)
from numpy.typing import NDArray
from vasprun_writer import vasprun_text

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FOLDERS = {"F": "fluorides", "Cl": "chlorides", "Br": "bromides", "I": "iodides"}
DATABASE = "double_halide_pv.db"


@dataclass(frozen=True, eq=False)
class Truth:
    """What a compound is, in the atom order of its SPOSCAR.

    Parameters
    ----------
    compound : Compound
        Its composition.
    supercell : ase.Atoms
        80 atoms at rest.
    force_constants : (80, 80, 3, 3) array
        eV/Å².
    scaled, forces : lists of (n_frames, 80, 3) arrays
        Of each run, as written: fractional coordinates and forces (eV/Å), eight decimals.
    """

    compound: Compound
    supercell: Atoms
    force_constants: FloatArray
    scaled: list[FloatArray]
    forces: list[FloatArray]

    @property
    def uid(self) -> str:
        """Name in the database."""
        return f"dpv_{self.compound.formula}"

    def moved(self, run: int) -> FloatArray:
        """Displacements of a run, centre of mass at rest, Å."""
        difference = self.scaled[run] - self.supercell.get_scaled_positions()
        moved = (difference - np.rint(difference)) @ self.supercell.cell.array
        drift = np.average(moved, axis=1, weights=self.supercell.get_masses())
        return np.asarray(moved - drift[:, None, :])

    def sigma_t(self, skip: int = 0) -> FloatArray:
        """σ(t) from its definition, of all runs but their first `skip` frames."""
        matrix = self.force_constants.transpose(0, 2, 1, 3).reshape(240, 240)
        parts = []
        for run, forces in enumerate(self.forces):
            total = forces[skip:].reshape(-1, 240)
            anharmonic = total + self.moved(run)[skip:].reshape(-1, 240) @ matrix.T
            parts.append(np.sqrt((anharmonic**2).sum(axis=1) / (total**2).sum(axis=1)))
        return np.concatenate(parts)

    @cached_property
    def labels(self) -> dict[str, float]:
        """What the database says of it."""
        return {
            "sigma_300K_single": float(self.sigma_t()[0]),
            "sigma_mode_averaged_300K": float(self.sigma_t().mean()),
            "formation_energy": -1.0 - self.compound.number("energy"),
        }


def make_truth(
    compound: Compound, frames: Sequence[int] = (25, 25), *, seed: int = 1, anharmonicity: float = 1.0
) -> Truth:
    """Structure, force constants and runs of a compound.

    Parameters
    ----------
    compound : Compound
        Its composition.
    frames : sequence of int
        Frames of each run.
    seed : int
        Of the motion.
    anharmonicity : float
        As in :func:`hdp_potential.uncalibrated`.
    """
    supercell = sposcar(compound)
    network = build_network(supercell)
    springs: Springs = springs_of(compound, anharmonicity)
    rng = np.random.default_rng([seed, int(compound.number("seed") * 2**32)])
    scaled, forces = [], []
    for n_frames in frames:
        moved = thermal_displacements(network, springs, n_frames, rng, memory=0.8)
        rest, inverse = supercell.positions, np.linalg.inv(supercell.cell.array)
        written = np.round(((rest + moved) @ inverse) % 1.0, 8)
        difference = written - rest @ inverse
        exact = (difference - np.rint(difference)) @ supercell.cell.array
        scaled.append(written)
        forces.append(np.round(network.evaluate(exact, springs)[1], 8))
    return Truth(compound, supercell, network.force_constants(springs), scaled, forces)


def sposcar(compound: Compound) -> Atoms:
    """The 2x2x2 supercell in phonopy's order: all images of an atom of the primitive cell, then the next."""
    primitive = compound.primitive
    images = np.array([(i, j, k) for k in range(2) for j in range(2) for i in range(2)])
    scaled = (primitive.get_scaled_positions()[:, None, :] + images).reshape(-1, 3) / 2.0
    return Atoms(
        numbers=np.repeat(primitive.numbers, 8),
        scaled_positions=scaled,
        cell=2.0 * primitive.cell.array,
        pbc=True,
    )


def poscar_text(atoms: Atoms, title: str) -> str:
    """POSCAR in VASP's own layout, direct coordinates."""
    symbols = atoms.get_chemical_symbols()
    starts = [i for i, symbol in enumerate(symbols) if i == 0 or symbols[i - 1] != symbol]
    counts = np.diff([*starts, len(symbols)])
    rows = [
        title,
        "   1.00000000000000     ",
        *("".join(f"{x:22.16f}" for x in vector) for vector in atoms.cell.array),
        "".join(f"{symbols[i]:>5}" for i in starts),
        "".join(f"{count:6d}" for count in counts),
        "Direct",
        *("".join(f"{x:20.16f}" for x in position) for position in atoms.get_scaled_positions()),
    ]
    return "\n".join(rows) + "\n"


def write_compound(folder: Path, truth: Truth, *, order: IntArray | None = None) -> Path:
    """A compound's folder; `order` are the atoms of the runs as indices in the SPOSCAR."""
    (folder / "MD").mkdir(parents=True)
    (folder / "CONTCAR").write_text(poscar_text(truth.compound.primitive, truth.compound.formula) + "\n")
    (folder / "SPOSCAR").write_text(poscar_text(truth.supercell, "generated by phonopy"))
    with h5py.File(folder / "force_constants.hdf5", "w") as file:
        file["force_constants"] = truth.force_constants
        file["p2s_map"] = np.arange(0, 80, 8)
        file["version"] = np.bytes_("2.12.0")
    chosen = np.arange(80) if order is None else order
    symbols = [truth.supercell.get_chemical_symbols()[atom] for atom in chosen]
    for number, (scaled, forces) in enumerate(zip(truth.scaled, truth.forces, strict=True), start=1):
        text = vasprun_text(symbols, truth.supercell.cell.array, scaled[:, chosen], forces[:, chosen])
        (folder / "MD" / f"vasprun_prod_{number}.xml").write_text(text, encoding="iso-8859-1")
    return folder


def write_database(path: Path, rows: Iterable[tuple[str, Atoms, dict[str, float]]]) -> Path:
    """ASE SQLite database: uid, structure and labels of each row."""
    with connect(path, type="db", append=False) as database:
        for uid, atoms, labels in rows:
            database.write(atoms, uid=uid, **labels)
    return path


def write_tree(
    root: Path,
    n_compounds: int,
    frames: Sequence[int] = (25, 25),
    *,
    seed: int = 1,
    anharmonicity: float = 1.0,
) -> dict[str, dict[str, float]]:
    """A whole tree with its database.

    Returns
    -------
    dict
        Labels of each compound by uid; ``sigma_mode_averaged_300K`` is ⟨σ(t)⟩ over all frames.
    """
    rows = []
    for compound in compounds(n_compounds):
        truth = make_truth(compound, frames, seed=seed, anharmonicity=anharmonicity)
        write_compound(root / FOLDERS[compound.x] / truth.uid, truth)
        rows.append((truth.uid, compound.primitive, truth.labels))
    write_database(root / DATABASE, rows)
    return {uid: labels for uid, _, labels in rows}


def site_symbols(atoms: Atoms) -> list[str]:
    """Kind of site of each atom: a, b, b2 or x."""
    return find_sites(atoms).kinds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tree", type=Path)
    parser.add_argument("--compounds", type=int, default=20)
    parser.add_argument("--frames", type=int, default=25, help="of each of two runs")
    parser.add_argument("--anharmonicity", type=float, default=1.0)
    given = parser.parse_args()
    write_tree(given.tree, given.compounds, (given.frames,) * 2, anharmonicity=given.anharmonicity)
