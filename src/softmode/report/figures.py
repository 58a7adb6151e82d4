"""Figures of the harmonic comparison for papers (matplotlib; after Fig. 1 of Yang et al., PCCP 2026)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from softmode.study.results import done as finished
from softmode.style import (
    MEDIAN_COLOUR,
    VG_LABEL,
    W2_LABEL,
    box,
    colours,
    distinct,
    dots,
    figure_style,
    group_name,
    legend_below,
    marker_handles,
    markers,
    name_point,
    order_groups,
    panel_grid,
    patch_handles,
    plain,
    plain_log,
    potential_legend,
    pretty_formula,
    side_by_side,
)

W2, VG = "path_rmse_w2_THz2", "path_rmse_vg_THzA"
_LOWEST = ["mesh_lowest_reference_THz", "mesh_lowest_model_THz"]


def error_scatter(table: pd.DataFrame) -> Figure:
    """RMSE(ω²) against RMSE(v_g) per material, a panel and colour per potential, a marker per group."""
    done = finished(table, "harmonic")
    groups, potentials = order_groups(done["group"]), distinct(done["potential"])
    colour, marker = colours(potentials), markers(groups)
    with figure_style():
        figure, panels = panel_grid(len(potentials), 2, (3.9, 3.5), sharex=True, sharey=True)
        for axes, potential in zip(panels, potentials, strict=True):
            rows = done[done["potential"] == potential]
            for group in groups:
                part = rows[rows["group"] == group]
                dots(axes, part[W2], part[VG], colour[potential], marker[group], size=22, alpha=0.7)
            plain_log(axes, "xy")
            axes.set_title(plain(potential))
            _label_extremes(axes, rows)
            axes.set_xlabel(W2_LABEL)
        panels[0].set_ylabel(VG_LABEL)
        names = {group: plain(group_name(group)) for group in groups}
        legend_below(figure, marker_handles(names, dict.fromkeys(groups, "0.3"), marker))
        return figure


def _label_extremes(axes: Axes, rows: pd.DataFrame) -> None:
    ordered = rows.sort_values(W2)
    ends = ((0, "left", 4.0), (-1, "right", -4.0)) if len(rows) > 1 else ((0, "left", 4.0),)
    for place, align, shift in ends if len(rows) else ():
        row = ordered.iloc[place]
        name = pretty_formula(row["formula"])
        name_point(axes, name, (row[W2], row[VG]), (shift, 5), align, fontsize=7.5)


def _boxes(axes: Axes, done: pd.DataFrame, column: str) -> None:
    groups, potentials = order_groups(done["group"]), distinct(done["potential"])
    colour = colours(potentials)
    width = 0.8 / len(potentials)
    for index, potential in enumerate(potentials):
        rows = done[done["potential"] == potential]
        for place, group in enumerate(groups):
            values = rows.loc[rows["group"] == group, column].to_numpy(float)
            x = side_by_side(place, index, len(potentials))
            # without outliers: every material is a dot
            box(axes, values, x, 0.82 * width, colour[potential], alpha=0.45, outliers=False)
            if len(values):
                at = x + np.random.default_rng(0).uniform(-0.25, 0.25, len(values)) * width
                axes.plot(at, values, ".", color=colour[potential], markersize=2.5, alpha=0.7, zorder=3)
    counts = done[done["potential"] == potentials[0]]["group"].value_counts() if potentials else {}
    names = [f"{plain(group_name(group))}\n(n = {counts.get(group, 0)})" for group in groups]
    axes.set_xticks(range(len(groups)), names)
    axes.set_xlim(-0.6, len(groups) - 0.4)
    plain_log(axes, "y")
    axes.grid(axis="x", visible=False)


def error_boxes(table: pd.DataFrame) -> Figure:
    """Box plots of both errors per group and potential, log axes; whiskers 1.5 IQR, median orange.

    The layout of Fig. 1b and 1c of the paper, with every material as a dot.
    """
    done = finished(table, "harmonic")
    with figure_style():
        figure = Figure(figsize=(8.2, 3.8))
        for axes, column, label in zip(figure.subplots(1, 2), (VG, W2), (VG_LABEL, W2_LABEL), strict=True):
            _boxes(axes, done, column)
            axes.set_ylabel(label)
        shades = colours(distinct(done["potential"]))
        legend_below(figure, patch_handles({plain(name): shade for name, shade in shades.items()}, 0.45))
        return figure


def stability_figure(table: pd.DataFrame) -> Figure:
    """Lowest mode of the model against the reference's, and the softening slope per group."""
    done = finished(table, "harmonic")
    with figure_style():
        figure = Figure(figsize=(8.2, 3.8))
        left, right = figure.subplots(1, 2)
        _lowest(left, done)
        _softening(right, done)
        potential_legend(figure, distinct(done["potential"]))
        return figure


