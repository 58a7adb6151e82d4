"""FHI-vibes runs as reference data: a trajectory.nc is a material with its force constants and frames."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import h5py

from softmode.crystal import Material
from softmode.datasets.assemble import assemble, supercell_of
from softmode.datasets.base import DatasetKind, FromPaths, MaterialEntry
from softmode.datasets.file_kinds import FileKind, kind_of_file
from softmode.datasets.phonopy_files import holds_one_material
from softmode.datasets.reading import ByteStream, fingerprint, naming
from softmode.datasets.trajectory_files import collect_runs
from softmode.datasets.trajectory_frames import FrameCollector
from softmode.datasets.trajectory_source import (
    FrameOptions,
    RunContext,
    RunsLoader,
)
from softmode.datasets.vibes_file import parse_vibes
from softmode.errors import InputDataError

SUFFIXES = (".nc", ".nc.gz", ".nc.xz")
_FILE = "trajectory"


def recognises(path: Path) -> bool:
    """A trajectory.nc of any name, or a folder of files so named that is no material itself."""
    return bool(_sources(path)) and (path.is_file() or not holds_one_material(path))


def material_name(path: Path) -> str:
    """Name of the file without its suffixes; of its folder where the file is just ``trajectory``."""
    name = path.name
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        name = name.removesuffix(suffix)
    return (path.resolve().parent.name or name) if name == _FILE else name


def _sources(path: Path) -> list[Path]:
    if path.is_file():
        named = path.name.lower().endswith(SUFFIXES)
        return [path] if named or (h5py.is_hdf5(path) and kind_of_file(path) is FileKind.VIBES) else []
    inside = sorted(path.iterdir())
    found = [p for p in inside if p.is_file() and p.name.lower().endswith(SUFFIXES)]
    for folder in (p for p in inside if p.is_dir()):
        found += [folder / (_FILE + s) for s in SUFFIXES if (folder / (_FILE + s)).is_file()][:1]
    return found


def entry(path: Path, options: FrameOptions) -> MaterialEntry:
    """One material with its trajectory."""
    return MaterialEntry(
        name=material_name(path),
        source=fingerprint([path], path.parent),
        loader=partial(load, path),
        trajectory_loader=RunsLoader(partial(collect, path), options.frames),
        choice=options.frames.mark,
        place=str(path),
    )


def load(path: Path) -> Material:
    """The crystal and the force constants in a trajectory.nc, in phonopy's order.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    InputDataError
        If it is damaged, or holds no force constants; the file is named.
    """
    crystal, level_of_theory = parse_vibes(ByteStream(path))
    if crystal.reference is None:
        raise InputDataError(
            str(path),
            "it holds no force constants, which make it a reference",
            "add them with  vibes output trajectory --force_constants, or use it as a trajectory only",
        )
    return assemble(material_name(path), str(path), crystal, {"level_of_theory": level_of_theory})


def collect(path: Path, collector: FrameCollector) -> RunContext:
    """Hand over the frames in a trajectory.nc.

    Raises
    ------
    InputDataError
        If it is damaged, or says not what it is of; the file is named.
    """
    name = collect_runs([path], collector)
    with naming(str(path)):
        return RunContext(name, str(path), supercell_of(load(path)))


VIBES = DatasetKind(
    name="vibes",
    title="FHI-vibes molecular dynamics",
    holds="trajectory.nc files, or folders of them, each with its supercell, force constants and forces",
    citation="yours; FHI-vibes: F. Knoop et al., J. Open Source Softw. 5, 2671 (2020)",
    licence="yours",
    entries=FromPaths(
        _sources,
        entry,
        nothing=(
            "no trajectory of FHI-vibes is in it",
            "point to a trajectory.nc, or to a folder of such files or of folders that hold them",
        ),
    ),
    options=FrameOptions,
    recognises=recognises,
)
