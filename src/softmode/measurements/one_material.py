"""Charts of cells of one material alone: a row for each potential, where points would hide each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from softmode.charts import CellPoints, Guide, IntervalRow, Intervals


def by_potential(rows: pd.DataFrame, chart: CellPoints, axis: str) -> CellPoints | Intervals:
    """Points of potentials against the reference; of one material its values with a row for each potential.

    Parameters
    ----------
    rows : pandas.DataFrame
        Cells with results.
    chart : CellPoints
        What is drawn of several: potentials upwards, the reference to the right.
    axis : str
        What is upwards, with its unit.
    """
    value = chart.y
    if rows["material"].nunique() != 1 or value not in rows or (known := rows.dropna(subset=value)).empty:
        return chart
    guides = tuple(replace(guide, axis="x") for guide in chart.guides if guide.axis == "y")
    if chart.x in known and known[chart.x].nunique() == 1:
        guides += (Guide("x", float(known[chart.x].iloc[0]), "reference"),)
    low, high = (known.get(f"{value}_{end}", pd.Series(pd.NA, known.index)) for end in ("low", "high"))
    lines = tuple(
        IntervalRow(str(name), float(found), _bound(below), _bound(above), potential=str(name))
        for name, found, below, above in zip(known["potential"], known[value], low, high, strict=True)
    )
    return Intervals(
        name=chart.name,
        title=chart.title,
        note=chart.note,
        axis=axis,
        rows=lines,
        log=chart.log_y,
        guides=guides,
    )


def _bound(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
