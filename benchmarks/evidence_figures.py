"""Figures of the pages of results that several scripts draw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator
from numpy.typing import NDArray

from softmode.anharmonic.classes import CLASSES, EDGES
from softmode.anharmonic.label_score import LabelScore
from softmode.crystal.arrays import FloatArray
from softmode.datasets.prototypes import HALIDES
from softmode.measurements.harmonic_panels import VG, W2
from softmode.measurements.sampled import WAYS
from softmode.report.paired import LEVEL
from softmode.report.paper.attribution_figures import PART_COLOURS, PART_NAMES, part_boxes
from softmode.statistics.calibration import ReliabilityBin
from softmode.statistics.confusion import ConfusionMatrix
from softmode.study.label_results import Labelled
from softmode.study.paired import COMPARED_ERRORS, COMPARED_LABELS
from softmode.study.results import done
from softmode.study.sigma_results import LOST
from softmode.style import (
    PALETTE,
    REFERENCE_COLOUR,
    SIGMA,
    VG_LABEL,
    W2_LABEL,
    box,
    colours,
    distinct,
    error_bars,
    figure_style,
    group_name,
    guides,
    legend_below,
    marker_handles,
    markers,
    name_point,
    order_groups,
    panel_grid,
    patch_handles,
    plain,
    plain_log,
    pretty_formula,
    side_by_side,
)

#: Ratios between which intervals are drawn.
_DRAWN = (0.1, 10.0)
BETTER_COLOUR, WORSE_COLOUR, EQUAL_COLOUR = "#0072B2", "#D55E00", "0.6"
_TICKS = ((1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0))
_EDGE_STYLE: dict[str, Any] = {"color": "0.45", "linewidth": 0.8, "linestyle": ":"}
_SMALLEST = 1e-3
DISTRIBUTION_FROM = 8  # materials; fewer are shown one by one
_ON_REFERENCE = ("force_error", "hessian_error")


def error_boxes(table: pd.DataFrame) -> Figure:
    """Box plots of both errors per group and potential, log axes; whiskers 1.5 IQR, median orange.

    The layout of Fig. 1b and 1c of the paper, with every material as a dot.
    """
    good = done(table, "harmonic")
    with figure_style():
        figure = Figure(figsize=(8.2, 3.8))
        for axes, column, label in zip(figure.subplots(1, 2), (VG, W2), (VG_LABEL, W2_LABEL), strict=True):
            _boxes(axes, good, column)
            axes.set_ylabel(label)
        shades = colours(distinct(good["potential"]))
        legend_below(figure, patch_handles({plain(name): shade for name, shade in shades.items()}, 0.45))
        return figure


def _boxes(axes: Axes, good: pd.DataFrame, column: str) -> None:
    groups, potentials = order_groups(good["group"]), distinct(good["potential"])
    colour = colours(potentials)
    width = 0.8 / len(potentials)
    for index, potential in enumerate(potentials):
        rows = good[good["potential"] == potential]
        for place, group in enumerate(groups):
            values = rows.loc[rows["group"] == group, column].to_numpy(float)
            x = side_by_side(place, index, len(potentials))
            # without outliers: every material is a dot
            box(axes, values, x, 0.82 * width, colour[potential], alpha=0.45, outliers=False)
            if len(values):
                at = x + np.random.default_rng(0).uniform(-0.25, 0.25, len(values)) * width
                axes.plot(at, values, ".", color=colour[potential], markersize=2.5, alpha=0.7, zorder=3)
    counts = good[good["potential"] == potentials[0]]["group"].value_counts() if potentials else {}
    names = [f"{plain(group_name(group))}\n(n = {counts.get(group, 0)})" for group in groups]
    axes.set_xticks(range(len(groups)), names)
    axes.set_xlim(-0.6, len(groups) - 0.4)
    plain_log(axes, "y")
    axes.grid(axis="x", visible=False)


def verdict_colours(rows: pd.DataFrame) -> list[str]:
    """A colour for each comparison: which is better, where that is beyond chance."""
    return [
        EQUAL_COLOUR if not row.p_holm < LEVEL else BETTER_COLOUR if row.better > row.worse else WORSE_COLOUR
        for row in rows.itertuples()
    ]


def ratio_figure(rows: pd.DataFrame, order: Sequence[str] | None = None) -> Figure:
    """Medians of paired ratios with intervals, a panel for each error, a line for each second potential.

    Parameters
    ----------
    rows : pandas.DataFrame
        From :func:`softmode.study.paired.paired_table`, with one first potential for each second.
    order : sequence of str, optional
        Errors that are drawn, by their names in `rows`; all when not given.
    """
    shown = [name for name in (order or COMPARED_ERRORS) if name in set(rows["error"])]
    lines = distinct(rows["second"])
    with figure_style():
        height = 0.22 * len(lines) + 0.75
        figure, panels = panel_grid(len(shown), 3, (2.4, height), (1.4, 0.0), sharex=True, sharey=True)
        for axes, name in zip(panels, shown, strict=True):
            own = rows[rows["error"] == name]
            at = [lines.index(potential) for potential in own["second"]]
            ratio, low, high = (own[f"ratio{end}"].to_numpy(float) for end in ("", "_low", "_high"))
            drawn = np.isfinite(ratio) & (ratio > 0.0)
            bars = error_bars(ratio, np.maximum(low, _DRAWN[0]), np.minimum(high, _DRAWN[1]))
            for place in np.flatnonzero(drawn):
                axes.errorbar(
                    *(ratio[place], at[place]),
                    xerr=bars[:, [place]],
                    color=verdict_colours(own)[place],
                    fmt="o",
                    markersize=4,
                    linewidth=1.4,
                )
            plain_log(axes, "x")
            guides(axes, (1.0,), "x")
            axes.set_title(COMPARED_LABELS[name], fontsize=8.5)
            axes.set_yticks(range(len(lines)), [plain(potential) for potential in lines])
            axes.grid(axis="y", visible=False)
        panels[0].set_ylim(len(lines) - 0.5, -0.5)
        figure.supxlabel("error over that of the other: left of 1 is better", fontsize=9)
        return figure


def _group_styles(groups: Iterable[str]) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Name, colour and marker of each group, in order; a halide has the same ones in every picture."""
    present = order_groups(groups)
    known = [*HALIDES, *(group for group in present if group not in HALIDES)]
    return {group: group_name(group) for group in present}, colours(known), markers(known)


