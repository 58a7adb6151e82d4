"""Panels that measurements give to a study's page: nothing in the report knows of them beforehand."""

from __future__ import annotations

import html
import io
import re
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from report_page import assert_not_blank, cells_of, drawn
from tiny_study import emt, run_tiny, tiny_study, write_metal

from softmode.panel import PUBLISHED, Entry, Panel, Picture, RecordLink, Table, linked, row_list
from softmode.published import DOI_URL
from softmode.report.build import build_report
from softmode.report.panels import csv_files
from softmode.study.folder import Study
from softmode.study.results import record_index
from softmode.style import figure_style


def heat(study: Study) -> Panel:
    """As an outside package would make it from the records of its measurement."""
    [record, *_] = record_index(study).itertuples()
    link = RecordLink(record.material, record.potential, record.measurement, record.key, record.file)
    listing, links = row_list("heat_materials", {"all": pd.DataFrame({"material": ["Al"], "heat": [2.9]})})
    with figure_style():
        figure = Figure(figsize=(4, 3))
        figure.subplots().plot([0, 100, 200], [0, 2, 2.8], label="C_V")
    return Panel(
        key="heat",
        title="Heat capacity: of everything",
        caption="At constant volume & harmonic.",
        pictures=(Picture("heat", "Heat capacity", figure),),
        tables=(
            Table(
                "heat_at_300_K",
                "At 300 K",
                ("material", "C_V (k_B)", "mean", "printed"),
                (("Al", Entry("2.81", link), *linked(["2.9"], links["all"]), Entry("2.7", PUBLISHED)),),
                note="Per atom.",
            ),
        ),
        missing=("Nothing above 300 K.",),
        lists=(listing,),
    )


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    root = tmp_path_factory.mktemp("panels")
    write_metal(root / "data" / "Al", "Al")
    study, _ = run_tiny(tiny_study(root / "data", root / "o", emt("exact")))
    return study, build_report(study, panels=[heat(study)])


def test_a_panel_is_a_section_of_the_page(page: str) -> None:
    [section] = re.findall(r'<section id="heat">.*?</section>', page, re.DOTALL)
    assert 'href="#heat">Heat capacity</a>' in page.partition("<main>")[0]
    for said in ("Heat capacity: of everything", "At constant volume & harmonic.", "Nothing above 300 K."):
        assert html.escape(said) in section
    assert cells_of(section) == [["Al", "2.81", "2.9", "2.7"]]
    assert "Per atom." in section
    assert section.count("data:image/png;base64,") == 1
    assert page.index('id="heat"') < page.index('id="failures"')


def test_its_numbers_lead_to_what_they_came_from(page: str, reported: tuple[Study, Path]) -> None:
    [section] = re.findall(r'<section id="heat">.*?</section>', page, re.DOTALL)
    record, rows, paper = re.findall(r'<td><a class="\w+" href="([^"]+)"', section)
    assert (reported[1].parent / record).resolve().is_file()
    assert rows == "tables/heat_materials.csv#row=2-2"
    assert paper == DOI_URL


def test_its_figure_and_tables_lie_beside_the_page(reported: tuple[Study, Path]) -> None:
    assert "heat" in drawn(reported[1]) & drawn(reported[1], "pdf")
    assert_not_blank(reported[1], "heat")
    table = pd.read_csv(reported[1].parent / "tables" / "heat_at_300_K.csv")
    assert table["C_V (k_B)"].tolist() == [2.81]
    assert table["mean, source"].tolist() == ["line 2 of tables/heat_materials.csv"]
    assert pd.read_csv(reported[1].parent / "tables" / "heat_materials.csv")["heat"].tolist() == [2.9]


def test_the_page_of_a_study_without_panels_has_none_but_its_own(reported: tuple[Study, Path]) -> None:
    page = build_report(reported[0]).read_text(encoding="utf-8")
    assert re.findall(r'<section id="(\w+)">', page) == ["field_metrics", "leaderboard"]


def test_names_that_the_page_has_already_are_refused(reported: tuple[Study, Path]) -> None:
    table = Table("cells", "", ("a",), ())
    with pytest.raises(ValueError, match="two tables of the page are called 'cells'"):
        build_report(reported[0], panels=[Panel("x", "", "", tables=(table,))])
    with pytest.raises(ValueError, match="two figures of the page are called 'errors_boxes'"):
        build_report(
            reported[0], panels=[Panel("x", "", "", pictures=(Picture("errors_boxes", "", Figure()),))]
        )


def test_no_cell_of_a_csv_is_a_formula() -> None:
    """Texts that a spreadsheet would run are preceded by an apostrophe; numbers stay numbers."""
    bad = ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3|x", "\t=1", "-abc"]
    good = ["7net-0", "-0.3", "+1.5 \u00b1 0.2", "-1.2 THz", "\u2212", ""]
    frame = pd.DataFrame({"label": bad + good, "x": range(len(bad) + len(good))})
    text = csv_files({"t": frame})["tables/t.csv"].decode()
    read = pd.read_csv(io.StringIO(text), keep_default_na=False)
    assert list(read["label"]) == [f"'{cell}" for cell in bad] + good
    assert list(read["x"]) == list(frame["x"])
