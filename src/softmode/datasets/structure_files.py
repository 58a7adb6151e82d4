"""One crystal structure from a file of any format ASE reads, and the files that hold one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ase
import ase.io
import numpy as np
import spglib
from ase.neighborlist import neighbor_list

from softmode.crystal import Cell
from softmode.datasets.file_kinds import FileKind, kind_of, kind_of_file
from softmode.datasets.formats import parse_poscar
from softmode.datasets.reading import ByteStream, as_text, naming, reading
from softmode.errors import InputDataError

#: Å: atoms closer than this are an error in the file, not a crystal.
CLOSEST = 0.5

#: What a folder is searched for; a file that is pointed to may have any name.
STRUCTURE_SUFFIXES = (".cif", ".vasp", ".poscar", ".contcar", ".xyz", ".extxyz", ".xsf", ".res")
_COMPRESSED = (".gz", ".xz")
#: Files whose folder names the material; the relaxed structure first.
_IN_FOLDER = ("CONTCAR", "POSCAR", "geometry.in")


def is_structure_file(path: Path) -> bool:
    """Whether a file is named like a structure: by its suffix, or POSCAR or CONTCAR in its name."""
    name = _plain(path.name)
    return path.is_file() and (_is_vasp(name) or name.lower().endswith(STRUCTURE_SUFFIXES))


def is_structure(path: Path) -> bool:
    """Whether a file holds a structure: it is named like one, or is a POSCAR or CIF of any name."""
    return is_structure_file(path) or (path.is_file() and kind_of_file(path).is_structure)


def find_structures(folder: Path) -> list[Path]:
    """Structure files in a folder, and of each of its folders CONTCAR, else POSCAR, else geometry.in."""
    inside = sorted(folder.iterdir())
    found = [path for path in inside if is_structure_file(path)]
    named_by_folder = [path for path in found if path.name in _IN_FOLDER]
    for path in named_by_folder:
        if path.name != _first_of(folder):
            found.remove(path)
    names = {path: _first_of(path) for path in inside if path.is_dir()}
    return found + [path / name for path, name in names.items() if name is not None]


def _first_of(folder: Path) -> str | None:
    return next((name for name in _IN_FOLDER if (folder / name).is_file()), None)


def structure_name(path: Path) -> str:
    """Name of the file without its suffix; of its folder where it is just CONTCAR, POSCAR or geometry.in."""
    name = _plain(path.name)
    if name in _IN_FOLDER:
        return path.resolve().parent.name or name
    stem, suffix = Path(name).stem, Path(name).suffix
    return name if _is_vasp(name) and suffix.lower() not in STRUCTURE_SUFFIXES else stem


def _plain(name: str) -> str:
    return next((name.removesuffix(suffix) for suffix in _COMPRESSED if name.endswith(suffix)), name)


def _is_vasp(name: str) -> bool:
    return "POSCAR" in name or "CONTCAR" in name or name.lower().endswith(".vasp")


def read_structure(path: Path) -> Cell:
    """Read and check one periodic structure.

    Parameters
    ----------
    path : Path
        POSCAR, CIF, extended XYZ or any other format ASE reads; also as ``.gz`` or ``.xz``. POSCAR and CIF
        may have any name.

    Raises
    ------
    InputDataError
        If the file cannot be read, holds several structures or none, is not periodic in three directions, has
        partially occupied sites, an unknown element, or atoms closer than 0.5 Å.
    """
    subject = str(path)
    data = ByteStream(path).whole()
    kind = kind_of(data)
    if _is_vasp(_plain(path.name)) or kind is FileKind.POSCAR:
        cell = parse_poscar(as_text(subject, data), subject)
    else:
        cell = _through_ase(path, subject, "cif" if kind is FileKind.CIF else None)
    with naming(subject):
        check_distances(cell)
    return cell


def _through_ase(path: Path, subject: str, file_format: str | None) -> Cell:
    remedy = "give a complete POSCAR, CIF or extended XYZ file"
    with (
        reading(subject, "ASE cannot read a structure from it", remedy),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # ASE's doubts about space group settings; the result is checked
        images = ase.io.read(path, index=":", format=file_format)
    if len(images) != 1:
        raise InputDataError(subject, f"it holds {len(images)} structures", "give one structure a file")
    return cell_of_atoms(images[0], subject)


def cell_of_atoms(atoms: ase.Atoms, subject: str) -> Cell:
    """The cell of a crystal that ASE has.

    Raises
    ------
    InputDataError
        If it is not periodic in three directions, or has partially occupied sites or an unknown element.
    """
    _check_whole_atoms(atoms, subject)
    if not atoms.pbc.all() or atoms.cell.rank < 3:
        raise InputDataError(
            subject, "it is not periodic in three directions", "give a crystal with its three lattice vectors"
        )
    with naming(subject):
        return Cell.from_atoms(atoms)


def _check_whole_atoms(atoms: ase.Atoms, subject: str) -> None:
    if len(atoms) == 0 or (atoms.numbers < 1).any():
        problem = "it holds no atoms" if len(atoms) == 0 else "it names an element that does not exist"
        raise InputDataError(subject, problem, "check the element symbols in the file")
    occupancy: Mapping[Any, Mapping[str, float]] = atoms.info.get("occupancy") or {}
    for species in occupancy.values():
        if len(species) != 1 or abs(sum(species.values()) - 1.0) > 1e-3:
            shown = ", ".join(f"{symbol} {share:g}" for symbol, share in sorted(species.items()))
            raise InputDataError(
                subject,
                f"a site is partially occupied ({shown})",
                "give an ordered structure: phonons are those of atoms, not of averages",
            )


def check_distances(cell: Cell) -> None:
    """Refuse atoms that overlap, periodic images included.

    Raises
    ------
    InputDataError
        If two atoms are closer than 0.5 Å; they are named.
    """
    first, second, distances = neighbor_list("ijd", cell.to_atoms(), CLOSEST)
    if len(distances):
        at = int(np.argmin(distances))
        a, b = int(first[at]), int(second[at])
        raise InputDataError(
            "structure",
            f"atoms {a + 1} ({cell.symbols[a]}) and {b + 1} ({cell.symbols[b]}) are "
            f"{distances[at]:.2f} Å apart",
            "remove one of them, or check the lattice and whether positions are fractional or Cartesian",
        )


def standard_cell(cell: Cell, symprec: float, *, to_primitive: bool = True) -> Cell:
    """The standard cell of spglib, made exactly symmetric; atoms of one kind stand together.

    Parameters
    ----------
    cell : Cell
        Any cell of the crystal.
    symprec : float
        How far atoms may be from symmetric positions, Å.
    to_primitive : bool
        Whether the primitive cell is wanted, or the conventional one.

    Raises
    ------
    InputDataError
        If spglib finds no symmetry, not even the identity.
    """
    found = spglib.standardize_cell(
        (cell.lattice, cell.scaled_positions, cell.numbers), to_primitive, no_idealize=False, symprec=symprec
    )
    if found is None:
        raise InputDataError(
            "structure", f"spglib finds no symmetry within {symprec:g} Å", "set another symprec, or check it"
        )
    lattice, positions, numbers = found
    order = np.argsort([list(dict.fromkeys(numbers)).index(n) for n in numbers], kind="stable")
    return Cell(lattice=lattice, scaled_positions=positions[order], numbers=numbers[order])
