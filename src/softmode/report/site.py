"""The page: self-contained HTML with interactive figures, tables and failures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from plotly.offline import get_plotlyjs

from softmode.panel import estimate, number, percent
from softmode.report import interactive
from softmode.report.data import ReportData
from softmode.report.figures import W2
from softmode.report.method import method_lines
from softmode.report.rendering import embedded, plot_html, render
from softmode.report.section import Pictures, Section
from softmode.report.sigma_figures import ALL_APPROACH_NAMES
from softmode.study.results import FAILED, OK, PENDING, done
from softmode.style import colours, group_name

_ERRORS = ("w2_THz2", "vg_THzA")
#: Rows of a table on the page; all are in ``tables/cells.csv``.
MOST_ROWS = 400


def _ranking_rows(data: ReportData) -> list[dict[str, str]]:
    return [
        {
            "potential": row["potential"],
            "group": "all" if row["group"] == "all" else group_name(row["group"]),
            "overall": "yes" if row["group"] == "all" else "",
            "n": str(row["n"]),
            "failed": str(row["failed"]),
            "w2": estimate(row, "median_rmse_w2_THz2"),
            "w2_wrong": number(row["median_rmse_w2_THz2_failures_as_wrong"]),
            "vg": estimate(row, "median_rmse_vg_THzA"),
            "vg_wrong": number(row["median_rmse_vg_THzA_failures_as_wrong"]),
            "softening": estimate(row, "median_softening"),
            "agreement": percent(row["stability_agreement"]),
            "agreement_wrong": percent(row["stability_agreement_failures_as_wrong"]),
        }
        for _, row in data.ranking.iterrows()
    ]


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


def _material_rows(data: ReportData) -> list[dict[str, Any]]:
    keys = data.records[data.records["measurement"] == "harmonic"]
    files = {(row.material, row.potential): row.file for row in keys.itertuples()}
    rows = []
    for _, cell in _shown(done(data.cells, "harmonic"), W2).iterrows():
        rows.append(
            {
                "formula": cell["formula"],
                "material": cell["material"],
                "group": group_name(cell["group"]),
                "potential": cell["potential"],
                "numbers": [
                    *(number(cell[f"{of}_rmse_{what}"]) for of in ("path", "mesh") for what in _ERRORS),
                    f"{cell['mesh_lowest_reference_THz']:.2f}",
                    f"{cell['mesh_lowest_model_THz']:.2f}",
                    number(cell["path_softening"]),
                    number(cell["asr_reference_eV_per_A2"], 2),
                    number(cell["asr_model_eV_per_A2"], 2),
                ],
                "agrees": bool(cell["mesh_stability_agrees"]),
                "record": "../" + str(files.get((cell["material"], cell["potential"]), "")),
            }
        )
    return rows


def _figures(data: ReportData) -> dict[str, Any]:
    if not data.has_phonons:
        return {}
    colour = colours(list(data.overlays))
    return {
        "scatter": plot_html(interactive.scatter(data.cells), "scatter"),
        "boxes": plot_html(interactive.boxes(data.cells), "boxes"),
        "lowest": plot_html(interactive.lowest_modes(data.cells), "lowest"),
        "bands": [
            {
                "potential": potential,
                "items": [
                    {
                        "role": overlay.role,
                        "formula": overlay.formula,
                        "material": overlay.material,
                        "rmse": number(overlay.rmse_w2),
                        "html": plot_html(
                            interactive.bands(overlay, colour[potential]), f"bands-{place}-{index}"
                        ),
                    }
                    for index, overlay in enumerate(overlays)
                ],
            }
            for place, (potential, overlays) in enumerate(data.overlays.items())
            if overlays
        ],
    }


def _sigma_rows(data: ReportData) -> list[dict[str, Any]]:
    """Anharmonicity of each cell, for the page's table."""
    rows = []
    found = done(data.cells, "sigma")
    if found.empty:
        return []
    error = (found["sigma_phi_model_mean_t"] - found["sigma_reference_mean_t"]).abs()
    for _, cell in _shown(found.assign(_error=error), "_error").iterrows():
        rows.append(
            {
                "formula": cell["formula"],
                "material": cell["material"],
                "potential": cell["potential"],
                "frames": int(cell["sigma_n_frames"]),
                "scores": [
                    estimate(cell, f"sigma_{approach}_mean_t", form=".3f")
                    for approach in ("reference", "phi_ref", "phi_model")
                ],
                "classes": [_class(cell, approach) for approach in ("reference", "phi_model")],
                "agrees": cell["sigma_reference_class"] == cell["sigma_phi_model_class"],
                "numbers": [
                    f"{cell['sigma_force_error']:+.3f}",
                    f"{cell['sigma_hessian_error']:+.3f}",
                    f"{1000 * cell['force_mae_eV_per_A']:.0f}",
                    f"{1000 * cell['harmonic_force_mae_eV_per_A']:.0f}",
                    f"{1000 * cell['anharmonic_force_mae_eV_per_A']:.0f}",
                ],
                "notes": "; ".join(json.loads(cell["sigma_notes"])),
            }
        )
    return rows


def _class(cell: pd.Series, approach: str) -> str:
    """Class, with a question mark where nothing is known of its uncertainty."""
    uncertain = pd.isna(cell[f"sigma_{approach}_mean_t_low"])
    return f"{cell[f'sigma_{approach}_class']}{' ?' if uncertain else ''}"


def _confusion_rows(data: ReportData) -> list[dict[str, str]]:
    return [
        {
            "potential": row["potential"],
            "approach": ALL_APPROACH_NAMES[row["approach"]],
            "group": "all" if row["group"] == "all" else group_name(row["group"]),
            "failures": "wrong" if row["failures_as_wrong"] else "left out",
            "n": str(row["n"]),
            "failed": str(row["failed"]),
            **{
                name: estimate(row, name)
                for name in ("accuracy", "kappa", "called_more_stable", "called_less_stable")
            },
            "collapsed": str(row["n_collapsed"]) if row["approach"] == "model_only" else "",
            "uncertain": str(row["n_without_interval"]),
        }
        for _, row in data.confusion.iterrows()
    ]


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
    return render(
        "report.html.j2",
        title=data.study.settings.name,
        n_materials=data.cells["material"].nunique(),
        potentials=list(data.overlays),
        counts={state: int(counts.get(state, 0)) for state in (OK, FAILED, PENDING)},
        protocol=data.study.settings.conditions.protocol.name,
        protocol_lines=method_lines(data.study.settings),
        seed=data.study.settings.conditions.seed,
        ranking=_ranking_rows(data),
        materials=_material_rows(data),
        failures=data.failures.head(MOST_ROWS).to_dict("records"),
        left_out={name: _left_out(done(data.cells, name)) for name in ("harmonic", "sigma")},
        n_failures=len(data.failures),
        figures=_figures(data),
        sigma=_sigma_rows(data),
        confusion=_confusion_rows(data),
        pictures=embedded(pictures, ("confusion", "sigma_", "traces_", "parity_", "modes_")),
        plotlyjs=get_plotlyjs() if data.has_phonons or {"screening", "maps"} & set(sections) else "",
        panels=panels,
        **{name: section.context(pictures) for name, section in sections.items()},
    )
