"""A reference put together from two loose files: a supercell, and its forces or force constants."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from softmode.crystal import Material
from softmode.datasets.assemble import CrystalFiles, assemble
from softmode.datasets.file_kinds import FileKind, kind_of
from softmode.datasets.phonopy_loading import read_reference
from softmode.datasets.plausibility import plausible
from softmode.datasets.reading import ByteStream
from softmode.datasets.structure_files import read_structure
from softmode.errors import InputDataError, SettingsError


def reference_from_supercell(supercell: Path, force_constants: Path, accept: Sequence[str] = ()) -> Material:
    """Material whose unit cell is the supercell itself.

    Parameters
    ----------
    supercell : Path
        SPOSCAR, or any structure file ASE reads; its atom order is that of the force constants.
    force_constants : Path
        ``force_constants.hdf5`` or ``FORCE_CONSTANTS``, full or compact, or ``FORCE_SETS``; maybe
        compressed.
    accept : sequence of str
        Checks whose verdict does not count.

    Raises
    ------
    SettingsError
        If a file is not there.
    InputDataError
        If a file cannot be read, the force constants are not of this supercell, or are not plausible.
    """
    for path in (supercell, force_constants):
        if not path.exists():
            raise SettingsError(str(path), "there is no such file", "give an existing file")
    if supercell.is_dir():
        raise SettingsError(str(supercell), "it is a folder, not a supercell", "give the SPOSCAR in it")
    if force_constants.is_dir():
        _refuse_own_supercell(force_constants)
    subject = str(force_constants)
    data = ByteStream(force_constants).whole()
    kind = kind_of(data)
    if kind in (FileKind.PHONOPY_YAML, FileKind.VIBES):
        _refuse_own_supercell(force_constants)
    if not kind.is_reference and kind not in (FileKind.UNKNOWN, FileKind.HDF5):
        raise InputDataError(
            subject, f"this is {kind.value}", "give force_constants.hdf5, FORCE_CONSTANTS or FORCE_SETS"
        )
    cell = read_structure(supercell)
    crystal = CrystalFiles(
        unitcell=cell,
        supercell_matrix=np.eye(3, dtype=np.int64),
        reference=read_reference(data, cell.n_atoms, subject),
        reference_source=subject,
    )
    return plausible(assemble(supercell.stem, str(supercell), crystal), accept, subject)


def supercell_integers(text: str) -> list[int] | None:
    """Three or nine integers, as in ``2 2 2`` or ``2,2,2``; None where the text is something else."""
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        return None


def supercell_said(supercell: str | Path | Sequence[int]) -> Path | tuple[int, ...]:
    """A supercell as a person says it: three or nine integers, or the file of it.

    Raises
    ------
    SettingsError
        If it is neither.
    """
    if not isinstance(supercell, (str, Path)):
        return tuple(supercell)
    integers = supercell_integers(str(supercell))
    if integers is not None:
        return tuple(integers)
    if not Path(supercell).exists():
        raise SettingsError(
            "--supercell",
            f"{str(supercell)!r} is not made of integers, and there is no such file",
            'give three or nine, as "2 2 2", or the file of the supercell (SPOSCAR)',
        )
    return Path(supercell)


def _refuse_own_supercell(path: Path) -> NoReturn:
    raise SettingsError(
        str(path),
        "it brings its own supercell",
        "leave the supercell away, or give force_constants.hdf5, FORCE_CONSTANTS or FORCE_SETS",
    )
