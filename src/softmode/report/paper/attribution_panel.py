"""Beyond the paper: where the error of a potential alone comes from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from softmode.panel import NOTHING, Entry, Panel, Picture, RowList, RowsLink, Table, interval, row_list
from softmode.report.md_figures import PART_NAMES, attribution_figure
from softmode.report.paper.matrix_tables import signed_interval
from softmode.report.paper.missing import main_model_missing, measurement_missing
from softmode.report.paper.source import PaperData
from softmode.statistics.shares import wilson_interval
from softmode.study.md_results import PARTS, attribution, attribution_summary

_NUMBERS = (
    "sigma_reference",
    "sigma_phi_ref",
    "sigma_phi_model",
    "sigma_model_only",
    "difference",
    *PARTS,
    "largest",
    "collapsed",
)


def beyond(data: PaperData) -> Panel:
    """The error of the score split into forces, force constants and configurations."""
    parts = attribution(data.cells)
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    lists: tuple[RowList, ...] = ()
    if len(parts):
        shown = parts.assign(potential=[data.shown_as(label) for label in parts["potential"]])
        pictures = (Picture("attribution", "Parts of the error of the score", attribution_figure(shown)),)
        listed, links = _listed(data, parts)
        tables, lists = (_table(data, parts, links),), (listed,)
    return Panel(
        key="attribution",
        title="Beyond the paper: where the error of the potential alone comes from",
        caption=(
            "σ of the potential alone minus that of the reference is exactly the sum of three parts: "
            "other forces on the same configurations, other force constants (both averaged over the two "
            "orders in which they can be exchanged), and other configurations. The paper holds, without "
            "numbers, that the force constants (the Hessian) are the largest part and configurations the "
            "smaller. Parts have signs and cancel: the sizes, and in how many materials each is the "
            "largest, decide this."
        ),
        pictures=pictures,
        tables=tables,
        missing=(
            *main_model_missing(data),
            *measurement_missing(data, "sigma"),
            *measurement_missing(data, "model_only"),
        ),
        lists=lists,
    )


def _listed(data: PaperData, parts: pd.DataFrame) -> tuple[RowList, dict[str, RowsLink]]:
    """Parts by material, with the records of both measurements."""
    frame = data.with_records(parts, "model_only", _NUMBERS)
    of_sigma = data.with_records(parts, "sigma", (), prefix="sigma_")
    frame = frame.join(of_sigma[["sigma_record", "sigma_digest"]])
    kept = frame.sort_values("collapsed", kind="stable")
    return row_list(
        "attribution_materials", {label: kept[kept["potential"] == label] for label in data.labels}
    )


def _table(data: PaperData, parts: pd.DataFrame, links: dict[str, RowsLink]) -> Table:
    summary = attribution_summary(parts, data.study.settings.conditions.seed)
    names = {"difference": "sum: σ alone − σ reference", **PART_NAMES}
    rows: list[tuple[Entry | str, ...]] = []
    for _, row in summary.iterrows():
        label, n = str(row["potential"]), int(row["n"])
        link = links[label]
        # rows of crystals that were lost come last, and are not counted
        link = RowsLink(link.name, link.first, link.first + n - 1)
        share = NOTHING
        if not pd.isna(row["largest_in"]) and n:
            largest = int(row["largest_in"])
            low, high = wilson_interval(largest, n)
            share = f"{interval(100 * largest / n, 100 * low, 100 * high)}; {largest} of {n}"
        size = interval(row["median_size"], row["median_size_low"], row["median_size_high"])
        texts = (
            str(n),
            signed_interval(row["median"], row["median_low"], row["median_high"]),
            size if np.isfinite(row["median_size"]) else NOTHING,
            share,
        )
        rows.append(
            (
                data.shown_as(label),
                names[str(row["part"])],
                *(Entry(text, None if text == NOTHING else link) for text in texts),
                Entry(str(int(row["n_collapsed"])), links[label]),
            )
        )
    return Table(
        name="attribution_parts",
        title="Parts of the error of the score",
        columns=(
            "potential",
            "part",
            "n",
            "median",
            "median size",
            "largest of the three (%)",
            "crystals lost",
        ),
        rows=tuple(rows),
        note=(
            "95 % intervals: of medians by bootstrap over materials, of shares Wilson's. Lost crystals are "
            "left out."
        ),
    )
