"""Environments that softmode makes for families of potentials, and where they are."""

from __future__ import annotations

import json
import re
from pathlib import Path

from softmode.potentials.interpreters import Interpreter
from softmode.potentials.weights import cache_root

#: What ``python`` of the settings is for the interpreter that runs softmode.
SAME = "same"


def folder() -> Path:
    """Where the environments are: ``environments`` in softmode's cache."""
    return cache_root() / "environments"


def note_of(family: str) -> Path:
    """The file that says where the environment of a family is; it exists once that is complete."""
    return folder() / f"{_plain(family)}.json"


def made_for(family: str) -> Interpreter | None:
    """What the environment made for a family runs with; None where none was made."""
    try:
        note = json.loads(note_of(family).read_text(encoding="utf-8"))
        return Interpreter(
            Path(note["python"]),
            note["version"],
            note["prefix"],
            tuple(note["path"]),
            tuple(note["installed"]),
            family,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _plain(family: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", family.lower())
