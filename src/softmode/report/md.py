"""The potentials' own dynamics in a report: what is shown, its tables, figures and section of the page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from softmode.report.md_figures import PART_NAMES, attribution_figure, md_trace_figure, sampling_figure
from softmode.report.sigma_figures import confusion_figure
from softmode.report.text import embedded, percent
from softmode.study.folder import Study
from softmode.study.md_results import (
    attribution,
    attribution_summary,
    collapses,
    published_shares,
    sampling_comparison,
)
from softmode.study.records import Record, digest_of
from softmode.study.results import best_median_worst, done
from softmode.study.sigma_results import confusion, reference_sigma
from softmode.style import group_name, order_groups

_MOST_COLLAPSED = 3  # lost crystals whose traces are shown, beside best, median and worst


@dataclass(frozen=True, eq=False)
class MDData:
    """What a report shows of the potentials' own dynamics.

    Parameters
    ----------
    cells : pandas.DataFrame
        The table of cells.
    parts, summary : pandas.DataFrame
        Attribution of errors, by cell and over materials; empty without reference trajectories.
    sampling : pandas.DataFrame
        One-shot sampling beside dynamics.
    collapsed : pandas.DataFrame
        Cells that lost the crystal.
    records : dict of str to dict of str to Record
        ``md`` records by potential, of the materials shown in detail.
    """

    cells: pd.DataFrame
    parts: pd.DataFrame
    summary: pd.DataFrame
    sampling: pd.DataFrame
    collapsed: pd.DataFrame
    records: dict[str, dict[str, Record]]

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables by file name."""
        return {
            "attribution": self.parts,
            "attribution_summary": self.summary,
            "one_shot_and_md": self.sampling,
            "collapses": self.collapsed,
        }

    @property
    def compared(self) -> bool:
        """Whether there are classes of the reference to compare with."""
        return bool(reference_sigma(self.cells))


def collect_md(study: Study, cells: pd.DataFrame) -> MDData | None:
    """Read what a report shows of dynamics; None when there is none.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    """
    if done(cells, "model_only").empty:
        return None
    parts = attribution(cells)
    lost = collapses(cells)
    return MDData(
        cells=cells,
        parts=parts,
        summary=attribution_summary(parts, study.settings.seed),
        sampling=sampling_comparison(cells),
        collapsed=lost,
        records=_shown(study, cells, lost),
    )


def _shown(study: Study, cells: pd.DataFrame, lost: pd.DataFrame) -> dict[str, dict[str, Record]]:
    """Runs of the materials of smallest, median and largest σ for each potential, and of some lost ones."""
    good = done(cells, "model_only")
    names: list[str] = []
    for _, rows in good.groupby("potential", sort=False):
        known = rows[pd.to_numeric(rows["sigma_model_only_mean_t"]).notna()]
        names += best_median_worst(known, "sigma_model_only_mean_t").values()
    names += lost["material"].head(_MOST_COLLAPSED).tolist()
    found: dict[str, dict[str, Record]] = {name: {} for name in names}
    for cell in study.cells:
        if cell.material.name in found:
            record = study.store.find(digest_of(cell.inputs["md"])) if "md" in cell.inputs else None
            if record is not None and record.ok:
                found[cell.material.name][cell.label] = record
    return {name: records for name, records in found.items() if records}


def md_figures(data: MDData) -> Iterator[tuple[str, str, Figure]]:
    """File name, title and figure of everything that can be drawn."""
    potentials = list(dict.fromkeys(data.cells["potential"]))
    if data.compared:
        yield (
            "md_confusion",
            "Classes by the potential alone",
            confusion_figure({("model_only", p): confusion(data.cells, p, "model_only") for p in potentials}),
        )
        groups = order_groups(data.cells["group"])
        if len(groups) > 1:
            by_group = {
                (group_name(group), potential): confusion(data.cells, potential, "model_only", group)
                for group in groups
                for potential in potentials
            }
            yield "md_confusion_groups", "The same by group", confusion_figure(by_group)
    if not data.parts.empty:
        yield "md_attribution", "Where the error in σ comes from", attribution_figure(data.parts)
    if not data.sampling.empty:
        yield "md_one_shot", "One-shot sampling and molecular dynamics", sampling_figure(data.sampling)
    for material, records in data.records.items():
        formula = str(data.cells.loc[data.cells["material"] == material, "formula"].iloc[0])
        name = "".join(c if c.isalnum() or c in "-_." else "_" for c in material)
        yield f"md_traces_{name}", f"Dynamics: {formula}", md_trace_figure(records, formula)


