"""Figures of the anharmonicity comparison (after Figs. 1a, 3, S7 and S9 of Yang et al., PCCP 2026)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from softmode.anharmonic.classes import CLASSES, EDGES
from softmode.records import Record
from softmode.report.figures import VG, W2
from softmode.report.sigma_parts import DISTRIBUTION_FROM, sigma_parts
from softmode.statistics.confusion import ConfusionMatrix
from softmode.study.results import done
from softmode.study.sigma_results import error_correlations
from softmode.style import (
    MEDIAN_COLOUR,
    REFERENCE_COLOUR,
    SIGMA,
    VG_LABEL,
    W2_LABEL,
    colours,
    distinct,
    dots,
    error_bars,
    figure_style,
    guides,
    legend_below,
    marker_handles,
    markers,
    plain,
    plain_log,
    potential_legend,
    pretty_formula,
    square_from_zero,
)

_SMALLEST_ERROR = 1e-4  # of σ, so that none falls off a logarithmic axis
APPROACH_NAMES = {"phi_ref": "Φ of the reference", "phi_model": "Φ of the potential"}
#: The same, and how the potential alone is called.
ALL_APPROACH_NAMES = {**APPROACH_NAMES, "model_only": "the potential alone"}


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
                    axes.set_ylabel(f"{ALL_APPROACH_NAMES.get(approach, approach)}\n\nreference class")
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


def points_with_intervals(
    axes: Axes, rows: pd.DataFrame, x: str, y: str, colour: str, marker: str, face: str | None = None
) -> None:
    """Points with their 95 % intervals, from the columns `x` and `y` and their ``_low`` and ``_high``."""
    bars = [error_bars(*(rows[f"{name}{end}"] for end in ("", "_low", "_high"))) for name in (x, y)]
    axes.errorbar(
        rows[x],
        rows[y],
        xerr=bars[0],
        yerr=bars[1],
        fmt=marker,
        color=colour,
        markerfacecolor=face or colour,
        markersize=5,
        elinewidth=0.8,
        alpha=0.85,
    )


def sigma_against_reference(table: pd.DataFrame) -> Figure:
    """⟨σ(t)⟩ of each potential against the reference's, both approaches, with 95 % intervals."""
    good = done(table, "sigma")
    potentials = distinct(good["potential"])
    colour, marker = colours(potentials), markers(potentials)
    x = "sigma_reference_mean_t"
    with figure_style():
        figure = Figure(figsize=(8.2, 4.2))
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        values = [good[x].max()]
        for axes, (approach, name) in zip(panels, APPROACH_NAMES.items(), strict=True):
            y = f"sigma_{approach}_mean_t"
            for potential in potentials:
                rows = good[good["potential"] == potential]
                points_with_intervals(axes, rows, x, y, colour[potential], marker[potential])
            values.append(good[y].max())
            axes.set_title(name)
            axes.set_xlabel(f"{SIGMA}, reference")
        limit = 1.12 * float(max(*values, 1.0))
        for axes in panels:
            square_from_zero(axes, limit, EDGES)
        panels[0].set_ylabel(f"{SIGMA}, potential")
        potential_legend(figure, potentials)
        return figure


def sigma_differences(table: pd.DataFrame) -> Figure:
    """σ_model - σ_reference over materials, both approaches (paper Fig. S9).

    Distributions where a potential has eight materials or more; else every material, and the median.
    """
    good = done(table, "sigma")
    potentials = distinct(good["potential"])
    many = bool(len(good)) and good["potential"].value_counts().max() >= DISTRIBUTION_FROM
    with figure_style():
        figure = Figure(figsize=(8.2, 3.4 if many else 2.2 + 0.4 * len(potentials)))
        panels = figure.subplots(1, 2, sharex=True, sharey=not many)
        widest = 0.1
        for axes, (approach, name) in zip(panels, APPROACH_NAMES.items(), strict=True):
            difference = good[f"sigma_{approach}_mean_t"] - good["sigma_reference_mean_t"]
            widest = max(widest, float(difference.abs().max()))
            draw = _draw_distributions if many else _draw_points
            draw(axes, [difference[good["potential"] == p].to_numpy(float) for p in potentials], potentials)
            axes.axvline(0.0, color="0.4", linewidth=0.8)
            axes.set_title(name)
            axes.set_xlabel(f"{SIGMA}, potential minus reference")
        if many:
            panels[0].set_ylabel("materials")
            potential_legend(figure, potentials)
        else:  # both panels share the axis, whichever holds the largest difference
            panels[0].set_xlim(-1.15 * widest, 1.15 * widest)
        return figure


