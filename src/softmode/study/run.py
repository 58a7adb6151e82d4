"""Run a study: compute what is missing, on processes, a cluster, or any ``concurrent.futures`` executor."""

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

from softmode.errors import SettingsError
from softmode.numerics import thread_variables
from softmode.processes import SingleProcess, available_cores, uninterrupted, watch
from softmode.study.cluster import on_cluster
from softmode.study.costs import known_costs
from softmode.study.endings import case_task, ended_with, store_failure, too_late, worker_died
from softmode.study.folder import Case, Study
from softmode.study.helping import Helpers, forget_pieces
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
    pending, found = [], []
    for case in study.cases:
        if study.settled(case):
            report.found += 1
            found.append(case)
        elif case.failure is not None:
            _note(study, report, case, store_failure(study, case, case.failure), listener)
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
    if run.cluster is not None:
        for case, outcome in on_cluster(study, pending, run.cluster, known_costs(study, found)):
            _note(study, report, case, outcome, listener)
        return report
    workers = min(run.workers or available_cores(), len(pending))
    threads = study.settings.conditions.threads
    with thread_variables(threads):
        for case, outcome in _on_processes(study, pending, workers, threads, known_costs(study, found)):
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
            running[executor.submit(run_case, case_task(study, case))] = case
    for future in as_completed(running):
        yield running[future], ended_with(study, running[future], future.exception()) or future.result()


def _on_processes(
    study: Study, cases: Sequence[Case], workers: int, threads: int, known: Sequence[tuple[Case, float]]
) -> Iterator[tuple[Case, CaseOutcome]]:
    """Run on local processes; where one dies, the case it had is tried alone, and the others go on.

    Every process is by itself: it is known which case a dead one had. One that does not come to an end within
    the time its potential may take is killed, and its case has failed; so is one that takes too much memory,
    and its case is tried alone. A process that has nothing left to take helps another.
    """
    lanes = Lanes(cases, workers, known)
    helpers, helping = Helpers(lanes), dict[Future[CaseOutcome], tuple[int, int]]()
    processes = [SingleProcess(threads) for _ in range(workers)]
    running: dict[Future[CaseOutcome], tuple[int, Case]] = {}
    limit = study.settings.run.memory_limit

    def begin(lane: int) -> None:
        case = lanes.next(lane)
        if case is not None:
            running[submitted(lane, case_task(study, case))] = lane, case
            helpers.began(case)
        elif (chosen := helpers.choose(lane)) is not None:
            number, case = chosen
            helping[submitted(lane, case_task(study, case, number))] = lane, number

    def submitted(lane: int, task: CaseTask) -> Future[CaseOutcome]:
        for attempt in (1, 2):
            try:
                return processes[lane].submit(run_case, task)
            except BrokenProcessPool:  # it died before it had anything to do
                if attempt == 2:
                    raise
                processes[lane] = _renewed(processes[lane], threads)
        raise AssertionError

    late: set[SingleProcess] = set()

    def look() -> None:
        doing = (*running.items(), *helping.items())
        busy = [processes[lane] for future, (lane, _) in doing if not future.done()]
        late.update(watch(busy, limit))

    try:
        for lane in range(workers):
            begin(lane)
        looked = time.monotonic()
        while running:
            finished, _ = wait((*running, *helping), timeout=_LOOK_EVERY, return_when=FIRST_COMPLETED)
            if time.monotonic() >= looked + _LOOK_EVERY:  # however often others finish
                look()
                looked = time.monotonic()
                at_work = {lane for lane, _ in (*running.values(), *helping.values())}
                for lane in set(range(workers)) - at_work:
                    begin(lane)  # what has taken long may now be worth to be helped with
            for future in finished:
                if future in helping:
                    lane, number = helping.pop(future)
                    if isinstance(future.exception(), BrokenProcessPool):
                        helpers.left(number)
                        processes[lane] = _renewed(processes[lane], threads)
                    else:
                        helpers.left(number, future.result().batches)
                    begin(lane)
                    continue
                lane, case = running.pop(future)
                helpers.ended(case)
                died = isinstance(future.exception(), BrokenProcessPool)
                was_late = processes[lane] in late
                if died:
                    processes[lane] = _renewed(processes[lane], threads)
                    outcome = too_late(study, case) if was_late else _alone(study, case, threads, look)
                else:
                    outcome = ended_with(study, case, future.exception()) or future.result()
                    if outcome.failure is not None and outcome.failure.lacked_memory:
                        outcome = _alone(study, case, threads, look)
                lanes.done(case, outcome.work, outcome.loading)
                begin(lane)
                yield case, outcome
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()
        raise
    finally:
        for lane, _ in helping.values():
            processes[lane].kill()
        for process in processes:
            process.end(wait=True)
        for case in helpers.cases:
            forget_pieces(study, case)


_LOOK_EVERY = 1.0  # s between looks at processes that are watched


def _renewed(process: SingleProcess, threads: int) -> SingleProcess:
    """Another process in place of one that died."""
    process.end()
    return SingleProcess(threads)


def _alone(study: Study, case: Case, threads: int, look: Callable[[], None]) -> CaseOutcome:
    """Run one case in a process of its own; if that dies too, the case is the cause. `look` at the others."""
    process = SingleProcess(threads)
    try:
        future = process.submit(run_case, case_task(study, case))
        late = False
        while not wait([future], timeout=_LOOK_EVERY).done:
            late = bool(watch([process], study.settings.run.memory_limit)) or late
            look()
        return future.result()
    except BrokenProcessPool:
        if late:
            return too_late(study, case)
        return worker_died(study, case)
    finally:
        process.end(wait=True)
