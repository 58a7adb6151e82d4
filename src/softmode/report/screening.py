"""The part of a report that shows what the potentials say alone, and how that compares with labels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from softmode.anharmonic.classes import CLASSES, EDGES
from softmode.files import file_name
from softmode.measurements.one_shot import OneShotSettings
from softmode.panel import NOTHING, estimate
from softmode.published import published_model_only_shares
from softmode.report.bands import chosen_compounds, model_band_figure, model_bands
from softmode.report.interactive import finish, points
from softmode.report.rendering import embedded, plot_html, rows_of
from softmode.report.screening_figures import (
    label_scatter,
    lattice_and_mode_figure,
    ranked_sigma,
    reliability_diagram,
    shares_figure,
)
from softmode.report.section import Drawn, Pictures, Section
from softmode.report.sigma_figures import confusion_figure
from softmode.structures.labels import Labels
from softmode.study.folder import Study
from softmode.study.label_pairs import label_pairs
from softmode.study.label_results import (
    Labelled,
    label_table,
    labelled,
    lattice_and_mode_errors,
    lattices_and_modes,
    open_labels,
    with_learnt_probabilities,
)
from softmode.study.md_results import published_shares
from softmode.study.screening import screening_table, softest, ways
from softmode.study.sigma_results import ALL
from softmode.style import (
    PLOTLY_MARKERS,
    REFERENCE_COLOUR,
    colours,
    distinct,
    group_name,
    markers,
    order_groups,
)

#: How the ways to σ are called in tables and figures.
WAY_NAMES = {
    "model_only": "dynamics",
    "staged": "staged",
    "self_consistent": "self-consistent",
    "one_shot": "one-shot",
}


@dataclass(frozen=True, eq=False)
class ScreeningData(Section):
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
    pairs : pandas.DataFrame
        Each two potentials, and each two ways, on the same compounds.
    structure : pandas.DataFrame
        Lattice constants and soft modes beside published ones.
    """

    study: Study
    cells: pd.DataFrame
    ranked: pd.DataFrame
    labels: Labels | None
    scores: list[Labelled]
    pairs: pd.DataFrame
    structure: pd.DataFrame

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables by file name."""
        tables = {"screening": self.ranked, "softest_modes": softest(self.cells)}
        if self.labels is not None:
            tables |= {
                "labels": label_table(self.scores),
                "labels_paired": self.pairs,
                "labelled_compounds": _compounds(self.scores),
                "published_structure": self.structure,
                "published_structure_errors": lattice_and_mode_errors(self.structure),
            }
        return tables

    def figures(self) -> Iterator[Drawn]:
        """Rankings, band structures, and what there is beside labels."""
        for way in ways(self.cells):
            columns = {f"sigma_{way}": "sigma", f"sigma_{way}_low": "low", f"sigma_{way}_high": "high"}
            for potential, rows in self.ranked.groupby("potential", sort=False):
                known = rows.dropna(subset=f"sigma_{way}")
                if known.empty:
                    continue
                numbers = known[list(columns)].astype(float).rename(columns=columns)
                figure = ranked_sigma(known[["formula", "group"]].join(numbers))
                name = f"ranked_{file_name(way, str(potential))}"
                yield name, f"σ by {WAY_NAMES[way]}, {potential}", figure
        sigma = next((f"sigma_{way}" for way in ways(self.cells)), "")
        for potential, colour in colours(distinct(self.ranked["potential"])).items():
            bands = model_bands(self.study, chosen_compounds(self.ranked, potential), potential, sigma)
            if bands:
                title = f"Band structures, most and least stable: {potential}"
                yield f"alone_bands_{file_name(potential)}", title, model_band_figure(bands, colour)
        yield from self._beside_labels()
        if not self.structure.empty:
            title = "Lattice constants and softest modes against published ones"
            yield "published_structure", title, lattice_and_mode_figure(self.structure)

    def _beside_labels(self) -> Iterator[Drawn]:
        overall = [item for item in self.scores if item.group == ALL and np.isfinite(item.model).any()]
        if overall:
            matrices = {
                (WAY_NAMES[item.way], item.potential): item.score.successes.confusion.matrix
                for item in overall
            }
            yield "labels_confusion", "Classes against labels", confusion_figure(matrices)
            table = label_table(overall)
            table = table[~table["failures_as_wrong"].astype(bool)]
            names = table["potential"] + ", " + table["way"].map(WAY_NAMES)
            title = "Called more and less stable than the labels say"
            yield (
                "labels_shares",
                title,
                shares_figure(table.assign(name=names), published_model_only_shares()),
            )
        for item in overall:
            suffix = file_name(item.way, item.potential)
            of = f"{item.potential}, {WAY_NAMES[item.way]}"
            yield f"labels_scatter_{suffix}", f"σ against labels: {of}", label_scatter(item)
            for name, title, score in (
                ("reliability", f"Are the class probabilities right? {of}", item.score),
                ("learnt", f"Probabilities learnt from the other compounds: {of}", item.learnt_score),
            ):
                if score.n_with_probabilities:
                    yield f"labels_{name}_{suffix}", title, reliability_diagram(score)

    def context(self, pictures: Pictures) -> dict[str, Any]:
        """What the template of the section shows."""
        conditions = self.study.settings.conditions
        protocol = conditions.protocol
        measured = ways(self.cells)
        plot = _stability_plot(self)
        labels = None
        if self.labels is not None:
            labels = {
                "source": self.labels.source,
                "rows": _label_rows(self.scores),
                "published": published_shares(),
                "pairs": rows_of(self.pairs),
            }
        return {
            "temperature": f"{conditions.of(OneShotSettings).temperature:g}",
            "tolerance": f"{protocol.imaginary_tolerance:g}",
            "by": f" from {WAY_NAMES[measured[0]]}" if measured else "",
            "relaxed": ", relaxed by each potential with symmetry kept" if protocol.relax else "",
            "ways": measured,
            "way_names": WAY_NAMES,
            "classes": CLASSES,
            "learnt": any(f"sigma_{way}_learnt_p_weak" in self.ranked for way in measured),
            "rows": _rows(self),
            "plot": "" if plot is None else plot_html(plot, "screening-plot"),
            "labels": labels,
            "pictures": embedded(pictures, ("ranked_", "alone_bands_", "labels_", "published_structure")),
        }


def _compounds(scores: list[Labelled]) -> pd.DataFrame:
    """Label and prediction of every labelled compound."""
    fields = ("potential", "way", "formulas", "groups", "label", "model", "low", "high", "failed")
    parts = [
        pd.DataFrame({name.removesuffix("s"): getattr(item, name) for name in fields})
        for item in scores
        if item.group == ALL
    ]
    columns = [name.removesuffix("s") for name in fields]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def collect_screening(study: Study, cells: pd.DataFrame) -> ScreeningData | None:
    """Everything the section needs; None when the study asked nothing of the potentials alone."""
    ranked = screening_table(cells)
    if ranked.empty:
        return None
    settings = study.settings.labels
    labels = None if settings is None else open_labels(settings)
    scores = [] if labels is None else labelled(cells, labels, study.settings.conditions.seed)
    structure = pd.DataFrame() if settings is None else lattices_and_modes(cells, settings.path)
    pairs = label_pairs(scores, study.settings.conditions.seed)
    ranked = with_learnt_probabilities(ranked, scores)
    return ScreeningData(study, cells, ranked, labels, scores, pairs, structure)


def _rows(data: ScreeningData) -> list[dict[str, Any]]:
    """Rows of the ranked table with what is said of the softest mode and of failures."""
    stable = {True: "stable", False: "unstable"}
    rows = []
    for row in rows_of(data.ranked):
        where, reason = row["softest_mode_at"], row["reason"]
        at = row["lowest_qpoint"] if row["harmonically_stable"] is False else None
        point = f" ({', '.join(f'{q:.3g}' for q in json.loads(at))})" if isinstance(at, str) else ""
        row["stable"] = stable.get(row["harmonically_stable"], "failed")
        row["where"] = f"{where}{point}" if isinstance(where, str) else NOTHING
        row["notes"] = reason if isinstance(reason, str) else row["note"]
        rows.append(row)
    return rows


def _label_rows(scores: list[Labelled]) -> list[dict[str, Any]]:
    table = label_table(scores)
    return rows_of(table[~table["failures_as_wrong"].astype(bool)]) if len(table) else []


def _stability_plot(data: ScreeningData) -> go.Figure | None:
    """σ against the lowest harmonic frequency: colour by group, marker by potential."""
    measured = ways(data.cells)
    if not measured:
        return None
    column = f"sigma_{measured[0]}"
    known = data.ranked.dropna(subset=[column, "softest_mode_THz"])
    if known.empty:
        return None
    groups, potentials = order_groups(known["group"]), distinct(known["potential"])
    colour, marker = colours(groups), markers(potentials, PLOTLY_MARKERS)
    figure = go.Figure()
    for (potential, group), rows in known.groupby(["potential", "group"], sort=False):
        texts = [
            f"<b>{row['formula']}</b><br>{potential}<br>σ {estimate(row, column, form='.3f')}<br>"
            f"softest mode {row['softest_mode_THz']:.2f} THz at {row['softest_mode_at']}"
            for _, row in rows.iterrows()
        ]
        looks = (colour[str(group)], marker[str(potential)], 8, 0.75)
        name = f"{potential}, {group_name(str(group))}"
        points(figure, rows["softest_mode_THz"].tolist(), rows[column].tolist(), name, looks, texts)
    for edge in EDGES:
        figure.add_hline(y=edge, line={"color": "#999", "width": 1, "dash": "dash"})
    tolerance = data.study.settings.conditions.protocol.imaginary_tolerance
    figure.add_vline(x=-tolerance, line={"color": REFERENCE_COLOUR, "width": 1})
    grid: Any = {"showgrid": True, "gridcolor": "#eee"}
    figure.update_xaxes(title="softest mode (THz); imaginary below 0", **grid)
    numbered = [0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10]
    figure.update_yaxes(title=f"σ, {WAY_NAMES[measured[0]]}", type="log", tickvals=numbered, **grid)
    return finish(figure, 520)
