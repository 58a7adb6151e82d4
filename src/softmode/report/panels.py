"""Panels on a page: what it is given of them, and their files."""

from __future__ import annotations

import base64
import csv
import io
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from softmode.panel import (
    NOTHING,
    Entry,
    Link,
    MaterialLink,
    Panel,
    Picture,
    PublishedLink,
    RecordLink,
    Table,
)
from softmode.published import CITATION, DOI_URL
from softmode.report.document import LinkedEntry, PagePanel, PagePicture, PageTable
from softmode.report.pictures import EXPORTED, drawn

logger = logging.getLogger(__name__)

#: Where the record of a number is, from the page.
RecordTarget = Callable[[RecordLink], str]

_PIXELS_PER_INCH = 110
_NUMBER = re.compile(r"^[-+−<>≤≥≈\[]*\s?[\d∞]")
_BEGIN_FORMULAS = frozenset("=+-@\t\r")
_KINDS = {RecordLink: "record", PublishedLink: "published", MaterialLink: "material"}


def target(link: Link, of_record: RecordTarget) -> str:
    """Where a link leads, from the page."""
    if isinstance(link, RecordLink):
        return of_record(link)
    if isinstance(link, MaterialLink):
        return link.material
    if isinstance(link, PublishedLink):
        return DOI_URL
    rows = f"#row={link.first}-{link.last}" if link.last >= link.first else ""
    return f"tables/{link.name}.csv{rows}"


def source_words(link: Link) -> str:
    """What a number came from, in words."""
    if isinstance(link, RecordLink):
        return f"record {link.digest}"
    if isinstance(link, MaterialLink):
        return f"all of {link.material}"
    if isinstance(link, PublishedLink):
        return CITATION
    if link.last < link.first:
        return f"no row of tables/{link.name}.csv"
    lines = f"line {link.first}" if link.last == link.first else f"lines {link.first} to {link.last}"
    return f"{lines} of tables/{link.name}.csv"


def text_columns(table: Table) -> list[bool]:
    """Which columns of a table are aligned as text: something in them does not begin as a number."""
    columns = zip(*table.entries(), strict=True) if table.rows else [()] * len(table.columns)
    said = [[entry.text for entry in column if entry.text not in ("", NOTHING)] for column in columns]
    return [not texts or not all(map(_NUMBER.match, texts)) for texts in said]


def _entry(entry: Entry, of_record: RecordTarget) -> str | LinkedEntry:
    link = entry.link
    if link is None:
        return entry.text
    return LinkedEntry(
        entry.text, _KINDS.get(type(link), "rows"), target(link, of_record), source_words(link)
    )


def page_panel(panel: Panel, of_record: RecordTarget) -> PagePanel:
    """What a page is given of a panel; pictures are drawn where it has no charts.

    Parameters
    ----------
    panel : Panel
        To be shown.
    of_record : callable
        Where a record is, from the page.
    """
    pictures, failed = [], []
    for picture in () if panel.charts else panel.pictures:
        try:
            pictures.append(_page_picture(picture))
        except Exception as error:  # a figure that fails must not take the page with it
            logger.warning("the picture %s fails", picture.name, exc_info=True)
            failed.append(f"{picture.title} cannot be drawn ({type(error).__name__}: {error}).")
    return PagePanel(
        panel.key,
        panel.title,
        panel.chapter,
        panel.caption,
        panel.charts,
        tuple(pictures),
        tuple(_page_table(table, of_record) for table in panel.tables),
        (*panel.missing, *failed),
        tuple({"name": item.name, "n": len(item.frame)} for item in panel.lists),
    )


def _page_picture(picture: Picture) -> PagePicture:
    figure = picture.draw()
    width = round(_PIXELS_PER_INCH * float(figure.get_figwidth()))
    data = base64.b64encode(drawn(figure, ("png",))["png"]).decode()
    return PagePicture(picture.name, picture.title, width, f"data:image/png;base64,{data}")


def _page_table(table: Table, of_record: RecordTarget) -> PageTable:
    rows = tuple(tuple(_entry(entry, of_record) for entry in row) for row in table.entries())
    return PageTable(table.name, table.title, table.columns, tuple(text_columns(table)), rows, table.note)


def exported(pictures: Sequence[Picture]) -> dict[str, bytes]:
    """Pictures as files beside the page, ``figures/NAME.png`` and the like.

    Raises
    ------
    ValueError
        If two have the same name.
    """
    files: dict[str, bytes] = {}
    for picture in pictures:
        if f"figures/{picture.name}.{EXPORTED[0]}" in files:
            raise ValueError(f"two figures of the page are called {picture.name!r}")
        files |= {f"figures/{picture.name}.{kind}": data for kind, data in drawn(picture.draw()).items()}
    return files


def panel_tables(panels: Sequence[Panel], others: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Tables and row lists of panels by name, after the other tables of the page.

    Raises
    ------
    ValueError
        If two have the same name.
    """
    frames = dict(others)
    for panel in panels:
        tables = [(table.name, shown_table(table)) for table in panel.tables]
        for name, frame in [*tables, *((item.name, item.frame) for item in panel.lists)]:
            if name in frames:
                raise ValueError(f"two tables of the page are called {name!r}")
            frames[name] = frame
    return frames


def shown_table(table: Table) -> pd.DataFrame:
    """Table as shown, with a column for the sources of each column that has any."""
    entries = table.entries()
    columns: dict[str, list[str]] = {}
    for place, head in enumerate(table.columns):
        name = head if head not in columns else f"{head} ({place + 1})"
        columns[name] = [row[place].text for row in entries]
        if any(row[place].link is not None for row in entries):
            columns[f"{name}, source"] = [
                "" if (link := row[place].link) is None else source_words(link) for row in entries
            ]
    return pd.DataFrame(columns)


def csv_files(frames: Mapping[str, pd.DataFrame]) -> dict[str, bytes]:
    """Tables as CSV files, by path beside the page."""
    return {
        f"tables/{name}.csv": csv_text(frame).encode("utf-8", "backslashreplace")
        for name, frame in frames.items()
    }


def csv_text(frame: pd.DataFrame) -> str:
    """A table as CSV, as pandas writes it in twice the time; no spreadsheet takes its texts for formulas."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=os.linesep)
    writer.writerow(frame.columns)
    writer.writerows(zip(*(_written(column) for _, column in frame.items()), strict=True))
    return text.getvalue()


def _written(column: pd.Series) -> list[Any]:
    """Cells of a column, None where there is nothing."""
    cells = column.to_numpy(object, na_value=None)
    return cells.tolist() if is_numeric_dtype(column) else [_text(cell) for cell in cells]


def _text(cell: Any) -> Any:
    """A text with an apostrophe before it where a spreadsheet would take it for a formula."""
    if not isinstance(cell, str) or cell[:1] not in _BEGIN_FORMULAS:
        return cell
    return cell if _NUMBER.match(cell) and not set(cell) & set("=@|!(") else f"'{cell}"
