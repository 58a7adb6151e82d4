"""Fig. 6 and Figs. S10–S12: maps of the configurations that reference and potential visit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from softmode.measurements.map.analysis import MapPoints
from softmode.measurements.map.measurement import map_points
from softmode.panel import Panel, Picture, Row, RowList, Table, estimate, linked, number, probability
from softmode.published import published_trajectories
from softmode.report.map_figures import draw_by_sigma, draw_by_trajectory
from softmode.report.paper.missing import main_model_missing, measurement_missing
from softmode.report.paper.source import PaperData
from softmode.report.paper.table2 import choices, compounds, compounds_missing, fixed_materials, fluorides
from softmode.study.results import numbers_in
from softmode.style import figure_style, panel_grid, pretty_formula

_MOST = 12  # maps in one figure
_COLUMNS = 3
_STEPS_PER_PS = 1000.0  # the protocol's step of 1 fs; trajectories do not tell theirs
_Draw = Callable[[Axes, MapPoints], None]


def mapped(data: PaperData) -> dict[str, str]:
    """Compounds of Table 2 with a map of the main potential: material, and why it is there.

    The paper's five first, then those that its rule takes in this run; where none of these has a map, those
    that have.
    """
    drawn = _drawn(data)
    fixed = [material for material in fixed_materials(data).values() if material in drawn]
    found = {str(material): "in the paper's Table 2" for material in fixed}
    for choice in choices(fluorides(data)):
        if choice.by_rule and choice.material in drawn:
            found.setdefault(choice.material, f"{choice.extreme} |Δσ|, as the paper's rule takes it")
    if not found:
        found = dict.fromkeys(sorted(drawn), "has a map, not in Table 2")
    return dict(list(found.items())[:_MOST])


def _drawn(data: PaperData) -> set[str]:
    rows = data.rows(data.main_label, "map")
    return set(rows.loc[rows["map_drawn"].astype(bool), "material"]) if len(rows) else set()


def _missing(data: PaperData) -> list[str]:
    """What maps of the compounds of Table 2 lack."""
    said = [*main_model_missing(data), *compounds_missing(data)]
    said += measurement_missing(data, "map", (data.main_label,))
    drawn = _drawn(data)
    without = [name for material, name in compounds(data, fluorides(data)).items() if material not in drawn]
    if without and len(data.rows(data.main_label, "map")):
        said.append(f"No map with {data.main_label} of {', '.join(without)}, which Table 2 holds.")
    return said


def reference_frames(data: PaperData, materials: Mapping[str, str]) -> dict[str, int]:
    """Frames of the reference's trajectories, all runs together, of materials that have any.

    Parameters
    ----------
    data : PaperData
        The run.
    materials : mapping
        By material.
    """
    rows = data.cells[data.cells["material"].isin(list(materials))]
    frames = pd.Series(numbers_in(rows, "sigma_n_frames"), index=rows["material"]).dropna()
    return {str(material): int(count) for material, count in frames.groupby(level=0).max().items()}


def fig6(data: PaperData) -> Panel:
    """Maps of the compounds of Table 2, coloured by trajectory."""
    return _maps(
        data,
        "fig6",
        "Fig. 6: configurations visited by reference and potential",
        "Kernel principal components of SOAP-REMatch; each point is a frame, coloured by trajectory. The "
        "paper sees in its five maps by eye clouds that overlap at least partly; the table gives what can "
        "be counted.",
        draw_by_trajectory,
        mapped(data),
        _missing(data),
        with_table=True,
    )


def s10(data: PaperData) -> Panel:
    """The same maps, coloured by σ(t)."""
    return _maps(
        data,
        "s10",
        "Fig. S10: the maps of Fig. 6, coloured by σ(t)",
        "σ(t) of the reference's frames (circles) by the reference, of the potential's own (squares) by "
        "the potential. A colour that changes at once between the clouds, also where they overlap, is an "
        "error of forces and force constants; one that changes only where a single cloud lies, of "
        "configurations. The last columns of the table of Fig. 6 put this in numbers.",
        draw_by_sigma,
        mapped(data),
        _missing(data),
    )


def s11(data: PaperData) -> Panel:
    """Maps with the longer reference trajectory, coloured by trajectory."""
    return _longer(data, "s11", "Fig. S11: maps with longer reference trajectories", draw_by_trajectory)


def s12(data: PaperData) -> Panel:
    """The same, coloured by σ(t)."""
    return _longer(data, "s12", "Fig. S12: the maps of Fig. S11, coloured by σ(t)", draw_by_sigma)


def _longer(data: PaperData, key: str, title: str, draw: _Draw) -> Panel:
    chosen = mapped(data)
    frames = reference_frames(data, chosen)
    extended = published_trajectories().extended_ps
    needed = int(extended * _STEPS_PER_PS)
    long = {material: why for material, why in chosen.items() if frames.get(material, 0) >= needed}
    missing = _missing(data)
    if len(long) < len(chosen) or not chosen:
        most = max(frames.values(), default=0)
        missing.append(
            f"Reference trajectories of at least {needed} frames ({extended:g} ps in steps of 1 fs): "
            + (f"those of this run have {most} at most." if most else "this run has none with a map.")
            + " Give further vasprun files of the same compound in its folder MD, and run the study again."
        )
    return _maps(
        data,
        key,
        title,
        f"As Fig. {'6' if key == 's11' else 'S10'}, of compounds whose reference runs were extended to "
        f"{extended:g} ps. The paper made these to see whether the longer trajectories of the model are "
        "why the clouds differ; extended runs are not known to be in the published database.",
        draw,
        long,
        missing,
        with_table=key == "s11",
    )


def _maps(
    data: PaperData,
    key: str,
    title: str,
    caption: str,
    draw: _Draw,
    chosen: Mapping[str, str],
    missing: list[str],
    *,
    with_table: bool = False,
) -> Panel:
    label = data.main_label
    found: dict[str, MapPoints] = {}
    for material in chosen:
        record = data.record(material, label, "map")
        if record is not None:
            found[material] = map_points(record, data.shown_as(label))
    if draw is draw_by_sigma:
        found = {material: points for material, points in found.items() if points.has_sigma}
    errors = fluorides(data).set_index("material")["difference"] if found else pd.Series(dtype=float)
    titles = {
        material: pretty_formula(data.formula(material))
        + (f", Δσ = {errors[material]:+.3f}" if material in errors else "")
        for material in found
    }
    rows = data.rows(label, "map")
    rows = rows[rows["material"].isin(list(found))] if len(rows) else rows
    panel = Panel(key, title, caption, missing=tuple(missing))
    if not found:
        return panel
    shown = title.partition(": ")[2]
    return replace(
        panel,
        pictures=(Picture(key, shown[:1].upper() + shown[1:], partial(_figure, found, titles, draw)),),
        tables=(_table(data, key, rows, chosen),) if with_table else (),
        lists=(RowList(f"{key}_maps", data.with_records(rows, "map", _LISTED)),),
    )


def _figure(found: Mapping[str, MapPoints], titles: Mapping[str, str], draw: _Draw) -> Figure:
    with figure_style():
        figure, grid = panel_grid(len(found), _COLUMNS, (3.7, 3.2), (0.2, 0.0))
        for axes, (material, points) in zip(grid, found.items(), strict=True):
            draw(axes, points)
            axes.set_title(titles[material], loc="right")  # the exponent of the axis is on the left
            legend = axes.get_legend()
            if legend is not None and axes is not grid[0]:
                legend.remove()
        return figure


_LISTED = (
    "map_mmd2_relative",
    "map_mmd2_p",
    "map_neighbour_separation",
    "map_neighbour_p",
    "map_reliable",
    "map_foreign_share",
    "map_spearman",
    "map_spearman_low",
    "map_spearman_high",
    "map_spearman_p",
    "map_sigma_error",
    "map_sigma_error_without_foreign",
)


def _table(data: PaperData, key: str, rows: pd.DataFrame, chosen: Mapping[str, str]) -> Table:
    lines: list[Row] = []
    order = {material: place for place, material in enumerate(chosen)}
    for _, row in rows.sort_values("material", key=lambda column: column.map(order)).iterrows():
        material = str(row["material"])
        link = data.link(material, data.main_label, "map")
        lines.append((data.formula(material), chosen[material], *linked(_texts(row), link)))
    return Table(
        name=f"{key}_overlap",
        title="Overlap of the clouds, and whether it matters for the score",
        columns=(
            "compound",
            "why",
            "frames: reference + potential",
            "discrepancy",
            "p",
            "neighbour separation",
            "p",
            "foreign frames (%)",
            "σ(t) and foreignness: Spearman's ρ",
            "p",
            "Δσ of these frames",
            "Δσ without foreign ones",
        ),
        rows=tuple(lines),
        note=(
            "Discrepancy: squared maximum mean discrepancy over the variance within clouds; p by exchange "
            "of blocks longer than the correlation time, none where there are too few. Foreign: farther "
            "from the reference than 95 % of its own frames are. If configurations that only the "
            "potential visits carried the error, it would vanish in the last column."
        ),
    )


def _texts(row: pd.Series) -> tuple[str, ...]:
    def value(name: str) -> float:
        given = pd.to_numeric(row.get(f"map_{name}"))
        return np.nan if given is None else float(given)

    return (
        " + ".join(str(n) for n in json.loads(row["map_n_frames"])),
        number(value("mmd2_relative")),
        probability(value("mmd2_p")),
        number(value("neighbour_separation"), 2),
        probability(value("neighbour_p")),
        number(100 * value("foreign_share"), 2),
        estimate(row, "map_spearman", 2),
        probability(value("spearman_p")),
        number(value("sigma_error"), form="+.3f"),
        number(value("sigma_error_without_foreign"), form="+.3f"),
    )
