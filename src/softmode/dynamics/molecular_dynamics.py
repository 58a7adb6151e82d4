"""Molecular dynamics of a potential, in pieces that an interruption cannot spoil.

A run is determined by its description and the potential: resumed from any checkpoint it gives, bit for bit on
the same processor, what it would have given undisturbed. To that end all random numbers come from one
generator whose state is stored; the potential is reset before the evaluation that ends a piece, so that
neighbour lists kept from step to step are the same with and without an interruption; and it is evaluated
repeatedly before the first step, because compiled models give other last bits when they are cold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.md.md import MolecularDynamics

from softmode.crystal.arrays import FloatArray
from softmode.dynamics.chunks import Checkpoint, Chunk, Frames, RunDescription, Status, describe_run
from softmode.dynamics.collapse import CrystalLostError, WatchedCalculator
from softmode.dynamics.md_settings import MDSettings
from softmode.dynamics.thermostats import (
    degrees_of_freedom,
    make_dynamics,
    restore_thermostat,
    start_velocities,
    thermostat_energy,
    thermostat_state,
)
from softmode.errors import InputDataError

#: Evaluations before the first step at least; compiled models settle after one or two.
WARM_UP = 3
_MOST_WARM_UP = 6
#: Forces that differ by more than this when a run is resumed are those of another potential, eV/Å.
_OTHER_POTENTIAL = 0.01


@dataclass(frozen=True)
class MDResult:
    """How a run ended.

    Parameters
    ----------
    status : {"completed", "collapsed"}
        Whether the crystal survived.
    step : int
        Last step; that of the collapse where there was one.
    reason : str
        Why the crystal is lost; empty otherwise.
    n_frames : int
        Frames recorded since the start or, for a resumed run, since it was resumed.
    notes : tuple of str
        What a reader should know.
    """

    status: Status
    step: int
    reason: str
    n_frames: int
    notes: tuple[str, ...] = ()

    @property
    def collapsed(self) -> bool:
        """Whether the crystal was lost."""
        return self.status == "collapsed"

    def __str__(self) -> str:
        if self.collapsed:
            return f"collapsed at step {self.step}: {self.reason}"
        return f"completed {self.step} steps"


@dataclass(eq=False)
class _Moving:
    """The crystal in motion: what changes from step to step."""

    run: RunDescription
    atoms: Atoms
    calculator: WatchedCalculator
    dynamics: MolecularDynamics
    rng: np.random.Generator

    def frame(self, step: int) -> tuple[Any, ...]:
        """One row of :class:`Frames`."""
        atoms = self.atoms
        potential, kinetic = self.calculator.energy, float(atoms.get_kinetic_energy())
        return (
            step,
            atoms.positions.copy(),
            atoms.get_velocities() * units.fs,
            self.calculator.forces,
            potential,
            kinetic,
            2.0 * kinetic / (degrees_of_freedom(len(atoms)) * units.kB),
            potential + kinetic + thermostat_energy(self.dynamics),
        )

    def checkpoint(self, step: int) -> Checkpoint:
        """State after `step`."""
        return Checkpoint(
            identity=self.run.identity,
            step=step,
            positions=self.atoms.positions.copy(),
            momenta=np.array(self.atoms.get_momenta()),
            forces=self.calculator.forces,
            thermostat=thermostat_state(self.dynamics),
            random_state=self.rng.bit_generator.state,
        )


def _set_in_motion(
    run: RunDescription, atoms: Atoms, calculator: Any, checkpoint: Checkpoint | None
) -> _Moving:
    """Prepare the crystal at the start, or at a checkpoint; nothing is evaluated yet."""
    settings = run.settings
    template = atoms.copy()
    watched = WatchedCalculator(
        calculator,
        template,
        run.reference,
        closest=settings.closest_pair,
        largest=run.largest_displacement,
    )
    live = Atoms(numbers=run.numbers, positions=run.start, cell=run.lattice, masses=run.masses, pbc=True)
    rng = np.random.default_rng(settings.seed)
    if checkpoint is None:
        start_velocities(live, settings.temperature, rng)
    else:
        live.positions = checkpoint.positions
        live.set_momenta(checkpoint.momenta)
        rng.bit_generator.state = dict(checkpoint.random_state)
    live.calc = watched
    dynamics = make_dynamics(live, settings, rng)
    if checkpoint is not None:
        restore_thermostat(dynamics, checkpoint.thermostat)
    return _Moving(run, live, watched, dynamics, rng)


def _warm_up(moving: _Moving) -> bool:
    """Evaluate until two evaluations in a row agree to the last bit; returns whether they ever did."""
    previous: FloatArray | None = None
    for count in range(1, _MOST_WARM_UP + 1):
        moving.calculator.reset()
        moving.calculator.renew = True
        forces = moving.atoms.get_forces(apply_constraint=False)
        if count >= WARM_UP and previous is not None and np.array_equal(forces, previous):
            return True
        previous = forces
    return False


def _resume_notes(moving: _Moving, checkpoint: Checkpoint | None, repeatable: bool) -> tuple[str, ...]:
    notes = []
    if not repeatable:
        notes.append("the potential's forces are not repeatable: a resumed run differs in the last digits")
    if checkpoint is not None:
        difference = float(np.abs(moving.calculator.forces - checkpoint.forces).max())
        if difference > _OTHER_POTENTIAL:
            raise InputDataError(
                "checkpoint",
                f"forces at step {checkpoint.step} differ by {difference:.3g} eV/Å from those stored",
                "continue the run with the potential it was started with, or start anew in another folder",
            )
        if difference > 0.0:
            notes.append(
                f"forces at step {checkpoint.step}, where the run was resumed, differ by {difference:.1e} "
                "eV/Å from those before: what follows is valid but not what an uninterrupted run gives"
            )
    return tuple(notes)


def _run_piece(
    moving: _Moving, index: int, notes: tuple[str, ...], advance: Callable[[int], None] | None
) -> Chunk:
    """Steps up to the next checkpoint, the end of the run or the loss of the crystal."""
    run, settings = moving.run, moving.run.settings
    boundary = (index + 1) * settings.checkpoint_every
    last = min(boundary, settings.steps)
    rows: list[tuple[Any, ...]] = []
    status: Status = "completed" if last == settings.steps else "running"
    first = index * settings.checkpoint_every
    reason, step = "", first
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            for step in range(first + 1, last + 1):
                moving.calculator.renew = step == boundary
                moving.dynamics.step()
                if step % settings.sample_every == 0:
                    rows.append(moving.frame(step))
                if advance is not None:
                    advance(step)
        except CrystalLostError as lost:
            status, reason = "collapsed", str(lost)
    whole = step == boundary and status != "collapsed"
    return Chunk(
        run=run,
        index=index,
        frames=Frames.collected(rows, run.n_atoms),
        status=status,
        last_step=step,
        reason=reason,
        checkpoint=moving.checkpoint(step) if whole else None,
        notes=notes,
    )


def md_chunks(
    atoms: Atoms,
    calculator: Any,
    settings: MDSettings,
    *,
    reference: FloatArray | None = None,
    resume_from: Checkpoint | None = None,
    advance: Callable[[int], None] | None = None,
) -> Iterator[Chunk]:
    """Run molecular dynamics and yield it piece by piece.

    Parameters
    ----------
    atoms : ase.Atoms
        The start: a periodic supercell, displaced or not. Not modified; its velocities are ignored.
    calculator : ase.calculators.calculator.Calculator
        The potential.
    settings : MDSettings
        How the run is made.
    reference : (n_atoms, 3) array, optional
        Sites of the crystal at rest, Å; the start itself when not given.
    resume_from : Checkpoint, optional
        Where to go on; `atoms`, `settings` (the number of steps aside) and `reference` as before.
    advance : callable, optional
        Told the number of each step that is made.

    Yields
    ------
    Chunk
        Every ``checkpoint_every`` steps. A lost crystal ends the run with the status ``collapsed``; what the
        calculator raises passes through.

    Raises
    ------
    InputDataError
        If the start is not a crystal, or the checkpoint is that of another run or potential.
    """
    run = describe_run(atoms, settings, reference)
    if resume_from is not None and resume_from.identity != run.identity:
        raise InputDataError(
            "checkpoint",
            "belongs to a run with another start or other settings",
            "use the same start and settings, or another folder",
        )
    first = 0 if resume_from is None else resume_from.step // settings.checkpoint_every
    moving = _set_in_motion(run, atoms, calculator, resume_from)
    try:
        notes = _resume_notes(moving, resume_from, _warm_up(moving))
    except CrystalLostError as lost:
        step = 0 if resume_from is None else resume_from.step
        nothing = Frames.collected([], run.n_atoms)
        yield Chunk(run, first, nothing, "collapsed", step, str(lost), None)
        return
    for index in range(first, -(-settings.steps // settings.checkpoint_every)):
        chunk = _run_piece(moving, index, notes, advance)
        notes = ()
        yield chunk
        if chunk.status == "collapsed":
            return


def run_md(
    atoms: Atoms,
    calculator: Any,
    settings: MDSettings,
    sink: Callable[[Chunk], object] | None = None,
    resume_from: Checkpoint | None = None,
    *,
    reference: FloatArray | None = None,
    advance: Callable[[int], None] | None = None,
) -> MDResult:
    """Run molecular dynamics to its end, handing every piece to `sink`.

    Parameters
    ----------
    atoms, calculator, settings, resume_from, reference, advance
        As for :func:`md_chunks`.
    sink : callable, optional
        Receives each :class:`~softmode.dynamics.chunks.Chunk`, as
        :meth:`softmode.dynamics.trajectory_writer.TrajectoryWriter.write` does.

    Returns
    -------
    MDResult
        A collapse is a result, not an error.
    """
    status: Status = "completed"
    step, reason, n_frames = 0 if resume_from is None else resume_from.step, "", 0
    notes: tuple[str, ...] = ()
    chunks = md_chunks(
        atoms, calculator, settings, reference=reference, resume_from=resume_from, advance=advance
    )
    for chunk in chunks:
        if sink is not None:
            sink(chunk)
        status, step, reason = chunk.status, chunk.last_step, chunk.reason
        n_frames += chunk.frames.n_frames
        notes += chunk.notes
    return MDResult(status, step, reason, n_frames, notes)
