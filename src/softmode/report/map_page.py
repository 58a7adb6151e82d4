"""Maps of configuration space on pages: frames as points, each with its structure, and how clouds overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from softmode import __version__
from softmode.charts import Chart, Frames, FrameStructures, Guide, Points, PointSeries
from softmode.crystal import Trajectory
from softmode.measurements.map.analysis import MapPoints
from softmode.packed_matrices import pack
from softmode.panel import Panel, Table, number
from softmode.report.contents import now
from softmode.report.document import Page, Potential
from softmode.report.panels import page_panel

#: Atoms that sit on the faces of the cell, give or take this share of it, are drawn on one side.
_MARGIN = 0.06
_HEADS = (
    *("cloud", "cloud", "frames", "blocks", "MMD², relative", "p", "neighbour separation", "p"),
    "to be relied on",
)


def frames_chart(
    points: MapPoints, trajectories: Sequence[Trajectory], name: str, title: str, *, reference: bool = True
) -> Frames:
    """The map: every frame a point, with its structure.

    Parameters
    ----------
    points : MapPoints
        The frames.
    trajectories : sequence of Trajectory
        Of each cloud, in the order of the points.
    name, title : str
        Of the chart.
    reference : bool
        Whether the first cloud is that of the reference, and none of a potential.
    """
    labels = points.labels
    x_label, y_label = (f"component {n + 1} ({100 * points.explained[n]:.0f} %)" for n in range(2))
    x, y = (tuple(points.coordinates[:, axis].tolist()) for axis in range(2))
    sigma = tuple(None if np.isnan(value) else value for value in points.sigma_t.tolist())
    return Frames(
        name=name,
        title=title,
        note="Every point is a frame; near points are alike.",
        x_label=x_label,
        y_label=y_label,
        clouds=labels,
        potentials=tuple(None if reference and not place else label for place, label in enumerate(labels)),
        x=x,
        y=y,
        cloud=tuple(points.cloud.tolist()),
        run=tuple(points.run.tolist()),
        frame=tuple(points.frame.tolist()),
        sigma=sigma if points.has_sigma else None,
        structures=tuple(map(frame_structures, trajectories)),
    )


def frame_structures(trajectory: Trajectory) -> FrameStructures:
    """Structures of the frames of a trajectory, in 16 bits."""
    fractional = trajectory.positions @ np.linalg.inv(trajectory.lattice) + _MARGIN
    inside = fractional - np.floor(fractional) - _MARGIN
    return FrameStructures(
        tuple(chemical_symbols[number] for number in trajectory.numbers),
        tuple(map(tuple, trajectory.lattice.tolist())),
        pack(inside.reshape(trajectory.n_frames, -1), delta=False),
    )


def foreign_chart(points: MapPoints, threshold: float, name: str, note: str = "") -> Points:
    """σ(t) against how foreign a frame is; frames beyond the line are those the reference does not visit."""
    series = []
    for place, label in enumerate(points.labels):
        own = np.flatnonzero((points.cloud == place) & np.isfinite(points.sigma_t))
        series.append(
            PointSeries(
                label,
                tuple(points.foreign[own].tolist()),
                tuple(points.sigma_t[own].tolist()),
                tuple(f"run {points.run[at]}, frame {points.frame[at]}" for at in own),
                potential=label if place else None,
            )
        )
    return Points(
        name=name,
        title="σ(t) and how foreign frames are",
        note=note,
        x_label="distance from the reference (1: usual)",
        y_label="σ(t)",
        series=tuple(series),
        guides=(Guide("x", threshold, "foreign"),),
    )


def map_page(
    title: str, charts: Sequence[Chart], overlaps: Table, lines: Sequence[str]
) -> tuple[Page, Panel]:
    """The page of ``softmode map``, and its only panel.

    Parameters
    ----------
    title : str
        Heading.
    charts : sequence of Chart
        The map first.
    overlaps : Table
        From :func:`overlap_table`.
    lines : sequence of str
        What else is to be said.
    """
    panel = Panel(
        "map",
        "Do the clouds overlap?",
        " ".join(lines),
        charts=tuple(charts),
        tables=(overlaps,) if overlaps.rows else (),
        chapter="Configuration space",
    )
    named = [label for chart in charts if isinstance(chart, Frames) for label in chart.potentials if label]
    page = Page(
        kind="map",
        title=title,
        lead="Frames of trajectories: near ones are alike, clouds that overlap visit the same places.",
        version=__version__,
        date=now(),
        potentials=tuple(map(Potential, named)),
        panels=(page_panel(panel, lambda link: link.file),),
        method=(
            "coordinates.csv: cloud, run, frame, two components, how foreign, σ(t)",
            "chemiscope.json.gz: the same with all structures, for chemiscope.org",
        ),
    )
    return page, panel


def overlap_table(rows: Sequence[dict[str, str]]) -> Table:
    """Rows of :func:`overlap_row` as a table."""
    lines = tuple(tuple(row.values()) for row in rows)
    return Table("overlaps", "Overlap of each two clouds", _HEADS, lines)


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
