"""Lattice constants and softest modes of potentials against published ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from softmode.style import REFERENCE_COLOUR, colours, figure_style, markers, plain

_LATTICE = "a_A"


def lattice_and_mode_figure(pairs: pd.DataFrame) -> Figure:
    """Parity plots, a panel for the lattice constant and each point of the Brillouin zone.

    Parameters
    ----------
    pairs : pandas.DataFrame
        From :func:`softmode.study.label_results.lattices_and_modes`.
    """
    quantities = list(dict.fromkeys(pairs["quantity"]))
    potentials = list(dict.fromkeys(pairs["potential"]))
    colour, marker = colours(potentials), markers(potentials)
    with figure_style():
        columns = min(3, len(quantities))
        n_rows = -(-len(quantities) // columns)
        figure = Figure(figsize=(3.1 * columns, 3.1 * n_rows))
        panels = figure.subplots(n_rows, columns, squeeze=False).ravel()
        for spare in panels[len(quantities) :]:
            spare.set_visible(False)
        for axes, quantity in zip(panels, quantities, strict=False):
            for potential in potentials:
                part = pairs[(pairs["quantity"] == quantity) & (pairs["potential"] == potential)]
                axes.plot(
                    part["label"],
                    part["model"],
                    linestyle="none",
                    marker=marker[potential],
                    markersize=4,
                    alpha=0.75,
                    markeredgewidth=0,
                    color=colour[potential],
                    label=plain(potential),
                )
            _diagonal(axes, pairs[pairs["quantity"] == quantity])
            lattice = quantity == _LATTICE
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