def _draw_distributions(axes: Axes, values: Sequence[np.ndarray], potentials: Sequence[str]) -> None:
    """Histograms with a rug below zero."""
    colour = colours(potentials)
    everything = np.concatenate(values)
    limit = max(0.1, float(np.abs(everything).max()))
    bins = np.linspace(-limit, limit, 2 * max(4, int(np.sqrt(len(everything)))) + 1)
    for place, (own, potential) in enumerate(zip(values, potentials, strict=True)):
        if len(own) >= DISTRIBUTION_FROM:
            axes.hist(own, bins=bins.tolist(), histtype="stepfilled", alpha=0.35, color=colour[potential])
        axes.plot(own, np.full(len(own), -0.3 - 0.25 * place), "|", color=colour[potential], ms=9)
    axes.set_yticks([tick for tick in axes.get_yticks() if tick >= 0 and float(tick).is_integer()])


def _draw_points(axes: Axes, values: Sequence[np.ndarray], potentials: Sequence[str]) -> None:
    """A row for each potential: every material, and the median."""
    colour, marker = colours(potentials), markers(potentials)
    for place, (own, potential) in enumerate(zip(values, potentials, strict=True)):
        shade = colour[potential]
        axes.plot(own, np.full(len(own), place), marker[potential], color=shade, alpha=0.75, ms=6)
        axes.plot(np.median(own), place, "|", color=MEDIAN_COLOUR, ms=22, mew=2.2, zorder=1)
    axes.set_yticks(range(len(potentials)), [plain(potential) for potential in potentials])
    axes.set_ylim(len(potentials) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)


def sigma_against_phonon_error(table: pd.DataFrame) -> Figure:
    """Phonon errors coloured by the reference's σ (paper Fig. 1a), and the error of σ against them."""
    good = done(done(table, "sigma"), "harmonic")
    potentials = distinct(good["potential"])
    colour, marker = colours(potentials), markers(potentials)
    error = (good["sigma_phi_model_mean_t"] - good["sigma_reference_mean_t"]).abs()
    size = np.maximum(error, _SMALLEST_ERROR)
    with figure_style():
        figure = Figure(figsize=(9.2, 4.1))
        left, right = figure.subplots(1, 2)
        points = None
        for potential in potentials:
            own = good["potential"] == potential
            rows = good[own]
            points = left.scatter(
                rows[W2],
                rows[VG],
                c=rows["sigma_reference_mean_t"],
                marker=marker[potential],
                cmap="viridis",
                vmin=0.0,
                vmax=max(1.0, float(good["sigma_reference_mean_t"].max())),
                s=36,
            )
            dots(right, rows[W2], size[own], colour[potential], marker[potential], size=30, alpha=0.8)
        left.set(xlabel=W2_LABEL, ylabel=VG_LABEL)
        right.set(xlabel=W2_LABEL, ylabel=f"|error of {SIGMA}|, Φ of the potential")
        for axes in (left, right):
            plain_log(axes, "xy")
        if points is not None:
            figure.colorbar(points, ax=left, label=f"{SIGMA}, reference")
        labels = {potential: plain(potential) for potential in potentials} | _correlation_labels(table)
        labels = {potential: labels[potential] for potential in potentials}
        legend_below(figure, marker_handles(labels, colour, marker), 1 if len(labels) < 4 else 2)
        return figure


def _correlation_labels(table: pd.DataFrame) -> dict[str, str]:
    """Potential with the rank correlation of its errors of σ and of ω²."""
    labels = {}
    for row in error_correlations(table, seed=0).itertuples():
        text = "too few materials for a correlation"
        if np.isfinite(row.spearman):
            known = np.isfinite(row.spearman_low)
            within = f" [{row.spearman_low:.2f}, {row.spearman_high:.2f}]" if known else ""
            text = f"Spearman ρ = {row.spearman:.2f}{within}, n = {row.n}"
        labels[str(row.potential)] = f"{plain(str(row.potential))}: {text}"
    return labels


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
        for axes, (approach, name) in zip(panels, APPROACH_NAMES.items(), strict=True):
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


