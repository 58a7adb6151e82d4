"""What the paper says of harmonic phonons, checked in the numbers of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import kendalltau

from softmode.crystal.arrays import FloatArray
from softmode.measurements.harmonic_panels import VG, W2
from softmode.panel import (
    NOTHING,
    PUBLISHED,
    Entry,
    Panel,
    Row,
    RowList,
    RowsLink,
    Table,
    interval,
    linked,
    number,
    probability,
    row_list,
)
from softmode.published import published_harmonic
from softmode.report.paper.harmonic_data import SIGMA_REFERENCE, harmonic_errors, rank_correlations
from softmode.report.paper.missing import HALIDES, halides_missing, measurement_missing, models_missing
from softmode.report.paper.source import PaperData
from softmode.report.paper.supplement import FREQUENCY, reference_values
from softmode.statistics.bootstrap import Estimate, bootstrap_over, resampled
from softmode.style import group_name

HOLDS, FAILS, IN_PART, UNDECIDED = "holds", "does not hold", "in part", "not decided"
_LEVEL = 0.05
_TITLE = "Fig. 1 and S1–S6 in words: what the paper says, and this run"


@dataclass(frozen=True)
class Trend:
    """Whether a quantity falls along the halides.

    Parameters
    ----------
    medians : dict of str to float
        By group, light to heavy.
    n : int
        Materials.
    tau, p : float
        Kendall's rank correlation of the quantity with the place of the halide, and its significance; NaN
        for fewer than two halides.
    """

    medians: dict[str, float]
    n: int
    tau: float
    p: float

    @property
    def verdict(self) -> str:
        """Whether it falls: significantly so, and in the medians step by step."""
        if np.isnan(self.p) or self.p >= _LEVEL:
            return UNDECIDED
        if self.tau > 0.0:
            return FAILS
        steps = np.diff(list(self.medians.values()))
        return HOLDS if bool((steps < 0.0).all()) else IN_PART


def trend(values: Mapping[str, FloatArray]) -> Trend:
    """How a quantity changes from light to heavy halides.

    Parameters
    ----------
    values : mapping of str to array
        Of the materials, by group.
    """
    present = [group for group in HALIDES if len(values.get(group, ()))]
    medians = {group: float(np.median(values[group])) for group in present}
    every = np.concatenate([values[group] for group in present]) if present else np.empty(0)
    if len(present) < 2:
        return Trend(medians, len(every), float("nan"), float("nan"))
    place = np.concatenate([np.full(len(values[group]), HALIDES.index(group)) for group in present])
    found = kendalltau(place, every)
    return Trend(medians, len(every), float(found.statistic), float(found.pvalue))


@dataclass(frozen=True)
class Standing:
    """How potentials stand to each other over the materials that all of them have.

    Parameters
    ----------
    n : int
        Materials.
    medians : dict of str to float
        By potential, smallest first.
    best_share, worst_share : dict of str to float
        Share of bootstrap samples in which each has the smallest or the largest median.
    """

    n: int
    medians: dict[str, float]
    best_share: dict[str, float]
    worst_share: dict[str, float]


def standing(errors: pd.DataFrame, seed: int) -> Standing | None:
    """Compare potentials on the same materials.

    Parameters
    ----------
    errors : pandas.DataFrame
        One row per material, one column per potential; no gaps.
    seed : int
        Of the bootstrap over materials.

    Returns
    -------
    Standing or None
        None for fewer than two potentials or materials.
    """
    n, n_potentials = errors.shape
    if n < 2 or n_potentials < 2:
        return None
    values = errors.to_numpy(float)
    medians = np.median(values, axis=0)
    sampled = resampled(values, _medians, seed)
    order = np.argsort(medians, kind="stable")
    names = [str(name) for name in errors.columns]

    def share(places: NDArray[np.int64]) -> dict[str, float]:
        return {name: float(np.mean(places == place)) for place, name in enumerate(names)}

    return Standing(
        n=n,
        medians={names[place]: float(medians[place]) for place in order},
        best_share=share(np.argmin(sampled, axis=1)),
        worst_share=share(np.argmax(sampled, axis=1)),
    )


def _medians(rows: FloatArray) -> FloatArray:
    return np.asarray(np.median(rows, axis=-2))


def ratio_of_medians(first: FloatArray, second: FloatArray, seed: int) -> Estimate:
    """Median of one over that of the other, of the same materials, with its 95 % bootstrap interval.

    Parameters
    ----------
    first, second : (n,) arrays
        One value per material, positive.
    seed : int
        Of the bootstrap over materials.
    """

    def ratio(rows: FloatArray) -> FloatArray:
        medians = _medians(rows)
        return medians[..., :1] / medians[..., 1:]

    return bootstrap_over(np.column_stack([first, second]), ratio, seed)[0]


def certain(share: float) -> str:
    """Verdict on what happens in so many of the bootstrap samples."""
    if share >= 1.0 - _LEVEL / 2:
        return HOLDS
    return FAILS if share <= _LEVEL / 2 else UNDECIDED


def claims(data: PaperData) -> Panel:
    """What the paper says of harmonic phonons, with numbers and verdicts."""
    shown = tuple(data.paper_labels.values()) or data.labels
    errors = {label: harmonic_errors(data, label) for label in shown}
    errors = {label: _by_halide(rows) for label, rows in errors.items() if len(rows)}
    listing, links = row_list("claims_errors", errors)
    common = _common(data, errors)
    common_list, common_links = row_list("claims_models", {"all": common})
    reference_rows, reference_lists = _reference_rows(data)
    rows = [
        *_trend_rows(data, errors, links),
        *_model_rows(data, common, list(errors), common_links["all"]),
        *_sigma_rows(data, errors, links),
        *reference_rows,
    ]
    return Panel(
        key="claims",
        title=_TITLE,
        caption=(
            "Trends: medians by halide, and Kendall's rank correlation τ of the quantity with the place of "
            f"the halide. {HOLDS}: significant at 5 %, and the medians fall step by step; {IN_PART}: "
            f"significant, but not step by step; {UNDECIDED}: too few materials to tell. Models are compared "
            "on the materials that all of them have, by the bootstrap over materials. Tests are not "
            "corrected for their number. "
            f"The paper in short: {published_harmonic().trend}."
        ),
        tables=(
            Table(
                name="claims",
                title="Statements and numbers",
                columns=("the paper says", "of", "this run", "n", "test", "verdict"),
                rows=tuple(rows),
            ),
        ),
        missing=(
            *models_missing(data),
            *halides_missing(data),
            *measurement_missing(data, "harmonic"),
            *measurement_missing(data, "sigma"),
        ),
        lists=tuple(item for item in (listing, common_list, *reference_lists) if len(item.frame)),
    )


def _by_halide(rows: pd.DataFrame) -> pd.DataFrame:
    order = {group: place for place, group in enumerate(HALIDES)}
    kept = rows[rows["group"].isin(HALIDES)]
    return kept.sort_values("group", key=lambda column: column.map(order), kind="stable")


def _values(rows: pd.DataFrame, column: str) -> dict[str, FloatArray]:
    return {str(group): part[column].to_numpy(float) for group, part in rows.groupby("group")}


def _claim(
    said: str, of: str, link: RowsLink | None = None, texts: Sequence[str] = (), verdict: str = UNDECIDED
) -> Row:
    """A line of the table: what the paper says, of which potential, and `texts`: this run, n, test."""
    return (Entry(said, PUBLISHED), of, *linked(texts or [NOTHING] * 3, link), verdict)


def _trend_row(said: str, of: str, found: Trend, link: RowsLink, unit: str) -> Row:
    if not found.n:
        return _claim(said, of)
    shown = " → ".join(f"{group_name(group)} {number(value)}" for group, value in found.medians.items())
    test = NOTHING if np.isnan(found.tau) else f"τ = {found.tau:.2f}, p {_p(found.p)}"
    return _claim(said, of, link, [f"{shown} {unit}", str(found.n), test], found.verdict)


def _p(value: float) -> str:
    text = probability(value)
    return text if text.startswith("<") else f"= {text}"


def _trend_rows(
    data: PaperData, errors: Mapping[str, pd.DataFrame], links: Mapping[str, RowsLink]
) -> list[Row]:
    rows = []
    for column, name, unit in ((W2, "RMSE(ω²)", "THz²"), (VG, "RMSE(v_g)", "THz·Å")):
        for label, part in errors.items():
            claim = f"{name} falls from fluorides to iodides"
            found = trend(_values(part, column))
            rows.append(_trend_row(claim, data.shown_as(label), found, links[label], unit))
    return rows


def _common(data: PaperData, errors: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Materials that all potentials have: RMSE(ω²) and record of each."""
    columns = [W2, "record", "digest"]
    parts = [part.set_index("material")[columns].add_prefix(f"{of}: ") for of, part in errors.items()]
    if not parts:
        return pd.DataFrame()
    joined = reduce(lambda first, second: first.join(second, how="inner"), parts)
    formulas = data.cells.drop_duplicates("material").set_index("material")["formula"]
    joined.insert(0, "formula", formulas.reindex(joined.index))
    return joined.reset_index()


