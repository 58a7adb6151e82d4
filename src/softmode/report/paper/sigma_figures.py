"""Figures of the scores of potentials against the reference's, over materials (paper Figs. S7 and S9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from softmode.anharmonic.classes import CLASSES, EDGES
from softmode.measurements.sampled import WAYS
from softmode.records import Record
from softmode.study.sigma_results import COMPARED
from softmode.style import (
    REFERENCE_COLOUR,
    SIGMA,
    colours,
    dots,
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
    pretty_formula,
    square_from_zero,
)

_APPROACHES = {name: WAYS[name] for name in COMPARED}
_SIDES = ["sigma_reference", "sigma_potential"]
#: Colour of each class of the reference, light to dark also in grey.
CLASS_COLOURS = dict(zip(CLASSES, ("#56B4E9", "#009E73", "#D55E00"), strict=True))
_MOST_BINS, _OUTER = 41, 0.995
_MANY, _TURNS = 300, 8  # materials in a panel; parts that they are drawn in


def _grid(n: int, size: tuple[float, float], *, sharey: bool) -> tuple[Figure, list[Axes]]:
    return panel_grid(n, 2 if n == 4 else 4, size, (0.6, 0.6), sharex=True, sharey=sharey)


def score_scatter(frames: Mapping[str, pd.DataFrame], example: tuple[str, str] | None = None) -> Figure:
    """Score of the potential against the reference's, a panel per potential, coloured by group.

    Parameters
    ----------
    frames : mapping of str to pandas.DataFrame
        By what stands above; from :func:`~softmode.report.paper.classes.classified`.
    example : (str, str), optional
        Panel and material that is ringed and named.
    """
    everything = pd.concat(list(frames.values()))
    groups = order_groups(everything["group"].astype(str))
    colour, marker = colours(groups), markers(groups)
    scores = everything[_SIDES].to_numpy(float)
    limit = 1.08 * float(np.nanmax([np.nanmax(scores), EDGES[-1]]))
    with figure_style():
        figure, grid = _grid(len(frames), (3.2, 3.0), sharey=True)
        for axes, (title, frame) in zip(grid, frames.items(), strict=True):
            # in turns, so that no group hides the others
            shuffled = frame.sample(frac=1.0, random_state=0)
            looks: Any = {"size": 14 if len(frame) < _MANY else 6, "rasterized": len(frame) > _MANY}
            for part in (shuffled.iloc[turn::_TURNS] for turn in range(_TURNS)):
                for group in groups:
                    x, y = part.loc[part["group"] == group, _SIDES].to_numpy(float).T
                    dots(axes, x, y, colour[group], marker[group], alpha=0.7, **looks)
            square_from_zero(axes, limit, EDGES)
            axes.set_title(plain(title))
            axes.set_xlabel(f"{SIGMA}, reference")
            axes.tick_params(labelbottom=True)
            if example is not None and title == example[0]:
                _ring(axes, frame, example[1])
        grid[0].set_ylabel(f"{SIGMA}, potential")
        legend_below(figure, marker_handles({g: group_name(g) for g in groups}, colour, marker), 4)
        return figure


def _ring(axes: Axes, frame: pd.DataFrame, material: str) -> None:
    row = frame[frame["material"] == material].iloc[0]
    place = (float(row["sigma_reference"]), float(row["sigma_potential"]))
    axes.scatter(*place, s=90, facecolors="none", edgecolors="#D55E00", linewidths=1.4)
    align, shift = ("right", 6) if place[0] > 0.5 * axes.get_xlim()[1] else ("left", 8)
    name_point(axes, pretty_formula(str(row["formula"])), place, (shift, -20), align, fontsize=8)


def _bins(values: np.ndarray) -> np.ndarray:
    """Bins about zero for all but a few extreme values, which go into the outermost."""
    known = np.abs(values[np.isfinite(values)])
    limit = max(0.05, float(np.quantile(known, _OUTER))) if len(known) else 1.0
    number = int(np.clip(2 * int(np.sqrt(len(known))) + 1, 15, _MOST_BINS)) | 1  # odd: one bin about zero
    return np.linspace(-limit, limit, number + 1)


def difference_histograms(frames: Mapping[str, pd.DataFrame], words: Sequence[str]) -> Figure:
    """Score of the potential minus the reference's, stacked by class of the reference, a panel per potential.

    Parameters
    ----------
    frames : mapping of str to pandas.DataFrame
        By what stands above.
    words : sequence of str
        What stands in each panel.
    """
    bins = _bins(pd.concat(list(frames.values()))["difference"].to_numpy(float))
    with figure_style():
        figure, grid = _grid(len(frames), (3.3, 2.5), sharey=False)
        for axes, (title, frame), text in zip(grid, frames.items(), words, strict=True):
            by_class = [frame.loc[frame["class_reference"] == name, "difference"] for name in CLASSES]
            parts = [np.clip(part.dropna().to_numpy(float), bins[0], bins[-1]) for part in by_class]
            shades: Any = {"color": list(CLASS_COLOURS.values()), "edgecolor": "white", "linewidth": 0.3}
            axes.hist(parts, bins=bins.tolist(), stacked=True, **shades)
            axes.axvline(0.0, color="0.3", linewidth=0.8)
            axes.set_title(plain(title))
            axes.text(0.02, 0.97, text, transform=axes.transAxes, va="top", fontsize=7.5)
            axes.set_ylim(0, 1.3 * axes.get_ylim()[1])
            axes.yaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_xlabel(f"{SIGMA}, potential minus reference")
            axes.tick_params(labelbottom=True)
            axes.set_ylabel("materials")
        names = {f"{name} by the reference": shade for name, shade in CLASS_COLOURS.items()}
        legend_below(figure, patch_handles(names), 3)
        return figure


def trace_figure(records: Mapping[str, Record], formula: str) -> Figure:
    """σ(t) of the reference and of each potential on the same frames, both approaches.

    Parameters
    ----------
    records : mapping of potential to Record
        The ``sigma`` records of one material.
    formula : str
        For the title.
    """
    colour = colours(list(records))
    first = next(iter(records.values()))
    few = len(first.arrays["sigma_t_reference"]) <= 60
    style: Any = {"linewidth": 1.0, "marker": "." if few else None, "markersize": 4}
    with figure_style():
        figure = Figure(figsize=(8.2, 3.4))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (approach, name) in zip(panels, _APPROACHES.items(), strict=True):
            axes.plot(first.arrays["sigma_t_reference"], color=REFERENCE_COLOUR, label="reference", **style)
            for potential, record in records.items():
                label = plain(potential)
                values = record.arrays[f"sigma_t_{approach}"]
                there = np.flatnonzero(np.isfinite(values))  # of frames left out there is none
                marked = style if len(there) == len(values) else {**style, "marker": "."}
                axes.plot(there, values[there], color=colour[potential], label=label, **marked)
            for boundary in np.cumsum(first.arrays["run_lengths"])[:-1]:
                axes.axvline(boundary - 0.5, color="0.6", linewidth=0.8, linestyle="--")
            guides(axes, EDGES, "y")
            axes.set_title(f"{pretty_formula(formula)}, {name}")
            axes.set_xlabel("frame")
        panels[0].set_ylabel("σ(t)")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=6)
        return figure
