"""A small crystal that moves, and its trajectory in every format softmode reads."""

from __future__ import annotations

import gzip
import json
import lzma
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from numpy.typing import NDArray
from vasprun_writer import vasprun_text

from softmode.crystal import Cell

UNITCELL = Cell(
    lattice=np.eye(3) * 4.1,
    scaled_positions=np.array([[0, 0, 0], [0.5, 0.5, 0.5]]),
    numbers=np.array([55, 17]),
)


@dataclass(frozen=True)
class Case:
    """Truth: lattice (Å), chemical symbols, fractional coordinates, forces (eV/Å), as written to files."""

    lattice: NDArray[np.float64]
    symbols: list[str]
    scaled: NDArray[np.float64]
    forces: NDArray[np.float64]
    at_rest: NDArray[np.float64]

    @property
    def positions(self) -> NDArray[np.float64]:
        return np.asarray(self.scaled @ self.lattice)

    @property
    def supercell(self) -> Cell:
        return Cell.from_atoms(
            Atoms(self.symbols, scaled_positions=self.at_rest, cell=self.lattice, pbc=True)
        )

    def atoms(self, frame: int) -> Atoms:
        atoms = Atoms(self.symbols, positions=self.positions[frame], cell=self.lattice, pbc=True)
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=self.forces[frame])
        return atoms

    def vasprun(self, **changes: object) -> str:
        return vasprun_text(self.symbols, self.lattice, self.scaled, self.forces, **changes)  # type: ignore[arg-type]


def make_case(n_frames: int = 6, seed: int = 3, amplitude: float = 0.1) -> Case:
    """CsCl of springs, 2×1×2, equal elements together as in VASP, wrapped into the cell, eight decimals."""
    rng = np.random.default_rng(seed)
    cell = UNITCELL.to_atoms().repeat((2, 1, 2))
    cell = cell[np.argsort(cell.numbers, kind="stable")[::-1]]
    lattice = cell.cell.array
    rest = cell.get_scaled_positions()
    displacements = amplitude * rng.normal(size=(n_frames, len(cell), 3))
    constants = springs(Cell.from_atoms(cell))
    scaled = rest + displacements @ np.linalg.inv(lattice)
    return Case(
        lattice=lattice,
        symbols=cell.get_chemical_symbols(),
        scaled=np.round(scaled % 1.0, 8),
        forces=np.round(-np.einsum("ijab,fjb->fia", constants, displacements), 8),
        at_rest=rest,
    )


def write_case(case: Case, path: Path) -> Path:
    """The case in the format its name says, compressed if it says so."""
    plain = path.with_suffix("") if path.suffix in (".gz", ".xz") else path
    images = [case.atoms(frame) for frame in range(len(case.scaled))]
    if plain.suffix == ".xml":
        plain.write_text(case.vasprun())
    elif plain.suffix == ".nc":
        write_vibes(case, plain)
    elif plain.suffix == ".xyz":  # forces under their other name
        for atoms in images:
            atoms.new_array("force", atoms.calc.results["forces"])
            atoms.calc = None
        write(plain, images, format="extxyz")
    else:
        write(plain, images)
    if path != plain:
        compress = gzip.compress if path.suffix == ".gz" else lzma.compress
        path.write_bytes(compress(plain.read_bytes()))
        plain.unlink()
    return path


def write_vibes(case: Case, path: Path, primitive: bool = True, force_constants: bool = True) -> None:
    """As FHI-vibes writes it; force constants: forces between an atom and itself and its periodic images."""
    n_atoms = len(case.symbols)
    rest = case.supercell.to_atoms()
    with h5py.File(path, "w") as file:
        file["positions"], file["forces"] = case.positions, case.forces
        file["cell"] = np.broadcast_to(case.lattice, (len(case.scaled), 3, 3))
        file.attrs["symbols"] = np.array(case.symbols, dtype=h5py.string_dtype())
        file.attrs["system_name"] = np.bytes_("CsCl")
        file.attrs["raw_metadata"] = np.bytes_(
            '{"calculator": {"calculator": "Aims", "calculator_parameters": {"xc": "pbe"}}}'
        )
        cells = {"atoms_reference": rest, "atoms_supercell": rest}
        if primitive:
            cells["atoms_primitive"] = UNITCELL.to_atoms()
        for name, atoms in cells.items():
            content = {
                "cell": atoms.cell.array.tolist(),
                "positions": atoms.positions.tolist(),
                "symbols": atoms.get_chemical_symbols(),
                "masses": atoms.get_masses().tolist(),
            }
            file.attrs[name] = np.bytes_(json.dumps(content))
        if force_constants:
            file["force_constants_remapped"] = (
                springs(case.supercell).transpose(0, 2, 1, 3).reshape(3 * n_atoms, 3 * n_atoms)
            )


def springs(supercell: Cell) -> NDArray[np.float64]:
    """Force constants (n, n, 3, 3) of springs that depend on elements and distance only."""
    atoms = supercell.to_atoms()
    distance = atoms.get_all_distances(mic=True)
    stiffness = np.exp(-distance) * np.add.outer(atoms.numbers, atoms.numbers) / 5
    np.fill_diagonal(stiffness, 0.0)
    laplacian = np.diag(stiffness.sum(axis=1)) - stiffness
    return np.asarray(laplacian[:, :, None, None] * np.eye(3))
