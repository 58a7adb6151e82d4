"""FHI-vibes' trajectory.nc: a self-contained record of a molecular dynamics run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
from ase.data import atomic_numbers

from softmode.crystal import Cell
from softmode.datasets.assemble import CrystalFiles, FileForceConstants, supercell_matrix_between
from softmode.datasets.limits import open_hdf5
from softmode.datasets.reading import ByteStream, naming, reading
from softmode.datasets.trajectory_frames import FrameCollector
from softmode.errors import InputDataError

_REMEDY = "write it again with  vibes output trajectory, or fetch it again"
_FUNCTIONALS = {"pbe": "PBE", "pbesol": "PBEsol", "pw-lda": "LDA", "hse06": "HSE06", "scan": "SCAN"}


@contextmanager
def _opened(stream: ByteStream) -> Iterator[h5py.File]:
    problem = "this is not a readable trajectory.nc (truncated?)"
    with reading(str(stream.path), problem, _REMEDY), open_hdf5(stream.seekable(), str(stream.path)) as file:
        yield file


def parse_vibes(stream: ByteStream) -> tuple[CrystalFiles, str]:
    """The crystal in a trajectory.nc, with its force constants where it has some.

    The unit cell is the primitive cell of the file, or the supercell where it names none.

    Returns
    -------
    crystal : CrystalFiles
        In the atom order of the file.
    level_of_theory : str
        How forces were calculated; ``unknown`` when not given.

    Raises
    ------
    InputDataError
        If it is damaged or not as FHI-vibes writes it.
    """
    subject = str(stream.path)
    with _opened(stream) as file, naming(subject):
        primitive = _cell(file, "atoms_primitive")
        supercell = _cell(file, "atoms_reference") or _cell(file, "atoms_supercell")
        if supercell is None:
            raise InputDataError(subject, "it names no reference supercell (atoms_reference)", _REMEDY)
        crystal = CrystalFiles(
            unitcell=primitive or supercell,
            supercell_matrix=supercell_matrix_between(primitive or supercell, supercell, subject),
            primitive_matrix=None if primitive is None else np.eye(3),
            supercell=supercell,
            reference=_force_constants(file, supercell.n_atoms, subject),
            supercell_source=subject,
            reference_source=subject,
        )
        return crystal, _level_of_theory(file)


def read_vibes_frames(stream: ByteStream, collector: FrameCollector) -> None:
    """The frames of a trajectory.nc.

    Raises
    ------
    InputDataError
        If it is damaged or not as FHI-vibes writes it.
    """
    subject = str(stream.path)
    with _opened(stream) as file:
        for needed in ("positions", "cell"):
            if needed not in file:
                raise InputDataError(subject, f"it holds no {needed}", _REMEDY)
        symbols = [s.decode() if isinstance(s, bytes) else str(s) for s in file.attrs["symbols"]]
        numbers = [atomic_numbers[symbol] for symbol in symbols]
        collector.begin_run(subject)
        forces = file.get("forces")
        for frame in range(len(file["positions"])):
            if not collector.wanted:
                collector.pass_over()
                continue
            collector.add(
                numbers,
                file["cell"][frame],
                None if forces is None else forces[frame],
                positions=file["positions"][frame],
            )
        collector.end_run()


def _text(file: h5py.File, name: str) -> str:
    value = file.attrs.get(name, "")
    return value.decode() if isinstance(value, bytes) else str(value)


def _cell(file: h5py.File, name: str) -> Cell | None:
    text = _text(file, name)
    if not text:
        return None
    atoms: dict[str, Any] = json.loads(text)
    lattice = np.array(atoms["cell"], dtype=np.float64)
    return Cell(
        lattice=lattice,
        scaled_positions=np.array(atoms["positions"], dtype=np.float64) @ np.linalg.inv(lattice),
        numbers=np.array([atomic_numbers[symbol] for symbol in atoms["symbols"]]),
        masses=np.array(atoms["masses"], dtype=np.float64) if "masses" in atoms else None,  # type: ignore[arg-type]
    )


def _force_constants(file: h5py.File, n_atoms: int, subject: str) -> FileForceConstants | None:
    """(3N, 3N), atom by atom, to (N, N, 3, 3)."""
    if "force_constants_remapped" not in file:
        return None
    values = np.array(file["force_constants_remapped"], dtype=np.float64)
    if values.shape != (3 * n_atoms, 3 * n_atoms):
        raise InputDataError(
            subject,
            f"force constants of shape {values.shape}, but the supercell has {n_atoms} atoms",
            _REMEDY,
        )
    blocks = values.reshape(n_atoms, 3, n_atoms, 3).transpose(0, 2, 1, 3)
    return FileForceConstants(np.ascontiguousarray(blocks))


def _level_of_theory(file: h5py.File) -> str:
    text = _text(file, "raw_metadata")
    calculator = (json.loads(text) if text else {}).get("calculator", {})
    functional = str(calculator.get("calculator_parameters", {}).get("xc", ""))
    code = {"Aims": "FHI-aims"}.get(
        str(calculator.get("calculator", "")), str(calculator.get("calculator", ""))
    )
    if not functional:
        return code or "unknown"
    return _FUNCTIONALS.get(functional.lower(), functional) + (f" ({code})" if code else "")
