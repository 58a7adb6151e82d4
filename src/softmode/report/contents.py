"""What all pages of a study say of it: materials, potentials, cells, failures, and how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from softmode import __version__
from softmode.datasets.plausibility import ACCEPTED
from softmode.errors import SettingsError
from softmode.panel import Panel
from softmode.potentials.leakage import SEEN
from softmode.potentials.resolution import describe
from softmode.report.cells import (
    cells_of,
    chapter_place,
    columns_of,
    failures_of,
    with_differences,
    with_label_columns,
)
from softmode.report.detail_parts import Parts
from softmode.report.document import Material, Page, Potential
from softmode.report.method import method_lines
from softmode.report.panels import RecordTarget, page_panel
from softmode.structures.formulas import elements_of
from softmode.study.folder import Study
from softmode.study.label_results import open_labels
from softmode.study.results import SEEN_COLUMN, counted
from softmode.study.screening import ways
from softmode.style import distinct, group_name

_SOURCE = (
    "definitions after Yang, Yin, Ao and Li, Phys. Chem. Chem. Phys. 28, 4459 (2026), eqs. 2 and 3; "
    "tables/records.csv says which record each figure comes from"
)
_PACKED = (
    "records are packed: records/ab/ab12….h5 is ab/ab12….h5 in a file of records/packs, which "
    "softmode and any tool for ZIP archives read; softmode pack --undo writes all as files again"
)


def now() -> str:
    """The time, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def page_of_study(
    study: Study,
    cells: pd.DataFrame,
    panels: Sequence[Panel],
    of_record: RecordTarget,
    parts: Parts,
    **said: Any,
) -> Page:
    """The page of a study: what its cells are, and some panels.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    panels : sequence of Panel
        What is shown, in order within their chapters.
    of_record : callable
        Where a record is, from the page.
    parts : Parts
        Details of the materials.
    **said
        Other fields of :class:`~softmode.report.document.Page`: ``kind``, ``lead`` …
    """
    shown = shown_cells(study, cells)
    materials, potentials = distinct(cells["material"]), distinct(cells["potential"])
    columns = columns_of(shown, study.settings.measurements)
    conditions = study.settings.conditions
    fields: dict[str, Any] = {
        "title": study.settings.name,
        "version": __version__,
        "date": now(),
        "protocol": conditions.protocol.name,
        "seed": conditions.seed,
        "counts": counted(cells),
        "notices": tuple(notices(cells)),
        "potentials": tuple(potential_of(study, label) for label in potentials),
        "materials": tuple(materials_of(study, cells, parts)),
        "columns": columns,
        "cells": cells_of(shown, columns, materials, potentials),
        "panels": tuple(page_panel(panel, of_record) for panel in panels),
        "failures": failures_of(cells, materials, potentials),
        "method": (
            *method_lines(study.settings),
            f"bootstrap over materials, seed {conditions.seed}",
            _SOURCE,
            *([_PACKED] if study.store.packed else []),
        ),
        "n_parts": len(parts.encoded),
        "parts_inside": parts.inside,
    }
    return Page(**fields | said)


def shown_cells(study: Study, cells: pd.DataFrame) -> pd.DataFrame:
    """The table of cells with what pages show besides: differences from the reference, and from labels."""
    settings, shown = study.settings.labels, with_differences(cells)
    if settings is None or not ways(cells):
        return shown
    return with_label_columns(shown, open_labels(settings))


def in_chapters(panels: Sequence[Panel]) -> list[Panel]:
    """Panels in the order of their chapters, otherwise as they come."""
    return sorted(panels, key=lambda panel: chapter_place(panel.chapter))


def potential_of(study: Study, label: str) -> Potential:
    """A potential of a study, with what the catalogue knows of it."""
    digest = next(case.facts.potential for case in study.cases if case.label == label)
    try:
        info = describe(study.settings.potential(label))
    except SettingsError:  # of a family that this environment does not know
        return Potential(label, digest)
    known = (text if text != "unknown" else "" for text in (info.training_data, info.level_of_theory))
    training, level = known
    return Potential(label, digest, info.family, training, level)


def materials_of(study: Study, cells: pd.DataFrame, parts: Parts) -> list[Material]:
    """Materials of a study, in the order of its table."""
    levels = {}
    if "level_of_theory_reference" in cells:
        known = cells.dropna(subset=["level_of_theory_reference"]).drop_duplicates("material")
        levels = dict(zip(known["material"], known["level_of_theory_reference"], strict=True))
    kind = study.settings.dataset.kind
    rows = cells.drop_duplicates("material")[["material", "formula", "group"]]
    return [
        Material(
            name=name,
            formula=formula,
            group=group,
            group_name=group_name(group),
            elements=elements_of(formula),
            part=parts.part.get(name, -1),
            reference=", ".join(text for text in (kind, levels.get(name, "")) if text),
        )
        for name, formula, group in rows.itertuples(index=False)
    ]


def notices(cells: pd.DataFrame) -> list[str]:
    """What a reader must know before anything else: what was seen in training, what was accepted."""
    said = []
    seen = distinct(cells.loc[cells[SEEN_COLUMN].isin(SEEN), "potential"])
    if seen:
        said.append(
            f"{', '.join(seen)} {'was' if len(seen) == 1 else 'were'} trained on the phonons of crystals of "
            "this run, or chosen by them (marked †): there a small error is no test."
        )
    if ACCEPTED in cells:
        rows = cells[cells[ACCEPTED].notna()].drop_duplicates("material")
        named = "; ".join(
            f"{row.material} ({row.accepted}: {row.accepted_figures})" for row in rows.itertuples()
        )
        if named:
            said.append(f"Reference data that are not plausible, accepted as they are: {named}.")
    return said
