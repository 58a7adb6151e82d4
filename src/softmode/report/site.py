"""The page: self-contained HTML with interactive figures, tables and failures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from plotly.offline import get_plotlyjs

from softmode.datasets.plausibility import ACCEPTED
from softmode.potentials.leakage import SEEN
from softmode.report import interactive
from softmode.report.data import ReportData
from softmode.report.figures import W2
from softmode.report.method import method_lines
from softmode.report.rendering import embedded, plot_html, render, rows_of
from softmode.report.section import Pictures, Section
from softmode.report.sigma_figures import ALL_APPROACH_NAMES
from softmode.study.results import (
    FAILED,
    OK,
    PENDING,
    SEEN_COLUMN,
    calls_made,
    done,
    functional_statements,
)
from softmode.style import colours, distinct

#: Rows of a table on the page; all are in ``tables/cells.csv``.
MOST_ROWS = 400


def _shown(rows: pd.DataFrame, error: str) -> pd.DataFrame:
    """Rows of a table; where there are too many those with the largest error, as many of each potential."""
    if len(rows) <= MOST_ROWS:
        return rows
    share = MOST_ROWS // rows["potential"].nunique()
    worst = (
        rows.sort_values(error, ascending=False, kind="stable").groupby("potential", sort=False).head(share)
    )
    return rows[rows.index.isin(worst.index)]


def _left_out(rows: pd.DataFrame) -> str:
    """What is said above a table that does not hold all."""
    if len(rows) <= MOST_ROWS:
        return ""
    return f"Of {len(rows)} cells the {MOST_ROWS} with the largest errors, as many of each potential."


def _shown_failures(failures: pd.DataFrame) -> pd.DataFrame:
    """Rows of the table of failures; where there are too many, every reason before any a second time."""
    if len(failures) <= MOST_ROWS:
        return failures
    once = failures.drop_duplicates("failure")
    again = failures.drop(once.index)
    return pd.concat([once, again]).head(MOST_ROWS).sort_index()


def _material_rows(data: ReportData) -> list[dict[str, Any]]:
    """Cells with phonons, each with the file of its record."""
    keys = data.records[data.records["measurement"] == "harmonic"]
    files = {(row.material, row.potential): row.file for row in keys.itertuples()}
    rows = _shown(done(data.cells, "harmonic"), W2)
    pairs = zip(rows["material"], rows["potential"], strict=True)
    return rows_of(rows.assign(record=[f"../{files.get(pair, '')}" for pair in pairs]))


def _figures(data: ReportData) -> dict[str, Any]:
    if not data.has_phonons:
        return {}
    return {
        "scatter": plot_html(interactive.scatter(data.cells), "scatter"),
        "boxes": plot_html(interactive.boxes(data.cells), "boxes"),
        "lowest": plot_html(interactive.lowest_modes(data.cells), "lowest"),
        "bands": [
            {
                "potential": potential,
                "items": [
                    {
                        "bands": overlay,
                        "html": plot_html(interactive.bands(overlay, shade), f"bands-{place}-{index}"),
                    }
                    for index, overlay in enumerate(data.overlays[potential])
                ],
            }
            for place, (potential, shade) in enumerate(colours(data.potentials).items())
            if data.overlays[potential]
        ],
    }


def _sigma_rows(data: ReportData) -> list[dict[str, Any]]:
    """Cells with an anharmonicity, each with what is to be noted."""
    found = done(data.cells, "sigma")
    if found.empty:
        return []
    error = (found["sigma_phi_model_mean_t"] - found["sigma_reference_mean_t"]).abs()
    rows = _shown(found.assign(_error=error), "_error")
    return rows_of(rows.assign(notes=["; ".join(json.loads(text)) for text in rows["sigma_notes"]]))


def _accepted(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """Materials whose data are not plausible but were accepted."""
    if ACCEPTED not in cells:
        return []
    return rows_of(cells[cells[ACCEPTED].notna()].drop_duplicates("material"))


def render_page(
    data: ReportData,
    pictures: Pictures,
    sections: Mapping[str, Section] | None = None,
    panels: Sequence[dict[str, Any]] = (),
) -> str:
    """HTML of the report; needs no other file and no network.

    Parameters
    ----------
    data : ReportData
        What is shown.
    pictures : mapping of str to (str, bytes)
        Title and PNG of the figures by name; those that are not drawn interactively are embedded.
    sections : mapping of str to Section, optional
        What some studies have: ``screening``, ``md``, ``maps``.
    panels : sequence of dict
        Panels of measurements, from :func:`softmode.report.panels.panel_section`.
    """
    sections = {} if sections is None else sections
    counts = data.cells["state"].value_counts()
    seen = data.cells[data.cells[SEEN_COLUMN].isin(SEEN)]
    pairs = set(zip(seen["material"], seen["potential"], strict=True))
    return render(
        "report.html.j2",
        title=data.study.settings.name,
        n_materials=data.cells["material"].nunique(),
        potentials=list(data.overlays),
        seen=distinct(seen["potential"]),
        mark=lambda row: " †" if (row["material"], row["potential"]) in pairs else "",
        counts={state: int(counts.get(state, 0)) for state in (OK, FAILED, PENDING)},
        protocol=data.study.settings.conditions.protocol.name,
        accepted=_accepted(data.cells),
        protocol_lines=method_lines(data.study.settings),
        functionals=functional_statements(data.cells),
        seed=data.study.settings.conditions.seed,
        ranking=rows_of(data.ranking),
        materials=_material_rows(data),
        failures=rows_of(_shown_failures(data.failures)),
        left_out={name: _left_out(done(data.cells, name)) for name in ("harmonic", "sigma")},
        n_failures=len(data.failures),
        calls=rows_of(calls_made(data.records)),
        figures=_figures(data),
        sigma=_sigma_rows(data),
        confusion=rows_of(data.confusion),
        approach_names=ALL_APPROACH_NAMES,
        pictures=embedded(pictures, ("confusion", "sigma_", "traces_", "evaluated_", "parity_", "modes_")),
        plotlyjs=get_plotlyjs() if data.has_phonons or {"screening", "maps"} & set(sections) else "",
        panels=panels,
        **{name: section.context(pictures) for name, section in sections.items()},
    )
