"""The written page: every link leads somewhere, every number's rows are there, PDF and files are whole."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import h5py
import pandas as pd
import pytest
from matplotlib.figure import Figure
from paper_study import BEST, COMPOUNDS, OTHER, PaperRun

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
from softmode.report.paper.pdf_layout import TEXT_WIDTH, Sheets, Words, column_widths, text_width, wrapped
from softmode.report.paper.source import PaperData, collect_paper
from softmode.report.paper.table1 import table1
from softmode.study.folder import reopen_study


class Links(HTMLParser):
    """Addresses, anchors, and whatever would be fetched."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.hrefs: list[str] = []
        self.ids: list[str] = []
        self.fetched: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a":
            self.hrefs.append(given["href"] or "")
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag in ("img", "script", "link"):
            self.fetched.append(str(given.get("src") or given.get("href") or ""))


@pytest.fixture(scope="module")
def built(paper_standin: PaperRun, tmp_path_factory: pytest.TempPathFactory) -> BuiltPaper:
    """A page of three panels, outside the study's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "PANELS", (table1, fig1a, fig1c))
        return build_paper(paper_standin.study, tmp_path_factory.mktemp("page") / "deep" / "paper")


@pytest.fixture(scope="module")
def links(built: BuiltPaper) -> Links:
    return Links(built.page.read_text(encoding="utf-8"))


def test_the_page_fetches_nothing(links: Links) -> None:
    assert links.fetched
    assert all(address.startswith("data:image/png;base64,") for address in links.fetched)


def test_every_address_leads_to_something(built: BuiltPaper, links: Links) -> None:
    assert len(links.ids) == len(set(links.ids))
    for href in links.hrefs:
        file, _, fragment = href.partition("#")
        if href.startswith("https://doi.org/"):
            continue
        if not file:
            assert fragment in links.ids, href
            continue
        path = built.page.parent / file
        assert path.is_file(), href
        if fragment:
            first, last = (int(number) for number in fragment.removeprefix("row=").split("-"))
            n_lines = len(path.read_text(encoding="utf-8").splitlines())
            assert 2 <= first <= last <= n_lines, href


def test_records_listed_are_those_of_their_digest(built: BuiltPaper, links: Links) -> None:
    files = [href for href in links.hrefs if href.endswith(".h5")]
    assert len(files) == len(set(files)) >= 4
    for href in files:
        with h5py.File(built.page.parent / href) as record:
            assert record.attrs["key"] == Path(href).stem
            assert record.attrs["measurement"] in ("harmonic", "reference_sigma")
            inputs = json.loads(record.attrs["inputs"])
        text = json.dumps(inputs, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == Path(href).stem


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
    page = built.page.read_text(encoding="utf-8")
    assert f"This run holds {len(COMPOUNDS)} materials; the paper" in page
    assert "Only by the label" in page
    assert "Protocol yang2026+, not yang2026" in page  # its q-points are fewer


def test_the_pdf_is_whole_and_links_to_the_page(built: BuiltPaper) -> None:
    content = built.pdf.read_bytes()
    assert content.startswith(b"%PDF-")
    assert content.rstrip().endswith(b"%%EOF")
    assert b"/Type3" not in content  # letters as drawings are broken in some readers
    inflated = b"".join(_streams(content)) + content
    assert len(re.findall(rb"/Type /Page\b", inflated)) >= 1 + len(built.panels)
    assert b"index.html#record-" in inflated
    assert b"tables/fig1c.csv#row=" in inflated


def _streams(content: bytes) -> list[bytes]:
    found = []
    for match in re.finditer(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
        try:
            found.append(zlib.decompress(match.group(1)))
        except zlib.error:
            continue
    return found


def test_figures_lie_beside_the_page(built: BuiltPaper) -> None:
    folder = built.page.parent / "figures"
    assert {path.name for path in folder.iterdir()} == {
        f"{name}.{suffix}" for name in ("fig1a", "fig1c") for suffix in ("png", "pdf")
    }


def test_the_same_page_written_again_removes_what_is_no_longer_there(
    paper_standin: PaperRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "mine.png").write_bytes(b"mine")
    (tmp_path / "files.json").write_text('["../outside.csv", "tables/../../outside.csv", 3]')
    outside = tmp_path.parent / "outside.csv"
    outside.write_text("kept")
    monkeypatch.setattr(build, "PANELS", (table1, _small("first")))
    build_paper(paper_standin.study, tmp_path)
    assert (tmp_path / "figures" / "first.pdf").is_file()
    monkeypatch.setattr(build, "PANELS", (table1, _small("second")))
    build_paper(paper_standin.study, tmp_path)
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "mine.png",
        "second.png",
        "second.pdf",
    }
    assert not list(tmp_path.rglob("*.tmp"))
    assert outside.read_text() == "kept"


def _small(name: str):  # type: ignore[no-untyped-def]
    def panel(data: PaperData) -> Panel:
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([0, 1])
        return Panel(name, f"Fig. {name}", "", pictures=(Picture(name, name, figure),))

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


def test_lines_are_no_wider_than_asked() -> None:
    text = "A sentence of several words and oneverylongwordthatfitsnowhereatall, with ⟨σ(t)⟩."
    for width in (40.0, 90.0, 400.0):
        broken = wrapped(text, width, 9)
        assert all(text_width(line, 9) <= width for line in broken)
        assert "".join(broken).replace(" ", "") == text.replace(" ", "")


def test_columns_share_the_width() -> None:
    assert column_widths([10, 20], [5, 5], 100) == [10, 20]
    narrow = column_widths([300, 40, 30], [30, 40, 30], 200)
    assert sum(narrow) <= 200.001
    assert narrow[1:] == pytest.approx([40, 30], abs=0.01)


def test_a_long_table_goes_on_on_the_next_sheet_and_a_wide_one_in_parts() -> None:
    sheets = Sheets("footer")
    rows = [[Words(f"row {number}"), *[Words("1234567890" * 2)] * 12] for number in range(60)]
    sheets.table(["name", *[f"column{number}" for number in range(12)]], rows, [True] * 13)
    content = sheets.finish()
    inflated = b"".join(_streams(content)) + content
    assert len(re.findall(rb"/Type /Page\b", inflated)) >= 2
    assert text_width("1234567890" * 2, 5.9) * 12 > TEXT_WIDTH


def test_a_folder_that_cannot_be_written_is_explained(
    paper_standin: PaperRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "PANELS", (table1,))
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        build_paper(reopen_study(paper_standin.study.folder), tmp_path / "file" / "paper")


def test_lists_are_not_tables(built: BuiltPaper) -> None:
    assert all(isinstance(item, RowList) for panel in built.panels for item in panel.lists)
