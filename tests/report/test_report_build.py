from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from report_page import assert_not_blank, charts_of, document_of, drawn, panel_of, table_of
from tiny_study import emt, factory, run_tiny, tiny_study, write_metal

from softmode.charts import CellPoints
from softmode.panel import Panel
from softmode.report.bands import band_overlay
from softmode.report.build import build_report
from softmode.report.field_metrics import field_metrics_panel
from softmode.report.pictures import drawn as picture_files
from softmode.study.field_metrics import field_metrics_table
from softmode.study.folder import Study, reopen_study
from softmode.study.paired import COMPARED_ERRORS, STABILITY_F1
from softmode.study.results import cell_table

PNG, PDF = b"\x89PNG\r\n\x1a\n", b"%PDF-"


FIELD_TABLES = ("field_metrics_errors", "field_metrics_materials", "harmonic_stability")


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """A study with results and failures whose data and potentials are gone, and its page."""
    root = tmp_path_factory.mktemp("reported")
    for symbol in ("Al", "Au", "Cu"):
        write_metal(root / "data" / symbol, symbol)
    settings = tiny_study(
        root / "data",
        root / "o",
        factory("scaled_emt", "soft one", factor=0.8),
        emt("exact/one"),
        factory("nan_emt", "nan"),
    )
    run_tiny(settings)
    shutil.rmtree(root / "data")
    study = reopen_study(root / "o")
    return study, build_report(study)


def test_it_is_where_it_is_said_to_be(reported: tuple[Study, Path]) -> None:
    assert reported[1] == reported[0].folder / "report" / "index.html"


def test_crystals_whose_phonons_were_seen_in_training_are_marked(
    reported: tuple[Study, Path], page: dict[str, Any]
) -> None:
    cells = cell_table(reported[0])
    seen = (cells["material"] == "Au") & (cells["potential"] == "exact/one")
    marked = build_report(
        reported[0],
        cells.assign(phonons_seen=np.where(seen, "train", "no")),
        panels=[],
        folder=reported[0].folder / "marked",
    )
    document = document_of(marked)
    assert [part for part in document["cells"]["seen"] if part] == ["train"]
    assert any("exact/one was trained on the phonons of crystals" in said for said in document["notices"])
    assert set(page["cells"]["seen"]) == {None}
    assert not any("trained on the phonons" in said for said in page["notices"])


def test_the_page_needs_no_other_file_and_no_network(reported: tuple[Study, Path]) -> None:
    text = reported[1].read_text(encoding="utf-8")
    shell = re.sub(r"<script.*?</script>|<style>.*?</style>", "", text, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href|action)=", shell)
    styles = "".join(re.findall(r"<style>(.*?)</style>", text, re.DOTALL))
    assert "@import" not in styles
    assert not re.findall(r"url\((?![\"']?data:)", styles)
    assert text.count("<script") == 2 + text.count('class="softmode-part"')


def test_numbers_on_the_page_are_those_of_the_tables(
    reported: tuple[Study, Path], page: dict[str, Any]
) -> None:
    file = reported[1].parent / "tables" / "cells.csv"
    table = pd.read_csv(file, keep_default_na=False, na_values=[""])  # a potential is called nan
    cells = page["cells"]
    names = {
        key: [page[f"{key}s"][place]["name"] for place in cells[key]] for key in ("material", "potential")
    }
    assert names["material"] == table["material"].tolist()
    assert names["potential"] == table["potential"].tolist()
    assert cells["state"] == table["state"].tolist()
    shown = [column for column in page["columns"] if column["kind"] == "number"]
    assert len(shown) > 40
    for column in shown:
        values = np.array(cells["values"][column["name"]], dtype=float)
        np.testing.assert_allclose(values, table[column["name"]], rtol=1e-5, err_msg=column["name"])
    for chart in charts_of(page).values():
        for name in (chart.get(axis) for axis in ("x", "y", "value") if chart["kind"].startswith("cell_")):
            assert name is None or name in cells["values"]


