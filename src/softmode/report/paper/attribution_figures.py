"""What the error of σ is made of, drawn: forces, force constants and configurations, and their sum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softmode.study.md_results import PART_NAMES, PARTS
from softmode.style import (
    PALETTE,
    REFERENCE_COLOUR,
    SIGMA,
    colours,
    distinct,
    figure_style,
    legend_below,
    patch_handles,
    plain,
    pretty_formula,
    side_by_side,
)

PART_COLOURS = dict(zip(PART_NAMES, PALETTE, strict=False))
_MOST_BARS = 45  # more materials are shown as distributions


def attribution_figure(parts: pd.DataFrame) -> Figure:
    """Errors of forces, force constants and configurations, stacked; their sum as a point.

    Parameters
    ----------
    parts : pandas.DataFrame
        From :func:`softmode.study.md_results.attribution`. Above 45 cells of a potential distributions are
        drawn in place of bars.
    """
    potentials = distinct(parts["potential"])
    largest = int(parts["potential"].value_counts().max())
    with figure_style():
        if largest > _MOST_BARS:
            kept = parts[~parts["collapsed"].astype(bool)]
            return part_boxes(kept, potentials, PARTS, f"part of {SIGMA}, alone − reference")
        figure = Figure(figsize=(max(5.6, 0.32 * largest + 1.6), 2.6 * len(potentials) + 0.9))
        panels = figure.subplots(len(potentials), 1, squeeze=False)[:, 0]
        for axes, potential in zip(panels, potentials, strict=True):
            rows = parts[parts["potential"] == potential].sort_values("difference")
            _stacked(axes, rows)
            axes.set_ylabel(f"{plain(potential)}\n\n{SIGMA}, alone − reference", fontsize=8.5)
        handles: list[Artist] = [*patch_handles({PART_NAMES[part]: PART_COLOURS[part] for part in PARTS})]
        sums = {"sum": REFERENCE_COLOUR} | (
            {"sum, crystal lost": "white"} if parts["collapsed"].any() else {}
        )
        for label, face in sums.items():
            point: Any = {"marker": "D", "mfc": face, "mec": REFERENCE_COLOUR, "markersize": 4}
            handles.append(Line2D([], [], linestyle="", label=label, **point))
        legend_below(figure, handles, len(handles) if largest > 20 else 3)
        return figure


def _stacked(axes: Axes, rows: pd.DataFrame) -> None:
    place = np.arange(len(rows))
    above, below = np.zeros(len(rows)), np.zeros(len(rows))
    for part in PARTS:
        values = rows[part].to_numpy(float)
        base = np.where(values >= 0.0, above, below)
        axes.bar(place, values, bottom=base, width=0.72, color=PART_COLOURS[part])
        above += np.maximum(values, 0.0)
        below += np.minimum(values, 0.0)
    lost = rows["collapsed"].to_numpy(bool)
    for chosen, face in ((~lost, REFERENCE_COLOUR), (lost, "white")):
        sums = rows["difference"].to_numpy(float)[chosen]
        axes.plot(place[chosen], sums, "D", mfc=face, mec=REFERENCE_COLOUR, markersize=4, zorder=4)
    axes.axhline(0.0, color="0.3", linewidth=0.8)
    names = [pretty_formula(formula) for formula in rows["formula"]]
    steep = len(names) > 6 or max(map(len, rows["formula"])) > 8
    turned: Any = {"rotation": 55, "ha": "right"} if steep else {}
    axes.set_xticks(place, names, fontsize=7.5, **turned)
    spare = max(0.0, 0.5 * (5 - len(rows)))  # few bars are not made wide
    axes.set_xlim(-0.7 - spare, len(rows) - 0.3 + spare)
    axes.grid(axis="x", visible=False)


def part_boxes(rows: pd.DataFrame, potentials: Sequence[str], parts: Sequence[str], label: str) -> Figure:
    """Distributions over materials of parts of the error of σ, and of their sum, by potential.

    Parameters
    ----------
    rows : pandas.DataFrame
        With `potential`, the parts, and `difference`, which is their sum.
    potentials : sequence of str
        In the order in which they are drawn.
    parts : sequence of str
        Of :data:`PART_NAMES`.
    label : str
        Of the axis.
    """
    colour = colours(potentials)
    figure = Figure(figsize=(7.6, 4.0))
    axes = figure.subplots()
    names = {**{part: PART_NAMES[part] for part in parts}, "difference": "sum"}
    for index, potential in enumerate(potentials):
        own = rows[rows["potential"] == potential]
        axes.boxplot(
            [own[part].to_numpy(float) for part in names],
            positions=[side_by_side(place, index, len(potentials)) for place in range(len(names))],
            widths=0.82 * (0.8 / len(potentials)),
            patch_artist=True,
            boxprops={"facecolor": colour[potential], "alpha": 0.45, "linewidth": 0.8},
            medianprops={"color": REFERENCE_COLOUR, "linewidth": 1.6},
            flierprops={"marker": ".", "markersize": 3, "alpha": 0.6},
            manage_ticks=False,
        )
    axes.axhline(0.0, color="0.3", linewidth=0.8)
    axes.set_xticks(range(len(names)), list(names.values()))
    axes.set_ylabel(label)
    axes.grid(axis="x", visible=False)
    legend_below(figure, patch_handles({plain(name): shade for name, shade in colour.items()}, 0.45))
    return figure
