"""Every material with its classes by reference and potential, and the confusion matrices they add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from softmode.anharmonic.classes import CLASSES, class_indices
from softmode.panel import Link, RowList, RowsLink, row_list
from softmode.report.paper.source import PaperData
from softmode.statistics.confusion import ConfusionMatrix
from softmode.study.sigma_results import ALL, MEASURED_BY, compared_sigma

#: In place of a class: the potential gave no result.
FAILED_CLASS = "failed"
#: Columns of a list of classified materials, before the records.
COLUMNS = (
    "approach",
    "class_reference",
    "class_potential",
    "sigma_reference",
    "sigma_potential",
    "difference",
    "crystal_lost",
)


def classified(data: PaperData, label: str, approach: str, group: str | None = None) -> pd.DataFrame:
    """Classes of the materials whose reference score is known, of one potential and approach.

    Parameters
    ----------
    data : PaperData
        The run.
    label : str
        Of the potential.
    approach : str
        ``phi_ref``, ``phi_model`` or ``model_only``.
    group : str, optional
        Materials of this group (``F`` …) only.

    Returns
    -------
    pandas.DataFrame
        One row per material that was tried: :data:`COLUMNS`, the record of the measurement (``record``,
        ``digest``) and that of the reference's score (``reference_record``, ``reference_digest``). Ordered by
        class of the reference and of the potential, which is ``failed`` where it gave nothing, and
        ``unstable`` where its own dynamics lost the crystal (then σ is that of the frames before).
    """
    compared = compared_sigma(data.cells, label, approach, ALL if group is None else group)
    reference, sigma, lost = compared.reference, compared.model, compared.collapsed
    failed = compared.failed | (~np.isfinite(sigma) & ~lost)
    by_score = class_indices(np.where(np.isfinite(sigma), sigma, 0.0))
    given = np.where(lost, len(CLASSES) - 1, by_score)
    frame = compared.rows.assign(
        approach=approach,
        class_reference=np.array(CLASSES)[class_indices(reference)],
        class_potential=np.where(failed, FAILED_CLASS, np.array(CLASSES)[given]),
        sigma_reference=reference,
        sigma_potential=np.where(failed, np.nan, sigma),
        difference=np.where(failed, np.nan, sigma - reference),
        crystal_lost=lost,
    )
    order = [*CLASSES, FAILED_CLASS]
    for name in ("class_reference", "class_potential"):
        frame[name] = pd.Categorical(frame[name], categories=order)
    ordered = frame.sort_values(["class_reference", "class_potential", "material"], kind="stable")
    ordered = ordered.astype({"class_reference": str, "class_potential": str})
    others = {"reference_": "reference_sigma"}
    return data.with_records(ordered, MEASURED_BY[approach], COLUMNS, others).reset_index(drop=True)


def matrix_of(frame: pd.DataFrame) -> ConfusionMatrix:
    """Confusion matrix of a frame from :func:`classified`."""
    counts = pd.crosstab(frame["class_reference"], frame["class_potential"]) if len(frame) else pd.DataFrame()
    whole = counts.reindex(index=list(CLASSES), columns=[*CLASSES, FAILED_CLASS], fill_value=0)
    return ConfusionMatrix(whole[list(CLASSES)].to_numpy(np.int64), whole[FAILED_CLASS].to_numpy(np.int64))


@dataclass(frozen=True, eq=False)
class Classified:
    """Matrices of a run with the materials that each of their counts is of.

    Parameters
    ----------
    matrices : dict of (str, str, str) to ConfusionMatrix
        By approach, label of the potential, and group (empty: all materials).
    listed : RowList
        The materials of all of them.
    cells : mapping of (str, str, str, str, str) to RowsLink
        Rows of each cell: approach, label, group, class by reference and by potential.
    wholes : mapping of (str, str, str) to RowsLink
        Rows of each matrix.
    """

    matrices: dict[tuple[str, str, str], ConfusionMatrix]
    listed: RowList
    cells: Mapping[tuple[str, str, str, str, str], RowsLink]
    wholes: Mapping[tuple[str, str, str], RowsLink]

    def row(self, approach: str, label: str, group: str, reference: str) -> Link:
        """Rows of one reference class."""
        links = [self.cells[approach, label, group, reference, name] for name in (*CLASSES, FAILED_CLASS)]
        return RowsLink(links[0].name, links[0].first, links[-1].last)


def classify_all(
    data: PaperData, name: str, approaches: Sequence[str], groups: Sequence[str | None] = (None,)
) -> Classified:
    """Classes of all materials by all potentials of a run, leaving out matrices without any.

    Parameters
    ----------
    data : PaperData
        The run.
    name : str
        Of the list of materials.
    approaches : sequence of str
        Such as ``phi_ref``.
    groups : sequence of str or None
        Groups; None is all materials.
    """
    matrices: dict[tuple[str, str, str], ConfusionMatrix] = {}
    parts: dict[tuple[str, str, str, str, str], pd.DataFrame] = {}
    for group in groups:
        for approach in approaches:
            for label in data.labels:
                frame = classified(data, label, approach, group)
                if frame.empty:
                    continue
                matrices[approach, label, group or ""] = matrix_of(frame)
                for reference in CLASSES:
                    for given in (*CLASSES, FAILED_CLASS):
                        chosen = (frame["class_reference"] == reference) & (frame["class_potential"] == given)
                        parts[approach, label, group or "", reference, given] = frame[chosen]
    listed, cells = row_list(name, parts)
    wholes = {
        key: RowsLink(
            name, cells[(*key, CLASSES[0], CLASSES[0])].first, cells[(*key, CLASSES[-1], FAILED_CLASS)].last
        )
        for key in matrices
    }
    return Classified(matrices, listed, cells, wholes)
