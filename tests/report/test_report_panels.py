"""Panels that measurements give to a study's page: nothing in the report knows of them beforehand."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from report_page import document_of, panel_of, text_of
from tiny_study import emt, run_tiny, tiny_study, write_metal

from softmode.charts import CellDistribution
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

    def draw() -> Figure:
        with figure_style():
            figure = Figure(figsize=(4, 3))
            figure.subplots().plot([0, 100, 200], [0, 2, 2.8], label="C_V")
            return figure

    return Panel(
        key="heat",
        title="Heat capacity: of everything",
        caption="At constant volume & harmonic.",
        pictures=(Picture("heat", "Heat capacity", draw),),
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


def test_a_panel_is_on_the_page_as_it_was_made(page: dict[str, Any]) -> None:
    panel = panel_of(page, "heat")
    assert panel["title"] == "Heat capacity: of everything"
    assert panel["caption"] == "At constant volume & harmonic."
    assert panel["missing"] == ["Nothing above 300 K."]
    [table] = panel["tables"]
    assert [list(map(text_of, row)) for row in table["rows"]] == [["Al", "2.81", "2.9", "2.7"]]
    assert (table["note"], table["is_text"]) == ("Per atom.", [True, False, False, False])
    [picture] = panel["pictures"]
    assert picture["data"].startswith("data:image/png;base64,")
    assert picture["width"] == 440
    assert panel["lists"] == [{"name": "heat_materials", "n": 1}]


def test_its_numbers_lead_to_what_they_came_from(page: dict[str, Any], reported: tuple[Study, Path]) -> None:
    _, record, rows, paper = panel_of(page, "heat")["tables"][0]["rows"][0]
    assert [entry["kind"] for entry in (record, rows, paper)] == ["record", "rows", "published"]
    assert (reported[1].parent / record["href"]).resolve().is_file()
    assert rows["href"] == "tables/heat_materials.csv#row=2-2"
    assert paper["href"] == DOI_URL


def test_its_tables_lie_beside_the_page(reported: tuple[Study, Path]) -> None:
    table = pd.read_csv(reported[1].parent / "tables" / "heat_at_300_K.csv")
    assert table["C_V (k_B)"].tolist() == [2.81]
    assert table["mean, source"].tolist() == ["line 2 of tables/heat_materials.csv"]
    assert pd.read_csv(reported[1].parent / "tables" / "heat_materials.csv")["heat"].tolist() == [2.9]


def test_a_picture_is_drawn_only_where_there_is_no_chart(reported: tuple[Study, Path]) -> None:
    def never() -> Figure:
        raise ValueError("no ink")

    bare = Panel("bare", "", "", pictures=(Picture("bare", "Ink", never),))
    chart = CellDistribution(name="c", title="", value="path_softening")
    page = document_of(
        build_report(
            reported[0],
            panels=[bare, replace(bare, key="charted", charts=(chart,))],
            folder=reported[0].folder / "p",
        )
    )
    assert panel_of(page, "bare")["missing"] == ["Ink cannot be drawn (ValueError: no ink)."]
    assert panel_of(page, "charted")["missing"] == panel_of(page, "charted")["pictures"] == []


def test_names_that_the_page_has_already_are_refused(reported: tuple[Study, Path]) -> None:
    def ink() -> Figure:
        return Figure(figsize=(1, 1))

    table = Table("cells", "", ("a",), ())
    with pytest.raises(ValueError, match="two tables of the page are called 'cells'"):
        build_report(reported[0], panels=[Panel("x", "", "", tables=(table,))])
    twice = Panel("x", "", "", pictures=(Picture("ink", "", ink), Picture("ink", "", ink)))
    with pytest.raises(ValueError, match="two figures of the page are called 'ink'"):
        build_report(reported[0], panels=[twice], folder=reported[0].folder / "q", figures=True)


def test_no_cell_of_a_csv_is_a_formula() -> None:
    """Texts that a spreadsheet would run are preceded by an apostrophe; numbers stay numbers."""
    bad = ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3|x", "\t=1", "-abc"]
    good = ["7net-0", "-0.3", "+1.5 \u00b1 0.2", "-1.2 THz", "\u2212", ""]
    frame = pd.DataFrame({"label": bad + good, "x": range(len(bad) + len(good))})
    text = csv_files({"t": frame})["tables/t.csv"].decode()
    read = pd.read_csv(io.StringIO(text), keep_default_na=False)
    assert list(read["label"]) == [f"'{cell}" for cell in bad] + good
    assert list(read["x"]) == list(frame["x"])


def test_tables_are_written_as_pandas_writes_them() -> None:
    frame = pd.DataFrame(
        {
            "number": [1.5, np.nan, np.inf, 1e-7, 1e16, 0.1 + 0.2, -0.0],
            "count": pd.array([1, None, 3, 4, 5, 6, 7], dtype="Int64"),
            "text": ["a,b", 'say "c"', None, "", "Φ", "two\nlines", np.nan],
            "any": [True, None, 1.5, np.float64(2.0), np.nan, pd.NA, "x"],
            "flag": [True, False] * 3 + [True],
        }
    )
    assert csv_files({"t": frame})["tables/t.csv"].decode() == frame.to_csv(index=False)
    empty = frame.iloc[:0]
    assert csv_files({"t": empty})["tables/t.csv"].decode() == empty.to_csv(index=False)
