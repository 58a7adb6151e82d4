"""Figures of the potentials' own dynamics: traces, attribution of errors, one-shot sampling beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softmode.anharmonic.classes import EDGES
from softmode.records import Record
from softmode.report.sigma_figures import points_with_intervals
from softmode.report.sigma_parts import PART_COLOURS, PART_NAMES, part_boxes
from softmode.study.md_results import PARTS
from softmode.style import (
    PALETTE,
    REFERENCE_COLOUR,
    SIGMA,
    colours,
    distinct,
    figure_style,
    legend_below,
    marker_handles,
    markers,
    patch_handles,
    plain,
    pretty_formula,
    square_from_zero,
)

_LOST = "#A33B00"
_MOST_BARS = 45  # more materials are shown as distributions


def md_trace_figure(records: Mapping[str, Record], formula: str) -> Figure:
    """Temperature and potential energy of every replica, with equilibration, drift and collapse.

    Parameters
    ----------
    records : mapping of potential to Record
        The ``md`` records of one material.
    formula : str
        For the title.
    """
    with figure_style():
        figure = Figure(figsize=(8.6, 2.3 * len(records) + 0.9))
        grid = figure.subplots(len(records), 2, squeeze=False, sharex="col")
        for (left, right), (potential, record) in zip(grid, records.items(), strict=True):
            _draw_traces(left, right, record)
            left.set_ylabel(f"{plain(potential)}\n\ntemperature (K)")
            right.set_ylabel("energy (meV/atom)")
        for axes in grid[-1]:
            axes.set_xlabel("time (ps)")
        figure.suptitle(pretty_formula(formula))
        handles = [
            Line2D([], [], color="0.5", linestyle="--", linewidth=1.0, label="set"),
            Line2D([], [], color="0.3", linewidth=1.6, label="mean, drift after equilibration"),
            Line2D([], [], color="0.3", linestyle=":", linewidth=1.2, label="equilibrated from here"),
            Line2D([], [], color=_LOST, linestyle="", marker="X", label="crystal lost"),
        ]
        legend_below(figure, handles, 4)
        return figure


def _draw_traces(left: Axes, right: Axes, record: Record) -> None:
    step = 1e-3 * float(record.inputs["md.timestep"])
    replicas: list[dict[str, Any]] = record.values["md_replicas"]
    ends = np.cumsum(record.arrays["run_lengths"])[:-1]
    pieces = [np.split(record.arrays[name], ends) for name in ("steps", "temperature", "potential_energy")]
    n_atoms = record.arrays["positions"].shape[1]
    energies = record.arrays["potential_energy"]
    zero = float(energies.mean()) if len(energies) else 0.0
    if len(energies):
        wanted = float(record.inputs["md.temperature"])
        left.axhline(wanted, color="0.5", linewidth=1.0, linestyle="--", zorder=3)
    for axes in () if len(energies) else (left, right):
        axes.text(0.5, 0.5, "no frames", ha="center", va="center", color="0.4", transform=axes.transAxes)
        axes.set_yticks([])
    for index, (steps, temperature, energy) in enumerate(zip(*pieces, strict=True)):
        replica, colour = replicas[index], PALETTE[index % len(PALETTE)]
        time, energy = step * steps, 1000.0 * (energy - zero) / n_atoms
        left.plot(time, temperature, color=colour, linewidth=0.6, alpha=0.7)
        right.plot(time, energy, color=colour, linewidth=0.6, alpha=0.7)
        settled = replica["equilibration_steps"]
        if settled is not None and len(time):
            _draw_equilibrium(left, right, replica, (time, energy), step * settled, colour)
        if replica["status"] == "collapsed":
            for axes in (left, right):
                low: Any = {"transform": axes.get_xaxis_transform(), "clip_on": False}
                axes.plot(step * replica["last_step"], 0.04, "X", color=_LOST, markersize=7, **low)


def _draw_equilibrium(
    left: Axes,
    right: Axes,
    replica: Mapping[str, Any],
    trace: tuple[np.ndarray, np.ndarray],
    settled: float,
    colour: str,
) -> None:
    """Mean temperature and drifting energy after equilibration."""
    time, energy = trace
    rest = time > settled
    if not rest.any():
        return
    span = np.array([time[rest][0], time[rest][-1]])
    left.plot(span, [replica["temperature_K"]] * 2, color=colour, linewidth=1.6)
    slope = replica["energy_drift"]["slope"]
    right.plot(span, energy[rest].mean() + slope * (span - time[rest].mean()), color=colour, linewidth=1.6)
    if settled > 0:
        for axes in (left, right):
            axes.axvline(settled, color=colour, linewidth=1.2, linestyle=":")


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


def sampling_figure(comparison: pd.DataFrame) -> Figure:
    """σ of one-shot sampling against that of molecular dynamics, with 95 % intervals; lost crystals open.

    Parameters
    ----------
    comparison : pandas.DataFrame
        From :func:`softmode.study.md_results.sampling_comparison`.
    """
    potentials = distinct(comparison["potential"])
    colour, marker = colours(potentials), markers(potentials)
    with figure_style():
        figure = Figure(figsize=(5.0, 4.9))
        axes = figure.subplots()
        for potential in potentials:
            for lost in (False, True):
                rows = comparison[(comparison["potential"] == potential) & (comparison["collapsed"] == lost)]
                face = "white" if lost else None
                looks = (colour[potential], marker[potential], face)
                points_with_intervals(axes, rows, "model_only", "one_shot", *looks)
        limit = 1.1 * float(max(comparison[["model_only", "one_shot"]].max().max(), 1.0))
        square_from_zero(axes, limit, EDGES)
        axes.set_xlabel(f"{SIGMA}, molecular dynamics")
        axes.set_ylabel(f"{SIGMA}, one-shot sampling")
        handles = marker_handles({name: plain(name) for name in potentials}, colour, marker)
        if comparison["collapsed"].any():
            open_point: Any = {"marker": "o", "mfc": "white", "mec": "0.3"}
            handles.append(Line2D([], [], linestyle="", label="crystal lost", **open_point))
        legend_below(figure, handles, 4)
        return figure
