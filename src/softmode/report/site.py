"""The page: self-contained HTML with interactive figures, tables and failures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader
from plotly.offline import get_plotlyjs

from softmode import __version__
from softmode.report import interactive
from softmode.report.data import ReportData
from softmode.report.maps import MapData, map_section
from softmode.report.md import MDData, md_section
from softmode.report.method import md_summary, method_lines, thermostat_warning
from softmode.report.screening import ScreeningData, screening_section
from softmode.report.sigma_figures import ALL_APPROACH_NAMES
from softmode.report.text import embedded, percent
from softmode.study.results import FAILED, OK, PENDING, done
from softmode.style import colours, group_name

#: Rows of a table on the page; all are in ``tables/cells.csv``.
MOST_ROWS = 400

_CONFIG = {"displaylogo": False, "responsive": True, "toImageButtonOptions": {"format": "svg"}}


def _html(figure: go.Figure, identifier: str) -> str:
    html: str = figure.to_html(full_html=False, include_plotlyjs=False, config=_CONFIG, div_id=identifier)
    return html


def _number(value: Any, digits: int = 3) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "–"
    if isinstance(value, float) and np.isinf(value):
        return "∞"
    return f"{float(value):.{digits}g}"


def _interval(row: pd.Series, name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if pd.isna(low):
        return _number(row[name])
    return f"{_number(row[name])} [{_number(low)}, {_number(high)}]"


def _ranking_rows(data: ReportData) -> list[dict[str, str]]:
    return [
        {
            "potential": row["potential"],
            "group": "all" if row["group"] == "all" else group_name(row["group"]),
            "overall": "yes" if row["group"] == "all" else "",
            "n": str(row["n"]),
            "failed": str(row["failed"]),
            "w2": _interval(row, "median_rmse_w2_THz2"),
            "w2_wrong": _number(row["median_rmse_w2_THz2_failures_as_wrong"]),
            "vg": _interval(row, "median_rmse_vg_THzA"),
            "vg_wrong": _number(row["median_rmse_vg_THzA_failures_as_wrong"]),
            "softening": _interval(row, "median_softening"),
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
    for _, cell in _shown(done(data.cells, "harmonic"), "path_rmse_w2_THz2").iterrows():
        rows.append(
            {
                "formula": cell["formula"],
                "material": cell["material"],
                "group": group_name(cell["group"]),
                "potential": cell["potential"],
                "numbers": [
                    _number(cell["path_rmse_w2_THz2"]),
                    _number(cell["path_rmse_vg_THzA"]),
                    _number(cell["mesh_rmse_w2_THz2"]),
                    _number(cell["mesh_rmse_vg_THzA"]),
                    f"{cell['mesh_lowest_reference_THz']:.2f}",
                    f"{cell['mesh_lowest_model_THz']:.2f}",
                    _number(cell["path_softening"]),
                    _number(cell["asr_reference_eV_per_A2"], 2),
                    _number(cell["asr_model_eV_per_A2"], 2),
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
        "scatter": _html(interactive.scatter(data.cells), "scatter"),
        "boxes": _html(interactive.boxes(data.cells), "boxes"),
        "lowest": _html(interactive.lowest_modes(data.cells), "lowest"),
        "bands": [
            {
                "potential": potential,
                "items": [
                    {
                        "role": overlay.role,
                        "formula": overlay.formula,
                        "material": overlay.material,
                        "rmse": _number(overlay.rmse_w2),
                        "html": _html(
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
                "scores": [_score(cell, approach) for approach in ("reference", "phi_ref", "phi_model")],
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


def _score(cell: pd.Series, approach: str) -> str:
    mean, low, high = (cell[f"sigma_{approach}_mean_t{end}"] for end in ("", "_low", "_high"))
    return f"{mean:.3f}" if pd.isna(low) else f"{mean:.3f} [{low:.3f}, {high:.3f}]"


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
                name: _interval(row, name)
                for name in ("accuracy", "kappa", "called_more_stable", "called_less_stable")
            },
            "collapsed": str(row["n_collapsed"]) if row["approach"] == "model_only" else "",
            "uncertain": str(row["n_without_interval"]),
        }
        for _, row in data.confusion.iterrows()
    ]


def _dynamics(
    data: ReportData, dynamics: MDData, pictures: Mapping[str, tuple[str, bytes]]
) -> dict[str, Any]:
    settings = data.study.settings.md
    return {
        **md_section(dynamics, pictures),
        "settings": md_summary(settings)[0].upper() + md_summary(settings)[1:],
        "discard": settings.discard,
        "warning": thermostat_warning(settings),
    }


def render_page(
    data: ReportData,
    pictures: Mapping[str, tuple[str, bytes]],
    screening: ScreeningData | None = None,
    dynamics: MDData | None = None,
    maps: MapData | None = None,
) -> str:
    """HTML of the report; needs no other file and no network.

    Parameters
    ----------
    data : ReportData
        What is shown.
    pictures : mapping of str to (str, bytes)
        Title and PNG of the figures by name; those that are not drawn interactively are embedded.
    screening : ScreeningData, optional
        What the potentials say alone.
    dynamics : MDData, optional
        Their molecular dynamics.
    maps : MapData, optional
        Maps of configuration space.
    """
    environment = Environment(loader=PackageLoader("softmode.report"), autoescape=True, trim_blocks=True)
    counts = data.cells["state"].value_counts()
    return environment.get_template("report.html.j2").render(
        title=data.study.settings.name,
        version=__version__,
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        n_materials=data.cells["material"].nunique(),
        potentials=list(data.overlays),
        counts={state: int(counts.get(state, 0)) for state in (OK, FAILED, PENDING)},
        protocol=data.study.settings.protocol.name,
        protocol_lines=method_lines(data.study.settings),
        seed=data.study.settings.seed,
        ranking=_ranking_rows(data),
        materials=_material_rows(data),
        failures=data.failures.head(MOST_ROWS).to_dict("records"),
        left_out={name: _left_out(done(data.cells, name)) for name in ("harmonic", "sigma")},
        n_failures=len(data.failures),
        figures=_figures(data),
        sigma=_sigma_rows(data),
        confusion=_confusion_rows(data),
        pictures=embedded(pictures, ("confusion", "sigma_", "traces_", "parity_", "modes_")),
        screening=None if screening is None else screening_section(screening, pictures, _html),
        md=None if dynamics is None else _dynamics(data, dynamics, pictures),
        maps=None if maps is None else map_section(maps, pictures),
        plotlyjs=get_plotlyjs() if data.has_phonons or screening is not None or maps is not None else "",
    )
