"""What changed from one potential to another on the same materials: errors, verdicts, classes, failures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from softmode.anharmonic.classes import classify
from softmode.structures.labels import Labels
from softmode.study.comparison import Pair
from softmode.study.field_metrics import STABLE
from softmode.study.label_results import with_labels
from softmode.study.paired import COMPARED_ERRORS, ComparedError, errors_of, paired_table
from softmode.study.results import FAILED, OK, crystal_lost
from softmode.study.screening import ALONE
from softmode.style import order_groups

#: Errors by which single materials are compared: the first that both have.
_MAIN = ("w2", "sigma")
#: Columns that hold a verdict of stability, and a class: the first that there is.
_VERDICTS = (STABLE[1], "model_harmonically_stable")
_CLASSES = ("sigma_phi_model_class", *(f"sigma_{way}_class" for way in ALONE))


@dataclass(frozen=True, eq=False)
class Changes:
    """A pair of potentials, material by material and over all.

    Parameters
    ----------
    pair : Pair
        Which.
    error : str
        Name of the error that single materials are compared by, in
        :data:`softmode.study.paired.COMPARED_ERRORS`; empty where both have none.
    rows : pandas.DataFrame
        Materials that both have: ``material, formula, group``; ``error_old``, ``error_new`` (infinite where
        it failed), ``ratio``; ``stable_reference, stable_old, stable_new``; ``class_reference`` (or of the
        label), ``class_old, class_new``;
        ``state_old, state_new``; ``failure_old, failure_new``; ``lost_old, lost_new``.
    errors, by_group : pandas.DataFrame
        From :func:`softmode.study.paired.paired_table`, of the old as the first; `by_group` with a column
        ``group``.
    """

    pair: Pair
    error: str
    rows: pd.DataFrame
    errors: pd.DataFrame
    by_group: pd.DataFrame

    @property
    def compared(self) -> ComparedError | None:
        """The error that single materials are compared by."""
        return COMPARED_ERRORS[self.error] if self.error else None

    def changed(self, what: str) -> pd.DataFrame:
        """Materials of which something both know is not the same: ``stable`` or ``class``."""
        before, after = self.rows[f"{what}_old"], self.rows[f"{what}_new"]
        return self.rows[before.notna() & after.notna() & (before != after)]


def changes(
    cells: pd.DataFrame, pairs: Iterable[Pair], seed: int, labels: Labels | None = None
) -> list[Changes]:
    """What changed from the old to the new potential of each pair.

    Parameters
    ----------
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    pairs : iterable of Pair
        Potentials.
    seed : int
        Of the bootstrap over materials.
    labels : Labels, optional
        Whose classes stand for those of the reference.
    """
    if labels is not None:
        known = with_labels(cells, labels)
        classes = known["label"].map(classify)
        cells = cells.assign(sigma_reference_class=classes.reindex(cells.index))
    return [_changes(cells, pair, seed) for pair in pairs]


def _changes(cells: pd.DataFrame, pair: Pair, seed: int) -> Changes:
    own = cells[cells["potential"].isin([pair.old, pair.new])]
    has_phonons = STABLE[0] in own
    between = [(pair.old, pair.new)]
    errors = paired_table(own, seed, between) if has_phonons or "sigma_state" in own else pd.DataFrame()
    parts = [
        paired_table(own[own["group"] == group], seed, between).assign(group=group)
        for group in order_groups(own["group"])
        if len(errors) and own["group"].nunique() > 1
    ]
    known = set(errors["error"]) if len(errors) else set()
    error = next((name for name in _MAIN if name in known), "")
    by_group = pd.concat([part for part in parts if len(part)]) if any(map(len, parts)) else pd.DataFrame()
    return Changes(pair, error, _rows(own, pair, error), errors, by_group)


def _rows(cells: pd.DataFrame, pair: Pair, error: str) -> pd.DataFrame:
    sides = [cells[cells["potential"] == name].set_index("material") for name in (pair.old, pair.new)]
    shared = sides[0].index.intersection(sides[1].index, sort=False)
    old, new = (side.loc[shared] for side in sides)
    rows = old[["formula", "group"]].copy()
    for end, side in (("old", old), ("new", new)):
        values = errors_of(side, COMPARED_ERRORS[error]) if error else np.full(len(side), np.nan)
        rows[f"error_{end}"] = values
        rows[f"stable_{end}"] = _first(side, _VERDICTS)
        rows[f"class_{end}"] = _first(side, _CLASSES)
        rows[f"state_{end}"] = side["state"]
        rows[f"failure_{end}"] = side["failure"].where(side["state"] == FAILED)
        rows[f"lost_{end}"] = crystal_lost(side)
    with np.errstate(divide="ignore", invalid="ignore"):
        rows["ratio"] = rows["error_new"] / rows["error_old"]
    for what, name in (("stable", STABLE[0]), ("class", "sigma_reference_class")):
        rows[f"{what}_reference"] = _first(old, (name,)).combine_first(_first(new, (name,)))
    some = (rows["state_old"].isin([OK, FAILED])) & (rows["state_new"].isin([OK, FAILED]))
    return rows[some].reset_index()


def _first(side: pd.DataFrame, names: Iterable[str]) -> pd.Series:
    """The first column there is; None where there is none."""
    found = next((side[name] for name in names if name in side), None)
    empty = pd.Series([None] * len(side), index=side.index, dtype=object)
    return empty if found is None else found.astype(object).where(found.notna(), None)
