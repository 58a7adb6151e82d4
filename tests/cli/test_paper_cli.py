"""``softmode paper``: what it prints, where it writes, and what is no study."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from report_page import document_of
from tiny_study import emt, run_tiny, tiny_study, write_metal
from typer.testing import CliRunner

from softmode.cli.app import app, main
from softmode.cli.paper import summary
from softmode.panel import Panel
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
    page = run / "paper" / "index.html"
    assert str(page) in result.output
    [_, fig1a_panel] = document_of(page)["panels"]
    assert any("The run holds no chlorides" in sentence for sentence in fig1a_panel["missing"])


def test_it_says_one_line_and_ends_with_the_path(run: Path) -> None:
    result = call(str(run))
    assert result.exit_code == 0, result.output
    said, page = result.stdout.splitlines()
    assert said == "0 of 2 panels complete; incomplete: Table 1, Fig. 1a: --verbose says all"
    assert page.split()[1] == str(run / "paper" / "index.html")
    found = json.loads(call(str(run), "--json").stdout)
    assert found["panels"] == {"total": 2, "complete": 0}
    assert set(found["missing"]) == {"table1", "fig1a"}


@pytest.mark.parametrize("width", [72, 80, 200])
def test_the_line_fits_the_terminal(width: int) -> None:
    panels = [Panel(f"s{n}", f"Fig. S{n}: x", "", missing=("It needs much more data.",)) for n in range(30)]
    said = summary([*panels, Panel("a", "Fig. 1", "")], width)
    assert said.startswith("1 of 31 panels complete; incomplete: Fig. S0")
    assert len(said) <= width
    assert ("(It needs much more data)" in said) == (width > 80)
    assert summary([Panel("a", "Fig. 1", "")], width) == "1 of 1 panels complete"


def test_it_writes_elsewhere(run: Path, tmp_path: Path) -> None:
    result = call(str(run), "--output", str(tmp_path / "deep" / "page"))
    assert result.exit_code == 0, result.output
    assert {path.name for path in (tmp_path / "deep" / "page").iterdir()} == {
        "index.html",
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
