"""Formulas with their prototypes, from text and CSV files."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from softmode.datasets.reading import as_text, reading
from softmode.datasets.structure_files import is_structure_file
from softmode.errors import InputDataError

_FORMULA_COLUMNS = ("formula", "system", "compound")


@dataclass(frozen=True)
class ListedFormula:
    """A formula as given, and the prototype named beside it (else empty)."""

    text: str
    prototype: str = ""


def is_formula_list(path: Path) -> bool:
    """Whether a file is named as a list of formulas: ``.csv`` or ``.txt``."""
    return path.is_file() and path.suffix.lower() in (".csv", ".txt") and not is_structure_file(path)


def read_formulas(path: Path) -> list[ListedFormula]:
    """Formulas in a list, in its order, not checked.

    Parameters
    ----------
    path : Path
        ``.csv`` with a column named formula, system or compound, maybe one named prototype; or text with a
        formula, and maybe its prototype, on each line (``#`` begins a comment).

    Raises
    ------
    InputDataError
        If it is no text, has no such column, or a line holds more than two words.
    """
    subject = str(path)
    with reading(subject, "the file cannot be read", "check the path and its permissions"):
        text = as_text(subject, path.read_bytes())
    if path.suffix.lower() == ".csv":
        return _csv_formulas(text, subject)
    lines = [line.partition("#")[0].replace(",", " ").split() for line in text.splitlines()]
    for number, words in enumerate(lines, start=1):
        if len(words) > 2:
            raise InputDataError(
                subject,
                f"line {number} holds {len(words)} words",
                "write one formula a line, and after it maybe its prototype",
            )
    return [ListedFormula(words[0], words[1] if len(words) > 1 else "") for words in lines if words]


def _csv_formulas(text: str, subject: str) -> list[ListedFormula]:
    rows = csv.DictReader(text.removeprefix("\ufeff").splitlines())
    columns = {name.strip().lower(): name for name in rows.fieldnames or () if name}
    column = next((columns[name] for name in _FORMULA_COLUMNS if name in columns), None)
    if column is None:
        raise InputDataError(
            subject,
            f"no column is named {', '.join(_FORMULA_COLUMNS[:-1])} or {_FORMULA_COLUMNS[-1]}",
            "name the column of formulas in the first line",
        )
    kind = columns.get("prototype")
    found = []
    for row in rows:
        formula = (row[column] or "").strip()
        if formula:
            found.append(ListedFormula(formula, (row[kind] or "").strip() if kind is not None else ""))
    return found
