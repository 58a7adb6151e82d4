"""What potentials alone say, beside published labels: classes, ranks, probabilities, lattices, soft modes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from softmode.anharmonic.classes import CLASSES, class_indices, classify, confusion_matrix
from softmode.anharmonic.label_score import LabelScore, score_against_labels
from softmode.crystal.arrays import FloatArray
from softmode.errors import InputDataError
from softmode.statistics.bootstrap import Estimate
from softmode.statistics.confusion import FIGURES, of_the_whole
from softmode.statistics.recalibration import enough_labels, held_out_probabilities, recalibrate
from softmode.structures.labels import Labels, compound_key, read_labels
from softmode.study.results import FAILED, OK, numbers_in
from softmode.study.screening import LOSES, softest, ways
from softmode.study.settings import LabelSettings
from softmode.study.sigma_results import ALL, LOST
from softmode.style import order_groups

_LATTICE_COLUMN = "a_A"
_MODE_COLUMN = re.compile(r"w_(\w+)_THz")


@dataclass(frozen=True, eq=False)
class Labelled:
    """Compounds of one potential with a label, and what was computed for them.

    Parameters
    ----------
    potential, way, group : str
        Which potential, which way to σ, which compounds.
    formulas : tuple of str
        The compounds.
    label, model : (n,) arrays
        σ of the label and ⟨σ(t)⟩_t of the potential, NaN where it failed; at least 2 where its own dynamics
        lost the crystal.
    low, high : (n,) arrays
        95 % interval of the model's, NaN where there is none.
    groups : tuple of str
        Group of each compound.
    failed : (n,) bool array
        Where the potential has no result.
    lost : (n,) bool array
        Where its own dynamics lost the crystal, or saw it leave its phase.
    whole : mapping of bool to mapping of str to Estimate
        Figures of the confusion matrix if each compound stands for those of its halide and class in the list
        of labels; with failures left out (False) and counted as wrong (True). A draw that is balanced over
        these has other proportions than the list.
    score : LabelScore
        How well the two agree.
    learnt : (n, 3) array
        Class probabilities learnt from the labels of the *other* compounds, NaN where there are too few.
    learnt_score : LabelScore
        How good those are.
    """

    potential: str
    way: str
    group: str
    formulas: tuple[str, ...]
    label: FloatArray
    model: FloatArray
    low: FloatArray
    high: FloatArray
    groups: tuple[str, ...]
    failed: NDArray[np.bool_]
    lost: NDArray[np.bool_]
    whole: Mapping[bool, Mapping[str, Estimate]]
    score: LabelScore
    learnt: FloatArray
    learnt_score: LabelScore


def open_labels(settings: LabelSettings) -> Labels:
    """Read the labels of a study.

    Raises
    ------
    InputDataError
        If the file cannot be used.
    """
    return read_labels(settings.path, settings.formula_column, settings.sigma_column, settings.accept)


def with_labels(table: pd.DataFrame, labels: Labels) -> pd.DataFrame:
    """Rows whose compound has a label, which is added as a column, and how many of its kind the list has.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    labels : Labels
        From :func:`open_labels`.

    Returns
    -------
    pandas.DataFrame
        With ``label`` (σ), ``stratum`` (halide and class) and ``stratum_size``.
    """
    sizes = Counter((label.group, classify(label.sigma)) for label in labels.labels)
    found = []
    for _, cell in table.iterrows():
        site = cell.get("site_A")
        tags = {"site_A": site} if isinstance(site, str) else {}
        name = cell["formula"] if cell["prototype"] else cell["material"]
        try:
            label = labels.find(str(name), tags)
        except InputDataError:
            label = None  # the name of a file, not a formula: it has no label
        kind = ("", "") if label is None else (label.group, classify(label.sigma))
        found.append((np.nan if label is None else label.sigma, kind, sizes[kind]))
    columns = pd.DataFrame(found, columns=["label", "stratum", "stratum_size"], index=table.index)
    return table.join(columns).dropna(subset="label")


def labelled(table: pd.DataFrame, labels: Labels, seed: int) -> list[Labelled]:
    """Scores of each potential and way to σ against the labels, overall and by group.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    labels : Labels
        From :func:`open_labels`.
    seed : int
        Seed of the bootstrap over compounds.
    """
    known = with_labels(table, labels)
    return [
        _labelled(rows, str(potential), way, group, seed)
        for potential, cells in known.groupby("potential", sort=False)
        for way in ways(table)
        for group, rows in _groups(cells)
    ]


def _groups(cells: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    yield ALL, cells
    if cells["group"].nunique() > 1:
        for group in order_groups(cells["group"]):
            yield group, cells[cells["group"] == group]


def _labelled(rows: pd.DataFrame, potential: str, way: str, group: str, seed: int) -> Labelled:
    rows = rows[rows[f"{way}_state"].isin([OK, FAILED])]
    prefix = f"sigma_{way}"
    failed = (rows[f"{way}_state"] == FAILED).to_numpy(bool)
    model = np.where(failed, np.nan, numbers_in(rows, f"{prefix}_mean_t"))
    lost = LOSES[way](rows) & ~failed if way in LOSES else np.zeros(len(rows), bool)
    model = np.where(lost, np.fmax(model, LOST), model)  # unstable, whatever σ was in the frames before
    chances = np.column_stack([numbers_in(rows, f"{prefix}_p_{name}") for name in CLASSES])
    label = rows["label"].to_numpy(float)
    learnt = np.full((len(rows), len(CLASSES)), np.nan)
    known = np.isfinite(model)
    learnt[known] = held_out_probabilities(model[known], class_indices(label[known]), len(CLASSES), seed=seed)
    return Labelled(
        potential=potential,
        way=way,
        group=group,
        formulas=tuple(rows["formula"]),
        label=label,
        model=model,
        low=numbers_in(rows, f"{prefix}_mean_t_low"),
        high=numbers_in(rows, f"{prefix}_mean_t_high"),
        groups=tuple(rows["group"]),
        failed=failed,
        lost=lost,
        whole=_of_the_list(rows, model, failed, seed),
        score=score_against_labels(label, model, chances, seed=seed, failed=failed),
        learnt=learnt,
        learnt_score=score_against_labels(label, model, learnt, seed=seed, failed=failed),
    )


def _of_the_list(
    rows: pd.DataFrame, model: FloatArray, failed: NDArray[np.bool_], seed: int
) -> dict[bool, dict[str, Estimate]]:
    """Figures of the confusion matrix if each compound stands for those of its kind in the list."""
    label, kinds = rows["label"].to_numpy(float), rows["stratum"].to_numpy()
    strata = []
    for kind in sorted(set(kinds)):
        own = np.array([each == kind for each in kinds], dtype=bool)
        matrix = confusion_matrix(label[own], model[own], failed[own])
        strata.append((matrix, int(rows["stratum_size"].to_numpy()[own][0])))
    return {wrong: of_the_whole(strata, seed, failures_as_wrong=wrong) for wrong in (False, True)}


def with_learnt_probabilities(ranked: pd.DataFrame, scores: list[Labelled]) -> pd.DataFrame:
    """Ranked table with class probabilities that know how wrong the potential is.

    Parameters
    ----------
    ranked : pandas.DataFrame
        From :func:`softmode.study.screening.screening_table`.
    scores : list of Labelled
        From :func:`labelled`.

    Returns
    -------
    pandas.DataFrame
        Columns ``sigma_<way>_learnt_p_<class>`` added: for labelled compounds learnt from the others, for the
        rest from all.
    """
    table = ranked.copy()
    for item in scores:
        known = np.isfinite(item.model)
        outcome = class_indices(item.label[known])
        if item.group != ALL or not enough_labels(outcome, len(CLASSES)):
            continue
        column = f"sigma_{item.way}"
        rows = (table["potential"] == item.potential) & table[column].notna()
        chances = recalibrate(item.model[known], outcome, len(CLASSES)).probabilities(
            table.loc[rows, column].to_numpy(float)
        )
        held_out = dict(zip(item.formulas, item.learnt, strict=True))
        for place, formula in enumerate(table.loc[rows, "formula"]):
            chances[place] = held_out.get(formula, chances[place])
        for index, name in enumerate(CLASSES):
            table.loc[rows, f"{column}_learnt_p_{name}"] = chances[:, index]
    return table


def label_table(scores: list[Labelled]) -> pd.DataFrame:
    """One row per potential, way, group and treatment of failures, with intervals."""
    rows = []
    for item in scores:
        for agreement, learnt in (
            (item.score.successes, item.learnt_score.successes),
            (item.score.failures_wrong, item.learnt_score.failures_wrong),
        ):
            row: dict[str, object] = {
                "potential": item.potential,
                "way": item.way,
                "group": item.group,
                "failures_as_wrong": agreement.failures_as_wrong,
                "n": agreement.n,
                "failed": item.score.n_failed,
                "crystals_lost": int(item.lost.sum()),
            }
            confusion = agreement.confusion
            for name, estimate in {
                **{name: getattr(confusion, name) for name in FIGURES},
                **{f"{name}_of_list": item.whole[agreement.failures_as_wrong][name] for name in FIGURES},
                "spearman": agreement.spearman,
                "kendall": agreement.kendall,
                "brier": agreement.brier,
                "log_loss": agreement.log_loss,
                "brier_learnt": learnt.brier,
                "log_loss_learnt": learnt.log_loss,
                "mae_sigma": item.score.mean_absolute_difference,
                "median_difference_sigma": item.score.median_difference,
            }.items():
                row |= estimate.columns(name)
            for i, of_label in enumerate(CLASSES):
                for j, of_model in enumerate(CLASSES):
                    row[f"{of_label}_called_{of_model}_count"] = int(confusion.matrix.counts[i, j])
            rows.append(row)
    return pd.DataFrame(rows)


def lattices_and_modes(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Lattice constants and softest modes beside those of a label file that has them.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    path : Path
        CSV with a formula in each row and columns ``a_A`` (Å) or ``w_<point>_THz``, the lowest frequency at a
        point of the Brillouin zone (``w_Gamma_THz``; imaginary negative; zero at Γ where nothing is soft).

    Returns
    -------
    pandas.DataFrame
        ``formula, potential, quantity, label, model``; ``quantity`` is ``a_A`` or the point. Empty when the
        file has none of these columns.
    """
    published = pd.read_csv(path)
    modes = {match[1]: name for name in published.columns if (match := _MODE_COLUMN.fullmatch(str(name)))}
    columns = [*([_LATTICE_COLUMN] if _LATTICE_COLUMN in published else []), *modes.values()]
    empty = pd.DataFrame(columns=["formula", "group", "potential", "quantity", "label", "model"])
    formulas = next((name for name in ("formula", "system", "compound") if name in published), None)
    if not columns or formulas is None or "model_a_A" not in table:
        return empty
    by_key = {compound_key(str(row[formulas])): row for _, row in published.iterrows()}
    points = softest(table).set_index(["material", "potential"])
    rows = []
    for _, cell in table[table["model_phonons_state"] == OK].iterrows():
        row = by_key.get(compound_key(str(cell["formula"]), cell.get("site_A")))
        if row is None:
            continue
        at_points = points.loc[(cell["material"], cell["potential"])]
        pairs = {_LATTICE_COLUMN: (row.get(_LATTICE_COLUMN), cell["model_a_A"])}
        for name, column in modes.items():
            point = "Γ" if name.lower() == "gamma" else name
            if point in at_points:
                lowest = float(at_points[point])
                pairs[point] = (row[column], min(lowest, 0.0) if point == "Γ" else lowest)
        rows += [
            (cell["formula"], cell["group"], cell["potential"], quantity, label, model)
            for quantity, (label, model) in pairs.items()
            if label is not None and np.isfinite(float(label))
        ]
    return pd.DataFrame(rows, columns=empty.columns)


def lattice_and_mode_errors(pairs: pd.DataFrame) -> pd.DataFrame:
    """Errors of lattice constants (relative) and softest modes (THz; and agreement on their being imaginary).

    Parameters
    ----------
    pairs : pandas.DataFrame
        From :func:`lattices_and_modes`.
    """
    rows = []
    for (potential, quantity), part in pairs.groupby(["potential", "quantity"], sort=False):
        label, model = part["label"].to_numpy(float), part["model"].to_numpy(float)
        relative = quantity == _LATTICE_COLUMN
        difference = model / label - 1.0 if relative else model - label
        row = {
            "potential": potential,
            "quantity": quantity,
            "unit": "relative" if relative else "THz",
            "n": len(part),
            "mean_difference": float(difference.mean()),
            "median_difference": float(np.median(difference)),
            "mae": float(np.abs(difference).mean()),
            "rmse": float(np.sqrt(np.mean(difference**2))),
        }
        if not relative:
            row["same_sign_share"] = float(np.mean((label < -0.1) == (model < -0.1)))
        rows.append(row)
    return pd.DataFrame(rows)