def parity_figure(records: Mapping[str, Record], formula: str) -> Figure:
    """Force components, potential against reference: whole, harmonic, anharmonic; a row per potential."""
    parts = {"force": "force", "harmonic_force": "harmonic part", "anharmonic_force": "anharmonic part"}
    with figure_style():
        figure = Figure(figsize=(8.6, 2.9 * len(records) + 0.3))
        grid = figure.subplots(len(records), 3, squeeze=False)
        for row, (potential, record) in zip(grid, records.items(), strict=True):
            for axes, (part, name) in zip(row, parts.items(), strict=True):
                _draw_parity(axes, record.arrays["parity_edges"], record.arrays[f"parity_{part}"])
                mae, rmse = (record.values[f"{part}_{kind}_eV_per_A"] for kind in ("mae", "rmse"))
                axes.set_title(f"{name}\nMAE {1000 * mae:.0f}, RMSE {1000 * rmse:.0f} meV/Å", fontsize=8.5)
                axes.set_xlabel("reference (eV/Å)")
            row[0].set_ylabel(f"{plain(potential)} (eV/Å)")
        figure.suptitle(pretty_formula(formula))
        return figure


def _draw_parity(axes: Axes, edges: np.ndarray, counts: np.ndarray) -> None:
    """Histogram of pairs of force components between the outermost bins that hold any."""
    used = np.flatnonzero((counts.sum(axis=0) + counts.sum(axis=1)) > 0)
    limit = float(np.abs(edges[[used[0], used[-1] + 1]]).max())
    shown = np.where(counts > 0, counts, np.nan).T
    # thousands of squares as vectors: slow to write and to open
    axes.pcolormesh(edges, edges, shown, norm=LogNorm(), cmap="viridis", rasterized=True)
    axes.plot([-limit, limit], [-limit, limit], color="0.5", linewidth=0.7)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")


def mode_figure(records: Mapping[str, Record], formula: str) -> Figure:
    """σ by phonon mode against frequency, reference and potentials; imaginary modes below zero, open."""
    names = ["reference", *records]
    shades = {"reference": REFERENCE_COLOUR, **colours(list(records))}
    marker = markers(names)
    with figure_style():
        figure = Figure(figsize=(6.4, 3.8))
        axes = figure.subplots()
        for name in names:
            arrays = records.get(name, next(iter(records.values()))).arrays
            side = "reference" if name == "reference" else "model"
            frequency, value = arrays[f"mode_frequencies_{side}"], arrays[f"mode_sigma_{side}"]
            size = 8.0 + 2.5 * arrays[f"mode_multiplicities_{side}"]
            imaginary = frequency < -1e-4
            for chosen, face in ((~imaginary, shades[name]), (imaginary, "none")):
                axes.scatter(
                    frequency[chosen],
                    value[chosen],
                    s=size[chosen],
                    marker=marker[name],
                    facecolors=face,
                    edgecolors=shades[name],
                    linewidths=0.8,
                    alpha=0.75,
                )
        axes.set(xlabel="frequency (THz); imaginary below 0", ylabel="σ of the mode")
        plain_log(axes, "y")
        guides(axes, (1.0,), "y")
        axes.set_title(f"{pretty_formula(formula)} (size: number of modes; open: imaginary)")
        legend_below(figure, marker_handles({name: plain(name) for name in names}, shades, marker))
        return figure


#: Figures over all materials of a study with anharmonicity results: file name, title, drawing function.
SIGMA_FIGURES = (
    ("sigma_reference", "σ of the potentials against the reference", sigma_against_reference),
    ("sigma_differences", "Differences of σ", sigma_differences),
    ("sigma_parts", "What forces and force constants make of them", sigma_parts),
    ("sigma_phonon_errors", "Anharmonicity and phonon errors", sigma_against_phonon_error),
)

#: Figures of one material: file name, title, drawing function.
MATERIAL_FIGURES = (
    ("traces", "σ(t) on the reference's configurations", trace_figure),
    ("parity", "Forces on the reference's configurations", parity_figure),
    ("modes", "σ by phonon mode", mode_figure),
)