def test_links_lead_to_records_and_rows(reported: tuple[Study, Path], page: dict[str, Any]) -> None:
    entries = [
        entry
        for panel in page["panels"]
        for table in panel["tables"]
        for row in table["rows"]
        for entry in row
        if isinstance(entry, dict)
    ]
    assert {entry["kind"] for entry in entries} == {"rows"}
    for entry in entries:
        file, _, rows = entry["href"].partition("#row=")
        lines = (reported[1].parent / file).read_text(encoding="utf-8").splitlines()
        if rows:
            first, last = map(int, rows.split("-"))
            assert 2 <= first <= last <= len(lines)
    records = pd.read_csv(reported[1].parent / "tables" / "field_metrics_materials.csv")
    assert len(records) == 6
    for record in records.itertuples():
        assert (reported[0].folder / record.record).is_file()
        assert Path(record.record).stem == record.digest


def test_failures_are_said_with_their_reasons(page: dict[str, Any]) -> None:
    assert page["counts"] == {"done": 6, "failed": 3, "pending": 0}
    assert [one["kind"] for one in page["failures"]] == ["NonFiniteForces"] * 3
    assert {page["materials"][one["material"]]["name"] for one in page["failures"]} == {"Al", "Au", "Cu"}
    assert all("returned NaN or infinite values" in one["reason"] for one in page["failures"])
    assert page["protocol"] == "default+"
    assert "bootstrap over materials, seed 2026" in page["method"]


def test_the_ranking_on_the_page(page: dict[str, Any]) -> None:
    rows = [row for row in table_of(page, "ranking_shown") if row["group"] == "all"]
    assert [row["potential"] for row in rows] == ["exact/one", "soft one", "nan"]
    assert rows[1]["slope of ω²"].startswith("0.8")
    assert (rows[2]["n"], rows[2]["failed"], rows[2]["RMSE(ω²), failures as wrong"]) == ("0", "3", "∞")
    chart = charts_of(page)["ranking_softening"]
    assert [row["label"] for row in chart["rows"]] == ["exact/one", "soft one"]
    assert chart["rows"][1]["value"] == pytest.approx(0.8, abs=0.01)


def test_the_fields_metrics_on_the_page(reported: tuple[Study, Path], page: dict[str, Any]) -> None:
    tables = {name: pd.read_csv(reported[1].parent / "tables" / f"{name}.csv") for name in FIELD_TABLES}
    stability = tables["harmonic_stability"].set_index("potential")
    assert list(stability.index) == ["soft one", "exact/one"]  # the one that always fails has none
    assert stability.loc["exact/one", "stable, called stable"] == 3
    assert str(stability.loc["exact/one", "F1"]).startswith("1")
    errors = tables["field_metrics_errors"].set_index(["potential", "materials"])
    shown = float(errors.loc[("soft one", "all"), "entropy, J/(mol K)"].split()[0])
    cells = tables["field_metrics_materials"].query("potential == 'soft one'")
    assert shown == pytest.approx(cells["mesh_entropy_difference_J_per_molK"].abs().mean(), rel=5e-3)
    series = charts_of(page)["densities_of_states"]["series"]
    assert [one["potential"] for one in series] == [None, "soft one", "exact/one"] * 3


def test_the_page_says_why_a_potential_has_no_thermodynamics(tiny_dataset: Path, tmp_path: Path) -> None:
    upside_down = factory("scaled_emt", "upside down", factor=-1.0)
    study, _ = run_tiny(tiny_study(tiny_dataset, tmp_path / "o", upside_down, ids=["Cu"]))
    cells = cell_table(study)
    table = field_metrics_table(cells, study.settings.conditions.seed)
    errors, stability = field_metrics_panel(cells, table, study.result, study.link).tables
    assert "In 1 cell a side is mostly imaginary and has no thermodynamics" in errors.note
    assert "of the modes of the potential are imaginary" in errors.note
    shown, verdicts = (
        {head: entry.text for head, entry in zip(table.columns, table.entries()[0], strict=True)}
        for table in (errors, stability)
    )
    assert shown["entropy, J/(mol K)"] == "–"
    assert float(shown["largest mode, THz"]) > 1.0
    assert (verdicts["stable, called unstable"], verdicts["precision"]) == ("1", "–")


