"""Random displacements of KCl that a study can take for thermal ones, and force constants, in one folder.

    python benchmarks/kcl_frames.py ../shared/data/kcl_phonopy runs/kcl

phonopy's example has 120 supercells of 64 atoms with DFT forces, in each of which all atoms are displaced by
one length in random directions, and that length lies between 0.03 and 1.5 Å. Kept are those in which it is
no longer than atoms of the harmonic crystal move at its melting point (1,043 K), root mean square of the
harmonic force constants beside them. What is written is third-party data: it stays in ``runs``.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import ase.io
import numpy as np
import phonopy
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

FORCE_CONSTANTS = "phonopy_fc222_JPCM2022.yaml.xz"
DISPLACED = "phonopy_mlpsscha_params_KCl-120.yaml.xz"
ROOM, MELTING_POINT = 300.0, 1043.0
_MESH = [12, 12, 12]


def thermal_displacement(data: Path, temperature: float) -> float:
    """Root mean square displacement of an atom of the harmonic crystal, Å."""
    crystal = phonopy.load(data / FORCE_CONSTANTS, produce_fc=False)
    crystal.run_mesh(_MESH, with_eigenvectors=True, is_mesh_symmetry=False)
    crystal.run_thermal_displacements(temperatures=[temperature])
    squares = crystal.thermal_displacements.thermal_displacements.reshape(-1, 3)
    return float(np.sqrt(squares.sum(axis=1).mean()))


def main(data: Path, output: Path) -> None:
    """Write the folder, and say what was kept."""
    limit = thermal_displacement(data, MELTING_POINT)
    crystal = phonopy.load(data / DISPLACED, produce_fc=False)
    displacements, forces = crystal.dataset["displacements"], crystal.dataset["forces"]
    lengths = np.linalg.norm(displacements, axis=2)
    if np.ptp(lengths, axis=1).max() > 1e-3:
        raise SystemExit("lengths of displacements differ within a supercell: this is another set")
    output.mkdir(parents=True, exist_ok=True)
    frames = []
    for moved, force, length in zip(displacements, forces, lengths.mean(axis=1), strict=True):
        if length <= limit:
            cell = crystal.supercell
            atoms = Atoms(cell.symbols, positions=cell.positions + moved, cell=cell.cell, pbc=True)
            atoms.calc = SinglePointCalculator(atoms, forces=force)
            atoms.info["displacement_A"] = round(float(length), 4)
            frames.append(atoms)
    ase.io.write(output / "frames.extxyz", frames)
    shutil.copyfile(data / FORCE_CONSTANTS, output / "phonopy.yaml.xz")
    kept = [atoms.info["displacement_A"] for atoms in frames]
    room = thermal_displacement(data, ROOM)
    print(f"{len(frames)} of {len(forces)} supercells, displacements {min(kept):.2f} to {max(kept):.2f} Å")
    print(
        f"median {np.median(kept):.2f} Å; harmonic: {room:.3f} Å at 300 K, {limit:.3f} Å at the melting point"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
