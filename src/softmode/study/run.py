"""Run a study: compute what is missing, on any ``concurrent.futures`` executor."""

from __future__ import annotations

import importlib
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    as_completed,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from softmode.errors import SettingsError, SoftmodeError, StorageError, TimeLimitError, WorkerDiedError
from softmode.measurements.plan import needs_potential, possible
from softmode.numerics import thread_variables
from softmode.processes import SingleProcess, available_cores, memory_left, uninterrupted
from softmode.records import Failure, Record, digest_of
from softmode.study.folder import Case, Study
from softmode.study.lanes import Lanes
from softmode.study.sole import sole_run
from softmode.study.worker import CaseOutcome, CaseTask, run_case


@dataclass
class RunReport:
    """What a run did.

    Attributes
    ----------
    total, found, computed, failed : int
        Cells of the study; already there; computed now; of these, failed.
    unstored : list of (material, potential, reason)
        Cells whose result could not be written.
    """

    total: int = 0
    found: int = 0
    computed: int = 0
    failed: int = 0
    unstored: list[tuple[str, str, str]] = field(default_factory=list)


Listener = Callable[[Case, CaseOutcome], None]


def load_executor(specification: str) -> Executor:
    """Executor made by ``module:factory``.

    Raises
    ------
    SettingsError
        If it cannot be imported or is not an executor.
    """
    module_name, _, factory_name = specification.partition(":")
    try:
        executor = getattr(importlib.import_module(module_name), factory_name)()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise SettingsError(
            f"run.executor = {specification!r}", f"cannot be made ({error})", "Give module:factory"
        ) from error
    if not isinstance(executor, Executor):
        raise SettingsError(
            f"run.executor = {specification!r}",
            f"gives a {type(executor).__name__}",
            "It must return a concurrent.futures.Executor",
        )
    return executor


def _store_failure(study: Study, case: Case, failure: Failure) -> CaseOutcome:
    """Record a failure found outside the measurements, for each that has no result and could have one."""
    records = study.records(case)
    failed: set[str] = set()
    try:
        for name in possible(case.inputs, failed):
            if not needs_potential(name) and not case.material.failure:
                continue  # about the reference alone: another potential's case may have it
            if name not in records or not records[name].ok:
                failed.add(name)
                inputs = case.inputs[name]
                study.store.write(Record(digest_of(inputs), inputs["measurement"], inputs, failure=failure))
    except StorageError as error:
        return CaseOutcome(Failure.from_error(error), stored=False, seconds=0.0)
    if not failed:
        return CaseOutcome(None, stored=True, seconds=0.0)
    return CaseOutcome(failure, stored=True, seconds=0.0)


def _task(study: Study, case: Case) -> CaseTask:
    if case.entry is None or case.potential is None:
        raise AssertionError("a case that failed before it began has no task")
    return CaseTask(
        case.entry, case.potential, case.facts, study.settings.conditions, case.inputs, study.store.root
    )


def run_study(study: Study, listener: Listener = lambda case, outcome: None) -> RunReport:
    """Compute every case of the study that has no record yet.

    Parameters
    ----------
    study : Study
        From :func:`softmode.study.folder.open_study`.
    listener : callable
        Told of every case as it is finished.

    Returns
    -------
    RunReport

    Raises
    ------
    StudyIsRunningError
        If another process runs it.
    """
    with sole_run(study.folder):
        study.store.remove_leftovers()
        try:
            return _run_study(study, listener)
        finally:
            study.store.flush()


def _run_study(study: Study, listener: Listener) -> RunReport:
    report = RunReport(total=len(study.cases))
    pending = []
    for case in study.cases:
        if study.settled(case):
            report.found += 1
        elif case.failure is not None:
            _note(study, report, case, _store_failure(study, case, case.failure), listener)
        else:
            pending.append(case)
    if not pending:
        return report
    run = study.settings.run
    if run.executor is not None:
        with load_executor(run.executor) as executor:
            for case, outcome in _spread(study, pending, executor):
                _note(study, report, case, outcome, listener)
        return report
    workers = min(run.workers or available_cores(), len(pending))
    threads = study.settings.conditions.threads
    with thread_variables(threads):
        for case, outcome in _on_processes(study, pending, workers, threads):
            _note(study, report, case, outcome, listener)
    return report


def _note(study: Study, report: RunReport, case: Case, outcome: CaseOutcome, listener: Listener) -> None:
    report.computed += 1
    if study.store.headers is not None:
        for header in outcome.headers:
            study.store.headers.keep(header)
    report.failed += outcome.failure is not None
    if not outcome.stored and outcome.failure is not None:
        report.unstored.append((case.material.name, case.label, outcome.failure.message))
    listener(case, outcome)


def _spread(study: Study, cases: Sequence[Case], executor: Executor) -> Iterator[tuple[Case, CaseOutcome]]:
    """Submit all cases to an executor; yield them as they finish."""
    running: dict[Future[CaseOutcome], Case] = {}
    for case in cases:
        with uninterrupted():
            running[executor.submit(run_case, _task(study, case))] = case
    for future in as_completed(running):
        yield running[future], _outcome(study, running[future], future)


