"""Trajectories from files: molecular dynamics runs, or configurations with their forces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from softmode.crystal import Cell, DisplacementForces, Trajectory
from softmode.datasets.ase_trajectory import read_ase_trajectory, read_extended_xyz
from softmode.datasets.assemble import phonopy_supercell
from softmode.datasets.file_kinds import FileKind, kind_of
from softmode.datasets.phonopy_yaml import parse_phonopy_yaml
from softmode.datasets.reading import ByteStream, as_text
from softmode.datasets.trajectory_frames import FrameCollector
from softmode.datasets.vasprun import read_vasprun
from softmode.datasets.vibes_file import read_vibes_frames
from softmode.errors import InputDataError, SettingsError

#: What is read, for messages.
FORMATS = (
    "vasprun.xml, ASE .traj, extended XYZ (.xyz, .extxyz), FHI-vibes trajectory.nc and phonopy YAML with "
    "displacements and forces, each also .gz or .xz"
)
_Reader = Callable[[ByteStream, FrameCollector], None]


def read_trajectory(paths: Sequence[Path | str], *, skip: int = 0, every: int = 1) -> Trajectory:
    """One trajectory from files of any mixture of formats; each file (or concatenated vasprun.xml) is a run.

    A run that was cut short in mid-write gives its whole frames, and a note.

    Parameters
    ----------
    paths : sequence of Path
        Files, in order. The format is found from their contents.
    skip : int
        Frames dropped at the start of each run (equilibration).
    every : int
        One frame in so many is kept of the others, in each run.

    Returns
    -------
    Trajectory
        Positions in Å and forces in eV/Å as they are in the files, in their atom order.

    Raises
    ------
    SettingsError
        If a file is not there or given twice, or `skip` or `every` makes no sense.
    InputDataError
        If a file cannot be read, frames do not belong together, or none is left; file and frame are named.
    """
    files = [Path(path) for path in ([paths] if isinstance(paths, (str, Path)) else paths)]
    collector = FrameCollector(skip, every)
    return collector.trajectory(collect_runs(files, collector))


def collect_runs(files: Sequence[Path], collector: FrameCollector) -> str:
    """Hand over the frames of files, each a run; returns how messages name them.

    Parameters and errors are those of :func:`read_trajectory`.
    """
    _check_request(files, collector.skip, collector.every)
    for path in files:
        stream = ByteStream(path)
        _reader_of(path, stream.head())(stream, collector)
    return files[0].name if len(files) == 1 else _named(files)


def _check_request(files: Sequence[Path], skip: int, every: int) -> None:
    if not files:
        raise SettingsError("trajectory", "no file is given", "give at least one")
    if skip < 0 or every < 1:
        raise SettingsError(
            "trajectory",
            f"skip = {skip}, every = {every} makes no sense",
            "set skip to 0 or more and every to 1 or more",
        )
    seen: set[Path] = set()
    for path in files:
        if path.is_dir():
            raise SettingsError(str(path), "it is a folder, not a trajectory", "give the files in it")
        if not path.exists():
            raise SettingsError(str(path), "there is no such file", "give an existing trajectory")
        if path.resolve() in seen:
            raise SettingsError(str(path), "the file is given twice", "give each run once")
        seen.add(path.resolve())


def _named(files: Sequence[Path]) -> str:
    return ", ".join(path.name for path in files[:4]) + (
        f", … ({len(files)} files)" if len(files) > 4 else ""
    )


def _reader_of(path: Path, head: bytes) -> _Reader:
    """By content; by name where a file was cut before its content shows."""
    kind = kind_of(head)
    if kind in _READERS:
        return _READERS[kind]
    if kind is FileKind.CLASSIC_NETCDF:
        raise InputDataError(
            str(path),
            f"it is {kind.value}, not HDF5",
            "convert it with  nccopy -k nc4, or write it again with the package netCDF4 installed",
        )
    if not path.stat().st_size:
        raise InputDataError(str(path), "the file is empty", "fetch or copy it again, or leave it out")
    suffixes = [suffix for suffix in path.suffixes if suffix not in (".gz", ".xz", ".lzma")]
    named = _NAMES.get(suffixes[-1].lower()) if suffixes else None
    if named is not None and kind is FileKind.UNKNOWN:
        return _READERS[named]
    unknown = kind is FileKind.UNKNOWN
    problem = "its format is not known" if unknown else f"this is {kind.value}, and no trajectory"
    raise InputDataError(str(path), problem, f"give {FORMATS}")


def _read_phonopy_dataset(stream: ByteStream, collector: FrameCollector) -> None:
    """Displaced supercells of a phonopy YAML file as frames of one run, in the order of its supercell."""
    subject = str(stream.path)
    contents = parse_phonopy_yaml(as_text(subject, stream.whole()), subject)
    if not isinstance(contents.reference, DisplacementForces):
        missing = "displacements" if contents.displacements is None else "forces"
        raise InputDataError(
            subject,
            f"it holds no {missing}: this is no displacement–force dataset",
            "save it with its dataset (Phonopy.save), or give a trajectory",
        )
    supercell = contents.supercell
    if supercell is None:
        supercell = Cell.from_phonopy(
            phonopy_supercell(contents.unitcell, contents.supercell_matrix, subject)
        )
    collect_displaced(supercell, contents.reference, subject, collector)


def collect_displaced(
    supercell: Cell, reference: DisplacementForces, subject: str, collector: FrameCollector
) -> None:
    """Displaced supercells as the frames of one run.

    Parameters
    ----------
    supercell : Cell
        The supercell at rest, in the atom order of `reference`.
    reference : DisplacementForces
        Displacements and forces.
    subject : str
        The file.
    collector : FrameCollector
        Takes the frames.
    """
    at_rest = supercell.scaled_positions @ supercell.lattice
    collector.begin_run(subject)
    for displacements, forces in zip(reference.displacements, reference.forces, strict=True):
        if collector.wanted:
            collector.add(supercell.numbers, supercell.lattice, forces, positions=at_rest + displacements)
        else:
            collector.pass_over()
    n_displaced = np.count_nonzero(np.abs(reference.displacements).max(axis=2) > 1e-8, axis=1)
    if supercell.n_atoms > 1 and (n_displaced == 1).any():
        collector.notes.append(f"{subject}: in some frames a single atom is displaced: no thermal motion")
    collector.end_run()


_READERS: dict[FileKind, _Reader] = {
    FileKind.ASE_TRAJECTORY: read_ase_trajectory,
    FileKind.HDF5: read_vibes_frames,
    FileKind.VIBES: read_vibes_frames,
    FileKind.VASPRUN: read_vasprun,
    FileKind.EXTENDED_XYZ: read_extended_xyz,
    FileKind.PHONOPY_YAML: _read_phonopy_dataset,
}
_NAMES = {
    ".xml": FileKind.VASPRUN,
    ".traj": FileKind.ASE_TRAJECTORY,
    ".xyz": FileKind.EXTENDED_XYZ,
    ".extxyz": FileKind.EXTENDED_XYZ,
    ".nc": FileKind.VIBES,
    ".yaml": FileKind.PHONOPY_YAML,
    ".yml": FileKind.PHONOPY_YAML,
}
