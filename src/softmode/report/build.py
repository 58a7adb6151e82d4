"""Build a study's report: CSV tables, PNG and PDF figures, and the self-contained page."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from softmode.published import CITATION, published_confusion_matrices
from softmode.report.bands import band_figure
from softmode.report.data import ReportData, collect
from softmode.report.figures import HARMONIC_FIGURES
from softmode.report.maps import collect_maps, map_figures, map_files
from softmode.report.md import collect_md, md_figures
from softmode.report.rendering import png_and_pdf
from softmode.report.screening import collect_screening, screening_figures
from softmode.report.sigma_figures import (
    MATERIAL_FIGURES,
    SIGMA_FIGURES,
    confusion_figure,
    sigma_against_phonon_error,
)
from softmode.report.site import render_page
from softmode.report.text import file_name
from softmode.study.folder import Study
from softmode.study.records import write_atomically
from softmode.study.sigma_results import COMPARED, confusion, error_correlations
from softmode.style import colours


def _figures(data: ReportData) -> Iterator[tuple[str, str, Figure]]:
    """File name, title and figure of everything that can be drawn."""
    if data.has_phonons:
        for name, title, draw in HARMONIC_FIGURES:
            yield name, title, draw(data.cells)
        colour = colours(data.potentials)
        for potential, overlays in data.overlays.items():
            if overlays:
                figure = band_figure(overlays, colour[potential])
                yield f"bands_{file_name(potential)}", f"Band structures, {potential}", figure
    if data.has_sigma:
        matrices = {
            (approach, potential): confusion(data.cells, potential, approach)
            for approach in COMPARED
            for potential in data.potentials
        }
        yield "confusion", "Classes of dynamic stability", confusion_figure(matrices)
        published = published_confusion_matrices()
        if {name for _, name in published} & set(data.potentials):
            yield "confusion_published", "The same, as published", confusion_figure(published, CITATION)
        for name, title, draw in SIGMA_FIGURES:
            if data.has_phonons or draw is not sigma_against_phonon_error:
                yield name, title, draw(data.cells)
        for material, records in data.sigma_records.items():
            formula = data.formula(material)
            for name, title, draw_material in MATERIAL_FIGURES:
                figure = draw_material(records, formula)
                yield f"{name}_{file_name(material)}", f"{title}: {formula}", figure


def build_report(study: Study, cells: pd.DataFrame | None = None) -> Path:
    """Write ``report/`` in the study's folder.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    cells : pandas.DataFrame, optional
        Its table, from :func:`softmode.study.results.cell_table`, where it is known already.

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
    data = collect(study, cells)
    tables = {
        "cells": data.cells,
        "ranking": data.ranking,
        "confusion": data.confusion,
        "failures": data.failures,
        "records": data.records,
    }
    if data.has_sigma:
        tables["sigma_correlations"] = error_correlations(data.cells, study.settings.seed)
    screening = collect_screening(study, data.cells)
    if screening is not None:
        tables |= screening.tables
    dynamics = collect_md(study, data.cells)
    if dynamics is not None:
        tables |= dynamics.tables
    maps = collect_maps(study, data.cells)
    if maps is not None:
        tables |= maps.tables
        for name, content in map_files(maps):
            write_atomically(folder / "chemiscope" / name, content)
    for name, table in tables.items():
        write_atomically(folder / "tables" / f"{name}.csv", table.to_csv(index=False).encode())
    pictures: dict[str, tuple[str, bytes]] = {}
    alone = screening_figures(screening) if screening is not None else ()
    moving = md_figures(dynamics) if dynamics is not None else ()
    mapped = map_figures(maps) if maps is not None else ()
    for name, title, figure in chain(_figures(data), alone, moving, mapped):
        png, pdf = png_and_pdf(figure)
        pictures[name] = (title, png)
        write_atomically(folder / "figures" / f"{name}.png", png)
        write_atomically(folder / "figures" / f"{name}.pdf", pdf)
    page = folder / "index.html"
    write_atomically(page, render_page(data, pictures, screening, dynamics, maps).encode())
    return page
