"""Pictures of docs/results/phonons.md: made by evidence_phonons.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from evidence_figures import BETTER_COLOUR, WORSE_COLOUR, error_boxes, ratio_figure
from evidence_phonons import DOUBLE, ERRORS, HALIDES, ranked, read_table, subsets
from softmode.style import (
    VG_LABEL,
    W2_LABEL,
    colours,
    error_bars,
    figure_style,
    group_name,
    guides,
    markers,
    panel_grid,
    patch_handles,
    plain_log,
    potential_legend,
)

TITLE = "Training on Hessians, or on OMat24, mends the shape of phonons, not their scale"


def headline(cells: pd.DataFrame) -> Figure:
    """Error of each potential over the reference's scale: all of it, and what one common factor leaves."""
    medians = cells.groupby("potential")[["relative", "relative_rest"]].median().mul(100.0)
    medians = medians.sort_values("relative_rest", ascending=False)
    at = np.arange(len(medians))
    training = dict(zip(cells["potential"], cells["training"], strict=True))
    shades = [
        next((shade for word, (shade, _) in _TRAINED.items() if word in training[name]), _OTHERWISE)
        for name in medians.index
    ]
    with figure_style():
        figure = Figure(figsize=(8.0, 4.6))
        axes = figure.subplots()
        axes.barh(at, medians["relative"], color=shades, alpha=0.28, height=0.72)
        axes.barh(at, medians["relative_rest"], color=shades, height=0.72)
        for place, row in zip(at, medians.itertuples(), strict=True):
            axes.text(row.relative_rest - 0.12, place, f"{row.relative_rest:.1f}", **_INSIDE, color="white")
            axes.text(row.relative + 0.12, place, f"{row.relative:.1f}", va="center", fontsize=9)
        labels = [f"{name}  ({training[name]})" for name in medians.index]
        axes.set_yticks(at, labels, fontsize=9)
        axes.set_xlabel("error of ω² in % of the reference's (root mean squares; median of the crystals)")
        n = cells["material"].nunique()
        axes.set_title(
            f"{len(medians)} potentials against DFT (PBEsol) phonons of {n} crystals", x=0.0, loc="left"
        )
        axes.grid(axis="y", visible=False)
        figure.legend(
            handles=[
                *patch_handles(
                    {f"with {word} in the training{more}": shade for word, (shade, more) in _TRAINED.items()}
                ),
                *patch_handles({"with neither": _OTHERWISE}),
                *patch_handles({"shape: left when one factor has scaled all ω²": "0.35"}),
                *patch_handles({"with that factor: lattice, functional, softness": "0.35"}, 0.28),
            ],
            loc="outside lower center",
            ncols=2,
        )
        figure.suptitle(TITLE, fontsize=11.5, weight="bold", x=0.01, ha="left")
        return figure


#: By the first of these that was in the training: colour, and what the legend adds.
_TRAINED = {"Hessians": (BETTER_COLOUR, " (the first with OMat24 too)"), "OMat24": ("#009E73", "")}
_OTHERWISE = "#7F7F7F"
_INSIDE = {"va": "center", "ha": "right", "fontsize": 9}


def trend_figure(cells: pd.DataFrame) -> Figure:
    """Median error by halide, in THz² and over the reference's scale; a line for each potential."""
    potentials = list(dict.fromkeys(cells["potential"]))
    colour, marker = colours(potentials), markers(potentials)
    with figure_style():
        figure, panels = panel_grid(4, 2, (4.1, 3.1))
        for row, (subset, part) in enumerate(subsets(cells).items()):
            for axes, error, label in zip(
                panels[2 * row : 2 * row + 2],
                ("w2", "relative"),
                (W2_LABEL, "RMSE(ω²) / RMS(ω²) (%)"),
                strict=True,
            ):
                values = part.groupby(["potential", "group"])[ERRORS[error]].median()
                present = [name for name in HALIDES if name in set(part["group"])]
                for index, potential in enumerate(potentials):
                    own = values[potential].reindex(present) * (1 if error == "w2" else 100)
                    at = np.arange(len(present)) + 0.03 * (index - 5)
                    style = {"color": colour[potential], "marker": marker[potential]}
                    axes.plot(at, own, **style, markersize=4, linewidth=1.0)
                counts = part.drop_duplicates("material")["group"].value_counts()
                axes.set_xticks(range(len(present)), [f"{group_name(x)}\nn = {counts[x]}" for x in present])
                plain_log(axes, "y")
                axes.set_ylabel(label)
                axes.set_title(f"{subset} {'double perovskites' if subset == '58' else 'crystals'}")
        potential_legend(figure, potentials, 4)
        return figure


