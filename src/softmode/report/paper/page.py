"""The page: self-contained HTML; every number leads to the record, the row list or the paper it came from."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from softmode import __version__
from softmode.panel import (
    NOTHING,
    Entry,
    Link,
    Panel,
    PublishedLink,
    RecordLink,
    RowsLink,
    Table,
)
from softmode.published import CITATION, DOI_URL, published_trajectories
from softmode.report.method import method_lines
from softmode.report.paper.missing import listed
from softmode.report.paper.source import PaperData

_SHOWN_DIGITS = 12
_PROTOCOL = "yang2026"
_PIXELS_PER_INCH = 110
_NUMBER = re.compile(r"^[-+−<>≤≥≈\[]*\s?[\d∞]")


def record_anchor(link: RecordLink) -> str:
    """Anchor of a record in the page's list of records."""
    return f"record-{link.digest[:_SHOWN_DIGITS]}"


def target(link: Link) -> str:
    """Where a link leads, from the page."""
    if isinstance(link, RecordLink):
        return f"#{record_anchor(link)}"
    if isinstance(link, PublishedLink):
        return DOI_URL
    rows = f"#row={link.first}-{link.last}" if link.last >= link.first else ""
    return f"tables/{link.name}.csv{rows}"


def source_words(link: Link) -> str:
    """What a number came from, in words."""
    if isinstance(link, RecordLink):
        return f"record {link.digest}"
    if isinstance(link, PublishedLink):
        return CITATION
    return rows_words(link)


def rows_words(link: RowsLink) -> str:
    """Which lines of which list, in words."""
    if link.last < link.first:
        return f"no row of tables/{link.name}.csv"
    if link.last == link.first:
        return f"line {link.first} of tables/{link.name}.csv"
    return f"lines {link.first} to {link.last} of tables/{link.name}.csv"


def linked_records(panels: Sequence[Panel]) -> list[RecordLink]:
    """Records that numbers of the page came from, each once."""
    found = {
        entry.link.digest: entry.link
        for panel in panels
        for table in panel.tables
        for row in table.entries()
        for entry in row
        if isinstance(entry.link, RecordLink)
    }
    return sorted(found.values(), key=lambda link: (link.material, link.potential, link.measurement))


def _entry(entry: Entry) -> dict[str, str]:
    link = entry.link
    kind = "printed" if isinstance(link, PublishedLink) else "number" if link is not None else ""
    return {
        "text": entry.text,
        "kind": kind,
        "href": "" if link is None else target(link),
        "source": "" if link is None else source_words(link),
    }


def text_columns(table: Table) -> list[bool]:
    """Which columns of a table are aligned as text: something in them does not begin as a number."""
    columns = zip(*table.entries(), strict=True) if table.rows else [()] * len(table.columns)
    said = [[entry.text for entry in column if entry.text not in ("", NOTHING)] for column in columns]
    return [not texts or not all(map(_NUMBER.match, texts)) for texts in said]


def _panel(panel: Panel, pictures: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "key": panel.key,
        "title": panel.title,
        "caption": panel.caption,
        "missing": panel.missing,
        "pictures": [
            {
                "name": picture.name,
                "title": picture.title,
                "width": round(_PIXELS_PER_INCH * float(picture.figure.get_figwidth())),
                "data": base64.b64encode(pictures[picture.name]).decode(),
            }
            for picture in panel.pictures
        ],
        "tables": [
            {
                "name": table.name,
                "title": table.title,
                "columns": table.columns,
                "is_text": text_columns(table),
                "rows": [[_entry(entry) for entry in row] for row in table.entries()],
                "note": table.note,
            }
            for table in panel.tables
        ],
        "lists": [{"name": item.name, "n": len(item.frame)} for item in panel.lists],
    }


def render_paper(
    data: PaperData, panels: Sequence[Panel], pictures: Mapping[str, bytes], folder: Path
) -> str:
    """HTML of the page.

    Parameters
    ----------
    data : PaperData
        The run.
    panels : sequence of Panel
        In order.
    pictures : mapping of str to bytes
        PNG of each picture, by name.
    folder : Path
        Where the page will lie; links to records are relative to it.
    """
    environment = Environment(loader=PackageLoader("softmode.report"), autoescape=True, trim_blocks=True)
    records = [
        {
            "anchor": record_anchor(link),
            "material": link.material,
            "potential": link.potential,
            "measurement": link.measurement,
            "digest": link.digest,
            "href": relative_to_page(data, link, folder),
        }
        for link in linked_records(panels)
    ]
    return environment.get_template("paper.html.j2").render(
        title=data.study.settings.name,
        version=__version__,
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        citation=CITATION,
        doi=DOI_URL,
        n_materials=data.cells["material"].nunique(),
        potentials=[data.shown_as(label) for label in data.labels],
        protocol=data.study.settings.protocol.name,
        protocol_lines=method_lines(data.study.settings),
        panels=[_panel(panel, pictures) for panel in panels],
        records=records,
        notices=notices(data),
    )


def notices(data: PaperData) -> list[str]:
    """What a reader must know before anything else: how the run differs from the paper's study."""
    said = []
    n_run, n_paper = data.cells["material"].nunique(), published_trajectories().n_valid
    if n_run < n_paper:
        said.append(f"This run holds {n_run} materials; the paper's figures are of up to {n_paper}.")
    named = [item.label for item in data.potentials if item.paper_name and item.by_label_only]
    if named:
        said.append(
            f"Only by the label that the study file gives them {listed(named)} "
            f"{'is a model' if len(named) == 1 else 'are models'} of the paper: what they really are stands "
            "in Table 1."
        )
    if data.study.settings.protocol.name != _PROTOCOL:
        said.append(
            f"Protocol {data.study.settings.protocol.name}, not {_PROTOCOL}: some settings are not the "
            "paper's; they stand under How."
        )
    return said


def relative_to_page(data: PaperData, link: RecordLink, folder: Path) -> str:
    """Path of a record's file from the page's folder, with forward slashes."""
    file = (data.study.folder / link.file).resolve()
    return Path(os.path.relpath(file, folder.resolve())).as_posix()
