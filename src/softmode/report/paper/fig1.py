"""Fig. 1: errors of phonon frequencies and group velocities against each other, and by halide and model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from softmode.crystal.arrays import FloatArray
from softmode.measurements.harmonic_panels import VG, W2
from softmode.panel import PUBLISHED, Entry, Panel, Picture, Row, RowsLink, Table, entry, row_list
from softmode.published import published_harmonic
from softmode.report.paper.harmonic_data import (
    SIGMA_REFERENCE,
    harmonic_errors,
    rank_correlations,
    record_of,
)
from softmode.report.paper.harmonic_figures import error_box_figure, highlighted_scatter
from softmode.report.paper.missing import (
    HALIDES,
    halides_missing,
    main_model_missing,
    measurement_missing,
    models_missing,
)
from softmode.report.paper.source import MAIN_MODEL, PaperData
from softmode.study.results import FAILED
from softmode.style import VG_LABEL, W2_LABEL, group_name, order_groups

_CHLORIDES = "Cl"
_NOT_HELD = "not in the run"
_HEADS = ("RMSE(ω²) (THz²)", "RMSE(v_g) (THz·Å)")


def fig1a(data: PaperData) -> Panel:
    """RMSE(ω²) against RMSE(v_g) of chlorides with omat-0-medium, coloured by σ of the reference."""
    label = data.main_label
    errors = harmonic_errors(data, label, _CHLORIDES)
    missing = (
        *main_model_missing(data),
        *halides_missing(data, (_CHLORIDES,)),
        *measurement_missing(data, "harmonic", (label,), (_CHLORIDES,)),
        *measurement_missing(data, "sigma", (label,), (_CHLORIDES,)),
    )
    caption = (
        f"Each point is a chloride with {data.shown_as(label)}, on the band path; colour: ⟨σ(t)⟩ of the "
        "reference (white lines at 0.5 and 1; crosses: not known). Ringed: the smallest and the largest "
        f"RMSE(ω²) of this run. The paper finds {published_harmonic().best_chloride} and "
        f"{published_harmonic().worst_chloride} there, with {MAIN_MODEL}."
    )
    panel = Panel("fig1a", _FIG1A, caption, missing=missing)
    if errors.empty:
        return panel
    listing, links = row_list("fig1a", {"all": errors})
    ends = [errors.iloc[0], errors.iloc[-1]]
    marks = {str(row["material"]): str(row["formula"]) for row in ends}
    title = f"chlorides, {data.shown_as(label)}, n = {len(errors)}"
    return replace(
        panel,
        pictures=(
            Picture(
                "fig1a",
                "RMSE(ω²) and RMSE(v_g) of chlorides",
                partial(highlighted_scatter, errors, marks, title),
            ),
        ),
        tables=(_extremes(data, errors), _correlation(data, errors, links["all"])),
        lists=(listing,),
    )


_FIG1A = "Fig. 1a: errors of frequencies and group velocities, chlorides"


def _extremes(data: PaperData, errors: pd.DataFrame) -> Table:
    said = published_harmonic()
    rows: list[Row] = [
        ("smallest RMSE(ω²), this run", *_compound(data, errors, 0)),
        ("largest RMSE(ω²), this run", *_compound(data, errors, len(errors) - 1)),
    ]
    for what, formula in (("smallest", said.best_chloride), ("largest", said.worst_chloride)):
        places = np.flatnonzero((errors["material"] == data.material_of(formula)).to_numpy(bool))
        found = _compound(data, errors, int(places[0])) if len(places) else (formula, *[_NOT_HELD] * 4)
        rows.append((f"{what} RMSE(ω²), paper", Entry(formula, PUBLISHED), *found[1:]))
    return Table(
        name="fig1a_extremes",
        title="Ends of the range: in this run, and those of the paper in this run",
        columns=("which", "compound", *_HEADS, "⟨σ(t)⟩, reference", "rank by RMSE(ω²)"),
        rows=tuple(rows),
    )


def _compound(data: PaperData, errors: pd.DataFrame, place: int) -> Row:
    row = errors.iloc[place]
    link = record_of(data, row)
    return (
        str(row["formula"]),
        entry(float(row[W2]), link),
        entry(float(row[VG]), link),
        entry(float(row[SIGMA_REFERENCE]), record_of(data, row, "reference_sigma")),
        f"{place + 1} of {len(errors)}",
    )


def _correlation(data: PaperData, errors: pd.DataFrame, link: RowsLink) -> Table:
    found = rank_correlations(errors, data.study.settings.conditions.seed)
    return Table(
        name="fig1a_correlation",
        title="Rank correlation with ⟨σ(t)⟩ of the reference",
        columns=("chlorides", "n", "RMSE(ω²), Spearman ρ", "RMSE(v_g), Spearman ρ"),
        rows=((data.shown_as(data.main_label), *found.entries(link)),),
        note="With 95 % bootstrap intervals over materials. The paper says “strongly correlated”, no number.",
    )


def fig1b(data: PaperData) -> Panel:
    """Box plots of RMSE(v_g) by halide and model."""
    return _boxes(data, "fig1b", "Fig. 1b: errors of group velocities by halide", VG, VG_LABEL, _HEADS[1])


def fig1c(data: PaperData) -> Panel:
    """Box plots of RMSE(ω²) by halide and model."""
    return _boxes(data, "fig1c", "Fig. 1c: errors of frequencies by halide", W2, W2_LABEL, _HEADS[0])


def _boxes(data: PaperData, key: str, title: str, column: str, axis: str, head: str) -> Panel:
    missing = (
        *models_missing(data),
        *halides_missing(data),
        *measurement_missing(data, "harmonic"),
    )
    caption = (
        "All materials with each potential. Box: quartiles; orange: median; whiskers: the last material "
        "within 1.5 interquartile ranges of the box; plus signs: the others. Failed cells have no number and "
        "are counted in the table. The paper prints no numbers of this figure."
    )
    groups = [group for group in order_groups(data.cells["group"]) if group in HALIDES]
    parts = {
        (group, label): part
        for group in groups
        for label in data.labels
        if len(part := harmonic_errors(data, label, group).sort_values(column, kind="stable"))
    }
    panel = Panel(key, title, caption, missing=missing)
    if not parts:
        return panel
    columns = [name for name in next(iter(parts.values())) if not name.startswith("sigma_")]
    listing, links = row_list(key, {of: part[columns] for of, part in parts.items()})
    values = {of: part[column].to_numpy(float) for of, part in parts.items()}
    shown = {label: data.shown_as(label) for label in data.labels}
    draw = partial(error_box_figure, values, shown, axis)
    return replace(
        panel,
        pictures=(Picture(key, f"{head} by halide and potential", draw),),
        tables=(_box_table(data, key, head, values, links),),
        lists=(listing,),
    )


def _box_table(
    data: PaperData,
    key: str,
    head: str,
    values: Mapping[tuple[str, str], FloatArray],
    links: Mapping[tuple[str, str], RowsLink],
) -> Table:
    rows: list[Row] = []
    for (group, label), numbers in values.items():
        link = links[group, label]
        of_cell = (data.cells["group"] == group) & (data.cells["potential"] == label)
        failed = int((data.cells.loc[of_cell, "harmonic_state"] == FAILED).sum())
        shown = box_numbers(numbers)
        rows.append(
            (
                group_name(group),
                data.shown_as(label),
                entry(len(numbers), link),
                str(failed),
                *(entry(shown[name], link) for name in ("low", "q1", "median", "q3", "high")),
                entry(int(shown["outliers"]), link),
                entry(float(np.median(np.append(numbers, np.full(failed, np.inf)))), link),
            )
        )
    return Table(
        name=f"{key}_boxes",
        title=head,
        columns=(
            "halide",
            "potential",
            "n",
            "failed",
            "lower whisker",
            "1st quartile",
            "median",
            "3rd quartile",
            "upper whisker",
            "outliers",
            "median, failures as ∞",
        ),
        rows=tuple(rows),
        note="Failures counted as wrong: as errors larger than any other.",
    )


def box_numbers(values: FloatArray) -> dict[str, float]:
    """Numbers of a box plot: quartiles, median, whiskers within 1.5 IQR, count of outliers.

    Parameters
    ----------
    values : (n,) array
        At least one.
    """
    q1, median, q3 = (float(value) for value in np.quantile(values, [0.25, 0.5, 0.75]))
    reach = 1.5 * (q3 - q1)
    inside = values[(values >= q1 - reach) & (values <= q3 + reach)]
    low, high = min(float(inside.min()), q1), max(float(inside.max()), q3)
    outliers = float(len(values) - len(inside))
    return {"low": low, "q1": q1, "median": median, "q3": q3, "high": high, "outliers": outliers}
