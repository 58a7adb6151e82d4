"""The trajectory of a material: which frames of which files, as options of a dataset say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from softmode.crystal import DisplacementForces, Material, Trajectory
from softmode.datasets.assemble import supercell_of
from softmode.datasets.base import natural_key
from softmode.datasets.trajectory_alignment import align_trajectory
from softmode.datasets.trajectory_files import collect_displaced, read_trajectory
from softmode.datasets.trajectory_frames import FrameCollector
from softmode.errors import InputDataError, SettingsError

#: In place of a file pattern: the displacements and forces in the phonopy YAML file of the material itself.
DATASET = "dataset"


@dataclass(frozen=True)
class FrameChoice:
    """Which frames of each run are taken.

    Parameters
    ----------
    skip : int
        Frames dropped at the start of each run (equilibration).
    every : int
        One frame in so many is kept of the others.
    """

    skip: int = 0
    every: int = 1

    @classmethod
    def create(cls, skip: object = 0, every: object = 1) -> FrameChoice:
        """From whatever a study file gives.

        Raises
        ------
        SettingsError
            If these are no sensible integers.
        """
        sensible = all(isinstance(value, int) and not isinstance(value, bool) for value in (skip, every))
        if not sensible or skip < 0 or every < 1:  # type: ignore[operator]
            raise SettingsError(
                "trajectory",
                f"skip = {skip!r}, every = {every!r} makes no sense",
                "set skip to 0 or more and every to 1 or more, as integers",
            )
        return cls(skip, every)  # type: ignore[arg-type]

    @property
    def mark(self) -> str:
        """What distinguishes this choice in a fingerprint; empty for all frames."""
        return "" if self == FrameChoice() else f":skip{self.skip}every{self.every}"


#: Every frame of every run.
ALL_FRAMES = FrameChoice()


def file_patterns(value: object) -> tuple[str, ...]:
    """Patterns of trajectory files from an option: one or a list, relative to the folder of the material.

    Raises
    ------
    SettingsError
        If it is neither, or a pattern is an absolute path.
    """
    listed = [value] if isinstance(value, str) else value
    patterns = [p for p in listed if isinstance(p, str) and p] if isinstance(listed, (list, tuple)) else []
    whole = isinstance(listed, (list, tuple)) and len(patterns) == len(listed) > 0
    if not whole or any(Path(p).is_absolute() for p in patterns):
        raise SettingsError(
            f"option trajectory = {value!r}",
            "this is no file pattern relative to the folder of the material",
            f'give one or a list, as in "MD/vasprun_*.xml*", or "{DATASET}"',
        )
    return tuple(patterns)


def matching_files(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """Files that match any of the patterns, each once, in natural order within a pattern."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        matches = (path for path in folder.glob(pattern) if path.is_file())
        found.update(dict.fromkeys(sorted(matches, key=lambda path: natural_key(str(path)))))
    return list(found)


def load_from_files(
    load: Callable[[], Material], folder: Path, patterns: Sequence[str], frames: FrameChoice
) -> Trajectory:
    """Trajectory of a material from the files that match, each a run, in phonopy's supercell order.

    Parameters
    ----------
    load : callable
        Reads the material.
    folder : Path
        Folder of the material.
    patterns : sequence of str
        Patterns of the files, relative to `folder`.
    frames : FrameChoice
        Which frames of each run are taken.

    Raises
    ------
    InputDataError
        If no file matches, one cannot be read, or they do not belong to the material.
    """
    files = matching_files(folder, patterns)
    if not files:
        raise InputDataError(
            str(folder),
            f"no file in it matches {' or '.join(patterns)}: it has no trajectory",
            "add the trajectory, or correct the option trajectory",
        )
    trajectory = read_trajectory(files, skip=frames.skip, every=frames.every)
    subject = str(files[0]) if len(files) == 1 else f"{folder}, {trajectory.source}"
    return align_trajectory(trajectory, supercell_of(load()), subject)


def load_from_dataset(load: Callable[[], Material], source: Path, frames: FrameChoice) -> Trajectory:
    """The displaced supercells of a material as its trajectory, in phonopy's supercell order.

    Raises
    ------
    InputDataError
        If its reference are force constants, or no frame is left.
    """
    material = load()
    if not isinstance(material.reference, DisplacementForces):
        raise InputDataError(
            str(source),
            "it holds force constants but no displacements with forces, which could be a trajectory",
            f"leave the option trajectory = {DATASET!r} away, or give files",
        )
    collector = FrameCollector(frames.skip, frames.every)
    collect_displaced(supercell_of(material), material.reference, str(source), collector)
    return collector.trajectory(source.name)
