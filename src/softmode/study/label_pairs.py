"""Two potentials, or two ways to σ, on the same labelled compounds: which is right, and by how much more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from softmode.anharmonic.classes import CLASSES, class_indices
from softmode.crystal.arrays import FloatArray
from softmode.statistics.bootstrap import UNDEFINED, Estimate, bootstrap_over
from softmode.statistics.confusion import FIGURES, figures_of
from softmode.statistics.paired import sign_test
from softmode.statistics.rank_correlation import spearman
from softmode.study.label_results import Labelled
from softmode.study.sigma_results import ALL

#: Figures that are compared, those of the confusion matrix first.
COMPARED_FIGURES = (*FIGURES, "spearman", "mae_sigma")


def paired(first: Labelled, second: Labelled, seed: int) -> dict[str, Any]:
    """Figures of two sides on the compounds on which neither failed, and their differences.

    Parameters
    ----------
    first, second : Labelled
        Over the same list of labels.
    seed : int
        Seed of the bootstrap over compounds; a compound is drawn with both its results.

    Returns
    -------
    dict of str to Any
        ``n``; ``only_first_right``, ``only_second_right`` and ``p_right``, that they differ so much by chance
        (McNemar's test, exact); ``moved_less_stable``, ``moved_more_stable``: compounds that the second side
        calls so; each figure of both sides, and ``<figure>_difference``, second minus first, with its 95 %
        interval; ``sigma_difference``, the median over compounds that neither lost.
    """
    places = {formula: place for place, formula in enumerate(second.formulas)}
    shared = [(i, places[formula]) for i, formula in enumerate(first.formulas) if formula in places]
    pairs = [(i, j) for i, j in shared if np.isfinite(first.model[i]) and np.isfinite(second.model[j])]
    left, right = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    label, one, two = first.label[left], first.model[left], second.model[right]
    classes = [class_indices(values) for values in (label, one, two)]
    right_first, right_second = classes[1] == classes[0], classes[2] == classes[0]
    only = int((right_first & ~right_second).sum()), int((right_second & ~right_first).sum())
    values: dict[str, Any] = {
        "n": len(pairs),
        "only_first_right": only[0],
        "only_second_right": only[1],
        "p_right": sign_test(*only) if sum(only) else 1.0,
        "moved_less_stable": int((classes[2] > classes[1]).sum()),
        "moved_more_stable": int((classes[2] < classes[1]).sum()),
    }
    estimates = [UNDEFINED] * (3 * len(COMPARED_FIGURES))
    if pairs:
        estimates = list(bootstrap_over(np.column_stack([label, one, two]), _both_and_difference, seed))
    for place, end in enumerate(("_first", "_second", "_difference")):
        for name, estimate in zip(COMPARED_FIGURES, estimates[place::3], strict=True):
            values |= estimate.columns(f"{name}{end}")
    kept = ~(first.lost[left] | second.lost[right])
    return values | _median_difference((two - one)[kept], seed).columns("sigma_difference")


def _both_and_difference(rows: FloatArray) -> FloatArray:
    """Figures of both sides and their difference, in turn, from label and the σ of two sides."""
    label = rows[..., 0]
    sides = [np.stack(list(_figures(label, rows[..., side])), axis=-1) for side in (1, 2)]
    return np.stack([*sides, sides[1] - sides[0]], axis=-1).reshape(*rows.shape[:-2], -1)


def _figures(label: FloatArray, model: FloatArray) -> Iterator[FloatArray]:
    """Each of :data:`COMPARED_FIGURES`, over the last axis."""
    n = len(CLASSES)
    cell = (n + 1) * class_indices(label) + class_indices(model)
    table = np.stack([(cell == each).sum(axis=-1) for each in range(n * (n + 1))], axis=-1)
    yield from figures_of(table.reshape(*table.shape[:-1], n, n + 1)).values()
    yield spearman(label, model)
    yield np.abs(model - label).mean(axis=-1)


def _median_difference(values: FloatArray, seed: int) -> Estimate:
    if not len(values):
        return UNDEFINED
    return bootstrap_over(values, lambda rows: np.median(rows, axis=-2), seed)[0]


def label_pairs(scores: Sequence[Labelled], seed: int) -> pd.DataFrame:
    """Each two potentials by one way, and each two ways with one potential, over all compounds.

    Returns
    -------
    pandas.DataFrame
        ``first_potential``, ``first_way``, ``second_potential``, ``second_way`` and what :func:`paired` has.
    """
    overall = [item for item in scores if item.group == ALL]
    return pd.DataFrame(
        [
            {
                "first_potential": first.potential,
                "first_way": first.way,
                "second_potential": second.potential,
                "second_way": second.way,
                **paired(first, second, seed),
            }
            for first, second in combinations(overall, 2)
            if (first.potential == second.potential) != (first.way == second.way)
        ]
    )
