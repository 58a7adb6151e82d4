from __future__ import annotations

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from tiny_study import emt, factory, run_tiny, tiny_study, write_metal

from softmode.files import file_name
from softmode.report import interactive, site
from softmode.report.bands import band_overlay
from softmode.report.build import build_report
from softmode.report.data import collect
from softmode.report.field_metrics import field_metrics_panel
from softmode.report.rendering import png_and_pdf
from softmode.study.field_metrics import field_metrics_table
from softmode.study.folder import Study, reopen_study
from softmode.study.paired import COMPARED_ERRORS, STABILITY_F1
from softmode.study.results import cell_table

PNG, PDF = b"\x89PNG\r\n\x1a\n", b"%PDF-"


class Elements(HTMLParser):
    """Tags with their attributes, and the text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text += data


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


def test_crystals_whose_phonons_were_seen_in_training_are_marked(
    reported: tuple[Study, Path], page: str
) -> None:
    data = collect(reported[0])
    seen = (data.cells["material"] == "Au") & (data.cells["potential"] == "exact/one")
    marked = replace(data, cells=data.cells.assign(phonons_seen=np.where(seen, "train", "no")))
    text = Elements(site.render_page(marked, {})).text
    assert text.count("Au †") == 1
    assert "exact/one was trained on the phonons of this crystal" in text
    assert set(data.cells["phonons_seen"]) == {"unknown"}
    assert "†" not in Elements(page).text


def test_it_is_where_it_is_said_to_be(reported: tuple[Study, Path]) -> None:
    assert reported[1] == reported[0].folder / "report" / "index.html"


def test_the_page_needs_no_other_file_and_no_network(page: str) -> None:
    elements = Elements(page)
    for tag, attributes in elements.tags:
        for name in ("src", "href", "srcset", "data", "poster", "action"):
            value = attributes.get(name)
            if value is None:
                continue
            assert not value.startswith(("http:", "https:", "//")), (tag, value)
            assert tag == "a" or value.startswith(("#", "data:")), (tag, value)
        assert tag not in ("link", "iframe")
    assert len(page) > 1_000_000  # plotly itself is inside
    assert "Plotly.newPlot" in page
    styles = "".join(re.findall(r"<style>(.*?)</style>", page, re.DOTALL))
    assert "@import" not in styles
    assert "url(" not in styles


def test_links_to_records_lead_to_them(reported: tuple[Study, Path], page: str) -> None:
    links = [attributes["href"] for tag, attributes in Elements(page).tags if tag == "a"]
    records = [link for link in links if link is not None and link.endswith(".h5")]
    assert len(records) == 6
    for link in records:
        assert (reported[1].parent / link).resolve().is_file()
    targets = {attributes.get("id") for _, attributes in Elements(page).tags}
    assert {link[1:] for link in links if link is not None and link.startswith("#")} <= targets


def test_a_page_of_many_cells_shows_the_worst_of_each_potential(
    reported: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left out is counted, and found in the table beside the page."""
    study = reported[0]
    data = collect(study)
    monkeypatch.setattr(site, "MOST_ROWS", 2)
    elements = Elements(site.render_page(data, {}))
    links = [attributes["href"] for tag, attributes in elements.tags if tag == "a" and attributes.get("href")]
    shown = [link for link in links if str(link).startswith("../records/")]
    assert len(shown) == 2
    worst = data.cells.sort_values("path_rmse_w2_THz2").groupby("potential").tail(1)
    keys = data.records.set_index(["material", "potential", "measurement"])["file"]
    expected = {
        f"../{keys[row.material, row.potential, 'harmonic']}"
        for row in worst.itertuples()
        if row.potential != "nan"
    }
    assert set(shown) == expected
    assert "Of 6 cells the 2 with the largest errors" in elements.text
    assert "tables/cells.csv" in links
    assert f"The first 2 of {len(data.failures)}" in elements.text


