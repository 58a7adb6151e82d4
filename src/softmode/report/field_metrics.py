"""The section of a page with the field's metrics: densities of states, thermodynamics, stability."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from softmode.measurements.field_metrics import (
    DOS_DISTANCE,
    FREQUENCY_FIGURES,
    NOTE,
    TEMPERATURE,
    THERMODYNAMIC_FIGURES,
)
from softmode.panel import NOTHING, Panel, Picture, Row, RowsLink, Table, estimate, linked, number, row_list
from softmode.report.data import ReportData
from softmode.study.field_metrics import ERRORS, STABILITY
from softmode.study.results import SEEN_COLUMN, best_median_worst, done, numbers_in
from softmode.style import (
    REFERENCE_COLOUR,
    colours,
    dots,
    figure_style,
    guides,
    markers,
    panel_grid,
    plain,
    potential_legend,
    pretty_formula,
)

#: Heads of the columns of errors, by the name of the error.
_HEADS = {
    **{
        name.replace("_{}", ""): label
        for name, label in {**FREQUENCY_FIGURES, **THERMODYNAMIC_FIGURES}.items()
    },
    DOS_DISTANCE: "distance of the densities of states, THz",
}
_MATERIALS = {"all": "all", "stable": "stable on both sides"}
_COUNTS = {
    "stable_called_stable": "stable, called stable",
    "stable_called_unstable": "stable, called unstable",
    "unstable_called_stable": "unstable, called stable",
    "unstable_called_unstable": "unstable, called unstable",
}


def field_metrics_panel(data: ReportData, table: pd.DataFrame) -> Panel:
    """The panel of a study that has phonons.

    Parameters
    ----------
    data : ReportData
        All a page shows.
    table : pandas.DataFrame
        From :func:`softmode.study.field_metrics.field_metrics_table`.
    """
    good = done(data.cells, "harmonic")
    keys = data.records[data.records["measurement"] == "harmonic"]
    sources = keys.rename(columns={"file": "record", "key": "digest"})
    rows = good[["material", "formula", "potential", SEEN_COLUMN, *ERRORS.values(), f"mesh_{NOTE}"]].merge(
        sources[["material", "potential", "record", "digest"]], on=["material", "potential"]
    )
    parts = {str(name): part for name, part in rows.groupby("potential", sort=False)}
    materials, links = row_list("field_metrics_materials", parts)
    noted = sorted(set(rows[f"mesh_{NOTE}"]) - {""})
    left_out = int((rows[f"mesh_{NOTE}"] != "").sum())
    return Panel(
        key="field_metrics",
        title="The field's metrics: frequencies, thermodynamics, stability",
        caption=(
            "As other benchmarks give them, on the mesh of the comparison: mean absolute errors over "
            "materials with 95 % bootstrap intervals. Entropy, free energy and heat capacity at "
            f"{TEMPERATURE:g} K and constant volume, harmonic, quantum, per formula unit; imaginary modes "
            "are left out, so that beside all materials those that are stable on both sides are given. "
            "Distance of densities of states: first Wasserstein distance, how far a mode has to be moved."
        ),
        pictures=(
            Picture("densities_of_states", "Densities of states, the reference grey", _densities(data, good)),
            Picture("thermodynamic_errors", "Thermodynamics, potential less reference", _errors(good)),
        ),
        tables=(_error_table(table, links, left_out, noted), _stability_table(table, links)),
        lists=(materials,),
    )


def _error_table(table: pd.DataFrame, links: dict[str, RowsLink], left_out: int, noted: list[str]) -> Table:
    rows: list[Row] = []
    for _, row in table.iterrows():
        texts = [str(row["n"]), *(estimate(row, f"mae_{name}") for name in _HEADS)]
        rows.append((row["potential"], _MATERIALS[row["materials"]], *linked(texts, links[row["potential"]])))
    note = "–: no such material."
    if left_out:
        cells, others = "cells" if left_out > 1 else "cell", ", and others" if len(noted) > 1 else ""
        note += (
            f" In {left_out} {cells} a side is mostly imaginary and has no thermodynamics "
            f"({noted[0]}{others}): its errors are not in the mean."
        )
    return Table(
        "field_metrics_errors",
        "Mean absolute errors",
        ("potential", "materials", "n", *_HEADS.values()),
        tuple(rows),
        note,
    )


def _stability_table(table: pd.DataFrame, links: dict[str, RowsLink]) -> Table:
    rows: list[Row] = []
    for _, row in table[table["materials"] == "all"].iterrows():
        texts = [str(row["failed"]), *(str(int(row[name])) for name in _COUNTS)]
        texts += [estimate(row, f"stability_{name}") for name in STABILITY]
        texts += [number(row[f"stability_{name}_failures_as_wrong"]) for name in ("accuracy", "f1")]
        rows.append((row["potential"], *linked(texts, links[row["potential"]])))
    return Table(
        "harmonic_stability",
        "Harmonic stability on the mesh; positive: stable",
        (
            *("potential", "failed", *_COUNTS.values(), "accuracy", "precision", "recall", "F1"),
            *("accuracy, failures as wrong", "F1, failures as wrong"),
        ),
        tuple(rows),
        f"{NOTHING}: no material is stable, or called so.",
    )


def _errors(good: pd.DataFrame) -> Figure:
    """Difference of each thermodynamic quantity against that of the reference."""
    potentials = list(dict.fromkeys(good["potential"]))
    colour, marker = colours(potentials), markers(potentials)
    with figure_style():
        figure, panels = panel_grid(len(THERMODYNAMIC_FIGURES), 3, (3.3, 3.6))
        for axes, (name, label) in zip(panels, THERMODYNAMIC_FIGURES.items(), strict=True):
            for potential in potentials:
                own = good[good["potential"] == potential]
                x, y = (numbers_in(own, f"mesh_{name.format(side)}") for side in ("reference", "difference"))
                dots(axes, x, y, colour[potential], marker[potential], size=18, alpha=0.7)
            guides(axes, (0.0,), "y")
            quantity, _, unit = label.rpartition(", ")
            axes.set(xlabel=f"{quantity} of the reference\n({unit})", ylabel=f"difference ({unit})")
        potential_legend(figure, potentials)
        return figure


def _densities(data: ReportData, good: pd.DataFrame) -> Figure:
    """Densities of states of the materials that are, over all potentials, best, in the middle and worst."""
    distance = good.assign(distance=numbers_in(good, f"mesh_{DOS_DISTANCE}"))
    means = distance.groupby("material", sort=False)["distance"].mean().reset_index()
    chosen = best_median_worst(means, "distance")
    potentials = list(dict.fromkeys(good["potential"]))
    colour = colours(potentials)
    with figure_style():
        figure, panels = panel_grid(len(chosen), 3, (3.3, 3.4))
        for axes, (role, material) in zip(panels, chosen.items(), strict=True):
            drawn = False
            for potential in potentials:
                record = data.phonons(material, potential)
                if record is None:
                    continue
                at = record.arrays["dos_frequencies"]
                if not drawn:
                    reference = record.arrays["dos_reference"]
                    axes.fill_between(at, reference, color=REFERENCE_COLOUR, alpha=0.25, linewidth=0)
                    drawn = True
                axes.plot(at, record.arrays["dos_model"], color=colour[potential], linewidth=0.9)
            guides(axes, (0.0,), "x")
            axes.set_ylim(bottom=0.0)
            axes.set_xlabel("frequency (THz); imaginary below 0")
            mean = float(np.mean(means.loc[means["material"] == material, "distance"]))
            name = f"{role}: " if role else ""
            axes.set_title(
                f"{name}{pretty_formula(data.formula(material))} ({plain(material)})\n"
                f"mean distance {mean:.2g} THz",
                fontsize=9,
            )
        panels[0].set_ylabel("states per THz and cell")
        potential_legend(figure, potentials)
        return figure
