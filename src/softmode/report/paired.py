"""The section of a page that compares potentials in pairs, on the same materials."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from softmode.charts import Guide, Heat, IntervalRow, Intervals
from softmode.panel import NOTHING, Panel, Row, RowList, Table, estimate
from softmode.study.paired import COMPARED_ERRORS, COMPARED_LABELS, STABILITY_F1, paired_table
from softmode.style import distinct

#: Corrected p-values below this are marked.
LEVEL = 0.05
#: Ratios between which intervals are drawn.
_DRAWN = (0.1, 10.0)


def paired_panel(cells: pd.DataFrame, ranking: pd.DataFrame, seed: int) -> Panel | None:
    """The panel of a study that has phonons of several potentials; its list ``pairs`` has all pairs.

    Parameters
    ----------
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    ranking : pandas.DataFrame
        From :func:`softmode.study.results.ranking`.
    seed : int
        Of the bootstrap over materials.
    """
    order = distinct(ranking.loc[ranking["group"] == "all", "potential"])
    table = paired_table(cells, seed, list(combinations(order, 2)))
    if table.empty:
        return None
    best = order[0]
    against_best = table[table["first"] == best]
    return Panel(
        key="paired",
        title="Which of two is better, on what, by how much",
        caption=(
            f"Potentials in pairs on the materials that both have. Ratios: error over that of {best}, "
            "the first of the ranking, material by material; their median, with the 95 % interval that order "
            "statistics give it. Filled, and starred in the table: sign test (of F1: McNemar's) with "
            f"p < {LEVEL:g}, corrected for all {table['p_value'].notna().sum()} tests by Holm's method, as "
            "in the verdict. Entropy, free energy and heat capacity: of materials stable for the reference "
            "and both; lowest mode: of those that are not; where neither finds an imaginary mode both are "
            "right. Slope removed: what is left when one factor per crystal mends ω². Own lattice: that "
            "to which the potential relaxes the crystal."
        ),
        tables=(_ratio_table(against_best, best),),
        lists=(RowList("pairs", table),),
        charts=(*_ratio_chart(against_best, best), *_shares_chart(table, order)),
        chapter="Phonons",
    )


def _ratio_chart(rows: pd.DataFrame, best: str) -> tuple[Intervals, ...]:
    """Medians of paired ratios with their intervals, a panel for each error."""
    drawn = rows[
        rows["error"].isin(list(COMPARED_ERRORS)) & np.isfinite(rows["ratio"]) & (rows["ratio"] > 0.0)
    ]
    lines = [
        IntervalRow(
            str(row.second),
            float(row.ratio),
            None if np.isnan(row.ratio_low) else max(float(row.ratio_low), _DRAWN[0]),
            None if np.isnan(row.ratio_high) else min(float(row.ratio_high), _DRAWN[1]),
            potential=str(row.second),
            strong=bool(row.p_holm < LEVEL),
            facet=COMPARED_LABELS[str(row.error)],
        )
        for row in drawn.itertuples()
    ]
    place = {COMPARED_LABELS[name]: index for index, name in enumerate(COMPARED_ERRORS)}
    chart = Intervals(
        name="paired_errors",
        title=f"Errors over those of {best}, paired",
        note="Left of 1 is better. Filled: beyond chance.",
        axis=f"error over that of {best}",
        rows=tuple(sorted(lines, key=lambda line: place[line.facet])),
        log=True,
        guides=(Guide("x", 1.0),),
        columns=tuple(
            (COMPARED_LABELS[name], error.column)
            for name, error in COMPARED_ERRORS.items()
            if not (error.less or error.stable or error.imaginary)
        ),
        over=best,
    )
    return (chart,) if lines else ()


def _shares_chart(table: pd.DataFrame, order: Sequence[str], error: str = "w2") -> tuple[Heat, ...]:
    """On how many materials the potential of a row has the smaller error than that of a column."""
    of_error = table[(table["error"] == error) & (table["better"] + table["worse"] > 0)]
    if len(order) < 3 or of_error.empty:
        return ()
    shares = np.full((len(order), len(order)), np.nan)
    sure = np.zeros(shares.shape, dtype=bool)
    for row in of_error.itertuples():
        i, j = order.index(row.first), order.index(row.second)
        shares[i, j], shares[j, i] = np.array([row.worse, row.better]) / (row.better + row.worse)
        sure[i, j] = sure[j, i] = row.p_holm < LEVEL
    return (
        Heat(
            name="paired_shares",
            title=f"Which is better in {COMPARED_LABELS[error]}, on how many",
            note="Bold: beyond chance.",
            rows=tuple(order),
            columns=tuple(order),
            label="row better than column, % of materials",
            row_label="potential",
            column_label="against",
            values=tuple(
                tuple(None if np.isnan(value) else 100.0 * value for value in line) for line in shares
            ),
            texts=tuple(
                tuple("" if np.isnan(value) else f"{100 * value:.0f}" for value in line) for line in shares
            ),
            strong=tuple(tuple(map(bool, line)) for line in sure),
            middle=50.0,
            of=COMPARED_ERRORS[error].column,
            others=tuple(table.loc[table["error"] != error, "p_value"].dropna()),
        ),
    )


def _ratio_table(rows: pd.DataFrame, best: str) -> Table:
    errors = [name for name in COMPARED_LABELS if name in set(rows["error"])]
    lines: list[Row] = []
    for potential, own in rows.groupby("second", sort=False):
        by_error = own.set_index("error")
        texts = [_shown(by_error, name) for name in errors]
        lines.append((str(potential), str(own["n"].max()), *texts))
    heads = (COMPARED_LABELS[name] + (", difference" if name == STABILITY_F1 else "") for name in errors)
    return Table(
        "paired",
        f"Error over that of {best}: median of the ratios",
        ("potential", "n", *heads),
        tuple(lines),
        "*: p < 0.05, corrected. Differences, shares and all other pairs: tables/pairs.csv.",
    )


def _shown(by_error: pd.DataFrame, name: str) -> str:
    if name not in by_error.index:
        return NOTHING
    row = by_error.loc[name]
    text = estimate(row, "difference" if name == STABILITY_F1 else "ratio")
    return f"{text} *" if row["p_holm"] < LEVEL else text
