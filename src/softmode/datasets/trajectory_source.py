"""The trajectory of a material: which frames of which files, as options of a dataset say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field, StrictInt

from softmode.crystal import Cell, DisplacementForces, ForceConstants, Material, Trajectory
from softmode.datasets.assemble import supercell_of
from softmode.datasets.base import DatasetOptions
from softmode.datasets.names import natural_key
from softmode.datasets.trajectory_alignment import align_trajectory
from softmode.datasets.trajectory_files import collect_displaced, collect_runs
from softmode.datasets.trajectory_frames import FrameCollector
from softmode.errors import InputDataError

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

    @property
    def mark(self) -> str:
        """What distinguishes this choice in a fingerprint; empty for all frames."""
        return "" if self == FrameChoice() else f":skip{self.skip}every{self.every}"


#: Every frame of every run.
ALL_FRAMES = FrameChoice()


class FrameOptions(DatasetOptions):
    """Options of a dataset that lets frames be chosen."""

    skip: StrictInt = Field(
        default=0, ge=0, description="frames dropped at the start of each trajectory (default 0)"
    )
    every: StrictInt = Field(
        default=1, ge=1, description="one frame in so many is kept of the others (default 1)"
    )

    @property
    def frames(self) -> FrameChoice:
        """Which frames are taken."""
        return FrameChoice(self.skip, self.every)


class NoTrajectoryError(InputDataError):
    """A material that turns out to have no trajectory once its files are looked into."""


@dataclass(frozen=True)
class RunContext:
    """What the frames of runs belong to.

    Parameters
    ----------
    runs : str
        Where the frames come from, for messages.
    subject : str
        The file or material they should belong to, for messages.
    supercell : Cell or None
        In phonopy's order; None where the frames are in it already.
    notes : tuple of str
        What is to be said about runs that should be there and are not.
    force_constants : ForceConstants or None
        In the same order, for checks.
    """

    runs: str
    subject: str
    supercell: Cell | None = None
    notes: tuple[str, ...] = ()
    force_constants: ForceConstants | None = None


#: Notes on a trajectory; raises where it cannot belong to its context.
TrajectoryCheck = Callable[[Trajectory, RunContext], tuple[str, ...]]


@dataclass(frozen=True)
class RunsLoader:
    """Reads runs, frame by frame, into a trajectory in phonopy's supercell order.

    What it collects can be recorded in place of being read (:mod:`softmode.datasets.runs`), so that
    ``softmode ingest`` keeps all frames, whatever the choice.

    Parameters
    ----------
    collect : callable
        Hands over the frames of all runs to a collector.
    frames : FrameChoice
        Which of them are taken.
    check : callable, optional
        Notes on the trajectory.
    """

    collect: Callable[[FrameCollector], RunContext]
    frames: FrameChoice = ALL_FRAMES
    check: TrajectoryCheck | None = None

    def __call__(self) -> Trajectory:
        """Read it.

        Raises
        ------
        InputDataError
            If there is none, it is damaged, no frame is left, or it does not belong to its material.
        """
        collector = FrameCollector(self.frames.skip, self.frames.every)
        return self.finish(collector, self.collect(collector))

    def finish(self, collector: FrameCollector, context: RunContext) -> Trajectory:
        """The trajectory of collected frames: in phonopy's order, checked.

        Raises
        ------
        InputDataError
            If no frame is left, or the frames do not belong to the crystal.
        """
        trajectory = collector.trajectory(context.runs)
        if context.supercell is not None:
            trajectory = align_trajectory(trajectory, context.supercell, context.subject)
        said = () if self.check is None else self.check(trajectory, context)
        return replace(trajectory, notes=(*context.notes, *trajectory.notes, *said))


def file_patterns(value: Any) -> tuple[str, ...]:
    """Patterns of trajectory files from an option: one or a list, relative to the folder of the material.

    Raises
    ------
    ValueError
        If it is neither, or a pattern is an absolute path.
    """
    patterns = tuple([value] if isinstance(value, str) else value) if isinstance(value, Iterable) else ()
    fitting = all(isinstance(p, str) and p and not Path(p).is_absolute() for p in patterns)
    if not patterns or not fitting:
        raise ValueError("this is no file pattern relative to the folder of the material")
    return patterns


def matching_files(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """Files that match any of the patterns, each once, in natural order within a pattern."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        matches = (path for path in folder.glob(pattern) if path.is_file())
        found.update(dict.fromkeys(sorted(matches, key=lambda path: natural_key(str(path)))))
    return list(found)


def collect_files(
    load: Callable[[], Material], folder: Path, patterns: Sequence[str], collector: FrameCollector
) -> RunContext:
    """Hand over the frames of the files that match, each a run.

    Parameters
    ----------
    load : callable
        Reads the material.
    folder : Path
        Folder of the material.
    patterns : sequence of str
        Patterns of the files, relative to `folder`.
    collector : FrameCollector
        Takes the frames.

    Raises
    ------
    InputDataError
        If no file matches, or one cannot be read.
    """
    files = matching_files(folder, patterns)
    if not files:
        raise InputDataError(
            str(folder),
            f"no file in it matches {' or '.join(patterns)}: it has no trajectory",
            "add the trajectory, or correct the option trajectory",
        )
    name = collect_runs(files, collector)
    subject = str(files[0]) if len(files) == 1 else f"{folder}, {name}"
    return RunContext(name, subject, supercell_of(load()))


def collect_dataset(load: Callable[[], Material], source: Path, collector: FrameCollector) -> RunContext:
    """Hand over the displaced supercells of a material as the frames of one run.

    Raises
    ------
    InputDataError
        If its reference are force constants.
    """
    material = load()
    if not isinstance(material.reference, DisplacementForces):
        raise InputDataError(
            str(source),
            "it holds force constants but no displacements with forces, which could be a trajectory",
            f"leave the option trajectory = {DATASET!r} away, or give files",
        )
    collect_displaced(supercell_of(material), material.reference, str(source), collector)
    return RunContext(source.name, str(source))
