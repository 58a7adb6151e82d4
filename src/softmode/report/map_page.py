"""Interactive maps: points to hover over, the structure of the frame pointed at; no network needed."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from plotly.offline import get_plotlyjs

from softmode.crystal import Trajectory
from softmode.measurements.map.analysis import MapPoints
from softmode.panel import number
from softmode.report.map_figures import cloud_colours
from softmode.report.rendering import plot_html, render
from softmode.style import PLOTLY_MARKERS

#: Atoms that sit on the faces of the cell, give or take this share of it, are drawn on one side.
_MARGIN = 0.06
#: Points above which WebGL draws them.
_MANY = 1500


def interactive_map(points: MapPoints) -> go.Figure:
    """The map by plotly, coloured by trajectory or, at a click, by σ(t)."""
    scatter = go.Scattergl if len(points.cloud) > _MANY else go.Scatter
    colour = cloud_colours(points.labels)
    figure = go.Figure()
    for by_sigma in (False, True) if points.has_sigma else (False,):
        for index, label in enumerate(points.labels):
            chosen = np.flatnonzero(points.cloud == index)
            marker: dict[str, Any] = {"symbol": PLOTLY_MARKERS[index % len(PLOTLY_MARKERS)], "size": 7}
            if by_sigma:
                marker |= {"color": points.sigma_t[chosen], "coloraxis": "coloraxis"}
            else:
                marker |= {"color": colour[label]}
            figure.add_trace(
                scatter(
                    x=points.coordinates[chosen, 0],
                    y=points.coordinates[chosen, 1],
                    mode="markers",
                    name=html.escape(label),
                    marker=marker,
                    opacity=0.65,
                    customdata=chosen,
                    text=[_hover(points, int(frame)) for frame in chosen],
                    hovertemplate="%{text}<extra></extra>",
                    visible=not by_sigma,
                )
            )
    figure.update_layout(
        template="plotly_white",
        height=520,
        margin={"l": 60, "r": 20, "t": 85, "b": 50},
        xaxis_title=f"component 1 ({100 * points.explained[0]:.0f} %)",
        yaxis_title=f"component 2 ({100 * points.explained[1]:.0f} %)",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0.0},
        coloraxis={"colorscale": "Viridis", "colorbar": {"title": "σ(t)"}},
        hovermode="closest",
    )
    if points.has_sigma:
        n = len(points.labels)
        buttons = [
            {
                "label": name,
                "method": "update",
                "args": [{"visible": [shown == by_sigma for shown in [False] * n + [True] * n]}],
            }
            for name, by_sigma in (("by trajectory", False), ("by σ(t)", True))
        ]
        place = {"x": 1.0, "xanchor": "right", "y": 1.02, "yanchor": "bottom", "direction": "right"}
        figure.update_layout(updatemenus=[{"type": "buttons", "buttons": buttons, **place}])
    return figure


def _hover(points: MapPoints, frame: int) -> str:
    lines = [
        f"<b>{html.escape(points.labels[points.cloud[frame]])}</b>",
        f"run {points.run[frame]}, frame {points.frame[frame]}",
    ]
    if np.isfinite(points.sigma_t[frame]):
        lines.append(f"σ(t) {points.sigma_t[frame]:.3f}")
    if np.isfinite(points.foreign[frame]):
        lines.append(f"distance from the reference {points.foreign[frame]:.2f}")
    return "<br>".join(lines)


def structures(trajectories: Sequence[Trajectory]) -> str:
    """Structures of all frames as the page's script reads them: fractional coordinates in 16 bits, JSON."""
    clouds = []
    for trajectory in trajectories:
        fractional = trajectory.positions @ np.linalg.inv(trajectory.lattice) + _MARGIN
        packed = np.floor(65536.0 * (fractional - np.floor(fractional))).astype("<u2")
        numbers = trajectory.numbers
        clouds.append(
            {
                "n_frames": trajectory.n_frames,
                "symbols": [chemical_symbols[number] for number in numbers],
                "lattice": np.round(trajectory.lattice, 5).tolist(),
                "coordinates": base64.b64encode(packed.tobytes()).decode(),
            }
        )
    elements = np.unique(np.concatenate([trajectory.numbers for trajectory in trajectories]))
    looks = {
        chemical_symbols[number]: {
            "radius": round(float(covalent_radii[number]), 3),
            "colour": "rgb(" + ",".join(f"{int(255 * part)}" for part in jmol_colors[number]) + ")",
        }
        for number in elements
    }
    return script_json({"margin": _MARGIN, "clouds": clouds, "looks": looks})


def script_json(content: Any) -> str:
    """JSON that may stand inside a script of a page."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")


def map_page(
    title: str,
    points: MapPoints,
    trajectories: Sequence[Trajectory],
    *,
    overlaps: Sequence[dict[str, str]] = (),
    lines: Sequence[str] = (),
    links: Sequence[tuple[str, str]] = (),
) -> str:
    """A page of its own: the map, the structure of the frame pointed at, and the numbers.

    Parameters
    ----------
    title : str
        Heading.
    points : MapPoints
        The frames.
    trajectories : sequence of Trajectory
        Of each cloud, in the order of the points.
    overlaps : sequence of dict
        Rows of the table of overlaps, from :func:`overlap_row`.
    lines : sequence of str
        What else is to be said.
    links : sequence of (str, str)
        Files beside the page: name, and what it is.
    """
    return render(
        "map_page.html.j2",
        title=title,
        plotlyjs=get_plotlyjs(),
        map=plot_html(interactive_map(points), "map"),
        structures=structures(trajectories),
        overlaps=overlaps,
        lines=lines,
        links=links,
    )


def viewer_page(title: str, content: dict[str, Any], *, script: str = "", source: str = "") -> str:
    """chemiscope's own viewer with its data; needs no network.

    Parameters
    ----------
    title : str
        Of the window.
    content : dict
        From :func:`softmode.report.chemiscope_file.chemiscope_input`.
    script : str
        The viewer, from :func:`softmode.report.chemiscope_file.viewer_script`.
    source : str
        In place of it, the name of a file beside the page that holds it.
    """
    return render(
        "chemiscope.html.j2",
        title=title,
        script=script.replace("</script", "<\\/script"),
        source=source,
        content=script_json(content),
    )


def overlap_row(values: dict[str, Any]) -> dict[str, str]:
    """A row of the table of overlaps, from ``overlap_values`` of :mod:`softmode.measurements.map`."""
    return {
        "first": str(values["first"]),
        "second": str(values["second"]),
        "frames": " + ".join(str(n) for n in values["n_frames"]),
        "blocks": " + ".join(str(n) for n in values["n_blocks"]),
        "relative": number(values["mmd2_relative"]),
        "mmd_p": number(values["mmd2_p"], 2),
        "separation": number(values["neighbour_separation"], 2),
        "near_p": number(values["neighbour_p"], 2),
        "reliable": "" if values["reliable"] else "few blocks",
    }