def test_many_points_are_drawn_without_much_to_say(
    reported: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = cell_table(reported[0])
    few = interactive.scatter(cells).to_json()
    monkeypatch.setattr(interactive, "MANY_POINTS", 1)
    many = interactive.scatter(cells).to_json()
    assert "softening" in few
    assert "softening" not in many
    for figure in (few, many):
        assert "Cu" in figure
    assert len(interactive.boxes(cells).to_json()) < len(few)


def test_a_thousand_marks_are_a_picture_in_the_pdf() -> None:
    sizes = []
    for n in (500, 20_000):
        figure = Figure(layout="constrained")
        axes = figure.subplots()
        axes.plot(*np.random.default_rng(0).random((2, n)), "o")
        png, pdf = png_and_pdf(figure)
        assert (png[:8], pdf[:5]) == (PNG, PDF)
        sizes.append(len(pdf))
    assert sizes[1] < 10 * sizes[0]


def test_the_page_names_materials_potentials_and_reasons(page: str) -> None:
    text = Elements(page).text
    for word in ("Al", "Au", "Cu", "soft one", "exact/one", "nan", "NonFiniteForces"):
        assert word in text
    assert text.count("returned NaN or infinite values for configuration") == 3
    assert "default+" in text
    assert "seed 2026" in text


def test_the_ranking_on_the_page(reported: tuple[Study, Path], page: str) -> None:
    rows = re.findall(r"<tr class=\"overall\">(.*?)</tr>", page, re.DOTALL)
    first_cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in rows]
    assert [cells[0] for cells in first_cells] == ["exact/one", "soft one", "nan"]
    assert first_cells[1][13].startswith("0.8")
    assert first_cells[2][2:4] == ["0", "3"]
    assert "∞" in first_cells[2]


def test_the_fields_metrics_on_the_page(reported: tuple[Study, Path], page: str) -> None:
    assert "The field's metrics: frequencies, thermodynamics, stability" in Elements(page).text
    tables = {name: pd.read_csv(reported[1].parent / "tables" / f"{name}.csv") for name in FIELD_TABLES}
    stability = tables["harmonic_stability"].set_index("potential")
    assert list(stability.index) == ["soft one", "exact/one"]  # the one that always fails has none
    assert stability.loc["exact/one", "stable, called stable"] == 3
    assert str(stability.loc["exact/one", "F1"]).startswith("1")
    errors = tables["field_metrics_errors"].set_index(["potential", "materials"])
    shown = float(errors.loc[("soft one", "all"), "entropy, J/(mol K)"].split()[0])
    cells = tables["field_metrics_materials"].query("potential == 'soft one'")
    assert shown == pytest.approx(cells["mesh_entropy_difference_J_per_molK"].abs().mean(), rel=5e-3)


def test_the_page_says_why_a_potential_has_no_thermodynamics(tiny_dataset: Path, tmp_path: Path) -> None:
    upside_down = factory("scaled_emt", "upside down", factor=-1.0)
    study, _ = run_tiny(tiny_study(tiny_dataset, tmp_path / "o", upside_down, ids=["Cu"]))
    data = collect(study)
    panel = field_metrics_panel(data, field_metrics_table(data.cells, study.settings.conditions.seed))
    assert panel is not None
    errors, stability = panel.tables
    assert "In 1 cell a side is mostly imaginary and has no thermodynamics" in errors.note
    assert "of the modes of the potential are imaginary" in errors.note
    shown, verdicts = (
        {head: entry.text for head, entry in zip(table.columns, table.entries()[0], strict=True)}
        for table in (errors, stability)
    )
    assert shown["entropy, J/(mol K)"] == "–"
    assert float(shown["largest mode, THz"]) > 1.0
    assert (verdicts["stable, called unstable"], verdicts["precision"]) == ("1", "–")


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_every_figure_is_drawn(reported: tuple[Study, Path], suffix: str) -> None:
    folder = reported[1].parent / "figures"
    names = {path.stem for path in folder.glob(f"*.{suffix}")}
    bands = {f"bands_{file_name(label)}" for label in ("soft one", "exact/one")}
    field = {"densities_of_states", "thermodynamic_errors"}
    in_pairs = {"paired_errors", "paired_shares"}
    assert names == {"errors_scatter", "errors_boxes", "stability", *bands, *field, *in_pairs}
    for path in folder.glob(f"*.{suffix}"):
        content = path.read_bytes()
        assert content.startswith(PNG if suffix == "png" else PDF)
        assert len(content) > 8_000


