"""``softmode paper``: what it prints, where it writes, and what is no study."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_study import emt, run_tiny, tiny_study, write_metal
from typer.testing import CliRunner

from softmode.cli.app import app, main
from softmode.report.paper import build
from softmode.report.paper.fig1 import fig1a
from softmode.report.paper.table1 import table1


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that has nothing of the paper's, its data gone."""
    root = tmp_path_factory.mktemp("run")
    write_metal(root / "data" / "Cu", "Cu")
    run_tiny(tiny_study(root / "data", root / "o", emt("exact")))
    shutil.rmtree(root / "data")
    return root / "o"


@pytest.fixture(autouse=True)
def few_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "PANELS", (table1, fig1a))


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["paper", *arguments])


def test_it_says_which_panels_lack_what_and_where_the_page_is(run: Path) -> None:
    result = call(str(run), "--verbose")
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "Table 1 The run does not hold matpes-pbe-omat-ft, mpa-0-medium" in said
    assert "The run holds no chlorides" in said
    assert "0 of 2 panels complete" in said
    assert str(run / "paper" / "index.html") in result.output
    page = (run / "paper" / "index.html").read_text(encoding="utf-8")
    assert "The run holds no chlorides" in page
    assert (run / "paper" / "paper.pdf").read_bytes().startswith(b"%PDF-")


def test_it_says_one_line_of_a_panel_and_ends_with_the_paths(run: Path) -> None:
    result = call(str(run))
    assert result.exit_code == 0, result.output
    count, *panels, page, pdf = result.stdout.splitlines()
    assert count == "0 of 2 panels complete"
    assert [line.split()[:2] for line in panels] == [["Table", "1"], ["Fig.", "1a"]]
    assert all(len(line) <= 80 for line in panels)
    assert (page.split()[1], pdf.split()[1]) == (
        str(run / "paper" / "index.html"),
        str(run / "paper" / "paper.pdf"),
    )


def test_it_writes_elsewhere(run: Path, tmp_path: Path) -> None:
    result = call(str(run), "--output", str(tmp_path / "deep" / "page"))
    assert result.exit_code == 0, result.output
    assert {path.name for path in (tmp_path / "deep" / "page").iterdir()} == {
        "index.html",
        "paper.pdf",
        "tables",
        "files.json",
    }


@pytest.mark.parametrize("name", ["nothing", "a_folder"])
def test_a_folder_that_holds_no_study_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a_folder").mkdir()
    monkeypatch.setattr(sys, "argv", ["softmode", "paper", str(tmp_path / name)])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "holds no study" in said
    assert "Traceback" not in said
    assert not (tmp_path / name / "paper").exists()


def test_it_stands_among_the_commands_of_studies() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert "paper" in result.output.partition("Studies")[2].partition("Reference data")[0]
