"""The PDF: a first sheet that says what is there, then one or more sheets a panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from softmode import __version__
from softmode.panel import Entry, Panel, PublishedLink, RecordLink, Table
from softmode.published import CITATION, DOI_URL
from softmode.report.method import method_lines
from softmode.report.panels import linked_records, target, text_columns
from softmode.report.paper.page import notices, record_anchor
from softmode.report.paper.pdf_layout import Sheets, Words
from softmode.report.paper.source import PaperData

_ACCENT, _PRINTED, _LACKS, _GROUND = "#00568A", "#8A5A00", "#D55E00", "#FDF3EC"
_NOTICE = "#CC79A7"
_SOFT = "#555555"
_PICTURE_SCALE = 0.92 * 72  # pt an inch of the figure


def render_pdf(data: PaperData, panels: Sequence[Panel], pictures: Mapping[str, bytes]) -> bytes:
    """PDF of the page; what is underlined there leads from here to the page beside it.

    Parameters
    ----------
    data : PaperData
        The run.
    panels : sequence of Panel
        In order.
    pictures : mapping of str to bytes
        PNG of each picture, by name.
    """
    sheets = Sheets(f"{data.study.settings.name}: beside the paper")
    _first(sheets, data, panels)
    for panel in panels:
        sheets.new_sheet()
        sheets.paragraph(panel.title, 14, weight="bold")
        sheets.space(5)
        if panel.missing:
            sheets.boxed("Lacks", panel.missing, _LACKS, _GROUND)
        sheets.paragraph(panel.caption, 8.8, colour=_SOFT)
        sheets.space(8)
        for picture in panel.pictures:
            wanted = _PICTURE_SCALE * float(picture.figure.get_figwidth())
            sheets.picture(pictures[picture.name], wanted, picture.title)
        for table in panel.tables:
            _table(sheets, table)
    _records(sheets, panels)
    return sheets.finish()


def _first(sheets: Sheets, data: PaperData, panels: Sequence[Panel]) -> None:
    sheets.new_sheet()
    sheets.paragraph(f"{data.study.settings.name}: beside the paper", 18, weight="bold")
    sheets.space(6)
    sheets.paragraph(CITATION, 9, colour=_PRINTED, url=DOI_URL)
    sheets.space(6)
    potentials = ", ".join(data.shown_as(label) for label in data.labels)
    protocol = data.study.settings.conditions.protocol.name
    sheets.paragraph(
        f"Its tables and figures, made from the records of this run: {data.cells['material'].nunique()} "
        f"materials with {potentials}, protocol {protocol}, softmode {__version__}. "
        "Blue numbers lead to index.html beside this file, and from there to the records they came from; "
        "brown ones were printed in the paper.",
        9,
    )
    sheets.space(6)
    if said := notices(data):
        sheets.boxed("Note", said, _NOTICE, "#FAF1F6")
    sheets.space(8)
    rows = [
        [Words(panel.title), Words("complete" if not panel.missing else f"lacks data ({len(panel.missing)})")]
        for panel in panels
    ]
    sheets.table(("panel", "state"), rows, (True, True), size=8)
    sheets.space(10)
    sheets.paragraph("How", 11, weight="bold")
    for line in method_lines(data.study.settings):
        sheets.paragraph(f"• {line}", 8.2, colour=_SOFT)


def _table(sheets: Sheets, table: Table) -> None:
    sheets.keep_together(60)
    sheets.space(8)
    sheets.paragraph(table.title, 9, weight="bold")
    sheets.space(2)
    rows = [[_entry(entry) for entry in row] for row in table.entries()]
    sheets.table(table.columns, rows, text_columns(table))
    if table.note:
        sheets.paragraph(table.note, 7.4, colour=_SOFT)


def _entry(entry: Entry) -> Words:
    if entry.link is None:
        return Words(entry.text)
    colour = _PRINTED if isinstance(entry.link, PublishedLink) else _ACCENT
    return Words(entry.text, target(entry.link, _record), colour)


def _record(link: RecordLink) -> str:
    return f"index.html{record_anchor(link)}"


def _records(sheets: Sheets, panels: Sequence[Panel]) -> None:
    records = linked_records(panels)
    if not records:
        return
    sheets.new_sheet()
    sheets.paragraph("Records", 14, weight="bold")
    sheets.space(4)
    sheets.paragraph(
        "Those that numbers of single materials came from; the digest names the file under records/.",
        8.8,
        colour=_SOFT,
    )
    rows = [
        [
            Words(link.material),
            Words(link.potential),
            Words(link.measurement),
            Words(link.digest, _record(link), _ACCENT),
        ]
        for link in records
    ]
    sheets.table(("material", "potential", "measurement", "SHA-256"), rows, (True,) * 4, size=6.4)
