"""The potentials softmode knows by name: those of its own modules and of the plugins of others."""

from __future__ import annotations

import functools
import importlib
import logging
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

from softmode.errors import SettingsError, nearest_names
from softmode.plugins import plugins
from softmode.potentials.base import PotentialInfo
from softmode.potentials.family import Entry, Family

log = logging.getLogger(__name__)

#: Entry points under which other packages declare an object of :class:`Family`.
GROUP = "softmode.potentials"


def families() -> tuple[Family, ...]:
    """All families: softmode's own, then those of plugins."""
    return _with_plugins(plugins(GROUP, Family))


@functools.cache
def _own() -> tuple[Family, ...]:
    """Every object ``FAMILY`` of the modules beside this one, and those of a tuple ``FAMILIES``."""
    package = __name__.rpartition(".")[0]
    names = sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    modules = [importlib.import_module(f"{package}.{name}") for name in names]
    alone = [module.FAMILY for module in modules if hasattr(module, "FAMILY")]
    return (*alone, *(family for module in modules for family in getattr(module, "FAMILIES", ())))


@functools.cache
def _with_plugins(others: tuple[Family, ...]) -> tuple[Family, ...]:
    """The families of plugins after softmode's own; one whose names are taken is left out with a warning."""
    found = list(_own())
    for family in others:
        taken = {spelling for known in found for spelling in _spellings(known)}
        doubled = sorted(_spellings(family) & taken)
        if doubled:
            log.warning(
                "the family %s of a plugin is left out: %s is known already", family.name, ", ".join(doubled)
            )
        else:
            found.append(family)
    return tuple(found)


def _spellings(family: Family) -> set[str]:
    entries = {_key(name) for entry in family.entries for name in (entry.name, *entry.aliases)}
    return entries | {f"family {family.name}"}


def _key(name: str) -> str:
    """A name as it is compared: case, blanks and underscores do not matter."""
    return re.sub(r"[\s_]+", "-", name.strip().lower())


def find_family(name: str) -> Family:
    """The family of that name.

    Raises
    ------
    SettingsError
        If there is none, as when a plugin is not installed in this environment.
    """
    for family in families():
        if family.name == name:
            return family
    raise SettingsError(
        f"family {name!r}", "it is not known here", "Install the package that provides it in this environment"
    )


def known() -> Iterator[tuple[Family, Entry]]:
    """All potentials known by name, with their families."""
    for family in families():
        for entry in family.entries:
            yield family, entry


def known_potentials() -> Iterator[PotentialInfo]:
    """Descriptions of all potentials known by name."""
    for family, entry in known():
        yield entry.info(family.name)


@functools.cache
def _by_spelling(known: tuple[Family, ...]) -> dict[str, tuple[Family, Entry]]:
    """Entries of families by their names and aliases as they are compared; the first counts."""
    found: dict[str, tuple[Family, Entry]] = {}
    for family in known:
        for entry in family.entries:
            for spelling in (entry.name, *entry.aliases):
                found.setdefault(_key(spelling), (family, entry))
    return found


def find(name: str) -> tuple[Family, Entry] | None:
    """The potential of that name or alias and its family; None where there is none."""
    return _by_spelling(families()).get(_key(name))


def find_entry(name: str) -> Entry | None:
    """The potential of that name or alias; None where there is none."""
    found = find(name)
    return found[1] if found is not None else None


def recognise(name: str) -> Family:
    """The family of a name that is not among the known ones: a weight file, or what a family takes besides.

    Raises
    ------
    SettingsError
        If it is of none, with the nearest names that are known.
    """
    for family in families():
        if name.lower().endswith(tuple(family.suffixes)):
            return family
    for family in families():
        if family.recognises is not None and family.recognises(name):
            return family
    raise _unknown(name)


def _unknown(name: str) -> SettingsError:
    spellings = {
        _key(text): (entry.name, text if text == entry.name else f"{text} ({entry.name})")
        for _, entry in known()
        for text in (entry.name, *entry.aliases)
    }
    nearest: dict[str, str] = {}
    for key in nearest_names(_key(name), list(spellings), limit=len(spellings)):
        nearest.setdefault(*spellings[key])
    is_there = Path(name).expanduser().exists()
    near = [] if is_there else list(nearest.values())[:3]
    hint = f"Did you mean {' or '.join(near)}? Otherwise see" if near else "See"
    if is_there:
        others = "; ".join(family.others for family in families() if "path" in family.others)
        problem = f"it is not recognised as a model of any family, or is cut short ({others})"
    elif "/" in name:
        problem = "there is no such file"
    else:
        others = "; ".join(family.others for family in families() if family.others)
        problem = f"is not a known name (also possible: {others})"
    return SettingsError(f"potential {name!r}", problem, f"{hint} `softmode potentials` for the names")