def label_scatter(item: Labelled) -> Figure:
    """σ of the potential against σ of the label, logarithmic, with class boundaries; failures at the top.

    Shaded is where both are of the same class. Bars are the 95 % intervals of the potential's. Crystals that
    the potential's own dynamics loses, or sees leave their phase, are open: there is no σ of them.
    """
    names, colour, marker = _group_styles(item.groups)
    x_limits = _limits(item.label)
    y_limits = _limits(np.concatenate([item.label, item.model]))
    with figure_style():
        figure = Figure(figsize=(4.3, 4.5))
        axes = figure.subplots()
        _class_squares(axes, x_limits, y_limits)
        diagonal = (max(x_limits[0], y_limits[0]), min(x_limits[1], y_limits[1]))
        axes.plot(diagonal, diagonal, color="0.4", linewidth=0.8, zorder=1.5)
        for group in names:
            rows = np.array([g == group for g in item.groups], dtype=bool)
            _label_points(axes, item, rows, colour[group], marker[group])
        _log_axis(axes, "x", x_limits)
        _log_axis(axes, "y", y_limits)
        axes.set(xlabel="σ of the label", ylabel=f"{SIGMA} of the potential")
        handles = marker_handles(names, colour, marker)
        if item.lost.any():
            left = f"lost or left its phase ({int(item.lost.sum())}): drawn at {LOST:g}"
            handles.append(Line2D([], [], linestyle="", marker="o", mfc="white", mec="0.25", label=left))
        n_failed = int((~np.isfinite(item.model)).sum())
        if n_failed:
            label = f"failed ({n_failed})"
            handles.append(Line2D([], [], linestyle="", marker="x", color="0.25", label=label))
        legend_below(figure, handles, 3)
        return figure


def _label_points(axes: Axes, item: Labelled, rows: NDArray[np.bool_], colour: str, marker: str) -> None:
    fine = rows & np.isfinite(item.model)
    label, model = np.maximum(item.label, _SMALLEST), np.maximum(item.model, _SMALLEST)
    kept, lost = fine & ~item.lost, fine & item.lost
    bars = error_bars(model, np.maximum(item.low, _SMALLEST), item.high)[:, kept]
    axes.errorbar(label[kept], model[kept], yerr=bars, fmt="none", ecolor=colour, elinewidth=0.7, alpha=0.35)
    edge: Any = {"markeredgecolor": "white", "markeredgewidth": 0.3}
    axes.plot(label[kept], model[kept], marker, color=colour, markersize=4, **edge)
    axes.plot(label[lost], model[lost], marker, color=colour, mfc="white", markersize=4, markeredgewidth=0.8)
    failed = rows & ~np.isfinite(item.model)
    top = np.full(int(failed.sum()), 1.02)
    where = axes.get_xaxis_transform()
    axes.plot(label[failed], top, "x", color=colour, markersize=4.5, clip_on=False, transform=where)


