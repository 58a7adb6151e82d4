"""Figures of maps of configuration space: points by trajectory and by σ(t), and σ(t) of foreign frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from softmode.measurements.map.analysis import MapPoints
from softmode.style import MARKERS, REFERENCE_COLOUR, colours, figure_style, marker_handles, markers, plain

SIGMA_T = r"$\sigma(t)$"
_FEW = 300  # fewer points are drawn larger


def cloud_colours(labels: Sequence[str]) -> dict[str, str]:
    """Colour of each cloud: the first, the reference, is dark."""
    return {**dict.fromkeys(labels[:1], REFERENCE_COLOUR), **colours(labels[1:])}


def _size(points: MapPoints) -> float:
    return 18.0 if len(points.cloud) < _FEW else 7.0


def _axis_labels(axes: Axes, points: MapPoints) -> None:
    for number, name in enumerate(("x", "y")):
        text = f"component {number + 1} ({100 * points.explained[number]:.0f} %)"
        getattr(axes, f"set_{name}label")(text)
    axes.ticklabel_format(style="sci", scilimits=(-2, 3), useMathText=True)


def _scatter(
    axes: Axes,
    points: MapPoints,
    chosen: NDArray[np.int64],
    cloud: int,
    colour: Any,
    alpha: float | None = None,
    **style: Any,
) -> PathCollection:
    """Some frames of a cloud, with its marker."""
    x, y = points.coordinates[chosen, 0], points.coordinates[chosen, 1]
    marker = MARKERS[cloud % len(MARKERS)]
    return axes.scatter(x, y, s=_size(points), c=colour, marker=marker, alpha=alpha, linewidths=0, **style)


def draw_by_trajectory(axes: Axes, points: MapPoints) -> None:
    """Points coloured by cloud, drawn in turns so that no cloud hides the others."""
    colour = cloud_colours(points.labels)
    order = np.random.default_rng(0).permutation(len(points.cloud))
    for index, label in enumerate(points.labels):
        _scatter(axes, points, order[points.cloud[order] == index], index, colour[label], 0.55, zorder=2)
    _axis_labels(axes, points)
    handles = marker_handles({label: plain(label) for label in points.labels}, colour, markers(points.labels))
    axes.legend(handles=handles, loc="best", handletextpad=0.2, borderaxespad=0.2)


def draw_by_sigma(axes: Axes, points: MapPoints) -> None:
    """Points coloured by σ(t); frames without it grey."""
    known = np.isfinite(points.sigma_t)
    for index in range(len(points.labels)):
        _scatter(axes, points, np.flatnonzero(~known & (points.cloud == index)), index, "0.8", zorder=1)
    low, high = np.quantile(points.sigma_t[known], [0.01, 0.99])
    order = np.random.default_rng(0).permutation(np.flatnonzero(known))
    scale: Any = {"vmin": low, "vmax": max(high, low + 1e-9), "cmap": "viridis", "zorder": 2}
    drawn = None
    for index in range(len(points.labels)):
        chosen = order[points.cloud[order] == index]
        if len(chosen):
            drawn = _scatter(axes, points, chosen, index, points.sigma_t[chosen], 0.8, **scale)
    if drawn is not None and axes.figure is not None:
        axes.figure.colorbar(drawn, ax=axes, label=SIGMA_T, pad=0.02)
    _axis_labels(axes, points)


def draw_foreign(axes: Axes, points: MapPoints, threshold: float, text: str = "") -> None:
    """σ(t) against how foreign a frame is; frames beyond the line are those the reference does not visit."""
    colour = cloud_colours(points.labels)
    for index, label in enumerate(points.labels):
        chosen = (points.cloud == index) & np.isfinite(points.sigma_t)
        looks: Any = {"c": colour[label], "marker": MARKERS[index % len(MARKERS)], "label": plain(label)}
        x, y = points.foreign[chosen], points.sigma_t[chosen]
        axes.scatter(x, y, s=_size(points), alpha=0.5, linewidths=0, **looks)
    axes.axvline(threshold, color="0.4", linewidth=0.9, linestyle="--")
    axes.set_xlabel("distance from the reference (1: usual)")
    axes.set_ylabel(SIGMA_T)
    if text:
        axes.set_title(text, fontsize=8.5)


def trajectory_figure(points: MapPoints) -> Figure:
    """The map coloured by trajectory."""
    with figure_style():
        figure = Figure(figsize=(5.2, 4.2))
        draw_by_trajectory(figure.subplots(), points)
        return figure


def sigma_figure(points: MapPoints) -> Figure:
    """The map coloured by σ(t), which must be known of some frames."""
    with figure_style():
        figure = Figure(figsize=(5.2, 4.2))
        draw_by_sigma(figure.subplots(), points)
        return figure


def foreign_figure(points: MapPoints, threshold: float, text: str = "") -> Figure:
    """σ(t) against how foreign frames are."""
    with figure_style():
        figure = Figure(figsize=(5.2, 3.8))
        axes = figure.subplots()
        draw_foreign(axes, points, threshold, text)
        axes.legend(loc="best", handletextpad=0.2)
        return figure