def sigma_figure(cells: pd.DataFrame) -> Figure:
    """Fig. 1a for every potential: both errors of the double perovskites, coloured by DFT's σ."""
    known = cells[(cells["prototype"] == DOUBLE) & cells["sigma_dft"].notna()]
    potentials = list(dict.fromkeys(known["potential"]))
    with figure_style():
        figure, panels = panel_grid(len(potentials), 4, (2.2, 2.1), (0.6, 0.0), sharex=True, sharey=True)
        for axes, potential in zip(panels, potentials, strict=True):
            for halide, marker in zip(HALIDES, "os^D", strict=True):
                own = known[(known["potential"] == potential) & (known["group"] == halide)]
                x, y, shade = (own[name] for name in (ERRORS["w2"], ERRORS["vg"], "sigma_dft"))
                image = axes.scatter(x, y, c=shade, marker=marker, s=22, vmin=0.25, vmax=0.9, linewidths=0)
            plain_log(axes, "xy")
            axes.set_title(potential, fontsize=8.5)
        figure.supxlabel(f"{W2_LABEL}; circles: fluorides, squares: chlorides, triangle: bromide", fontsize=9)
        figure.supylabel(VG_LABEL, fontsize=9)
        figure.colorbar(image, ax=panels, label="σ of DFT at 300 K (published)", shrink=0.7)
        return figure


def correlation_figure(folder: Path) -> Figure:
    """Rank correlation of the error with halide and with σ, in THz² and over the reference's scale."""
    order = ranked(folder, "143")
    halides, sigma = read_table(folder, "halides"), read_table(folder, "sigma")
    parts = {
        "with the halide, F to I (132 crystals)": (halides.query("subset == 143"), "rho"),
        f"with σ of DFT ({sigma['n'].iloc[0]} double perovskites)": (sigma, ""),
    }
    with figure_style():
        figure, panels = panel_grid(2, 2, (3.4, 3.6), (1.2, 0.0), sharey=True)
        for axes, (title, (frame, column)) in zip(panels, parts.items(), strict=True):
            for shift, error, shade in ((-0.15, "w2", WORSE_COLOUR), (0.15, "relative", BETTER_COLOUR)):
                if column:
                    own = frame[frame["error"] == error]
                else:
                    own = frame[frame["crystals"] == "double perovskites"]
                own, name = own.set_index("potential").loc[order], column or error
                value, low, high = (own[f"{name}{end}"].to_numpy(float) for end in ("", "_low", "_high"))
                label = "RMSE(ω²)" if error == "w2" else "relative to the reference's ω²"
                axes.errorbar(
                    *(value, np.arange(len(order)) + shift),
                    xerr=error_bars(value, low, high),
                    fmt="o",
                    color=shade,
                    markersize=4,
                    label=label,
                )
            guides(axes, (0.0,), "x")
            axes.set(title=title, xlabel="Spearman's ρ", xlim=(-1, 1))
        panels[0].set_yticks(range(len(order)), order)
        panels[0].invert_yaxis()
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
        return figure


def lattice_figure(folder: Path) -> Figure:
    """Error at both lattices, and what the slope of ω² leaves of it."""
    frame = read_table(folder, "lattice").query("subset == 143").iloc[::-1]
    at = np.arange(len(frame))
    with figure_style():
        figure = Figure(figsize=(7.2, 3.9))
        axes = figure.subplots()
        for name, shade, label in (("w2", "0.6", "RMSE(ω²)"), ("rest", BETTER_COLOUR, "slope removed")):
            reference, own = (frame[f"{name}_{where}"] for where in ("reference", "own"))
            axes.hlines(at, reference, own, color=shade, linewidth=2, alpha=0.5)
            axes.plot(reference, at, "o", color=shade, label=f"{label}, at PBEsol's lattice")
            axes.plot(own, at, "s", color=shade, label=f"{label}, at its own lattice")
        axes.set_yticks(at, list(frame["potential"]))
        plain_log(axes, "x")
        axes.set_xlabel("THz², median of the crystals")
        figure.legend(loc="outside lower center", ncols=2)
        return figure


def write_pictures(cells: pd.DataFrame, folder: Path) -> None:
    """The PNG files."""
    hessians = read_table(folder, "hessians")
    figures = {
        "headline": headline(cells),
        "errors_boxes": error_boxes(cells[cells["prototype"] == DOUBLE]),
        "trend": trend_figure(cells),
        "sigma": sigma_figure(cells),
        "correlations": correlation_figure(folder),
        "lattice": lattice_figure(folder),
        "hessians": ratio_figure(hessians[hessians["crystals"] == "all"]),
    }
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=130)
