"""Build a study's report: CSV tables, PNG and PDF figures, and the self-contained page."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from softmode.report.bands import BandOverlay, band_figure, band_overlay
from softmode.report.figures import HARMONIC_FIGURES
from softmode.report.site import render_page
from softmode.report.style import colours
from softmode.study.folder import Study
from softmode.study.records import write_atomically
from softmode.study.results import OK, cell_table, extremes, failures, ranking, record_index


@dataclass(frozen=True, eq=False)
class ReportData:
    """All a page shows.

    Parameters
    ----------
    study : Study
        Where it comes from.
    cells, ranking, failures, records : pandas.DataFrame
        The tables.
    overlays : dict of str to list of BandOverlay
        Best, median and worst material by potential.
    """

    study: Study
    cells: pd.DataFrame
    ranking: pd.DataFrame
    failures: pd.DataFrame
    records: pd.DataFrame
    overlays: dict[str, list[BandOverlay]]

    @property
    def has_results(self) -> bool:
        """Whether any cell has a result to draw."""
        return bool((self.cells["state"] == OK).any())


def collect(study: Study) -> ReportData:
    """Read everything a report needs from the records of a study."""
    cells = cell_table(study)
    overlays: dict[str, list[BandOverlay]] = {}
    for potential in dict.fromkeys(cells["potential"]):
        chosen = extremes(cells, potential)
        found = [band_overlay(study, potential, material, role) for role, material in chosen.items()]
        overlays[potential] = [overlay for overlay in found if overlay is not None]
    return ReportData(
        study=study,
        cells=cells,
        ranking=ranking(cells, study.settings.seed),
        failures=failures(cells),
        records=record_index(study),
        overlays=overlays,
    )


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
