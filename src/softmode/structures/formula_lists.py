"""Formulas with their prototypes, from text and CSV files."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from softmode.datasets.reading import ByteStream, as_text
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
    if path.suffix.lower() == ".csv":
        return _csv_formulas(path)
    lines = [line.partition("#")[0].replace(",", " ").split() for line in read_lines(path)]
    for number, words in enumerate(lines, start=1):
        if len(words) > 2:
            raise InputDataError(
                subject,
                f"line {number} holds {len(words)} words",
                "write one formula a line, and after it maybe its prototype",
            )
    return [ListedFormula(words[0], words[1] if len(words) > 1 else "") for words in lines if words]


def _csv_formulas(path: Path) -> list[ListedFormula]:
    names, rows = read_table(path)
    columns = {name.lower(): name for name in names}
    column = next((columns[name] for name in _FORMULA_COLUMNS if name in columns), None)
    if column is None:
        raise InputDataError(
            str(path),
            f"no column is named {', '.join(_FORMULA_COLUMNS[:-1])} or {_FORMULA_COLUMNS[-1]}",
            "name the column of formulas in the first line",
        )
    kind = columns.get("prototype", "")
    return [ListedFormula(row[column], row.get(kind, "")) for _, row in rows if row[column]]


def read_lines(path: Path) -> list[str]:
    """Lines of a text file.

    Raises
    ------
    InputDataError
        If it cannot be read, or is no text.
    """
    return as_text(str(path), ByteStream(path).whole()).removeprefix("\ufeff").splitlines()


def read_table(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Names of columns, and rows by column with the number of their line, without blanks, of a CSV file.

    Raises
    ------
    InputDataError
        If it cannot be read, is no text, names a column twice, or a row has more cells than there are names.
    """
    rows = csv.DictReader(read_lines(path), restval="")
    rows.fieldnames = names = [name.strip() for name in rows.fieldnames or ()]
    for name in names:
        if name and names.count(name) > 1:
            raise InputDataError(str(path), f"two columns are named {name!r}", "rename or remove one of them")
    table = []
    for row in rows:
        if None in row:
            raise InputDataError(
                f"{path}, line {rows.line_num}",
                f"it has {len(names) + len(row[None])} cells, but {len(names)} columns are named "
                "(decimal commas?)",
                "write numbers with a point, and cells that hold a comma in quotes",
            )
        table.append((rows.line_num, {name: row[name].strip() for name in names}))
    return names, table
