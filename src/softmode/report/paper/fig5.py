"""Fig. 5: do errors of phonons go with errors of the score? Fluorides, those of Table 2 marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softmode.anharmonic.classes import CLASSES
from softmode.measurements.harmonic_panels import VG, W2
from softmode.panel import Entry, Panel, Picture, Row, RowList, RowsLink, Table, interval, number
from softmode.report.paper.harmonic_data import harmonic_errors
from softmode.report.paper.matrix_figures import BLOCK_COLOURS, BLOCK_NAMES, block
from softmode.report.paper.missing import halides_missing, main_model_missing, measurement_missing
from softmode.report.paper.source import PaperData
from softmode.report.paper.table2 import (
    FLUORIDES,
    approach_of,
    compounds,
    compounds_missing,
    fluorides,
)
from softmode.statistics.rank_correlation import correlations
from softmode.study.sigma_results import MEASURED_BY
from softmode.style import (
    VG_LABEL,
    W2_LABEL,
    dots,
    figure_style,
    legend_below,
    marker_handles,
    name_point,
    plain_log,
    pretty_formula,
)

_LIST = "fig5_fluorides"
_SMALLEST = 1e-4  # of |Δσ|, so that none falls off a logarithmic axis
_MARKERS = {"agree": "o", "more stable": "v", "less stable": "^"}
_LABELS = {W2: W2_LABEL, VG: VG_LABEL}


def errors_of_both(data: PaperData) -> pd.DataFrame:
    """Fluorides with an error of the score and errors of phonons, and the records of both.

    Returns
    -------
    pandas.DataFrame
        As :func:`~softmode.report.paper.table2.fluorides`, with ``path_rmse_w2_THz2``,
        ``path_rmse_vg_THzA``, ``harmonic_record``, ``harmonic_digest``.
    """
    phonons = harmonic_errors(data, data.main_label, FLUORIDES)
    phonons = phonons.rename(columns={"record": "harmonic_record", "digest": "harmonic_digest"})
    kept = phonons[["material", W2, VG, "harmonic_record", "harmonic_digest"]]
    return fluorides(data).merge(kept, on="material", how="inner")


def fig5(data: PaperData) -> Panel:
    """|Δσ| against RMSE(ω²) and RMSE(v_g) of fluorides."""
    label, approach = data.main_label, approach_of(data)
    frame = errors_of_both(data)
    here = set(frame["material"])
    marks = {material: formula for material, formula in compounds(data, frame).items() if material in here}
    panel = Panel(
        key="fig5",
        title="Fig. 5: errors of phonons and errors of the score, fluorides",
        caption=(
            f"{data.shown_as(label)}: |σ_potential − σ_reference| "
            + ("of the potential alone" if approach == "model_only" else "on the reference's frames")
            + " against the errors of its phonons, with the compounds of Table 2 ringed: the paper's five, "
            "and those that its rule takes in this run. The paper finds that low (high) errors of "
            "phonons generally go with low (high) errors of the score; the rank correlations below say "
            "how closely. (The paper's caption of Fig. 5 repeats that of Table 2.)"
        ),
        missing=(
            *main_model_missing(data),
            *halides_missing(data, (FLUORIDES,)),
            *measurement_missing(data, "harmonic", (label,), (FLUORIDES,)),
            *measurement_missing(data, MEASURED_BY["model_only"], (label,), (FLUORIDES,)),
            *compounds_missing(data),
        ),
    )
    if frame.empty:
        return panel
    picture = Picture(
        "fig5", "Errors of the score against errors of phonons", partial(error_figure, frame, marks)
    )
    return replace(panel, pictures=(picture,), tables=(_table(data, frame),), lists=(RowList(_LIST, frame),))


def error_figure(frame: pd.DataFrame, marks: Mapping[str, str]) -> Figure:
    """Both panels, some compounds numbered, and their names beside.

    Parameters
    ----------
    frame : pandas.DataFrame
        From :func:`errors_of_both`.
    marks : mapping of str to str
        Material to formula.
    """
    with figure_style():
        figure = Figure(figsize=(9.8, 4.3))
        panels = figure.subplots(1, 2, sharey=True)
        kinds = [
            block(CLASSES.index(reference), CLASSES.index(given))
            for reference, given in zip(frame["class_reference"], frame["class_potential"], strict=True)
        ]
        for axes, column in zip(panels, (W2, VG), strict=True):
            for kind in BLOCK_COLOURS:
                rows = frame[np.array(kinds) == kind]
                y, size = np.maximum(rows["error"], _SMALLEST), 26 if len(frame) < 200 else 12
                dots(axes, rows[column], y, BLOCK_COLOURS[kind], _MARKERS[kind], size=size, alpha=0.75)
            axes.set_xlabel(_LABELS[column])
            axes.set(xscale="log", yscale="log")
            axes.margins(0.12)
            plain_log(axes, "xy")
            _number(axes, frame, column, marks)
        panels[0].set_ylabel("|Δ⟨σ(t)⟩|, potential minus reference")
        legend_below(figure, marker_handles(BLOCK_NAMES, BLOCK_COLOURS, _MARKERS), 3)
        if marks:
            names = [
                Line2D([], [], linestyle="", label=f"{place}  {pretty_formula(formula)}")
                for place, formula in enumerate(marks.values(), start=1)
            ]
            figure.legend(handles=names, loc="outside right upper", handlelength=0, handletextpad=0)
        return figure


def _number(axes: Axes, frame: pd.DataFrame, column: str, marks: Mapping[str, str]) -> None:
    for place, material in enumerate(marks, start=1):
        row = frame[frame["material"] == material].iloc[0]
        at = (float(row[column]), max(float(row["error"]), _SMALLEST))
        axes.scatter(*at, s=95, facecolors="none", edgecolors="#222222", linewidths=1.1, zorder=3)
        ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.6}
        style: Any = {"fontsize": 8.5, "fontweight": "bold", "bbox": ground, "zorder": 4}
        name_point(axes, str(place), at, (7, 3), "left", **style)


def _table(data: PaperData, frame: pd.DataFrame) -> Table:
    link = RowsLink(_LIST, 2, len(frame) + 1)
    seed = data.study.settings.conditions.seed
    rows: list[Row] = []
    for column, name in ((W2, "RMSE(ω²)"), (VG, "RMSE(v_g)")):
        pearson, spearman = correlations(
            np.log(np.maximum(frame[column].to_numpy(float), 1e-12)),
            np.log(np.maximum(frame["error"].to_numpy(float), _SMALLEST)),
            seed,
        )
        texts = (
            str(len(frame)),
            interval(*spearman, 2),
            interval(*pearson, 2),
            number(100 * pearson.value**2, 2),
        )
        rows.append((name, *(Entry(text, link) for text in texts)))
    return Table(
        name="fig5_correlations",
        title="How closely they go together",
        columns=(
            "error of phonons",
            "n",
            "Spearman's ρ",
            "Pearson's r of logarithms",
            "variance explained (%)",
        ),
        rows=tuple(rows),
        note="Over fluorides, 95 % bootstrap intervals over materials.",
    )
