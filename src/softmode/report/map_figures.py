"""Figures of maps of configuration space: points by trajectory and by σ(t), and σ(t) of foreign frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softmode.study.map_analysis import MapPoints
from softmode.style import MARKERS, PALETTE, REFERENCE_COLOUR, figure_style, plain, pretty_formula

SIGMA_T = r"$\sigma(t)$"
_FEW = 300  # fewer points are drawn larger


def cloud_colours(labels: Sequence[str]) -> dict[str, str]:
    """Colour of each cloud: the first, the reference, is dark."""
    rest = {label: PALETTE[index % len(PALETTE)] for index, label in enumerate(labels[1:])}
    return {**dict.fromkeys(labels[:1], REFERENCE_COLOUR), **rest}


def _size(points: MapPoints) -> float:
    return 18.0 if len(points.cloud) < _FEW else 7.0


def _axis_labels(axes: Axes, points: MapPoints) -> None:
    for number, name in enumerate(("x", "y")):
        text = f"component {number + 1} ({100 * points.explained[number]:.0f} %)"
        getattr(axes, f"set_{name}label")(text)
    axes.ticklabel_format(style="sci", scilimits=(-2, 3), useMathText=True)


def draw_by_trajectory(axes: Axes, points: MapPoints) -> None:
    """Points coloured by cloud, drawn in turns so that no cloud hides the others."""
    colour = cloud_colours(points.labels)
    order = np.random.default_rng(0).permutation(len(points.cloud))
    for index, label in enumerate(points.labels):
        chosen = order[points.cloud[order] == index]
        axes.scatter(
            points.coordinates[chosen, 0],
            points.coordinates[chosen, 1],
            s=_size(points),
            c=colour[label],
            marker=MARKERS[index % len(MARKERS)],
            alpha=0.55,
            linewidths=0,
            zorder=2,
        )
    _axis_labels(axes, points)
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=MARKERS[index % len(MARKERS)],
            color=colour[label],
            label=plain(label),
        )
        for index, label in enumerate(points.labels)
    ]
    axes.legend(handles=handles, loc="best", handletextpad=0.2, borderaxespad=0.2)


def draw_by_sigma(axes: Axes, points: MapPoints) -> None:
    """Points coloured by σ(t); frames without it grey."""
    known = np.isfinite(points.sigma_t)
    for index in range(len(points.labels)):
        unknown = ~known & (points.cloud == index)
        marker = MARKERS[index % len(MARKERS)]
        axes.scatter(
            points.coordinates[unknown, 0],
            points.coordinates[unknown, 1],
            s=_size(points),
            c="0.8",
            marker=marker,
            linewidths=0,
            zorder=1,
        )
    low, high = np.quantile(points.sigma_t[known], [0.01, 0.99])
    order = np.random.default_rng(0).permutation(np.flatnonzero(known))
    drawn = None
    for index in range(len(points.labels)):
        chosen = order[points.cloud[order] == index]
        if not len(chosen):
            continue
        drawn = axes.scatter(
            points.coordinates[chosen, 0],
            points.coordinates[chosen, 1],
            s=_size(points),
            c=points.sigma_t[chosen],
            vmin=low,
            vmax=max(high, low + 1e-9),
            cmap="viridis",
            marker=MARKERS[index % len(MARKERS)],
            alpha=0.8,
            linewidths=0,
            zorder=2,
        )
    if drawn is not None and axes.figure is not None:
        axes.figure.colorbar(drawn, ax=axes, label=SIGMA_T, pad=0.02)
    _axis_labels(axes, points)


def draw_foreign(axes: Axes, points: MapPoints, threshold: float, text: str = "") -> None:
    """σ(t) against how foreign a frame is; frames beyond the line are those the reference does not visit."""
    colour = cloud_colours(points.labels)
    for index, label in enumerate(points.labels):
        chosen = (points.cloud == index) & np.isfinite(points.sigma_t)
        axes.scatter(
            points.foreign[chosen],
            points.sigma_t[chosen],
            s=_size(points),
            c=colour[label],
            marker=MARKERS[index % len(MARKERS)],
            alpha=0.5,
            linewidths=0,
            label=plain(label),
        )
    axes.axvline(threshold, color="0.4", linewidth=0.9, linestyle="--")
    axes.set_xlabel("distance from the reference (1: usual)")
    axes.set_ylabel(SIGMA_T)
    if text:
        axes.set_title(text, fontsize=8.5)


_Draw = Callable[[Axes, MapPoints], None]


def _one(points: MapPoints, draw: _Draw, title: str) -> Figure:
    with figure_style():
        figure = Figure(figsize=(5.2, 4.2))
        axes = figure.subplots()
        draw(axes, points)
        if title:
            axes.set_title(pretty_formula(title))
        return figure


def trajectory_figure(points: MapPoints, title: str = "") -> Figure:
    """The map coloured by trajectory."""
    return _one(points, draw_by_trajectory, title)


def sigma_figure(points: MapPoints, title: str = "") -> Figure:
    """The map coloured by σ(t), which must be known of some frames."""
    return _one(points, draw_by_sigma, title)


def foreign_figure(points: MapPoints, threshold: float, text: str = "") -> Figure:
    """σ(t) against how foreign frames are."""
    with figure_style():
        figure = Figure(figsize=(5.2, 3.8))
        axes = figure.subplots()
        draw_foreign(axes, points, threshold, text)
        axes.legend(loc="best", handletextpad=0.2)
        return figure


def cell_figure(points: MapPoints, threshold: float, title: str, text: str) -> Figure:
    """By trajectory, by σ(t), and σ(t) of foreign frames, side by side.

    Parameters
    ----------
    points : MapPoints
        Reference and potential.
    threshold : float
        Beyond which a frame is foreign.
    title : str
        Formula and potential.
    text : str
        The correlation, in words.
    """
    with figure_style():
        figure = Figure(figsize=(11.4, 3.6))
        left, middle, right = figure.subplots(1, 3)
        draw_by_trajectory(left, points)
        draw_by_sigma(middle, points)
        draw_foreign(right, points, threshold, text)
        figure.suptitle(title)
        return figure
