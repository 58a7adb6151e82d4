"""Anharmonicity results of a study: confusion matrices over materials, from the table of cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from softmode.anharmonic.classes import CLASSES, class_indices, confusion_matrix
from softmode.statistics.confusion import FIGURES, ConfusionMatrix, with_intervals
from softmode.statistics.rank_correlation import correlations
from softmode.statistics.recalibration import enough_labels, held_out_probabilities
from softmode.study.results import FAILED, LOST_BY, OK, best_median_worst, crystal_lost, done, numbers_in

#: Approaches that are compared with the reference in confusion matrices (paper Fig. 3 and 4), and the
#: measurement each comes from.
MEASURED_BY = {"phi_ref": "sigma", "phi_model": "sigma", "model_only": "model_only"}
#: Those on the reference's own configurations.
COMPARED = ("phi_ref", "phi_model")
#: σ that stands for a crystal lost in dynamics, unless it was larger: one of the class unstable.
LOST = 2.0
#: In place of a group: all materials.
ALL = "all"


def reference_sigma(table: pd.DataFrame) -> dict[str, float]:
    """⟨σ(t)⟩_t of the reference by material, from whichever cell of the material has it."""
    if "sigma_reference_mean_t" not in table:
        return {}
    first = table[table["sigma_reference_mean_t"].notna()].drop_duplicates("material")
    return dict(zip(first["material"], first["sigma_reference_mean_t"].astype(float), strict=True))


def compared_approaches(table: pd.DataFrame) -> tuple[str, ...]:
    """Approaches of which a study has anything to compare with the reference."""
    return tuple(name for name, measurement in MEASURED_BY.items() if f"{measurement}_state" in table)


@dataclass(frozen=True, eq=False)
class Compared:
    """σ of reference and potential over materials.

    Parameters
    ----------
    rows : pandas.DataFrame
        The cells.
    reference, model : (n,) arrays
        ⟨σ(t)⟩_t; the model's is NaN where it failed.
    failed : (n,) bool array
        Cells that failed although the material's reference σ is known.
    collapsed : (n,) bool array
        Cells whose own dynamics lost the crystal; their σ is that of the frames before, if there are any.
    certain : (n,) bool array
        Cells with intervals on both sides.
    """

    rows: pd.DataFrame
    reference: NDArray[np.float64]
    model: NDArray[np.float64]
    failed: NDArray[np.bool_]
    collapsed: NDArray[np.bool_]
    certain: NDArray[np.bool_]


def compared_sigma(table: pd.DataFrame, potential: str, approach: str, group: str = ALL) -> Compared:
    """σ of reference and potential over materials.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`, of all potentials: where one failed, another's cell
        knows the reference.
    potential, approach : str
        What is compared.
    group : str
        Materials of this group only.
    """
    return _compared(table, potential, approach, group, reference_sigma(table), _with_interval(table))


def _compared(
    table: pd.DataFrame,
    potential: str,
    approach: str,
    group: str,
    known: Mapping[str, float],
    with_interval: set[str],
) -> Compared:
    """As :func:`compared_sigma`, of materials with a reference σ, and those with an interval of it."""
    state = f"{MEASURED_BY[approach]}_state"
    rows = table[(table["potential"] == potential) & table["material"].isin(known)]
    rows = rows if group == ALL else rows[rows["group"] == group]
    rows = rows[rows[state].isin([OK, FAILED])] if state in rows else rows.iloc[:0]
    failed = (rows[state] == FAILED).to_numpy(bool) if state in rows else np.zeros(0, bool)
    lost = crystal_lost(rows) if approach == "model_only" else np.zeros(len(rows), bool)
    names = rows["material"].to_numpy(object)  # strings of pandas are slow one by one
    return Compared(
        rows=rows,
        reference=np.array([known[name] for name in names], dtype=np.float64),
        model=numbers_in(rows, f"sigma_{approach}_mean_t"),
        failed=failed,
        collapsed=lost & ~failed,
        certain=np.array([name in with_interval for name in names], dtype=bool)
        & np.isfinite(numbers_in(rows, f"sigma_{approach}_mean_t_low")),
    )


def _with_interval(table: pd.DataFrame) -> set[str]:
    """Materials whose reference σ has an interval."""
    if "sigma_reference_mean_t_low" not in table:
        return set()
    return set(table.loc[table["sigma_reference_mean_t_low"].notna(), "material"])


def _compared_columns(table: pd.DataFrame) -> pd.DataFrame:
    """The columns that a comparison reads: rows of a few are taken a hundred times faster than of all."""
    ends = ("", "_low")
    of_sigma = [f"sigma_{side}_mean_t{end}" for side in ("reference", *MEASURED_BY) for end in ends]
    states = [f"{measurement}_state" for measurement in MEASURED_BY.values()]
    names = {"material", "potential", "group", *of_sigma, *states, *LOST_BY}
    return table[[name for name in table if name in names]]


def confusion(table: pd.DataFrame, potential: str, approach: str, group: str = ALL) -> ConfusionMatrix:
    """Confusion matrix of a potential and approach; arguments as for :func:`compared_sigma`."""
    return _matrix(compared_sigma(table, potential, approach, group))


def _matrix(found: Compared) -> ConfusionMatrix:
    return confusion_matrix(found.reference, found.model, found.failed, collapsed=found.collapsed)


def confusion_table(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Confusion matrices and their summary figures with intervals, overall and by group.

    Returns
    -------
    pandas.DataFrame
        One row per potential, approach and group (``all`` first), once with failures left out and once with
        failures counted as wrong.
    """
    known, certain = reference_sigma(table), _with_interval(table)
    if not known:
        return pd.DataFrame(columns=["potential", "approach", "group"])
    table = _compared_columns(table)
    rows = []
    for potential, cells in table.groupby("potential", sort=False):
        groups = [ALL]
        if cells["group"].nunique() > 1:
            groups += [str(group) for group in cells["group"].unique()]
        for approach in compared_approaches(table):
            for group in groups:
                found = _compared(cells, str(potential), approach, group, known, certain)
                of_what = {
                    "potential": potential,
                    "approach": approach,
                    "group": group,
                    "n_collapsed": int(found.collapsed.sum()),
                    "n_without_interval": int((~found.certain & ~found.failed & ~found.collapsed).sum()),
                }
                rows += [of_what | figures for figures in _figures(_matrix(found), seed)]
    return pd.DataFrame(rows)


def _figures(matrix: ConfusionMatrix, seed: int) -> Iterator[dict[str, Any]]:
    for as_wrong in (False, True):
        estimate = with_intervals(matrix, seed, failures_as_wrong=as_wrong)
        row: dict[str, Any] = {
            "failures_as_wrong": as_wrong,
            "n": matrix.n_materials,
            "failed": matrix.n_failed,
        }
        for name in FIGURES:
            row |= getattr(estimate, name).columns(name)
        for i, of_reference in enumerate(CLASSES):
            for j, of_model in enumerate(CLASSES):
                cell = f"{of_reference}_called_{of_model}"
                row[f"{cell}_count"] = int(matrix.counts[i, j])
                row[f"{cell}_rate"] = estimate.rates[i, j]
                row[f"{cell}_rate_low"] = estimate.rates_low[i, j]
                row[f"{cell}_rate_high"] = estimate.rates_high[i, j]
        yield row


def with_learnt_classes(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Cells with class probabilities that know how wrong the potential is.

    They are learnt from the classes that the reference gives the *other* materials, where these are enough
    (:mod:`softmode.statistics.recalibration`).

    Returns
    -------
    pandas.DataFrame
        Columns ``sigma_<approach>_learnt_p_<class>`` added for approaches that have any.
    """
    learnt, table = table.copy(), _compared_columns(table)
    for potential in table["potential"].unique() if reference_sigma(table) else ():
        for approach in compared_approaches(table):
            found = compared_sigma(table, str(potential), approach)
            model = np.where(found.collapsed, np.fmax(found.model, LOST), found.model)
            known = np.isfinite(model) & ~found.failed
            classes = class_indices(found.reference[known])
            if not enough_labels(classes, len(CLASSES)):
                continue
            chances = held_out_probabilities(model[known], classes, len(CLASSES), seed=seed)
            for index, name in enumerate(CLASSES):
                column = f"sigma_{approach}_learnt_p_{name}"
                learnt.loc[found.rows.index[known], column] = chances[:, index]
    return learnt


def error_correlations(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Correlation over materials of |σ_phi_model - σ_reference| with RMSE(ω²) (cf. paper Fig. 1a).

    Returns
    -------
    pandas.DataFrame
        One row per potential: Pearson's and Spearman's coefficients with 95 % bootstrap intervals.
    """
    names = ["potential", "sigma_state", "harmonic_state", "path_rmse_w2_THz2"]
    names += [f"sigma_{side}_mean_t" for side in ("reference", "phi_model")]
    good = done(done(table[[name for name in names if name in table]], "sigma"), "harmonic")
    rows = []
    for potential, cells in good.groupby("potential", sort=False):
        error = (cells["sigma_phi_model_mean_t"] - cells["sigma_reference_mean_t"]).abs().to_numpy(float)
        pearson, spearman = correlations(cells["path_rmse_w2_THz2"].to_numpy(float), error, seed)
        found = pearson.columns("pearson") | spearman.columns("spearman")
        rows.append({"potential": potential, "n": len(cells), **found})
    return pd.DataFrame(rows, columns=None if rows else ["potential", "n"])


def sigma_extremes(table: pd.DataFrame, potential: str) -> dict[str, str]:
    """Materials on which |σ_phi_model - σ_reference| of a potential is smallest, median and largest."""
    good = done(table[table["potential"] == potential], "sigma")
    if good.empty:
        return {}
    difference = (good["sigma_phi_model_mean_t"] - good["sigma_reference_mean_t"]).abs()
    return best_median_worst(good.assign(difference=difference), "difference")
