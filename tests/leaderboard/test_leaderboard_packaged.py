"""The packaged tables: small, what their provenance says, and read without what computes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from command_imports import imported
from typer.testing import CliRunner

from softmode.cli.app import app
from softmode.errors import InputDataError
from softmode.leaderboard.boards import FIGURES, HARMONIC, PROVENANCE, SIGMA, packaged, read_boards
from softmode.potentials import find_entry

FOLDER = files("softmode") / "data" / "leaderboard"


def test_the_tables_are_small() -> None:
    assert sum(len(file.read_bytes()) for file in FOLDER.iterdir()) < 300_000


def test_the_tables_are_those_of_the_provenance_and_no_others() -> None:
    boards = json.loads((FOLDER / PROVENANCE).read_text())["boards"]
    digests = {name: digest for said in boards.values() for name, digest in said["tables"].items()}
    found = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in FOLDER.iterdir()
        if file.name.endswith(".csv")
    }
    assert found == digests


def test_every_board_says_where_it_comes_from() -> None:
    for board in packaged():
        said = board.provenance
        for name in ("title", "citation", "licence", "functional", "software"):
            assert said[name], (board.key, name)
        assert len(said["records"]["digest"]) == len(said["protocol"]["digest"]) == 64
        assert said["n_materials"] == len(board.materials)
        assert said["n_cells"] == len(board.materials) * len(board.potentials)
        for name in board.potentials:
            entry = find_entry(name)
            assert entry is not None
            assert board.about[name]["training_data"] == entry.training_data


def test_there_are_phonons_and_anharmonicity() -> None:
    boards = packaged()
    largest = max(boards, key=lambda board: len(board.materials))
    assert HARMONIC in largest.measurements
    assert len(largest.materials) == 143
    assert {"F", "Cl", "Br", "I"} <= set(largest.groups)
    assert any(SIGMA in board.measurements and "Cs2AgBiBr6" in board.title for board in boards)
    for board in boards:
        for row in board.materials:
            assert all(re.fullmatch(r"[0-9a-f]{16}|", row[name]) for name in (HARMONIC, SIGMA, "reference"))
        for figure in board.figures:
            assert np.isfinite(board.values[figure.name]).mean() > 0.9


def test_what_trained_on_hessians_has_seen_most_of_the_crystals() -> None:
    largest = max(packaged(), key=lambda board: len(board.materials))
    for at, name in enumerate(largest.potentials):
        counts = dict(zip(*np.unique(largest.seen[:, at], return_counts=True), strict=True))
        seen = {"test": 11, "train": 128, "val": 4} if name.endswith(("-pft", "-nocotrain")) else {"no": 143}
        assert counts == seen


def test_a_table_that_was_changed_is_refused(tmp_path: Path) -> None:
    for file in FOLDER.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert len(read_boards(tmp_path)) == len(packaged())
    table = next(tmp_path.glob("*_materials.csv"))
    table.write_text(table.read_text() + "\n")
    with pytest.raises(InputDataError, match="not the table"):
        read_boards(tmp_path)
    with pytest.raises(InputDataError, match="holds no leaderboard"):
        read_boards(tmp_path / "nothing")


def called(*options: str) -> str:
    result = CliRunner().invoke(app, ["leaderboard", *options])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def test_it_is_printed_written_and_drawn(tmp_path: Path) -> None:
    shown = called("--only", "Br")
    assert "slope" in shown
    files = "--csv", str(tmp_path / "l.csv"), "--plot", str(tmp_path / "l.png")
    document = json.loads(called("--only", "Br", "--json", *files))
    assert (tmp_path / "l.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "l.csv").read_text())))
    assert len(document["ranking"]) == len(rows)
    largest = max(packaged(), key=lambda board: len(board.materials)).in_group("Br")
    overall = [row for row in document["ranking"] if row["board"] == largest.key and row["group"] == "all"]
    at = {name: place for place, name in enumerate(largest.potentials)}
    for row in overall:
        values = largest.values["rmse_w2_THz2"][:, at[row["potential"]]]
        assert row["rmse_w2_THz2"] == np.median(values)
        assert row["potential"][:16] in shown
    assert [row["rank"] for row in overall] == sorted(row["rank"] for row in overall)


def test_nothing_is_cut_in_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = called("--only", "Br", "--all")
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_figures_have_names_of_their_own() -> None:
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)


def test_it_is_there_at_once() -> None:
    assert not imported("leaderboard") & {"torch", "pandas", "phonopy", "matplotlib", "jax", "h5py"}
