"""The page: self-contained HTML; every number leads to the record, the row list or the paper it came from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from softmode.panel import Panel, RecordLink
from softmode.published import CITATION, DOI_URL, published_trajectories
from softmode.report.method import method_lines
from softmode.report.panels import linked_records, panel_section
from softmode.report.paper.missing import listed
from softmode.report.paper.source import PaperData
from softmode.report.rendering import render

_SHOWN_DIGITS = 12
_PROTOCOL = "yang2026"


def record_anchor(link: RecordLink) -> str:
    """Where a record is in the page's list of records."""
    return f"#record-{link.digest[:_SHOWN_DIGITS]}"


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
    to_study = Path(os.path.relpath(data.study.folder.resolve(), folder.resolve()))
    records = [
        {
            "anchor": record_anchor(link).removeprefix("#"),
            "link": link,
            "href": (to_study / link.file).as_posix(),
        }
        for link in linked_records(panels)
    ]
    return render(
        "paper.html.j2",
        title=data.study.settings.name,
        citation=CITATION,
        doi=DOI_URL,
        n_materials=data.cells["material"].nunique(),
        potentials=[data.shown_as(label) for label in data.labels],
        protocol=data.study.settings.conditions.protocol.name,
        protocol_lines=method_lines(data.study.settings),
        panels=[panel_section(panel, pictures, record_anchor) for panel in panels],
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
    protocol = data.study.settings.conditions.protocol.name
    if protocol != _PROTOCOL:
        said.append(
            f"Protocol {protocol}, not {_PROTOCOL}: some settings are not the paper's; they stand under How."
        )
    return said