def test_figures_are_drawn_where_they_are_asked_for(
    reported: tuple[Study, Path], page: dict[str, Any]
) -> None:
    assert not (reported[1].parent / "figures").exists()
    [chart] = [chart for chart in panel_of(page, "errors")["charts"] if chart["name"] == "errors"]
    panels = [
        Panel(
            "errors", "", "", charts=(CellPoints(name=chart["name"], title="T", x=chart["x"], y=chart["y"]),)
        )
    ]
    report = build_report(reported[0], panels=panels, folder=reported[0].folder / "drawn", figures=True)
    magic = {"png": PNG, "pdf": PDF, "svg": b"<?xml"}
    for suffix, begins in magic.items():
        assert (report.parent / "figures" / f"errors.{suffix}").read_bytes().startswith(begins)
    assert_not_blank(report)
    build_report(reported[0], panels=panels, folder=report.parent)
    assert not list((report.parent / "figures").iterdir())  # those of an earlier page are gone


def test_a_thousand_marks_are_a_picture_in_the_pdf() -> None:
    sizes = []
    for n in (500, 20_000):
        figure = Figure(layout="constrained")
        axes = figure.subplots()
        axes.plot(*np.random.default_rng(0).random((2, n)), "o")
        files = picture_files(figure, ("png", "pdf"))
        assert (files["png"][:8], files["pdf"][:5]) == (PNG, PDF)
        sizes.append(len(files["pdf"]))
    assert sizes[1] < 10 * sizes[0]


def test_tables_have_the_promised_columns(reported: tuple[Study, Path]) -> None:
    folder = reported[1].parent / "tables"
    tables = {path.stem: pd.read_csv(path) for path in folder.glob("*.csv")}
    assert set(tables) == {
        *("cells", "ranking", "ranking_shown", "failures", "records", "force_calls"),
        *("field_metrics", *FIELD_TABLES, "pairs", "paired"),
    }
    assert {
        *("material", "formula", "group", "prototype", "potential", "state", "failure_kind", "failure"),
        *("path_rmse_w2_THz2", "path_rmse_vg_THzA", "mesh_rmse_w2_THz2", "mesh_rmse_vg_THzA"),
        *("path_lowest_reference_THz", "path_lowest_model_THz", "path_softening", "mesh_softening"),
        *("path_mean_frequency_reference_THz", "path_mean_frequency_model_THz"),
        *("path_bandwidth_reference_THz", "path_bandwidth_model_THz", "path_stability_agrees"),
        *("asr_reference_eV_per_A2", "asr_model_eV_per_A2", "seconds"),
    } <= set(tables["cells"].columns)
    assert {
        *("potential", "group", "n", "failed", "median_rmse_w2_THz2", "median_rmse_w2_THz2_low"),
        *("median_rmse_w2_THz2_high", "median_rmse_w2_THz2_failures_as_wrong", "median_rmse_vg_THzA"),
        *("median_mae_w2_THz2", "median_mae_vg_THzA", "median_rmse_slope_THz2A", "median_mae_slope_THz2A"),
        *("median_softening", "stability_agreement", "stability_agreement_failures_as_wrong"),
    } <= set(tables["ranking"].columns)
    assert list(tables["failures"].columns) == [
        *("material", "formula", "group", "potential", "failure_kind", "failure")
    ]
    assert {"material", "potential", "measurement", "key", "file", "created", "software"} <= set(
        tables["records"].columns
    )
    of_phonons = {name for name, error in COMPARED_ERRORS.items() if error.measured_by == "harmonic"}
    of_phonons -= {"lowest"}  # no crystal of these has an imaginary mode
    assert set(tables["pairs"]["error"]) == of_phonons | {STABILITY_F1}
    of_w2 = tables["pairs"][tables["pairs"]["error"] == "w2"]
    assert of_w2["first"].tolist() == ["exact/one", "exact/one", "soft one"]  # best first
    assert of_w2[["n", "better", "worse"]].to_numpy().tolist() == [[3, 0, 3]] * 3  # failures are worse
    assert len(tables["paired"]) == 2
    assert len(tables["cells"]) == 9
    assert len(tables["failures"]) == 3
    expected = cell_table(reported[0])["path_rmse_w2_THz2"].to_numpy(float)
    np.testing.assert_array_equal(tables["cells"]["path_rmse_w2_THz2"].to_numpy(), expected)


