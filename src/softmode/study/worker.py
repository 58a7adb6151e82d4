"""What runs in a worker process: one case at a time, each potential loaded once."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softmode.datasets.base import MaterialEntry
from softmode.deadlines import PausedError
from softmode.errors import StorageError
from softmode.measurements.conditions import Conditions
from softmode.measurements.declaration import Facts
from softmode.measurements.measure import help_with, missing_records
from softmode.measurements.view import Sources, loaded_size
from softmode.potentials.base import Potential
from softmode.potentials.resolution import ResolvedPotential
from softmode.processes import give_memory_back, restored
from softmode.records import Failure, Header, Partial, Record, RecordStore
from softmode.study.lanes import SHARED_SIZE

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CaseTask:
    """All a worker needs to compute a case.

    Parameters
    ----------
    entry : MaterialEntry
        Loads the material.
    potential : ResolvedPotential
        Loads the potential.
    facts : Facts
        What they are, by digest.
    conditions : Conditions
        Of the study.
    inputs : mapping of str to dict
        Inputs of each measurement of the case, in running order.
    records : Path
        Folder of the record store.
    helper : int, optional
        Given where another worker computes the case, and this one helps: a number that no other has.
    """

    entry: MaterialEntry
    potential: ResolvedPotential
    facts: Facts
    conditions: Conditions
    inputs: Mapping[str, dict[str, Any]]
    records: Path
    helper: int | None = None


@dataclass(frozen=True)
class CaseOutcome:
    """What became of a case.

    Parameters
    ----------
    failure : Failure or None
        The first failure in the case.
    stored : bool
        False when a record could not be written.
    seconds : float
        Wall time spent.
    headers : tuple of Header
        What the records made now say, so that they need not be read for tables.
    loading : float
        Of `seconds`, what loading the potential took.
    work : float
        What the records made now cost, s: with what helpers, and attempts that were interrupted, have put
        into them, and without loading the potential.
    batches : int
        Of a helper, how many it has evaluated.
    paused : bool
        It stopped where it was asked to, and is to be gone on with.
    """

    failure: Failure | None
    stored: bool
    seconds: float
    headers: tuple[Header, ...] = ()
    loading: float = 0.0
    work: float = 0.0
    batches: int = 0
    paused: bool = False


class _Kept:
    """The potential a thread has loaded: closed when another takes its place, or when the thread ends."""

    def __init__(self) -> None:
        self._digest = ""
        self._potential: Potential | None = None
        self.seconds = 0.0  # that loading potentials has taken

    def get(self, resolved: ResolvedPotential) -> Potential:
        """Return the potential, loaded when it is not; cases come potential by potential."""
        if self._potential is None or self._digest != resolved.digest:
            self.close()  # its memory is free before the other asks for some
            started = time.perf_counter()
            self._potential, self._digest = resolved.load(), resolved.digest
            self.seconds += time.perf_counter() - started
        return self._potential

    def close(self) -> None:
        """Close it."""
        potential, self._potential = self._potential, None
        if potential is not None:
            potential.close()
            del potential
            give_memory_back()

    __del__ = close  # with the thread


class _Loaded(threading.local):
    """Potential and materials of this thread: calculators keep state, so threads must not share one."""

    def __init__(self) -> None:
        self.potential = _Kept()
        self.materials: OrderedDict[tuple[str, ...], dict[Any, Any]] = OrderedDict()


_loaded = _Loaded()


@atexit.register
def _close_potential() -> None:
    """Close that of the main thread, which ends with the process."""
    _loaded.potential.close()


def _sources(task: CaseTask) -> Sources:
    """The case, with what has been made of its material for other potentials."""
    entry, facts = task.entry, task.facts
    materials, key = _loaded.materials, (entry.name, facts.structure, facts.reference, facts.trajectory)
    sources = Sources(
        facts,
        entry.load,
        entry.load_trajectory if entry.has_trajectory else None,
        lambda: _loaded.potential.get(task.potential),
        task.potential.info.name,
        materials.pop(key, {}),
    )
    size = loaded_size(sources.loaded) + sum(map(loaded_size, materials.values()))
    while materials and size > SHARED_SIZE:
        size -= loaded_size(materials.popitem(last=False)[1])  # long trajectories push others out
    materials[key] = sources.loaded
    return sources


def run_case(task: CaseTask) -> CaseOutcome:
    """Compute what is missing in a case and store it.

    Parameters
    ----------
    task : CaseTask
        Picklable description of the case.

    Returns
    -------
    CaseOutcome
        A failure is an outcome, not an exception.
    """
    started, loaded = time.perf_counter(), _loaded.potential.seconds

    def outcome(failure: Failure | None, *, stored: bool = True, **more: Any) -> CaseOutcome:
        seconds, loading = time.perf_counter() - started, _loaded.potential.seconds - loaded
        return CaseOutcome(failure, stored=stored, seconds=seconds, loading=loading, **more)

    if task.helper is not None:
        return outcome(None, batches=_help(task, task.helper))
    paused, found = False, []
    try:
        with restored(), _Writer(RecordStore(task.records)) as writer:
            try:
                for _, record in missing_records(task.inputs, _sources(task), task.conditions, writer):
                    found.append(record)
            except PausedError:
                paused = True
    except StorageError as error:
        return outcome(Failure.from_error(error), stored=False)
    failure = next((record.failure for record in found if record.failure is not None), None)
    headers = tuple(header for header in writer.headers if header is not None)
    work = sum(header.seconds for header in headers)
    return outcome(failure, headers=headers, work=work, paused=paused)


def _help(task: CaseTask, number: int) -> int:
    """Evaluate part of a case that another worker computes; return how many batches."""
    try:
        with restored():
            return help_with(task.inputs, _sources(task), task.conditions, RecordStore(task.records), number)
    except Exception:  # noqa: BLE001  that worker meets it as well, and records it
        _log.debug("helping with %s has failed", task.entry.name, exc_info=True)
    return 0


class _Writer:
    """Stores records while the next measurement is made: the disk is waited for at the end of the case."""

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

    def partial(self, key: str) -> Partial:
        """Return the place for the pieces of a record."""
        return self.store.partial(key)

    def write(self, record: Record) -> None:
        """Begin to store a record; an earlier one that could not be stored is an error now."""
        for future in self._writing:
            if future.done():
                future.result()
        self._written[record.key] = record
        self._writing.append(self._thread.submit(self.store.write_and_tell, record))
