"""Figures of the anharmonicity comparison (after Figs. 1a, 3, S7 and S9 of Yang et al., PCCP 2026)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softmode.anharmonic.classes import CLASSES
from softmode.anharmonic.confusion import ConfusionMatrix
from softmode.report.style import (
    REFERENCE_COLOUR,
    W2_LABEL,
    colours,
    markers,
    paper_style,
    plain,
    pretty_formula,
)
from softmode.study.records import Record
from softmode.study.results import done

APPROACH_NAMES = {"phi_ref": "Φ of the reference", "phi_model": "Φ of the potential"}
SIGMA = r"$\langle\sigma(t)\rangle_t$"


def confusion_figure(matrices: Mapping[tuple[str, str], ConfusionMatrix], title: str = "") -> Figure:
    """Confusion matrices, a row per approach, a column per potential; counts, shaded by share of their row.

    Parameters
    ----------
    matrices : mapping of (approach, potential) to ConfusionMatrix
        Measured, or published.
    title : str
        Above all.
    """
    approaches = list(dict.fromkeys(approach for approach, _ in matrices))
    potentials = list(dict.fromkeys(potential for _, potential in matrices))
    with paper_style():
        size = (2.5 * len(potentials) + 0.9, 2.5 * len(approaches) + 0.6)
        figure = Figure(figsize=size)
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
                    axes.set_ylabel(f"{APPROACH_NAMES.get(approach, approach)}\n\nreference class")
                if row == len(approaches) - 1:
                    axes.set_xlabel("class by the potential")
        if title:
            figure.suptitle(title)
        return figure


def _draw_confusion(axes: Axes, matrix: ConfusionMatrix) -> None:
    counts = np.asarray(matrix.counts)
    shares = np.divide(
        counts,
        counts.sum(axis=1, keepdims=True),
        out=np.zeros((3, 3)),
        where=counts.sum(axis=1, keepdims=True) > 0,
    )
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    for i in range(3):
        for j in range(3):
            axes.text(
                j,
                i,
                f"{counts[i, j]:d}",
                ha="center",
                va="center",
                color="white" if shares[i, j] > 0.55 else "black",
            )
    axes.set_xticks(range(3), CLASSES, fontsize=7.5)
    axes.set_yticks(range(3), CLASSES, fontsize=7.5, rotation=90, va="center")
    axes.grid(visible=False)
    axes.tick_params(length=0)


def sigma_against_reference(table: pd.DataFrame) -> Figure:
    """⟨σ(t)⟩ of each potential against the reference's, both approaches, with 95 % intervals."""
    good = done(table, "sigma")
    potentials = list(dict.fromkeys(good["potential"]))
    colour, marker = colours(potentials), markers(potentials)
    with paper_style():
        figure = Figure(figsize=(8.2, 4.2))
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        values = [good["sigma_reference_mean_t"].max()]
        for axes, (approach, name) in zip(panels, APPROACH_NAMES.items(), strict=True):
            for potential in potentials:
                rows = good[good["potential"] == potential]
                axes.errorbar(
                    rows["sigma_reference_mean_t"],
                    rows[f"sigma_{approach}_mean_t"],
                    xerr=_bars(rows, "reference"),
                    yerr=_bars(rows, approach),
                    fmt=marker[potential],
                    color=colour[potential],
                    markersize=5,
                    elinewidth=0.8,
                    alpha=0.85,
                )
            values.append(good[f"sigma_{approach}_mean_t"].max())
            axes.set_title(name)
            axes.set_xlabel(f"{SIGMA}, reference")
        limit = 1.12 * float(max(*values, 1.0))
        for axes in panels:
            axes.plot([0, limit], [0, limit], color="0.5", linewidth=0.8)
            for edge in (0.5, 1.0):
                axes.axhline(edge, color="0.7", linewidth=0.7, linestyle=":")
                axes.axvline(edge, color="0.7", linewidth=0.7, linestyle=":")
            axes.set(xlim=(0, limit), ylim=(0, limit), aspect="equal")
        panels[0].set_ylabel(f"{SIGMA}, potential")
        _potential_legend(figure, potentials)
        return figure


