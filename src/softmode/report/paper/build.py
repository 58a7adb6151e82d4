"""Write the page, its PDF, figures and tables."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from softmode.files import write_atomically
from softmode.panel import Panel, Table
from softmode.report.paper.page import render_paper, source_words
from softmode.report.paper.panels import PANELS
from softmode.report.paper.pdf import render_pdf
from softmode.report.paper.source import PaperData, collect_paper
from softmode.report.rendering import png_and_pdf
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
    files = _table_files(data, panels)
    pictures: dict[str, bytes] = {}
    for panel in panels:
        for picture in panel.pictures:
            png, pdf = png_and_pdf(picture.figure)
            pictures[picture.name] = png
            files |= {f"figures/{picture.name}.png": png, f"figures/{picture.name}.pdf": pdf}
    files["paper.pdf"] = render_pdf(data, panels, pictures)
    files["index.html"] = render_paper(data, panels, pictures, folder).encode()
    _write(folder, files)
    return BuiltPaper(folder / "index.html", folder / "paper.pdf", panels)


def _table_files(data: PaperData, panels: Sequence[Panel]) -> dict[str, bytes]:
    """All CSV files, by path."""
    frames = {
        "records": _all_records(data),
        "failures": failures(data.cells),
    }
    for panel in panels:
        for name, frame in [
            *((table.name, shown_table(table)) for table in panel.tables),
            *((item.name, item.frame) for item in panel.lists),
        ]:
            if name in frames:
                raise ValueError(f"two tables of the page are called {name!r}")
            frames[name] = frame
    return {f"tables/{name}.csv": frame.to_csv(index=False).encode() for name, frame in frames.items()}


def _all_records(data: PaperData) -> pd.DataFrame:
    columns = ["material", "potential", "measurement", "digest", "record"]
    rows = [
        (link.material, link.potential, link.measurement, link.digest, link.file)
        for link in data.links.values()
    ]
    return pd.DataFrame(rows, columns=columns)


def shown_table(table: Table) -> pd.DataFrame:
    """Table as shown, with a column for the sources of each column that has any."""
    cells = table.entries()
    columns: dict[str, list[str]] = {}
    for place, head in enumerate(table.columns):
        name = head if head not in columns else f"{head} ({place + 1})"
        columns[name] = [row[place].text for row in cells]
        if any(row[place].link is not None for row in cells):
            columns[f"{name}, source"] = [
                "" if (link := row[place].link) is None else source_words(link) for row in cells
            ]
    return pd.DataFrame(columns)


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
