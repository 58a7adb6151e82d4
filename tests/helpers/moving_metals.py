"""Metals in motion under EMT: reference trajectories beside phonopy files, and σ from its definition."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import phonopy
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.harmonic.force_constants import compact_fc_to_full_fc
from tiny_study import metal_phonopy, write_metal

FloatArray = NDArray[np.float64]

#: Option of a phonopy dataset with which the trajectories written here are found.
MOVING = {"trajectory": "*.extxyz"}


@dataclass(frozen=True)
class Motion:
    """Truth: supercell at rest, configurations (Å) and their forces (eV/Å), phonopy's atom order."""

    rest: Atoms
    positions: FloatArray
    forces: FloatArray

    @property
    def displacements(self) -> FloatArray:
        """From the supercell, centre of mass at rest."""
        moved = self.positions - self.rest.positions
        drift = np.average(moved, axis=1, weights=self.rest.get_masses())
        return np.asarray(moved - drift[:, None, :])

    def frames(self) -> list[Atoms]:
        images = []
        for positions, forces in zip(self.positions, self.forces, strict=True):
            atoms = self.rest.copy()
            atoms.positions = positions
            atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=forces)
            images.append(atoms)
        return images

    def sigma_t(self, hessian: FloatArray, forces: FloatArray | None = None) -> FloatArray:
        """σ(t) from its definition; `hessian` (3 n_atoms, 3 n_atoms), forces those of EMT unless given."""
        total = (self.forces if forces is None else forces).reshape(len(self.positions), -1)
        anharmonic = total + self.displacements.reshape(len(total), -1) @ hessian.T
        return np.sqrt((anharmonic**2).sum(axis=1) / (total**2).sum(axis=1))


def emt_forces(atoms: Atoms) -> FloatArray:
    """Forces of EMT, eV/Å."""
    atoms = atoms.copy()
    atoms.calc = EMT()
    return np.asarray(atoms.get_forces())


def supercell(symbol: str) -> Atoms:
    """The supercell of :func:`tiny_study.write_metal`."""
    cell = metal_phonopy(symbol).supercell
    return Atoms(cell.symbols, positions=cell.positions, cell=cell.cell, pbc=True)


def moving(symbol: str, n_frames: int = 24, amplitude: float = 0.1, seed: int = 5) -> Motion:
    """Random configurations around the crystal, eight decimals as files have them."""
    rest = supercell(symbol)
    rng = np.random.default_rng(seed)
    positions = np.round(rest.positions + rng.normal(0.0, amplitude, (n_frames, len(rest), 3)), 8)
    forces = []
    for moved in positions:
        atoms = rest.copy()
        atoms.positions = moved
        forces.append(emt_forces(atoms))
    return Motion(rest, positions, np.array(forces))


def write_moving_metal(folder: Path, symbol: str, force: float = 1.0, **motion: float) -> Motion:
    """Phonopy files of a metal, and a trajectory beside them.

    `force` scales the forces in FORCE_SETS, not those of the trajectory: σ is close to ``|1 - force|``.
    """
    write_metal(folder, symbol, force)
    truth = moving(symbol, **motion)  # type: ignore[arg-type]
    write(folder / "run.extxyz", truth.frames())
    return truth


def phonopy_of(folder: Path) -> Phonopy:
    """phonopy's own reading of the files in a folder, force constants as they come."""
    return phonopy.load(
        unitcell_filename=folder / "POSCAR",
        force_sets_filename=folder / "FORCE_SETS",
        supercell_matrix=np.diag([2, 2, 2]),
        primitive_matrix="P",
        symmetrize_fc=False,
        log_level=0,
    )


def phonopy_hessian(folder: Path, *, symmetrise: bool = True) -> FloatArray:
    """Force constants that phonopy itself makes of the files in a folder, (3 n_atoms, 3 n_atoms), eV/Å²."""
    phonon = phonopy_of(folder)
    if symmetrise:
        phonon.symmetrize_force_constants()
    constants = np.asarray(phonon.force_constants)
    if constants.shape[0] != constants.shape[1]:
        constants = compact_fc_to_full_fc(phonon.primitive, constants)
    return np.asarray(constants.transpose(0, 2, 1, 3).reshape(3 * len(constants), -1))


@cache
def emt_hessian(symbol: str, distance: float = 0.01) -> FloatArray:
    """Second derivatives of EMT's energy by central differences, (3 n_atoms, 3 n_atoms), eV/Å²."""
    rest = supercell(symbol)
    columns = []
    for index in range(3 * len(rest)):
        sides = []
        for sign in (1.0, -1.0):
            atoms = rest.copy()
            atoms.positions[index // 3, index % 3] += sign * distance
            sides.append(emt_forces(atoms).ravel())
        columns.append((sides[1] - sides[0]) / (2.0 * distance))
    return np.array(columns).T
