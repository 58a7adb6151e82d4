"""Two runs side by side, as a page: what became better and worse, then all panels of both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from softmode.charts import Guide, IntervalRow, Intervals, Points, PointSeries
from softmode.panel import Panel, Row, RowList, Table, estimate, number, probability
from softmode.report.build import pictures_of, record_target, write_page
from softmode.report.cells import CHANGED
from softmode.report.changed_materials import between, material_tables
from softmode.report.contents import in_chapters, page_of_study
from softmode.report.detail_parts import parts_of
from softmode.report.panels import csv_files, exported, panel_tables
from softmode.report.selection import report_panels
from softmode.study.changes import Changes
from softmode.study.comparison import SideBySide, default_folder
from softmode.study.paired import COMPARED_LABELS, STABILITY_F1
from softmode.study.results import failures, ranking, record_index
from softmode.study.verdict.changes import PANEL
from softmode.study.verdict.leads import called
from softmode.study.verdict.statement import LEVEL, Statement, counted
from softmode.style import distinct, group_name


def build_comparison(
    compared: SideBySide,
    cells: pd.DataFrame,
    found: Sequence[Changes],
    said: Sequence[Statement],
    *,
    folder: Path | None = None,
    figures: bool = False,
) -> Path:
    """Write the page of two runs side by side.

    Parameters
    ----------
    compared : SideBySide
        The runs.
    cells : pandas.DataFrame
        Table of its study.
    found : sequence of Changes
        Of its pairs.
    said : sequence of Statement
        The verdict.
    folder : Path, optional
        Where to; ``compared/`` in the folder of the old run when not given.
    figures : bool
        Whether figures are written, too.

    Returns
    -------
    Path
        The page, ``index.html``; beside it ``tables/*.csv``.

    Raises
    ------
    StorageError
        If something cannot be written.
    """
    study = compared.study
    folder = default_folder(compared.old) if folder is None else folder
    ranked = ranking(cells, study.settings.conditions.seed)
    panels = in_chapters([changes_panel(found, called(cells)), *report_panels(study, cells, ranked)])
    parts = parts_of(study, folder)
    page = page_of_study(
        *(study, cells, panels, record_target(study, folder), parts),
        kind="comparison",
        lead=_lead(compared, cells),
        verdict=tuple(said),
    )
    tables = {"cells": cells, "failures": failures(cells), "records": record_index(study)}
    others = exported(pictures_of(study, panels, cells, page)) if figures else {}
    return write_page(folder, page, csv_files(panel_tables(panels, tables)), parts, others)


def _lead(compared: SideBySide, cells: pd.DataFrame) -> str:
    pairs = [f"{pair.new} against {pair.old}" for pair in compared.pairs]
    said = pairs[0] if len(pairs) == 1 else f"{len(pairs)} potentials of two runs"
    return f"{said}, {counted(cells['material'].nunique())}."


def changes_panel(found: Sequence[Changes], names: dict[str, str]) -> Panel:
    """What became better and what worse.

    Parameters
    ----------
    found : sequence of Changes
        Of the pairs of a comparison.
    names : dict of str to str
        How materials are called, by name.
    """
    every = [one for one in found if not one.errors.empty]
    lists = [one.rows.assign(old=one.pair.old, new=one.pair.new) for one in found]
    tables = [table for table in (_errors(every), _groups(every)) if table.rows]
    for place, one in enumerate(found, 1):
        end = f"_{place}" if len(found) > 1 else ""
        tables += [table for table in material_tables(one, names, end) if table.rows]
    return Panel(
        key=PANEL,
        title="What became better, what worse",
        caption=(
            "Material by material, the new over the old: medians of the ratios with the 95 % interval that "
            "order statistics give them. Filled, starred in the tables: sign test (of F1: McNemar's) with "
            f"p < {LEVEL:g}, corrected for all comparisons of a pair by Holm's method. Entropy, free energy "
            "and heat capacity: of materials stable for the reference and both. A failure is an infinite "
            "error."
        ),
        tables=tuple(tables),
        lists=(RowList("changes", pd.concat(lists, ignore_index=True)),),
        charts=(*_ratio_chart(every), *_old_and_new(found, names)),
        chapter=CHANGED,
    )


def _ratio_chart(found: Sequence[Changes]) -> tuple[Intervals, ...]:
    """Ratios of errors with their intervals, a line each."""
    rows = [
        IntervalRow(
            COMPARED_LABELS[str(row.error)],
            float(row.ratio),
            None if np.isnan(row.ratio_low) else float(row.ratio_low),
            None if np.isnan(row.ratio_high) else float(row.ratio_high),
            potential=one.pair.new,
            strong=bool(row.p_holm < LEVEL),
            facet=between(one) if len(found) > 1 else "",
        )
        for one in found
        for row in one.errors[one.errors["error"] != STABILITY_F1].itertuples()
        if 0.0 < row.ratio < np.inf
    ]
    chart = Intervals(
        name="changed_errors",
        title="Errors of the new over those of the old",
        note="Left of 1 the new is better. Filled: beyond chance.",
        axis="error of the new over that of the old",
        rows=tuple(rows),
        log=True,
        guides=(Guide("x", 1.0),),
    )
    return (chart,) if rows else ()


def _old_and_new(found: Sequence[Changes], names: dict[str, str]) -> tuple[Points, ...]:
    """Each material's error before and after."""
    series = []
    for one in found:
        rows = one.rows[np.isfinite(one.rows["error_old"]) & np.isfinite(one.rows["error_new"])]
        rows = rows[(rows["error_old"] > 0.0) & (rows["error_new"] > 0.0)]
        if one.compared is None or rows.empty:
            continue
        old, new = (rows[f"error_{end}"].to_numpy(float) for end in ("old", "new"))
        texts = [
            f"{names[name]}: {number(before)} → {number(after)}"
            for name, before, after in zip(rows["material"], old, new, strict=True)
        ]
        series.append(
            PointSeries(
                name=one.pair.new,
                x=tuple(map(float, old)),
                y=tuple(map(float, new)),
                texts=tuple(texts),
                materials=tuple(rows["material"]),
                potential=one.pair.new,
                facet=between(one) if len(found) > 1 else "",
            )
        )
    if not series:
        return ()
    main = next(one.compared for one in found if one.compared is not None)
    label = f"{main.label}, {main.unit}" if main.unit else main.label
    return (
        Points(
            name="changed_materials",
            title=f"{main.label} of each material, before and after",
            note="Below the line the new is better.",
            x_label=f"old: {label}",
            y_label=f"new: {label}",
            series=tuple(series),
            log_x=True,
            log_y=True,
            equality=True,
        ),
    )


def _starred(row: pd.Series) -> str:
    name = "difference" if row["error"] == STABILITY_F1 else "ratio"
    return estimate(row, name) + (" *" if row["p_holm"] < LEVEL else "")


def _errors(found: Sequence[Changes]) -> Table:
    """All errors of all pairs."""
    rows: list[Row] = [
        (
            *(one.pair.old, one.pair.new, COMPARED_LABELS[str(row["error"])], str(row["n"])),
            *(number(row["median_first"]), number(row["median_second"]), _starred(row)),
            *(str(row["better"]), str(row["worse"]), probability(row["p_holm"])),
        )
        for one in found
        for _, row in one.errors.iterrows()
    ]
    return Table(
        "changed_errors",
        "Errors of the new beside those of the old",
        ("old", "new", "error", "n", "median, old", "median, new", "new / old", "better on", "worse on", "p"),
        tuple(rows),
        "*: p < 0.05, corrected. Of F1: values, and their difference.",
    )


def _groups(found: Sequence[Changes]) -> Table:
    """The main error of each pair by group."""
    rows: list[Row] = [
        (
            *(one.pair.old, one.pair.new, group_name(str(row["group"])), str(row["n"]), _starred(row)),
            *(str(row["better"]), str(row["worse"]), probability(row["p_holm"])),
        )
        for one in found
        if one.error and not one.by_group.empty
        for _, row in one.by_group[one.by_group["error"] == one.error].iterrows()
    ]
    labels = " or ".join(distinct(one.compared.label for one in found if one.compared is not None))
    return Table(
        "changed_groups",
        f"By group: {labels}",
        ("old", "new", "group", "n", "new / old", "better on", "worse on", "p"),
        tuple(rows),
        "*: p < 0.05, corrected for all errors of the group.",
    )
