"""What a worker is given of a case, and what becomes of one that ended otherwise than it should."""

from __future__ import annotations

from softmode.errors import SoftmodeError, StorageError, TimeLimitError, WorkerDiedError
from softmode.measurements.plan import needs_potential, possible
from softmode.records import Failure, Record, digest_of
from softmode.study.folder import Case, Study
from softmode.study.worker import CaseOutcome, CaseTask


def case_task(study: Study, case: Case, helper: int | None = None) -> CaseTask:
    """What a worker needs to compute a case, or to help with it as the helper of a number."""
    if case.entry is None or case.potential is None:
        raise AssertionError("a case that failed before it began has no task")
    return CaseTask(
        case.entry,
        case.potential,
        case.facts,
        study.settings.conditions,
        case.inputs,
        study.store.root,
        helper,
    )


def store_failure(study: Study, case: Case, failure: Failure) -> CaseOutcome:
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


def ended_with(study: Study, case: Case, error: BaseException | None) -> CaseOutcome | None:
    """The outcome of a case that raised something; None where it raised nothing."""
    if error is None:
        return None
    if isinstance(error, Exception):
        return CaseOutcome(_unexpected(error), stored=False, seconds=0.0)
    # a SystemExit and the like, which no measurement records: it is what the case does
    problem = f"{case.material.name} with {case.label}: ended with {type(error).__name__}: {error}"
    return store_failure(study, case, Failure(type(error).__name__, problem, transient=True))


def _unexpected(error: Exception) -> Failure:
    if isinstance(error, SoftmodeError):
        return Failure.from_error(error)
    return Failure(type(error).__name__, f"{type(error).__name__}: {error}", transient=True)


def worker_died(study: Study, case: Case) -> CaseOutcome:
    """The failure of a case that ends its process."""
    error = WorkerDiedError(
        f"{case.material.name} with {case.label}",
        "the worker process died (killed, crashed, or out of memory)",
        "run again with fewer workers or on a machine with more memory",
    )
    return store_failure(study, case, Failure.from_error(error))


def too_late(study: Study, case: Case) -> CaseOutcome:
    """The failure of a case whose potential did not come to an end."""
    limit = "" if case.potential is None else f" of {case.potential.settings.time_limit:g} s"
    error = TimeLimitError(
        f"{case.material.name} with {case.label}",
        f"the potential did not answer within its time limit{limit}",
        "raise time_limit of the potential if it needs that long, or leave it out",
    )
    return store_failure(study, case, Failure.from_error(error))
