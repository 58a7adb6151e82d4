"""Sentences that say which data a panel lacks, and what to do."""

from __future__ import annotations

from collections.abc import Sequence

from softmode.measurements import registry
from softmode.measurements.plan import lacking
from softmode.report.paper.source import MAIN_MODEL, PaperData
from softmode.study.results import FAILED, OK, PENDING
from softmode.style import group_name

#: Groups of the paper's compounds, light to heavy.
HALIDES = ("F", "Cl", "Br", "I")


def main_model_missing(data: PaperData) -> tuple[str, ...]:
    """One sentence where the run does not hold the model that the panel of the paper is about."""
    if data.has_main_model:
        return ()
    return (
        f"The run does not hold {MAIN_MODEL}, of which the paper shows this: {data.main_label} is shown, "
        f'which is not the paper\'s. Add [[potential]] name = "{MAIN_MODEL}" to the study file.',
    )


def models_missing(data: PaperData) -> tuple[str, ...]:
    """One sentence where the run does not hold all of the paper's models."""
    absent = data.absent_models
    if not absent:
        return ()
    return (
        f"The run does not hold {listed(absent)}: add {'it' if len(absent) == 1 else 'each'} to the study "
        "file as a [[potential]].",
    )


def halides_missing(data: PaperData, groups: Sequence[str] = HALIDES) -> tuple[str, ...]:
    """One sentence where the run holds no material of some halides."""
    absent = [group_name(group) for group in groups if not (data.cells["group"] == group).any()]
    if not absent:
        return ()
    return (f"The run holds no {listed(absent, 'or')}: widen [dataset.select], or take the whole database.",)


def measurement_missing(
    data: PaperData,
    measurement: str,
    potentials: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """Sentences about a measurement that is not made, or without result in some cells.

    Parameters
    ----------
    data : PaperData
        The run.
    measurement : str
        Such as ``harmonic``.
    potentials : sequence of str, optional
        Labels of the potentials that are shown; all when not given.
    groups : sequence of str, optional
        Groups that are shown; all when not given.
    """
    column = f"{measurement}_state"
    if column not in data.cells:
        return (f'The study does not measure `{measurement}`: add "{measurement}" to its `measurements`.',)
    labels = data.labels if potentials is None else potentials
    said = []
    for label in labels:
        rows = data.cells[data.cells["potential"] == label]
        rows = rows if groups is None else rows[rows["group"].isin(list(groups))]
        counts = rows[column].value_counts()
        done, failed, pending = (int(counts.get(state, 0)) for state in (OK, FAILED, PENDING))
        without = len(rows) - done - failed - pending
        if len(rows) and without == len(rows):
            said.append(f"`{measurement}` is not made with {label}: {_why_not(data, measurement)}")
            continue
        parts = [
            f"{number} {what}"
            for number, what in (
                (pending, "not computed yet (run the study again)"),
                (failed, "failed (the reasons are in tables/failures.csv)"),
                (without, "without the reference data it needs"),
            )
            if number
        ]
        if parts:
            said.append(f"`{measurement}` with {label}: {done} of {len(rows)} materials; {listed(parts)}.")
    return tuple(said)


def _why_not(data: PaperData, measurement: str) -> str:
    conditions = data.study.settings.conditions
    absent = [lacking(registry.measurement(measurement), case.facts, conditions) for case in data.study.cases]
    for source, what in (
        ("trajectory", "a reference trajectory"),
        ("reference", "reference force constants"),
    ):
        if all(source in of_case for of_case in absent):
            return f"no material has {what}."
    return f'add "{measurement}" to the measurements of that potential.'


def listed(items: Sequence[str], last: str = "and") -> str:
    """Join items by commas and a last word."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"
