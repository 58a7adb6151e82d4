"""Figures of the harmonic comparison for papers (matplotlib; after Fig. 1 of Yang et al., PCCP 2026)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter

from softmode.study.results import done as finished
from softmode.style import (
    MEDIAN_COLOUR,
    VG_LABEL,
    W2_LABEL,
    colours,
    figure_style,
    group_name,
    markers,
    order_groups,
    plain,
    plain_log,
    pretty_formula,
)

W2, VG = "path_rmse_w2_THz2", "path_rmse_vg_THzA"


def _potentials(table: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys(table["potential"]))


def _panel_grid(n: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    columns = min(n, 2)
    rows = -(-n // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for spare in grid[n:]:
        spare.set_visible(False)
    for lowest in grid[max(0, n - columns) : n]:
        lowest.tick_params(labelbottom=True)  # also where the panel below is a spare one
    return figure, list(grid[:n])


def error_scatter(table: pd.DataFrame) -> Figure:
    """RMSE(ω²) against RMSE(v_g) per material, a panel and colour per potential, a marker per group."""
    done = finished(table, "harmonic")
    groups = order_groups(done["group"])
    colour, marker = colours(_potentials(done)), markers(groups)
    with figure_style():
        figure, panels = _panel_grid(len(_potentials(done)), (3.9, 3.5))
        for axes, potential in zip(panels, _potentials(done), strict=True):
            rows = done[done["potential"] == potential]
            for group in groups:
                part = rows[rows["group"] == group]
                axes.scatter(
                    part[W2],
                    part[VG],
                    s=22,
                    color=colour[potential],
                    marker=marker[group],
                    alpha=0.7,
                    linewidths=0,
                )
            plain_log(axes, "xy")
            axes.set_title(plain(potential))
            _label_extremes(axes, rows)
        for axes in panels:
            axes.set_xlabel(W2_LABEL)
        panels[0].set_ylabel(VG_LABEL)
        handles = [
            Line2D([], [], linestyle="", marker=marker[g], color="0.3", label=plain(group_name(g)))
            for g in groups
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6))
        return figure


def _label_extremes(axes: Axes, rows: pd.DataFrame) -> None:
    if rows.empty:
        return
    ordered = rows.sort_values(W2)
    for row, align in ((ordered.iloc[0], "left"), (ordered.iloc[-1], "right")):
        axes.annotate(
            pretty_formula(row["formula"]),
            (row[W2], row[VG]),
            xytext=(4 if align == "left" else -4, 5),
            textcoords="offset points",
            ha=align,
            fontsize=7.5,
        )
        if len(rows) == 1:
            return


def _boxes(axes: Axes, done: pd.DataFrame, column: str) -> None:
    groups, potentials = order_groups(done["group"]), _potentials(done)
    colour = colours(potentials)
    width = 0.8 / len(potentials)
    for shift, potential in enumerate(potentials):
        rows = done[done["potential"] == potential]
        for place, group in enumerate(groups):
            values = rows.loc[rows["group"] == group, column].to_numpy(float)
            if not len(values):
                continue
            x = place + (shift - (len(potentials) - 1) / 2) * width
            axes.boxplot(
                values,
                positions=[x],
                widths=0.82 * width,
                whis=1.5,
                patch_artist=True,
                boxprops={"facecolor": colour[potential], "alpha": 0.45, "linewidth": 0.8},
                medianprops={"color": MEDIAN_COLOUR, "linewidth": 1.8},
                whiskerprops={"linewidth": 0.8},
                capprops={"linewidth": 0.8},
                showfliers=False,  # every material is a dot below
                manage_ticks=False,
            )
            spread = np.random.default_rng(0).uniform(-0.25, 0.25, len(values)) * width
            axes.plot(x + spread, values, ".", color=colour[potential], markersize=2.5, alpha=0.7, zorder=3)
    counts = done[done["potential"] == potentials[0]]["group"].value_counts() if potentials else {}
    axes.set_xticks(
        range(len(groups)), [f"{plain(group_name(group))}\n(n = {counts.get(group, 0)})" for group in groups]
    )
    axes.set_xlim(-0.6, len(groups) - 0.4)
    plain_log(axes, "y")
    axes.grid(axis="x", visible=False)


def error_boxes(table: pd.DataFrame) -> Figure:
    """Box plots of both errors per group and potential, log axes; whiskers 1.5 IQR, median orange.

    The layout of Fig. 1b and 1c of the paper, with every material as a dot.
    """
    done = finished(table, "harmonic")
    potentials = _potentials(done)
    colour = colours(potentials)
    with figure_style():
        figure = Figure(figsize=(8.2, 3.8))
        left, right = figure.subplots(1, 2)
        for axes, column, label in ((left, VG, VG_LABEL), (right, W2, W2_LABEL)):
            _boxes(axes, done, column)
            axes.set_ylabel(label)
        handles = [Patch(facecolor=colour[p], alpha=0.45, label=plain(p)) for p in potentials]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6))
        return figure


def stability_figure(table: pd.DataFrame) -> Figure:
    """Lowest mode of the model against the reference's, and the softening slope per group."""
    done = finished(table, "harmonic")
    groups, potentials = order_groups(done["group"]), _potentials(done)
    colour, marker = colours(potentials), markers(potentials)
    with figure_style():
        figure = Figure(figsize=(8.2, 3.8))
        left, right = figure.subplots(1, 2)
        for potential in potentials:
            rows = done[done["potential"] == potential]
            left.scatter(
                rows["mesh_lowest_reference_THz"],
                rows["mesh_lowest_model_THz"],
                s=20,
                color=colour[potential],
                marker=marker[potential],
                alpha=0.8,
                linewidths=0,
            )
        lowest = done[["mesh_lowest_reference_THz", "mesh_lowest_model_THz"]].to_numpy(float)
        low, high = float(lowest.min()), float(lowest.max())
        limits = (1.1 * low - 0.1, max(high, 0.0) + 0.25)
        left.plot(limits, limits, color="0.5", linewidth=0.8)
        left.axhline(0.0, color="0.5", linewidth=0.6, linestyle=":")
        left.axvline(0.0, color="0.5", linewidth=0.6, linestyle=":")
        ticks = [
            value
            for value in (-20, -10, -5, -2, -1, -0.5, 0, 0.5, 1, 2, 5)
            if limits[0] <= value <= limits[1]
        ]
        left.set_xscale("symlog", linthresh=1.0)
        left.set_yscale("symlog", linthresh=1.0)
        left.set(xlim=limits, ylim=limits)
        for axis in (left.xaxis, left.yaxis):
            axis.set_ticks(ticks, [f"{value:g}" for value in ticks])
            axis.set_minor_formatter(NullFormatter())
        left.set_xlabel("lowest mode, reference (THz; linear to ±1, then log)")
        left.set_ylabel("lowest mode, potential (THz)")
        _softening(right, done, groups, potentials)
        handles = [
            Line2D([], [], linestyle="", marker=marker[p], color=colour[p], label=plain(p))
            for p in potentials
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6))
        return figure


def _softening(axes: Axes, done: pd.DataFrame, groups: list[str], potentials: list[str]) -> None:
    colour, marker = colours(potentials), markers(potentials)
    width = 0.8 / len(potentials)
    rng = np.random.default_rng(0)
    for shift, potential in enumerate(potentials):
        for place, group in enumerate(groups):
            rows = done[(done["potential"] == potential) & (done["group"] == group)]
            values = rows["path_softening"].to_numpy(float)
            x = place + (shift - (len(potentials) - 1) / 2) * width
            spread = rng.uniform(-0.3, 0.3, len(values)) * width
            axes.scatter(
                x + spread,
                values,
                s=14,
                color=colour[potential],
                marker=marker[potential],
                alpha=0.7,
                linewidths=0,
            )
            if len(values):
                median = float(np.median(values))
                axes.plot(
                    [x - 0.35 * width, x + 0.35 * width], [median] * 2, color=MEDIAN_COLOUR, linewidth=2
                )
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
