"""``softmode passport``: the verdict in a line, figures that move, a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tiny_study import EMT_NAME
from typer.testing import CliRunner

from softmode.cli.app import app
from softmode.errors import SettingsError

FEW = ("--no-structures", "--largest-supercell", "0", "--displacement", "0.02", "--displacement", "0.05")


def call(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "100"})


def test_verdict_table_and_picture(tiny_dataset: Path, tmp_path: Path) -> None:
    given = ("passport", "--reference", tiny_dataset / "Cu", "--potential", EMT_NAME, *FEW)
    shown = call(*given, "--plot", tmp_path / "passport.png")
    assert shown.exit_code == 0, (shown.output, shown.exception)
    [values] = json.loads(call(*given, "--json").stdout)
    lines = shown.stdout.splitlines()
    number = len(values["ways"])
    assert lines[0].startswith(f"{EMT_NAME}: stable in all {number} ways; lowest mode")
    assert lines[1].startswith(f"reference: stable in all {number} ways")
    assert lines[2].startswith(f"frequencies below {values['noise_floor_THz']:.2g} THz are noise")
    [line] = [line for line in lines if line.startswith("RMSE(ω²)")]
    move = values["moves"]["path_rmse_w2_THz2"]
    assert line.split()[2:5] == [f"{move[key]:.4g}" for key in ("protocol", "lowest", "highest")]
    assert "displacement" in line
    assert (tmp_path / "passport.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_reference_that_is_said(tiny_dataset: Path) -> None:
    poscar = tiny_dataset / "Cu" / "POSCAR"
    shown = call("passport", "--reference", poscar, "--supercell", "2 2 2", "--potential", EMT_NAME, *FEW)
    assert shown.exit_code == 0, (shown.output, shown.exception)
    assert "no reference force constants: what is compared with them is left out" in shown.stdout
    assert "RMSE" not in shown.stdout


def test_displacements_that_are_none_are_refused(tiny_dataset: Path) -> None:
    given = ("passport", "--reference", tiny_dataset / "Cu", "--potential", EMT_NAME)
    result = call(*given, "--displacement", "0")
    assert isinstance(result.exception, SettingsError)
    assert "displacements are lengths in Å, above 0 and up to 0.2" in str(result.exception)
    assert isinstance(call(*given, "--plot", "passport.txt").exception, SettingsError)
