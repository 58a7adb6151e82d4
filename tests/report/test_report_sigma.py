"""Anharmonicity in the report: section, figures and tables; confusion matrices, the published ones too."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from moving_metals import MOVING, write_moving_metal
from report_page import charts_of, document_of, table_of
from tiny_study import emt, factory, run_tiny, tiny_study

from softmode.report.build import build_report
from softmode.study.folder import Study, reopen_study
from softmode.study.results import cell_table

CLASS_OF = {"Al": "weak", "Au": "unstable"}


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """A weak and an unstable metal, two potentials and one that fails; data and potentials are gone."""
    root = tmp_path_factory.mktemp("reported")
    for symbol, force in (("Al", 1.0), ("Au", 2.5)):
        write_moving_metal(root / "data" / symbol, symbol, force, n_frames=24, amplitude=0.05)
    settings = tiny_study(
        root / "data",
        root / "o",
        factory("scaled_emt", "soft one", factor=0.8),
        emt("exact"),
        factory("nan_emt", "broken"),
        options=MOVING,
    )
    run_tiny(settings)
    shutil.rmtree(root / "data")
    study = reopen_study(root / "o")
    return study, build_report(study)


def test_every_cell_has_its_scores(reported: tuple[Study, Path], page: dict[str, Any]) -> None:
    table = cell_table(reported[0]).set_index(["material", "potential"])
    cells = page["cells"]
    for place, (material, potential) in enumerate(zip(cells["material"], cells["potential"], strict=True)):
        key = page["materials"][material]["name"], page["potentials"][potential]["name"]
        if key[1] == "broken":
            assert cells["values"]["sigma_phi_model_mean_t"][place] is None
            continue
        for name in ("sigma_reference_mean_t", "sigma_phi_ref_mean_t", "force_mae_eV_per_A"):
            assert cells["values"][name][place] == pytest.approx(table.loc[key, name], rel=1e-5)
        difference = table.loc[key, "sigma_phi_model_mean_t"] - table.loc[key, "sigma_reference_mean_t"]
        assert cells["values"]["sigma_phi_model_difference"][place] == pytest.approx(difference, rel=1e-4)
        assert cells["values"]["sigma_reference_class"][place] == CLASS_OF[key[0]]
        assert cells["values"]["sigma_phi_model_class"][place] == "weak"


def test_agreement_on_classes_is_on_the_page(page: dict[str, Any]) -> None:
    rows = table_of(page, "classes")
    assert len(rows) == 3 * 2 * 2
    by_key = {(row["potential"], row["way"], row["failures"]): row for row in rows}
    row = by_key["exact", "Φ of the potential", "left out"]
    assert (row["n"], row["failed"]) == ("2", "0")
    assert row["accuracy"].startswith("0.5 [")
    row = by_key["broken", "Φ of the reference", "wrong"]
    assert (row["n"], row["failed"]) == ("2", "2")
    assert row["accuracy"].startswith("0 [")


def test_charts_of_sigma(reported: tuple[Study, Path], page: dict[str, Any]) -> None:
    charts = charts_of(page)
    assert {"sigma_phi_model", "sigma_phi_ref", "classes_phi_model", "classes_phi_ref", "sigma_parts"} <= set(
        charts
    )
    assert charts["classes_phi_model"]["row"] == "sigma_reference_class"
    assert [guide["value"] for guide in charts["sigma_phi_model"]["guides"]] == [0.5, 1.0] * 2
    table = cell_table(reported[0]).set_index(["formula", "potential"])
    parts = {"forces": "sigma_force_error", "force constants": "sigma_hessian_error"}
    assert len(charts["sigma_parts"]["rows"]) == 2 * 2 * 2
    for row in charts["sigma_parts"]["rows"]:
        formula, part = row["facet"].split(": ")
        expected = table.loc[(formula, row["potential"]), parts[part]]
        assert row["value"] == pytest.approx(expected, rel=1e-5)


def test_the_confusion_table(reported: tuple[Study, Path]) -> None:
    table = pd.read_csv(reported[1].parent / "tables" / "confusion.csv")
    classes = ("weak", "strong", "unstable")
    figures = ("accuracy", "kappa", "called_more_stable", "called_less_stable")
    assert {
        *("potential", "approach", "group", "failures_as_wrong", "n", "failed"),
        *("n_collapsed", "n_without_interval"),
        *(f"{name}{end}" for name in figures for end in ("", "_low", "_high")),
        *(f"{a}_called_{b}_count" for a in classes for b in classes),
        *(f"{a}_called_{b}_rate{end}" for a in classes for b in classes for end in ("", "_low", "_high")),
    } == set(table.columns)
    rows = table.set_index(["potential", "approach", "failures_as_wrong"]).sort_index()
    assert len(rows) == 3 * 2 * 2
    assert rows.loc[("exact", "phi_ref", False), "accuracy"] == 1.0
    assert rows.loc[("exact", "phi_model", False), "called_more_stable"] == 1.0
    assert rows.loc[("broken", "phi_model", True), "accuracy"] == 0.0
    assert rows.xs("broken")["failed"].tolist() == [2] * 4


def test_potentials_are_compared_by_forces_and_sigma_too(reported: tuple[Study, Path]) -> None:
    pairs = pd.read_csv(reported[1].parent / "tables" / "pairs.csv").set_index(["first", "second", "error"])
    for error in ("forces", "sigma"):
        assert pairs.loc[("exact", "soft one", error), "n"] == 2


def test_the_table_of_cells_holds_sigma(reported: tuple[Study, Path]) -> None:
    table = pd.read_csv(reported[1].parent / "tables" / "cells.csv")
    approaches = ("reference", "phi_ref", "phi_model", "phi_model_ref_forces")
    ends = ("mean_t", "mean_t_low", "mean_t_high", "overall", "class", "p_weak", "n_effective", "per_site")
    assert {
        *("sigma_state", "sigma_force_error", "sigma_hessian_error", "force_mae_eV_per_A"),
        *("harmonic_force_rmse_eV_per_A", "anharmonic_force_mae_eV_per_A", "force_rms_reference_eV_per_A"),
        *(f"sigma_{approach}_{end}" for approach in approaches for end in ends),
    } <= set(table.columns)


# Studies of one kind of measurement, or hardly any result


def a_study(dataset: Path, folder: Path, *measurements: str, **more: Any) -> Study:
    write_moving_metal(dataset / "Al", "Al", n_frames=24)
    settings = tiny_study(dataset, folder, emt("exact"), measurements=measurements, options=MOVING, **more)
    return run_tiny(settings)[0]


def test_a_study_of_anharmonicity_alone_on_as_many_frames_as_it_takes(tmp_path: Path) -> None:
    study = a_study(tmp_path / "data", tmp_path / "o", "sigma", sigma={"frames": "adaptive"})
    report = build_report(reopen_study(study.folder))
    page = document_of(report)
    [extent] = page["cells"]["values"]["sigma_extent_note"]
    assert extent.startswith("12 of 24 frames")
    assert "sigma_phonon_errors" not in charts_of(page)
    assert not [name for name in charts_of(page) if name.startswith("classes_")]  # of one material: no matrix
    for path in (report.parent / "tables").glob("*.csv"):
        assert "potential" in pd.read_csv(path).columns, path.name


def test_a_study_of_phonons_alone(tmp_path: Path) -> None:
    report = build_report(a_study(tmp_path / "data", tmp_path / "o", "harmonic"))
    assert "Anharmonicity" not in {panel["chapter"] for panel in document_of(report)["panels"]}
    table = pd.read_csv(report.parent / "tables" / "cells.csv")
    assert not [column for column in table.columns if column.startswith("sigma_")]


def test_a_study_in_which_every_anharmonicity_failed(tmp_path: Path) -> None:
    write_moving_metal(tmp_path / "data" / "Al", "Al", n_frames=10)
    (tmp_path / "data" / "Al" / "run.extxyz").write_text("nothing")
    study, report = run_tiny(tiny_study(tmp_path / "data", tmp_path / "o", options=MOVING))
    assert report.failed == 1
    page = build_report(study)
    document = document_of(page)
    assert "sigma" not in {panel["key"] for panel in document["panels"]}
    assert "run.extxyz" in document["failures"][0]["reason"]