def _class_squares(axes: Axes, x_limits: tuple[float, float], y_limits: tuple[float, float]) -> None:
    """Shade where both sides name the same class."""
    x_bounds, y_bounds = ((limits[0], *EDGES, limits[1]) for limits in (x_limits, y_limits))
    for (left, right), (low, high) in zip(pairwise(x_bounds), pairwise(y_bounds), strict=True):
        shade: Any = {"facecolor": "0.93", "edgecolor": "none", "zorder": 0}
        axes.add_patch(Rectangle((left, low), right - left, high - low, **shade))
    for edge in EDGES:
        axes.axhline(edge, zorder=1, **_EDGE_STYLE)
        axes.axvline(edge, zorder=1, **_EDGE_STYLE)
    axes.grid(visible=False)


def _limits(values: FloatArray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    low = min(float(np.maximum(finite, _SMALLEST).min(initial=EDGES[0])), 0.4)
    high = max(float(finite.max(initial=EDGES[1])), 1.25)
    return low / 1.12, high * 1.12


def _ticks(limits: tuple[float, float]) -> list[float]:
    low, high = limits
    decades = [10.0**power for power in range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))))]
    choices = [[d * n for d in decades for n in numbers if low <= d * n <= high] for numbers in _TICKS]
    return next((ticks for ticks in choices if len(ticks) >= 4), choices[-1])


def _log_axis(axes: Axes, axis: str, limits: tuple[float, float]) -> None:
    """Logarithmic axis with a few plain numbers, and nothing between."""
    getattr(axes, f"set_{axis}scale")("log")
    getattr(axes, f"set_{axis}lim")(limits)
    numbered = axes.xaxis if axis == "x" else axes.yaxis
    numbered.set_major_locator(FixedLocator(_ticks(limits)))
    numbered.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    numbered.set_minor_locator(NullLocator())
    numbered.set_minor_formatter(NullFormatter())


def shares_figure(rows: pd.DataFrame, published: tuple[str, float, float]) -> Figure:
    """Shares called more and less stable than published, with 95 % intervals, beside those of paper Fig. 4.

    Filled: if each compound stands for those of its halide and class in the list of labels; open: of the
    compounds as they were drawn.

    Parameters
    ----------
    rows : pandas.DataFrame
        ``name`` and the shares of :func:`softmode.study.label_results.label_table`, a row each.
    published : (str, float, float)
        Model, share called more stable, share called less stable.
    """
    names = [plain(name) for name in rows["name"]]
    place = np.arange(len(rows), dtype=float)
    model, *printed = published
    with figure_style():
        figure = Figure(figsize=(7.4, 1.3 + 0.36 * len(rows)))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, share, value in zip(
            panels, ("called_more_stable", "called_less_stable"), printed, strict=True
        ):
            for end, shift, face in (("_of_list", -0.12, PALETTE[0]), ("", 0.12, "white")):
                x, low, high = (rows[f"{share}{end}{bound}"] for bound in ("", "_low", "_high"))
                looks: Any = {"color": PALETTE[0], "mfc": face, "markersize": 5, "elinewidth": 0.9}
                axes.errorbar(x, place + shift, xerr=error_bars(x, low, high), fmt="o", **looks)
            axes.axvline(value, color=REFERENCE_COLOUR, linewidth=1.2, linestyle="--")
            axes.set(title=share.replace("_", " "), xlabel="share", xlim=(-0.03, 1.03))
            axes.grid(visible=False, axis="y")
        panels[0].set_yticks(place, names)
        panels[0].set_ylim(len(rows) - 0.5, -0.5)
        handles = [
            Line2D([], [], linestyle="", marker="o", color=PALETTE[0], label="the whole list of labels"),
            Line2D([], [], linestyle="", marker="o", mfc="white", mec=PALETTE[0], label="compounds drawn"),
            Line2D(
                [], [], linestyle="--", color=REFERENCE_COLOUR, label=f"published, Fig. 4: {plain(model)}"
            ),
        ]
        legend_below(figure, handles, 3)
        return figure


def reliability_diagram(score: LabelScore) -> Figure:
    """Reliability diagrams: how often the likeliest class, and each class, came true.

    Points are means of bins with Wilson intervals; the number beside a point is that of compounds in its bin.
    """
    panels = {"likeliest class": score.confidence, **score.by_class}
    with figure_style():
        figure = Figure(figsize=(9.2, 2.75))
        row = figure.subplots(1, len(panels), sharex=True, sharey=True)
        for axes, (name, bins) in zip(row, panels.items(), strict=True):
            _reliability(axes, bins)
            axes.set(title=name, xlabel="probability given")
        row[0].set_ylabel("share that came true")
        return figure


