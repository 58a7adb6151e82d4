"""Maps of configuration space in a report: table, figures, files and section of the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from softmode.files import file_name
from softmode.measurements.map.measurement import map_points, map_structures
from softmode.records import Record
from softmode.report.chemiscope_file import (
    chemiscope_input,
    chemiscope_json,
    has_chemiscope,
    viewer_script,
)
from softmode.report.data import formula_of
from softmode.report.map_figures import cell_figure
from softmode.report.map_files import correlation_words
from softmode.report.map_page import interactive_map, structures, viewer_page
from softmode.report.rendering import inline, plot_html, rows_of
from softmode.report.section import Drawn, Pictures, Section
from softmode.study.folder import Study
from softmode.study.results import best_median_worst, done
from softmode.style import plain, pretty_formula

#: Of more materials than this, those with the smallest, median and largest value are shown in detail.
_SHOWN = ("map_mmd2_relative", 3)
_SCRIPT = "chemiscope.min.js"
_COLUMNS = (
    "mmd2",
    "mmd2_relative",
    "mmd2_p",
    "neighbour_separation",
    "neighbour_p",
    "smallest_p",
    "reliable",
    "block_length",
    "foreign_share",
    "foreign_median",
    "foreign_independent",
    "spearman",
    "spearman_low",
    "spearman_high",
    "spearman_p",
    "sigma_reference",
    "sigma_on_reference",
    "sigma_shared",
    "sigma_foreign",
    "sigma_error",
    "sigma_error_without_foreign",
    "kernel_median",
    "kernel_spread",
    "kernel_largest_error",
    "kernel_negative_share",
)


@dataclass(frozen=True, eq=False)
class MapData(Section):
    """What a report shows of maps.

    Parameters
    ----------
    table : pandas.DataFrame
        One row for each cell with a map.
    missing : pandas.DataFrame
        Cells whose dynamics left nothing to draw.
    records : dict of (str, str) to Record
        By material and potential, of the cells shown in detail.
    """

    table: pd.DataFrame
    missing: pd.DataFrame
    records: dict[tuple[str, str], Record]

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables by file name."""
        return {"maps": self.table}

    def figures(self) -> Iterator[Drawn]:
        """Every map shown in detail."""
        for (material, potential), record in self.records.items():
            formula, values = formula_of(self.table, material), record.values
            ends = ("", "_low", "_high", "_p")
            text = correlation_words(*(values[f"map_spearman{end}"] for end in ends))
            threshold = float(values["map_foreign_threshold"])
            title = f"{pretty_formula(formula)}, {plain(potential)}"
            figure = cell_figure(map_points(record, potential), threshold, title, text)
            name = f"map_{file_name(material, potential)}"
            yield name, f"Configuration space: {formula}, {potential}", figure

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Structures and maps for chemiscope, with its viewer; none without chemiscope."""
        if not has_chemiscope() or not self.records:
            return
        script = viewer_script()
        if script:
            yield f"chemiscope/{_SCRIPT}", script.encode()
        for (material, potential), record in self.records.items():
            name = f"chemiscope/{file_name(material, potential)}"
            title = f"{formula_of(self.table, material)}, {potential}"
            content = chemiscope_input(map_points(record, potential), map_structures(record), title)
            yield f"{name}.json.gz", chemiscope_json(content)
            if script:
                yield f"{name}.html", viewer_page(title, content, source=_SCRIPT).encode()

    def context(self, pictures: Pictures) -> dict[str, Any]:
        """What the template of the section needs."""
        linked, viewed = has_chemiscope(), bool(viewer_script())
        cells = []
        for index, ((material, potential), record) in enumerate(self.records.items()):
            name = file_name(material, potential)
            title, png = pictures[f"map_{name}"]
            cells.append(
                {
                    "title": title,
                    "picture": inline(png),
                    "map": plot_html(interactive_map(map_points(record, potential)), f"map-{index}"),
                    "map_id": f"map-{index}",
                    "view_id": f"structure-{index}",
                    "structures": structures(map_structures(record)),
                    "json": f"chemiscope/{name}.json.gz" if linked else "",
                    "viewer": f"chemiscope/{name}.html" if linked and viewed else "",
                }
            )
        return {
            "rows": rows_of(self.table),
            "missing": [f"{row.formula} × {row.potential}" for row in self.missing.itertuples()],
            "cells": cells,
            "chemiscope": linked,
        }


def collect_maps(study: Study, cells: pd.DataFrame) -> MapData | None:
    """Read what a report shows of maps; None when there is none.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    """
    found = done(cells, "map")
    if found.empty:
        return None
    drawn = found[found["map_drawn"].astype(bool)]
    columns = ["material", "formula", "group", "potential"]
    present = [f"map_{name}" for name in _COLUMNS if f"map_{name}" in drawn]
    frames = pd.DataFrame(
        [json.loads(text) for text in drawn.get("map_n_frames", pd.Series(dtype=object))],
        columns=["n_reference", "n_potential"],
        index=drawn.index,
    )
    short = drawn[present].rename(columns=lambda name: str(name).removeprefix("map_"))
    return MapData(
        table=pd.concat([drawn[columns], frames, short], axis=1).reset_index(drop=True),
        missing=found.loc[~found["map_drawn"].astype(bool), columns].reset_index(drop=True),
        records=_records(study, drawn),
    )


def _records(study: Study, drawn: pd.DataFrame) -> dict[tuple[str, str], Record]:
    """Records of the materials whose clouds overlap best, as usual and worst, of each potential."""
    column, most = _SHOWN
    chosen: set[tuple[str, str]] = set()
    for potential, rows in drawn.groupby("potential", sort=False):
        ranked = rows.assign(_by=pd.to_numeric(rows[column])).dropna(subset=["_by"])
        names = rows["material"] if len(rows) <= most else best_median_worst(ranked, "_by").values()
        chosen |= {(str(name), str(potential)) for name in names}
    records = {}
    for case in study.cases:
        name, label = case.material.name, case.label
        record = study.result(name, label, "map") if (name, label) in chosen else None
        if record is not None:
            records[name, label] = record
    return records
