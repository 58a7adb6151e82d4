"""Make measurements: one way for workers, commands and notebooks."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from softmode.crystal import Material, Trajectory
from softmode.datasets.plausibility import accepted_together
from softmode.deadlines import PausedError
from softmode.errors import MeasurementFailedError, SettingsError, SoftmodeError, StorageError
from softmode.measurements.conditions import Conditions
from softmode.measurements.declaration import Facts, Measurement, Result
from softmode.measurements.pieces import Help, HelpEndedError
from softmode.measurements.plan import lacking, needs_potential, pieces_key, possible, record_inputs
from softmode.measurements.registry import measurement
from softmode.measurements.view import Sources, View
from softmode.numerics import limited_threads
from softmode.potentials.base import Potential
from softmode.potentials.resolution import ResolvedPotential
from softmode.records import LACKED_MEMORY, Failure, Partial, Record, RecordStore, digest_of


class Store(Protocol):
    """Where records are found again and kept; :class:`softmode.records.RecordStore` is one."""

    def find(self, key: str) -> Record | None:
        """Return the record of a key."""

    def write(self, record: Record) -> None:
        """Keep a record."""

    def partial(self, key: str) -> Partial:
        """Return the place for the pieces of a record that takes long."""


def measure(
    names: str | Iterable[str],
    material: Material,
    potential: ResolvedPotential | Potential | None = None,
    conditions: Conditions | None = None,
    store: Store | None = None,
    *,
    trajectory: Trajectory | None = None,
    pieces: Mapping[str, Path] | None = None,
    advance: Callable[[int, int], None] = lambda replica, step: None,
) -> dict[str, Record]:
    """Measurements of one material, with those they require.

    Parameters
    ----------
    names : str or iterable of str
        What to measure.
    material : Material
        With its reference data, where a measurement needs them.
    potential : ResolvedPotential or Potential, optional
        The potential, where a measurement needs one.
    conditions : Conditions, optional
        The default ones when not given.
    store : Store, optional
        Where records are looked for first, and kept.
    trajectory : Trajectory, optional
        The reference trajectory, aligned to the material's supercell.
    pieces : mapping of str to Path, optional
        Folders in which measurements keep what they have, by their name, to go on with; not in the store.
    advance : callable
        Told of each step of molecular dynamics: replica, and number of the step.

    Returns
    -------
    dict of str to Record
        By measurement; what was required comes with what was asked for.

    Raises
    ------
    SettingsError
        If a measurement is not known, or needs something that is not given.
    SoftmodeError
        If one fails: what a study would record as a failure is an exception here.
    """
    names = (names,) if isinstance(names, str) else tuple(names)
    conditions = conditions or Conditions.create()
    facts = facts_of(material, potential, trajectory, stored=store is not None)
    for name in names:
        if missing := lacking(measurement(name), facts, conditions):
            what = {"reference": "reference force constants", "trajectory": "a reference trajectory"}
            absent = " and ".join(what[one] for one in sorted(missing))
            raise SettingsError(material.name, f"{name} needs {absent}", "Give a reference that has it")
        if potential is None and needs_potential(name):
            raise SettingsError(f"{name} of {material.name}", "needs a potential", "Name one")
    with ExitStack() as closed_at_end:
        sources = Sources(
            facts,
            lambda: material,
            None if trajectory is None else lambda: trajectory,
            None if potential is None else cache(lambda: _loaded(potential, closed_at_end)),
            "" if potential is None else potential.info.name,
        )
        records: dict[str, Record] = {}
        for name, inputs in record_inputs(names, facts, conditions).items():
            key, own = digest_of(inputs), (pieces or {}).get(name)
            kept = store if own is None else None  # what has a folder of its own is gone on with there
            record = None if kept is None else kept.find(key)
            if record is not None and record.failure is not None and record.settled:
                raise MeasurementFailedError(
                    f"{name} of {material.name}", record.failure.message, "See its record"
                )
            if record is None or not record.settled:
                partial = (
                    Partial(own)
                    if own is not None
                    else None
                    if kept is None
                    else kept.partial(pieces_key(name, inputs))
                )
                record = compute(
                    name,
                    inputs,
                    sources,
                    conditions,
                    records,
                    partial=partial,
                    advance=advance,
                    keep_failure=False,
                )
                if kept is not None:
                    kept.write(record)
            records[name] = record
    return records


def _loaded(potential: ResolvedPotential | Potential, closed_at_end: ExitStack) -> Potential:
    """The potential; one that is loaded for the purpose is closed at the end."""
    if isinstance(potential, Potential):
        return potential
    return closed_at_end.enter_context(closing(potential.load()))


def facts_of(
    material: Material,
    potential: ResolvedPotential | Potential | None = None,
    trajectory: Trajectory | None = None,
    *,
    stored: bool = True,
) -> Facts:
    """What a case is, from loaded data.

    Raises
    ------
    SettingsError
        If records are to be stored of a potential that was given as an object: nothing says what it is.
    """
    if isinstance(potential, Potential) and stored:
        raise SettingsError(
            potential.info.name,
            "was given as an object, whose results have no key to be stored under",
            "Name the potential (module:factory for a calculator of your own), or store nothing",
        )
    digest = "" if potential is None else getattr(potential, "digest", "") or f"object {id(potential)}"
    return Facts(
        structure=material.structure_digest,
        reference=material.reference_digest,
        trajectory="" if trajectory is None else trajectory.digest,
        potential=digest,
        tags=accepted_together(material.tags, {} if trajectory is None else trajectory.accepted),
        level_of_theory="" if potential is None else potential.info.level_of_theory,
    )


def compute(
    name: str,
    inputs: Mapping[str, Any],
    sources: Sources,
    conditions: Conditions,
    records: Mapping[str, Record],
    *,
    partial: Partial | None = None,
    advance: Callable[[int, int], None] = lambda replica, step: None,
    keep_failure: bool = True,
) -> Record:
    """Make one measurement of a case, on as many threads as the conditions say.

    Parameters
    ----------
    name : str
        The measurement.
    inputs : mapping
        From :func:`softmode.measurements.plan.record_inputs`.
    sources : Sources
        The case.
    conditions : Conditions
        Of the study or command.
    records : mapping of str to Record
        Those made before; it is shown those that it requires.
    partial, advance
        As of :class:`softmode.measurements.view.View`.
    keep_failure : bool
        Whatever goes wrong becomes the failure of the record; otherwise it is raised.

    Raises
    ------
    StorageError
        Always, when pieces cannot be stored.
    PausedError
        Where the process is asked to pause; what there is is stored.
    """
    one = measurement(name)
    view = view_of(one, sources, conditions, records, partial=partial, advance=advance)
    started = time.perf_counter()
    result, failure, bits = Result(), None, {}
    try:
        # first, for only libraries that are loaded already can be held to so many threads
        if "potential" in view.uses and sources.load_potential:
            sources.load_potential()
            started = time.perf_counter()  # whether it had to be loaded is not what the record costs
        with limited_threads(conditions.threads):
            bits = view.arithmetic()
            result = _checked(one, one.function(view))
    except (StorageError, PausedError):
        raise
    except Exception as error:
        if not keep_failure:
            raise
        failure = failure_of(error, f"measurement {name}")
    return Record(
        key=digest_of(inputs),
        measurement=inputs["measurement"],
        inputs=inputs,
        values=result.values,
        arrays=result.arrays,
        failure=failure,
        seconds=time.perf_counter() - started + view.seconds_elsewhere,
        calls=view.calls,
        arithmetic=bits,
    )


def view_of(
    one: Measurement,
    sources: Sources,
    conditions: Conditions,
    records: Mapping[str, Record] = MappingProxyType({}),
    *,
    partial: Partial | None = None,
    advance: Callable[[int, int], None] = lambda replica, step: None,
    help: Help | None = None,
) -> View:
    """What a measurement sees of a case; arguments as for :func:`compute` and :class:`View`."""
    return View(
        sources,
        conditions,
        one.used(conditions, sources.facts),
        who=f"measurement {one.name}",
        records={name: records[name] for name in one.required(conditions) if name in records},
        partial=partial,
        advance=advance,
        help=help,
    )


def _checked(one: Measurement, result: Result) -> Result:
    """A result that can be stored: values that JSON has, arrays that are arrays."""
    values = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in result.values.items()
    }
    for name, value in values.items():
        try:
            json.dumps(value)
        except TypeError as error:
            subject, found = f"measurement {one.name}", type(value).__name__
            problem = f"its value {name!r} is a {found}, or holds what JSON has not ({error})"
            raise MeasurementFailedError(
                subject, problem, "Return plain numbers and texts; arrays go into arrays"
            ) from error
    return Result(values, {name: np.asarray(array) for name, array in result.arrays.items()})


def failure_of(error: Exception, doing: str) -> Failure:
    """Why something has no result, from what `doing` it has raised."""
    if isinstance(error, SoftmodeError):
        return Failure.from_error(error)
    memory = isinstance(error, MemoryError) or "out of memory" in str(error).lower()
    return Failure(
        kind=LACKED_MEMORY if memory else type(error).__name__,
        message=f"{type(error).__name__}: {error} ({doing}, {_place(error)})",
        transient=True,  # not foreseen, so nothing says that it would repeat
        details=traceback.format_exc(),
    )


def _place(error: Exception) -> str:
    """File and line that raised an error."""
    *_, last = traceback.extract_tb(error.__traceback__)
    return f"{Path(last.filename).name}:{last.lineno}"


def missing_records(
    inputs: Mapping[str, Mapping[str, Any]], sources: Sources, conditions: Conditions, store: Store
) -> Iterator[tuple[str, Record]]:
    """Records of a case as a study has them: what is missing is made, failures are records.

    Parameters
    ----------
    inputs : mapping of str to mapping
        Of each measurement, in running order.
    sources : Sources
        The case; loaded where something is missing.
    conditions : Conditions
        Of the study.
    store : Store
        Where records are looked for first, and kept.

    Yields
    ------
    str, Record
        Measurement and record, whether found or made; none where one that it requires has failed.
    """
    done: dict[str, Record] = {}
    failed: set[str] = set()
    for name in possible(inputs, failed):
        key = digest_of(inputs[name])
        record = store.find(key)
        if record is None or not record.settled:
            partial = store.partial(pieces_key(name, inputs[name]))
            record = compute(name, inputs[name], sources, conditions, done, partial=partial)
            store.write(record)
        if record.failure is None:
            done[name] = record
        else:
            failed.add(name)
        yield name, record


def help_with(
    inputs: Mapping[str, Mapping[str, Any]],
    sources: Sources,
    conditions: Conditions,
    store: RecordStore,
    number: int,
) -> int:
    """Evaluate part of what is missing in a case that another process computes, which finds it.

    Parameters
    ----------
    inputs, sources, conditions
        As for :func:`missing_records`.
    store : RecordStore
        Where the other keeps what it has.
    number : int
        Of the helper; no two of a study that is running have the same.

    Returns
    -------
    int
        Batches that have been evaluated; none where there was nothing to help with.
    """
    batches = 0
    for name, own in inputs.items():
        one, key = measurement(name), digest_of(own)
        if one.divides is None or not one.divides(own) or store.settled(key):
            continue
        required = {other: digest_of(inputs[other]) for other in one.required(conditions)}
        if not all(map(store.settled, required.values())):
            continue
        found = {other: store.find(digest) for other, digest in required.items()}
        records = {other: record for other, record in found.items() if record is not None and record.ok}
        if len(records) < len(required):
            continue
        help = Help(number, partial(store.settled, key), store.partial(key).clear)
        place = store.partial(pieces_key(name, own))
        view = view_of(one, sources, conditions, records, partial=place, help=help)
        _ = view.potential  # first, as in `compute`
        try:
            with limited_threads(conditions.threads):
                one.function(view)
        except HelpEndedError as ended:
            batches += ended.batches
    return batches
