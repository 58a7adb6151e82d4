"""What a page shows of passports: verdicts of all cases, and by what figures move in the least certain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from softmode.measurements.noise_floor import NOISE_FLOOR
from softmode.measurements.passport.orders import orders_panel
from softmode.measurements.passport.ways import FACTORS
from softmode.measurements.results import Results
from softmode.panel import NOTHING, Entry, Panel, Picture, Table
from softmode.style import PALETTE, REFERENCE_COLOUR, figure_style, panel_grid, plain, pretty_formula

#: Figures that are drawn and printed, where they move.
SHOWN = {
    "lowest_model_THz": "lowest mode, THz",
    "sigma_phi_model_mean_t": "⟨σ(t)⟩, potential's forces and Φ",
    "path_rmse_w2_THz2": "RMSE(ω²), THz²",
    "path_mae_w2_THz2": "MAE(ω²), THz²",
    "path_softening": "softening (slope of ω²)",
    "path_rmse_slope_THz2A": "RMSE(dω²/dq), THz²·Å",
    "path_rmse_vg_THzA": "RMSE(v_g), THz·Å",
    "path_mae_vg_THzA": "MAE(v_g), THz·Å",
    "mesh_mean_frequency_model_THz": "mean frequency, THz",
    "mesh_entropy_model_J_per_molK": "entropy at 300 K, J/(mol K)",
    "mesh_free_energy_model_kJ_per_mol": "free energy at 300 K, kJ/mol",
}
_DRAWN = (
    *("lowest_model_THz", "sigma_phi_model_mean_t", "path_rmse_w2_THz2", "path_softening"),
    *("path_rmse_slope_THz2A", "path_rmse_vg_THzA", "mesh_entropy_model_J_per_molK"),
)
#: Cases whose pictures a page has.
_PICTURES = 4


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


def panels(results: Results) -> Iterator[Panel]:
    """Verdicts of all cases, pictures of those of the smallest margin, and whether orders survive."""
    rows = results.rows
    least = rows.sort_values("passport_margin_THz", kind="stable").head(_PICTURES)
    pictures = tuple(
        Picture(
            f"passport_{number}",
            f"What moves the figures: {row.formula} ({row.material}) by {row.potential}",
            partial(
                passport_figure,
                results.record(row.material, row.potential).values,
                f"{pretty_formula(row.formula)}, {plain(row.potential)}",
            ),
        )
        for number, row in enumerate(least.itertuples(), start=1)
    )
    yield Panel(
        "passport",
        "Passports: how sure figures and verdicts are",
        "The same phonons, made in many ways that should not matter. Bars: range of a figure when one "
        "choice is varied alone, and over all ways; dotted: under the protocol; grey: frequencies that are "
        "noise. The cases shown are those of the smallest margin, which is negative where ways disagree.",
        pictures,
        (_table(results, rows),),
    )
    passports = [
        (row.material, row.potential, results.record(row.material, row.potential))
        for row in rows.itertuples()
    ]
    formulas = rows.drop_duplicates("material").set_index("material")["formula"]
    if (panel := orders_panel(passports, formulas)) is not None:
        yield panel


def _table(results: Results, rows: pd.DataFrame) -> Table:
    lines = []
    for row in rows.to_dict("records"):
        link = results.link(row["material"], row["potential"])
        numbers = (row["passport_margin_THz"], row[NOISE_FLOOR], row.get("passport_reference_margin_THz"))
        lines.append(
            (
                f"{row['formula']} ({row['material']})",
                str(row["potential"]),
                str(row["passport_verdict"]),
                *(NOTHING if pd.isna(value) else Entry(f"{value:.2f}", link) for value in numbers),
            )
        )
    columns = (
        "material",
        "potential",
        "verdict",
        "margin, THz",
        "noise floor, THz",
        "reference's margin, THz",
    )
    return Table("passport", "Verdicts and margins", columns, tuple(lines))
