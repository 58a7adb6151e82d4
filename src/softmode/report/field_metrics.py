"""The section of a page with the field's metrics: densities of states, thermodynamics, stability."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from softmode.charts import CellPoints, Chart, Lines, LineSeries
from softmode.measurements.field_metrics import (
    DOS_DISTANCE,
    FREQUENCY_FIGURES,
    NOTE,
    TEMPERATURE,
    THERMODYNAMIC_FIGURES,
)
from softmode.panel import (
    NOTHING,
    Panel,
    RecordLink,
    Row,
    RowList,
    RowsLink,
    Table,
    estimate,
    linked,
    number,
    row_list,
)
from softmode.records import Record
from softmode.study.field_metrics import ERRORS, STABILITY
from softmode.study.results import SEEN_COLUMN, best_median_worst, done, numbers_in
from softmode.style import distinct

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


def field_metrics_panel(
    cells: pd.DataFrame,
    table: pd.DataFrame,
    record: Callable[[str, str, str], Record | None],
    link: Callable[[str, str, str], RecordLink],
) -> Panel:
    """The panel of a study that has phonons.

    Parameters
    ----------
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    table : pandas.DataFrame
        From :func:`softmode.study.field_metrics.field_metrics_table`.
    record, link : callable
        Record of a material, a potential and a measurement, and where it lies.
    """
    good = done(cells, "harmonic")
    links = [link(*names, "harmonic") for names in zip(good["material"], good["potential"], strict=True)]
    rows = good[["material", "formula", "potential", SEEN_COLUMN, *ERRORS.values(), f"mesh_{NOTE}"]].assign(
        record=[each.file for each in links], digest=[each.digest for each in links]
    )
    parts = {str(name): part for name, part in rows.groupby("potential", sort=False)}
    materials, row_links = row_list("field_metrics_materials", parts)
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
        tables=(_error_table(table, row_links, left_out, noted), _stability_table(table, row_links)),
        lists=(RowList("field_metrics", table), materials),
        charts=(*_densities(good, record), *_thermodynamics()),
        chapter="Phonons",
    )


def _thermodynamics() -> list[Chart]:
    """Each thermodynamic quantity of the potential against that of the reference."""
    return [
        CellPoints(
            name=f"thermodynamics_{name.partition('_{}')[0]}",
            title=label[:1].upper() + label[1:],
            x=f"mesh_{name.format('reference')}",
            y=f"mesh_{name.format('model')}",
            equality=True,
        )
        for name, label in THERMODYNAMIC_FIGURES.items()
    ]


def _densities(good: pd.DataFrame, record: Callable[[str, str, str], Record | None]) -> list[Chart]:
    """Densities of states of the materials that are, over all potentials, best, in the middle and worst."""
    distance = good.assign(distance=numbers_in(good, f"mesh_{DOS_DISTANCE}"))
    means = distance.groupby("material", sort=False)["distance"].mean().reset_index()
    formulas = dict(zip(good["material"], good["formula"], strict=True))
    series: list[LineSeries] = []
    for role, material in best_median_worst(means, "distance").items():
        mean = float(means.loc[means["material"] == material, "distance"].iloc[0])
        facet = (
            f"{f'{role}: ' if role else ''}{formulas[material]} ({material}), mean distance {mean:.2g} THz"
        )
        of_reference = True
        for potential in distinct(good["potential"]):
            found = record(material, potential, "harmonic")
            if found is None:
                continue
            at = tuple(found.arrays["dos_frequencies"].tolist())
            for side, name in (("reference", None), ("model", potential))[not of_reference :]:
                values = tuple(found.arrays[f"dos_{side}"].tolist())
                series.append(LineSeries(name or "reference", at, values, potential=name, facet=facet))
            of_reference = False
    chart = Lines(
        name="densities_of_states",
        title="Densities of states",
        x_label="frequency, THz; imaginary below 0",
        y_label="states per THz and cell",
        series=tuple(series),
    )
    return [chart] if series else []


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
