"""The part of a report that shows what the potentials say alone, and how that compares with labels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib.figure import Figure

from softmode.anharmonic.classes import CLASSES, EDGES
from softmode.report.interactive import finish
from softmode.report.screening_bands import chosen_compounds, model_band_figure, model_bands
from softmode.report.screening_figures import (
    label_scatter,
    ranked_sigma,
    reliability_diagram,
)
from softmode.report.screening_parity import lattice_and_mode_figure
from softmode.report.sigma_figures import confusion_figure
from softmode.report.text import embedded, file_name, percent
from softmode.structures.labels import Labels
from softmode.study.folder import Study
from softmode.study.label_results import (
    Labelled,
    label_table,
    labelled,
    lattice_and_mode_errors,
    lattices_and_modes,
    open_labels,
    with_learnt_probabilities,
)
from softmode.study.screening import screening_table, softest, ways
from softmode.study.sigma_results import ALL
from softmode.style import (
    PLOTLY_MARKERS,
    REFERENCE_COLOUR,
    colours,
    group_name,
    markers,
    order_groups,
)

#: How the ways to σ are called in tables and figures.
WAY_NAMES = {"model_only": "dynamics", "self_consistent": "self-consistent", "one_shot": "one-shot"}


@dataclass(frozen=True, eq=False)
class ScreeningData:
    """What potentials say alone.

    Parameters
    ----------
    study : Study
        Where it comes from.
    cells : pandas.DataFrame
        The table of cells.
    ranked : pandas.DataFrame
        From :func:`softmode.study.screening.screening_table`.
    labels : Labels or None
        Published scores.
    scores : list of Labelled
        Agreement with them.
    structure : pandas.DataFrame
        Lattice constants and soft modes beside published ones.
    """

    study: Study
    cells: pd.DataFrame
    ranked: pd.DataFrame
    labels: Labels | None
    scores: list[Labelled]
    structure: pd.DataFrame

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables by file name."""
        tables = {"screening": self.ranked, "softest_modes": softest(self.cells)}
        if self.labels is not None:
            tables |= {
                "labels": label_table(self.scores),
                "labelled_compounds": _compounds(self.scores),
                "published_structure": self.structure,
                "published_structure_errors": lattice_and_mode_errors(self.structure),
            }
        return tables


