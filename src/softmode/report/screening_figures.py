"""Figures of a screening: compounds ranked by σ, σ against labels, reliability of class probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Protocol

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
from softmode.datasets.prototypes import HALIDES
from softmode.statistics.calibration import ReliabilityBin
from softmode.style import (
    PALETTE,
    colours,
    figure_style,
    group_name,
    markers,
    order_groups,
    plain,
    pretty_formula,
)

FloatArray = NDArray[np.float64]

SIGMA = r"$\langle\sigma(t)\rangle_t$"
#: Compounds up to which a ranking names each of them.
MOST_NAMES = 60
#: Numbers in each decade of an axis; the second where the first gives fewer than four.
_TICKS = ((1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0))
_EDGE_STYLE: dict[str, Any] = {"color": "0.45", "linewidth": 0.8, "linestyle": ":"}
#: Shade of the classes, from weak to unstable.
_CLASS_SHADES = ("#FFFFFF", "#F1F1F1", "#E2E2E2")
_SMALLEST = 1e-3


class LabelledCompounds(Protocol):
    """Compounds with labels and what a potential says (`softmode.study.label_results.Labelled` is one)."""

    @property
    def groups(self) -> Sequence[str]:
        """Group of each compound."""

    @property
    def label(self) -> FloatArray:
        """σ of the labels."""

    @property
    def model(self) -> FloatArray:
        """σ of the potential; NaN where it failed."""

    @property
    def low(self) -> FloatArray:
        """Lower bounds; NaN where there are none."""

    @property
    def high(self) -> FloatArray:
        """Upper bounds; NaN where there are none."""


def _group_styles(groups: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each group, in order; a halide has the same ones in every picture."""
    present = order_groups(groups)
    known = [*HALIDES, *(group for group in present if group not in HALIDES)]
    colour, marker = colours(known), markers(known)
    return {group: (colour[group], marker[group]) for group in present}


def label_scatter(item: LabelledCompounds, title: str = "") -> Figure:
    """σ of the potential against σ of the label, logarithmic, with class boundaries; failures at the top.

    Shaded is where both are of the same class. Bars are the 95 % intervals of the potential's.

    Parameters
    ----------
    item : LabelledCompounds
        The compounds.
    title : str
        Above the picture.
    """
    styles = _group_styles(item.groups)
    x_limits = _limits(item.label)
    y_limits = _limits(np.concatenate([item.label, item.model]))
    with figure_style():
        figure = Figure(figsize=(4.3, 4.5))
        axes = figure.subplots()
        _class_squares(axes, x_limits, y_limits)
        diagonal = (max(x_limits[0], y_limits[0]), min(x_limits[1], y_limits[1]))
        axes.plot(diagonal, diagonal, color="0.4", linewidth=0.8, zorder=1.5)
        for group, style in styles.items():
            rows = np.array([g == group for g in item.groups], dtype=bool)
            _label_points(axes, item, rows, *style)
        _log_axis(axes, "x", x_limits)
        _log_axis(axes, "y", y_limits)
        axes.set(xlabel="σ of the label", ylabel=f"{SIGMA} of the potential")
        if title:
            axes.set_title(plain(title), pad=14)
        handles = [
            Line2D([], [], linestyle="", marker=marker, color=colour, label=group_name(group))
            for group, (colour, marker) in styles.items()
        ]
        n_failed = int((~np.isfinite(item.model)).sum())
        if n_failed:
            label = f"failed ({n_failed})"
            handles.append(Line2D([], [], linestyle="", marker="x", color="0.25", label=label))
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 3))
        return figure


def _label_points(
    axes: Axes,
    item: LabelledCompounds,
    rows: NDArray[np.bool_],
    colour: str,
    marker: str,
) -> None:
    fine = rows & np.isfinite(item.model)
    label, model = np.maximum(item.label, _SMALLEST), np.maximum(item.model, _SMALLEST)
    bars = _distances(model, np.maximum(item.low, _SMALLEST), item.high)[:, fine]
    axes.errorbar(label[fine], model[fine], yerr=bars, fmt="none", ecolor=colour, elinewidth=0.7, alpha=0.35)
    axes.plot(
        label[fine],
        model[fine],
        marker,
        color=colour,
        markersize=4,
        markeredgecolor="white",
        markeredgewidth=0.3,
    )
    failed = rows & ~np.isfinite(item.model)
    top = np.full(int(failed.sum()), 1.02)
    where = axes.get_xaxis_transform()
    axes.plot(label[failed], top, "x", color=colour, markersize=4.5, clip_on=False, transform=where)


def _class_squares(axes: Axes, x_limits: tuple[float, float], y_limits: tuple[float, float]) -> None:
    """Shade where both sides name the same class."""
    x_bounds, y_bounds = ((limits[0], *EDGES, limits[1]) for limits in (x_limits, y_limits))
    for (left, right), (low, high) in zip(pairwise(x_bounds), pairwise(y_bounds), strict=True):
        axes.add_patch(
            Rectangle((left, low), right - left, high - low, facecolor="0.93", edgecolor="none", zorder=0)
        )
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


