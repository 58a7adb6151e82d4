"""Build a study's report: CSV tables, PNG and PDF figures, and the self-contained page."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure

from softmode.report.bands import band_figure
from softmode.report.data import collect
from softmode.report.figures import HARMONIC_FIGURES
from softmode.report.site import render_page
from softmode.report.style import colours
from softmode.study.folder import Study
from softmode.study.records import write_atomically


def _save(figure: Figure, folder: Path, name: str) -> None:
    for suffix in ("png", "pdf"):
        buffer = io.BytesIO()
        metadata = {"CreationDate": None} if suffix == "pdf" else {}
        figure.savefig(buffer, format=suffix, metadata=metadata)
        write_atomically(folder / f"{name}.{suffix}", buffer.getvalue())


def _file_name(text: str) -> str:
    return "".join(character if character.isalnum() or character in "-_." else "_" for character in text)


def build_report(study: Study) -> Path:
    """Write ``report/`` in the study's folder.

    Returns
    -------
    Path
        The page, ``report/index.html``; beside it ``figures/*.png|pdf`` and ``tables/*.csv``.

    Raises
    ------
    StorageError
        If something cannot be written.
    """
    folder = study.folder / "report"
    data = collect(study)
    tables = {
        "cells": data.cells,
        "ranking": data.ranking,
        "failures": data.failures,
        "records": data.records,
    }
    for name, table in tables.items():
        write_atomically(folder / "tables" / f"{name}.csv", table.to_csv(index=False).encode())
    if data.has_results:
        for name, _title, draw in HARMONIC_FIGURES:
            _save(draw(data.cells), folder / "figures", name)
        colour = colours(list(data.overlays))
        for potential, overlays in data.overlays.items():
            if overlays:
                figure = band_figure(overlays, colour[potential])
                _save(figure, folder / "figures", f"bands_{_file_name(potential)}")
    page = folder / "index.html"
    write_atomically(page, render_page(data).encode())
    return page
