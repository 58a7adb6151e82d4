"""The field's metrics over the materials of a study: mean absolute errors, and F1 of harmonic stability."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from softmode.crystal.arrays import FloatArray
from softmode.measurements.field_metrics import DOS_DISTANCE, FREQUENCY_FIGURES, THERMODYNAMIC_FIGURES
from softmode.statistics.bootstrap import UNDEFINED, bootstrap_over
from softmode.study.results import done, failed_phonons, numbers_in

#: Differences whose mean absolute value is given, by the name of the column it has.
ERRORS = {
    name.replace("_{}", ""): f"mesh_{name.format('difference')}"
    for name in (*FREQUENCY_FIGURES, *THERMODYNAMIC_FIGURES)
} | {DOS_DISTANCE: f"mesh_{DOS_DISTANCE}"}
STABILITY = ("accuracy", "precision", "recall", "f1")
STABLE = ("mesh_stable_reference", "mesh_stable_model")


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    quotient: FloatArray = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
    return quotient


def stability_scores(rows: FloatArray) -> FloatArray:
    """Accuracy, precision, recall and F1 of a verdict; positive: stable.

    Parameters
    ----------
    rows : (..., n, 2) array
        1 where the reference, and where the potential, is stable; else 0.

    Returns
    -------
    (..., 4) array
        NaN where there is nothing to divide by: no material is called stable (precision), is stable (recall)
        or either (F1).
    """
    is_stable, called = rows[..., 0], rows[..., 1]
    true = (is_stable * called).sum(axis=-1)
    n_stable, n_called = is_stable.sum(axis=-1), called.sum(axis=-1)
    right = (is_stable == called).mean(axis=-1)
    shares = [_ratio(true, n_called), _ratio(true, n_stable), _ratio(2.0 * true, n_called + n_stable)]
    return np.stack([right, *shares], axis=-1)


def _stability(good: pd.DataFrame, n_wrong: int, rng: np.random.Generator) -> dict[str, Any]:
    """Counts and scores; a failure is a wrong verdict where it counts: in F1 both kinds weigh the same."""
    rows = np.column_stack([good[name].astype(bool).to_numpy(float) for name in STABLE])
    true, n_stable, n_called = (float(column.sum()) for column in (rows[:, 0] * rows[:, 1], *rows.T))
    right = float((rows[:, 0] == rows[:, 1]).sum())
    scores: dict[str, Any] = {
        "stable_called_stable": int(true),
        "stable_called_unstable": int(n_stable - true),
        "unstable_called_stable": int(n_called - true),
        "unstable_called_unstable": int(right - true),
    }
    for name, score in zip(STABILITY, bootstrap_over(rows, stability_scores, rng), strict=True):
        scores |= score.columns(f"stability_{name}")
    of_all, either = len(rows) + n_wrong, n_stable + n_called + n_wrong
    return scores | {
        "stability_accuracy_failures_as_wrong": right / of_all,
        "stability_f1_failures_as_wrong": 2.0 * true / either if either else np.nan,
    }


def _errors(rows: pd.DataFrame, rng: np.random.Generator) -> dict[str, Any]:
    found: dict[str, Any] = {"n": len(rows)}
    for name, column in ERRORS.items():
        errors = np.abs(numbers_in(rows, column))
        known = errors[~np.isnan(errors)]
        mean = bootstrap_over(known, lambda drawn: drawn.mean(axis=-2), rng)[0] if len(known) else UNDEFINED
        found |= {**mean.columns(f"mae_{name}"), f"n_{name}": len(known)}
    return found


def field_metrics_table(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Mean absolute errors and scores of stability of each potential, with 95 % bootstrap intervals.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    seed : int
        Seed of the bootstrap over materials.

    Returns
    -------
    pandas.DataFrame
        Two rows for each potential that has phonons: over ``all`` its materials, and over those that are
        ``stable`` on both sides, of which thermodynamics leaves no mode out. ``n_…``: materials that a figure
        is of. Scores of stability stand in the first.
    """
    rows = []
    for potential, cells in table.groupby("potential", sort=False):
        good = done(cells, "harmonic")
        if good.empty:
            continue
        rng = np.random.default_rng(seed)
        n_failed, n_wrong = failed_phonons(cells)
        stable = good[good[list(STABLE)].astype(bool).all(axis=1)]
        who = {"potential": str(potential), "failed": n_failed}
        rows.append(
            {**who, "materials": "all", **_errors(good, rng), **_stability(good, n_wrong, rng)},
        )
        rows.append({**who, "materials": "stable", **_errors(stable, rng)})
    return pd.DataFrame(rows)
