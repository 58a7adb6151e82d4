"""A reference as commands take it, and what is said of where it is from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from softmode.cli.console import remark
from softmode.crystal import Material
from softmode.datasets import open_reference, reference_notes


def said_reference(path: Path | str, supercell: str | None = None, accept: Sequence[str] = ()) -> Material:
    """The material at a path; which file its forces are from, where there are several, is told.

    Raises
    ------
    SettingsError, InputDataError
        As `softmode.datasets.open_reference`.
    """
    return said(open_reference(path, supercell, accept), path)


def said(material: Material, path: Path | str) -> Material:
    """The material that was read from a path, after telling what a person should know of it."""
    for note in reference_notes(material, path):
        remark(note)
    return material
