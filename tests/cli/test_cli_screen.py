from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk
from ase.io import write
from report_page import charts_of, document_of, table_of
from tiny_study import EMT_NAME
from typer.testing import CliRunner

from softmode.cli.app import app
from softmode.errors import SoftmodeError

QUICK = ("--samples", "8", "--workers", "1")


def call(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["screen", *map(str, arguments)])


def succeed(*arguments: str | Path) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return str(result.stdout)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells are computed here: starting processes is what other tests look at, and slow."""
    monkeypatch.setattr("softmode.processes.process_pool", lambda *_: ThreadPoolExecutor(1))


@pytest.fixture
def metals(tmp_path: Path) -> Path:
    folder = tmp_path / "structures"
    folder.mkdir()
    for symbol in ("Al", "Cu"):
        write(folder / f"{symbol}.cif", bulk(symbol, "fcc", cubic=True))
    return folder


def test_a_ranked_table_with_everything_a_reader_needs(metals: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    shown = json.loads(
        succeed(metals, "--potential", EMT_NAME, "--output", output, *QUICK, "--sampling", "both", "--json")
    )
    [classes] = [one["text"] for one in shown["verdict"] if one["topic"] == "anharmonicity"]
    assert "Of 2 compounds" in classes
    shown = shown["compounds"]
    assert {row["formula"] for row in shown} == {"Al", "Cu"}
    for row in shown:
        assert row["harmonically_stable"] is True
        assert 3.4 < row["a_A"] < 4.2
        assert row["sigma_one_shot_low"] < row["sigma_one_shot"] < row["sigma_one_shot_high"]
        chances = [row[f"sigma_self_consistent_p_{name}"] for name in ("weak", "strong", "unstable")]
        assert sum(chances) == pytest.approx(1.0)
        assert row["sigma_self_consistent_class"] == "weak"
        assert row["seconds"] > 0.0
    assert (output / "report" / "tables" / "screening.csv").exists()
    page = document_of(output / "report" / "index.html")
    rows = table_of(page, "screening_shown")
    assert {row["formula"] for row in rows} == {"Al", "Cu"}
    assert {row["class, self-consistent"] for row in rows} == {"weak"}
    assert {"ranked_one_shot", "sigma_and_modes_self_consistent"} <= set(charts_of(page))


def test_again_computes_nothing_and_says_so(metals: Path, tmp_path: Path) -> None:
    arguments = (metals, "--potential", EMT_NAME, "--output", tmp_path / "out", *QUICK)
    first, second = succeed(*arguments), succeed(*arguments)
    assert "2 computed now" in first
    assert "2 were there, 0 computed now" in second
    table = (tmp_path / "out" / "report" / "tables" / "screening.csv").read_text()
    assert table.splitlines()[0].startswith("rank,formula")


def test_what_cannot_be_screened_is_a_row_with_its_reason(metals: Path, tmp_path: Path) -> None:
    result = call(
        *(metals, "K2PtCl6", "Xx2AgBiBr6", "--prototype", "elpasolite"),
        *("--potential", EMT_NAME, "--output", tmp_path / "out", *QUICK, "--json"),
    )
    assert result.exit_code == 3, result.output
    reasons = {
        row["material"]: row["reason"] for row in json.loads(result.stdout)["compounds"] if row["reason"]
    }
    assert "halide_double_perovskite" in reasons["K2PtCl6"]
    assert "Xx" in reasons["Xx2AgBiBr6"]
    assert len(reasons) == 2


def test_a_failure_is_said_once(metals: Path, tmp_path: Path) -> None:
    arguments = (metals, "K2PtCl6", "--prototype", "elpasolite", "--potential", EMT_NAME)
    first, again = (call(*arguments, "--output", tmp_path / "out", *QUICK) for _ in range(2))
    for result in (first, again):
        assert result.exit_code == 3, result.output
        shown = result.stdout + result.stderr
        assert shown.count("failed K2PtCl6 × ") == 1
        assert "()" not in shown


def test_json_holds_structure_instead_of_text(metals: Path, tmp_path: Path) -> None:
    shown = succeed(metals, "--potential", EMT_NAME, "--output", tmp_path / "out", *QUICK, "--json")
    rows = json.loads(shown, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))["compounds"]
    for row in rows:
        assert len(row["lowest_qpoint"]) == 3
        assert row["softest_by_point_THz"]["X"] > 0.0
        assert row["reason"] is None
        assert not [
            value for value in row.values() if isinstance(value, str) and value.startswith(("[", "{"))
        ]


def test_the_table_fits_80_columns(metals: Path, tmp_path: Path) -> None:
    shown = succeed(metals, "--potential", EMT_NAME, "--output", tmp_path / "out", *QUICK)
    rows = {line.split()[1]: line for line in shown.splitlines() if line[:1].isdigit() and "[" in line}
    assert set(rows) == {"Al", "Cu"}
    for row in rows.values():
        assert len(row) <= 80
        assert re.search(r"weak \d+ %", row)


def test_every_question_has_its_own_folder(
    metals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one = (metals / "Al.cif", "--potential", EMT_NAME, *QUICK)
    succeed(*one)
    [folder] = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("screening-ase.calculators.emt_EMT-")
    table = folder / "report" / "tables" / "screening.csv"
    before = table.read_bytes()
    succeed(metals / "Cu.cif", "--potential", EMT_NAME, *QUICK)
    assert len(list((tmp_path / "runs").iterdir())) == 2
    assert table.read_bytes() == before
    again = succeed("../" + str((metals / "Al.cif").relative_to(tmp_path.parent)), *one[1:], "--workers", "2")
    assert "1 were there, 0 computed now" in again
    assert len(list((tmp_path / "runs").iterdir())) == 2


@pytest.mark.parametrize("name", ["missing.cif", "no/such/folder", "POSCAR_of_mine"])
def test_what_looks_like_a_file_is_called_missing(tmp_path: Path, name: str) -> None:
    result = call(name, "--potential", EMT_NAME, "--output", tmp_path / "out")
    assert isinstance(result.exception, SoftmodeError)
    assert str(result.exception).startswith(f"{name}: there is no such file")


def test_labels_score_the_screening(metals: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("formula,sigma2\nAl,0.2\nCu,0.1\n")
    output = tmp_path / "out"
    succeed(metals, "--potential", EMT_NAME, "--labels", labels, "--output", output, *QUICK)
    header, *rows = (output / "report" / "tables" / "labels.csv").read_text().splitlines()
    first = dict(zip(header.split(","), rows[0].split(","), strict=True))
    assert float(first["accuracy"]) == 1.0
    assert first["n"] == "2"
    page = document_of(output / "report" / "index.html")
    [series] = charts_of(page)["labels_scatter"]["series"]
    assert sorted(series["x"]) == [0.1, 0.2]
    [row] = [row for row in table_of(page, "labels_shown") if row["potential"] == EMT_NAME]
    assert row["accuracy"].startswith("1")


def test_drawing_is_by_seed_and_balanced(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    rows = [f"{a}2NaIn{x}6,{s}" for x in ("Cl", "Br") for a, s in (("K", 0.2), ("Rb", 0.7), ("Cs", 1.3))]
    labels.write_text("\n".join(["formula,sigma", *rows]) + "\n")

    def drawn(seed: str) -> list[str]:
        result = call(
            *("--labels", labels, "--draw", "3", "--seed", seed, "--prototype", "elpasolite"),
            *("--potential", EMT_NAME, "--output", tmp_path / seed, *QUICK, "--json"),
        )
        assert result.exit_code == 3  # EMT knows none of these elements
        return sorted(row["material"] for row in json.loads(result.stdout)["compounds"])

    assert drawn("1") == drawn("1")
    assert len({tuple(drawn(seed)) for seed in ("1", "2", "3")}) > 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--temperature", "0"), "temperature"),
        (("--temperature", "-300"), "temperature"),
        (("--temperature", "nan"), "temperature"),
        (("--statistics", "fermionic"), "statistics"),
        (("--draw", "3"), "nothing to draw from"),
        (("--labels", "no_such_file.csv"), "no_such_file.csv"),
    ],
)
def test_bad_questions(metals: Path, tmp_path: Path, arguments: tuple[str, ...], problem: str) -> None:
    result = call(metals, "--potential", EMT_NAME, "--output", tmp_path / "out", *QUICK, *arguments)
    assert isinstance(result.exception, SoftmodeError), result.output
    assert problem in str(result.exception)
    assert not (tmp_path / "out" / "records").exists()


def test_formulas_need_a_prototype(tmp_path: Path) -> None:
    result = call("Cs2AgBiBr6", "--potential", EMT_NAME, "--output", tmp_path / "out")
    assert isinstance(result.exception, SoftmodeError)
    assert "prototype" in str(result.exception)


def test_nothing_to_screen(tmp_path: Path) -> None:
    result = call("--potential", EMT_NAME, "--output", tmp_path / "out")
    assert isinstance(result.exception, SoftmodeError)
    assert "neither structures nor formulas" in str(result.exception)
