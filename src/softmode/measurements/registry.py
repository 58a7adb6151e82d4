"""The measurements there are: softmode's own, and those of installed packages."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from softmode.errors import SettingsError, did_you_mean
from softmode.measurements.declaration import Measurement, SettingsTable
from softmode.plugins import plugins

logger = logging.getLogger(__name__)

#: Entry points of other packages, each a :class:`Measurement`.
GROUP = "softmode.measurements"

#: Modules of softmode's own, each after those that it requires.
_OWN = (
    "displaced_forces",
    "noise_floor",
    "harmonic",
    "modes",
    "lattice",
    "model_phonons",
    "sigma",
    "passport",
    "one_shot",
    "self_consistent",
    "md",
    "staged",
    "map",
)


def measurements() -> Mapping[str, Measurement]:
    """All measurements by name, each after those it requires."""
    return _all(plugins(GROUP, Measurement))


@cache
def _all(others: tuple[Measurement, ...]) -> Mapping[str, Measurement]:
    """Softmode's own, and those of other packages that do not conflict with them."""
    found: dict[str, Measurement] = {}
    for module in _OWN:
        found |= {one.name: one for one in import_module(f"softmode.measurements.{module}").MEASUREMENTS}
    for one in others:
        problem = _conflict(one, found)
        if problem:
            logger.warning("measurement %s of another package is left out: %s", one.name, problem)
        else:
            found[one.name] = one
    return MappingProxyType(found)


def _conflict(one: Measurement, found: Mapping[str, Measurement]) -> str:
    """Why a measurement cannot be added to those found; empty when it can."""
    if one.name in found:
        return "there is one of that name already"
    missing = [name for name in one.requires if name not in found]
    if missing:
        return f"it requires {missing[0]}, which does not exist"
    if one.settings is not None and one.table_name in _tables(tuple(found.values())):
        return f"there are settings {one.table_name} already"
    return ""


def _tables(given: tuple[Measurement, ...]) -> Mapping[str, type[SettingsTable]]:
    return MappingProxyType({one.table_name: one.settings for one in given if one.settings is not None})


def settings_tables() -> Mapping[str, type[SettingsTable]]:
    """All tables of settings that a study file may hold, by name."""
    return _all_tables(plugins(GROUP, Measurement))


@cache
def _all_tables(others: tuple[Measurement, ...]) -> Mapping[str, type[SettingsTable]]:
    return _tables(tuple(_all(others).values()))


def table_of(kind: type[SettingsTable]) -> str:
    """Name of the table that settings of a kind stand in.

    Raises
    ------
    SettingsError
        If no measurement has such settings.
    """
    for name, known in settings_tables().items():
        if known is kind:
            return name
    raise SettingsError(kind.__name__, "belongs to no measurement", "Name it in its measurement's `settings`")


def named() -> tuple[str, ...]:
    """Measurements that can be asked for."""
    return tuple(name for name, one in measurements().items() if one.title)


def measurement(name: str) -> Measurement:
    """The measurement of that name.

    Raises
    ------
    SettingsError
        If there is none; the nearest names are given.
    """
    known = measurements()
    if name not in known:
        raise SettingsError(
            f"measurement {name!r}",
            "there is no such measurement",
            f"{did_you_mean(name, named())}, or install the package that brings it",
        )
    return known[name]
