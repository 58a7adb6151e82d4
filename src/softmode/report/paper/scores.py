"""Figs. S7–S9: scores of potentials against the reference's, differences; beyond the paper, their parts."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import skew

from softmode.anharmonic.classes import CLASSES
from softmode.measurements.sampled import WAYS
from softmode.panel import (
    NOTHING,
    Entry,
    Panel,
    Picture,
    Row,
    RowList,
    RowsLink,
    Table,
    estimate,
    interval,
    linked,
    number,
    row_list,
)
from softmode.report.paper.attribution_figures import attribution_figure
from softmode.report.paper.classes import classified
from softmode.report.paper.matrix_tables import signed_interval
from softmode.report.paper.missing import (
    halides_missing,
    main_model_missing,
    measurement_missing,
    models_missing,
)
from softmode.report.paper.sigma_figures import difference_histograms, score_scatter, trace_figure
from softmode.report.paper.source import PaperData
from softmode.statistics.bootstrap import bootstrap_median
from softmode.statistics.shares import wilson_interval
from softmode.study.md_results import PARTS, SUM_NAMES, attribution, attribution_summary
from softmode.study.sigma_results import COMPARED

#: Differences of the score below minus this, or above it, are counted as tails.
_TAIL = 0.1
_FEWEST_FOR_SKEW = 8
_OF_PARTS = (
    "sigma_reference",
    "sigma_phi_ref",
    "sigma_phi_model",
    "sigma_model_only",
    "difference",
    *PARTS,
    "largest",
    "collapsed",
)


def _frames(data: PaperData, approach: str) -> dict[str, pd.DataFrame]:
    """Classified materials by label, leaving out potentials without any."""
    found = {label: classified(data, label, approach) for label in data.labels}
    return {label: frame for label, frame in found.items() if frame["difference"].notna().any()}


def _missing(data: PaperData) -> tuple[str, ...]:
    return (*models_missing(data), *measurement_missing(data, "sigma"), *halides_missing(data))


def most_stabilised(frame: pd.DataFrame) -> str | None:
    """Material whose score falls furthest below the reference's; None when none does.

    Parameters
    ----------
    frame : pandas.DataFrame
        From :func:`~softmode.report.paper.classes.classified`.
    """
    known = frame[frame["difference"] < 0.0]
    return None if known.empty else str(known.loc[known["difference"].idxmin(), "material"])


def s7(data: PaperData) -> Panel:
    """Scores with the potential's own force constants, and σ(t) of the most over-stabilised material."""
    frames = _frames(data, "phi_model")
    listed, _ = row_list("s7_materials", frames)
    main = data.main_label if data.main_label in frames else next(iter(frames), "")
    material = most_stabilised(frames[main]) if main else None
    panel = Panel(
        key="s7",
        title="Fig. S7: scores with the potential's own force constants",
        caption=(
            "⟨σ(t)⟩ of each potential on the reference's frames with its own force constants, against the "
            "reference's. The article mentions Fig. S7(d) only as an example of a material that the model "
            "makes too stable; below is σ(t) of the one on which "
            f"{data.shown_as(main) if main else data.main_label} does so most, frame by frame."
        ),
        missing=_missing(data),
    )
    if not frames:
        return panel
    shown = {data.shown_as(label): frame for label, frame in frames.items()}
    example = None if material is None else (data.shown_as(main), material)
    title = "Score of the potential against the reference's"
    scores = Picture("s7_scores", title, partial(score_scatter, shown, example))
    if material is None:
        return replace(panel, pictures=(scores,), lists=(listed,))
    records = {label: data.record(material, label, "sigma") for label in frames}
    there = {data.shown_as(label): record for label, record in records.items() if record is not None}
    formula = data.formula(material)
    trace = Picture("s7_trace", f"σ(t) of {formula}", partial(trace_figure, there, formula))
    table = _example_table(data, material, list(frames))
    return replace(panel, pictures=(scores, trace), tables=(table,), lists=(listed,))


