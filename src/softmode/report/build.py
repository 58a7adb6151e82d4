"""Build a study's report: CSV tables, PNG and PDF figures, and the self-contained page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import pandas as pd

from softmode.files import file_name, write_atomically
from softmode.leaderboard.beside import candidates_of_study
from softmode.panel import Panel, RecordLink
from softmode.published import CITATION, published_confusion_matrices
from softmode.report.bands import band_figure
from softmode.report.data import ReportData, collect
from softmode.report.field_metrics import field_metrics_panel
from softmode.report.figures import HARMONIC_FIGURES
from softmode.report.leaderboard import leaderboard_panel
from softmode.report.maps import collect_maps
from softmode.report.md import collect_md
from softmode.report.paired import paired_section
from softmode.report.panels import csv_files, draw_pictures, panel_section, panel_tables
from softmode.report.rendering import add_figure
from softmode.report.screening import collect_screening
from softmode.report.section import Drawn, Section
from softmode.report.sigma_course import course_figure
from softmode.report.sigma_figures import (
    MATERIAL_FIGURES,
    SIGMA_FIGURES,
    confusion_figure,
    sigma_against_phonon_error,
)
from softmode.report.site import render_page
from softmode.study.field_metrics import field_metrics_table
from softmode.study.folder import Study
from softmode.study.panels import panels_of
from softmode.study.sigma_results import COMPARED, confusion, error_correlations
from softmode.style import colours

#: Parts of the page that some studies have, by their name in its template.
_SECTIONS: Mapping[str, Callable[[Study, pd.DataFrame], Section | None]] = {
    "screening": collect_screening,
    "md": collect_md,
    "maps": collect_maps,
}


def _figures(data: ReportData) -> Iterator[Drawn]:
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
            if course := course_figure(records, formula):
                yield f"evaluated_{file_name(material)}", f"As frames were evaluated: {formula}", course


def build_report(
    study: Study, cells: pd.DataFrame | None = None, panels: Sequence[Panel] | None = None
) -> Path:
    """Write ``report/`` in the study's folder.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    cells : pandas.DataFrame, optional
        Its table, from :func:`softmode.study.results.cell_table`, where it is known already.
    panels : sequence of Panel
        Further sections of the page; those that the measurements make when not given.

    Returns
    -------
    Path
        The page, ``report/index.html``; beside it ``figures/*.png|pdf`` and ``tables/*.csv``.

    Raises
    ------
    StorageError
        If something cannot be written.
    ValueError
        If two figures or two tables have the same name.
    """
    data, seed = collect(study, cells), study.settings.conditions.seed
    panels = panels_of(study, data.cells) if panels is None else panels
    found = {name: of_section(study, data.cells) for name, of_section in _SECTIONS.items()}
    sections = {name: section for name, section in found.items() if section is not None}
    tables = {
        "cells": data.cells,
        "ranking": data.ranking,
        "confusion": data.confusion,
        "failures": data.failures,
        "records": data.records,
    }
    if data.has_phonons:
        tables["field_metrics"] = field_metrics_table(data.cells, seed)
        in_pairs = paired_section(data)
        if in_pairs is not None:
            panels, tables["pairs"] = [in_pairs[0], *panels], in_pairs[1]
        panels = [field_metrics_panel(data, tables["field_metrics"]), *panels]
    if data.has_phonons or data.has_sigma:
        beside, why_not = candidates_of_study(study, data.cells)
        own = [leaderboard_panel(beside, why_not, seed)]
        panels = [*own, *panels] if beside else [*panels, *own]
    if data.has_sigma:
        tables["sigma_correlations"] = error_correlations(data.cells, seed)
    for section in sections.values():
        tables |= section.tables
    files = csv_files(panel_tables(panels, tables))
    pictures: dict[str, tuple[str, bytes]] = {}
    for name, title, figure in chain(_figures(data), *(section.figures() for section in sections.values())):
        pictures[name] = (title, add_figure(files, name, figure))
    for section in sections.values():
        files |= section.files()
    shown = [panel_section(panel, draw_pictures(files, panel), _record) for panel in panels]
    files["index.html"] = render_page(data, pictures, sections, shown).encode()
    for name, content in files.items():
        write_atomically(study.folder / "report" / name, content)
    return study.folder / "report" / "index.html"


def _record(link: RecordLink) -> str:
    return f"../{link.file}"
