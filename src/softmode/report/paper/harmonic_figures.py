"""Figures of the harmonic panels: Figs. 1a–c and S1, S3–S6 of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from softmode.anharmonic.classes import EDGES
from softmode.crystal.arrays import FloatArray
from softmode.measurements.harmonic_panels import VG, W2
from softmode.report.paper.harmonic_data import SIGMA_REFERENCE
from softmode.style import (
    SIGMA,
    VG_LABEL,
    W2_LABEL,
    box,
    colours,
    distinct,
    figure_style,
    group_name,
    legend_below,
    name_point,
    panel_grid,
    patch_handles,
    plain,
    plain_log,
    pretty_formula,
    side_by_side,
)

_MAP = "viridis"
_UNKNOWN_COLOUR = "0.5"
_MOST_DOTS = 60  # of a box, that are told apart


def sigma_scale(values: FloatArray) -> Normalize:
    """Colour scale of σ: from 0 to the largest but for a few outliers, at least to the edge of unstable."""
    known = values[np.isfinite(values)]
    top = float(np.quantile(known, 0.98)) if len(known) else 0.0
    return Normalize(0.0, max(top, 1.2 * EDGES[-1]))


def highlighted_scatter(errors: pd.DataFrame, marks: Mapping[str, str], title: str) -> Figure:
    """RMSE(v_g) against RMSE(ω²), coloured by σ of the reference; some materials ringed and named (Fig. 1a).

    Parameters
    ----------
    errors : pandas.DataFrame
        From :func:`~softmode.report.paper.harmonic_data.harmonic_errors`.
    marks : mapping of str to str
        Material to what it is named.
    title : str
        Above.
    """
    with figure_style():
        figure = Figure(figsize=(6.2, 4.6))
        axes = figure.subplots()
        scale = sigma_scale(errors[SIGMA_REFERENCE].to_numpy(float))
        points = _points(axes, errors, scale, _size(len(errors)))
        axes.set_xlabel(W2_LABEL)
        axes.set_ylabel(VG_LABEL)
        axes.set_title(plain(title))
        plain_log(axes, "xy")
        _name(axes, errors, marks)
        _colour_bar(figure, points, [axes])
        return figure


def scatter_by_potential(
    errors: Mapping[str, pd.DataFrame], notes: Mapping[str, str], titles: Mapping[str, str]
) -> Figure:
    """As Fig. 1a, a panel per potential on common axes and colours (Figs. S3–S6).

    Parameters
    ----------
    errors : mapping of str to pandas.DataFrame
        By label of the potential.
    notes, titles : mapping of str to str
        What stands in and above each panel.
    """
    every = np.concatenate([rows[SIGMA_REFERENCE].to_numpy(float) for rows in errors.values()])
    scale = sigma_scale(every)
    with figure_style():
        margin = (0.9, 0.3)
        figure, grid = panel_grid(len(errors), 2, (3.6, 3.1), margin, sharex=True, sharey=True)
        points: PathCollection | None = None
        for axes, (label, part) in zip(grid, errors.items(), strict=True):
            points = _points(axes, part, scale, 0.7 * _size(len(part))) or points
            plain_log(axes, "xy")
            axes.set_title(plain(titles[label]))
            axes.text(0.03, 0.97, notes[label], transform=axes.transAxes, va="top", fontsize=8)
        for axes in grid[::2]:
            axes.set_ylabel(VG_LABEL)
        for axes in grid[-2:]:
            axes.set_xlabel(W2_LABEL)
        _colour_bar(figure, points, figure.axes)
        return figure


def _size(n: int) -> float:
    """Area of a point, pt², where there are so many."""
    return 28.0 if n <= 100 else 16.0


def _points(axes: Axes, errors: pd.DataFrame, scale: Normalize, size: float) -> PathCollection | None:
    """Points coloured by σ, the larger above; grey crosses where it is not known. None when it never is."""
    known = errors[errors[SIGMA_REFERENCE].notna()].sort_values(SIGMA_REFERENCE)
    unknown = errors[errors[SIGMA_REFERENCE].isna()]
    axes.scatter(unknown[W2], unknown[VG], s=size, color=_UNKNOWN_COLOUR, marker="x", linewidths=1.0)
    if known.empty:
        return None
    coloured: Any = {"c": known[SIGMA_REFERENCE], "cmap": _MAP, "norm": scale}
    return axes.scatter(known[W2], known[VG], s=size, linewidths=0.25, edgecolors="white", **coloured)


def _colour_bar(figure: Figure, points: PathCollection | None, panels: list[Axes]) -> None:
    if points is None:
        return
    bar = figure.colorbar(points, ax=panels, extend="max", aspect=32, pad=0.02)
    bar.set_label(f"{SIGMA} of the reference")
    for edge in EDGES:
        bar.ax.axhline(edge, color="white", linewidth=1.2)


def _name(axes: Axes, errors: pd.DataFrame, marks: Mapping[str, str]) -> None:
    x_middle = float(np.sqrt(np.prod(axes.get_xlim())))
    for material, name in marks.items():
        row = errors[errors["material"] == material].iloc[0]
        axes.scatter(row[W2], row[VG], s=110, facecolors="none", edgecolors="#D55E00", linewidths=1.5)
        align, shift = ("left", 8) if row[W2] < x_middle else ("right", -8)
        outlined = [withStroke(linewidth=2.5, foreground="white")]
        style: Any = {"fontsize": 9, "color": "#8A3A00", "path_effects": outlined}
        name_point(axes, pretty_formula(name), (row[W2], row[VG]), (shift, 9), align, **style)


def error_box_figure(
    values: Mapping[tuple[str, str], FloatArray], titles: Mapping[str, str], label: str
) -> Figure:
    """Box plots by halide and potential: quartiles, median, whiskers to 1.5 IQR, outliers (Figs. 1b, 1c).

    Parameters
    ----------
    values : mapping of (group, potential) to array
        Errors of the materials.
    titles : mapping of str to str
        How each potential is called in the legend, in order.
    label : str
        Of the axis, with its unit.
    """
    groups = distinct(group for group, _ in values)
    colour = colours(list(titles))
    with figure_style():
        figure = Figure(figsize=(6.6, 3.9))
        axes = figure.subplots()
        for index, potential in enumerate(titles):
            for place, group in enumerate(groups):
                x = side_by_side(place, index, len(titles))
                numbers = values.get((group, potential), np.empty(0))
                box(axes, numbers, x, 0.84 * (0.8 / len(titles)), colour[potential])
        axes.set_xticks(range(len(groups)), [plain(group_name(group)) for group in groups])
        axes.set_xlim(-0.55, len(groups) - 0.45)
        axes.grid(axis="x", visible=False)
        axes.set_ylabel(label)
        plain_log(axes, "y")
        legend_below(figure, patch_handles({plain(titles[p]): colour[p] for p in titles}, 0.5), 4)
        return figure


def halide_boxes(values: Sequence[Mapping[str, FloatArray]], labels: Sequence[str]) -> Figure:
    """Quantities by halide, a panel each (Fig. S1).

    Parameters
    ----------
    values : sequence of mapping of str to array
        By group; a quantity without values has no panel.
    labels : sequence of str
        Of the axes, with units.
    """
    given = [item for item in zip("abcd", values, labels, strict=False) if item[1]]
    with figure_style():
        figure, grid = panel_grid(len(given), len(given), (3.7, 3.6))
        for axes, (letter, parts, label) in zip(grid, given, strict=True):
            for place, (group, numbers) in enumerate(parts.items()):
                dots = len(numbers) <= _MOST_DOTS
                box(axes, numbers, place, 0.5, colours(list(parts))[group], outliers=not dots)
                if dots:
                    spread = np.random.default_rng(0).uniform(-0.17, 0.17, len(numbers))
                    axes.plot(place + spread, numbers, ".", color="0.25", markersize=2.5, alpha=0.6)
            names = [f"{group_name(group)}\n(n = {len(numbers)})" for group, numbers in parts.items()]
            axes.set_xticks(range(len(parts)), names)
            axes.set_xlim(-0.6, max(len(parts), 1) - 0.4)
            axes.set_ylabel(label)
            axes.set_title(f"({letter})", loc="left")
            axes.grid(axis="x", visible=False)
        return figure
