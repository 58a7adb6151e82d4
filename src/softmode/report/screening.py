"""Panels of what the potentials say alone: compounds from stable to unstable."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pandas as pd

from softmode.anharmonic.classes import CLASSES, EDGES
from softmode.charts import CellPoints, Chart, Guide, Points, PointSeries
from softmode.measurements.one_shot import OneShotSettings
from softmode.measurements.sampled import WAYS
from softmode.panel import (
    NOTHING,
    Entry,
    MaterialLink,
    Panel,
    Row,
    RowList,
    Table,
    estimate,
    number,
    percent,
    telling,
)
from softmode.report.cells import ALONE_CHAPTER
from softmode.study.folder import Study
from softmode.study.label_results import Labelled, with_learnt_probabilities
from softmode.study.screening import screening_table, softest, ways
from softmode.study.verdict.anharmonic import WAYS as SOURCES
from softmode.style import group_name

#: Cells up to which the panel has a table of its own; the table of cells has them all.
_MOST_ROWS = 500
#: Letters of a note in a table.
_LONGEST_NOTE = 48
_STABLE = {True: "stable", False: "unstable"}


def screening_panel(study: Study, cells: pd.DataFrame, scores: list[Labelled]) -> Panel | None:
    """Compounds of each potential from stable to unstable; None where nothing was asked of it alone.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    scores : list of Labelled
        Agreement with labels, from which probabilities are learnt.
    """
    ranked = screening_table(cells)
    if ranked.empty:
        return None
    ranked = with_learnt_probabilities(ranked, scores)
    measured, conditions = ways(cells), study.settings.conditions
    learnt = any(f"sigma_{way}_learnt_p_weak" in ranked for way in measured)
    relaxed = ", relaxed by each potential with symmetry kept" if conditions.protocol.relax else ""
    return Panel(
        "screening",
        "What the potentials say alone",
        f"From dynamically stable to unstable, by σ at {conditions.of(OneShotSettings).temperature:g} "
        f"K{f' from {SOURCES[measured[0]]}' if measured else ''}. Weak < 0.5 ≤ strong ≤ 1 < unstable; the "
        "probability is that of the class given, from the sampling alone: the potential's own error is not "
        "in it. "
        + (
            "Learnt: probabilities of the three classes given σ, from how the potential did on the labelled "
            "compounds, a compound's own label left out. "
            if learnt
            else ""
        )
        + f"Harmonic: no mode below −{conditions.protocol.imaginary_tolerance:g} THz. Lattice: conventional "
        f"cell{relaxed}. σ is that of samples about this structure unless dynamics decided: a low one does "
        "not say that the crystal stays in it; dynamics do.",
        tables=(_table(ranked, measured, learnt),) if len(ranked) <= _MOST_ROWS else (),
        lists=(RowList("screening", ranked), RowList("softest_modes", softest(cells))),
        charts=tuple(_charts(ranked, measured, conditions.protocol.imaginary_tolerance)),
        chapter=ALONE_CHAPTER,
    )


def class_edges(axis: str) -> tuple[Guide, ...]:
    """Lines where one class ends and the next begins."""
    return tuple(
        Guide(axis, edge, f"{low} | {high}")
        for edge, low, high in zip(EDGES, CLASSES, CLASSES[1:], strict=False)
    )


def _charts(ranked: pd.DataFrame, measured: tuple[str, ...], tolerance: float) -> Iterator[Chart]:
    for way in measured if ranked["softest_mode_THz"].notna().any() else ():
        yield CellPoints(
            name=f"sigma_and_modes_{way}",
            title=f"σ, {WAYS[way]}, against the softest mode",
            x="model_lowest_THz",
            y=f"sigma_{way}_mean_t",
            log_y=True,
            guides=(Guide("x", -tolerance, "imaginary"), *class_edges("y")),
        )
    for way in measured:
        column = f"sigma_{way}"
        known = ranked.dropna(subset=[column, "rank"]).sort_values(["potential", "rank"])
        series = tuple(
            PointSeries(
                str(potential),
                tuple(rows["rank"].astype(float)),
                tuple(rows[column].astype(float)),
                tuple(f"{row['formula']}, σ {estimate(row, column)}" for _, row in rows.iterrows()),
                tuple(rows[f"{column}_low"].astype(float)),
                tuple(rows[f"{column}_high"].astype(float)),
                tuple(rows["material"]),
                potential=str(potential),
                facet=str(potential),
            )
            for potential, rows in known.groupby("potential", sort=False)
        )
        if series:
            yield Points(
                name=f"ranked_{way}",
                title=f"From stable to unstable, σ, {WAYS[way]}",
                x_label="rank",
                y_label=f"σ, {WAYS[way]}, with 95 % interval",
                series=series,
                log_y=True,
                guides=class_edges("y"),
            )


def _table(ranked: pd.DataFrame, measured: tuple[str, ...], learnt: bool) -> Table:
    heads = ["rank", "formula", "id", "group", "potential"]
    for way in measured:
        heads += [f"σ, {WAYS[way]}", f"class, {WAYS[way]}", "probability"]
        heads += ["learnt: weak / strong / unstable"] if learnt else []
    heads += ["harmonic", "softest mode, THz", "at", "a, Å", "note"]
    rows = [_row(row, measured, learnt) for row in ranked.to_dict("records")]
    return telling(Table("screening_shown", "Ranked", tuple(heads), tuple(rows)))


def _row(row: dict[str, object], measured: tuple[str, ...], learnt: bool) -> Row:
    texts: list[object] = [number(_float(row["rank"]), form=".0f"), row["formula"], row["material"]]
    texts += [group_name(str(row["group"])), row["potential"]]
    for way in measured:
        column = f"sigma_{way}"
        named = row[f"{column}_class"]
        texts += [estimate(row, column, form=".3f")]
        texts += (
            [named, percent(_float(row[f"{column}_p_{named}"]))] if isinstance(named, str) else [NOTHING] * 2
        )
        if learnt:
            texts.append(
                " / ".join(percent(_float(row.get(f"{column}_learnt_p_{each}"))) for each in CLASSES)
            )
    where, at = row["softest_mode_at"], row["lowest_qpoint"]
    unstable = row["harmonically_stable"] is False and isinstance(at, str)
    point = f" ({', '.join(f'{q:.3g}' for q in json.loads(str(at)))})" if unstable else ""
    texts += [
        _STABLE.get(bool(row["harmonically_stable"]), "")
        if isinstance(row["harmonically_stable"], bool)
        else "failed"
        if isinstance(row["reason"], str) and row["reason"]
        else NOTHING
    ]
    texts += [
        number(_float(row["softest_mode_THz"]), form=".2f"),
        f"{where}{point}" if isinstance(where, str) else NOTHING,
    ]
    texts.append(number(_float(row["a_A"]), form=".3f"))
    page = MaterialLink(str(row["material"]))
    note = str(row["reason"] if isinstance(row["reason"], str) else row["note"])
    who = (Entry(str(text), page) for text in texts[1:3])
    return (str(texts[0]), *who, *(str(text) for text in texts[3:]), noted(note.split("; "), page))


def noted(notes: Sequence[str], page: MaterialLink) -> Entry | str:
    """A short note as it is; of a long one the beginning, of several how many: its page has them."""
    first, *others = [note for note in notes if note] or [""]
    if others:
        return Entry(f"{len(others) + 1} notes", page)
    if len(first) <= _LONGEST_NOTE:
        return first
    return Entry(f"{first[:_LONGEST_NOTE].rsplit(' ', 1)[0]} …", page)


def _float(value: object) -> float | None:
    return None if value is None or pd.isna(value) else float(str(value))