def _lowest(axes: Axes, done: pd.DataFrame) -> None:
    """Lowest modes on axes that are linear to ±1 THz and logarithmic beyond."""
    potentials = distinct(done["potential"])
    colour, marker = colours(potentials), markers(potentials)
    for potential in potentials:
        x, y = done.loc[done["potential"] == potential, _LOWEST].to_numpy(float).T
        dots(axes, x, y, colour[potential], marker[potential], size=20, alpha=0.8)
    lowest = done[_LOWEST].to_numpy(float)
    limits = (1.1 * float(lowest.min()) - 0.1, max(float(lowest.max()), 0.0) + 0.25)
    axes.plot(limits, limits, color="0.5", linewidth=0.8)
    axes.axhline(0.0, color="0.5", linewidth=0.6, linestyle=":")
    axes.axvline(0.0, color="0.5", linewidth=0.6, linestyle=":")
    numbered = (-20, -10, -5, -2, -1, -0.5, 0, 0.5, 1, 2, 5)
    ticks = [value for value in numbered if limits[0] <= value <= limits[1]]
    axes.set_xscale("symlog", linthresh=1.0)
    axes.set_yscale("symlog", linthresh=1.0)
    axes.set(xlim=limits, ylim=limits)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, [f"{value:g}" for value in ticks])
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("lowest mode, reference (THz; linear to ±1, then log)")
    axes.set_ylabel("lowest mode, potential (THz)")


def _softening(axes: Axes, done: pd.DataFrame) -> None:
    groups, potentials = order_groups(done["group"]), distinct(done["potential"])
    colour, marker = colours(potentials), markers(potentials)
    width = 0.8 / len(potentials)
    rng = np.random.default_rng(0)
    for index, potential in enumerate(potentials):
        for place, group in enumerate(groups):
            rows = done[(done["potential"] == potential) & (done["group"] == group)]
            values = rows["path_softening"].to_numpy(float)
            x = side_by_side(place, index, len(potentials))
            at = x + rng.uniform(-0.3, 0.3, len(values)) * width
            dots(axes, at, values, colour[potential], marker[potential], size=14, alpha=0.7)
            if len(values):
                span, median = [x - 0.35 * width, x + 0.35 * width], float(np.median(values))
                axes.plot(span, [median] * 2, color=MEDIAN_COLOUR, linewidth=2)
    axes.axhline(1.0, color="0.5", linewidth=0.8)
    axes.set_xticks(range(len(groups)), [plain(group_name(group)) for group in groups])
    axes.set_ylabel("softening (slope of ω² on reference)")
    axes.grid(axis="x", visible=False)


#: Figures of every study with harmonic results: file name, title, drawing function.
HARMONIC_FIGURES = (
    ("errors_scatter", "Errors of squared frequencies and group velocities, per material", error_scatter),
    ("errors_boxes", "Errors by group and potential", error_boxes),
    ("stability", "Lowest modes and softening", stability_figure),
)
