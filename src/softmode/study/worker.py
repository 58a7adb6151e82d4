"""What runs in a worker process: one cell at a time, each potential loaded once."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
import traceback
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from softmode.datasets.base import MaterialEntry
from softmode.errors import SoftmodeError, StorageError
from softmode.harmonic.protocol import HarmonicProtocol
from softmode.potentials.base import Potential
from softmode.potentials.resolution import ResolvedPotential
from softmode.study.measurements import CellContext
from softmode.study.plan import MEASUREMENTS
from softmode.study.records import Failure, Record, RecordStore, digest_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CellTask:
    """All a worker needs to compute a cell.

    Parameters
    ----------
    entry : MaterialEntry
        Loads the material.
    potential : ResolvedPotential
        Loads the potential.
    protocol : HarmonicProtocol
        The study's protocol.
    inputs : mapping of str to dict
        Inputs of each measurement of the cell, in running order.
    records : Path
        Folder of the record store.
    """

    entry: MaterialEntry
    potential: ResolvedPotential
    protocol: HarmonicProtocol
    inputs: Mapping[str, dict[str, Any]]
    records: Path


@dataclass(frozen=True)
class CellOutcome:
    """What became of a cell.

    Parameters
    ----------
    failure : Failure or None
        The first failure in the cell.
    stored : bool
        False when a record could not be written.
    seconds : float
        Wall time spent.
    """

    failure: Failure | None
    stored: bool
    seconds: float


class _Loaded(threading.local):
    """Potentials of this thread: calculators keep state, so threads must not share one."""

    def __init__(self) -> None:
        self.potentials: OrderedDict[str, Potential] = OrderedDict()


_loaded = _Loaded()
_MAX_LOADED = 2  # cells come potential by potential, so an older one is not needed again


def _potential(resolved: ResolvedPotential) -> Potential:
    """Return the potential, loaded once per worker."""
    potentials = _loaded.potentials
    if resolved.digest not in potentials:
        potentials[resolved.digest] = resolved.load()
        if len(potentials) > _MAX_LOADED:
            potentials.popitem(last=False)
    return potentials[resolved.digest]


def prepare_worker(threads: int) -> None:
    """Initialise a worker process: thread count, signals, and an end when the parent process ends.

    Parameters
    ----------
    threads : int
        Threads of the numerical libraries in this process.
    """
    os.environ["OMP_NUM_THREADS"] = str(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    parent = multiprocessing.parent_process()
    if parent is not None:

        def leave_with_parent() -> None:
            wait([parent.sentinel])
            os._exit(1)  # records are atomic: there is nothing to clean up

        threading.Thread(target=leave_with_parent, daemon=True).start()
    warnings.simplefilter("ignore")


def _failure(error: Exception) -> Failure:
    if isinstance(error, SoftmodeError):
        return Failure.from_error(error)
    memory = isinstance(error, MemoryError) or "out of memory" in str(error).lower()
    return Failure(
        kind="OutOfMemory" if memory else type(error).__name__,
        message=f"{type(error).__name__}: {error}",
        transient=True,  # not foreseen, so nothing says that it would repeat
        details=traceback.format_exc(),
    )


def _compute(name: str, task: CellTask, context: CellContext) -> Record:
    """Run one measurement; whatever goes wrong in it becomes its recorded failure."""
    inputs = task.inputs[name]
    started = time.perf_counter()
    key = digest_of(inputs)
    try:
        result = MEASUREMENTS[name].run(context)
    except Exception as error:  # noqa: BLE001 - the border of a cell: the study goes on, the reason is kept
        return Record(
            key=key,
            measurement=name,
            inputs=inputs,
            failure=_failure(error),
            seconds=time.perf_counter() - started,
        )
    return Record(
        key=key,
        measurement=name,
        inputs=inputs,
        values=result.values,
        arrays=result.arrays,
        seconds=time.perf_counter() - started,
    )


def run_cell(task: CellTask) -> CellOutcome:
    """Compute what is missing in a cell and store it.

    Parameters
    ----------
    task : CellTask
        Picklable description of the cell.

    Returns
    -------
    CellOutcome
        A failure is an outcome, not an exception.
    """
    started = time.perf_counter()
    store = RecordStore(task.records)
    try:
        failure = _run_measurements(task, store)
    except StorageError as error:
        failure = Failure.from_error(error)
        return CellOutcome(failure, stored=False, seconds=time.perf_counter() - started)
    return CellOutcome(failure, stored=True, seconds=time.perf_counter() - started)


def _run_measurements(task: CellTask, store: RecordStore) -> Failure | None:
    context: CellContext | None = None
    done: dict[str, Record] = {}
    for name, inputs in task.inputs.items():
        record = store.find(digest_of(inputs))
        if record is None or (record.failure is not None and record.failure.transient):
            if context is None:
                try:
                    material = task.entry.load()
                except SoftmodeError as error:
                    failed = Record(digest_of(inputs), name, inputs, failure=_failure(error))
                    store.write(failed)
                    return failed.failure
                context = CellContext(material, lambda: _potential(task.potential), task.protocol, done)
            record = _compute(name, task, context)
            store.write(record)
        if record.failure is not None:
            return record.failure
        done[name] = record
    return None
