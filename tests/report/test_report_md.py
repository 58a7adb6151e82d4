"""Dynamics in the report: section, figures and tables; studies without harmonic or reference data."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from moving_metals import MOVING, write_moving_metal
from report_page import charts_of, document_of, panel_of, table_of
from tiny_study import QUICK, emt, factory, run_tiny, tiny_study

from softmode.dynamics import thermostat_warning
from softmode.measurements.md import DynamicsSettings
from softmode.report.build import build_report
from softmode.report.method import method_lines
from softmode.report.paper.attribution_figures import attribution_figure
from softmode.study.folder import Study, open_study, reopen_study
from softmode.study.md_results import PARTS
from softmode.study.results import OK, cell_table
from softmode.study.run import run_study
from softmode.study.settings import parse_study

MD = {"steps": 240, "sample_every": 2, "discard": 40}


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """Two metals, a potential and one that loses a crystal; data and potentials are gone."""
    root = tmp_path_factory.mktemp("md_reported")
    for symbol, force in (("Al", 1.0), ("CuAu", 1.3)):
        write_moving_metal(root / "data" / symbol, symbol, force, n_frames=12, amplitude=0.05)
    settings = tiny_study(
        root / "data",
        root / "o",
        emt(),
        factory("nan_close_emt", "fragile", distance=2.45),
        options=MOVING,
        measurements=["sigma", "one_shot", "model_only"],
        md=MD,
    )
    run_tiny(settings)
    shutil.rmtree(root / "data")
    study = reopen_study(root / "o")
    return study, build_report(study)


def test_the_panel_shows_runs_and_lost_crystals(reported: tuple[Study, Path], page: dict[str, Any]) -> None:
    table = cell_table(reported[0]).set_index(["material", "potential"])
    by_cell = {(row["formula"], row["potential"]): row for row in table_of(page, "dynamics_runs")}
    assert set(by_cell) == set(table.index)
    collapsed = table["md_collapsed"].astype(bool)
    assert 1 <= collapsed.sum() < len(table)
    for key, row in by_cell.items():
        cell = table.loc[key]
        assert row["frames"] == str(int(cell["model_only_n_frames"]))
        if pd.notna(cell["sigma_model_only_mean_t"]):
            assert row["σ alone"].startswith(f"{cell['sigma_model_only_mean_t']:.3f}")
        shown = row["class"].removesuffix(" ?")
        assert shown == ("crystal lost" if collapsed[key] else cell["sigma_model_only_class"])
    lost = table_of(page, "dynamics_lost")
    assert {(row["formula"], row["potential"]) for row in lost} == set(table.index[collapsed])
    assert all("collapsed at step" in row["reason"] for row in lost)


def test_what_errors_are_made_of(reported: tuple[Study, Path], page: dict[str, Any]) -> None:
    rows = table_of(page, "attribution_parts")
    names = ["sum: σ alone − σ reference", "forces", "force constants", "configurations"]
    assert [row["part"] for row in rows if row["potential"] == "emt"] == names
    folder = reported[1].parent / "tables"
    parts = pd.read_csv(folder / "attribution.csv")
    np.testing.assert_allclose(parts[list(PARTS)].sum(axis=1), parts["difference"], atol=1e-12)
    summary = pd.read_csv(folder / "attribution_summary.csv").set_index(["potential", "part"])
    shown = {(row["label"], row["facet"]): row["value"] for row in charts_of(page)["attribution"]["rows"]}
    assert shown["emt", "forces"] == pytest.approx(summary.loc[("emt", "force_error"), "median"], rel=1e-5)
    assert "model_only" in set(pd.read_csv(folder / "confusion.csv")["approach"])
    assert len(pd.read_csv(folder / "collapses.csv")) >= 1


def test_one_shot_sampling_beside_dynamics(reported: tuple[Study, Path], page: dict[str, Any]) -> None:
    table = pd.read_csv(reported[1].parent / "tables" / "one_shot_and_md.csv")
    series = charts_of(page)["md_one_shot"]["series"]
    assert sum(len(one["x"]) for one in series) == len(table)
    caption = panel_of(page, "dynamics")["caption"]
    assert f"same class in {int(table['same_class'].sum())} of {len(table)} cells" in caption


def test_how_it_was_made(page: dict[str, Any]) -> None:
    text = " ".join(page["method"])
    assert "displacements of 0.01 Å, symmetrised" in text
    assert "weak below 0.5, strong to 1" in text
    assert "drift of the centre of mass removed" in text
    assert "20 random samples at 300 K" in text
    assert "2 runs of 240 steps of 1 fs at 300 K and constant volume (Langevin, friction 0.01/fs)" in text
    assert "450 K" not in text


def settings_of(**content: Any) -> Any:
    return parse_study(
        {
            "name": "x",
            "output": "o",
            "dataset": {"kind": "example"},
            "potential": [{"name": "7net-0"}],
            **content,
        },
        "x.toml",
    )


def test_the_published_protocol_is_stated_with_its_temperature() -> None:
    study = settings_of(protocol="yang2026", measurements=["sigma", "model_only"])
    text = " ".join(method_lines(study))
    assert "displacements of 0.02 Å, as they come (raw)" in text
    assert "Andersen, collision probability 0.5 a step" in text
    assert "bring the positions to 450 K, not 300 K" in text
    assert "one-shot" not in text
    assert thermostat_warning(DynamicsSettings(thermostat="langevin")) == ""


def test_only_what_was_asked_for_is_described() -> None:
    text = " ".join(method_lines(settings_of(measurements=["harmonic"])))
    assert "σ" not in text
    assert "molecular dynamics" not in text


def test_bare_structures_without_any_reference(tmp_path: Path) -> None:
    """No harmonic comparison, no reference: what the potentials say, from files to page."""
    for symbol, a in (("Al", 4.0), ("Cu", 3.6)):
        ase.io.write(tmp_path / f"{symbol}.cif", bulk(symbol, "fcc", a=a, cubic=True))
    settings = parse_study(
        {
            "name": "bare",
            "output": str(tmp_path / "o"),
            "dataset": {
                "kind": "structures",
                "path": str(tmp_path),
                "options": {"supercell_matrix": [2, 2, 2]},
            },
            "potential": [emt(), factory("raising_emt", "broken")],
            "measurements": ["model_phonons", "one_shot", "model_only"],
            "protocol": {**QUICK, "relax": True},
            "md": MD,
            "run": {"executor": "softmode_test_factories:one_thread"},
        },
        "bare.toml",
    )
    study = open_study(settings)
    report = run_study(study)
    assert (report.computed, report.failed) == (4, 2)
    page = build_report(study)
    table = cell_table(study)
    assert table.loc[table["potential"] == "emt", "state"].tolist() == [OK, OK]
    document = document_of(page)
    runs = table_of(document, "dynamics_runs")
    assert {row["formula"] for row in runs} == {"Al", "Cu"}
    assert not any("class, reference" in row for row in runs)
    assert {"screening", "dynamics"} <= {panel["key"] for panel in document["panels"]}
    assert "classes" not in {panel["key"] for panel in document["panels"]}
    assert "sigma_model_only" not in charts_of(document)  # there is nothing to set it against
    assert len(table_of(document, "screening_shown")) == 4
    assert not (page.parent / "tables" / "attribution.csv").exists()  # there is nothing to attribute


def test_many_materials_are_shown_as_distributions() -> None:
    rng = np.random.default_rng(1)
    n = 60
    parts = pd.DataFrame(
        {
            "material": [f"m{index}" for index in range(n)] * 2,
            "formula": "Cs2AgBiBr6",
            "potential": ["A"] * n + ["B"] * n,
            "collapsed": rng.random(2 * n) < 0.1,
            **{part: rng.normal(size=2 * n) for part in PARTS},
        }
    )
    figure = attribution_figure(parts.assign(difference=parts[list(PARTS)].sum(axis=1)))
    [axes] = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "forces",
        "force constants",
        "configurations",
        "sum",
    ]
    figure.savefig("/dev/null", format="png")
