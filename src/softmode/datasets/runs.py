"""MD runs as their files state them, exactly: kept, and given again frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from softmode.crystal import Trajectory
from softmode.crystal.arrays import FloatArray, IntArray
from softmode.datasets.trajectory_frames import FrameCollector
from softmode.errors import InputDataError


@dataclass(frozen=True, eq=False)
class Run:
    """One run, as its file states it.

    Parameters
    ----------
    subject : str
        Its file, for messages.
    cut : str
        What shows that the file ends too early; empty when it is complete.
    numbers : (n_atoms,) array
        Atomic numbers.
    lattices : (n_frames, 3, 3) array
        Å; one for all frames, (1, 3, 3), where it does not change.
    positions, forces : (n_frames, n_atoms, 3) arrays
        Fractional or Cartesian (Å) coordinates, and forces (eV/Å).
    cartesian : bool
        Whether positions are Cartesian.
    without_forces : tuple of int
        Frames whose forces the file does not give (zero in `forces`).
    notes : tuple of str
        What the reader had to say about it.
    """

    subject: str
    cut: str
    numbers: IntArray
    lattices: FloatArray
    positions: FloatArray
    forces: FloatArray
    cartesian: bool = False
    without_forces: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.positions)

    def replay(self, collector: FrameCollector) -> None:
        """Hand over the frames as the reader of the file would."""
        collector.begin_run(self.subject)
        missing = set(self.without_forces)
        kind = "positions" if self.cartesian else "scaled_positions"
        for frame in range(self.n_frames):
            if not collector.wanted:
                collector.pass_over()
                continue
            lattice = self.lattices[frame if len(self.lattices) > 1 else 0]
            forces = None if frame in missing else self.forces[frame]
            collector.add(self.numbers, lattice, forces, **{kind: self.positions[frame]})
        collector.notes.extend(self.notes)
        collector.end_run(self.cut)


class RunRecorder(FrameCollector):
    """Takes all frames of all runs as they are, in place of a collector that chooses and checks."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[Run] = []
        self._frames: list[tuple[IntArray, FloatArray, FloatArray, FloatArray | None]] = []
        self._cartesian = False

    def begin_run(self, subject: str) -> None:
        """Start a run."""
        super().begin_run(subject)
        self._frames = []

    def _keep(
        self,
        numbers: IntArray,
        lattice: FloatArray,
        positions: FloatArray,
        forces: FloatArray | None,
        cartesian: bool,
    ) -> None:
        """Keep a frame, unless it has other atoms than the first of its run."""
        self._cartesian = cartesian
        first = self._frames[0][0] if self._frames else numbers
        tables = [positions] if forces is None else [positions, forces]
        if not np.array_equal(first, numbers) or any(table.shape != (len(first), 3) for table in tables):
            raise InputDataError(
                self._where,
                "its atoms, positions and forces are not as many as in the first frame",
                "fetch the file again, or leave it out",
            )
        self._frames.append((numbers, lattice, positions, forces))

    def end_run(self, cut: str = "") -> None:
        """Finish a run."""
        numbers = self._frames[0][0] if self._frames else np.empty(0, dtype=np.int64)
        nothing = np.zeros((len(numbers), 3))
        lattices = np.array([lattice for _, lattice, _, _ in self._frames]).reshape(-1, 3, 3)
        if len(lattices) and (lattices == lattices[0]).all():
            lattices = lattices[:1]
        shape = (-1, len(numbers), 3) if self._frames else (0, 0, 3)
        positions = np.array([positions for _, _, positions, _ in self._frames]).reshape(shape)
        forces = np.array([nothing if f is None else f for *_, f in self._frames]).reshape(shape)
        missing = tuple(index for index, (*_, f) in enumerate(self._frames) if f is None)
        notes, self.notes = tuple(self.notes), []
        self.runs.append(
            Run(self._subject, cut, numbers, lattices, positions, forces, self._cartesian, missing, notes)
        )


def runs_of(trajectory: Trajectory) -> list[Run]:
    """The runs of a trajectory; collected again they give it."""
    ends = np.cumsum(trajectory.run_lengths)[:-1]
    parts = zip(np.split(trajectory.positions, ends), np.split(trajectory.forces, ends), strict=True)
    return [
        Run(
            subject=trajectory.source,
            cut="",
            numbers=trajectory.numbers,
            lattices=trajectory.lattice[None],
            positions=positions,
            forces=forces,
            cartesian=True,
            notes=() if index else trajectory.notes,
        )
        for index, (positions, forces) in enumerate(parts)
    ]
