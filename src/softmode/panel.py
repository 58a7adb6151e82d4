"""What a page needs of a result: figures, tables whose numbers carry their source, words, what is missing.

Measurements make panels, pages select and set them. Nothing here knows of files, studies or pages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from softmode.charts import Chart

if TYPE_CHECKING:  # heavy, and not needed to declare a panel
    import pandas as pd
    from matplotlib.figure import Figure

Key = TypeVar("Key", bound=Hashable)

#: Where there is no number.
NOTHING = "–"


@dataclass(frozen=True)
class RecordLink:
    """The record that a number of a single material came from.

    Parameters
    ----------
    material, potential, measurement : str
        Whose record it is.
    digest : str
        Its key: SHA-256 of everything that determined it.
    file : str
        The record's file, relative to the study's folder.
    """

    material: str
    potential: str
    measurement: str
    digest: str
    file: str


@dataclass(frozen=True)
class RowsLink:
    """The rows of a list that were counted or averaged.

    Parameters
    ----------
    name : str
        Of the :class:`RowList`, without suffix.
    first, last : int
        Lines of the CSV file, counted from 1; the header is line 1 (as in RFC 7111, ``#row=2-17``).
        ``last < first``: no rows.
    """

    name: str
    first: int
    last: int


@dataclass(frozen=True)
class PublishedLink:
    """A number that was printed in a publication."""


@dataclass(frozen=True)
class MaterialLink:
    """A material, which has a page of its own: no source, but where to read on.

    Parameters
    ----------
    material : str
        Its name.
    """

    material: str


Link = RecordLink | RowsLink | PublishedLink | MaterialLink

#: Where printed numbers come from.
PUBLISHED = PublishedLink()


@dataclass(frozen=True)
class Entry:
    """An entry of a table.

    Parameters
    ----------
    text : str
        As shown, without its unit (which stands in the head of the column).
    link : RecordLink, RowsLink, PublishedLink or MaterialLink, optional
        Where a number came from; texts need none.
    """

    text: str
    link: Link | None = None


#: A line of a table; a plain text has no source.
Row = tuple[Entry | str, ...]


@dataclass(frozen=True)
class Table:
    """A table of a panel.

    Parameters
    ----------
    name : str
        For its CSV file; unique on the page.
    title : str
        Above the table.
    columns : tuple of str
        Heads, with units.
    rows : tuple of Row
        Each as long as `columns`.
    note : str
        Below the table.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    note: str = ""

    def __post_init__(self) -> None:
        wrong = [row for row in self.rows if len(row) != len(self.columns)]
        if wrong:
            raise ValueError(f"a row of table {self.name!r} has {len(wrong[0])} entries")

    def entries(self) -> list[list[Entry]]:
        """All entries as :class:`Entry`."""
        return [[entry if isinstance(entry, Entry) else Entry(entry) for entry in row] for row in self.rows]


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure of a panel.

    Parameters
    ----------
    name : str
        For its files; unique on the page.
    title : str
        What it shows; also read out where pictures cannot be seen.
    draw : callable
        Draws it, with :func:`softmode.style.figure_style`: called where the picture is wanted.
    """

    name: str
    title: str
    draw: Callable[[], Figure]


@dataclass(frozen=True, eq=False)
class RowList:
    """A list of materials, records and numbers that figures and tables of a panel were made from.

    Parameters
    ----------
    name : str
        For its CSV file; unique on the page, and not the name of a table.
    frame : pandas.DataFrame
        One row per number, with the columns ``record`` (file, relative to the study's folder) and ``digest``.
    """

    name: str
    frame: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Panel:
    """A section of a page: charts, figures, tables and words, made from the records of a run.

    Parameters
    ----------
    key : str
        Short name, used as anchor (``fig1a``).
    title : str
        What it shows (``Fig. 1a: …``).
    caption : str
        What is drawn, and from what.
    pictures, tables : tuples
        Empty where data are missing. A page shows pictures of panels that have no charts; the others are
        drawn for export.
    missing : tuple of str
        Sentences: which data the panel lacks, and what to do. Empty when it is complete.
    lists : tuple of RowList
        What its numbers were made from.
    charts : tuple of Chart
        What the page draws itself.
    chapter : str
        Heading of the part of the page it stands in.
    """

    key: str
    title: str
    caption: str
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    missing: tuple[str, ...] = ()
    lists: tuple[RowList, ...] = ()
    charts: tuple[Chart, ...] = ()
    chapter: str = ""


def row_list(name: str, parts: Mapping[Key, pd.DataFrame]) -> tuple[RowList, dict[Key, RowsLink]]:
    """Join row lists into one, and say where each is in it.

    Parameters
    ----------
    name : str
        Of the list.
    parts : mapping of key to pandas.DataFrame
        What each number was made from, with the same columns.

    Returns
    -------
    RowList, dict
        The list, and the link to the rows of each key.
    """
    import pandas as pd

    links: dict[Key, RowsLink] = {}
    line = 2  # line 1 is the header
    for key, part in parts.items():
        links[key] = RowsLink(name, line, line + len(part) - 1)
        line += len(part)
    frames = [part for part in parts.values() if len(part)]
    empty = next(iter(parts.values()), pd.DataFrame())
    return RowList(name, pd.concat(frames, ignore_index=True) if frames else empty), links


def telling(table: Table) -> Table:
    """A table without the columns that have dashes alone, or what the column before them has."""
    entries = table.entries()
    texts = [[row[at].text for row in entries] for at in range(len(table.columns))]
    kept = [
        at
        for at, own in enumerate(texts)
        if not entries or (set(own) != {NOTHING} and (at == 0 or own != texts[at - 1]))
    ]
    return replace(
        table,
        columns=tuple(table.columns[at] for at in kept),
        rows=tuple(tuple(row[at] for at in kept) for row in table.rows),
    )


def number(value: float | None, digits: int = 3, form: str = "") -> str:
    """Number with so many significant digits, or in a form such as ``+.3f``; a dash where there is none."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    rounded = format(value, form or f".{digits}g")
    if form or "e" not in rounded:
        return rounded
    return f"{float(rounded):.0f}" if abs(value) >= 1 and abs(value) < 1e7 else rounded


def signed(value: float, digits: int = 3) -> str:
    """A difference with its sign, in a sentence: ``+0.188``, ``−0.19`` with a true minus."""
    return f"{'−' if value < 0 else '+'}{number(abs(value), form=f'.{digits}f')}"


def named(material: str, formula: str) -> str:
    """A material by its formula, and its name where that is another."""
    return material if formula in ("", material) else f"{formula} ({material})"


def interval(
    value: float | None, low: float | None, high: float | None, digits: int = 3, form: str = ""
) -> str:
    """Number with its 95 % interval where it has one."""
    shown, *bounds = (number(given, digits, form) for given in (value, low, high))
    return shown if NOTHING in bounds else f"{shown} [{bounds[0]}, {bounds[1]}]"


def estimate(row: Mapping[Any, Any] | pd.Series, name: str, digits: int = 3, form: str = "") -> str:
    """Number with its interval, from the columns `name`, ``…_low`` and ``…_high`` of a row of a table."""
    found = (row.get(f"{name}{end}") for end in ("", "_low", "_high"))
    value, low, high = (None if given is None else float(given) for given in found)
    return interval(value, low, high, digits, form)


def percent(share: float | None) -> str:
    """A share in per cent; a dash where there is none."""
    return NOTHING if share is None or math.isnan(share) else f"{100 * share:.0f} %"


def probability(value: float | None) -> str:
    """A significance."""
    if value is None or math.isnan(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def entry(value: float | int | None, link: Link | None, digits: int = 3) -> Entry:
    """Entry of a table: a number with its source; a dash without a source where there is none."""
    return linked([str(value) if isinstance(value, int) else number(value, digits)], link)[0]


def linked(texts: Iterable[str], link: Link | None) -> tuple[Entry, ...]:
    """Entries of a table that share a source; dashes have none."""
    return tuple(Entry(text, None if text == NOTHING else link) for text in texts)
