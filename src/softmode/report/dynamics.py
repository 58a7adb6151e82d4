"""Panels of the potentials' own dynamics: the runs, lost crystals, and where errors of σ come from."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pandas as pd

from softmode.charts import CellPoints, Chart, Guide, Intervals, Points, PointSeries
from softmode.dynamics import thermostat_warning
from softmode.measurements.md import DynamicsSettings
from softmode.panel import (
    NOTHING,
    Entry,
    MaterialLink,
    Panel,
    Row,
    RowList,
    RowsLink,
    Table,
    estimate,
    linked,
    number,
    telling,
)
from softmode.report.method import md_summary
from softmode.report.ranking import interval_row
from softmode.report.screening import class_edges, noted
from softmode.study.folder import Study
from softmode.study.md_results import (
    SUM_NAMES,
    attribution,
    attribution_summary,
    collapses,
    sampling_comparison,
)
from softmode.study.results import done

CHAPTER = "Dynamics"
#: Runs up to which the panel has a table of them; the table of cells has them all.
_MOST_ROWS = 500


def dynamics_panels(study: Study, cells: pd.DataFrame) -> Iterator[Panel]:
    """The runs, and the attribution of errors where there are reference trajectories.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    """
    good = done(cells, "model_only")
    if good.empty:
        return
    lost, sampling = collapses(cells), sampling_comparison(cells)
    yield _runs(study, good, lost, sampling)
    parts = attribution(cells)
    if parts.empty:  # no reference trajectory of any of these materials
        return
    summary = attribution_summary(parts, study.settings.conditions.seed)
    yield Panel(
        "attribution",
        "Where the error in σ comes from",
        "σ of the potential alone less that of the reference is the sum of three parts, exactly: other "
        "forces and other force constants on the reference's frames (each averaged over both orders), and "
        "other configurations. Medians over materials that kept the crystal, with 95 % bootstrap "
        "intervals; the medians of parts do not add up to that of the sum.",
        tables=(_summary_table(summary),) if len(summary) else (),
        lists=(RowList("attribution", parts), RowList("attribution_summary", summary)),
        charts=tuple(_attribution(summary, parts)),
        chapter=CHAPTER,
    )


def _runs(study: Study, good: pd.DataFrame, lost: pd.DataFrame, sampling: pd.DataFrame) -> Panel:
    settings = study.settings.conditions.of(DynamicsSettings)
    said = md_summary(settings)
    warning = thermostat_warning(settings)
    tables = [_run_table(good)] if len(good) <= _MOST_ROWS else []
    if len(lost):
        tables.append(_lost_table(lost))
    return Panel(
        "dynamics",
        "The potentials' own dynamics",
        f"{said[0].upper()}{said[1:]}. {f'{warning}. ' if warning else ''}σ of the frames after the first "
        f"{settings.discard} steps, with the potential's own force constants; 95 % block-bootstrap "
        "interval, “?” where there is none. A run that loses the crystal ends there and counts as "
        "unstable; so does one that leaves its phase for another, of which σ is that of the frames before. "
        "Settled: step from which the energy is in equilibrium, the latest of the replicas; drift: the "
        f"largest, of the energy (* significant). {agreement(sampling)}",
        tables=tuple(tables),
        lists=(RowList("collapses", lost), RowList("one_shot_and_md", sampling)),
        charts=tuple(_run_charts(good, sampling)),
        chapter=CHAPTER,
    )


def _run_charts(good: pd.DataFrame, sampling: pd.DataFrame) -> Iterator[Chart]:
    if "sigma_reference_mean_t" in good:
        yield CellPoints(
            name="sigma_model_only",
            title="σ of the potential alone against the reference's",
            x="sigma_reference_mean_t",
            y="sigma_model_only_mean_t",
            equality=True,
            guides=(*class_edges("x"), *class_edges("y")),
        )
    series = [
        PointSeries(
            f"{potential}, crystal lost" if gone else str(potential),
            tuple(rows["model_only"].astype(float)),
            tuple(rows["one_shot"].astype(float)),
            tuple(rows["formula"]),
            tuple(rows["one_shot_low"].astype(float)),
            tuple(rows["one_shot_high"].astype(float)),
            tuple(rows["material"]),
            potential=str(potential),
        )
        for (potential, gone), rows in (
            sampling.groupby(["potential", "collapsed"], sort=False) if len(sampling) else ()
        )
    ]
    if series:
        yield Points(
            name="md_one_shot",
            title="One-shot sampling and molecular dynamics",
            x_label="⟨σ(t)⟩, molecular dynamics",
            y_label="⟨σ(t)⟩, one-shot sampling",
            series=tuple(series),
            equality=True,
            guides=(*class_edges("x"), *class_edges("y")),
        )


def _run_table(good: pd.DataFrame) -> Table:
    heads = (
        *("formula", "id", "potential", "frames", "σ alone", "class", "class, reference"),
        *("temperature, K", "settled, step", "drift, meV/atom/ps", "notes"),
    )
    return telling(Table("dynamics_runs", "Runs", heads, tuple(_run(row) for _, row in good.iterrows())))


def _run(cell: pd.Series) -> Row:
    replicas = json.loads(cell["md_replicas"])
    drifts = [replica["energy_drift"] for replica in replicas if replica["energy_drift"] is not None]
    settled = [r["equilibration_steps"] for r in replicas if r["equilibration_steps"] is not None]
    lost = "crystal lost" if cell["md_collapsed"] == 1.0 else ""
    lost = lost or ("left its phase" if cell.get("model_only_left") == 1.0 else "")
    uncertain = "" if pd.notna(cell.get("sigma_model_only_mean_t_low")) else " ?"
    drift = max((each["slope"] for each in drifts), key=abs, default=None)
    significant = " *" if any(each["significant"] for each in drifts) else ""
    notes = [*json.loads(cell["model_only_notes"]), *json.loads(cell["md_warnings"])]
    reference = cell.get("sigma_reference_class")
    page = MaterialLink(str(cell["material"]))
    return (
        *(Entry(str(cell[name]), page) for name in ("formula", "material")),
        str(cell["potential"]),
        number(cell["model_only_n_frames"], form=".0f"),
        estimate(cell, "sigma_model_only_mean_t", form=".3f"),
        lost or f"{cell['sigma_model_only_class']}{uncertain}",
        reference if isinstance(reference, str) else NOTHING,
        number(cell["md_temperature_K"], form=".0f"),
        str(max(settled, default=NOTHING)),
        NOTHING if drift is None else f"{'-' if drift < 0 else '+'}{number(abs(drift), 2)}{significant}",
        noted(list(dict.fromkeys(notes)), page),
    )


def _lost_table(lost: pd.DataFrame) -> Table:
    heads = (
        *("formula", "id", "potential", "replicas", "first at step", "left at, ps", "for"),
        *("tilt, degrees", "off centre, Å", "reason"),
    )
    rows: list[Row] = []
    for line, row in enumerate(lost.to_dict("records"), start=2):
        link, page = RowsLink("collapses", line, line), MaterialLink(str(row["material"]))
        left_for, reason = row["model_only_left_for"], row["md_reason"]
        of_runs = f"{int(row['md_n_collapsed'])} of {int(row['md_n_replicas'])}"
        numbers = (
            number(row["md_first_collapse_step"], form=".0f"),
            number(row["model_only_left_at_ps"], form=".2f"),
        )
        rows.append(
            (
                *(Entry(str(row[name]), page) for name in ("formula", "material")),
                str(row["potential"]),
                *linked((of_runs, *numbers), link),
                left_for if isinstance(left_for, str) else NOTHING,
                *linked((number(row["model_only_tilt_deg"], form=".0f"),), link),
                *linked((number(row["model_only_off_centring_A"], form=".2f"),), link),
                noted([reason] if isinstance(reason, str) else [], page),
            )
        )
    title = "Lost crystals, and those that left their phase"
    return telling(Table("dynamics_lost", title, heads, tuple(rows)))


def _summary_table(summary: pd.DataFrame) -> Table:
    rows: list[Row] = []
    for line, (_, row) in enumerate(summary.iterrows(), start=2):
        largest = NOTHING if pd.isna(row["largest_in"]) else f"{int(row['largest_in'])} of {row['n']}"
        signed, size = estimate(row, "median", form="+.3f"), estimate(row, "median_size", form=".3f")
        texts = (str(row["n"]), str(row["n_collapsed"]), signed, size, largest)
        link = RowsLink("attribution_summary", line, line)
        rows.append((str(row["potential"]), SUM_NAMES[str(row["part"])], *linked(texts, link)))
    heads = ("potential", "part", "n", "lost", "median", "median size", "largest part in")
    return Table("attribution_parts", "Parts of the error of σ", heads, tuple(rows))


def _attribution(summary: pd.DataFrame, parts: pd.DataFrame) -> Iterator[Chart]:
    known = summary[(summary["n"] > 0)] if len(summary) else summary
    if known.empty:
        return
    few = parts["material"].nunique() == 1
    yield Intervals(
        name="attribution",
        title="Parts of the error of σ" if few else "Parts of the error of σ, medians over materials",
        axis="part of ⟨σ(t)⟩, alone less reference",
        rows=tuple(
            interval_row(
                row, "median", str(row["potential"]), str(row["potential"]), facet=SUM_NAMES[str(row["part"])]
            )
            for _, row in known.iterrows()
        ),
        guides=(Guide("x", 0.0),),
    )


def agreement(sampling: pd.DataFrame) -> str:
    """How often one-shot sampling and dynamics agree, in words."""
    if sampling.empty:
        return ""
    kept = sampling[~sampling["collapsed"].astype(bool)]
    known = kept["agree"].dropna()
    return (
        f"One-shot sampling and dynamics: same class in {int(sampling['same_class'].sum())} of "
        f"{len(sampling)} cells; overlapping 95 % intervals in {int(known.astype(bool).sum())} of "
        f"{len(known)} that have both and kept the crystal."
    )
