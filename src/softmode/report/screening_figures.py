"""Figures of a screening: ranked σ; labels, reliability of probabilities, lattices and soft modes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from softmode.statistics.calibration import ReliabilityBin
from softmode.study.label_results import Labelled
from softmode.study.sigma_results import LOST
from softmode.style import (
    PALETTE,
    REFERENCE_COLOUR,
    SIGMA,
    colours,
    distinct,
    error_bars,
    figure_style,
    group_name,
    legend_below,
    marker_handles,
    markers,
    name_point,
    order_groups,
    panel_grid,
    plain,
    pretty_formula,
)

#: Compounds up to which a ranking names each of them.
MOST_NAMES = 60
#: Numbers in each decade of an axis; the second where the first gives fewer than four.
_TICKS = ((1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0))
_EDGE_STYLE: dict[str, Any] = {"color": "0.45", "linewidth": 0.8, "linestyle": ":"}
#: Shade of the classes, from weak to unstable.
_CLASS_SHADES = ("#FFFFFF", "#F1F1F1", "#E2E2E2")
_SMALLEST = 1e-3


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


def ranked_sigma(rows: pd.DataFrame) -> Figure:
    """Compounds from the most to the least stable with 95 % intervals, over the shades of the classes.

    Up to 60 compounds are named; more are drawn closer, by rank.

    Parameters
    ----------
    rows : pandas.DataFrame
        ``formula``, ``group``, ``sigma``, ``low``, ``high`` (not finite where there are none), in any order;
        those whose ``sigma`` is not finite are left out.
    """
    rows = rows[np.isfinite(rows["sigma"])].sort_values(["sigma", "formula"], kind="stable")
    rows = rows.assign(place=np.arange(1, len(rows) + 1))
    bounds = rows[["sigma", "low", "high"]].to_numpy(float)
    limits = _limits(bounds.ravel())
    value = np.maximum(bounds[:, 0], _SMALLEST)
    bars = error_bars(value, np.maximum(bounds[:, 1], _SMALLEST), bounds[:, 2])
    named = len(rows) <= MOST_NAMES
    names, colour, marker = _group_styles(rows["group"])
    with figure_style():
        figure = Figure(figsize=(5.6, 1.6 + (max(0.17 * len(rows), 0.6) if named else 3.6)))
        axes = figure.subplots()
        for shade, left, right in zip(_CLASS_SHADES, (limits[0], *EDGES), (*EDGES, limits[1]), strict=True):
            axes.axvspan(left, right, color=shade, zorder=0, linewidth=0)
        bar: Any = {"fmt": "none", "elinewidth": 1.0, "alpha": 1.0 if named else 0.35}
        for group, name in names.items():
            own = (rows["group"] == group).to_numpy(bool)
            x, y, shade = value[own], rows["place"].to_numpy(float)[own], colour[group]
            axes.errorbar(x, y, xerr=bars[:, own], ecolor=shade, **bar)
            axes.plot(x, y, marker[group], color=shade, markersize=4.0 if named else 2.5, label=name)
        _log_axis(axes, "x", limits)
        axes.set_ylim(len(rows) + 0.8, 0.2)
        axes.set_xlabel(SIGMA)
        if named:
            axes.set_yticks(rows["place"], [pretty_formula(name) for name in rows["formula"]], fontsize=7)
            axes.tick_params(axis="y", length=0)
        else:
            axes.set_ylabel("rank")
        axes.grid(visible=False, axis="y")
        _name_classes(axes, limits)
        if names:
            figure.legend(loc="outside lower center", ncols=min(len(names), 5))
        return figure


def _name_classes(axes: Axes, limits: tuple[float, float]) -> None:
    above: Any = {"transform": axes.get_xaxis_transform(), "ha": "center", "va": "bottom", "fontsize": 8}
    for name, low, high in zip(CLASSES, (limits[0], *EDGES), (*EDGES, limits[1]), strict=True):
        axes.text(float(np.sqrt(low * high)), 1.01, name, color="0.3", **above)


def lattice_and_mode_figure(pairs: pd.DataFrame) -> Figure:
    """Parity plots, a panel for the lattice constant and each point of the Brillouin zone.

    Parameters
    ----------
    pairs : pandas.DataFrame
        From :func:`softmode.study.label_results.lattices_and_modes`.
    """
    quantities, potentials = distinct(pairs["quantity"]), distinct(pairs["potential"])
    colour, marker = colours(potentials), markers(potentials)
    with figure_style():
        figure, panels = panel_grid(len(quantities), 3, (3.1, 3.1))
        for axes, quantity in zip(panels, quantities, strict=True):
            for potential in potentials:
                part = pairs[(pairs["quantity"] == quantity) & (pairs["potential"] == potential)]
                looks: Any = {"color": colour[potential], "marker": marker[potential], "markersize": 4}
                looks |= {"linestyle": "none", "alpha": 0.75, "markeredgewidth": 0}
                axes.plot(part["label"], part["model"], label=plain(potential), **looks)
            _diagonal(axes, pairs[pairs["quantity"] == quantity])
            lattice = quantity == "a_A"
            name, unit = ("lattice constant", "Å") if lattice else (f"softest mode at {quantity}", "THz")
            axes.set_title(name)
            axes.set_xlabel(f"published ({unit})")
            axes.set_ylabel(f"potential ({unit})")
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=max(1, len(names)))
        return figure


def _diagonal(axes: Axes, part: pd.DataFrame) -> None:
    """Equal axes that hold 99 % of the points and say how many they leave out; the line of equality."""
    values = part[["label", "model"]].to_numpy(float)
    low, high = np.quantile(values, [0.005, 0.995])
    margin = 0.06 * (high - low) or 0.1
    low, high = low - margin, high + margin
    axes.plot([low, high], [low, high], color=REFERENCE_COLOUR, linewidth=0.8)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect("equal")
    outside = int(((values < low) | (values > high)).any(axis=1).sum())
    if outside:
        axes.text(0.03, 0.95, f"{outside} outside", transform=axes.transAxes, fontsize=7, color="0.4")
