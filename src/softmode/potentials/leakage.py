"""Which crystals' phonons a potential has seen in training: a score on these is no test of it."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path

from softmode.errors import SoftmodeError
from softmode.potentials.family import Entry, SplitFile
from softmode.potentials.registry import find_entry
from softmode.potentials.weights import find_cached, obtain, weights_sha256

#: Parts of a split, and what else is said of a crystal.
PARTS = ("train", "val", "test")
NO, UNKNOWN = "no", "unknown"
#: Those by which a potential knows the phonons of a crystal: fitted to them, or chosen by them.
SEEN = ("train", "val")

_MATERIALS_PROJECT = re.compile(r"mp-\d+")


def phonons_seen(material: str, potential: str) -> str:
    """Whether a potential was trained on the phonons (Hessians) of a crystal.

    Energies and forces of the same crystal do not count: those of MPtrj and its like are of relaxations.
    Nothing is fetched here: a split comes with the weights, or by :func:`obtain_split`.

    Parameters
    ----------
    material : str
        As the Materials Project calls it, ``mp-463``.
    potential : str
        A name or alias of the catalogue.

    Returns
    -------
    str
        ``train``, ``val`` or ``test``: the part of the split it is in; ``no``: in none, or the potential saw
        no Hessians; ``unknown``: the potential is not in the catalogue, its split is not on this machine, or
        the material has another kind of name.
    """
    entry = find_entry(potential)
    if entry is None or entry.hessians is None:
        return UNKNOWN
    if not entry.hessians:
        return NO
    if not _MATERIALS_PROJECT.fullmatch(material):
        return UNKNOWN
    parts = split_parts(entry)
    return UNKNOWN if parts is None else parts.get(material, NO)


def split_parts(entry: Entry) -> dict[str, str] | None:
    """The part of each crystal of an entry's split; None where it has none, or it is not on this machine."""
    path = None if entry.split is None else find_cached(entry.split.url, entry.split.stored_as)
    return None if path is None or entry.split is None else _read(path, entry.split.sha256)


def seen_statement(entry: Entry) -> str:
    """What an entry was trained on besides energies and forces, in words."""
    if not entry.hessians:
        return "of no crystal" if entry.hessians is False else UNKNOWN
    parts = split_parts(entry)
    if parts is None:
        return f"{UNKNOWN}: " + ("its split is not here" if entry.split else "no split is published")
    counts = Counter(parts.values())
    said = ", ".join(f"{counts[part]} in {part}" for part in PARTS)
    return f"{said} (ids of the Materials Project)"


def obtain_split(split: SplitFile) -> SoftmodeError | None:
    """Fetch a split that is not on this machine; why that failed, if so: the potential is as good without."""
    if find_cached(split.url, split.stored_as) is None:
        try:
            obtain(split.url, split.sha256, stored_as=split.stored_as)
        except SoftmodeError as error:
            return error
    return None


@cache
def _read(path: Path, sha256: str) -> dict[str, str] | None:
    """The part of each crystal, from a JSON file of lists by part; None where it is not as published."""
    try:
        if weights_sha256(path) != sha256:
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
    except (SoftmodeError, OSError):
        return None
    return {name: part for part in PARTS for name in content[part]}
