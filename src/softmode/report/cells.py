"""The table of cells of a page: which columns, and their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from softmode.anharmonic.classes import classify
from softmode.crystal.arrays import FloatArray
from softmode.measurements.declaration import Column as Declared
from softmode.measurements.registry import measurement, measurements
from softmode.measurements.sampled import WAYS
from softmode.potentials.leakage import SEEN
from softmode.report.document import Cells, Column, Failure
from softmode.structures.labels import Labels
from softmode.study.label_results import with_labels
from softmode.study.results import FAILED, SEEN_COLUMN, numbers_in
from softmode.study.screening import ALONE

_COST = (Declared("calls", "force calls", main=True), Declared("seconds", "time, s"))
_LABELS = (
    Declared("label_sigma", "σ of the label", main=True),
    Declared("label_class", "class of the label", main=True),
)
#: Chapters of two runs side by side, and of what potentials say without a reference.
CHANGED, ALONE_CHAPTER = "What changed", "The potentials alone"
#: Chapters of a page, in order; others come after them.
CHAPTERS = (
    *(CHANGED, ALONE_CHAPTER, "Phonons", "Anharmonicity", "Dynamics", "Configuration space"),
    *("Structure", "How sure", "Beside others"),
)
COST = "Cost"


def sigma_error(approach: str) -> str:
    """Name of the column with ⟨σ(t)⟩ less that of the reference."""
    return f"sigma_{approach}_difference"


def with_differences(cells: pd.DataFrame) -> pd.DataFrame:
    """The table of cells with ⟨σ(t)⟩ of potentials less that of the reference, and its size."""
    if "sigma_reference_mean_t" not in cells:
        return cells
    reference = numbers_in(cells, "sigma_reference_mean_t")
    more: dict[str, FloatArray] = {}
    for approach in ("phi_ref", "phi_model", "model_only"):
        if f"sigma_{approach}_mean_t" in cells:
            difference = numbers_in(cells, f"sigma_{approach}_mean_t") - reference
            more |= {sigma_error(approach): difference, f"{sigma_error(approach)}_size": np.abs(difference)}
    return cells.assign(**more)


def label_error(way: str) -> str:
    """Name of the column with the size of ⟨σ(t)⟩ by a way less σ of the label."""
    return f"sigma_{way}_label_difference_size"


def with_label_columns(cells: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """The table of cells with σ and class of labels, and how far ⟨σ(t)⟩ of potentials alone is from it."""
    label = with_labels(cells, labels)["label"].reindex(cells.index).astype(float)
    classes = [classify(value) if np.isfinite(value) else None for value in label]
    errors = {label_error(way): np.abs(numbers_in(cells, f"sigma_{way}_mean_t") - label) for way in ALONE}
    there = {name: values for name, values in errors.items() if np.isfinite(values).any()}
    return cells.assign(label_sigma=label, label_class=classes, **there)


def _declared(names: Sequence[str]) -> Iterator[tuple[str, Declared]]:
    """Columns of measurements and of those that they require, with their chapters."""
    asked = {*names}
    for name, one in reversed(list(measurements().items())):
        if name in asked:
            asked |= {*one.requires}
    for name in measurements():
        if name in asked:
            one = measurement(name)
            yield from ((one.chapter, column) for column in one.columns)
    for approach in ("phi_ref", "phi_model", "model_only"):
        chapter, name = "Anharmonicity", f"⟨σ(t)⟩ less reference's, {WAYS[approach]}"
        yield chapter, Declared(sigma_error(approach), name, better="target", target=0.0)
        yield chapter, Declared(f"{sigma_error(approach)}_size", f"|{name}|", better="low", main=True)
    yield from ((ALONE_CHAPTER, column) for column in _LABELS)
    for way in ALONE:
        name = f"|⟨σ(t)⟩, {WAYS[way]}, less the label's|"
        yield ALONE_CHAPTER, Declared(label_error(way), name, better="low", main=True)
    yield from ((COST, column) for column in _COST)


def columns_of(cells: pd.DataFrame, names: Sequence[str]) -> tuple[Column, ...]:
    """Columns of the page: what the measurements of these names declare, as far as a cell has a value."""
    found: dict[str, Column] = {}
    for chapter, declared in _declared(names):
        if declared.name in found or declared.name not in cells or not cells[declared.name].notna().any():
            continue
        found[declared.name] = Column(
            name=declared.name,
            label=declared.head or declared.title,
            kind=_kind(cells[declared.name]),
            chapter=chapter or "Others",
            better=declared.better or None,
            target=declared.target,
            main=declared.main,
        )
    return tuple(sorted(found.values(), key=lambda column: chapter_place(column.chapter)))


def chapter_place(chapter: str) -> int:
    """Where a chapter stands on the page."""
    last = {COST: 1}.get(chapter, 0)
    return CHAPTERS.index(chapter) if chapter in CHAPTERS else len(CHAPTERS) + last


def _kind(values: pd.Series) -> str:
    known = values.dropna()
    if is_bool_dtype(known) or all(isinstance(value, bool | np.bool_) for value in known.to_numpy(object)):
        return "flag"
    return "number" if is_numeric_dtype(known.infer_objects()) else "text"


def cells_of(
    cells: pd.DataFrame, columns: Sequence[Column], materials: Sequence[str], potentials: Sequence[str]
) -> Cells:
    """Cells with the values of some columns.

    Parameters
    ----------
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    columns : sequence of Column
        From :func:`columns_of`.
    materials, potentials : sequence of str
        In the order of the page.
    """
    seen = cells[SEEN_COLUMN] if SEEN_COLUMN in cells else pd.Series("", index=cells.index)
    return Cells(
        material=_places(cells["material"], materials),
        potential=_places(cells["potential"], potentials),
        state=cells["state"].tolist(),
        seen=[part if part in SEEN else None for part in seen.to_numpy(object)],
        values={column.name: _values(cells[column.name], column.kind) for column in columns},
    )


def _places(names: pd.Series, order: Sequence[str]) -> list[int]:
    place = {name: index for index, name in enumerate(order)}
    return [place[name] for name in names.to_numpy(object)]


def _values(values: pd.Series, kind: str) -> list[Any]:
    if kind == "number":
        return list(pd.to_numeric(values, errors="coerce").astype(float))
    known, made = values.notna().to_numpy(bool), bool if kind == "flag" else str
    return [made(one) if there else None for one, there in zip(values.to_numpy(object), known, strict=True)]


def failures_of(
    cells: pd.DataFrame, materials: Sequence[str], potentials: Sequence[str]
) -> tuple[Failure, ...]:
    """Cells that failed, with their reasons."""
    failed = cells[cells["state"] == FAILED]
    who = zip(_places(failed["material"], materials), _places(failed["potential"], potentials), strict=True)
    said = zip(failed["failure_kind"].fillna(""), failed["failure"].fillna(""), strict=True)
    return tuple(Failure(*of, *why) for of, why in zip(who, said, strict=True))
