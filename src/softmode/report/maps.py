"""Maps of configuration space in a report: table, figures, files and section of the page."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from softmode.report.chemiscope_file import (
    chemiscope_input,
    chemiscope_json,
    has_chemiscope,
    viewer_script,
)
from softmode.report.map_figures import cell_figure
from softmode.report.map_files import correlation_words
from softmode.report.map_page import interactive_map, number, plot_html, structures, viewer_page
from softmode.report.text import file_name
from softmode.study.folder import Study
from softmode.study.map_measurements import map_points, map_structures
from softmode.study.records import Record, digest_of
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
class MapData:
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

    def formula(self, material: str) -> str:
        """Formula of a material."""
        return str(self.table.loc[self.table["material"] == material, "formula"].iloc[0])


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
    for cell in study.cells:
        key = (cell.material.name, cell.label)
        if key in chosen and "map" in cell.inputs:
            record = study.store.find(digest_of(cell.inputs["map"]))
            if record is not None and record.ok:
                records[key] = record
    return records


def map_figures(data: MapData) -> Iterator[tuple[str, str, Figure]]:
    """File name, title and figure of every map shown in detail."""
    for (material, potential), record in data.records.items():
        formula, values = data.formula(material), record.values
        text = correlation_words(
            values["map_spearman"],
            values["map_spearman_low"],
            values["map_spearman_high"],
            values["map_spearman_p"],
        )
        yield (
            f"map_{file_name(material)}_{file_name(potential)}",
            f"Configuration space: {formula}, {potential}",
            cell_figure(
                map_points(record, potential),
                float(values["map_foreign_threshold"]),
                f"{pretty_formula(formula)}, {plain(potential)}",
                text,
            ),
        )


def map_files(data: MapData) -> Iterator[tuple[str, bytes]]:
    """Files beside the page: structures and maps for chemiscope, with its viewer; none without chemiscope."""
    if not has_chemiscope() or not data.records:
        return
    script = viewer_script()
    if script:
        yield _SCRIPT, script.encode()
    for (material, potential), record in data.records.items():
        name = _cell_name(material, potential)
        title = f"{data.formula(material)}, {potential}"
        content = chemiscope_input(map_points(record, potential), map_structures(record), title)
        yield f"{name}.json.gz", chemiscope_json(content)
        if script:
            yield f"{name}.html", viewer_page(title, content, source=_SCRIPT).encode()


def _cell_name(material: str, potential: str) -> str:
    return f"{file_name(material)}_{file_name(potential)}"


def map_section(data: MapData, pictures: Mapping[str, tuple[str, bytes]]) -> dict[str, Any]:
    """What the template of the section needs.

    Parameters
    ----------
    data : MapData
        From :func:`collect_maps`.
    pictures : mapping of str to (str, bytes)
        Title and PNG of all figures by name.
    """
    linked, viewed = has_chemiscope(), bool(viewer_script())
    cells = []
    for index, ((material, potential), record) in enumerate(data.records.items()):
        name = _cell_name(material, potential)
        title, png = pictures[f"map_{name}"]
        cells.append(
            {
                "title": title,
                "picture": base64.b64encode(png).decode(),
                "map": plot_html(interactive_map(map_points(record, potential)), f"map-{index}"),
                "map_id": f"map-{index}",
                "view_id": f"structure-{index}",
                "structures": structures(map_structures(record)),
                "json": f"chemiscope/{name}.json.gz" if linked else "",
                "viewer": f"chemiscope/{name}.html" if linked and viewed else "",
            }
        )
    return {
        "rows": [_row(row) for _, row in data.table.iterrows()],
        "missing": [f"{row.formula} × {row.potential}" for row in data.missing.itertuples()],
        "cells": cells,
        "chemiscope": linked,
    }


def _value(row: pd.Series, name: str, digits: int = 3) -> str:
    value = row.get(name)
    return "–" if value is None or pd.isna(value) else number(float(value), digits)


def _row(row: pd.Series) -> dict[str, Any]:
    """One row of the table of overlaps."""
    share, low = row.get("foreign_share"), row.get("spearman_low")
    tie = _value(row, "spearman", 2)
    if low is not None and not pd.isna(low):
        tie += f" [{row['spearman_low']:.2f}, {row['spearman_high']:.2f}]"
    return {
        "formula": row["formula"],
        "material": row["material"],
        "potential": row["potential"],
        "frames": f"{row['n_reference']} + {row['n_potential']}",
        "relative": _value(row, "mmd2_relative"),
        "mmd_p": _value(row, "mmd2_p", 2),
        "separation": _value(row, "neighbour_separation", 2),
        "near_p": _value(row, "neighbour_p", 2),
        "reliable": bool(row["reliable"]),
        "foreign": "–" if share is None or pd.isna(share) else f"{100 * share:.0f} %",
        "spearman": tie,
        "spearman_p": _value(row, "spearman_p", 2),
        "error": _value(row, "sigma_error", 2),
        "without": _value(row, "sigma_error_without_foreign", 2),
    }
