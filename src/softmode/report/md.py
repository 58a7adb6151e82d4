"""The potentials' own dynamics in a report: what is shown, its tables, figures and section of the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from softmode.dynamics import thermostat_warning
from softmode.files import file_name
from softmode.measurements.md import DynamicsSettings
from softmode.panel import NOTHING
from softmode.records import Record
from softmode.report.data import formula_of, records_of
from softmode.report.md_figures import (
    SUM_NAMES,
    attribution_figure,
    md_trace_figure,
    sampling_figure,
)
from softmode.report.method import md_summary
from softmode.report.rendering import embedded, rows_of
from softmode.report.section import Drawn, Pictures, Section
from softmode.report.sigma_figures import confusion_figure
from softmode.statistics.confusion import ConfusionMatrix
from softmode.study.folder import Study
from softmode.study.md_results import (
    attribution,
    attribution_summary,
    collapses,
    published_shares,
    sampling_comparison,
)
from softmode.study.results import best_median_worst, done
from softmode.study.sigma_results import ALL, confusion, reference_sigma
from softmode.style import distinct, group_name, order_groups

_MOST_COLLAPSED = 3  # lost crystals whose traces are shown, beside best, median and worst


@dataclass(frozen=True, eq=False)
class MDData(Section):
    """What a report shows of the potentials' own dynamics.

    Parameters
    ----------
    study : Study
        Where it comes from.
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

    study: Study
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

    def _confusion(self, potential: str, group: str = ALL) -> ConfusionMatrix:
        return confusion(self.cells, potential, "model_only", group)

    def figures(self) -> Iterator[Drawn]:
        """Classes, attribution, one-shot sampling, and traces of the runs shown in detail."""
        potentials, groups = distinct(self.cells["potential"]), order_groups(self.cells["group"])
        if self.compared:
            matrices = {("model_only", potential): self._confusion(potential) for potential in potentials}
            yield "md_confusion", "Classes by the potential alone", confusion_figure(matrices)
        if self.compared and len(groups) > 1:
            pairs = [(group, potential) for group in groups for potential in potentials]
            matrices = {(group_name(group), name): self._confusion(name, group) for group, name in pairs}
            yield "md_confusion_groups", "The same by group", confusion_figure(matrices)
        if not self.parts.empty:
            yield "md_attribution", "Where the error in σ comes from", attribution_figure(self.parts)
        if not self.sampling.empty:
            yield "md_one_shot", "One-shot sampling and molecular dynamics", sampling_figure(self.sampling)
        for material, records in self.records.items():
            formula = formula_of(self.cells, material)
            figure = md_trace_figure(records, formula)
            yield f"md_traces_{file_name(material)}", f"Dynamics: {formula}", figure

    def context(self, pictures: Pictures) -> dict[str, Any]:
        """What the template of the section needs."""
        settings = self.study.settings.conditions.of(DynamicsSettings)
        said = md_summary(settings)
        return {
            "settings": said[0].upper() + said[1:],
            "discard": settings.discard,
            "warning": thermostat_warning(settings),
            "rows": [_row(cell) for _, cell in done(self.cells, "model_only").iterrows()],
            "collapsed": rows_of(self.collapsed),
            "summary": rows_of(self.summary),
            "part_names": SUM_NAMES,
            "shares": self._shares() if self.compared else [],
            "agreement": _agreement(self.sampling),
            "pictures": embedded(pictures, "md_"),
        }

    def _shares(self) -> list[dict[str, Any]]:
        """Shares called more and less stable, beside the published ones."""
        printed = published_shares()
        rows = [{**printed, "potential": f"{printed['potential']}, published", "n": ""}]
        for potential in reversed(distinct(self.cells["potential"])):
            matrix = self._confusion(potential)
            shares = {name: getattr(matrix, name)() for name in ("called_more_stable", "called_less_stable")}
            rows.insert(0, {"potential": potential, "n": matrix.n_materials - matrix.n_failed, **shares})
        return rows


def collect_md(study: Study, cells: pd.DataFrame) -> MDData | None:
    """Read what a report shows of dynamics; None when there is none.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    """
    good = done(cells, "model_only")
    if good.empty:
        return None
    parts = attribution(cells)
    lost = collapses(cells)
    names: list[str] = []
    for _, rows in good.groupby("potential", sort=False):
        known = rows[pd.to_numeric(rows["sigma_model_only_mean_t"]).notna()]
        names += best_median_worst(known, "sigma_model_only_mean_t").values()
    names += lost["material"].head(_MOST_COLLAPSED).tolist()
    return MDData(
        study=study,
        cells=cells,
        parts=parts,
        summary=attribution_summary(parts, study.settings.conditions.seed),
        sampling=sampling_comparison(cells),
        collapsed=lost,
        records=records_of(study, "md", names),
    )


def _row(cell: pd.Series) -> dict[str, Any]:
    """One row of the table of runs."""
    replicas: list[dict[str, Any]] = json.loads(cell["md_replicas"])
    drifts = [replica["energy_drift"] for replica in replicas if replica["energy_drift"] is not None]
    settled = [r["equilibration_steps"] for r in replicas if r["equilibration_steps"] is not None]
    lost = "crystal lost" if cell["md_collapsed"] == 1.0 else ""
    lost = lost or ("left its phase" if cell.get("model_only_left") == 1.0 else "")
    uncertain = pd.isna(cell.get("sigma_model_only_mean_t_low"))
    notes = [*json.loads(cell["model_only_notes"]), *json.loads(cell["md_warnings"])]
    return {
        **{str(name): value for name, value in cell.items()},
        "lost": lost,
        "uncertain": uncertain and not lost,
        "settled": max(settled, default=NOTHING),
        "drift": max((drift["slope"] for drift in drifts), key=abs, default=None),
        "drifts": any(drift["significant"] for drift in drifts),
        "notes": "; ".join(dict.fromkeys(notes)),
    }


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
