"""Frames on their way into a `Trajectory`: which are kept, whether they belong together."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import ArrayLike

from softmode.crystal import Trajectory
from softmode.crystal.arrays import FloatArray, IntArray, usable
from softmode.crystal.atom_order import composition
from softmode.datasets.reading import reading
from softmode.errors import InputDataError

#: Largest relative difference of lattice vectors that are taken as the same.
SAME_LATTICE = 1e-3


def relative_lattice_difference(lattice: FloatArray, reference: FloatArray) -> float:
    """Largest difference of a lattice vector, relative to the length of the reference's vector.

    Parameters
    ----------
    lattice, reference : (3, 3) arrays
        Lattice vectors as rows, Å.
    """
    lengths = np.linalg.norm(reference, axis=1)
    return float((np.linalg.norm(lattice - reference, axis=1) / lengths).max())


def vectors(lattice: FloatArray) -> str:
    """Lattice vectors for a message, Å."""
    rows = ("(" + ", ".join(f"{x:.4f}" for x in row) + ")" for row in lattice + 0.0)
    return " ".join(rows) + " Å"


@dataclass
class FrameCollector:
    """Takes the frames of one run after another and makes a `Trajectory` of them.

    A reader calls `begin_run`; for each frame either `add` or, where `wanted` is false, `pass_over`; and
    `end_run`. Frames are counted from 0 in their run, dropped ones included.

    Parameters
    ----------
    skip : int
        Frames dropped at the start of each run.
    every : int
        One frame in so many is kept of the others.
    """

    skip: int = 0
    every: int = 1
    notes: list[str] = field(default_factory=list)
    _subject: str = ""
    _seen: int = 0
    _numbers: IntArray | None = None
    _lattice: FloatArray | None = None
    _positions: list[FloatArray] = field(default_factory=list)
    _forces: list[FloatArray] = field(default_factory=list)
    _kept: list[int] = field(default_factory=list)
    _run_lengths: list[int] = field(default_factory=list)

    def begin_run(self, subject: str) -> None:
        """Start a run; `subject` names its file in messages."""
        self._subject, self._seen, self._kept = subject, 0, []

    @property
    def seen(self) -> int:
        """Whole frames of this run so far."""
        return self._seen

    @property
    def wanted(self) -> bool:
        """Whether the next frame of this run is kept."""
        return self._seen >= self.skip and (self._seen - self.skip) % self.every == 0

    def pass_over(self) -> None:
        """Count a frame that is not kept."""
        self._seen += 1

    def add(
        self,
        numbers: ArrayLike,
        lattice: ArrayLike,
        forces: ArrayLike | None,
        *,
        positions: ArrayLike | None = None,
        scaled_positions: ArrayLike | None = None,
    ) -> None:
        """Keep a frame.

        Parameters
        ----------
        numbers : (n_atoms,) int array
            Atomic numbers.
        lattice : (3, 3) array
            Lattice vectors as rows, Å.
        forces : (n_atoms, 3) array or None
            Forces, eV/Å; None when the file gives none.
        positions, scaled_positions : (n_atoms, 3) array
            One of the two: Cartesian (Å) or fractional.

        Raises
        ------
        InputDataError
            If forces are missing, or atoms or lattice differ from those of the frames before; the frame is
            named.
        """
        cartesian = scaled_positions is None
        self._keep(
            np.array(numbers, dtype=np.int64),
            np.array(lattice, dtype=np.float64),
            np.array(positions if cartesian else scaled_positions, dtype=np.float64),
            None if forces is None else np.array(forces, dtype=np.float64),
            cartesian,
        )
        self._seen += 1

    @property
    def _where(self) -> str:
        return f"{self._subject}, frame {self._seen} (counted from 0)"

    def _keep(
        self,
        numbers: IntArray,
        lattice: FloatArray,
        positions: FloatArray,
        forces: FloatArray | None,
        cartesian: bool,
    ) -> None:
        where = self._where
        if forces is None:
            raise InputDataError(
                where,
                "it has no forces",
                "give a trajectory written with forces, or leave that frame out",
            )
        self._check_same(numbers, lattice, where)
        assert self._lattice is not None
        if not cartesian:
            positions = positions @ self._lattice
        elif not np.array_equal(lattice, self._lattice):
            positions = positions @ np.linalg.inv(lattice) @ self._lattice
        if positions.shape != (len(numbers), 3) or forces.shape != (len(numbers), 3):
            raise InputDataError(
                where,
                f"{len(numbers)} atoms, positions of shape {positions.shape} and forces of shape "
                f"{forces.shape}",
                "fetch the file again, or leave that frame out",
            )
        self._positions.append(positions)
        self._forces.append(forces)
        self._kept.append(self._seen)

    def end_run(self, cut: str = "") -> None:
        """Finish a run.

        Parameters
        ----------
        cut : str
            What shows that the file ends too early; empty when it is complete.

        Raises
        ------
        InputDataError
            If a frame kept of this run has a position or force that is not finite; the frames are named.
        """
        subject, n_frames, n_kept = self._subject, self._seen, len(self._kept)
        self._check_finite()
        if cut:
            found = f"its {n_frames} whole frames are used" if n_frames else "it holds no whole frame"
            self.notes.append(f"{subject}: cut short in frame {n_frames} (counted from 0; {cut}): {found}")
        elif n_frames == 0:
            self.notes.append(f"{subject}: it holds no frame")
        if n_kept:
            self._run_lengths.append(n_kept)
        elif n_frames:
            self.notes.append(f"{subject}: skipping {self.skip} frames leaves none of its {n_frames}")

    def trajectory(self, source: str) -> Trajectory:
        """What was collected.

        Raises
        ------
        InputDataError
            If there is no frame.
        """
        if self._numbers is None or self._lattice is None or not self._positions:
            n_notes = len(self.notes)
            said = "; ".join(self.notes[:3]) + (f"; … ({n_notes} in all)" if n_notes > 3 else "")
            raise InputDataError(
                source,
                "no frame is left" + (f" ({said})" if said else ""),
                "skip fewer frames, or give a longer trajectory" if self.skip else "give a longer trajectory",
            )
        return Trajectory(
            lattice=self._lattice,
            numbers=self._numbers,
            positions=np.stack(self._positions),
            forces=np.stack(self._forces),
            run_lengths=tuple(self._run_lengths),
            notes=tuple(self.notes),
            source=source,
        )

    def _check_finite(self) -> None:
        n_kept = len(self._kept)
        if not n_kept:
            return
        arrays = zip(self._positions[-n_kept:], self._forces[-n_kept:], strict=True)
        finite = [bool(usable(p).all() and usable(f).all()) for p, f in arrays]
        bad = [str(frame) for frame, good in zip(self._kept, finite, strict=True) if not good]
        if bad:
            shown = ", ".join(bad[:10]) + (f", … ({len(bad)} in all)" if len(bad) > 10 else "")
            raise InputDataError(
                self._subject,
                "a position or force is missing, over 1e50 or not finite (NaN) in frame "
                f"{shown} (counted from 0)",
                "leave those frames out, or repeat the calculation",
            )

    def _check_same(self, numbers: IntArray, lattice: FloatArray, where: str) -> None:
        if np.array_equal(lattice, self._lattice) and np.array_equal(numbers, self._numbers):  # type: ignore[arg-type]
            return
        if lattice.shape != (3, 3) or not usable(lattice).all() or abs(np.linalg.det(lattice)) < 1e-6:
            raise InputDataError(
                where, "it has no periodic cell", "give a trajectory that names its lattice vectors"
            )
        if self._numbers is None or self._lattice is None:
            with reading(where, "an atomic number is not understood", "check the file"):
                composition(numbers)
            self._numbers, self._lattice = numbers.copy(), lattice.copy()
            return
        remedy = "give only frames of one supercell, its atoms in one order"
        if len(numbers) != len(self._numbers):
            problem = f"it has {len(numbers)} atoms, but the first frame {len(self._numbers)}"
            raise InputDataError(where, problem, remedy)
        different = np.flatnonzero(numbers != self._numbers)
        if different.size:
            atom = int(different[0])
            now, before = chemical_symbols[numbers[atom]], chemical_symbols[self._numbers[atom]]
            problem = f"atom {atom + 1} is {now}, but {before} in the first frame"
            raise InputDataError(where, problem, remedy)
        difference = relative_lattice_difference(lattice, self._lattice)
        if difference > SAME_LATTICE:
            raise InputDataError(
                where,
                f"its lattice vectors {vectors(lattice)} differ from those of the first frame, "
                f"{vectors(self._lattice)}, by {difference:.2g} (relative; allowed {SAME_LATTICE:g})",
                "give a trajectory at constant volume",
            )
