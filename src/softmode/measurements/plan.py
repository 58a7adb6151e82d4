"""Which measurements are made of a case, in which order, and the inputs that make the records' keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from softmode.measurements import registry
from softmode.measurements.conditions import Conditions
from softmode.measurements.declaration import Facts, Measurement
from softmode.measurements.registry import measurement
from softmode.measurements.view import Sources, View
from softmode.records import digest_of


def lacking(one: Measurement, facts: Facts, conditions: Conditions) -> frozenset[str]:
    """What a measurement, or one that it requires, uses and a material does not have.

    Returns
    -------
    frozenset of str
        Of ``reference`` and ``trajectory``; empty when it can be made.
    """
    return _lacking(one, facts, conditions, {})


def _lacking(
    one: Measurement, facts: Facts, conditions: Conditions, found: dict[str, frozenset[str]]
) -> frozenset[str]:
    """As :func:`lacking`; what is found is noted by name, for others that require the same."""
    if one.name not in found:
        used, required = one.used(conditions, facts), one.required(conditions)
        own = {use for use in ("reference", "trajectory") if use in used and not getattr(facts, use)}
        others = (_lacking(measurement(name), facts, conditions, found) for name in required)
        found[one.name] = frozenset(own).union(*others)
    return found[one.name]


def needs_potential(name: str) -> bool:
    """Whether a measurement depends on the potential; records of others serve every potential."""
    one = measurement(name)
    used = one.used(Conditions.create(), Facts("any", "any", "any", "any"))
    return "potential" in used or any(needs_potential(other) for other in one.requires)


def with_requirements(*names: str, conditions: Conditions | None = None) -> tuple[str, ...]:
    """The measurements named and all they require (under conditions, where given), in running order."""
    needed: set[str] = set()
    asked = list(names)
    while asked:
        name = asked.pop()
        if name not in needed:
            one = measurement(name)
            needed.add(name)
            asked += one.requires if conditions is None else one.required(conditions)
    return tuple(name for name in registry.measurements() if name in needed)


def planned(names: Iterable[str], facts: Facts, conditions: Conditions) -> tuple[str, ...]:
    """Those of the measurements named that apply to a case and all they require, in running order."""
    found: dict[str, frozenset[str]] = {}
    possible = (name for name in names if not _lacking(measurement(name), facts, conditions, found))
    return with_requirements(*possible, conditions=conditions)


def record_inputs(names: Iterable[str], facts: Facts, conditions: Conditions) -> dict[str, dict[str, Any]]:
    """Inputs of each record of a case, by measurement, in running order; their digests are the keys.

    Parameters
    ----------
    names : iterable of str
        Measurements asked for; those they require are added, those that do not apply left out.
    facts : Facts
        What the case is.
    conditions : Conditions
        Of the study or command.
    """
    return inputs_and_keys(names, facts, conditions)[0]


def inputs_and_keys(
    names: Iterable[str], facts: Facts, conditions: Conditions
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Inputs of each record of a case, and their digests; arguments as of :func:`record_inputs`."""
    sources = Sources(facts, _not_loaded)
    inputs: dict[str, dict[str, Any]] = {}
    keys: dict[str, str] = {}
    for name in planned(names, facts, conditions):
        one = measurement(name)
        view = View(sources, conditions, one.used(conditions, facts), who=f"measurement {name}")
        inputs[name] = {
            "measurement": one.record_as or name,
            "version": one.version,
            **view.inputs(),
            "requires": {other: keys[other] for other in one.required(conditions)},
        }
        keys[name] = digest_of(inputs[name])
    return inputs, keys


def yardsticks(names: Iterable[str], facts: Facts, conditions: Conditions) -> dict[str, dict[str, Any]]:
    """As :func:`record_inputs`, of no potential in particular.

    Where two are equal, results are of the same reference data, made in the same way by the same version of
    the measurement, and may be compared.
    """
    return record_inputs(names, replace(facts, potential="any", level_of_theory=""), conditions)


def _not_loaded() -> Any:
    raise AssertionError("keys are made without loading anything")


def pieces_key(name: str, inputs: Mapping[str, Any]) -> str:
    """Key of the pieces of a measurement: that of its record, but for what only says when to stop."""
    own: dict[str, Any] = {
        use: dict(value) if isinstance(value, dict) else value for use, value in inputs.items()
    }
    stops = [stop.rpartition(".") for stop in measurement(name).stops]
    tables = [own.get(table, {}) if table else own for table, _, _ in stops]
    if all(field in table for table, (_, _, field) in zip(tables, stops, strict=True)):
        for table, (_, _, field) in zip(tables, stops, strict=True):
            del table[field]
    return digest_of(own)


def possible(inputs: Mapping[str, Mapping[str, Any]], failed: set[str]) -> Iterator[str]:
    """Measurements in running order but for those that require one in `failed`, which they join.

    Parameters
    ----------
    inputs : mapping of str to mapping
        From :func:`record_inputs`.
    failed : set of str
        Measurements without a result; added to while this goes on.
    """
    for name, one in inputs.items():
        if failed.isdisjoint(one["requires"]):
            yield name
        else:
            failed.add(name)
