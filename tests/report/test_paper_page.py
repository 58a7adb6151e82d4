"""The written page: every link leads somewhere, every number's rows are there, its files are whole."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import h5py
import pandas as pd
import pytest
from matplotlib.figure import Figure
from paper_study import BEST, COMPOUNDS, OTHER, PaperRun
from report_page import document_of

from softmode.errors import StorageError
from softmode.panel import (
    Panel,
    Picture,
    RecordLink,
    RowList,
    RowsLink,
    row_list,
)
from softmode.report.panels import target
from softmode.report.paper import build
from softmode.report.paper.build import BuiltPaper, build_paper
from softmode.report.paper.fig1 import fig1a, fig1c
from softmode.report.paper.panels import PANELS
from softmode.report.paper.source import PaperData, collect_paper
from softmode.report.paper.table1 import table1
from softmode.study.folder import reopen_study


@pytest.fixture(scope="module")
def built(paper_standin: PaperRun, tmp_path_factory: pytest.TempPathFactory) -> BuiltPaper:
    """A page of three panels, outside the study's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "PANELS", (table1, fig1a, fig1c))
        return build_paper(paper_standin.study, tmp_path_factory.mktemp("page") / "deep" / "paper")


@pytest.fixture(scope="module")
def entries(built: BuiltPaper) -> list[dict[str, str]]:
    """Texts of tables that lead somewhere."""
    return [
        entry
        for panel in document_of(built.page)["panels"]
        for table in panel["tables"]
        for row in table["rows"]
        for entry in row
        if isinstance(entry, dict)
    ]


def test_every_address_leads_to_something(built: BuiltPaper, entries: list[dict[str, str]]) -> None:
    assert {entry["kind"] for entry in entries} == {"record", "rows", "published"}
    for entry in entries:
        if entry["kind"] == "published":
            assert entry["href"].startswith("https://doi.org/")
            continue
        file, _, fragment = entry["href"].partition("#")
        path = built.page.parent / file
        assert path.is_file(), entry
        if fragment:
            first, last = (int(number) for number in fragment.removeprefix("row=").split("-"))
            n_lines = len(path.read_text(encoding="utf-8").splitlines())
            assert 2 <= first <= last <= n_lines, entry


def test_records_that_numbers_came_from_are_those_of_their_digest(
    built: BuiltPaper, entries: list[dict[str, str]]
) -> None:
    files = {entry["href"] for entry in entries if entry["kind"] == "record"}
    assert len(files) >= 4
    for href in files:
        with h5py.File(built.page.parent / href) as record:
            assert record.attrs["key"] == Path(href).stem
            assert record.attrs["measurement"] in ("harmonic", "reference_sigma")
            inputs = json.loads(record.attrs["inputs"])
        text = json.dumps(inputs, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == Path(href).stem


def test_panels_stand_in_the_chapters_of_the_paper(built: BuiltPaper) -> None:
    document = document_of(built.page)
    assert document["kind"] == "paper"
    assert [panel["chapter"] for panel in document["panels"]] == ["The article"] * 3
    assert [len(panel["pictures"]) for panel in document["panels"]] == [0, 1, 1]


def test_rows_of_a_list_name_record_and_digest(built: BuiltPaper, paper_standin: PaperRun) -> None:
    frame = pd.read_csv(built.page.parent / "tables" / "fig1c.csv")
    assert len(frame) == 3 * len(COMPOUNDS)
    for row in frame.itertuples():
        assert (paper_standin.study.folder / row.record).is_file()
        values = paper_standin.study.store.read(row.digest).values
        assert values["path_rmse_w2_THz2"] == pytest.approx(row.path_rmse_w2_THz2, rel=1e-12)


def test_all_records_of_the_run_are_listed(built: BuiltPaper, paper_standin: PaperRun) -> None:
    frame = pd.read_csv(built.page.parent / "tables" / "records.csv")
    on_disk = {path.stem for path in paper_standin.study.store.root.glob("*/*.h5")}
    assert set(frame["digest"]) == on_disk
    assert set(frame["potential"]) >= {BEST, OTHER}


def test_tables_have_a_column_for_their_sources(built: BuiltPaper) -> None:
    frame = pd.read_csv(built.page.parent / "tables" / "fig1a_extremes.csv")
    sources = frame["RMSE(ω²) (THz²), source"]
    assert sources[0].startswith("record ")
    assert len(sources[0].split()[1]) == 64
    assert "10.1039/d5cp04693a" in frame["compound, source"][2]
    boxes = pd.read_csv(built.page.parent / "tables" / "fig1c_boxes.csv")
    assert boxes["n, source"][0] == "lines 2 to 3 of tables/fig1c.csv"


def test_notices_say_how_the_run_differs(built: BuiltPaper) -> None:
    notices = " ".join(document_of(built.page)["notices"])
    assert f"This run holds {len(COMPOUNDS)} materials; the paper" in notices
    assert "Only by the label" in notices
    assert "Protocol yang2026+, not yang2026" in notices  # its q-points are fewer


def test_the_same_page_written_again_removes_what_is_no_longer_there(
    paper_standin: PaperRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "mine.png").write_bytes(b"mine")
    (tmp_path / "files.json").write_text('["../outside.csv", "tables/../../outside.csv", 3]')
    outside = tmp_path.parent / "outside.csv"
    outside.write_text("kept")
    monkeypatch.setattr(build, "PANELS", (table1, _small("first")))
    build_paper(paper_standin.study, tmp_path, figures=True)
    assert (tmp_path / "figures" / "first.pdf").is_file()
    monkeypatch.setattr(build, "PANELS", (table1, _small("second")))
    build_paper(paper_standin.study, tmp_path, figures=True)
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "mine.png",
        "second.png",
        "second.svg",
        "second.pdf",
    }
    assert not list(tmp_path.rglob("*.tmp"))
    assert outside.read_text() == "kept"


