"""By what figures of one case move, drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from softmode.measurements.noise_floor import NOISE_FLOOR
from softmode.measurements.passport.panels import SHOWN
from softmode.measurements.passport.ways import FACTORS
from softmode.style import PALETTE, REFERENCE_COLOUR, figure_style, panel_grid, plain

_DRAWN = (
    *("lowest_model_THz", "sigma_phi_model_mean_t", "path_rmse_w2_THz2", "path_softening"),
    *("path_rmse_slope_THz2A", "path_rmse_vg_THzA", "mesh_entropy_model_J_per_molK"),
)


def passport_figure(values: Mapping[str, Any], title: str) -> Figure:
    """By what figures move: a panel for each, a bar for each factor varied alone, and one for all ways.

    Parameters
    ----------
    values : mapping
        Of a record ``passport``.
    title : str
        Whose it is.
    """
    moves = values["moves"]
    drawn = [name for name in _DRAWN if name in moves]
    if not drawn:
        with figure_style():
            figure = Figure(figsize=(5.0, 0.8))
            figure.suptitle(f"{title}\nno figure moves", fontsize=10)
            return figure
    factors = list(moves[drawn[0]]["by"])
    with figure_style():
        columns = min(3, len(drawn))
        figure, panels = panel_grid(
            len(drawn), columns, (2.5, 0.6 + 0.24 * (len(factors) + 1)), (1.2, 0.5), sharey=True
        )
        for axes, name in zip(panels, drawn, strict=True):
            _bars(axes, moves[name], factors)
            axes.set_title(plain(SHOWN[name]), fontsize=9)
            if name == "lowest_model_THz":
                left, right = axes.get_xlim()
                floor = values[NOISE_FLOOR]
                axes.axvspan(-floor, floor, color="#E4E4E4", linewidth=0, zorder=0)
                axes.set_xlim(left, max(right, 0.05 * (right - left)))  # zero is seen, not all of the band
        panels[0].set_yticks(range(len(factors) + 1), ["all ways", *(FACTORS[name] for name in factors)])
        panels[0].set_ylim(len(factors) + 0.5, -0.5)
        figure.suptitle(f"{title}\n{values['passport_verdict']}", fontsize=10)
        return figure


def _bars(axes: Axes, move: Mapping[str, Any], factors: list[str]) -> None:
    ranges = [(move["lowest"], move["highest"]), *(move["by"][factor] for factor in factors)]
    for place, (low, high) in enumerate(ranges):
        colour = REFERENCE_COLOUR if place == 0 else PALETTE[1]
        axes.plot([low, high], [place, place], color=colour, linewidth=5.0, solid_capstyle="butt")
        axes.plot([low, high], [place, place], color=colour, marker="|", markersize=7, linestyle="none")
    axes.axvline(move["protocol"], color="0.3", linewidth=0.8, linestyle=":")
    axes.grid(axis="y", visible=False)
