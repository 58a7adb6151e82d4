"""Write the page, its PDF, figures and tables."""

from __future__ import annotations

import contextlib
import json
from dataclasses import astuple, dataclass
from pathlib import Path

import pandas as pd

from softmode.files import write_atomically
from softmode.panel import Panel
from softmode.report.panels import csv_files, draw_pictures, panel_tables
from softmode.report.paper.page import render_paper
from softmode.report.paper.panels import PANELS
from softmode.report.paper.pdf import render_pdf
from softmode.report.paper.source import PaperData, collect_paper
from softmode.study.folder import Study
from softmode.study.results import failures

_WRITTEN = "files.json"


@dataclass(frozen=True)
class BuiltPaper:
    """What was written.

    Parameters
    ----------
    page, pdf : Path
        ``index.html`` and ``paper.pdf``; beside them ``figures/`` and ``tables/``.
    panels : tuple of Panel
        In order.
    """

    page: Path
    pdf: Path
    panels: tuple[Panel, ...]


def build_paper(study: Study, folder: Path | None = None, cells: pd.DataFrame | None = None) -> BuiltPaper:
    """Write the page that follows the paper.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    folder : Path, optional
        Where to; ``paper/`` in the study's folder when not given.
    cells : pandas.DataFrame, optional
        Its table, from :func:`softmode.study.results.cell_table`, where it is known already.

    Raises
    ------
    StorageError
        If something cannot be written.
    """
    folder = study.folder / "paper" if folder is None else folder
    data = collect_paper(study, cells)
    panels = tuple(make(data) for make in PANELS)
    tables = {"records": _all_records(data), "failures": failures(data.cells)}
    files = csv_files(panel_tables(panels, tables))
    pictures: dict[str, bytes] = {}
    for panel in panels:
        pictures |= draw_pictures(files, panel)
    files["paper.pdf"] = render_pdf(data, panels, pictures)
    files["index.html"] = render_paper(data, panels, pictures, folder).encode()
    _write(folder, files)
    return BuiltPaper(folder / "index.html", folder / "paper.pdf", panels)


def _all_records(data: PaperData) -> pd.DataFrame:
    columns = ["material", "potential", "measurement", "digest", "record"]
    return pd.DataFrame([astuple(link) for link in data.links.values()], columns=columns)


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Write all files, the page last; what an earlier page had and this one has not is removed."""
    earlier = _written_before(folder)
    for name, content in files.items():
        write_atomically(folder / name, content)
    write_atomically(folder / _WRITTEN, json.dumps(sorted(files), indent=1).encode())
    for name in earlier - set(files):
        with contextlib.suppress(OSError):
            (folder / name).unlink(missing_ok=True)


def _written_before(folder: Path) -> set[str]:
    """Files of an earlier page in `folder`, of those kinds that a page has."""
    try:
        names = json.loads((folder / _WRITTEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return set()
    beginnings = ("figures/", "tables/")
    return {
        name for name in names if isinstance(name, str) and name.startswith(beginnings) and ".." not in name
    }
