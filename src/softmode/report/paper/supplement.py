"""Figs. S1–S6: anharmonicity and frequencies by halide, dispersion curves, errors by halide and model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from softmode.crystal.arrays import FloatArray
from softmode.panel import (
    NOTHING,
    Entry,
    Panel,
    Picture,
    Row,
    RowList,
    RowsLink,
    Table,
    entry,
    number,
    row_list,
)
from softmode.published import published_harmonic
from softmode.report.bands import BandOverlay, band_figure, band_overlay
from softmode.report.paper.fig1 import box_numbers
from softmode.report.paper.harmonic_data import (
    SIGMA_REFERENCE,
    harmonic_errors,
    rank_correlations,
)
from softmode.report.paper.harmonic_figures import halide_boxes, scatter_by_potential
from softmode.report.paper.missing import (
    HALIDES,
    halides_missing,
    main_model_missing,
    measurement_missing,
    models_missing,
)
from softmode.report.paper.source import MAIN_MODEL, PaperData
from softmode.study.results import numbers_in
from softmode.style import SIGMA, colours, group_name, order_groups

FREQUENCY = "mesh_mean_frequency_reference_THz"
_S1 = "Fig. S1: anharmonicity and mean frequency by halide"
_CAPTION = (
    "Of the reference alone. (a) ⟨σ(t)⟩ at the temperature of its trajectory. (b) Mean of all signed phonon "
    "frequencies over the Brillouin zone (symmetry-weighted mesh; imaginary ones count as negative). The "
    "paper says that both fall from fluorides to iodides."
)


def s1(data: PaperData) -> Panel:
    """Anharmonicity and mean frequency of the reference, by halide."""
    missing = (
        *halides_missing(data),
        *measurement_missing(data, "sigma", data.labels[:1]),
        *measurement_missing(data, "harmonic", data.labels[:1]),
    )
    quantities = {
        "sigma": reference_values(data, SIGMA_REFERENCE, "reference_sigma"),
        "frequency": reference_values(data, FREQUENCY, "harmonic"),
    }
    parts = {
        (name, group): rows[rows["group"] == group]
        for name, rows in quantities.items()
        for group in order_groups(rows["group"])
        if group in HALIDES
    }
    panel = Panel("s1", _S1, _CAPTION, missing=missing)
    if not parts:
        return panel
    lists: list[RowList] = []
    links: dict[tuple[str, str], RowsLink] = {}
    for name in quantities:
        own = {of: part for of, part in parts.items() if of[0] == name}
        listing, found = row_list(f"s1_{name}", own)
        lists.append(listing)
        links |= found
    values = {of: part["value"].to_numpy(float) for of, part in parts.items()}
    draw = partial(
        halide_boxes,
        [{group: values[of, group] for of, group in values if of == name} for name in quantities],
        (SIGMA, r"$\langle\nu\rangle$ (THz)"),
    )
    return replace(
        panel,
        pictures=(Picture("s1", "Anharmonicity and mean frequency by halide", draw),),
        tables=(_table(values, links),),
        lists=tuple(lists),
    )


def reference_values(data: PaperData, column: str, measurement: str) -> pd.DataFrame:
    """A quantity of the reference by material, from the first cell of the material that has it.

    Returns
    -------
    pandas.DataFrame
        One row per material, smallest first: identity, ``value``, ``record``, ``digest``.
    """
    value = numbers_in(data.cells, column)
    rows = data.cells.assign(value=value)[np.isfinite(value)].drop_duplicates("material")
    return data.with_records(rows.sort_values("value", kind="stable"), measurement, ("value",)).reset_index(
        drop=True
    )


def _table(values: Mapping[tuple[str, str], FloatArray], links: Mapping[tuple[str, str], RowsLink]) -> Table:
    rows: list[Row] = []
    for group in order_groups(group for _, group in values):
        row: list[Entry | str] = [group_name(group)]
        for name in ("sigma", "frequency"):
            numbers, link = values.get((name, group)), links.get((name, group))
            if numbers is None:
                row += [NOTHING] * 3
                continue
            shown = box_numbers(numbers)
            quartiles = f"{shown['q1']:.3g} … {shown['q3']:.3g}"
            row += [entry(len(numbers), link), entry(shown["median"], link), Entry(quartiles, link)]
        rows.append(tuple(row))
    return Table(
        name="s1_halides",
        title="Median and quartiles over materials",
        columns=("halide", "n", "⟨σ(t)⟩", "quartiles", "n", "⟨ν⟩ (THz)", "quartiles"),
        rows=tuple(rows),
    )


_S2 = "Fig. S2: dispersion curves of the ends of Fig. 1a"
_CHLORIDES = "Cl"


def s2(data: PaperData) -> Panel:
    """Dispersion curves of the chlorides with the smallest and largest error, and of the paper's two."""
    label = data.main_label
    errors = harmonic_errors(data, label, _CHLORIDES)
    said = published_harmonic()
    missing = [
        *main_model_missing(data),
        *halides_missing(data, (_CHLORIDES,)),
        *measurement_missing(data, "harmonic", (label,), (_CHLORIDES,)),
    ]
    chosen = _ends(errors)
    for role, formula in (("paper's best", said.best_chloride), ("paper's worst", said.worst_chloride)):
        material = data.material_of(formula)
        if material is None or material not in set(errors["material"]):
            missing.append(f"The run has no result for {formula}, the {role} chloride with {MAIN_MODEL}.")
        else:
            chosen.setdefault(material, role)
    found = [
        overlay
        for material, role in chosen.items()
        if (overlay := band_overlay(data.study, label, material, role)) is not None
    ]
    caption = (
        f"Reference solid, {data.shown_as(label)} dashed; imaginary frequencies below zero. Best and worst: "
        f"smallest and largest RMSE(ω²) of the chlorides in this run. The paper shows {said.best_chloride} "
        f"and {said.worst_chloride}."
    )
    panel = Panel("s2", _S2, caption, missing=tuple(missing))
    if not found:
        return panel
    colour = colours(data.labels)[label]
    return replace(
        panel,
        pictures=(Picture("s2", "Dispersion curves", partial(band_figure, found, colour)),),
        tables=(_band_table(data, found),),
    )


