"""The panel that sets what the potentials say alone beside published labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from softmode.anharmonic.classes import CLASSES
from softmode.charts import CellMatrix, Chart, Guide, IntervalRow, Intervals, Points, PointSeries
from softmode.measurements.sampled import WAYS
from softmode.panel import NOTHING, Panel, Row, RowList, RowsLink, Table, estimate, linked, number, percent
from softmode.published import published_model_only_shares
from softmode.report.cells import ALONE_CHAPTER
from softmode.report.ranking import interval_row
from softmode.report.screening import class_edges
from softmode.statistics.calibration import ReliabilityBin
from softmode.structures.labels import Labels
from softmode.study.label_pairs import label_pairs
from softmode.study.label_results import Labelled, label_table, lattice_and_mode_errors
from softmode.study.sigma_results import ALL
from softmode.style import distinct, group_name

_FIGURES = {
    "accuracy": "accuracy",
    "kappa": "κ",
    "called_more_stable": "called more stable",
    "called_less_stable": "called less stable",
    "kappa_of_list": "κ, list",
    "called_more_stable_of_list": "called more stable, list",
    "called_less_stable_of_list": "called less stable, list",
    "spearman": "Spearman ρ",
    "mae_sigma": "MAE σ",
    "brier": "Brier",
    "brier_learnt": "Brier, learnt",
}
_DIFFERENCES = (
    "accuracy",
    "kappa",
    "called_more_stable",
    "called_less_stable",
    "spearman",
    "mae_sigma",
    "sigma",
)
_SHARES = ("called_more_stable", "called_less_stable")


def labels_panel(labels: Labels, scores: Sequence[Labelled], structure: pd.DataFrame, seed: int) -> Panel:
    """Agreement with published labels, and lattices and soft modes beside published ones.

    Parameters
    ----------
    labels : Labels
        Published scores.
    scores : sequence of Labelled
        From :func:`softmode.study.label_results.labelled`.
    structure : pandas.DataFrame
        From :func:`softmode.study.label_results.lattices_and_modes`.
    seed : int
        Of the bootstrap over compounds.
    """
    table, pairs = label_table(list(scores)), label_pairs(scores, seed)
    overall = [item for item in scores if item.group == ALL and np.isfinite(item.model).any()]
    return Panel(
        "labels",
        "Against published labels",
        f"{labels.source}. Intervals: bootstrap over compounds. κ: agreement on classes beyond chance, 1 if "
        "perfect, 0 if by chance. Called more stable: of the strong and "
        "unstable, less stable: of the weak and strong; “list”: if each compound stands for those of its "
        "halide and class in the whole list of labels, as a balanced draw does not. Published: Yang et "
        "al., Fig. 4, against their own molecular dynamics. Brier score of the class probabilities over "
        "three classes: 0 is perfect, 2/3 is what equal probabilities give. A crystal that dynamics lost, "
        "or saw leave its phase, counts as unstable, and with σ = 2 at least. Pairs: second less first, on "
        "compounds on which neither failed; p: McNemar's.",
        tables=(*_agreement(table), *_pairs(pairs)),
        lists=(
            RowList("labels", table),
            RowList("labels_paired", pairs),
            RowList("labelled_compounds", _compounds(scores)),
            RowList("published_structure", structure),
            RowList("published_structure_errors", lattice_and_mode_errors(structure)),
        ),
        charts=(
            *_parity(overall),
            *_matrices(overall),
            *_shares(table),
            *_reliability(overall),
            *_structure(structure),
        ),
        chapter=ALONE_CHAPTER,
    )


def _compounds(scores: Sequence[Labelled]) -> pd.DataFrame:
    """Label and prediction of every labelled compound."""
    fields = ("potential", "way", "formulas", "groups", "label", "model", "low", "high", "failed")
    columns = [name.removesuffix("s") for name in fields]
    parts = [
        pd.DataFrame({name.removesuffix("s"): getattr(item, name) for name in fields})
        for item in scores
        if item.group == ALL
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _agreement(table: pd.DataFrame) -> Iterator[Table]:
    if table.empty:
        return
    model, more, less = published_model_only_shares()
    printed = {"called_more_stable_of_list": f"{more:.2f}", "called_less_stable_of_list": f"{less:.2f}"}
    published = (f"{model}, published", WAYS["model_only"], group_name(ALL), NOTHING, NOTHING)
    rows: list[Row] = [(*published, *(printed.get(name, NOTHING) for name in _FIGURES))]
    for line, (_, row) in enumerate(table.iterrows(), start=2):
        if row["failures_as_wrong"]:
            continue
        texts = [str(row["n"]), str(row["failed"]), *(estimate(row, name, form=".2f") for name in _FIGURES)]
        who = (str(row["potential"]), WAYS[row["way"]], group_name(str(row["group"])))
        rows.append((*who, *linked(texts, RowsLink("labels", line, line))))
    heads = ("potential", "way", "group", "n", "failed", *_FIGURES.values())
    yield Table("labels_shown", "Agreement with labels", heads, tuple(rows))


def _pairs(pairs: pd.DataFrame) -> Iterator[Table]:
    if pairs.empty:
        return
    rows: list[Row] = []
    for line, (_, row) in enumerate(pairs.iterrows(), start=2):
        texts = [str(row[name]) for name in ("n", "only_first_right", "only_second_right")]
        texts += [number(row["p_right"], form=".2g")]
        texts += [estimate(row, f"{name}_difference", form="+.2f") for name in _DIFFERENCES]
        who = (f"{row[f'{side}_potential']}, {WAYS[row[f'{side}_way']]}" for side in ("first", "second"))
        rows.append((*who, *linked(texts, RowsLink("labels_paired", line, line))))
    heads = ("first", "second", "n", "only first right", "only second right", "p")
    names = (*(_FIGURES[name] for name in _DIFFERENCES[:-1]), "σ")
    yield Table("labels_pairs_shown", "On the same compounds", (*heads, *names), tuple(rows))


def _title(item: Labelled) -> str:
    return f"{item.potential}, {WAYS[item.way]}"


def _parity(overall: Sequence[Labelled]) -> Iterator[Chart]:
    series = []
    for item in overall:
        there = np.flatnonzero(np.isfinite(item.model))
        for lost in sorted(set(item.lost[there].tolist())):
            own = there[item.lost[there] == lost]
            low, high = (
                tuple(None if lost or np.isnan(bound) else float(bound) for bound in side[own])
                for side in (item.low, item.high)
            )
            series.append(
                PointSeries(
                    "lost or left its phase" if lost else item.potential,
                    tuple(item.label[own].tolist()),
                    tuple(item.model[own].tolist()),
                    tuple(
                        f"{item.formulas[at]}: label {item.label[at]:.2f}, {item.model[at]:.2f}" for at in own
                    ),
                    low,
                    high,
                    potential=item.potential,
                    facet=_title(item),
                )
            )
    if series:
        yield Points(
            name="labels_scatter",
            title="σ against labels",
            x_label="σ of the label",
            y_label="⟨σ(t)⟩ of the potential",
            series=tuple(series),
            log_x=True,
            log_y=True,
            equality=True,
            guides=(*class_edges("x"), *class_edges("y")),
        )


def _matrices(overall: Sequence[Labelled]) -> Iterator[Chart]:
    for way in distinct(item.way for item in overall if len(item.label) > 1):
        yield CellMatrix(
            name=f"labels_classes_{way}",
            title=f"Classes, {WAYS[way]}, against labels",
            row="label_class",
            column=f"sigma_{way}_class",
            classes=CLASSES,
        )


def _shares(table: pd.DataFrame) -> Iterator[Chart]:
    if table.empty:
        return
    rows = table[(table["group"] == ALL) & ~table["failures_as_wrong"].astype(bool)]
    model, *printed = published_model_only_shares()
    lines = []
    for share, value in zip(_SHARES, printed, strict=True):
        facet = share.replace("_", " ")
        lines.append(IntervalRow(f"{model}, published", value, strong=False, facet=facet))
        for _, row in rows.iterrows():
            label = f"{row['potential']}, {WAYS[row['way']]}"
            for end, of in (("_of_list", "whole list"), ("", "compounds drawn")):
                if np.isfinite(row[f"{share}{end}"]):
                    lines.append(
                        interval_row(
                            row,
                            f"{share}{end}",
                            f"{label}, {of}",
                            str(row["potential"]),
                            facet=facet,
                            strong=bool(end),
                        )
                    )
    yield Intervals(
        name="labels_shares",
        title="Called more and less stable than the labels say",
        note="Filled: if each compound stands for those of its halide and class in the list of labels.",
        axis="share",
        rows=tuple(lines),
    )


def _reliability(overall: Sequence[Labelled]) -> Iterator[Chart]:
    for name, title in (
        ("score", "Are the class probabilities right?"),
        ("learnt_score", "Probabilities learnt from the other compounds"),
    ):
        series = [
            _bins(item, facet, bins)
            for item in overall
            if (score := getattr(item, name)).n_with_probabilities
            for facet, bins in {"likeliest class": score.confidence, **score.by_class}.items()
        ]
        if series:
            yield Points(
                name=f"labels_{'reliability' if name == 'score' else 'learnt'}",
                title=title,
                x_label="probability given",
                y_label="share that came true, with 95 % interval",
                series=tuple(series),
                equality=True,
            )


def _bins(item: Labelled, facet: str, bins: Sequence[ReliabilityBin]) -> PointSeries:
    return PointSeries(
        _title(item),
        tuple(each.forecast for each in bins),
        tuple(each.frequency for each in bins),
        tuple(f"{_title(item)}: {each.n} compounds, {percent(each.frequency)} came true" for each in bins),
        tuple(each.frequency_low for each in bins),
        tuple(each.frequency_high for each in bins),
        potential=item.potential,
        facet=facet,
    )


def _structure(pairs: pd.DataFrame) -> Iterator[Chart]:
    for quantity in distinct(pairs["quantity"]) if len(pairs) else ():
        part = pairs[pairs["quantity"] == quantity]
        name, unit = (
            ("lattice constant", "Å") if quantity == "a_A" else (f"softest mode at {quantity}", "THz")
        )
        yield Points(
            name=f"published_{quantity}",
            title=f"{name[0].upper()}{name[1:]} against published ones",
            x_label=f"published, {unit}",
            y_label=f"potential, {unit}",
            series=tuple(
                PointSeries(
                    str(potential),
                    tuple(own["label"].astype(float)),
                    tuple(own["model"].astype(float)),
                    tuple(own["formula"]),
                    potential=str(potential),
                )
                for potential, own in part.groupby("potential", sort=False)
            ),
            equality=True,
            guides=() if quantity == "a_A" else (Guide("x", 0.0), Guide("y", 0.0)),
        )
