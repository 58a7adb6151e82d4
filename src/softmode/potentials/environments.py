"""Environments that softmode made for families of potentials: where they are and what runs there."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from softmode.potentials.interpreters import Interpreter, ask
from softmode.potentials.weights import cache_root

#: What ``python`` of the settings is for the interpreter that runs softmode.
SAME = "same"


def folder() -> Path:
    """Where the environments are: ``environments`` in softmode's cache."""
    return cache_root() / "environments"


def plain_name(family: str) -> str:
    """A family's name as that of its environment."""
    return re.sub(r"[^a-z0-9]+", "", family.lower())


def note_of(family: str) -> Path:
    """The file that says where the environment of a family is; it exists once that is complete."""
    return folder() / f"{plain_name(family)}.json"


def interpreter_for(family: str, python: str | None) -> Interpreter | None:
    """What a potential runs with; None for the Python that runs this.

    Parameters
    ----------
    family : str
        Its family.
    python : str or None
        As in the settings: a path or name of an interpreter, :data:`SAME`, or None for the environment made
        for the family where there is one.

    Raises
    ------
    MissingDependencyError
        If there is no such interpreter, or it cannot be used.
    """
    if python == SAME:
        return None
    if python is None:
        return made_for(family)
    path = Path(python if "/" in python else shutil.which(python) or python).expanduser().absolute()
    return ask(path, family if path.is_relative_to(folder()) else "")


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