def _ends(errors: pd.DataFrame) -> dict[str, str]:
    """Material of the smallest and of the largest RMSE(ω²), and what they are called."""
    if errors.empty:
        return {}
    names = [str(name) for name in errors["material"]]
    return {names[0]: "best", names[-1]: "worst"} if len(names) > 1 else {names[0]: ""}


def _band_table(data: PaperData, found: list[BandOverlay]) -> Table:
    rows: list[Row] = []
    for overlay in found:
        link = data.link(overlay.material, overlay.potential, "harmonic")
        lowest = [float(side.min()) for side in (overlay.reference, overlay.model)]
        rows.append(
            (
                overlay.role or "only one",
                overlay.formula,
                entry(overlay.rmse_w2, link),
                entry(overlay.mae_w2, link),
                *(Entry(f"{round(value, 2) + 0.0:.2f}", link) for value in lowest),
            )
        )
    return Table(
        name="s2_lowest",
        title="Lowest frequency on the path",
        columns=(
            *("which", "compound", "RMSE(ω²) (THz²)", "MAE(ω²) (THz²)", "reference (THz)", "potential (THz)"),
        ),
        rows=tuple(rows),
        note=(
            "The paper says of its worst case that the model underestimates the imaginary frequencies, and "
            "so the instability."
        ),
    )


def _by_potential(data: PaperData, key: str, name: str, group: str) -> Panel:
    """Fig. 1a for one halide and all potentials."""
    title = f"Fig. {name}: errors and anharmonicity, {group_name(group)}"
    caption = (
        f"{group_name(group).capitalize()} with each potential, as in Fig. 1a. ρ: Spearman's rank "
        "correlation of either error with ⟨σ(t)⟩ of the reference, with its 95 % bootstrap interval in the "
        "table. The paper reports the trend for all halides and models, without numbers."
    )
    missing = (
        *models_missing(data),
        *halides_missing(data, (group,)),
        *measurement_missing(data, "harmonic", groups=(group,)),
        *measurement_missing(data, "sigma", groups=(group,)),
    )
    errors = {label: rows for label in data.labels if len(rows := harmonic_errors(data, label, group))}
    panel = Panel(key, title, caption, missing=missing)
    if not errors:
        return panel
    listing, links = row_list(key, errors)
    found = {
        label: rank_correlations(rows, data.study.settings.conditions.seed) for label, rows in errors.items()
    }
    notes = {
        label: f"ρ(ω²) = {number(item.w2.value, 2)}\nρ($v_g$) = {number(item.vg.value, 2)}\nn = {item.n}"
        for label, item in found.items()
    }
    titles = {label: data.shown_as(label) for label in errors}
    table = Table(
        name=f"{key}_correlation",
        title="Rank correlation with ⟨σ(t)⟩ of the reference",
        columns=("potential", "n", "RMSE(ω²), Spearman ρ", "RMSE(v_g), Spearman ρ"),
        rows=tuple((titles[label], *item.entries(links[label])) for label, item in found.items()),
    )
    draw = partial(scatter_by_potential, errors, notes, titles)
    return replace(
        panel,
        pictures=(Picture(key, f"RMSE(ω²) and RMSE(v_g) of {group_name(group)}", draw),),
        tables=(table,),
        lists=(listing,),
    )


def _panel(key: str, name: str, group: str) -> Callable[[PaperData], Panel]:
    def panel(data: PaperData) -> Panel:
        return _by_potential(data, key, name, group)

    panel.__name__ = key
    panel.__doc__ = f"Fig. {name}: errors of {group_name(group)} with all models, coloured by σ."
    return panel


s3, s4, s5, s6 = (
    _panel(key, name, group)
    for key, name, group in (("s3", "S3", "F"), ("s4", "S4", "Cl"), ("s5", "S5", "Br"), ("s6", "S6", "I"))
)
