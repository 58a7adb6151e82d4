"""What became better and what worse from one potential to another, in words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from softmode.panel import number
from softmode.statistics.bootstrap import Estimate
from softmode.statistics.paired import sign_test
from softmode.study.changes import Changes
from softmode.study.comparison import SideBySide
from softmode.study.paired import COMPARED_LABELS, STABILITY_F1
from softmode.study.results import FAILED
from softmode.study.verdict.leads import called
from softmode.study.verdict.sample import of_reference
from softmode.study.verdict.statement import (
    FEWEST,
    LEVEL,
    Statement,
    chance,
    counted,
    in_brackets,
    in_order,
    listed,
    measured,
    some,
)
from softmode.style import distinct, group_name

#: Key of the panel with the figures.
PANEL = "changes"
_WORST = 3


def verdict_of_changes(compared: SideBySide, found: list[Changes], cells: pd.DataFrame) -> list[Statement]:
    """What the comparison of two runs says.

    Parameters
    ----------
    compared : SideBySide
        The runs.
    found : list of Changes
        Of its pairs.
    cells : pandas.DataFrame
        Table of its study.
    """
    names = called(cells)
    statements: list[Statement] = []
    for one in found:
        if one.pair in compared.same:
            text = f"{one.pair.old} and {one.pair.new} are the same potential: what differs is no progress."
            statements.append(Statement("lead", text, panel=PANEL))
        statements += _errors(one, names)
        statements += _by_group(one)
        statements += _materials(one, names)
        statements += _stability(one, names)
        statements += _classes(one, names)
        statements += _lost(one, names)
        statements += _failures(one, names)
    statements += of_reference(compared.study, cells)
    return in_order([*statements, _sample(compared, cells)])


def brief_of_changes(compared: SideBySide, statements: list[Statement]) -> list[Statement]:
    """What of a verdict a terminal has room for: of several pairs only who is better."""
    topics = (
        ("lead", "sample")
        if len(compared.pairs) > 1
        else ("lead", "stability", "anharmonicity", "dynamics", "failures", "sample")
    )
    return [one for one in statements if one.group is None and one.topic in topics]


def _versus(one: Changes) -> str:
    return f"{one.pair.new} against {one.pair.old}"


def _ratio(row: pd.Series) -> str:
    return measured(Estimate(row["ratio"], row["ratio_low"], row["ratio_high"]))


def _sign(row: pd.Series) -> str:
    """Better, worse, or neither beyond chance."""
    if not row["p_holm"] < LEVEL:
        return "same"
    return "better" if row["better"] > row["worse"] else "worse"


def _errors(one: Changes, names: dict[str, str]) -> Iterator[Statement]:
    """By what the new is better, by what worse, by what neither beyond chance."""
    if one.errors.empty:
        return
    by_error = one.errors.set_index("error")
    said: list[str] = []
    if one.error:
        row = by_error.loc[one.error]
        label = COMPARED_LABELS[one.error]
        if row["n"] < FEWEST:
            yield _few(one, names)
            return
        verdict = {"better": "better than", "worse": "worse than", "same": "not to be told apart from"}
        text = (
            f"{one.pair.new} is {verdict[_sign(row)]} {one.pair.old} by {label}: {_ratio(row)} times the "
            f"error over {counted(int(row['n']))}, {_sides(row)} (sign test, {chance(row['p_holm'])} "
            f"corrected for {len(by_error)} comparisons)."
        )
        said.append(text)
    signs: dict[str, list[str]] = {"better": [], "worse": [], "same": []}
    for name, row in by_error.iterrows():
        if name != one.error and row["n"] >= FEWEST:
            told = name == STABILITY_F1 or row["ratio"] == 1.0
            figure = f" ({_sides(row) if told else _ratio(row)})"
            label = in_brackets(COMPARED_LABELS[str(name)])
            signs[_sign(row)].append(label + (figure if _sign(row) != "same" else ""))
    heads = {"better": "better", "worse": "worse", "same": "not to be told apart"}
    beyond = [f"{heads[sign]} by {listed(labels)}" for sign, labels in signs.items() if labels]
    if beyond:
        said.append(f"Beyond chance, by ratios of errors: {'; '.join(beyond)}.")
    if said:
        yield Statement("lead", " ".join(said), panel=PANEL)


def _sides(row: pd.Series) -> str:
    return f"smaller on {row['better']}, larger on {row['worse']}"


def _few(one: Changes, names: dict[str, str]) -> Statement:
    """Plain figures of materials that are too few for a test."""
    unit = one.compared.unit if one.compared else ""
    said = [
        f"{names[row.material]} {_arrow(row.error_old, row.error_new, unit)}" for row in one.rows.itertuples()
    ]
    text = (
        f"{_versus(one)}, {COMPARED_LABELS[one.error]}: {some(said, FEWEST)}; too few materials for a test."
    )
    return Statement("lead", text, materials=tuple(one.rows["material"]), panel=PANEL)


def _arrow(before: float, after: float, unit: str = "") -> str:
    shown = f"{number(before)} → {number(after)}"
    return f"{shown} {unit}" if unit else shown


def _by_group(one: Changes) -> Iterator[Statement]:
    """The main error in groups with enough materials."""
    if one.by_group.empty or not one.error:
        return
    for _, row in one.by_group[one.by_group["error"] == one.error].iterrows():
        if row["n"] < FEWEST:
            continue
        verdict = {"better": "better than", "worse": "worse than", "same": "not to be told apart from"}[
            _sign(row)
        ]
        group = str(row["group"])
        over = f"{_ratio(row)} times the {COMPARED_LABELS[one.error]} over {counted(int(row['n']))}"
        text = (
            f"{group_name(group).capitalize()}: {one.pair.new} {verdict} {one.pair.old}: {over} "
            f"({chance(row['p_holm'])})."
        )
        materials = tuple(one.rows.loc[one.rows["group"] == group, "material"])
        yield Statement("lead", text, group, materials, PANEL)


def _materials(one: Changes, names: dict[str, str]) -> Iterator[Statement]:
    """Single materials that gained and lost most."""
    rows = one.rows[np.isfinite(one.rows["error_old"]) & np.isfinite(one.rows["error_new"])]
    if len(rows) < FEWEST or not one.compared:
        return
    change = rows["error_new"] - rows["error_old"]
    said, named = [], []
    for head, order in (
        ("most gained", change.sort_values()),
        ("most lost", -change.sort_values(ascending=False)),
    ):
        chosen = rows.loc[order.index[:_WORST]][(order.iloc[:_WORST] < 0.0).to_numpy()]
        figures = [
            f"{names[row.material]} {_arrow(row.error_old, row.error_new)}" for row in chosen.itertuples()
        ]
        named += list(chosen["material"])
        said += [f"{head} {listed(figures)}"] if figures else []
    if said:
        unit = f", {one.compared.unit}" if one.compared.unit else ""
        text = f"{_versus(one)}, {one.compared.label}{unit}: {'; '.join(said)}."
        yield Statement("failures", text, materials=tuple(distinct(named)), panel=PANEL)


def _right(one: Changes, what: str, names: dict[str, str]) -> str:
    """On how many either is right, and where that changed; empty where the reference says nothing."""
    known = one.rows.dropna(subset=[f"{what}_{end}" for end in ("reference", "old", "new")])
    if known.empty:
        return ""
    truth = known[f"{what}_reference"]
    before, after = (known[f"{what}_{end}"] == truth for end in ("old", "new"))
    gained, gone = (
        [names[name] for name in known.loc[kept, "material"]] for kept in (after & ~before, before & ~after)
    )
    text = f"{one.pair.old} on {int(before.sum())}, {one.pair.new} on {int(after.sum())} of {len(known)}"
    if not (gained or gone):
        return f"{text}, the same ones"
    text += f"; newly right {len(gained)}" + (f" ({some(gained)})" if gained else "")
    text += f", newly wrong {len(gone)}" + (f" ({some(gone)})" if gone else "")
    if len(known) >= FEWEST:
        text += f"; McNemar's test, {chance(sign_test(len(gained), len(gone)))}"
    return text


def _same(one: Changes, what: str) -> str:
    """On how many both say the same."""
    both = one.rows.dropna(subset=[f"{what}_old", f"{what}_new"])
    same = len(both) - len(one.changed(what))
    return f"{one.pair.new} says the same as {one.pair.old} on {same} of {len(both)}" if len(both) else ""


def _stability(one: Changes, names: dict[str, str]) -> Iterator[Statement]:
    """Verdicts of harmonic stability that changed, and for which side."""
    moved = one.changed("stable")
    if right := _right(one, "stable", names):
        text = f"Harmonic stability as the reference's: {right}"
    elif same := _same(one, "stable"):
        text = f"Harmonic stability: {same}"
        for head, stable in (("newly stable", True), ("newly unstable", False)):
            which = [names[row.material] for row in moved.itertuples() if bool(row.stable_new) is stable]
            text += f"; {head} {some(which)}" if which else ""
    else:
        return
    yield Statement("stability", f"{text}.", materials=tuple(moved["material"]), panel=PANEL)


def _classes(one: Changes, names: dict[str, str]) -> Iterator[Statement]:
    """Classes of σ that changed, and for which side."""
    same = _same(one, "class")
    if not same:
        return
    moved = one.changed("class")
    right = _right(one, "class", names)
    text = f"Class of σ: {same}" if not right else f"Class of σ as the reference's or label's: {right}"
    said = [f"{names[row.material]} {row.class_old} → {row.class_new}" for row in moved.itertuples()]
    text += f"; {some(said)}" if said and not right else ""
    yield Statement("anharmonicity", f"{text}.", materials=tuple(moved["material"]), panel=PANEL)


def _lost(one: Changes, names: dict[str, str]) -> Iterator[Statement]:
    """Crystals lost in dynamics, before and now."""
    before, after = one.rows["lost_old"].astype(bool), one.rows["lost_new"].astype(bool)
    if not (before | after).any():
        return
    kept = [names[name] for name in one.rows.loc[before & ~after, "material"]]
    gone = [names[name] for name in one.rows.loc[after & ~before, "material"]]
    text = f"Crystals lost in dynamics: {int(before.sum())} → {int(after.sum())}"
    text += f"; no longer {some(kept)}" if kept else ""
    text += f"; newly {some(gone)}" if gone else ""
    materials = tuple(one.rows.loc[before != after, "material"])
    yield Statement("dynamics", f"{text}.", materials=materials, panel=PANEL)


def _failures(one: Changes, names: dict[str, str]) -> Iterator[Statement]:
    """Failures that are gone, and new ones."""
    before, after = one.rows["state_old"] == FAILED, one.rows["state_new"] == FAILED
    if not (before | after).any():
        return
    mended, broken = one.rows[before & ~after], one.rows[after & ~before]
    text = f"Failures: {one.pair.old} {int(before.sum())}, {one.pair.new} {int(after.sum())}"
    text += f"; gone {some([names[name] for name in mended['material']])}" if len(mended) else ""
    new = [f"{names[row.material]} (“{row.failure_new}”)" for row in broken.itertuples()]
    text += f"; new {some(new, 2)}" if new else ""
    materials = tuple(distinct([*mended["material"], *broken["material"]]))
    yield Statement("failures", f"{text}.", materials=materials, panel=PANEL)


def _sample(compared: SideBySide, cells: pd.DataFrame) -> Statement:
    """What is compared, and what is not."""
    n, names = cells["material"].nunique(), listed(compared.study.settings.measurements)
    text = f"Compared: {counted(n)} of the same reference data and settings in both runs ({names})."
    return Statement("sample", " ".join([text, *compared.left_out]))