def test_overlays_are_those_of_the_record(reported: tuple[Study, Path]) -> None:
    overlay = band_overlay(reported[0], "soft one", "Cu", "best")
    assert overlay is not None
    np.testing.assert_allclose(overlay.model, np.sqrt(0.8) * overlay.reference, atol=1e-4)
    pieces = overlay.pieces()
    assert pieces[0].start == 0
    assert pieces[-1].stop == len(overlay.path.distances)
    assert [piece.stop for piece in pieces[:-1]] == [piece.start for piece in pieces[1:]]
    assert len(pieces) < len(overlay.path.segments)  # Γ–X–U | K–Γ–L–W–X: segments that meet are one line
    assert band_overlay(reported[0], "nan", "Cu", "") is None


def test_without_any_result_there_is_still_a_page(tiny_dataset: Path, tmp_path: Path) -> None:
    settings = tiny_study(tiny_dataset, tmp_path / "o", factory("nan_emt"), ids=["Al", "Cu"])
    study, _ = run_tiny(settings)
    document = document_of(build_report(study))
    assert len(document["failures"]) == 2
    assert [panel["key"] for panel in document["panels"]] == ["ranking", "calls"]
    assert len(pd.read_csv(study.folder / "report" / "tables" / "failures.csv")) == 2


def test_before_anything_is_computed_there_is_a_page(tiny_dataset: Path, tmp_path: Path) -> None:
    from softmode.study.folder import open_study

    open_study(tiny_study(tiny_dataset, tmp_path / "o"))
    document = document_of(build_report(reopen_study(tmp_path / "o")))
    assert document["counts"] == {"done": 0, "failed": 0, "pending": 3}
    assert len(pd.read_csv(tmp_path / "o" / "report" / "tables" / "cells.csv")) == 3


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    """Names that attack HTML, scripts and the type setting of figures."""
    materials = ("<script>alert(1)<script>", "$x^$ \\frac")
    for material, symbol in zip(materials, ("Cu", "Al"), strict=True):
        write_metal(tmp_path / "data" / material, symbol)
    potentials = ("<img src=x onerror=alert(2)> $\\frac{1$ _^", "</script><script>alert(3)</script>")
    settings = tiny_study(
        tmp_path / "data",
        tmp_path / "o",
        emt(potentials[0]),
        factory("raising_emt", potentials[1], message="<script>alert(4)</script>"),
        name="<script>alert(5)</script>",
    )
    study, _ = run_tiny(settings)
    report = build_report(study, figures=True)
    shell, _, rest = report.read_text(encoding="utf-8").partition('<script type="text/plain"')
    assert "<title>&lt;script&gt;alert(5)&lt;/script&gt; · softmode</title>" in shell
    assert "alert(" not in rest.partition("</script>")[0]
    document = document_of(report)
    assert {one["name"] for one in document["materials"]} == set(materials)
    assert [one["name"] for one in document["potentials"]] == list(potentials)
    assert "<script>alert(4)</script>" in document["failures"][0]["reason"]
    assert len(drawn(report)) > 5