def _small(name: str):  # type: ignore[no-untyped-def]
    def draw() -> Figure:
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([0, 1])
        return figure

    def panel(data: PaperData) -> Panel:
        return Panel(name, f"Fig. {name}", "", pictures=(Picture(name, name, draw),))

    return panel


def test_two_tables_of_one_name_are_refused(
    paper_standin: PaperRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "PANELS", (table1, table1))
    with pytest.raises(ValueError, match="two tables"):
        build_paper(paper_standin.study, tmp_path)


def test_all_panels_can_be_made_of_a_run_that_lacks_much(paper_standin: PaperRun) -> None:
    data = collect_paper(paper_standin.study)
    panels = [make(data) for make in PANELS]
    assert len({panel.key for panel in panels}) == len(panels)
    pictures = [picture.name for panel in panels for picture in panel.pictures]
    tables = [table.name for panel in panels for table in panel.tables]
    lists = [item.name for panel in panels for item in panel.lists]
    assert len(set(pictures)) == len(pictures)
    assert len({*tables, *lists}) == len(tables) + len(lists)
    for panel in panels:
        assert panel.title
        assert all(sentence.endswith(".") for sentence in panel.missing), panel.missing
        assert_sources(data, panel)


def test_all_panels_can_be_made_of_phonons_alone(paper_standin: PaperRun, tmp_path: Path) -> None:
    def only_phonons(settings: dict[str, Any]) -> None:
        settings["measurements"] = ["harmonic"]
        settings["potential"] = settings["potential"][:1]

    data = collect_paper(paper_standin.changed(tmp_path / "o", only_phonons))
    for make in PANELS:
        assert_sources(data, make(data))


def assert_sources(data: PaperData, panel: Panel) -> None:
    """Rows and records that numbers lead to are there."""
    lengths = {item.name: len(item.frame) for item in panel.lists}
    for table in panel.tables:
        for entry in (entry for row in table.entries() for entry in row):
            if isinstance(entry.link, RowsLink):
                assert entry.link.last - 1 <= lengths[entry.link.name]
            if isinstance(entry.link, RecordLink):
                assert (data.study.folder / entry.link.file).is_file()


def test_a_changed_record_changes_the_page(paper_standin: PaperRun, tmp_path: Path) -> None:
    """Nothing is remembered between pages: a study without a record has no link to it."""

    def other(settings: dict[str, Any]) -> None:
        settings["protocol"]["mesh_length"] = 12.0

    data = collect_paper(paper_standin.changed(tmp_path / "o", other))
    assert data.link("dpv_Cs2KDyCl6", BEST, "harmonic") is None
    assert data.record("dpv_Cs2KDyCl6", BEST, "harmonic") is None
    assert data.link("dpv_Cs2KDyCl6", BEST, "displaced_forces") is not None


def test_row_lists_count_lines_of_the_file(tmp_path: Path) -> None:
    parts = {
        "a": pd.DataFrame({"x": [1, 2]}),
        "none": pd.DataFrame({"x": []}),
        "b": pd.DataFrame({"x": [3]}),
    }
    listing, found = row_list("name", parts)
    listing.frame.to_csv(tmp_path / "x.csv", index=False)
    text = (tmp_path / "x.csv").read_text().splitlines()
    assert text[found["a"].first - 1 : found["a"].last] == ["1", "2"]
    assert text[found["b"].first - 1 : found["b"].last] == ["3"]
    assert found["none"].last < found["none"].first
    assert target(found["none"], str) == "tables/name.csv"
    assert target(found["a"], str) == "tables/name.csv#row=2-3"
    assert row_list("empty", {})[0].frame.empty


def test_a_folder_that_cannot_be_written_is_explained(
    paper_standin: PaperRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "PANELS", (table1,))
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        build_paper(reopen_study(paper_standin.study.folder), tmp_path / "file" / "paper")


def test_lists_are_not_tables(built: BuiltPaper) -> None:
    assert all(isinstance(item, RowList) for panel in built.panels for item in panel.lists)