def reliability_diagram(score: LabelScore, title: str = "") -> Figure:
    """Reliability diagrams: how often the likeliest class, and each class, came true.

    Points are means of bins with Wilson intervals; the number beside a point is that of compounds in its bin.

    Parameters
    ----------
    score : LabelScore
        The score.
    title : str
        Above the picture.
    """
    panels = {"likeliest class": score.confidence, **score.by_class}
    with figure_style():
        figure = Figure(figsize=(9.2, 3.05 if title else 2.75))
        row = figure.subplots(1, len(panels), sharex=True, sharey=True)
        for axes, (name, bins) in zip(row, panels.items(), strict=True):
            _reliability(axes, bins, PALETTE[0])
            axes.set(title=name, xlabel="probability given")
        row[0].set_ylabel("share that came true")
        if title:
            figure.suptitle(plain(title))
        return figure


def _reliability(axes: Axes, bins: Sequence[ReliabilityBin], colour: str) -> None:
    axes.plot([0, 1], [0, 1], color="0.5", linewidth=0.8)
    x, y = [b.forecast for b in bins], [b.frequency for b in bins]
    bars = [[b.frequency - b.frequency_low for b in bins], [b.frequency_high - b.frequency for b in bins]]
    axes.errorbar(
        x, y, yerr=np.maximum(bars, 0.0), fmt="o-", color=colour, markersize=4, linewidth=1.0, elinewidth=0.9
    )
    for b in bins:
        left = b.forecast > 0.5
        axes.annotate(
            f"{b.n}",
            (b.forecast, b.frequency),
            textcoords="offset points",
            xytext=(-5 if left else 5, 4 if left else -9),
            ha="right" if left else "left",
            fontsize=6.5,
            color="0.35",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.4},
        )
    ticks = np.linspace(0.0, 1.0, 5)
    axes.set(xlim=(-0.07, 1.07), ylim=(-0.07, 1.07), box_aspect=1, xticks=ticks, yticks=ticks)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def ranked_sigma(
    formulas: Sequence[str],
    sigma: FloatArray,
    low: FloatArray,
    high: FloatArray,
    groups: Sequence[str],
    title: str = "",
) -> Figure:
    """Compounds from the most to the least stable with 95 % intervals, over the shades of the classes.

    Up to 60 compounds are named; more are drawn closer, by rank.

    Parameters
    ----------
    formulas : sequence of str
        The compounds, in any order.
    sigma : (n,) array
        Their scores; those that are not finite are left out.
    low, high : (n,) array
        Bounds; not finite where there are none.
    groups : sequence of str
        Group of each.
    title : str
        Above the picture.
    """
    rows = pd.DataFrame({"formula": formulas, "sigma": sigma, "low": low, "high": high, "group": groups})
    rows = rows[np.isfinite(rows["sigma"])].sort_values(["sigma", "formula"], kind="stable")
    rows["place"] = np.arange(1, len(rows) + 1)
    limits = _limits(rows[["sigma", "low", "high"]].to_numpy(float).ravel())
    named = len(rows) <= MOST_NAMES
    styles = _group_styles(rows["group"])
    with figure_style():
        figure = Figure(figsize=(5.6, 1.6 + (max(0.17 * len(rows), 0.6) if named else 3.6)))
        axes = figure.subplots()
        for shade, left, right in zip(_CLASS_SHADES, (limits[0], *EDGES), (*EDGES, limits[1]), strict=True):
            axes.axvspan(left, right, color=shade, zorder=0, linewidth=0)
        for group, (colour, marker) in styles.items():
            part = rows[rows["group"] == group]
            value = np.maximum(part["sigma"].to_numpy(float), _SMALLEST)
            place, bars = part["place"].to_numpy(float), _bars(part)
            axes.errorbar(
                value,
                place,
                xerr=bars,
                fmt="none",
                ecolor=colour,
                elinewidth=1.0,
                alpha=1.0 if named else 0.35,
            )
            size = 4.0 if named else 2.5
            axes.plot(value, place, marker, color=colour, markersize=size, label=group_name(group))
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
        if title:
            figure.suptitle(plain(title))
        if styles:
            figure.legend(loc="outside lower center", ncols=min(len(styles), 5))
        return figure


def _name_classes(axes: Axes, limits: tuple[float, float]) -> None:
    for name, low, high in zip(CLASSES, (limits[0], *EDGES), (*EDGES, limits[1]), strict=True):
        axes.text(
            float(np.sqrt(low * high)),
            1.01,
            name,
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=8,
            color="0.3",
        )


def _bars(rows: pd.DataFrame) -> FloatArray:
    """Distances to the bounds; zero where there is no interval."""
    value = np.maximum(rows["sigma"].to_numpy(float), _SMALLEST)
    low = np.maximum(rows["low"].to_numpy(float), _SMALLEST)
    return _distances(value, low, rows["high"].to_numpy(float))


def _distances(value: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    distances = np.array([value - low, high - value])
    bars: FloatArray = np.where(np.isfinite(distances), np.maximum(distances, 0.0), 0.0)
    return bars
