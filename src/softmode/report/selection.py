"""The panels of a report: those that join measurements, and those that the measurements make."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from softmode.leaderboard.beside import candidates_of_study
from softmode.panel import Panel, Table
from softmode.report.cells import COST
from softmode.report.classes import classes_panel
from softmode.report.dynamics import dynamics_panels
from softmode.report.field_metrics import field_metrics_panel
from softmode.report.labels import labels_panel
from softmode.report.leaderboard import leaderboard_panel
from softmode.report.paired import paired_panel
from softmode.report.ranking import ranking_panel
from softmode.report.screening import screening_panel
from softmode.study.field_metrics import field_metrics_table
from softmode.study.folder import Study
from softmode.study.label_results import labelled, lattices_and_modes, open_labels
from softmode.study.panels import panels_of
from softmode.study.results import calls_made, done, ranking
from softmode.study.screening import ways

#: Panels that begin their chapters; those of the measurements come after them, then all others.
_FIRST = ("ranking", "screening", "labels")


def joined_panels(study: Study, cells: pd.DataFrame, ranked: pd.DataFrame) -> Iterator[Panel | None]:
    """Panels that join measurements, in order; None where a study has nothing for one.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    ranked : pandas.DataFrame
        From :func:`softmode.study.results.ranking`.
    """
    seed = study.settings.conditions.seed
    has_phonons, has_sigma = (not done(cells, name).empty for name in ("harmonic", "sigma"))
    if "harmonic_state" in cells:
        yield ranking_panel(ranked)
        if has_phonons:
            yield paired_panel(cells, ranked, seed)
            table = field_metrics_table(cells, seed)
            yield field_metrics_panel(cells, table, study.result, study.link)
    yield from _alone(study, cells)
    yield classes_panel(cells, seed)
    yield from dynamics_panels(study, cells)
    if has_phonons or has_sigma:
        yield leaderboard_panel(*candidates_of_study(study, cells), seed)


def _alone(study: Study, cells: pd.DataFrame) -> Iterator[Panel | None]:
    """What the potentials say alone, and labels beside it."""
    settings, seed = study.settings.labels, study.settings.conditions.seed
    labels = None if settings is None or not ways(cells) else open_labels(settings)
    scores = [] if labels is None else labelled(cells, labels, seed)
    yield screening_panel(study, cells, scores)
    if labels is not None and settings is not None:
        yield labels_panel(labels, scores, lattices_and_modes(cells, settings.path), seed)


def report_panels(study: Study, cells: pd.DataFrame, ranked: pd.DataFrame | None = None) -> list[Panel]:
    """All panels of a report; arguments as of :func:`joined_panels`."""
    ranked = ranking(cells, study.settings.conditions.seed) if ranked is None else ranked
    joined = [panel for panel in joined_panels(study, cells, ranked) if panel is not None]
    first = [panel for panel in joined if panel.key in _FIRST]
    return [*first, *panels_of(study, cells), *(panel for panel in joined if panel.key not in _FIRST)]


def calls_panels(index: pd.DataFrame) -> Iterator[Panel]:
    """Force calls of each potential, by the measurement they were made for.

    Parameters
    ----------
    index : pandas.DataFrame
        From :func:`softmode.study.results.record_index`.
    """
    made = calls_made(index)
    if made.empty:
        return
    heads = tuple(str(name).replace("_", " ") for name in made)
    rows = tuple(
        (str(name), *(f"{value:,}" for value in line)) for name, *line in made.itertuples(index=False)
    )
    yield Panel(
        "calls",
        "Force calls",
        "Configurations of which each potential gave energy and forces, by the measurement they were made "
        "for. What several measurements share is evaluated, and counted, once; tables/records.csv has the "
        "number of each record.",
        tables=(Table("force_calls", "Configurations evaluated", heads, rows),),
        chapter=COST,
    )