def _example_table(data: PaperData, material: str, labels: list[str]) -> Table:
    rows: list[Row] = []
    for label in labels:
        chosen = data.rows(label, "sigma")
        chosen = chosen[chosen["material"] == material]
        if chosen.empty:
            continue
        link = data.link(material, label, "sigma")
        first, *others = (
            estimate(chosen.iloc[0], f"sigma_{side}_mean_t") for side in ("reference", *COMPARED)
        )
        of_reference = Entry(first, data.link(material, label, "reference_sigma") or link)
        rows.append((data.formula(material), data.shown_as(label), of_reference, *linked(others, link)))
    return Table(
        name="s7_example",
        title="⟨σ(t)⟩ of the example",
        columns=("material", "potential", "reference", *(WAYS[approach] for approach in COMPARED)),
        rows=tuple(rows),
        note="With 95 % intervals where there are enough independent frames.",
    )


def s8(data: PaperData) -> Panel:
    """Differences of the score with the force constants of the reference."""
    return _differences(
        data,
        "phi_ref",
        "s8",
        "Fig. S8: differences of the score, force constants of the reference",
        "The article's text does not say what Fig. S8 shows; here are the differences of Fig. S9 with the "
        "force constants of the reference.",
    )


def s9(data: PaperData) -> Panel:
    """Differences of the score with the potential's own force constants."""
    return _differences(
        data,
        "phi_model",
        "s9",
        "Fig. S9: differences of the score, force constants of the potential",
        "The paper finds strong tails on the negative side: unstable and strongly anharmonic materials "
        "are made too stable.",
    )


def _differences(data: PaperData, approach: str, key: str, title: str, said: str) -> Panel:
    frames = _frames(data, approach)
    panel = Panel(
        key=key,
        title=title,
        caption=(
            "⟨σ(t)⟩ of the potential minus the reference's, on the reference's frames, "
            f"{WAYS[approach]}, stacked by class of the reference. Values beyond the axis are in "
            f"the outermost bins. {said}"
        ),
        missing=_missing(data),
    )
    if not frames:
        return panel
    listed, table, words = difference_rows(data, frames, key, data.study.settings.conditions.seed)
    shown = {data.shown_as(label): frame for label, frame in frames.items()}
    draw = partial(difference_histograms, shown, words)
    picture = Picture(key, "Differences of the score by potential", draw)
    return replace(panel, pictures=(picture,), tables=(table,), lists=(listed,))


def difference_rows(
    data: PaperData, frames: dict[str, pd.DataFrame], key: str, seed: int
) -> tuple[RowList, Table, list[str]]:
    """List, table, and words for each panel of differences of the score.

    Parameters
    ----------
    data : PaperData
        The run.
    frames : dict of str to pandas.DataFrame
        From :func:`~softmode.report.paper.classes.classified` by label.
    key : str
        Of the panel.
    seed : int
        Of the bootstrap.
    """
    parts = {
        (label, name): frame[(frame["class_reference"] == name) & frame["difference"].notna()]
        for label, frame in frames.items()
        for name in CLASSES
    }
    listed, links = row_list(f"{key}_materials", parts)
    rows: list[Row] = []
    words = []
    for label in frames:
        own = [parts[label, name] for name in CLASSES]
        whole = RowsLink(listed.name, links[label, CLASSES[0]].first, links[label, CLASSES[-1]].last)
        values = pd.concat(own)["difference"].to_numpy(float)
        rows.append((data.shown_as(label), "all", *_figures(values, whole, seed)))
        for name, part in zip(CLASSES, own, strict=True):
            figures = _figures(part["difference"].to_numpy(float), links[label, name], seed)
            rows.append((data.shown_as(label), name, *figures))
        words.append(f"median {np.median(values):+.3f}\n< 0 in {(values < 0).sum()} of {len(values)}")
    table = Table(
        name=f"{key}_differences",
        title="Differences by class of the reference",
        columns=(
            "potential",
            "reference class",
            "n",
            "median difference",
            "5 % below",
            "5 % above",
            "potential lower (%)",
            f"lower by > {_TAIL:g}",
            f"higher by > {_TAIL:g}",
            "skewness",
        ),
        rows=tuple(rows),
        note=(
            "Medians with 95 % bootstrap intervals over materials; shares with Wilson's. 5 % of the "
            "materials are below and above the two quantiles. A negative skewness is a tail of materials "
            "made too stable."
        ),
    )
    return listed, table, words


