"""Table 1: the models, as printed, as softmode knows them, and as the run holds them."""

from __future__ import annotations

from softmode.panel import NOTHING, PUBLISHED, Entry, Panel, Row, Table
from softmode.potentials.registry import find_entry
from softmode.published import PublishedModel
from softmode.report.paper.missing import models_missing
from softmode.report.paper.source import PaperData, PotentialInRun
from softmode.study.results import OK

_DIGITS = 12


def table1(data: PaperData) -> Panel:
    """Overview of the models: the paper's beside the catalogue's, and those of the run."""
    return Panel(
        key="table1",
        title="Table 1: the models",
        caption=(
            "What the paper prints of each model, and what softmode's catalogue says of the model of that "
            "name; below, the potentials of this run, each with the digest of everything that determines its "
            "results (weights, precision, package). The same weights have the same digest wherever they lie."
        ),
        tables=(_models(data), _in_run(data)),
        missing=models_missing(data),
    )


def _models(data: PaperData) -> Table:
    return Table(
        name="table1",
        title="As printed, and as softmode knows them",
        columns=("model", "source", "elements", "training data", "level of theory", "notes", "in the run"),
        rows=tuple(row for model in data.models for row in _both(data, model)),
        note="Elements of the catalogue: those of the training data; a MACE file says itself what it covers.",
    )


def _both(data: PaperData, model: PublishedModel) -> list[Row]:
    """The model as printed, and below it as in the catalogue."""
    held = _in_the_run(data, model.name)
    printed = (
        str(model.n_elements),
        model.training,
        model.theory,
        model.notes,
    )
    rows: list[Row] = [(model.name, "paper", *(Entry(text, PUBLISHED) for text in printed), held)]
    entry = find_entry(model.name)
    if entry is not None:
        count = str(len(entry.elements)) if entry.elements else NOTHING
        rows.append(("", "softmode", count, entry.training_data, entry.level_of_theory, entry.notes, ""))
    return rows


def _in_the_run(data: PaperData, name: str) -> str:
    label = data.paper_labels.get(name)
    if label is None:
        return "no"
    only = next(item.by_label_only for item in data.potentials if item.label == label)
    return "by its label only" if only else "yes" if label == name else f"as {label}"


def _in_run(data: PaperData) -> Table:
    return Table(
        name="table1_run",
        title="In this run",
        columns=("potential", "model of the paper", "name in the study", "precision", "digest", "cells done"),
        rows=tuple(_held(data, potential) for potential in data.potentials),
        note=(
            "Model of the paper: by the name in softmode's catalogue; “by its label” where only the label of "
            "the study file says so."
        ),
    )


def _held(data: PaperData, potential: PotentialInRun) -> Row:
    rows = data.cells[data.cells["potential"] == potential.label]
    what = potential.paper_name or "none"
    if potential.paper_name and potential.by_label_only:
        what += " (by its label)"
    return (
        potential.label,
        what,
        potential.settings.name,
        potential.settings.dtype or "default",
        potential.digest[:_DIGITS] or NOTHING,
        f"{int((rows['state'] == OK).sum())} of {len(rows)}",
    )
