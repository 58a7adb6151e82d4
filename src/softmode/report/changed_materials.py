"""Tables of single materials of a comparison: what gained and lost most, what changed its verdict."""

from __future__ import annotations

import numpy as np
import pandas as pd

from softmode.panel import NOTHING, Entry, MaterialLink, Row, Table, number
from softmode.study.changes import Changes
from softmode.study.results import FAILED
from softmode.style import group_name

_SHOWN = 10


def between(one: Changes) -> str:
    """A pair in words."""
    return f"{one.pair.new} against {one.pair.old}"


def material_tables(one: Changes, names: dict[str, str], end: str = "") -> list[Table]:
    """Materials that changed most, verdicts and classes that changed, and failures.

    Parameters
    ----------
    one : Changes
        Of a pair.
    names : dict of str to str
        How materials are called, by name.
    end : str
        Of the tables' names.
    """
    unit = f", {one.compared.unit}" if one.compared is not None and one.compared.unit else ""
    label = one.compared.label if one.compared is not None else "error"
    known = one.rows[np.isfinite(one.rows["error_old"]) & np.isfinite(one.rows["error_new"])]
    change = (known["error_new"] - known["error_old"]).sort_values()
    tables = []
    for key, title, chosen in (
        ("gained", "Materials that gained most", change[change < 0.0].index[:_SHOWN]),
        ("lost", "Materials that lost most", change[change > 0.0].index[::-1][:_SHOWN]),
    ):
        rows: list[Row] = [
            (
                *_who(row, names),
                *(number(row[name]) for name in ("error_old", "error_new", "ratio")),
            )
            for _, row in known.loc[chosen].iterrows()
        ]
        columns = ("material", "group", f"{label}, old{unit}", f"{label}, new{unit}", "new / old")
        tables.append(Table(f"{key}_most{end}", f"{title}: {between(one)}", columns, tuple(rows)))
    return [*tables, _moved(one, names, end), _failed(one, names, end)]


def _who(row: pd.Series, names: dict[str, str]) -> tuple[Entry, str]:
    name = str(row["material"])
    return Entry(names[name], MaterialLink(name)), group_name(str(row["group"]))


def _moved(one: Changes, names: dict[str, str], end: str) -> Table:
    """Verdicts of stability and classes of σ that changed."""
    rows: list[Row] = []
    for what, head in (("stable", "harmonic stability"), ("class", "class of σ")):
        for _, row in one.changed(what).iterrows():
            texts = [_said(row[f"{what}_{side}"]) for side in ("reference", "old", "new")]
            better = {texts[1]: "worse", texts[2]: "better"}.get(texts[0], NOTHING)
            rows.append((*_who(row, names), head, *texts, better))
    return Table(
        f"changed_verdicts{end}",
        f"Verdicts that changed: {between(one)}",
        ("material", "group", "of", "reference", "old", "new", ""),
        tuple(rows),
    )


def _said(value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return "stable" if value else "unstable"
    return str(value) if isinstance(value, str) else NOTHING


def _failed(one: Changes, names: dict[str, str], end: str) -> Table:
    """Failures that are gone, and new ones."""
    before, after = one.rows["state_old"] == FAILED, one.rows["state_new"] == FAILED
    rows: list[Row] = []
    for _, row in one.rows[before != after].iterrows():
        gone = row["state_old"] == FAILED
        why = ("gone", str(row["failure_old"])) if gone else ("new", str(row["failure_new"]))
        rows.append((*_who(row, names), *why))
    return Table(
        f"changed_failures{end}",
        f"Failures gone and new: {between(one)}",
        ("material", "group", "", "reason"),
        tuple(rows),
    )
