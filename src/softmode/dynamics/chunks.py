"""What molecular dynamics hands over, piece by piece: frames, and the state from which it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np
from ase import Atoms

from softmode.crystal.arrays import FloatArray, IntArray, array_digest
from softmode.crystal.periodic_images import minimum_image
from softmode.dynamics.md_settings import MDSettings
from softmode.errors import InputDataError

Status = Literal["running", "completed", "collapsed"]


@dataclass(frozen=True, eq=False)
class RunDescription:
    """Everything that determines a run but the potential.

    Parameters
    ----------
    lattice : (3, 3) array
        Å.
    numbers : (n_atoms,) array
        Atomic numbers.
    masses : (n_atoms,) array
        u.
    start : (n_atoms, 3) array
        Positions at step 0, Å.
    reference : (n_atoms, 3) array
        Sites, in the images nearest to the start, Å.
    settings : MDSettings
        How the run is made.
    """

    lattice: FloatArray
    numbers: IntArray
    masses: FloatArray
    start: FloatArray
    reference: FloatArray
    settings: MDSettings

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.numbers)

    @cached_property
    def identity(self) -> str:
        """Digest of all that may not differ when a run is continued; the number of steps may."""
        settings = self.settings.model_dump(exclude={"steps"})
        arrays = (self.lattice, self.numbers, self.masses, self.start, self.reference)
        return array_digest("md", 1, *arrays, sorted(settings.items()))

    @cached_property
    def largest_displacement(self) -> float:
        """Displacement beyond which the crystal is lost, Å."""
        if self.settings.largest_displacement is not None:
            return self.settings.largest_displacement
        return 0.5 * float(np.linalg.norm(self.lattice, axis=1).min())


def describe_run(atoms: Atoms, settings: MDSettings, reference: FloatArray | None = None) -> RunDescription:
    """Description of a run from `atoms`.

    Parameters
    ----------
    atoms : ase.Atoms
        The start; velocities and calculator are ignored.
    settings : MDSettings
        How the run is made.
    reference : (n_atoms, 3) array, optional
        Sites of the crystal at rest, Å, in any image; the start itself when not given.

    Raises
    ------
    InputDataError
        If the start is not a finite periodic crystal of two atoms or more, or carries constraints.
    """
    problem = _problem(atoms, reference)
    if problem:
        raise InputDataError("start of molecular dynamics", *problem)
    start = np.array(atoms.positions, dtype=np.float64)
    lattice = np.array(atoms.cell.array, dtype=np.float64)
    sites = start if reference is None else start - minimum_image(start - reference, lattice)
    return RunDescription(
        lattice=lattice,
        numbers=np.array(atoms.numbers, dtype=np.int64),
        masses=np.array(atoms.get_masses(), dtype=np.float64),
        start=start,
        reference=sites,
        settings=settings,
    )


def _problem(atoms: Atoms, reference: FloatArray | None) -> tuple[str, str] | None:
    if len(atoms) < 2:
        return f"has {len(atoms)} atom(s)", "give a supercell"
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        return "has positions or a cell that are not finite", "check the structure"
    if not (atoms.pbc.all() and abs(np.linalg.det(atoms.cell.array)) > 1e-6):
        return "is not periodic in three directions", "give a crystal with pbc=True"
    if atoms.constraints:
        return "carries constraints", "remove them: all atoms move"
    if reference is not None and reference.shape != atoms.positions.shape:
        return f"has {len(atoms)} atoms but sites of shape {reference.shape}", "give one site for each atom"
    return None


@dataclass(frozen=True, eq=False)
class Frames:
    """Recorded steps.

    Parameters
    ----------
    steps : (n,) array
        Step numbers.
    positions : (n, n_atoms, 3) array
        Å, not wrapped.
    velocities : (n, n_atoms, 3) array
        Å/fs.
    forces : (n, n_atoms, 3) array
        eV/Å.
    potential_energy, kinetic_energy : (n,) arrays
        eV.
    temperature : (n,) array
        ``2 E_kin / ((3 N - 3) k)``, K.
    conserved_energy : (n,) array
        Energy of atoms and thermostat, eV; NaN for thermostats that conserve nothing.
    """

    steps: IntArray
    positions: FloatArray
    velocities: FloatArray
    forces: FloatArray
    potential_energy: FloatArray
    kinetic_energy: FloatArray
    temperature: FloatArray
    conserved_energy: FloatArray

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.steps)

    @classmethod
    def collected(cls, rows: list[tuple[Any, ...]], n_atoms: int) -> Frames:
        """Frames from one tuple a step, in the order of the fields; there may be none."""
        names = [field.name for field in fields(cls)]
        if rows:
            arrays = [np.array(column) for column in zip(*rows, strict=True)]
        else:
            per_atom = {"positions", "velocities", "forces"}
            arrays = [np.empty((0, n_atoms, 3) if name in per_atom else 0) for name in names]
        return cls(arrays[0].astype(np.int64), *arrays[1:])

    def until(self, step: int) -> Frames:
        """Those of the first steps."""
        n = int(np.searchsorted(self.steps, step, side="right"))
        return Frames(*(getattr(self, one.name)[:n] for one in fields(self)))

    @classmethod
    def joined(cls, parts: list[Frames]) -> Frames:
        """Frames of several pieces, one after the other."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """State after a step from which a run goes on as if it had not been interrupted.

    Parameters
    ----------
    identity : str
        Of the run, :attr:`RunDescription.identity`.
    step : int
        The step it was made after.
    positions, momenta : (n_atoms, 3) arrays
        Å and ASE's units.
    forces : (n_atoms, 3) array
        eV/Å; evaluated again when the run is resumed, and compared.
    thermostat : mapping of str to array
        Variables of the thermostat.
    random_state : mapping
        State of the random bit generator.
    """

    identity: str
    step: int
    positions: FloatArray
    momenta: FloatArray
    forces: FloatArray
    thermostat: Mapping[str, FloatArray]
    random_state: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Chunk:
    """A piece of a run: what was recorded from one checkpoint to the next.

    Parameters
    ----------
    run : RunDescription
        The run.
    index : int
        Number of the piece, from 0.
    frames : Frames
        What was recorded; possibly nothing.
    status : {"running", "completed", "collapsed"}
        State of the run after this piece.
    last_step : int
        Step the piece ends with; that of the collapse where there was one.
    reason : str
        Why the crystal is lost; empty otherwise.
    checkpoint : Checkpoint or None
        None at the end of a piece that is shorter than the interval of checkpoints.
    notes : tuple of str
        What a reader should know.
    """

    run: RunDescription
    index: int
    frames: Frames
    status: Status
    last_step: int
    reason: str
    checkpoint: Checkpoint | None
    notes: tuple[str, ...] = ()
