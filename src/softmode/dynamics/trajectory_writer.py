"""Trajectories on disk: a folder of numbered pieces, each written whole or not at all.

A piece holds its frames and the checkpoint made at its end, in one file that appears in one instant: frames
and checkpoint can never disagree, and the state before a damaged piece is in the piece before it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.trajectory import Trajectory as AseTrajectory

from softmode.crystal import Trajectory
from softmode.crystal.arrays import FloatArray
from softmode.dynamics.chunk_format import DamagedChunkError, decode, encode
from softmode.dynamics.chunks import Chunk, Frames, RunDescription, Status, describe_run
from softmode.dynamics.md_settings import MDSettings
from softmode.dynamics.molecular_dynamics import run_md
from softmode.errors import InputDataError, StorageError
from softmode.files import fill_atomically, remove_leftovers, write_atomically

_KEPT = "the run goes on from its last checkpoint"


@dataclass(frozen=True, eq=False)
class MDRun:
    """A run as it is on disk, finished or not.

    Parameters
    ----------
    description : RunDescription
        Cell, start and settings.
    frames : Frames
        Everything recorded.
    status : {"running", "completed", "collapsed"}
        ``running`` also for a run that was interrupted.
    last_step : int
        Last step that is stored; that of the collapse where there was one.
    reason : str
        Why the crystal is lost; empty otherwise.
    notes : tuple of str
        What a reader should know.
    source : str
        The folder, for messages.
    """

    description: RunDescription
    frames: Frames
    status: Status
    last_step: int
    reason: str
    notes: tuple[str, ...]
    source: str

    @property
    def settings(self) -> MDSettings:
        """How the run was made."""
        return self.description.settings

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.frames.n_frames

    @property
    def collapsed(self) -> bool:
        """Whether the crystal was lost."""
        return self.status == "collapsed"

    @cached_property
    def times(self) -> FloatArray:
        """Times of the frames since the start, ps, (n_frames,)."""
        return np.asarray(1e-3 * self.settings.timestep * self.frames.steps)

    @property
    def summary(self) -> str:
        """How the run stands, in words."""
        if self.collapsed:
            return f"collapsed at step {self.last_step}: {self.reason}"
        if self.status == "completed":
            return f"completed {self.last_step} steps"
        return f"interrupted after step {self.last_step} of {self.settings.steps}"

    @cached_property
    def trajectory(self) -> Trajectory:
        """All frames with their forces, as σ takes them.

        Raises
        ------
        InputDataError
            If there is no frame.
        """
        return joined_trajectory([self])


def joined_trajectory(runs: Sequence[MDRun], skip: Sequence[int] | int = 0) -> Trajectory:
    """One trajectory of several independent runs of the same supercell.

    Parameters
    ----------
    runs : sequence of MDRun
        In any state; those with nothing left after skipping are noted and left out.
    skip : int or sequence of int
        Frames to leave out at the beginning of each run.

    Raises
    ------
    InputDataError
        If no frame is left, or the runs are not of one supercell.
    """
    skips = [skip] * len(runs) if isinstance(skip, int) else list(skip)
    kept, notes = [], []
    for run, first in zip(runs, skips, strict=True):
        notes += [f"{run.source}: {note}" for note in run.notes]
        if run.status != "completed":
            notes.append(f"{run.source}: {run.summary}")
        if run.n_frames > first:
            kept.append((run, first))
        else:
            notes.append(f"{run.source}: no frames beyond the {first} skipped")
    source = ", ".join(run.source for run in runs)
    if not kept:
        raise InputDataError(
            source or "molecular dynamics",
            "there are no frames" + (f" ({runs[0].summary})" if runs else ""),
            "run longer, skip less, or record more often",
        )
    one = kept[0][0].description
    for run, _ in kept:
        other = run.description
        if not (np.array_equal(other.numbers, one.numbers) and np.array_equal(other.lattice, one.lattice)):
            raise InputDataError(
                source, "the runs have different cells or atoms", "join runs of one supercell"
            )
    return Trajectory(
        lattice=one.lattice,
        numbers=one.numbers,
        positions=np.concatenate([run.frames.positions[first:] for run, first in kept]),
        forces=np.concatenate([run.frames.forces[first:] for run, first in kept]),
        run_lengths=tuple(run.n_frames - first for run, first in kept),
        notes=tuple(notes),
        source=source,
    )


class TrajectoryWriter:
    """A folder that receives the pieces of one run.

    Parameters
    ----------
    folder : path-like
        Made when the first piece is written.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def path(self, index: int) -> Path:
        """Where the piece of a number is, or would be."""
        return self.folder / f"piece_{index:06d}.h5"

    def write(self, chunk: Chunk) -> None:
        """Store a piece, replacing an earlier one of the same number.

        Raises
        ------
        StorageError
            On a full disk and the like; all pieces stored before stay as they are.
        """
        write_atomically(self.path(chunk.index), encode(chunk), kept=_KEPT)

    def pieces(self) -> tuple[list[Chunk], Path | None]:
        """Return all pieces from the first up to a missing or damaged one, and the damaged one's path.

        Raises
        ------
        StorageError
            If the first piece is damaged: there is nothing to fall back to.
        """
        found: list[Chunk] = []
        while (path := self.path(len(found))).exists():
            try:
                found.append(decode(path.read_bytes()))
            except (DamagedChunkError, OSError) as error:
                if not found:
                    raise StorageError(
                        str(path),
                        f"is damaged and there is no earlier checkpoint: {error}",
                        "delete the file and run again: the run begins anew",
                    ) from error
                return found, path
        return found, None


