"""What other packages add: one group of entry points for each kind of thing, loaded when first asked for."""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import sys
from typing import Any, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


def plugins(group: str, kind: type[T]) -> tuple[T, ...]:
    """The objects that installed packages declare under a group of entry points.

    One that cannot be loaded, or is of another kind, is left out with one warning in a process.

    Parameters
    ----------
    group : str
        ``softmode.potentials`` and the like.
    kind : type
        What each object must be an instance of.

    Returns
    -------
    tuple
        The objects, by the name of their entry points.
    """
    wanted: Any = kind
    found: tuple[T, ...] = _loaded(group, wanted, tuple(sys.path))
    return found


@functools.cache
def _loaded(group: str, kind: Any, _path: tuple[str, ...]) -> tuple[Any, ...]:
    """Read once for a group and a search path."""
    found = []
    for point in sorted(importlib.metadata.entry_points(group=group), key=lambda point: point.name):
        try:
            thing = point.load()
        except Exception as error:  # noqa: BLE001  (whatever the code of others raises)
            _left_out(point, f"loading it fails with {type(error).__name__}: {error}")
            continue
        if isinstance(thing, kind):
            found.append(thing)
        else:
            _left_out(point, f"it is of type {type(thing).__name__}, not {kind.__name__}")
    return tuple(found)


def _left_out(point: importlib.metadata.EntryPoint, why: str) -> None:
    package = f" of the package {point.dist.name}" if point.dist is not None and point.dist.name else ""
    log.warning("%s%s (%s) is left out: %s", point.name, package, point.group, why)