def _model_rows(data: PaperData, common: pd.DataFrame, labels: Sequence[str], link: RowsLink) -> list[Row]:
    """Which of the paper's models is best and which is worst, and by how much."""
    said = published_harmonic()
    seed = data.study.settings.conditions.seed
    values = pd.DataFrame({label: common[f"{label}: {W2}"] for label in labels}) if labels else pd.DataFrame()
    found = standing(values, seed)
    of = f"{len(labels)} models" if data.paper_labels else "none of the paper's models"
    best, worst = (data.paper_labels.get(name) for name in (said.best_model, said.worst_model))
    rows: list[Row] = []
    for name, what, label in ((said.best_model, "smallest", best), (said.worst_model, "largest", worst)):
        claim = f"{name} has the {what} RMSE(ω²)"
        if found is None or label not in found.medians:
            rows.append(_claim(claim, of))
            continue
        order = " < ".join(f"{model} {number(value)}" for model, value in found.medians.items())
        share = (found.best_share if what == "smallest" else found.worst_share)[label]
        test = f"in {100 * share:.1f} % of bootstrap samples"
        rows.append(_claim(claim, of, link, [f"medians {order} THz²", str(found.n), test], certain(share)))
    times = said.worst_over_best
    claim = f"that of {said.worst_model} is about {times:g} times that of {said.best_model}"
    if found is None or best not in values or worst not in values:
        return [*rows, _claim(claim, of)]
    ratio = ratio_of_medians(values[worst].to_numpy(float), values[best].to_numpy(float), seed)
    verdict = HOLDS if ratio.low <= times <= ratio.high else "more" if ratio.value > times else "less"
    texts = [f"{interval(*ratio)} times", str(found.n), "95 % bootstrap interval"]
    return [*rows, _claim(claim, of, link, texts, verdict)]