def md_section(data: MDData, pictures: Mapping[str, tuple[str, bytes]]) -> dict[str, Any]:
    """What the template of the section needs.

    Parameters
    ----------
    data : MDData
        From :func:`collect_md`.
    pictures : mapping of str to (str, bytes)
        Title and PNG of all figures by name.
    """
    return {
        "rows": [_row(cell) for _, cell in done(data.cells, "model_only").iterrows()],
        "collapsed": [
            {
                "formula": row.formula,
                "material": row.material,
                "potential": row.potential,
                "replicas": f"{int(row.md_n_collapsed)} of {int(row.md_n_replicas)}",
                "step": int(row.md_first_collapse_step),
                "reason": row.md_reason,
            }
            for row in data.collapsed.itertuples()
        ],
        "summary": [_summary_row(row) for _, row in data.summary.iterrows()],
        "shares": _shares(data),
        "hot": _hot(data.cells),
        "agreement": _agreement(data.sampling),
        "pictures": embedded(pictures, "md_"),
    }


def _row(cell: pd.Series) -> dict[str, Any]:
    """One row of the table of runs."""
    replicas: list[dict[str, Any]] = json.loads(cell["md_replicas"])
    drifts = [replica["energy_drift"] for replica in replicas if replica["energy_drift"] is not None]
    settled = [r["equilibration_steps"] for r in replicas if r["equilibration_steps"] is not None]
    mean = cell["sigma_model_only_mean_t"]
    low, high = cell.get("sigma_model_only_mean_t_low"), cell.get("sigma_model_only_mean_t_high")
    lost = cell["md_collapsed"] == 1.0
    uncertain = low is None or pd.isna(low)
    notes = [*json.loads(cell["model_only_notes"]), *json.loads(cell["md_warnings"])]
    return {
        "formula": cell["formula"],
        "material": cell["material"],
        "potential": cell["potential"],
        "frames": int(cell["model_only_n_frames"]),
        "sigma": "–"
        if pd.isna(mean)
        else f"{mean:.3f}"
        if uncertain
        else f"{mean:.3f} [{low:.3f}, {high:.3f}]",
        "lost": lost,
        "class": f"{cell['sigma_model_only_class']}{' ?' if uncertain and not lost else ''}",
        "reference": cell.get("sigma_reference_class"),
        "temperature": _text(cell["md_temperature_K"], ".0f"),
        "settled": str(max(settled)) if settled else "–",
        "drift": _text(max((d["slope"] for d in drifts), key=abs, default=None), "+.2g"),
        "drifts": any(drift["significant"] for drift in drifts),
        "notes": "; ".join(dict.fromkeys(notes)),
    }


def _text(value: Any, form: str) -> str:
    return "–" if value is None or pd.isna(value) else format(float(value), form)


def _summary_row(row: pd.Series) -> dict[str, str]:
    def shown(name: str) -> str:
        if pd.isna(row[name]):
            return "–"
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        return f"{row[name]:+.3f}" if pd.isna(low) else f"{row[name]:+.3f} [{low:+.3f}, {high:+.3f}]"

    return {
        "potential": row["potential"],
        "part": {**PART_NAMES, "difference": "sum: σ alone − σ reference"}[row["part"]],
        "n": str(row["n"]),
        "collapsed": str(row["n_collapsed"]),
        "median": shown("median"),
        "size": shown("median_size").replace("+", ""),
        "largest": "" if pd.isna(row["largest_in"]) else f"{int(row['largest_in'])} of {row['n']}",
    }


def _shares(data: MDData) -> list[dict[str, str]]:
    """Shares called more and less stable, beside the published ones."""
    if not data.compared:
        return []
    rows = []
    for potential in dict.fromkeys(data.cells["potential"]):
        matrix = confusion(data.cells, potential, "model_only")
        rows.append(
            {
                "potential": potential,
                "n": str(matrix.n_materials - matrix.n_failed),
                "more": percent(matrix.called_more_stable()),
                "less": percent(matrix.called_less_stable()),
            }
        )
    published = published_shares()
    return [
        *rows,
        {
            "potential": f"{published['potential']}, published",
            "n": "",
            "more": percent(published["called_more_stable"]),
            "less": percent(published["called_less_stable"]),
        },
    ]


def _hot(cells: pd.DataFrame) -> str:
    """The temperature that the thermostat really samples, where it is not the one that was set."""
    values = pd.to_numeric(cells["md_sampled_temperature_K"]).dropna().unique()
    return ", ".join(f"{value:.0f}" for value in values)


def _agreement(sampling: pd.DataFrame) -> str:
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
