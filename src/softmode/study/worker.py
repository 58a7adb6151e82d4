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
from concurrent.futures import Future, ThreadPoolExecutor
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
from softmode.study.header_cache import Header
from softmode.study.map_settings import MapSettings
from softmode.study.material_work import MaterialWork
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
    material : str
        Digest of the material and its reference data, under which a worker keeps what potentials share;
        empty: nothing is kept.
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
    material: str = ""


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
    headers : tuple of Header
        What the records made now say, so that they need not be read for tables.
    """

    failure: Failure | None
    stored: bool
    seconds: float
    headers: tuple[Header, ...] = ()


class _Loaded(threading.local):
    """Potentials and materials of this thread: calculators keep state, so threads must not share one."""

    def __init__(self) -> None:
        self.potentials: OrderedDict[str, Potential] = OrderedDict()
        self.materials: OrderedDict[tuple[str, HarmonicProtocol], MaterialWork] = OrderedDict()


_loaded = _Loaded()
_MAX_LOADED = 2  # cells come potential by potential, so an older one is not needed again
_MAX_MATERIALS = 8  # those of a block of cells, see softmode.study.lanes
_MAX_MATERIALS_SIZE = 300 << 20  # bytes


def _potential(resolved: ResolvedPotential) -> Potential:
    """Return the potential, loaded once per worker."""
    potentials = _loaded.potentials
    if resolved.digest not in potentials:
        potentials[resolved.digest] = resolved.load()
        if len(potentials) > _MAX_LOADED:
            potentials.popitem(last=False)
    return potentials[resolved.digest]


def _fresh(task: CellTask) -> MaterialWork:
    """The material, loaded."""
    entry = task.entry
    return MaterialWork(entry.load(), task.protocol, entry.load_trajectory if entry.has_trajectory else None)


def _material(task: CellTask) -> MaterialWork:
    """The material, and what has been made of it for other potentials; long trajectories push others out."""
    materials, key = _loaded.materials, (task.material, task.protocol)
    work = materials.pop(key, None)
    if work is None:
        work = _fresh(task)
    if task.material:
        while materials and (
            len(materials) >= _MAX_MATERIALS
            or sum(each.size for each in (work, *materials.values())) > _MAX_MATERIALS_SIZE
        ):
            materials.popitem(last=False)
        materials[key] = work
    return work


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
    try:
        with _Writer(RecordStore(task.records)) as writer:
            failure = _run_measurements(task, writer)
    except StorageError as error:
        failure = Failure.from_error(error)
        return CellOutcome(failure, stored=False, seconds=time.perf_counter() - started)
    headers = tuple(header for header in writer.headers if header is not None)
    return CellOutcome(failure, stored=True, seconds=time.perf_counter() - started, headers=headers)


class _Writer:
    """Stores records while the next measurement is made: the disk is waited for at the end of the cell."""

    def __init__(self, store: RecordStore) -> None:
        self.store = store
        self._written: dict[str, Record] = {}
        self._thread = ThreadPoolExecutor(1)
        self._writing: list[Future[Header | None]] = []
        self.headers: list[Header | None] = []

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *raised: object) -> None:
        self._thread.shutdown()
        self.headers = [future.result() for future in self._writing]

    def find(self, key: str) -> Record | None:
        """Return a record that is stored, or on its way there."""
        return self._written.get(key) or self.store.find(key)

    def write(self, record: Record) -> None:
        """Begin to store a record; an earlier one that could not be stored is an error now."""
        for future in self._writing:
            if future.done():
                future.result()
        self._written[record.key] = record
        self._writing.append(self._thread.submit(self.store.write_and_tell, record))


def _context(task: CellTask, store_records: dict[str, Record]) -> CellContext:
    work = _material(task)
    return CellContext(
        material=work.material,
        load_potential=lambda: _potential(task.potential),
        protocol=task.protocol,
        records=store_records,
        load_trajectory=work.load_trajectory,
        seed=task.seed,
        one_shot=task.one_shot,
        md=task.md,
        self_consistent=task.self_consistent,
        map=task.map,
        shared=work,
    )


def _run_measurements(task: CellTask, writer: _Writer) -> Failure | None:
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
        record = writer.find(key)
        if record is None or (record.failure is not None and record.failure.transient):
            try:
                context = context or _context(task, done)
            except SoftmodeError as error:
                record = Record(key, inputs["measurement"], inputs, failure=_failure(error))
                writer.write(record)
                return record.failure
            context.partial = writer.store.partial(key)
            record = _compute(name, inputs, context)
            writer.write(record)
        if record.failure is None:
            done[name] = record
        else:
            failed.add(name)
            first = first or record.failure
    return first
