"""Table 2: fluorides whose maps are drawn, by the paper's rule and the five it chose; Fig. 5 marks them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from softmode.anharmonic.classes import CLASSES
from softmode.panel import (
    NOTHING,
    PUBLISHED,
    Entry,
    Link,
    Panel,
    RowList,
    RowsLink,
    Table,
    linked,
    number,
    row_list,
)
from softmode.published import PublishedCompound, published_compounds
from softmode.report.paper.classes import FAILED_CLASS, classified
from softmode.report.paper.matrix_figures import RANGES
from softmode.report.paper.missing import halides_missing, main_model_missing, measurement_missing
from softmode.report.paper.source import PaperData
from softmode.study.results import numbers_in
from softmode.study.sigma_results import MEASURED_BY

FLUORIDES = "F"
SMALLEST, LARGEST = "smallest", "largest"
#: Approaches whose error may be meant, the paper's own first, and how they are called.
_ALONE = {
    "model_only": "the potential alone",
    "phi_model": "Φ and forces of the potential on the reference's frames",
}
_PRINTED = {
    text.removeprefix("σ ").removeprefix("in ").replace(" ", ""): name
    for text, name in zip(RANGES, CLASSES, strict=True)
}


@dataclass(frozen=True)
class Choice:
    """A compound chosen for its error in the score.

    Parameters
    ----------
    material, formula : str
        The compound.
    class_reference, class_potential : str
        Its classes.
    extreme : str
        ``smallest`` or ``largest`` error of those with these classes.
    by_rule : bool
        Whether the paper would take it: of equal classes the smallest, of different ones the largest error.
    """

    material: str
    formula: str
    class_reference: str
    class_potential: str
    extreme: str
    by_rule: bool


def approach_of(data: PaperData) -> str:
    """``model_only``, which the paper means; ``phi_model`` where the run has no dynamics of the potential."""
    return "model_only" if len(data.rows(data.main_label, "model_only")) else "phi_model"


def fluorides(data: PaperData) -> pd.DataFrame:
    """Classified fluorides of the main potential with the size of their error in the score.

    Returns
    -------
    pandas.DataFrame
        As :func:`~softmode.report.paper.classes.classified`, without failures and lost crystals. ``error``:
        size of the difference of the two scores. ``error_95``: half width of the 95 % interval of the
        difference, of two independent means; NaN where a side has no interval, or where both are of the same
        frames (``phi_model``).
    """
    approach = approach_of(data)
    frame = classified(data, data.main_label, approach, FLUORIDES)
    kept = frame[
        (frame["class_potential"] != FAILED_CLASS) & ~frame["crystal_lost"] & frame["difference"].notna()
    ]
    rows = data.cells[data.cells["potential"] == data.main_label].set_index("material").loc[kept["material"]]
    halves = [
        0.5 * (numbers_in(rows, f"sigma_{name}_mean_t_high") - numbers_in(rows, f"sigma_{name}_mean_t_low"))
        for name in ("reference", approach)
    ]
    both = np.hypot(*halves) if approach == "model_only" else np.full(len(rows), np.nan)
    return kept.assign(error=kept["difference"].abs(), error_95=both).reset_index(drop=True)


def choices(frame: pd.DataFrame) -> list[Choice]:
    """Smallest and largest error for each pair of classes; one compound alone is whichever the rule takes.

    Parameters
    ----------
    frame : pandas.DataFrame
        From :func:`fluorides`.
    """
    found = []
    for reference, given in product(CLASSES, CLASSES):
        rows = frame[(frame["class_reference"] == reference) & (frame["class_potential"] == given)]
        if rows.empty:
            continue
        taken = SMALLEST if reference == given else LARGEST
        for extreme, index in {SMALLEST: rows["error"].idxmin(), LARGEST: rows["error"].idxmax()}.items():
            if len(rows) > 1 or extreme == taken:
                material, formula = (str(rows.loc[index, name]) for name in ("material", "formula"))
                found.append(Choice(material, formula, reference, given, extreme, extreme == taken))
    return found


def material_of_compound(data: PaperData, formula: str) -> str | None:
    """Material of the run with the composition of a formula; None when it holds none, or several."""
    found = data.materials_of(formula)
    return found[0] if len(found) == 1 else None


def fixed_materials(data: PaperData) -> dict[str, str | None]:
    """Material of each of the paper's five compounds, by its formula."""
    return {row.formula: material_of_compound(data, row.formula) for row in published_compounds()}


def compounds(data: PaperData, frame: pd.DataFrame) -> dict[str, str]:
    """Formula of each material of the table: those that the paper's rule takes in this run, and its five.

    Parameters
    ----------
    data : PaperData
        The run.
    frame : pandas.DataFrame
        From :func:`fluorides`.
    """
    chosen = {choice.material: choice.formula for choice in choices(frame) if choice.by_rule}
    fixed = {material: formula for formula, material in fixed_materials(data).items() if material is not None}
    return chosen | fixed


def compounds_missing(data: PaperData) -> tuple[str, ...]:
    """One sentence that names those of the paper's five compounds that the run does not hold."""
    absent = [formula for formula, material in fixed_materials(data).items() if material is None]
    return (f"The run does not hold {', '.join(absent)} of the paper's Table 2.",) if absent else ()


