"""The field's metrics over the materials of a study: mean absolute errors, and F1 of harmonic stability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from softmode.crystal.arrays import FloatArray, IntArray
from softmode.measurements.field_metrics import DOS_DISTANCE, FREQUENCY_FIGURES, THERMODYNAMIC_FIGURES
from softmode.statistics.bootstrap import Estimate, bootstrap_means, drawn_rows, sampled_counts, with_bounds
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
    return _scores(_counted(rows[..., 0], rows[..., 1]).sum(axis=-2), rows.shape[-2])


def _counted(is_stable: FloatArray, called: FloatArray) -> FloatArray:
    """What is counted of each material: stable and called so, stable, called stable, called what it is."""
    return np.stack([is_stable * called, is_stable, called, is_stable == called], axis=-1)


def _scores(counts: FloatArray, n: int) -> FloatArray:
    """Scores of stability from the sums over ``n`` materials of the four that are counted."""
    true, n_stable, n_called, right = np.moveaxis(counts, -1, 0)
    shares = [_ratio(true, n_called), _ratio(true, n_stable), _ratio(2.0 * true, n_called + n_stable)]
    return np.stack([right / n, *shares], axis=-1)


def sampled_scores(is_stable: FloatArray, called: FloatArray, drawn: IntArray) -> FloatArray:
    """Scores of stability in each bootstrap sample of the materials, ``(n_samples, 4)``.

    Parameters
    ----------
    is_stable, called : (n,) arrays
        1 where the reference, and where the potential, is stable; else 0.
    drawn : (n_samples, n) array
        From :func:`softmode.statistics.bootstrap.drawn_rows`.
    """
    counts = sampled_counts(_counted(is_stable, called) > 0.0, drawn)
    return _scores(counts.astype(np.float64), len(is_stable))


def _stability(good: pd.DataFrame, n_wrong: int, drawn: IntArray | None) -> dict[str, Any]:
    """Counts and scores; a failure is a wrong verdict where it counts: in F1 both kinds weigh the same."""
    is_stable, called = (good[name].astype(bool).to_numpy(float) for name in STABLE)
    n = len(good)
    counts = _counted(is_stable, called).sum(axis=0)
    true, n_stable, n_called, right = map(float, counts)
    scores: dict[str, Any] = {
        "stable_called_stable": int(true),
        "stable_called_unstable": int(n_stable - true),
        "unstable_called_stable": int(n_called - true),
        "unstable_called_unstable": int(right - true),
    }
    values = _scores(counts, n)
    found = tuple(Estimate(float(value)) for value in values)
    if drawn is not None:
        found = with_bounds(values, sampled_scores(is_stable, called, drawn))
    for name, score in zip(STABILITY, found, strict=True):
        scores |= score.columns(f"stability_{name}")
    of_all, either = n + n_wrong, n_stable + n_called + n_wrong
    return scores | {
        "stability_accuracy_failures_as_wrong": right / of_all,
        "stability_f1_failures_as_wrong": 2.0 * true / either if either else np.nan,
    }


@dataclass(frozen=True, eq=False)
class _Part:
    """Cells of a potential with phonons, of all or of stable materials, and the sizes of known errors."""

    potential: str
    failed: int
    n_wrong: int
    good: pd.DataFrame
    errors: Mapping[str, FloatArray]

    @classmethod
    def of(cls, cells: pd.DataFrame, good: pd.DataFrame) -> _Part:
        sizes = {name: np.abs(numbers_in(good, column)) for name, column in ERRORS.items()}
        known = {name: values[~np.isnan(values)] for name, values in sizes.items()}
        return cls(str(cells["potential"].iloc[0]), *failed_phonons(cells), good, known)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Parts of the same sizes share their bootstrap samples."""
        return len(self.good), *map(len, self.errors.values())


def _mean_errors(parts: Sequence[_Part], materials: str, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Rows of the table for parts of the same sizes, without stability."""
    rows: list[dict[str, Any]] = [
        {"potential": one.potential, "failed": one.failed, "materials": materials, "n": len(one.good)}
        for one in parts
    ]
    for name in ERRORS:
        means = bootstrap_means(np.column_stack([one.errors[name] for one in parts]), rng)
        for row, one, mean in zip(rows, parts, means, strict=True):
            row |= {**mean.columns(f"mae_{name}"), f"n_{name}": len(one.errors[name])}
    return rows


def _rows(every: Sequence[_Part], stable: Sequence[_Part], seed: int) -> list[tuple[dict[str, Any], ...]]:
    """Both rows of potentials whose parts have the same sizes."""
    rng = np.random.default_rng(seed)
    rows = _mean_errors(every, "all", rng)
    n = len(every[0].good)
    drawn = drawn_rows(n, rng) if n > 1 else None
    for row, one in zip(rows, every, strict=True):
        row |= _stability(one.good, one.n_wrong, drawn)
    return list(zip(rows, _mean_errors(stable, "stable", rng), strict=True))


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
    parts: list[tuple[_Part, _Part]] = []
    for _, cells in table.groupby("potential", sort=False):
        good = done(cells, "harmonic")
        if len(good):
            stable = good[good[list(STABLE)].astype(bool).all(axis=1)]
            parts.append((_Part.of(cells, good), _Part.of(cells, stable)))
    of_size: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for at, (every, stable_ones) in enumerate(parts):
        of_size.setdefault((every.sizes, stable_ones.sizes), []).append(at)
    found: dict[int, tuple[dict[str, Any], ...]] = {}
    for places in of_size.values():
        all_of, stable_of = ([parts[at][side] for at in places] for side in (0, 1))
        found |= zip(places, _rows(all_of, stable_of, seed), strict=True)
    return pd.DataFrame([row for at in sorted(found) for row in found[at]])
