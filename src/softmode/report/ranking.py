"""The panel that ranks potentials by their phonons."""

from __future__ import annotations

import pandas as pd

from softmode.charts import Guide, IntervalRow, Intervals
from softmode.panel import Entry, Panel, Row, RowList, RowsLink, Table, estimate, linked, number, percent
from softmode.style import group_name

_ERRORS = {"w2_THz2": "ω²), THz²", "vg_THzA": "v), THz·Å", "slope_THz2A": "dω²/dq), THz²·Å"}
_PAPERS = {
    "median_rmse_vg_as_published_THzA": "RMSE(v), paper's, THz·Å",
    "median_mae_vg_as_published_THzA": "MAE(v), paper's, THz·Å",
}
#: Fewest materials whose median has an interval that is drawn.
_DRAWN = ("median_rmse_w2_THz2", "median_rmse_vg_THzA", "median_softening")


def ranking_panel(ranking: pd.DataFrame) -> Panel:
    """Potentials in order of their median RMSE(ω²).

    Parameters
    ----------
    ranking : pandas.DataFrame
        From :func:`softmode.study.results.ranking`.
    """
    papers = [name for name in _PAPERS if name in ranking]
    heads = ["potential", "group", "n", "failed"]
    for label in _ERRORS.values():
        heads += [f"RMSE({label}", f"RMSE({label.partition(')')[0]}), failures as wrong", f"MAE({label}"]
    heads += [
        *(_PAPERS[name] for name in papers),
        "slope of ω²",
        "stability agreement",
        "the same, failures as wrong",
    ]
    rows: list[Row] = []
    for line, (_, row) in enumerate(ranking.iterrows(), start=2):
        texts = [str(row["n"]), str(row["failed"])]
        for name in _ERRORS:
            median = f"median_rmse_{name}"
            wrong = number(row[f"{median}_failures_as_wrong"])
            texts += [estimate(row, median), wrong, estimate(row, f"median_mae_{name}")]
        texts += [*(estimate(row, name) for name in papers), estimate(row, "median_softening")]
        texts += [percent(row[f"stability_agreement{end}"]) for end in ("", "_failures_as_wrong")]
        who: tuple[Entry | str, ...] = (str(row["potential"]), group_name(str(row["group"])))
        rows.append((*who, *linked(texts, RowsLink("ranking", line, line))))
    said = (
        "“Paper's”: phonopy's velocities of both sides, subtracted in the order they come in. "
        if papers
        else ""
    )
    return Panel(
        "ranking",
        "Ranking",
        "Medians over materials with 95 % bootstrap intervals (those of the verdict and of the page's own "
        "tables are of order statistics: a little wider), on the band path. Failures as wrong: counted as an "
        "infinite error. v: group velocity; dω²/dq: slope of the squared frequencies, 2νv, finite "
        f"where a branch crosses zero. {said}Slope of ω²: of the potential on that of the reference, by "
        "least squares; below 1 is too soft. Agreement: both sides say the same about harmonic stability.",
        tables=(Table("ranking_shown", "Medians", tuple(heads), tuple(rows)),),
        lists=(RowList("ranking", ranking),),
        charts=_charts(ranking),
        chapter="Phonons",
    )


def _charts(ranking: pd.DataFrame) -> tuple[Intervals, ...]:
    """Medians of all materials as points with intervals; none of a single potential on a single material."""
    rows = ranking[(ranking["group"] == "all") & (ranking["n"] > 0)]
    if rows.empty or rows["n"].max() < 2:
        return ()
    labels = {
        "median_rmse_w2_THz2": "median RMSE(ω²), THz²",
        "median_rmse_vg_THzA": "median RMSE(v), THz·Å",
        "median_softening": "median slope of ω²",
    }
    return tuple(
        Intervals(
            name=f"ranking_{name.removeprefix('median_')}",
            title=labels[name][0].upper() + labels[name][1:],
            axis=labels[name],
            rows=tuple(
                interval_row(row, name, str(row["potential"]), str(row["potential"]))
                for _, row in rows.iterrows()
            ),
            log=name != "median_softening",
            guides=(Guide("x", 1.0, ""),) if name == "median_softening" else (),
        )
        for name in _DRAWN
    )


def interval_row(
    row: pd.Series, name: str, label: str, potential: str | None, *, facet: str = "", strong: bool = True
) -> IntervalRow:
    """A row of a chart, from the columns `name`, ``…_low`` and ``…_high`` of a table."""
    low, high = (
        None if bound is None or pd.isna(bound) else float(bound)
        for bound in (row.get(f"{name}_low"), row.get(f"{name}_high"))
    )
    return IntervalRow(label, float(row[name]), low, high, potential, strong, facet)
