"""A reference put together from two loose files: a supercell, and its force constants."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

import ase.io
import numpy as np

from softmode.crystal import Cell, Material
from softmode.datasets.assemble import (
    automatic_primitive_matrix,
    make_material,
    order_force_constants,
    phonopy_primitive,
)
from softmode.datasets.formats import parse_force_constants, parse_poscar, read_force_constants_hdf5
from softmode.datasets.reading import as_text, decompressed, reading
from softmode.errors import InputDataError, SettingsError


def reference_from_supercell(supercell: Path, force_constants: Path) -> Material:
    """Material whose unit cell is the supercell itself.

    Parameters
    ----------
    supercell : Path
        SPOSCAR, or any structure file ASE reads; its atom order is that of the force constants.
    force_constants : Path
        ``force_constants.hdf5`` or ``FORCE_CONSTANTS``, full or compact, plain or compressed.

    Raises
    ------
    SettingsError
        If a file is not there.
    InputDataError
        If a file cannot be read or the force constants are not of this supercell.
    """
    for path in (supercell, force_constants):
        if not path.exists():
            raise SettingsError(str(path), "there is no such file", "give an existing file")
    if supercell.is_dir():
        raise SettingsError(str(supercell), "it is a folder, not a supercell", "give the SPOSCAR in it")
    if force_constants.is_dir():
        _refuse_own_supercell(force_constants)
    cell = _structure(supercell)
    identity = np.eye(3, dtype=np.int64)
    primitive_matrix = automatic_primitive_matrix(cell, str(supercell))
    primitive = phonopy_primitive(cell, identity, primitive_matrix, str(supercell))
    data = decompressed(str(force_constants), force_constants.read_bytes())
    subject = str(force_constants)
    if re.search(rb"^(phonopy|unit_cell|supercell_matrix):", data, re.M):
        _refuse_own_supercell(force_constants)
    if data.startswith(b"\x89HDF"):
        values, rows = read_force_constants_hdf5(data, subject)
    else:
        values, rows = parse_force_constants(as_text(subject, data), subject)
    reference = order_force_constants(values, rows, None, primitive, subject)
    return make_material(supercell.stem, str(supercell), cell, identity, primitive_matrix, reference)


def _refuse_own_supercell(path: Path) -> NoReturn:
    raise SettingsError(
        str(path),
        "it brings its own supercell",
        "leave the supercell away, or give force_constants.hdf5 or FORCE_CONSTANTS",
    )


def _structure(path: Path) -> Cell:
    if "POSCAR" in path.name or "CONTCAR" in path.name:
        return parse_poscar(as_text(str(path), path.read_bytes()), str(path))
    with reading(str(path), "ASE cannot read the structure", "give a POSCAR, CIF or extended XYZ file"):
        atoms = ase.io.read(path)
    if not isinstance(atoms, ase.Atoms) or not atoms.pbc.all():
        raise InputDataError(str(path), "this is not one periodic structure", "give the supercell alone")
    return Cell.from_atoms(atoms)