def _compounds(scores: list[Labelled]) -> pd.DataFrame:
    """Label and prediction of every labelled compound."""
    columns = ["potential", "way", "formula", "group", "label", "model", "low", "high", "failed"]
    parts = [
        pd.DataFrame(
            {
                "potential": item.potential,
                "way": item.way,
                "formula": item.formulas,
                "group": item.groups,
                "label": item.label,
                "model": item.model,
                "low": item.low,
                "high": item.high,
                "failed": item.failed,
            }
        )
        for item in scores
        if item.group == ALL
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def collect_screening(study: Study, cells: pd.DataFrame) -> ScreeningData | None:
    """Everything the section needs; None when the study asked nothing of the potentials alone."""
    ranked = screening_table(cells)
    if ranked.empty:
        return None
    settings = study.settings.labels
    labels = None if settings is None else open_labels(settings)
    scores = [] if labels is None else labelled(cells, labels, study.settings.seed)
    structure = pd.DataFrame() if settings is None else lattices_and_modes(cells, settings.path)
    return ScreeningData(study, cells, with_learnt_probabilities(ranked, scores), labels, scores, structure)


def screening_figures(data: ScreeningData) -> Iterator[tuple[str, str, Figure]]:
    """File name, title and figure of everything that can be drawn."""
    for way in ways(data.cells):
        for potential, rows in data.ranked.groupby("potential", sort=False):
            known = rows.dropna(subset=f"sigma_{way}")
            if known.empty:
                continue
            yield (
                f"ranked_{way}_{file_name(str(potential))}",
                f"σ by {WAY_NAMES[way]}, {potential}",
                ranked_sigma(
                    known["formula"].tolist(),
                    known[f"sigma_{way}"].to_numpy(float),
                    known[f"sigma_{way}_low"].to_numpy(float),
                    known[f"sigma_{way}_high"].to_numpy(float),
                    known["group"].tolist(),
                ),
            )
    colour = colours(list(dict.fromkeys(data.ranked["potential"])))
    sigma = next((f"sigma_{way}" for way in ways(data.cells)), "")
    for potential in colour:
        bands = model_bands(data.study, chosen_compounds(data.ranked, potential), potential, sigma)
        if bands:
            name = f"alone_bands_{file_name(potential)}"
            yield (
                name,
                f"Band structures, most and least stable: {potential}",
                model_band_figure(bands, colour[potential]),
            )
    overall = [item for item in data.scores if item.group == ALL and np.isfinite(item.model).any()]
    if overall:
        matrices = {
            (WAY_NAMES[item.way], item.potential): item.score.successes.confusion.matrix for item in overall
        }
        yield "labels_confusion", "Classes against labels", confusion_figure(matrices)
    for item in overall:
        suffix = f"{item.way}_{file_name(item.potential)}"
        title = f"{item.potential}, {WAY_NAMES[item.way]}"
        yield f"labels_scatter_{suffix}", f"σ against labels: {title}", label_scatter(item)
        if item.score.n_with_probabilities:
            yield (
                f"labels_reliability_{suffix}",
                f"Are the class probabilities right? {title}",
                reliability_diagram(item.score),
            )
        if item.learnt_score.n_with_probabilities:
            yield (
                f"labels_learnt_{suffix}",
                f"Probabilities learnt from the other compounds: {title}",
                reliability_diagram(item.learnt_score),
            )
    if not data.structure.empty:
        yield (
            "published_structure",
            "Lattice constants and softest modes against published ones",
            lattice_and_mode_figure(data.structure),
        )


def _number(value: Any, digits: int) -> str:
    return "–" if value is None or pd.isna(value) else f"{float(value):.{digits}f}"


def _interval(row: Mapping[str, Any], name: str, digits: int = 3) -> str:
    value, low, high = (_number(row[f"{name}{end}"], digits) for end in ("", "_low", "_high"))
    return value if low == "–" else f"{value} [{low}, {high}]"


def _way(row: pd.Series, way: str) -> dict[str, str]:
    name = row[f"sigma_{way}_class"]
    named = isinstance(name, str)
    chance = row[f"sigma_{way}_p_{name}"] if named else None
    learnt = [percent(row.get(f"sigma_{way}_learnt_p_{each}")) for each in CLASSES]
    return {
        "sigma": _interval(row, f"sigma_{way}"),
        "name": name if named else "–",
        "probability": percent(chance),
        "learnt": " / ".join(learnt),
    }


def _rows(data: ScreeningData) -> list[dict[str, Any]]:
    measured = ways(data.cells)
    stable = {True: "stable", False: "unstable"}
    rows = []
    for _, row in data.ranked.iterrows():
        where = row["softest_mode_at"]
        at = row["lowest_qpoint"] if row["harmonically_stable"] is False else None
        point = f" ({', '.join(f'{q:.3g}' for q in json.loads(at))})" if isinstance(at, str) else ""
        reason = row["reason"]
        rows.append(
            {
                "rank": "–" if pd.isna(row["rank"]) else int(row["rank"]),
                "formula": row["formula"],
                "material": row["material"],
                "potential": row["potential"],
                "ways": [_way(row, way) for way in measured],
                "stable": stable.get(row["harmonically_stable"], "failed"),
                "lowest": _number(row["softest_mode_THz"], 2),
                "where": f"{where}{point}" if isinstance(where, str) else "–",
                "a": _number(row["a_A"], 3),
                "seconds": _number(row["seconds"], 1),
                "notes": reason if isinstance(reason, str) else row["note"],
            }
        )
    return rows


def _label_rows(data: ScreeningData) -> list[dict[str, Any]]:
    rows = []
    for _, row in label_table(data.scores).iterrows():
        if row["failures_as_wrong"]:
            continue
        rows.append(
            {
                "potential": row["potential"],
                "way": WAY_NAMES[row["way"]],
                "group": "all" if row["group"] == ALL else group_name(row["group"]),
                "overall": row["group"] == ALL,
                "n": row["n"],
                "failed": row["failed"],
                "accuracy": _interval(row, "accuracy", 2),
                "kappa": _interval(row, "kappa", 2),
                "more": _interval(row, "called_more_stable", 2),
                "less": _interval(row, "called_less_stable", 2),
                "spearman": _interval(row, "spearman", 2),
                "mae": _interval(row, "mae_sigma", 2),
                "brier": _interval(row, "brier", 2),
                "learnt": _interval(row, "brier_learnt", 2),
            }
        )
    return rows


def _stability_plot(data: ScreeningData) -> go.Figure | None:
    """σ against the lowest harmonic frequency: colour by group, marker by potential."""
    measured = ways(data.cells)
    if not measured:
        return None
    column = f"sigma_{measured[0]}"
    known = data.ranked.dropna(subset=[column, "softest_mode_THz"])
    if known.empty:
        return None
    groups, potentials = order_groups(known["group"]), list(dict.fromkeys(known["potential"]))
    colour, marker = colours(groups), markers(potentials, PLOTLY_MARKERS)
    figure = go.Figure()
    for (potential, group), rows in known.groupby(["potential", "group"], sort=False):
        figure.add_scatter(
            x=rows["softest_mode_THz"].tolist(),
            y=rows[column].tolist(),
            mode="markers",
            name=f"{potential}, {group_name(str(group))}",
            marker={
                "color": colour[str(group)],
                "symbol": marker[str(potential)],
                "size": 8,
                "opacity": 0.75,
            },
            hovertext=[
                f"<b>{row['formula']}</b><br>{potential}<br>σ {_interval(row, column)}<br>"
                f"softest mode {row['softest_mode_THz']:.2f} THz at {row['softest_mode_at']}"
                for _, row in rows.iterrows()
            ],
            hoverinfo="text",
        )
    for edge in EDGES:
        figure.add_hline(y=edge, line={"color": "#999", "width": 1, "dash": "dash"})
    tolerance = data.study.settings.protocol.imaginary_tolerance
    figure.add_vline(x=-tolerance, line={"color": REFERENCE_COLOUR, "width": 1})
    figure.update_layout(
        xaxis={"title": "softest mode (THz); imaginary below 0", "showgrid": True, "gridcolor": "#eee"},
        yaxis={"title": f"σ, {WAY_NAMES[measured[0]]}", "showgrid": True, "gridcolor": "#eee", "type": "log"},
    )
    figure.update_yaxes(tickvals=[0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10])
    return finish(figure, 520)


def screening_section(
    data: ScreeningData, pictures: Mapping[str, tuple[str, bytes]], html: Any
) -> dict[str, Any]:
    """What the template of the section shows.

    Parameters
    ----------
    data : ScreeningData
        From :func:`collect_screening`.
    pictures : mapping of str to (str, bytes)
        Title and PNG of all figures of the report by name.
    html : callable
        Makes HTML of a plotly figure and an identifier.
    """
    settings = data.study.settings
    measured = ways(data.cells)
    plot = _stability_plot(data)
    names = ("ranked_", "alone_bands_", "labels_", "published_structure")
    labels = None
    if data.labels is not None:
        labels = {"source": data.labels.source, "rows": _label_rows(data)}
    return {
        "temperature": f"{settings.one_shot.temperature:g}",
        "tolerance": f"{settings.protocol.imaginary_tolerance:g}",
        "by": f" from {WAY_NAMES[measured[0]]}" if measured else "",
        "relaxed": ", relaxed by each potential with symmetry kept" if settings.protocol.relax else "",
        "ways": [WAY_NAMES[way] for way in measured],
        "learnt": any(f"sigma_{way}_learnt_p_weak" in data.ranked for way in measured),
        "rows": _rows(data),
        "plot": "" if plot is None else html(plot, "screening-plot"),
        "labels": labels,
        "pictures": embedded(pictures, names),
    }
