"""Figs. S7, S8 and S9: scores of the potentials against the reference's, and their differences."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import skew

from softmode.anharmonic.classes import CLASSES
from softmode.panel import (
    NOTHING,
    Entry,
    Panel,
    Picture,
    RowList,
    RowsLink,
    Table,
    interval,
    number,
    row_list,
)
from softmode.report.paper.classes import COLUMNS, classified
from softmode.report.paper.matrix_tables import APPROACH_NAMES, signed_interval
from softmode.report.paper.missing import halides_missing, measurement_missing, models_missing
from softmode.report.paper.sigma_figures import difference_histograms, score_scatter
from softmode.report.paper.source import PaperData
from softmode.report.sigma_figures import trace_figure
from softmode.statistics.bootstrap import bootstrap_median
from softmode.statistics.shares import wilson_interval

#: Differences of the score below minus this, or above it, are counted as tails.
_TAIL = 0.1
_FEWEST_FOR_SKEW = 8


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
    listed, links = row_list("s7_materials", frames)
    main = data.main_label if data.main_label in frames else next(iter(frames), "")
    material = most_stabilised(frames[main]) if main else None
    pictures: list[Picture] = []
    tables: tuple[Table, ...] = ()
    if frames:
        example = None if material is None else (data.shown_as(main), material)
        shown = {data.shown_as(label): frame for label, frame in frames.items()}
        pictures.append(
            Picture(
                "s7_scores", "Score of the potential against the reference's", score_scatter(shown, example)
            )
        )
    if material is not None:
        records = {label: data.record(material, label, "sigma") for label in frames}
        there = {data.shown_as(label): record for label, record in records.items() if record is not None}
        formula = data.formula(material)
        pictures.append(Picture("s7_trace", f"σ(t) of {formula}", trace_figure(there, formula)))
        tables = (_example_table(data, material, list(frames)),)
    return Panel(
        key="s7",
        title="Fig. S7: scores with the potential's own force constants",
        caption=(
            "⟨σ(t)⟩ of each potential on the reference's frames with its own force constants, against the "
            "reference's. The article mentions Fig. S7(d) only as an example of a material that the model "
            "makes too stable; below is σ(t) of the one on which "
            f"{data.shown_as(main) if main else data.main_label} does so most, frame by frame."
        ),
        pictures=tuple(pictures),
        tables=tables,
        missing=_missing(data),
        lists=(listed,) if links else (),
    )


def _example_table(data: PaperData, material: str, labels: list[str]) -> Table:
    rows = []
    for label in labels:
        chosen = data.rows(label, "sigma")
        chosen = chosen[chosen["material"] == material]
        if chosen.empty:
            continue
        cell, link = chosen.iloc[0], data.link(material, label, "sigma")
        of_reference = data.link(material, label, "reference_sigma") or link
        texts = {name: _score(cell, name) for name in ("reference", "phi_ref", "phi_model")}
        rows.append(
            (
                data.formula(material),
                data.shown_as(label),
                Entry(texts["reference"], of_reference),
                Entry(texts["phi_ref"], link),
                Entry(texts["phi_model"], link),
            )
        )
    return Table(
        name="s7_example",
        title="⟨σ(t)⟩ of the example",
        columns=("material", "potential", "reference", *APPROACH_NAMES.values()),
        rows=tuple(rows),
        note="With 95 % intervals where there are enough independent frames.",
    )


def _score(cell: pd.Series, approach: str) -> str:
    values = [pd.to_numeric(cell.get(f"sigma_{approach}_mean_t{end}")) for end in ("", "_low", "_high")]
    mean, low, high = (np.nan if value is None else float(value) for value in values)
    return interval(mean, low, high)


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
    seed = data.study.settings.conditions.seed
    listed, table, words = difference_rows(data, frames, key, seed)
    shown = {data.shown_as(label): frame for label, frame in frames.items()}
    pictures: tuple[Picture, ...] = ()
    if frames:
        pictures = (
            Picture(key, "Differences of the score by potential", difference_histograms(shown, words)),
        )
    return Panel(
        key=key,
        title=title,
        caption=(
            "⟨σ(t)⟩ of the potential minus the reference's, on the reference's frames, "
            f"{APPROACH_NAMES[approach]}, stacked by class of the reference. Values beyond the axis are in "
            f"the outermost bins. {said}"
        ),
        pictures=pictures,
        tables=(table,) if frames else (),
        missing=_missing(data),
        lists=(listed,) if frames else (),
    )


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
    listed, links = row_list(f"{key}_materials", parts or {("", ""): pd.DataFrame(columns=[*COLUMNS])})
    rows: list[tuple[Entry | str, ...]] = []
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


def _figures(values: np.ndarray, link: RowsLink, seed: int) -> tuple[Entry | str, ...]:
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
        signed_interval(median.value, median.low, median.high),
        f"{low:+.3f}",
        f"{high:+.3f}",
        interval(share[0], share[1], share[2]),
        str(int((values < -_TAIL).sum())),
        str(int((values > _TAIL).sum())),
        number(skewness, 2),
    )
    return tuple(Entry(text, None if text == NOTHING else link) for text in texts)
