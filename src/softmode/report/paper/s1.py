"""Fig. S1: anharmonicity and mean frequency of the reference, by halide."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
    row_list,
)
from softmode.report.paper.fig1 import box_numbers
from softmode.report.paper.harmonic_figures import halide_boxes
from softmode.report.paper.missing import HALIDES, halides_missing, measurement_missing
from softmode.report.paper.source import PaperData
from softmode.study.results import numbers_in
from softmode.style import group_name, order_groups

FloatArray = NDArray[np.float64]

SIGMA = "sigma_reference_mean_t"
FREQUENCY = "mesh_mean_frequency_reference_THz"
_TITLE = "Fig. S1: anharmonicity and mean frequency by halide"
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
        "sigma": reference_values(data, SIGMA, "reference_sigma"),
        "frequency": reference_values(data, FREQUENCY, "harmonic"),
    }
    parts = {
        (name, group): rows[rows["group"] == group]
        for name, rows in quantities.items()
        for group in order_groups(rows["group"])
        if group in HALIDES
    }
    if not parts:
        return Panel("s1", _TITLE, _CAPTION, missing=missing)
    lists: list[RowList] = []
    links: dict[tuple[str, str], RowsLink] = {}
    for name in quantities:
        own = {of: part for of, part in parts.items() if of[0] == name}
        listing, found = row_list(f"s1_{name}", own)
        lists.append(listing)
        links |= found
    values = {of: part["value"].to_numpy(float) for of, part in parts.items()}
    figure = halide_boxes(
        [{group: values[of, group] for of, group in values if of == name} for name in quantities],
        (r"$\langle\sigma(t)\rangle_t$", r"$\langle\nu\rangle$ (THz)"),
    )
    return Panel(
        key="s1",
        title=_TITLE,
        caption=_CAPTION,
        pictures=(Picture("s1", "Anharmonicity and mean frequency by halide", figure),),
        tables=(_table(values, links),),
        missing=missing,
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