def _reliability(axes: Axes, bins: Sequence[ReliabilityBin]) -> None:
    axes.plot([0, 1], [0, 1], color="0.5", linewidth=0.8)
    x, y = [b.forecast for b in bins], [b.frequency for b in bins]
    bars = error_bars(y, [b.frequency_low for b in bins], [b.frequency_high for b in bins])
    line: Any = {"color": PALETTE[0], "markersize": 4, "linewidth": 1.0, "elinewidth": 0.9}
    axes.errorbar(x, y, yerr=bars, fmt="o-", **line)
    ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.4}
    for b in bins:
        shift, align = ((-5, 4), "right") if b.forecast > 0.5 else ((5, -9), "left")
        place = (b.forecast, b.frequency)
        name_point(axes, f"{b.n}", place, shift, align, fontsize=6.5, color="0.35", bbox=ground)
    ticks = np.linspace(0.0, 1.0, 5)
    axes.set(xlim=(-0.07, 1.07), ylim=(-0.07, 1.07), box_aspect=1, xticks=ticks, yticks=ticks)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def confusion_figure(matrices: Mapping[tuple[str, str], ConfusionMatrix], title: str = "") -> Figure:
    """Confusion matrices, a row per approach, a column per potential; counts, shaded by share of their row.

    Parameters
    ----------
    matrices : mapping of (approach, potential) to ConfusionMatrix
        Measured, or published.
    title : str
        Above all.
    """
    approaches, potentials = (distinct(names) for names in zip(*matrices, strict=True))
    with figure_style():
        figure = Figure(figsize=(2.5 * len(potentials) + 0.9, 2.5 * len(approaches) + 0.6))
        grid = figure.subplots(len(approaches), len(potentials), squeeze=False)
        for row, approach in enumerate(approaches):
            for column, potential in enumerate(potentials):
                axes = grid[row][column]
                if (approach, potential) in matrices:
                    _draw_confusion(axes, matrices[approach, potential])
                else:
                    axes.set_visible(False)
                if row == 0:
                    axes.set_title(plain(potential))
                if column == 0:
                    axes.set_ylabel(f"{WAYS.get(approach, approach)}\n\nreference class")
                if row == len(approaches) - 1:
                    axes.set_xlabel("class by the potential")
        if title:
            figure.suptitle(title)
        return figure


def _draw_confusion(axes: Axes, matrix: ConfusionMatrix) -> None:
    shares = np.nan_to_num(matrix.rates())
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    for (i, j), count in np.ndenumerate(matrix.counts):
        shade = "white" if shares[i, j] > 0.55 else "black"
        axes.text(j, i, f"{count:d}", ha="center", va="center", color=shade)
    axes.set_xticks(range(3), CLASSES, fontsize=7.5)
    axes.set_yticks(range(3), CLASSES, fontsize=7.5, rotation=90, va="center")
    axes.grid(visible=False)
    axes.tick_params(length=0)


def sigma_parts(table: pd.DataFrame) -> Figure:
    """What forces and force constants make of the error of σ on the reference's frames, and their sum.

    A panel for each material, a bar for each part; distributions where there are eight materials or more.
    """
    good = done(table, "sigma")
    parts = good[["material", "formula", "potential"]].assign(
        **{part: good[f"sigma_{part}"].astype(float) for part in _ON_REFERENCE},
        difference=good[[f"sigma_{part}" for part in _ON_REFERENCE]].astype(float).sum(axis=1),
    )
    materials, potentials = distinct(parts["material"]), distinct(parts["potential"])
    with figure_style():
        if len(materials) >= DISTRIBUTION_FROM:
            return part_boxes(parts, potentials, _ON_REFERENCE, f"part of {SIGMA}, potential − reference")
        size = 2.6, 1.8 + 0.2 * len(potentials)
        figure, panels = panel_grid(len(materials), 4, size, (1.6, 0.6), sharey=True)
        for axes, material in zip(panels, materials, strict=True):
            rows = parts[parts["material"] == material].set_index("potential").reindex(potentials)
            places = np.arange(len(potentials))
            for part, shift in zip(_ON_REFERENCE, (-0.2, 0.2), strict=True):
                axes.barh(places + shift, rows[part], height=0.4, color=PART_COLOURS[part])
            axes.plot(rows["difference"], places, "D", color=REFERENCE_COLOUR, markersize=4)
            axes.axvline(0.0, color="0.3", linewidth=0.8)
            axes.set_title(pretty_formula(rows["formula"].dropna().iloc[0]))
            axes.set_xlabel(f"{SIGMA}, potential − reference")
            axes.grid(axis="y", visible=False)
            axes.locator_params(axis="x", nbins=4)
        panels[0].set_yticks(range(len(potentials)), [plain(potential) for potential in potentials])
        panels[0].set_ylim(len(potentials) - 0.4, -0.6)
        total = Line2D([], [], linestyle="", marker="D", color=REFERENCE_COLOUR, markersize=4, label="sum")
        shades = {PART_NAMES[part]: PART_COLOURS[part] for part in _ON_REFERENCE}
        legend_below(figure, [*patch_handles(shades), total])
        return figure
