"""The same figures to hover over and click in (plotly), for the page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from softmode.report.bands import NOISE_COLOUR, BandOverlay
from softmode.report.figures import VG, W2
from softmode.study.results import done as finished
from softmode.style import (
    PLOTLY_MARKERS,
    REFERENCE_COLOUR,
    colours,
    distinct,
    group_name,
    markers,
    order_groups,
)

W2_TEXT = "RMSE(ω²) (THz²)"
VG_TEXT = "RMSE(v<sub>g</sub>) (THz·Å)"
#: From this many points on a figure is drawn so that a browser opens it at once.
MANY_POINTS = 1500


def finish(figure: go.Figure, height: int) -> go.Figure:
    """Layout that all interactive figures share; `height` in pixels."""
    figure.update_layout(
        template="simple_white",
        height=height,
        margin={"l": 70, "r": 20, "t": 40, "b": 60},
        font={"size": 13},
        legend={"orientation": "h", "y": -0.22},
        hoverlabel={"align": "left"},
    )
    return figure


def _log_axis(title: str) -> dict[str, object]:
    return {"type": "log", "title": title, "showgrid": True, "gridcolor": "#eee", "exponentformat": "power"}


def _many(rows: pd.DataFrame) -> bool:
    """Whether there are so many points that each can say less."""
    return len(rows) > MANY_POINTS


def _rounded(values: pd.Series) -> list[float]:
    """Six digits are more than can be seen."""
    return [float(f"{value:.6g}") for value in values]


def _hover(rows: pd.DataFrame, short: bool) -> list[str]:
    if short:
        return [f"{row.formula} ({row.material}), {row.potential}" for row in rows.itertuples()]
    return [
        f"<b>{row['formula']}</b> ({row['material']})<br>{row['potential']}<br>"
        f"RMSE(ω²) {row[W2]:.3g}, MAE {row['path_mae_w2_THz2']:.3g} THz²<br>"
        f"RMSE(v<sub>g</sub>) {row[VG]:.3g}, MAE {row['path_mae_vg_THzA']:.3g} THz·Å<br>"
        f"lowest mode {row['path_lowest_reference_THz']:.2f} → {row['path_lowest_model_THz']:.2f} THz<br>"
        f"softening {row['path_softening']:.3f}"
        for _, row in rows.iterrows()
    ]


def points(
    figure: go.Figure, x: Any, y: Any, name: str, looks: tuple[str, str, float, float], texts: list[str]
) -> None:
    """Add points with what is said of each; `looks`: colour, symbol, size, opacity."""
    colour, symbol, size, opacity = looks
    marker = {"color": colour, "symbol": symbol, "size": size, "opacity": opacity}
    shown: Any = {"mode": "markers", "name": name, "marker": marker}
    figure.add_scatter(x=x, y=y, hovertext=texts, hoverinfo="text", **shown)


def scatter(table: pd.DataFrame) -> go.Figure:
    """RMSE(ω²) against RMSE(v_g): colour by group, marker by potential."""
    done = finished(table, "harmonic")
    groups, potentials = order_groups(done["group"]), distinct(done["potential"])
    colour, marker = colours(groups), markers(potentials, PLOTLY_MARKERS)
    figure = go.Figure()
    for potential in potentials:
        for group in groups:
            rows = done[(done["potential"] == potential) & (done["group"] == group)]
            if rows.empty:
                continue
            looks = (colour[group], marker[potential], 5 if _many(done) else 9, 0.8)
            name, texts = f"{potential}, {group_name(group)}", _hover(rows, _many(done))
            points(figure, _rounded(rows[W2]), _rounded(rows[VG]), name, looks, texts)
    figure.update_layout(xaxis=_log_axis(W2_TEXT), yaxis=_log_axis(VG_TEXT))
    return finish(figure, 520)


def boxes(table: pd.DataFrame) -> go.Figure:
    """Box plots of both errors per group and potential, every material a point."""
    done = finished(table, "harmonic")
    groups, potentials = order_groups(done["group"]), distinct(done["potential"])
    colour = colours(potentials)
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.12)
    for column, quantity in ((1, VG), (2, W2)):
        for potential in potentials:
            rows = done[done["potential"] == potential]
            figure.add_trace(
                go.Box(
                    x=[group_name(group) for group in rows["group"]],
                    y=_rounded(rows[quantity]),
                    name=potential,
                    legendgroup=potential,
                    showlegend=column == 1,
                    offsetgroup=potential,
                    boxpoints=False if _many(done) else "all",
                    pointpos=0,
                    jitter=0.4,
                    marker={"color": colour[potential], "size": 4, "opacity": 0.7},
                    line={"width": 1.2},
                    hovertext=None if _many(done) else _hover(rows, short=False),
                    hoverinfo="y" if _many(done) else "text",
                ),
                row=1,
                col=column,
            )
    figure.update_xaxes(categoryorder="array", categoryarray=[group_name(group) for group in groups])
    figure.update_yaxes(_log_axis(VG_TEXT), row=1, col=1)
    figure.update_yaxes(_log_axis(W2_TEXT), row=1, col=2)
    figure.update_layout(boxmode="group")
    return finish(figure, 480)


def lowest_modes(table: pd.DataFrame) -> go.Figure:
    """Lowest mode of the potential against the reference's, on the mesh."""
    done = finished(table, "harmonic")
    potentials = distinct(done["potential"])
    colour, marker = colours(potentials), markers(potentials, PLOTLY_MARKERS)
    figure = go.Figure()
    values = done[["mesh_lowest_reference_THz", "mesh_lowest_model_THz"]].to_numpy(float)
    line = [float(values.min()) - 0.1, float(max(values.max(), 0.0)) + 0.1]
    figure.add_scatter(
        x=line, y=line, mode="lines", line={"color": "#999"}, showlegend=False, hoverinfo="skip"
    )
    for potential in potentials:
        rows = done[done["potential"] == potential]
        x, y = (_rounded(rows[f"mesh_lowest_{side}_THz"]) for side in ("reference", "model"))
        looks = (colour[potential], marker[potential], 5 if _many(done) else 9, 0.8)
        points(figure, x, y, potential, looks, _hover(rows, _many(done)))
    zero: Any = {"zeroline": True, "zerolinecolor": "#bbb"}
    figure.update_xaxes(title="lowest mode, reference (THz)", **zero)
    figure.update_yaxes(title="lowest mode, potential (THz)", **zero)
    return finish(figure, 480)