def _figures(values: np.ndarray, link: RowsLink, seed: int) -> Row:
    n = len(values)
    if not n:
        return (Entry("0", link), *[NOTHING] * 7)
    median = bootstrap_median(values, seed)
    low, high = np.quantile(values, [0.05, 0.95])
    lower = int((values < 0).sum())
    share = [100 * bound for bound in (lower / n, *wilson_interval(lower, n))]
    skewness = float(skew(values)) if n >= _FEWEST_FOR_SKEW and np.ptp(values) > 0 else np.nan
    texts = (
        str(n),
        signed_interval(*median),
        f"{low:+.3f}",
        f"{high:+.3f}",
        interval(share[0], share[1], share[2]),
        str(int((values < -_TAIL).sum())),
        str(int((values > _TAIL).sum())),
        number(skewness, 2),
    )
    return linked(texts, link)


def beyond(data: PaperData) -> Panel:
    """The error of the score split into forces, force constants and configurations."""
    parts = attribution(data.cells)
    panel = Panel(
        key="attribution",
        title="Beyond the paper: where the error of the potential alone comes from",
        caption=(
            "σ of the potential alone minus that of the reference is exactly the sum of three parts: "
            "other forces on the same configurations, other force constants (both averaged over the two "
            "orders in which they can be exchanged), and other configurations. The paper holds, without "
            "numbers, that the force constants (the Hessian) are the largest part and configurations the "
            "smaller. Parts have signs and cancel: the sizes, and in how many materials each is the "
            "largest, decide this."
        ),
        missing=(
            *main_model_missing(data),
            *measurement_missing(data, "sigma"),
            *measurement_missing(data, "model_only"),
        ),
    )
    if parts.empty:
        return panel
    shown = parts.assign(potential=[data.shown_as(label) for label in parts["potential"]])
    picture = Picture("attribution", "Parts of the error of the score", partial(attribution_figure, shown))
    listed, links = _listed_parts(data, parts)
    return replace(panel, pictures=(picture,), tables=(_parts_table(data, parts, links),), lists=(listed,))


def _listed_parts(data: PaperData, parts: pd.DataFrame) -> tuple[RowList, dict[str, RowsLink]]:
    """Parts by material, with the records of both measurements."""
    frame = data.with_records(parts, "model_only", _OF_PARTS, {"sigma_": "sigma"})
    kept = frame.sort_values("collapsed", kind="stable")
    return row_list(
        "attribution_materials", {label: kept[kept["potential"] == label] for label in data.labels}
    )


def _parts_table(data: PaperData, parts: pd.DataFrame, links: dict[str, RowsLink]) -> Table:
    summary = attribution_summary(parts, data.study.settings.conditions.seed)
    rows: list[Row] = []
    for _, row in summary.iterrows():
        label, n = str(row["potential"]), int(row["n"])
        link = links[label]
        # rows of crystals that were lost come last, and are not counted
        link = RowsLink(link.name, link.first, link.first + n - 1)
        share = NOTHING
        if not pd.isna(row["largest_in"]) and n:
            largest = int(row["largest_in"])
            low, high = (100 * bound for bound in wilson_interval(largest, n))
            share = f"{interval(100 * largest / n, low, high)}; {largest} of {n}"
        signed = signed_interval(*(row[f"median{end}"] for end in ("", "_low", "_high")))
        texts = (str(n), signed, estimate(row, "median_size"), share)
        lost = Entry(str(int(row["n_collapsed"])), links[label])
        rows.append((data.shown_as(label), SUM_NAMES[str(row["part"])], *linked(texts, link), lost))
    return Table(
        name="attribution_parts",
        title="Parts of the error of the score",
        columns=(
            "potential",
            "part",
            "n",
            "median",
            "median size",
            "largest of the three (%)",
            "crystals lost",
        ),
        rows=tuple(rows),
        note=(
            "95 % intervals: of medians by bootstrap over materials, of shares Wilson's. Lost crystals are "
            "left out."
        ),
    )
