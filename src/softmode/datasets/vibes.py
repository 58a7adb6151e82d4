"""FHI-vibes runs as reference data: a trajectory.nc is a material with its force constants and frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from softmode.crystal import Material, Trajectory
from softmode.datasets.assemble import (
    automatic_primitive_matrix,
    make_material,
    order_force_constants,
    phonopy_primitive,
    supercell_matrix_between,
    supercell_of,
    supercell_order,
)
from softmode.datasets.base import DatasetInfo, MaterialEntry, natural_key
from softmode.datasets.reading import distinct_sources, fingerprint, naming
from softmode.datasets.streams import ByteStream
from softmode.datasets.trajectory_alignment import align_trajectory
from softmode.datasets.trajectory_files import read_trajectory
from softmode.datasets.trajectory_source import ALL_FRAMES, FrameChoice
from softmode.datasets.vibes_file import parse_vibes
from softmode.errors import InputDataError

INFO = DatasetInfo(
    name="vibes",
    title="FHI-vibes molecular dynamics",
    holds="trajectory.nc files, or folders of them, each with its supercell, force constants and forces",
    citation="yours; FHI-vibes: F. Knoop et al., J. Open Source Softw. 5, 2671 (2020)",
    licence="yours",
    needs_path=True,
    options={
        "skip": "frames dropped at the start of each trajectory (default 0)",
        "every": "one frame in so many is kept of the others (default 1)",
    },
)
SUFFIXES = (".nc", ".nc.gz", ".nc.xz")
_FILE = "trajectory"


@dataclass(frozen=True)
class VibesRuns:
    """One trajectory.nc, or a folder with such files or with folders that hold them.

    Parameters
    ----------
    path : Path
        The file or folder.
    frames : FrameChoice
        Which frames of each trajectory are taken.
    """

    path: Path
    frames: FrameChoice = ALL_FRAMES

    @property
    def info(self) -> DatasetInfo:
        """What this is."""
        return INFO

    def entries(self) -> Sequence[MaterialEntry]:
        """All materials, listed without reading them, sorted by name.

        Raises
        ------
        InputDataError
            If nothing is found, or two sources bear the same name.
        """
        sources = distinct_sources(self.path, _sources(self.path), material_name)
        if not sources:
            raise InputDataError(
                str(self.path),
                "no trajectory of FHI-vibes is in it",
                "point to a trajectory.nc, or to a folder of such files or of folders that hold them",
            )
        return [entry(sources[name], self.frames) for name in sorted(sources, key=natural_key)]


def is_vibes(path: Path) -> bool:
    """Whether a path is a file named as FHI-vibes names its trajectories, or a folder of only such data."""
    return bool(_sources(path))


def material_name(path: Path) -> str:
    """Name of the file without its suffixes; of its folder where the file is just ``trajectory``."""
    name = path.name
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        name = name.removesuffix(suffix)
    return (path.resolve().parent.name or name) if name == _FILE else name


def _sources(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.name.lower().endswith(SUFFIXES) else []
    inside = sorted(path.iterdir())
    found = [p for p in inside if p.is_file() and p.name.lower().endswith(SUFFIXES)]
    for folder in (p for p in inside if p.is_dir()):
        found += [folder / (_FILE + s) for s in SUFFIXES if (folder / (_FILE + s)).is_file()][:1]
    return found


def entry(path: Path, frames: FrameChoice = ALL_FRAMES) -> MaterialEntry:
    """One material with its trajectory."""
    return MaterialEntry(
        name=material_name(path),
        fingerprint=fingerprint([path], path.parent) + frames.mark,
        loader=partial(load, path),
        trajectory_loader=partial(load_trajectory, path, frames),
    )


def load(path: Path) -> Material:
    """The crystal and the force constants in a trajectory.nc, in phonopy's order.

    The unit cell is the primitive cell of the file, or the supercell where it names none.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    InputDataError
        If it is damaged, or holds no force constants; the file is named.
    """
    subject = str(path)
    contents = parse_vibes(ByteStream(path))
    if contents.force_constants is None:
        raise InputDataError(
            subject,
            "it holds no force constants, which make it a reference",
            "add them with  vibes output trajectory --force_constants, or use it as a trajectory only",
        )
    if contents.primitive is None:
        unitcell, matrix = contents.reference, np.eye(3, dtype=np.int64)
        primitive_matrix = automatic_primitive_matrix(unitcell, subject)
    else:
        unitcell = contents.primitive
        matrix = supercell_matrix_between(unitcell, contents.reference, subject)
        primitive_matrix = np.eye(3)
    order = supercell_order(unitcell, matrix, contents.reference, subject)
    primitive = phonopy_primitive(unitcell, matrix, primitive_matrix, subject)
    reference = order_force_constants(contents.force_constants, None, order, primitive, subject)
    tags = {"level_of_theory": contents.level_of_theory}
    return make_material(
        material_name(path), subject, unitcell, matrix, primitive_matrix, reference, None, tags
    )


def load_trajectory(path: Path, frames: FrameChoice = ALL_FRAMES) -> Trajectory:
    """The frames in a trajectory.nc, in phonopy's supercell order.

    Raises
    ------
    InputDataError
        If it is damaged or does not belong to its own supercell; the file is named.
    """
    trajectory = read_trajectory([path], skip=frames.skip, every=frames.every)
    with naming(str(path)):
        return align_trajectory(trajectory, supercell_of(load(path)), str(path))
