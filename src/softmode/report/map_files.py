"""What ``softmode map`` draws into its folder: figures, page, chemiscope file."""

from __future__ import annotations

from pathlib import Path

from softmode.charts import Chart
from softmode.files import write_atomically
from softmode.measurements.map.analysis import Strangers, overlap_values
from softmode.measurements.map.trajectories import TrajectoryMap
from softmode.panel import number
from softmode.report.build import write_page
from softmode.report.chemiscope_file import (
    chemiscope_input,
    chemiscope_json,
    viewer_page,
    viewer_script,
)
from softmode.report.map_figures import foreign_figure, sigma_figure, trajectory_figure
from softmode.report.map_page import foreign_chart, frames_chart, map_page, overlap_row, overlap_table
from softmode.report.panels import csv_files, panel_tables
from softmode.report.pictures import drawn


def write_map_files(result: TrajectoryMap, title: str) -> dict[str, Path]:
    """Write figures (PNG and PDF), ``map.html``, ``chemiscope.json.gz`` and ``chemiscope.html``.

    Parameters
    ----------
    result : TrajectoryMap
        From :func:`softmode.measurements.map.trajectories.map_trajectories`.
    title : str
        Of the page.

    Returns
    -------
    dict of str to Path
        What was written, by kind.

    Raises
    ------
    StorageError
        If something cannot be written.
    """
    points, folder = result.analysis.points, result.folder
    figures = {"map_trajectories": trajectory_figure(points)}
    if points.has_sigma:
        figures["map_sigma"] = sigma_figure(points)
        if result.analysis.strangers:
            first = result.analysis.strangers[0]
            text = correlation_text(first) if len(result.analysis.strangers) == 1 else ""
            figures["map_foreign"] = foreign_figure(points, first.foreignness.threshold, text)
    for name, figure in figures.items():
        for kind, drawing in drawn(figure, ("png", "pdf")).items():
            write_atomically(folder / f"{name}.{kind}", drawing)
    trajectories = [cloud.trajectory for cloud in result.clouds]
    content = chemiscope_input(points, trajectories, title)
    write_atomically(folder / "chemiscope.json.gz", chemiscope_json(content))
    script = viewer_script()
    if script:
        write_atomically(folder / "chemiscope.html", viewer_page(title, content, script=script).encode())
    page, panel = map_page(
        title,
        _charts(result, title),
        overlap_table(
            [
                overlap_row({"first": first, "second": second, **overlap_values(found)})
                for (first, second), found in result.analysis.overlaps.items()
            ]
        ),
        [*map(stranger_line, result.analysis.strangers), *(f"{note}." for note in result.analysis.notes)],
    )
    written = write_page(folder, page, csv_files(panel_tables([panel], {})), name="map.html")
    return {"page": written, "chemiscope": folder / "chemiscope.json.gz"}


def _charts(result: TrajectoryMap, title: str) -> list[Chart]:
    points = result.analysis.points
    charts: list[Chart] = [frames_chart(points, [cloud.trajectory for cloud in result.clouds], "map", title)]
    if points.has_sigma and result.analysis.strangers:
        first = result.analysis.strangers[0]
        text = correlation_text(first) if len(result.analysis.strangers) == 1 else ""
        charts.append(foreign_chart(points, first.foreignness.threshold, "foreign", text))
    return charts


def correlation_text(found: Strangers) -> str:
    """The correlation between how foreign frames are and their σ(t), in words."""
    tie = found.correlation
    if tie is None:
        return ""
    return correlation_words(tie.value, tie.low, tie.high, tie.p_value)


def correlation_words(
    value: float | None, low: float | None, high: float | None, p_value: float | None
) -> str:
    """Spearman's coefficient with what is known of its uncertainty."""
    if value is None or value != value:
        return "Spearman ρ not defined"
    text = f"Spearman ρ {value:+.2f}"
    if low is None or low != low:
        return f"{text} (too few blocks for an interval)"
    return f"{text} [{low:+.2f}, {high:+.2f}], p = {number(p_value, 2)}"


def stranger_line(found: Strangers) -> str:
    """How foreign a cloud is, and σ of its foreign frames, in a sentence."""
    text = (
        f"{found.label}: {100 * found.foreignness.share:.0f} % of its frames are foreign to the first cloud "
        "(5 % would be usual)"
    )
    if found.correlation is None:
        return text + "."
    return (
        f"{text}; ⟨σ(t)⟩ of these {number(found.sigma_foreign)}, of the others {number(found.sigma_shared)}; "
        f"foreign and σ(t): {correlation_text(found)}."
    )