def test_pictures_are_not_blank(reported: tuple[Study, Path]) -> None:
    from matplotlib.image import imread

    for path in (reported[1].parent / "figures").glob("*.png"):
        picture = imread(path)[..., :3]
        assert min(picture.shape[:2]) > 300
        numbers = (255 * picture[::2, ::2]).astype(int) @ [1, 256, 65536]
        assert len(np.unique(numbers)) > 20


def test_tables_have_the_promised_columns(reported: tuple[Study, Path]) -> None:
    folder = reported[1].parent / "tables"
    tables = {path.stem: pd.read_csv(path) for path in folder.glob("*.csv")}
    assert set(tables) == {
        *("cells", "ranking", "confusion", "failures", "records"),
        *("field_metrics", *FIELD_TABLES, "pairs", "paired"),
    }
    assert len(tables["confusion"]) == 0  # these materials have no trajectories
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
    page = build_report(study).read_text(encoding="utf-8")
    text = Elements(page).text
    assert text.count("returned NaN or infinite values") == 2
    assert len(pd.read_csv(study.folder / "report" / "tables" / "failures.csv")) == 2
    assert not (study.folder / "report" / "figures").exists()


def test_before_anything_is_computed_there_is_a_page(tiny_dataset: Path, tmp_path: Path) -> None:
    from softmode.study.folder import open_study

    open_study(tiny_study(tiny_dataset, tmp_path / "o"))
    page = build_report(reopen_study(tmp_path / "o")).read_text(encoding="utf-8")
    assert "not computed yet" in page
    assert len(pd.read_csv(tmp_path / "o" / "report" / "tables" / "cells.csv")) == 3


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a study in which every name is an attack on HTML."""
    root = tmp_path_factory.mktemp("hostile")
    write_metal(root / "data" / "<script>alert(1)<script>", "Cu")
    write_metal(root / "data" / "tom & <b>", "Al")
    settings = tiny_study(
        root / "data",
        root / "o",
        emt("<img src=x onerror=alert(2)>"),
        factory("raising_emt", "</script><script>alert(3)</script>", message="<script>alert(4)</script>"),
        name="<script>alert(5)</script>",
    )
    return build_report(run_tiny(settings)[0]).read_text(encoding="utf-8")


def test_names_are_no_html(hostile: str) -> None:
    elements = Elements(hostile)
    images = [attributes for tag, attributes in elements.tags if tag == "img"]
    assert all(str(attributes["src"]).startswith("data:image/png") for attributes in images)
    assert not any("onerror" in attributes for attributes in images)
    assert "<script>alert" not in hostile
    assert "<img src=x" not in hostile
    for number in (1, 3, 4, 5):
        assert f"<script>alert({number})" in elements.text
    assert "<img src=x onerror=alert(2)>" in elements.text


def test_names_are_no_formulas(tmp_path: Path) -> None:
    """A dollar sign in a name does not break the type setting of figures."""
    write_metal(tmp_path / "data" / "$x^$ \\frac", "Al")
    settings = tiny_study(tmp_path / "data", tmp_path / "o", emt("$\\frac{1$ _^"))
    study, _ = run_tiny(settings)
    assert build_report(study).is_file()
    assert len(list((tmp_path / "o" / "report" / "figures").glob("*.png"))) == 6
