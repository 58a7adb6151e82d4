"""The panel of classes of dynamic stability: potentials against the reference, over materials."""

from __future__ import annotations

import pandas as pd

from softmode.anharmonic.classes import CLASSES
from softmode.charts import CellMatrix
from softmode.measurements.sampled import WAYS
from softmode.panel import NOTHING, Panel, Row, RowList, RowsLink, Table, estimate, linked
from softmode.published import CITATION, published_model_only_shares
from softmode.study.sigma_results import MEASURED_BY, confusion_table, error_correlations
from softmode.style import group_name

_SHOWN = ("accuracy", "kappa", "called_more_stable", "called_less_stable")
#: Fewest materials of which a matrix is drawn.
FEWEST = 2


def classes_panel(cells: pd.DataFrame, seed: int) -> Panel | None:
    """Classes by each way to σ against those of the reference; None where there is nothing to compare.

    Parameters
    ----------
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    seed : int
        Of the bootstrap over materials.
    """
    table = confusion_table(cells, seed)
    if table.empty:
        return None
    approaches = list(dict.fromkeys(table["approach"]))
    enough = [name for name in approaches if (table.loc[table["approach"] == name, "n"] >= FEWEST).any()]
    lists = [RowList("confusion", table)]
    correlations = error_correlations(cells, seed)
    if len(correlations):
        lists.append(RowList("sigma_correlations", correlations))
    if table["n"].max() < FEWEST and len(cells) and cells["material"].nunique() < FEWEST:
        return None  # of one material there is no matrix: its class stands in the table of cells
    model, more, less = published_model_only_shares()
    return Panel(
        "classes",
        "Classes over materials",
        "Weak < 0.5 ≤ strong ≤ 1 < unstable, by ⟨σ(t)⟩. κ: agreement beyond chance. "
        "More stable: share of the strong and unstable that "
        "are called so; less stable: of the weak and strong. Intervals: bootstrap over materials. A class "
        "is that of these frames: the potential's own error is not in it. Without interval: frames worth "
        f"fewer than ten independent ones. For dynamics of {model} {CITATION} print {more:.2f} and "
        f"{less:.2f}.",
        tables=(_table(table),),
        lists=tuple(lists),
        charts=tuple(
            CellMatrix(
                name=f"classes_{name}",
                title=f"Classes, {WAYS[name]}, against the reference's",
                row="sigma_reference_class",
                column=f"sigma_{name}_class",
                classes=CLASSES,
            )
            for name in enough
        ),
        chapter="Anharmonicity",
    )


def _table(table: pd.DataFrame) -> Table:
    rows: list[Row] = []
    for line, (_, row) in enumerate(table.iterrows(), start=2):
        lost = str(row["n_collapsed"]) if MEASURED_BY[row["approach"]] == "model_only" else NOTHING
        texts = [str(row["n"]), str(row["failed"]), *(estimate(row, name) for name in _SHOWN)]
        texts += [lost, str(row["n_without_interval"])]
        who = (str(row["potential"]), WAYS[row["approach"]], group_name(str(row["group"])))
        failures = "wrong" if row["failures_as_wrong"] else "left out"
        rows.append((*who, failures, *linked(texts, RowsLink("confusion", line, line))))
    heads = (
        *("potential", "way", "group", "failures", "n", "failed", "accuracy", "κ"),
        *("called more stable", "called less stable", "crystals lost", "without interval"),
    )
    return Table("classes", "Agreement on classes", heads, tuple(rows))
