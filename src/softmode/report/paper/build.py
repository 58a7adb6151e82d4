"""Write the page that follows the paper, and its tables and figures."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from pathlib import Path

import pandas as pd

from softmode.panel import Panel
from softmode.published import CITATION, DOI_URL, published_trajectories
from softmode.report.build import NAMED, pictures_of, record_target, write_page
from softmode.report.contents import notices, page_of_study
from softmode.report.detail_parts import parts_of
from softmode.report.panels import csv_files, exported, panel_tables
from softmode.report.paper.missing import listed
from softmode.report.paper.panels import CHAPTERS, PANELS
from softmode.report.paper.source import PaperData, collect_paper
from softmode.study.folder import Study
from softmode.study.results import failures, functional_statements

_PROTOCOL = "yang2026"


@dataclass(frozen=True)
class BuiltPaper:
    """What was written.

    Parameters
    ----------
    page : Path
        ``index.html``; beside it ``tables/`` and, where asked for, ``figures/``.
    panels : tuple of Panel
        In order.
    """

    page: Path
    panels: tuple[Panel, ...]


def build_paper(
    study: Study,
    folder: Path | None = None,
    cells: pd.DataFrame | None = None,
    *,
    figures: bool = False,
) -> BuiltPaper:
    """Write the page that follows the paper.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    folder : Path, optional
        Where to; ``paper/`` in the study's folder when not given.
    cells : pandas.DataFrame, optional
        Its table, from :func:`softmode.study.results.cell_table`, where it is known already.
    figures : bool
        Whether figures are written, as ``figures/*.png|svg|pdf``.

    Raises
    ------
    StorageError
        If something cannot be written.
    """
    folder = study.folder / "paper" if folder is None else folder
    data = collect_paper(study, cells)
    made = [make(data) for make in PANELS]
    panels = tuple(replace(panel, chapter=_chapter(panel.key)) for panel in made)
    tables = {"records": _all_records(data), "failures": failures(data.cells)}
    parts = parts_of(study, folder)
    page = page_of_study(
        study,
        data.cells,
        panels,
        record_target(study, folder),
        parts,
        kind="paper",
        title=f"{study.settings.name}: beside the paper",
        lead=_lead(data),
        notices=(*paper_notices(data), *functional_statements(data.cells), *notices(data.cells)),
    )
    drawn = exported(pictures_of(study, panels, data.cells, page)) if figures else {}
    written = write_page(folder, page, csv_files(panel_tables(panels, tables)), parts, drawn)
    return BuiltPaper(written, panels)


def _chapter(key: str) -> str:
    return next((name for name, keys in CHAPTERS.items() if key in keys), "Beyond the paper")


def _lead(data: PaperData) -> str:
    names, n = [data.shown_as(label) for label in data.labels], data.cells["material"].nunique()
    named = ", ".join(names) if len(names) <= NAMED else f"{len(names)} potentials"
    return (
        f"The tables and figures of {CITATION} ({DOI_URL}), made from the records of this run: "
        f"{n} material{'s' if n != 1 else ''} with {named}."
    )


def _all_records(data: PaperData) -> pd.DataFrame:
    columns = ["material", "potential", "measurement", "digest", "record"]
    return pd.DataFrame([astuple(link) for link in data.links.values()], columns=columns)


def paper_notices(data: PaperData) -> list[str]:
    """How the run differs from the paper's study."""
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
