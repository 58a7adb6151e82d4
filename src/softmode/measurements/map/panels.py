"""What a page shows of maps of configuration space: how far clouds overlap, and what lies outside."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pandas as pd

from softmode.charts import CellPoints, Chart
from softmode.measurements.results import Results
from softmode.panel import NOTHING, Panel, Row, RowList, RowsLink, Table, estimate, linked, number, percent

_COLUMNS = (
    *("mmd2", "mmd2_relative", "mmd2_p", "neighbour_separation", "neighbour_p", "smallest_p", "reliable"),
    *("block_length", "foreign_share", "foreign_median", "foreign_independent"),
    *("spearman", "spearman_low", "spearman_high", "spearman_p"),
    *("sigma_reference", "sigma_on_reference", "sigma_shared", "sigma_foreign"),
    *("sigma_error", "sigma_error_without_foreign"),
    *("kernel_median", "kernel_spread", "kernel_largest_error", "kernel_negative_share"),
)
_IDENTITY = ["material", "formula", "group", "potential"]


def panels(results: Results) -> Iterator[Panel]:
    """Overlap of the potential's frames with the reference's, and errors of σ without the foreign ones."""
    is_drawn = results.rows["map_drawn"].astype(bool)
    table, undrawn = _numbers(results.rows[is_drawn]), results.rows[~is_drawn]
    lost = [f"{row.formula} × {row.potential}" for row in undrawn.itertuples()]
    yield Panel(
        "maps",
        "Configuration space",
        "Frames of the reference against those of the potential's own dynamics: SOAP, regularised match, "
        "kernel components; the maps themselves are on the pages of the materials. MMD²: squared distance "
        "of the two clouds' centres in units of their variance; neighbour separation: 0 when nearest "
        "neighbours are mixed as by chance, 1 when all are of the own cloud; p by relabelling blocks of "
        "correlated frames. Foreign: farther from the reference's frames than 95 % of its own are (5 % is "
        "usual); ρ: Spearman's between this distance and the potential's σ(t), with a block-bootstrap "
        "interval. Error in σ: of the potential alone less the reference's; if foreign frames carried it, "
        "it would vanish without them. “?”: too few independent blocks to rely on.",
        tables=(_table(table),) if len(table) else (),
        lists=(RowList("maps", table),),
        charts=_charts() if len(table) > 1 else (),
        missing=(f"Crystal lost before a frame was recorded, so no map: {', '.join(lost)}.",) if lost else (),
        chapter=results.measurement.chapter,
    )


def _charts() -> tuple[Chart, ...]:
    return (
        CellPoints(
            name="maps_foreign",
            title="Foreign frames and errors of σ",
            x="map_foreign_share",
            y="map_sigma_error",
        ),
    )


def _numbers(drawn: pd.DataFrame) -> pd.DataFrame:
    """A row for each map."""
    frames = pd.DataFrame(
        [json.loads(text) if isinstance(text, str) else text for text in drawn["map_n_frames"]]
        if len(drawn)
        else [],
        columns=["n_reference", "n_potential"],
        index=drawn.index,
    )
    present = [f"map_{name}" for name in _COLUMNS if f"map_{name}" in drawn]
    short = drawn[present].rename(columns=lambda name: str(name).removeprefix("map_"))
    return pd.concat([drawn[_IDENTITY], frames, short], axis=1).reset_index(drop=True)


def _table(table: pd.DataFrame) -> Table:
    rows: list[Row] = []
    for line, (_, row) in enumerate(table.iterrows(), start=2):
        texts = (
            f"{row['n_reference']} + {row['n_potential']}",
            f"{number(row['mmd2_relative'])}{'' if row['reliable'] else ' ?'}",
            number(row["mmd2_p"], 2),
            number(row["neighbour_separation"], 2),
            number(row["neighbour_p"], 2),
            percent(row.get("foreign_share")),
            estimate(row, "spearman", 2) if "spearman" in row else NOTHING,
            number(row.get("spearman_p"), 2),
            number(row.get("sigma_error"), 2),
            number(row.get("sigma_error_without_foreign"), 2),
        )
        who = (str(row["formula"]), str(row["material"]), str(row["potential"]))
        rows.append((*who, *linked(texts, RowsLink("maps", line, line))))
    heads = (
        *("formula", "id", "potential", "frames", "MMD², relative", "p", "neighbour separation", "p"),
        *("foreign", "ρ with σ(t)", "p", "error in σ", "without foreign"),
    )
    return Table("maps_shown", "Overlap of reference and potential", heads, tuple(rows))