def _outcome(study: Study, case: Case, future: Future[CaseOutcome]) -> CaseOutcome:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, Exception):
        return CaseOutcome(_unexpected(error), stored=False, seconds=0.0)
    # a SystemExit and the like, which no measurement records: it is what the case does
    problem = f"{case.material.name} with {case.label}: ended with {type(error).__name__}: {error}"
    return _store_failure(study, case, Failure(type(error).__name__, problem, transient=True))


def _unexpected(error: Exception) -> Failure:
    if isinstance(error, SoftmodeError):
        return Failure.from_error(error)
    return Failure(type(error).__name__, f"{type(error).__name__}: {error}", transient=True)


def _on_processes(
    study: Study, cases: Sequence[Case], workers: int, threads: int
) -> Iterator[tuple[Case, CaseOutcome]]:
    """Run on local processes; where one dies, the case it had is tried alone, and the others go on.

    Every process is by itself: it is known which case a dead one had. One that does not come to an end within
    the time its potential may take is killed, and its case has failed; so is one that takes too much memory,
    and its case is tried alone.
    """
    lanes = Lanes(cases, workers)
    processes = [SingleProcess(threads) for _ in range(workers)]
    running: dict[Future[CaseOutcome], tuple[int, Case]] = {}
    limit = study.settings.run.memory_limit

    def begin(lane: int) -> None:
        case = lanes.next(lane)
        if case is None:
            return
        for attempt in (1, 2):
            try:
                running[processes[lane].submit(run_case, _task(study, case))] = lane, case
                return
            except BrokenProcessPool:  # it died before it had anything to do
                if attempt == 2:
                    raise
                processes[lane] = _renewed(processes[lane], threads)

    late: set[SingleProcess] = set()

    def look() -> None:
        busy = [processes[lane] for future, (lane, _) in running.items() if not future.done()]
        late.update(_watch(busy, limit))

    try:
        for lane in range(workers):
            begin(lane)
        looked = time.monotonic()
        while running:
            finished, _ = wait(running, timeout=_LOOK_EVERY, return_when=FIRST_COMPLETED)
            if time.monotonic() >= looked + _LOOK_EVERY:  # however often others finish
                look()
                looked = time.monotonic()
            for future in finished:
                lane, case = running.pop(future)
                died = isinstance(future.exception(), BrokenProcessPool)
                was_late = processes[lane] in late
                if died:
                    processes[lane] = _renewed(processes[lane], threads)
                    outcome = _too_late(study, case) if was_late else _alone(study, case, threads, look)
                else:
                    outcome = _outcome(study, case, future)
                    if outcome.failure is not None and outcome.failure.lacked_memory:
                        outcome = _alone(study, case, threads, look)
                begin(lane)
                yield case, outcome
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        for process in processes:
            process.end(wait=True)


_LOOK_EVERY = 1.0  # s between looks at processes that are watched
_LEAST_LEFT = 0.03  # of the machine's memory, below which the largest process is ended


def _watch(processes: Sequence[SingleProcess], limit: float | None) -> set[SingleProcess]:
    """Kill processes that are late, or take too much memory (GiB); returns those that are late."""
    late = {process for process in processes if process.late}
    large = [process for process in processes if limit is not None and process.memory > limit * (1 << 30)]
    if processes and memory_left() < _LEAST_LEFT:
        large.append(max(processes, key=lambda process: process.memory))
    for process in processes:
        if process in late or process in large:
            process.kill()
    return late


def _renewed(process: SingleProcess, threads: int) -> SingleProcess:
    """Another process in place of one that died."""
    process.end()
    return SingleProcess(threads)


def _alone(study: Study, case: Case, threads: int, look: Callable[[], None]) -> CaseOutcome:
    """Run one case in a process of its own; if that dies too, the case is the cause. `look` at the others."""
    process = SingleProcess(threads)
    try:
        future = process.submit(run_case, _task(study, case))
        late = False
        while not wait([future], timeout=_LOOK_EVERY).done:
            late = bool(_watch([process], study.settings.run.memory_limit)) or late
            look()
        return future.result()
    except BrokenProcessPool:
        if late:
            return _too_late(study, case)
        error = WorkerDiedError(
            f"{case.material.name} with {case.label}",
            "the worker process died (killed, crashed, or out of memory)",
            "run again with fewer workers or on a machine with more memory",
        )
        return _store_failure(study, case, Failure.from_error(error))
    finally:
        process.end(wait=True)


def _too_late(study: Study, case: Case) -> CaseOutcome:
    """The failure of a case whose potential did not come to an end."""
    limit = "" if case.potential is None else f" of {case.potential.settings.time_limit:g} s"
    error = TimeLimitError(
        f"{case.material.name} with {case.label}",
        f"the potential did not answer within its time limit{limit}",
        "raise time_limit of the potential if it needs that long, or leave it out",
    )
    return _store_failure(study, case, Failure.from_error(error))