def table2(data: PaperData) -> Panel:
    """Fluorides with extreme errors of the score, and the paper's five."""
    frame, approach = fluorides(data), approach_of(data)
    chosen = choices(frame)
    listed, links = row_list(
        "table2_fluorides",
        {
            pair: frame[(frame["class_reference"] == pair[0]) & (frame["class_potential"] == pair[1])]
            for pair in product(CLASSES, CLASSES)
        },
    )
    left_out = _left_out(data, frame, approach)
    caption = (
        f"Score ⟨σ(t)⟩ of the reference and of {data.shown_as(data.main_label)} ({_ALONE[approach]}). The "
        "paper takes extremes of |σ_reference − σ_potential| among fluorides: as its five show, the "
        "smallest error where the classes agree and the largest where they differ. Above its five, below "
        "the extremes in this run. ± is the 95 % interval of the error, of two independent means: a "
        "smaller error is not known to be one."
    )
    lists = (listed,) if len(frame) else ()
    if len(left_out):
        caption += " Fluorides without result, and those whose crystal was lost, are left out and listed."
        lists = (*lists, RowList("table2_left_out", left_out))
    return Panel(
        key="table2",
        title="Table 2: fluorides with extreme errors of the score",
        caption=f"{caption}{_misprints()}",
        tables=(_fixed_table(data, frame), _chosen_table(data, frame, chosen, links)),
        missing=(
            *main_model_missing(data),
            *_no_dynamics(data, approach),
            *halides_missing(data, (FLUORIDES,)),
            *compounds_missing(data),
            *measurement_missing(data, MEASURED_BY[approach], (data.main_label,), (FLUORIDES,)),
        ),
        lists=lists,
    )


def _left_out(data: PaperData, kept: pd.DataFrame, approach: str) -> pd.DataFrame:
    every = classified(data, data.main_label, approach, FLUORIDES)
    return every[~every["material"].isin(kept["material"])]


def _no_dynamics(data: PaperData, approach: str) -> tuple[str, ...]:
    if approach == "model_only":
        return ()
    return (
        f"The run holds no dynamics of {data.main_label}: the score on the reference's frames is shown, "
        "which is "
        'not what the paper shows. Add "model_only" to the measurements.',
    )


def printed_class(text: str) -> str | None:
    """Class of a range as printed (``[0.5, 1]``); None for one that is none of the paper's (``>0.5``).

    Parameters
    ----------
    text : str
        From :class:`~softmode.published.PublishedCompound`.
    """
    return _PRINTED.get(text.replace(" ", ""))


def _misprints() -> str:
    odd = [
        f"{row.formula} as {text}"
        for row in published_compounds()
        for text in (row.class_reference, row.class_model)
        if printed_class(text) is None
    ]
    return f" Printed with a range that is none of the classes: {', '.join(odd)}." if odd else ""


def _fixed_table(data: PaperData, frame: pd.DataFrame) -> Table:
    materials = fixed_materials(data)
    return Table(
        name="table2_paper",
        title="The paper's five",
        columns=(
            "compound",
            "published: σ of the reference",
            "published: σ of the model",
            "published: |Δσ|",
            "σ, reference",
            "σ, potential",
            "|Δσ|",
            "± of Δσ",
            "same classes as published",
        ),
        rows=tuple(_fixed_row(data, frame, row, materials[row.formula]) for row in published_compounds()),
    )


def _fixed_row(
    data: PaperData, frame: pd.DataFrame, said: PublishedCompound, material: str | None
) -> tuple[Entry | str, ...]:
    printed = linked([said.class_reference, said.class_model, number(said.difference)], PUBLISHED)
    rows = frame[frame["material"] == material]
    if rows.empty:
        nothing = "not in the run" if material is None else "no result"
        return (said.formula, *printed, nothing, *[NOTHING] * 4)
    row = rows.iloc[0]
    classes = (printed_class(said.class_reference), printed_class(said.class_model))
    own = (row["class_reference"], row["class_potential"])
    same = NOTHING if None in classes else "yes" if classes == own else "no"
    return (said.formula, *printed, *_numbers(data, row), same)


def _numbers(data: PaperData, row: pd.Series) -> tuple[Entry, ...]:
    """Both scores with their classes, the error, and its interval."""
    link = _link(data, row)
    of_reference = data.link(str(row["material"]), data.main_label, "reference_sigma") or link
    return (
        Entry(f"{number(row['sigma_reference'])} ({row['class_reference']})", of_reference),
        Entry(f"{number(row['sigma_potential'])} ({row['class_potential']})", link),
        *linked([number(row["error"]), number(row["error_95"], 2)], link),
    )


def _link(data: PaperData, row: pd.Series) -> Link | None:
    return data.link(str(row["material"]), data.main_label, MEASURED_BY[str(row["approach"])])


def _chosen_table(
    data: PaperData,
    frame: pd.DataFrame,
    chosen: list[Choice],
    links: Mapping[tuple[str, str], RowsLink],
) -> Table:
    counts = Counter(zip(frame["class_reference"], frame["class_potential"], strict=True))
    rows = []
    for choice in chosen:
        row = frame[frame["material"] == choice.material].iloc[0]
        pair = (choice.class_reference, choice.class_potential)
        rows.append(
            (
                f"{choice.class_reference} → {choice.class_potential}",
                Entry(str(counts[pair]), links[pair]),
                choice.extreme,
                choice.formula,
                *_numbers(data, row),
                "yes" if choice.by_rule else "",
            )
        )
    return Table(
        name="table2_chosen",
        title="Extremes in this run",
        columns=(
            "class: reference → potential",
            "fluorides",
            "|Δσ| is",
            "compound",
            "σ, reference",
            "σ, potential",
            "|Δσ|",
            "± of Δσ",
            "by the paper's rule",
        ),
        rows=tuple(rows),
        note=f"σ of the potential: {_ALONE[approach_of(data)]}.",
    )