def _bars(rows: pd.DataFrame, approach: str) -> np.ndarray:
    mean = rows[f"sigma_{approach}_mean_t"].to_numpy(float)
    low = rows[f"sigma_{approach}_mean_t_low"].to_numpy(float)
    high = rows[f"sigma_{approach}_mean_t_high"].to_numpy(float)
    bars: np.ndarray = np.nan_to_num(np.maximum(np.array([mean - low, high - mean]), 0.0))
    return bars  # zero where there is no interval


def _potential_legend(figure: Figure, potentials: Sequence[str]) -> None:
    colour, marker = colours(potentials), markers(potentials)
    handles = [
        Line2D([], [], linestyle="", marker=marker[p], color=colour[p], label=plain(p)) for p in potentials
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6))


def sigma_differences(table: pd.DataFrame) -> Figure:
    """Distribution of σ_model - σ_reference over materials, both approaches (paper Fig. S9)."""
    good = done(table, "sigma")
    potentials = list(dict.fromkeys(good["potential"]))
    colour = colours(potentials)
    with paper_style():
        figure = Figure(figsize=(8.2, 3.4))
        panels = figure.subplots(1, 2, sharex=True)
        for axes, (approach, name) in zip(panels, APPROACH_NAMES.items(), strict=True):
            difference = good[f"sigma_{approach}_mean_t"] - good["sigma_reference_mean_t"]
            limit = max(0.1, float(difference.abs().max()))
            bins = np.linspace(-limit, limit, 2 * max(4, int(np.sqrt(len(good)))) + 1)
            for place, potential in enumerate(potentials):
                values = difference[good["potential"] == potential].to_numpy(float)
                if len(values) >= 8:
                    axes.hist(values, bins=bins, histtype="stepfilled", alpha=0.35, color=colour[potential])
                axes.plot(
                    values, np.full(len(values), -0.3 - 0.25 * place), "|", color=colour[potential], ms=9
                )
            axes.axvline(0.0, color="0.4", linewidth=0.8)
            axes.set_title(name)
            axes.set_xlabel(f"{SIGMA}, potential minus reference")
            axes.set_yticks([tick for tick in axes.get_yticks() if tick >= 0 and float(tick).is_integer()])
        panels[0].set_ylabel("materials")
        _potential_legend(figure, potentials)
        return figure


def sigma_against_phonon_error(table: pd.DataFrame) -> Figure:
    """RMSE(ω²) against RMSE(v_g), coloured by the reference's σ (paper Fig. 1a)."""
    good = done(done(table, "sigma"), "harmonic")
    potentials = list(dict.fromkeys(good["potential"]))
    marker = markers(potentials)
    with paper_style():
        figure = Figure(figsize=(5.2, 3.8))
        axes = figure.subplots()
        points = None
        for potential in potentials:
            rows = good[good["potential"] == potential]
            points = axes.scatter(
                rows["path_rmse_w2_THz2"],
                rows["path_rmse_vg_THzA"],
                c=rows["sigma_reference_mean_t"],
                marker=marker[potential],
                cmap="viridis",
                vmin=0.0,
                vmax=max(1.0, float(good["sigma_reference_mean_t"].max())),
                s=36,
            )
        axes.set(xscale="log", yscale="log", xlabel=W2_LABEL, ylabel=r"RMSE($v_g$) (THz·Å)")
        if points is not None:
            figure.colorbar(points, ax=axes, label=f"{SIGMA}, reference")
        handles = [
            Line2D([], [], linestyle="", marker=marker[p], color="0.3", label=plain(p)) for p in potentials
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6))
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
    boundaries = np.cumsum(first.arrays["run_lengths"])[:-1]
    with paper_style():
        figure = Figure(figsize=(8.2, 3.4))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (approach, name) in zip(panels, APPROACH_NAMES.items(), strict=True):
            few = len(first.arrays["sigma_t_reference"]) <= 60
            style = {"linewidth": 1.0, "marker": "." if few else None, "markersize": 4}
            axes.plot(first.arrays["sigma_t_reference"], color=REFERENCE_COLOUR, label="reference", **style)
            for potential, record in records.items():
                label = plain(potential)
                axes.plot(record.arrays[f"sigma_t_{approach}"], color=colour[potential], label=label, **style)
            for boundary in boundaries:
                axes.axvline(boundary - 0.5, color="0.6", linewidth=0.8, linestyle="--")
            for edge in (0.5, 1.0):
                axes.axhline(edge, color="0.7", linewidth=0.7, linestyle=":")
            axes.set_title(f"{pretty_formula(formula)}, {name}")
            axes.set_xlabel("frame")
        panels[0].set_ylabel("σ(t)")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=6)
        return figure


