"""Replicas in lock step: runs of one crystal whose forces are evaluated together, a batch per step.

Each replica is run by ASE in a thread of its own, exactly as it would be alone; where it asks for forces it
waits for the others. The batches are evaluated in the calling thread, so that potentials see one thread only.

A batch holds all replicas that are at a step, never more and never fewer, whatever was interrupted before:
replicas are resumed from the last checkpoint that all of them have. Without that, results could differ in the
last bits between a resumed and an uninterrupted run, for these may depend on what else is in a batch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from softmode.crystal.arrays import FloatArray
from softmode.dynamics.md_settings import MDSettings
from softmode.dynamics.trajectory_writer import MDRun, TrajectoryWriter, record_md

#: Energy (eV) and forces (eV/Å) of a configuration, or why there are none.
Answer = tuple[float, FloatArray] | Exception
#: Evaluates configurations together: one answer for each.
BatchEvaluator = Callable[[Sequence[Atoms]], Sequence[Answer]]

_FEWEST, _MOST = 3, 6  # evaluations of the first batch; compiled models settle after one or two


class _AbandonedError(Exception):
    """Another replica, or the caller, has given up."""


class _Meeting:
    """Where replicas bring their configurations, and wait until all of them are evaluated."""

    def __init__(self, size: int) -> None:
        self._changed = threading.Condition()
        self._active = set(range(size))
        self._asked: dict[int, Atoms] = {}
        self._answers: dict[int, Answer] = {}
        self._abandoned = False

    def ask(self, replica: int, configuration: Atoms) -> tuple[float, FloatArray]:
        """Energy and forces, once all replicas have asked."""
        with self._changed:
            self._asked[replica] = configuration
            self._changed.notify_all()
            self._changed.wait_for(lambda: replica in self._answers or self._abandoned)
            if replica not in self._answers:
                raise _AbandonedError
            answer = self._answers.pop(replica)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def leave(self, replica: int) -> None:
        """A replica has come to its end; the others go on without it."""
        with self._changed:
            self._active.discard(replica)
            self._changed.notify_all()

    def abandon(self) -> None:
        """Send everyone home."""
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def serve(self, evaluate: BatchEvaluator) -> None:
        """Evaluate batch after batch until all replicas have left."""
        first = True
        while (batch := self._next()) is not None:
            answers = _settled(evaluate, list(batch.values())) if first else evaluate(list(batch.values()))
            first = False
            with self._changed:
                self._answers.update(zip(batch, answers, strict=True))
                self._changed.notify_all()

    def _next(self) -> dict[int, Atoms] | None:
        """Configurations by replica, in order; None when nobody is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._abandoned or self._active == set(self._asked))
            if self._abandoned or not self._active:
                return None
            batch = {replica: self._asked[replica] for replica in sorted(self._asked)}
            self._asked = {}
            return batch


def _settled(evaluate: BatchEvaluator, batch: Sequence[Atoms]) -> Sequence[Answer]:
    """Evaluate until two evaluations in a row agree to the last bit, or it is clear that none will."""
    previous: Sequence[Answer] | None = None
    answers = evaluate(batch)
    for count in range(2, _MOST + 1):
        previous, answers = answers, evaluate(batch)
        if count >= _FEWEST and _equal(previous, answers):
            break
    return answers


def _equal(first: Sequence[Answer], second: Sequence[Answer]) -> bool:
    return all(
        type(one) is type(other)
        and (isinstance(one, Exception) or isinstance(other, Exception) or np.array_equal(one[1], other[1]))
        for one, other in zip(first, second, strict=True)
    )


class _Member(Calculator):  # type: ignore[misc]
    """One replica's view of the meeting.

    Asked again for the positions it was asked for last, it answers by itself: each replica brings each of its
    steps once, so that all are always at the same step.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, meeting: _Meeting, replica: int) -> None:
        super().__init__()
        self._meeting, self._replica = meeting, replica
        self._last: tuple[FloatArray, float, FloatArray] | None = None

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Bring the configuration to the meeting."""
        super().calculate(atoms, properties, system_changes)
        positions = np.array(self.atoms.positions)
        if self._last is None or not np.array_equal(self._last[0], positions):
            self._last = (positions, *self._meeting.ask(self._replica, self.atoms.copy()))
        self.results: dict[str, Any] = {"energy": self._last[1], "forces": self._last[2]}


@dataclass(frozen=True, eq=False)
class Replica:
    """One of several runs of a crystal.

    Parameters
    ----------
    folder : Path
        Where its trajectory is, or will be.
    start : ase.Atoms
        Where it begins.
    settings : MDSettings
        As those of the others, the seed aside.
    """

    folder: Path
    start: Atoms
    settings: MDSettings


def record_together(
    replicas: Sequence[Replica],
    evaluate: BatchEvaluator,
    *,
    reference: FloatArray | None = None,
    advance: Callable[[int, int], None] | None = None,
) -> list[MDRun]:
    """Run replicas in lock step, going on where an earlier call was interrupted.

    Parameters
    ----------
    replicas : sequence of Replica
        With one supercell, number of steps and interval of checkpoints.
    evaluate : callable
        The potential, for all replicas at once; called in this thread. An exception in place of an answer is
        raised in the replica it belongs to.
    reference : (n_atoms, 3) array, optional
        Sites of the crystal at rest, Å; each replica's start when not given.
    advance : callable, optional
        Told of each step made: number of the replica, number of the step; from threads.

    Returns
    -------
    list of MDRun
        As :func:`~softmode.dynamics.trajectory_writer.record_md` returns them one by one. The forces are
        those the potential gives in a batch, which may differ in the last digits from those it gives alone.
    """
    _take_back(replicas)
    meeting = _Meeting(len(replicas))
    runs: dict[int, MDRun] = {}
    errors: dict[int, Exception] = {}

    def run(index: int, replica: Replica) -> None:
        try:
            calculator = _Member(meeting, index)
            runs[index] = record_md(
                replica.folder,
                replica.start,
                calculator,
                replica.settings,
                reference=reference,
                advance=None if advance is None else partial(advance, index),
            )
        except Exception as error:  # noqa: BLE001 - handed to the calling thread, which raises it
            errors[index] = error
            meeting.abandon()
        finally:
            meeting.leave(index)

    threads = [
        threading.Thread(target=run, args=(index, replica), daemon=True)
        for index, replica in enumerate(replicas)
    ]
    try:
        for thread in threads:
            thread.start()
        meeting.serve(evaluate)
    finally:
        if len(runs) < len(replicas):
            meeting.abandon()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    for error in (found for found in errors.values() if not isinstance(found, _AbandonedError)):
        raise error
    return [runs[index] for index in range(len(replicas))]


def _take_back(replicas: Sequence[Replica]) -> None:
    """Remove pieces beyond the last checkpoint that all unfinished replicas have; they are made again."""
    writers = [TrajectoryWriter(replica.folder) for replica in replicas]
    found = [writer.pieces()[0] for writer in writers]
    unfinished = [
        sum(piece.checkpoint is not None for piece in pieces)
        for pieces, replica in zip(found, replicas, strict=True)
        if not (
            pieces and (pieces[-1].status == "collapsed" or pieces[-1].last_step >= replica.settings.steps)
        )
    ]
    if not unfinished:
        return
    for writer, pieces in zip(writers, found, strict=True):
        for index in reversed(range(min(unfinished), len(pieces))):
            writer.path(index).unlink(missing_ok=True)
