"""Configurations of a supercell with their forces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from softmode.crystal.arrays import FloatArray, IntArray, array_digest, frozen, require, usable


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Configurations of a supercell with their forces: molecular dynamics, or samples of it.

    Parameters
    ----------
    lattice : (3, 3) array
        Lattice vectors of the (constant) supercell as rows, Å.
    numbers : (n_atoms,) array
        Atomic numbers.
    positions : (n_frames, n_atoms, 3) array
        Cartesian positions, Å, wrapped into the cell or not.
    forces : (n_frames, n_atoms, 3) array
        Forces, eV/Å, same atom order.
    run_lengths : tuple of int
        Frames of each independent run, in order; their sum is n_frames. One run when not given.
    notes : tuple of str
        What a reader had to say: a run cut short, frames skipped.
    source : str
        Files it came from, for messages.
    accepted : mapping of str to str
        Which checks of plausibility it failed and was accepted all the same, as tags of its material; empty
        as a rule. No part of the digest.

    Raises
    ------
    InputDataError
        If shapes do not match or a frame holds a value that is not finite; the frames are named.
    """

    lattice: FloatArray
    numbers: IntArray
    positions: FloatArray
    forces: FloatArray
    run_lengths: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = "trajectory"
    accepted: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("lattice", "positions", "forces"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        object.__setattr__(self, "numbers", frozen(self.numbers, np.int64))
        shape = self.positions.shape
        require(
            len(shape) == 3
            and shape[0] > 0
            and shape[1:] == (len(self.numbers), 3)
            and self.forces.shape == shape
            and self.lattice.shape == (3, 3),
            self.source,
            f"{len(self.numbers)} atoms, positions of shape {shape}, forces of shape {self.forces.shape}",
            "give at least one frame, with one position and one force per atom",
        )
        finite = usable(self.positions).all(axis=(1, 2)) & usable(self.forces).all(axis=(1, 2))
        bad = np.flatnonzero(~finite)
        require(
            bad.size == 0,
            self.source,
            "a position or force is missing, over 1e50 or not finite (NaN) in frame "
            f"{_listed(bad)} (counted from 0)",
            "leave those frames out, or repeat the calculation",
        )
        lengths = self.run_lengths or (shape[0],)
        object.__setattr__(self, "run_lengths", tuple(int(length) for length in lengths))
        require(
            sum(self.run_lengths) == shape[0] and min(self.run_lengths) > 0,
            self.source,
            f"runs of {self.run_lengths} frames do not add up to {shape[0]}",
            "give the number of frames of each run",
        )

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.positions)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.numbers)

    @cached_property
    def digest(self) -> str:
        """Content digest."""
        return array_digest(self.lattice, self.numbers, self.positions, self.forces, self.run_lengths)


def _listed(indices: IntArray, limit: int = 10) -> str:
    shown = ", ".join(str(index) for index in indices[:limit])
    return f"{shown}, … ({len(indices)} in all)" if len(indices) > limit else shown
