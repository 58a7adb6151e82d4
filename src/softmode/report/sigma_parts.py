"""What the error of σ is made of, drawn: forces, force constants and configurations, and their sum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softmode.study.results import done
from softmode.style import (
    PALETTE,
    REFERENCE_COLOUR,
    SIGMA,
    colours,
    distinct,
    figure_style,
    legend_below,
    panel_grid,
    patch_handles,
    plain,
    pretty_formula,
    side_by_side,
)

DISTRIBUTION_FROM = 8  # materials; fewer are shown one by one
#: What errors of σ are made of, as they are called.
PART_NAMES = {
    "force_error": "forces",
    "hessian_error": "force constants",
    "sampling_error": "configurations",
}
#: As they stand in tables.
SUM_NAMES = {**PART_NAMES, "difference": "sum: σ alone − σ reference"}
PART_COLOURS = dict(zip(PART_NAMES, PALETTE, strict=False))
_ON_REFERENCE = ("force_error", "hessian_error")


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


def part_boxes(rows: pd.DataFrame, potentials: Sequence[str], parts: Sequence[str], label: str) -> Figure:
    """Distributions over materials of parts of the error of σ, and of their sum, by potential.

    Parameters
    ----------
    rows : pandas.DataFrame
        With `potential`, the parts, and `difference`, which is their sum.
    potentials : sequence of str
        In the order in which they are drawn.
    parts : sequence of str
        Of :data:`PART_NAMES`.
    label : str
        Of the axis.
    """
    colour = colours(potentials)
    figure = Figure(figsize=(7.6, 4.0))
    axes = figure.subplots()
    names = {**{part: PART_NAMES[part] for part in parts}, "difference": "sum"}
    for index, potential in enumerate(potentials):
        own = rows[rows["potential"] == potential]
        axes.boxplot(
            [own[part].to_numpy(float) for part in names],
            positions=[side_by_side(place, index, len(potentials)) for place in range(len(names))],
            widths=0.82 * (0.8 / len(potentials)),
            patch_artist=True,
            boxprops={"facecolor": colour[potential], "alpha": 0.45, "linewidth": 0.8},
            medianprops={"color": REFERENCE_COLOUR, "linewidth": 1.6},
            flierprops={"marker": ".", "markersize": 3, "alpha": 0.6},
            manage_ticks=False,
        )
    axes.axhline(0.0, color="0.3", linewidth=0.8)
    axes.set_xticks(range(len(names)), list(names.values()))
    axes.set_ylabel(label)
    axes.grid(axis="x", visible=False)
    legend_below(figure, patch_handles({plain(name): shade for name, shade in colour.items()}, 0.45))
    return figure
