"""Molecular dynamics of several replicas of one crystal: where they start, and how they are run."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms

from softmode import dynamics as dy
from softmode.anharmonic.displacements import displacements
from softmode.crystal import Cell
from softmode.crystal.arrays import FloatArray
from softmode.deadlines import pause_where_asked
from softmode.errors import NonFiniteForcesError, StorageError
from softmode.measurements.md.settings import DynamicsSettings
from softmode.measurements.shared import ModelCrystal
from softmode.measurements.view import View
from softmode.potentials.base import Potential

_RUNS, _START_FRAMES = 1, 2  # streams of random numbers
_STARTS, _SPENT = 0, 1  # pieces: where replicas start, and how long they took until a pause


@dataclass(frozen=True, eq=False)
class Start:
    """Where a replica begins.

    Parameters
    ----------
    positions : (n_atoms, 3) array
        Å, centre of mass where the crystal at rest has it.
    origin : str
        Where they come from, for people.
    frame : int or None
        Frame of the reference trajectory, counted from 0.
    seed : int
        Of velocities and thermostat.
    """

    positions: FloatArray
    origin: str
    frame: int | None
    seed: int


def replica_seed(seed: int, own: int, replica: int) -> int:
    """Seed of a replica, from the study's seed and that of its dynamics.

    Depends on nothing else, so that replicas can be added.
    """
    return int(np.random.SeedSequence([seed, own, _RUNS, replica]).generate_state(1)[0])


def start_frames(n_frames: int, replicas: int, seed: int, own: int) -> list[int]:
    """Random frames of a trajectory, different ones as long as there are enough."""
    rng = np.random.default_rng([seed, own, _START_FRAMES])
    shuffled = rng.permutation(n_frames)
    return [int(shuffled[replica % n_frames]) for replica in range(replicas)]


def starts(view: View, crystal: ModelCrystal) -> list[Start]:
    """Where the replicas of a cell begin.

    In random frames of the reference trajectory where there is one, else in thermally displaced supercells
    (classical, from the force constants of the potential, at the temperature that is set for starts).
    """
    settings, rest = view.settings(DynamicsSettings), sites(crystal.supercell)
    seeds = [replica_seed(view.seed, settings.seed, index) for index in range(settings.replicas)]
    if view.has_trajectory:
        moved = displacements(view.trajectory, crystal.supercell)
        frames = start_frames(len(moved), settings.replicas, view.seed, settings.seed)
        return [
            Start(rest + moved[frame], f"frame {frame} of the reference trajectory", frame, seed)
            for frame, seed in zip(frames, seeds, strict=True)
        ]
    modes = dy.supercell_normal_modes(crystal.phonon, crystal.full_force_constants)
    thermal = dy.ThermalSettings(temperature=settings.start_temperature or settings.temperature)
    samples = [dy.random_samples(modes, thermal, 1, seed).displacements[0] for seed in seeds]
    return [
        Start(rest + sample, "thermal displacements", None, seed)
        for sample, seed in zip(samples, seeds, strict=True)
    ]


def sites(supercell: Cell) -> FloatArray:
    """Positions at rest, Å."""
    return np.asarray(supercell.scaled_positions @ supercell.lattice)


def run_replicas(view: View, crystal: ModelCrystal) -> tuple[list[Start], list[dy.MDRun]]:
    """Run the replicas of a cell to their ends, going on where they were interrupted.

    In lock step where the potential evaluates batches, else one after the other.
    """
    with running_folder(view) as folder:
        given = remembered_starts(view, starts(view, crystal))
        settings = [_run_settings(view.settings(DynamicsSettings), start.seed) for start in given]
        replicas = [
            dy.Replica(folder / f"replica_{index}", moved_to(crystal.supercell, start), own)
            for index, (start, own) in enumerate(zip(given, settings, strict=True))
        ]
        for replica in replicas:
            drop_damaged_beginning(replica.folder)
        reference = sites(crystal.supercell)
        steps = Steps(view, settings[0].checkpoint_every)
        if view.potential.batches and len(replicas) > 1:
            evaluate = batch_evaluator(view.potential)
            runs = dy.record_together(replicas, evaluate, reference=reference, advance=steps)
        else:
            runs = _one_by_one(replicas, view.potential, reference, steps)
        steps.count(runs)
    return given, runs


class Steps:
    """Steps of dynamics as they are made: the view is told, and it is stopped where that is asked for.

    What was made before an interruption goes into the result as well, and is counted.

    Parameters
    ----------
    view : View
        Of the measurement.
    checkpoint_every : int
        Steps between checkpoints; one stops after a checkpoint that it has made.
    """

    def __init__(self, view: View, checkpoint_every: int) -> None:
        self._view, self._every = view, checkpoint_every
        self._made: Counter[int] = Counter()  # here, by replica
        self._counted: Counter[int] = Counter()  # of these
        self._until: Counter[int] = Counter()  # which step
        self._started = time.perf_counter()
        self._before = 0.0
        if view.partial is not None:
            self._before = float((view.partial.load(_SPENT) or {}).get("seconds", 0.0))
            view.note_elsewhere(0, self._before)

    def __call__(self, replica: int, step: int) -> None:
        """A replica has made a step."""
        self._view.advance(replica, step)
        self._made[replica] += 1
        stored = self._made[replica] > self._every and (step - 1) % self._every == 0  # the piece before it
        if stored and self._view.partial is not None:
            pause_where_asked(self._save)

    def _save(self) -> None:
        """Keep how long it took so far, which pieces do not say."""
        assert self._view.partial is not None
        seconds = self._before + time.perf_counter() - self._started
        self._view.partial.save(_SPENT, {"seconds": np.array(seconds)})

    def count(self, runs: Iterable[dy.MDRun]) -> None:
        """Count what was made before: the steps that these runs have now, but for those made here."""
        for replica, run in enumerate(runs):
            here = self._made[replica] - self._counted[replica]
            earlier = run.last_step - self._until[replica] - here
            if here == 0 and earlier > 0:  # it was not asked at all, and had been before the first step
                earlier += dy.WARM_UP
            self._view.note_elsewhere(max(0, earlier), 0.0)
            self._counted[replica], self._until[replica] = self._made[replica], run.last_step


def _one_by_one(
    replicas: Sequence[dy.Replica],
    potential: Potential,
    reference: FloatArray,
    advance: Callable[[int, int], None],
) -> list[dy.MDRun]:
    calculator = potential.calculator()
    return [
        dy.record_md(
            replica.folder,
            replica.start,
            calculator,
            replica.settings,
            reference=reference,
            advance=partial(advance, index),
        )
        for index, replica in enumerate(replicas)
    ]


def batch_evaluator(potential: Potential) -> dy.BatchEvaluator:
    """A potential as :func:`~softmode.dynamics.lockstep.record_together` wants it.

    A configuration on which the potential fails does not take the others of its batch with it.
    """

    def evaluate(configurations: Sequence[Atoms]) -> list[dy.Answer]:
        answers: dict[int, dy.Answer] = {}
        while left := [index for index in range(len(configurations)) if index not in answers]:
            try:
                found = potential.evaluate([configurations[index] for index in left])
            except NonFiniteForcesError as error:
                answers |= {left[place]: error for place in error.configurations}
                continue
            for index, energy, forces in zip(left, found.energies, found.forces, strict=True):
                answers[index] = (float(energy), forces)
        return [answers[index] for index in range(len(configurations))]

    return evaluate


def _run_settings(settings: DynamicsSettings, seed: int) -> dy.MDSettings:
    fields = {name: getattr(settings, name) for name in dy.MDSettings.model_fields}
    return dy.MDSettings(**{**fields, "seed": seed})


def moved_to(supercell: Cell, start: Start) -> Atoms:
    """The supercell where a replica begins."""
    atoms = supercell.to_atoms()
    atoms.positions = start.positions
    return atoms


@contextmanager
def running_folder(view: View) -> Iterator[Path]:
    """Where the trajectories are while they are made."""
    if view.partial is not None:
        yield view.partial.folder
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def remembered_starts(view: View, wanted: list[Start]) -> list[Start]:
    """Starts as they were when the runs began: other processors may round them differently."""
    if view.partial is None:
        return wanted
    known = (view.partial.load(_STARTS) or {}).get("positions")
    if known is None or known.shape[1:] != wanted[0].positions.shape:
        known = np.empty((0, *wanted[0].positions.shape))
    if len(known) < len(wanted):
        known = np.array([*known, *(start.positions for start in wanted[len(known) :])])
        view.partial.save(_STARTS, {"positions": known})
    return [
        Start(positions, start.origin, start.frame, start.seed)
        for positions, start in zip(known, wanted, strict=False)
    ]


def drop_damaged_beginning(folder: Path) -> None:
    """Delete a damaged first piece, to which there is nothing to fall back; it is made again."""
    writer = dy.TrajectoryWriter(folder)
    try:
        writer.pieces()
    except StorageError:
        writer.path(0).unlink(missing_ok=True)