def _broken(values: np.ndarray, overlay: BandOverlay) -> tuple[list[float | None], list[float | None]]:
    """All bands as one line, interrupted between bands and where the path jumps."""
    x: list[float | None] = []
    y: list[float | None] = []
    for band in range(values.shape[1]):
        for piece in overlay.pieces():
            x += [*np.round(overlay.path.distances[piece], 5).tolist(), None]
            y += [*np.round(values[piece, band], 3).tolist(), None]
    return x, y


def bands(overlay: BandOverlay, colour: str) -> go.Figure:
    """Reference and model bands of one cell; imaginary modes below zero."""
    figure = go.Figure()
    for values, name, line in (
        (overlay.reference, "reference (DFT)", {"color": REFERENCE_COLOUR, "width": 1.3}),
        (overlay.model, overlay.potential, {"color": colour, "width": 1.3, "dash": "dash"}),
    ):
        x, y = _broken(values, overlay)
        figure.add_scatter(x=x, y=y, mode="lines", name=name, line=line, hovertemplate="%{y:.2f} THz")
    figure.add_hrect(-overlay.floor, overlay.floor, fillcolor=NOISE_COLOUR, line_width=0, layer="below")
    ticks = overlay.path.ticks()
    figure.update_xaxes(
        tickvals=[position for position, _ in ticks],
        ticktext=[label for _, label in ticks],
        showgrid=True,
        gridcolor="#ddd",
        range=[float(overlay.path.distances[0]), float(overlay.path.distances[-1])],
    )
    figure.update_yaxes(title="frequency (THz)", zeroline=True, zerolinecolor="#999")
    return finish(figure, 430)
