"""Build pages: document and app in one file, tables as CSV beside it, figures where asked for."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from softmode.files import write_atomically
from softmode.memory import collecting_later
from softmode.panel import Panel, Picture, RecordLink
from softmode.report.contents import in_chapters, page_of_study, shown_cells
from softmode.report.detail_parts import Parts, begun_parts
from softmode.report.document import Page
from softmode.report.drawing import Cells, drawn_charts
from softmode.report.page import page_html
from softmode.report.panels import RecordTarget, csv_files, exported, panel_tables
from softmode.report.selection import calls_panels, report_panels
from softmode.study.folder import Study
from softmode.study.results import cell_table, done, failures, ranking, read_headers, record_index
from softmode.study.sigma_results import with_learnt_classes
from softmode.study.verdict import Statement, verdict
from softmode.style import distinct

NO_PARTS = Parts((), {})
#: List of what a page has beside it.
_WRITTEN = "files.json"
#: Potentials up to which the page's first sentence names them.
NAMED = 4
_FOLDERS = ("figures/", "tables/", "parts/", "chemiscope/")


def build_report(
    study: Study,
    cells: pd.DataFrame | None = None,
    panels: Sequence[Panel] | None = None,
    *,
    said: Sequence[Statement] | None = None,
    folder: Path | None = None,
    figures: bool = False,
) -> Path:
    """Write the report of a study.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    cells : pandas.DataFrame, optional
        Its table, from :func:`softmode.study.results.cell_table`, where it is known already.
    panels : sequence of Panel
        What the page shows; all that joins measurements and all that they make when not given.
    said : sequence of Statement, optional
        The verdict, where it is known already.
    folder : Path, optional
        Where to; ``report/`` in the study's folder when not given.
    figures : bool
        Whether figures are written, as ``figures/*.png|svg|pdf``, and maps for chemiscope.

    Returns
    -------
    Path
        The page, ``index.html``; beside it ``tables/*.csv``.

    Raises
    ------
    StorageError
        If something cannot be written.
    ValueError
        If two figures or two tables have the same name.
    """
    return reported(study, cells, panels, said=said, folder=folder, figures=figures).page


@dataclass(frozen=True, eq=False)
class Reported:
    """A page that is written, and what it says.

    Parameters
    ----------
    page : Path
        The page.
    cells : pandas.DataFrame
        The study's table.
    said : tuple of Statement
        The verdict.
    """

    page: Path
    cells: pd.DataFrame
    said: tuple[Statement, ...]


def reported(
    study: Study,
    cells: pd.DataFrame | None = None,
    panels: Sequence[Panel] | None = None,
    *,
    said: Sequence[Statement] | None = None,
    folder: Path | None = None,
    figures: bool = False,
) -> Reported:
    """Write the report of a study as :func:`build_report`, and return what it says, too."""
    folder = study.folder / "report" if folder is None else folder
    with collecting_later(), begun_parts(study, folder) as parts:
        headers = read_headers(study)
        cells = cell_table(study, headers) if cells is None else cells
        ranked, index = ranking(cells, study.settings.conditions.seed), record_index(study, headers)
        if panels is None:
            panels = [*report_panels(study, cells, ranked), *calls_panels(index)]
        panels, said = in_chapters(panels), tuple(verdict(study, cells) if said is None else said)
        tables = {
            "cells": with_learnt_classes(cells, study.settings.conditions.seed),
            "failures": failures(cells),
            "records": index,
        }
        written, details = csv_files(panel_tables(panels, tables)), parts()
    page = page_of_study(
        *(study, cells, panels, record_target(study, folder), details),
        kind="report",
        lead=lead_of(cells),
        verdict=said,
    )
    files: dict[str, bytes] = {}
    if figures:
        files = exported(pictures_of(study, panels, cells, page)) | dict(maps_for_chemiscope(study, cells))
    return Reported(write_page(folder, page, written, details, files), cells, said)


def lead_of(cells: pd.DataFrame) -> str:
    """What was measured, with what, in a sentence."""
    names, n = distinct(cells["potential"]), cells["material"].nunique()
    names = names if len(names) <= NAMED else [f"{len(names)} potentials"]
    said = (
        f"Phonons of {', '.join(names)} against the reference (DFT)"
        if len(done(cells, "harmonic"))
        else f"What {', '.join(names)} say{'s' if cells['potential'].nunique() == 1 else ''}"
    )
    return f"{said}, {n} material{'s' if n != 1 else ''}."


def record_target(study: Study, folder: Path) -> RecordTarget:
    """Where records are, from a page in a folder: in files of their own or in packs."""
    to_study = Path(os.path.relpath(study.folder.resolve(), folder.resolve()))

    def target(link: RecordLink) -> str:
        return (to_study / study.holder(link.digest)).as_posix()

    return target


def pictures_of(study: Study, panels: Sequence[Panel], cells: pd.DataFrame, page: Page) -> list[Picture]:
    """Everything that can be exported as a figure: pictures of panels, and their charts drawn."""
    of_page = Cells(shown_cells(study, cells), {column.name: column.label for column in page.columns})
    return [picture for panel in panels for picture in (*panel.pictures, *drawn_charts(panel, of_page))]


def maps_for_chemiscope(study: Study, cells: pd.DataFrame) -> Iterator[tuple[str, bytes]]:
    """Files of :mod:`softmode.report.chemiscope_file`, which is heavy, where there are maps."""
    if "map_state" in cells:
        from softmode.report.chemiscope_file import chemiscope_files

        yield from chemiscope_files(study, cells)


def write_page(
    folder: Path,
    page: Page,
    tables: Mapping[str, bytes],
    parts: Parts = NO_PARTS,
    others: Mapping[str, bytes] = MappingProxyType({}),
    name: str = "index.html",
) -> Path:
    """Write a page and what lies beside it, the page last; what an earlier page had and this has not goes.

    Parameters
    ----------
    folder : Path
        Where to.
    page : Page
        What it shows.
    tables : mapping of str to bytes
        From :func:`softmode.report.panels.csv_files`.
    parts : Parts
        Details of materials, inside the page or beside it.
    others : mapping of str to bytes
        Figures and the like, by path beside the page.
    name : str
        Of the page's file.
    """
    files = dict(tables) | parts.files() | dict(others)
    files[name] = page_html(page, parts.encoded if parts.inside else ()).encode()
    earlier = _written_before(folder)
    for file, content in files.items():
        if not _is_there(folder / file, content):  # each that is written is waited for
            write_atomically(folder / file, content)
    write_atomically(folder / _WRITTEN, json.dumps(sorted(files), indent=1).encode())
    for file in earlier - set(files):
        with contextlib.suppress(OSError):
            (folder / file).unlink(missing_ok=True)
    return folder / name


def _is_there(path: Path, content: bytes) -> bool:
    """Whether a file has this content already."""
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def _written_before(folder: Path) -> set[str]:
    """Files of an earlier page in `folder`, of those kinds that a page has."""
    try:
        names = json.loads((folder / _WRITTEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    return {
        name for name in names if isinstance(name, str) and name.startswith(_FOLDERS) and ".." not in name
    }