def read_md(folder: str | os.PathLike[str]) -> MDRun:
    """Read a run, finished or not.

    Parameters
    ----------
    folder : path-like
        As given to :class:`TrajectoryWriter`.

    Raises
    ------
    InputDataError
        If there is no run.
    StorageError
        If its first piece is damaged. Frames before a later damaged piece are given, with a note.
    """
    pieces, damaged = TrajectoryWriter(folder).pieces()
    if not pieces:
        raise InputDataError(str(folder), "holds no molecular dynamics", "check the path, or run it first")
    last = pieces[-1]
    notes = tuple(note for piece in pieces for note in piece.notes)
    if damaged is not None:
        notes += (f"{damaged.name} is damaged: only what was recorded before it is given",)
    return MDRun(
        description=last.run,
        frames=Frames.joined([piece.frames for piece in pieces]),
        status=last.status,
        last_step=last.last_step,
        reason=last.reason,
        notes=notes,
        source=str(folder),
    )


def record_md(
    folder: str | os.PathLike[str],
    atoms: Atoms,
    calculator: Any,
    settings: MDSettings,
    *,
    reference: FloatArray | None = None,
    advance: Callable[[int], None] | None = None,
) -> MDRun:
    """Run molecular dynamics into `folder`, going on where an earlier call was interrupted.

    Parameters
    ----------
    folder : path-like
        Where the trajectory is, or will be.
    atoms, calculator, settings, reference, advance
        As for :func:`~softmode.dynamics.molecular_dynamics.md_chunks`. A finished run is returned as it is;
        with more steps than before it is continued.

    Raises
    ------
    InputDataError
        If the folder holds another run, or a longer one.
    StorageError
        On a full disk and the like, or when the only piece is damaged; nothing stored is lost.
    """
    writer = TrajectoryWriter(folder)
    remove_leftovers(writer.folder)
    pieces, _ = writer.pieces()
    run = describe_run(atoms, settings, reference)
    if pieces:
        _check_same_run(pieces[-1], run, str(folder))
    if not _finished(pieces, settings.steps):
        checkpoints = [piece.checkpoint for piece in pieces if piece.checkpoint is not None]
        start = checkpoints[-1] if checkpoints else None
        run_md(atoms, calculator, settings, writer.write, start, reference=reference, advance=advance)
    return read_md(folder)


def _finished(pieces: list[Chunk], steps: int) -> bool:
    return bool(pieces) and (pieces[-1].status == "collapsed" or pieces[-1].last_step >= steps)


def _check_same_run(last: Chunk, run: RunDescription, folder: str) -> None:
    if last.run.identity != run.identity:
        raise InputDataError(
            folder,
            "holds molecular dynamics with another start or other settings",
            "use the same start and settings, or another folder",
        )
    if last.last_step > run.settings.steps:
        raise InputDataError(
            folder,
            f"holds a run of {last.last_step} steps already, more than the {run.settings.steps} asked for",
            "read that run, or use another folder",
        )


def export_ase(run: MDRun, path: str | os.PathLike[str]) -> None:
    """Write a run as an ASE ``.traj`` file: positions, velocities, energies and forces.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    fill_atomically(Path(path), lambda temporary: _write_ase(run, temporary), kept=_KEPT)


def _write_ase(run: MDRun, path: Path) -> None:
    description, frames = run.description, run.frames
    with AseTrajectory(str(path), "w") as file:
        for index in range(run.n_frames):
            atoms = Atoms(
                numbers=description.numbers,
                positions=frames.positions[index],
                cell=description.lattice,
                masses=description.masses,
                pbc=True,
            )
            atoms.set_velocities(frames.velocities[index] / units.fs)
            atoms.calc = SinglePointCalculator(
                atoms, energy=frames.potential_energy[index], forces=frames.forces[index]
            )
            file.write(atoms)