def parity_figure(records: Mapping[str, Record], formula: str) -> Figure:
    """Force components, potential against reference: whole, harmonic, anharmonic; a row per potential."""
    parts = {"force": "force", "harmonic_force": "harmonic part", "anharmonic_force": "anharmonic part"}
    with paper_style():
        figure = Figure(figsize=(8.6, 2.9 * len(records) + 0.3))
        grid = figure.subplots(len(records), 3, squeeze=False)
        for row, (potential, record) in zip(grid, records.items(), strict=True):
            edges = record.arrays["parity_edges"]
            for axes, (part, name) in zip(row, parts.items(), strict=True):
                counts = record.arrays[f"parity_{part}"]
                used = np.flatnonzero((counts.sum(axis=0) + counts.sum(axis=1)) > 0)
                limit = float(np.abs(edges[[used[0], used[-1] + 1]]).max())
                axes.pcolormesh(
                    edges,
                    edges,
                    np.where(counts > 0, counts, np.nan).T,
                    norm=LogNorm(),
                    cmap="viridis",
                    rasterized=True,  # thousands of squares as vectors: slow to write and to open
                )
                axes.plot([-limit, limit], [-limit, limit], color="0.5", linewidth=0.7)
                axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
                mae, rmse = (record.values[f"{part}_{kind}_eV_per_A"] for kind in ("mae", "rmse"))
                axes.set_title(f"{name}\nMAE {1000 * mae:.0f}, RMSE {1000 * rmse:.0f} meV/Å", fontsize=8.5)
                axes.set_xlabel("reference (eV/Å)")
            row[0].set_ylabel(f"{plain(potential)} (eV/Å)")
        figure.suptitle(pretty_formula(formula))
        return figure


def mode_figure(records: Mapping[str, Record], formula: str) -> Figure:
    """σ by phonon mode against frequency, reference and potentials; imaginary modes below zero, open."""
    colour, marker = colours(list(records)), markers(["reference", *records])
    first = next(iter(records.values()))
    sides = {"reference": (first, "reference", REFERENCE_COLOUR)}
    sides |= {potential: (record, "model", colour[potential]) for potential, record in records.items()}
    with paper_style():
        figure = Figure(figsize=(6.4, 3.8))
        axes = figure.subplots()
        for name, (record, side, shade) in sides.items():
            frequency = record.arrays[f"mode_frequencies_{side}"]
            value = record.arrays[f"mode_sigma_{side}"]
            size = 8.0 + 2.5 * record.arrays[f"mode_multiplicities_{side}"]
            imaginary = frequency < -1e-4
            for chosen, face in ((~imaginary, shade), (imaginary, "none")):
                axes.scatter(
                    frequency[chosen],
                    value[chosen],
                    s=size[chosen],
                    marker=marker[name],
                    facecolors=face,
                    edgecolors=shade,
                    linewidths=0.8,
                    alpha=0.75,
                )
        axes.set(yscale="log", xlabel="frequency (THz); imaginary below 0", ylabel="σ of the mode")
        axes.axhline(1.0, color="0.7", linewidth=0.7, linestyle=":")
        axes.set_title(f"{pretty_formula(formula)} (size: number of modes; open: imaginary)")
        handles = [
            Line2D([], [], linestyle="", marker=marker[name], color=shade, label=plain(name))
            for name, (_, _, shade) in sides.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=6)
        return figure


#: Figures over all materials of a study with anharmonicity results: file name, title, drawing function.
SIGMA_FIGURES = (
    ("sigma_reference", "σ of the potentials against the reference", sigma_against_reference),
    ("sigma_differences", "Differences of σ", sigma_differences),
    ("sigma_phonon_errors", "Anharmonicity and phonon errors", sigma_against_phonon_error),
)

#: Figures of one material: file name, title, drawing function.
MATERIAL_FIGURES = (
    ("traces", "σ(t) on the reference's configurations", trace_figure),
    ("parity", "Forces on the reference's configurations", parity_figure),
    ("modes", "σ by phonon mode", mode_figure),
)
