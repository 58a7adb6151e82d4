"""Figs. S1–S6: anharmonicity and frequencies by halide, dispersion curves, errors by halide and model."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from softmode.panel import Entry, Panel, Picture, Row, Table, entry, number, row_list
from softmode.published import published_harmonic
from softmode.report.bands import BandOverlay, band_figure, overlay_of_record
from softmode.report.paper.harmonic_data import (
    correlation_cells,
    harmonic_errors,
    rank_correlations,
)
from softmode.report.paper.harmonic_figures import scatter_by_potential
from softmode.report.paper.missing import (
    halides_missing,
    main_model_missing,
    measurement_missing,
    models_missing,
)
from softmode.report.paper.source import MAIN_MODEL, PaperData
from softmode.style import colours, group_name

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
        if (overlay := _overlay(data, label, material, role)) is not None
    ]
    caption = (
        f"Reference solid, {data.shown_as(label)} dashed; imaginary frequencies below zero. Best and worst: "
        f"smallest and largest RMSE(ω²) of the chlorides in this run. The paper shows {said.best_chloride} "
        f"and {said.worst_chloride}."
    )
    if not found:
        return Panel("s2", _S2, caption, missing=tuple(missing))
    colour = colours(data.labels)[label]
    return Panel(
        key="s2",
        title=_S2,
        caption=caption,
        pictures=(Picture("s2", "Dispersion curves", band_figure(found, colour)),),
        tables=(_band_table(data, found),),
        missing=tuple(missing),
    )


def _ends(errors: pd.DataFrame) -> dict[str, str]:
    """Material of the smallest and of the largest RMSE(ω²), and what they are called."""
    if errors.empty:
        return {}
    names = [str(name) for name in errors["material"]]
    return {names[0]: "best", names[-1]: "worst"} if len(names) > 1 else {names[0]: ""}


def _overlay(data: PaperData, label: str, material: str, role: str) -> BandOverlay | None:
    record = data.record(material, label, "harmonic")
    if record is None:
        return None
    return overlay_of_record(record, material, data.formula(material), label, role)


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
                *(Entry(f"{round(value, 2) + 0.0:.2f}", link) for value in lowest),
            )
        )
    return Table(
        name="s2_lowest",
        title="Lowest frequency on the path",
        columns=("which", "compound", "RMSE(ω²) (THz²)", "reference (THz)", "potential (THz)"),
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
    if not errors:
        return Panel(key, title, caption, missing=missing)
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
        rows=tuple((titles[label], *correlation_cells(item, links[label])) for label, item in found.items()),
    )
    figure = scatter_by_potential(errors, notes, titles)
    return Panel(
        key=key,
        title=title,
        caption=caption,
        pictures=(Picture(key, f"RMSE(ω²) and RMSE(v_g) of {group_name(group)}", figure),),
        tables=(table,),
        missing=missing,
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
