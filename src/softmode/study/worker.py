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
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from softmode.datasets.base import MaterialEntry
from softmode.errors import SoftmodeError, StorageError
from softmode.harmonic.protocol import HarmonicProtocol
from softmode.potentials.base import Potential
from softmode.potentials.resolution import ResolvedPotential
from softmode.study.context import CellContext, Result
from softmode.study.map_settings import MapSettings
from softmode.study.plan import MEASUREMENTS, blocked
from softmode.study.records import Failure, Record, RecordStore, digest_of
from softmode.study.sampling_settings import DynamicsSettings, OneShotSettings, SelfConsistentSampling

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
    seed : int
        The study's seed.
    one_shot : OneShotSettings
        The study's way of drawing thermal samples.
    md : DynamicsSettings
        The study's molecular dynamics.
    self_consistent : SelfConsistentSampling
        How self-consistent samples are drawn.
    map : MapSettings
        The study's maps.
    """

    entry: MaterialEntry
    potential: ResolvedPotential
    protocol: HarmonicProtocol
    inputs: Mapping[str, dict[str, Any]]
    records: Path
    seed: int
    one_shot: OneShotSettings = field(default_factory=OneShotSettings)
    md: DynamicsSettings = field(default_factory=DynamicsSettings)
    self_consistent: SelfConsistentSampling = field(default_factory=SelfConsistentSampling)
    map: MapSettings = field(default_factory=MapSettings)


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


def _compute(name: str, inputs: dict[str, Any], context: CellContext) -> Record:
    """Run one measurement; whatever goes wrong in it becomes its recorded failure."""
    started = time.perf_counter()
    result, failure = Result(), None
    try:
        result = MEASUREMENTS[name].run(context)
    except StorageError:
        raise
    except Exception as error:  # noqa: BLE001 - the border of a cell: the study goes on, the reason is kept
        failure = _failure(error)
    return Record(
        key=digest_of(inputs),
        measurement=inputs["measurement"],
        inputs=inputs,
        values=result.values,
        arrays=result.arrays,
        failure=failure,
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


def _context(task: CellTask, store_records: dict[str, Record]) -> CellContext:
    entry = task.entry
    return CellContext(
        material=entry.load(),
        load_potential=lambda: _potential(task.potential),
        protocol=task.protocol,
        records=store_records,
        load_trajectory=entry.load_trajectory if entry.has_trajectory else None,
        seed=task.seed,
        one_shot=task.one_shot,
        md=task.md,
        self_consistent=task.self_consistent,
        map=task.map,
    )


def _run_measurements(task: CellTask, store: RecordStore) -> Failure | None:
    """Make what is missing; a measurement is left out when one it requires has failed."""
    context: CellContext | None = None
    done: dict[str, Record] = {}
    failed: set[str] = set()
    first: Failure | None = None
    for name, inputs in task.inputs.items():
        if blocked(name, failed):
            failed.add(name)
            continue
        key = digest_of(inputs)
        record = store.find(key)
        if record is None or (record.failure is not None and record.failure.transient):
            try:
                context = context or _context(task, done)
            except SoftmodeError as error:
                record = Record(key, inputs["measurement"], inputs, failure=_failure(error))
                store.write(record)
                return record.failure
            context.partial = store.partial(key)
            record = _compute(name, inputs, context)
            store.write(record)
        if record.failure is None:
            done[name] = record
        else:
            failed.add(name)
            first = first or record.failure
    return first