def _sigma_rows(
    data: PaperData, errors: Mapping[str, pd.DataFrame], links: Mapping[str, RowsLink]
) -> list[Row]:
    """Whether errors grow with σ of the reference, in each halide."""
    rows: list[Row] = []
    seed = data.study.settings.conditions.seed
    for label, part in errors.items():
        found = {
            group: rank_correlations(part[part["group"] == group], seed)
            for group in HALIDES
            if (part["group"] == group).any()
        }
        known = {group: item for group, item in found.items() if not np.isnan(item.w2.value)}
        claim, of = "RMSE(ω²) grows with ⟨σ(t)⟩ of the reference, in all halides", data.shown_as(label)
        if not known:
            rows.append(_claim(claim, of))
            continue
        grows = [group for group, item in known.items() if item.w2.low > 0.0]
        falls = [group for group, item in known.items() if item.w2.high < 0.0]
        shown = ", ".join(f"{group_name(group)} ρ = {item.w2.value:.2f}" for group, item in known.items())
        verdict = FAILS if falls else HOLDS if len(grows) == len(known) else IN_PART if grows else UNDECIDED
        test = f"95 % interval above 0 in {len(grows)} of {len(known)}"
        n = str(sum(item.n for item in known.values()))
        rows.append(_claim(claim, of, links[label], [shown, n, test], verdict))
    return rows


def _reference_rows(data: PaperData) -> tuple[list[Row], list[RowList]]:
    rows: list[Row] = []
    lists: list[RowList] = []
    for column, measurement, name, what, unit in (
        (SIGMA_REFERENCE, "reference_sigma", "claims_sigma", "⟨σ(t)⟩ of the reference", ""),
        (FREQUENCY, "harmonic", "claims_frequency", "⟨ω⟩ of the reference", "THz"),
    ):
        values = reference_values(data, column, measurement)
        listing, links = row_list(name, {"all": values})
        lists.append(listing)
        claim = f"{what} falls from fluorides to iodides"
        rows.append(_trend_row(claim, "reference", trend(_values(values, "value")), links["all"], unit))
    return rows, lists
