"""``--supercell`` is the same option in every command, and not needed where files allow one only."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from moving_metals import write_moving_metal
from tiny_study import EMT_NAME
from typer.testing import CliRunner

from softmode.cli.app import app
from softmode.datasets import open_reference, supercell_of
from softmode.errors import SoftmodeError


@pytest.fixture
def stated(tmp_path: Path) -> Path:
    """A metal with POSCAR, FORCE_SETS and a phonopy.conf that says 2 2 2, and its motion."""
    write_moving_metal(tmp_path / "stated" / "Al", "Al")
    (tmp_path / "stated" / "Al" / "phonopy.conf").write_text("DIM = 2 2 2\n")
    return tmp_path / "stated" / "Al"


@pytest.fixture
def bare(stated: Path, tmp_path: Path) -> Path:
    """POSCAR and FORCE_SETS alone."""
    folder = tmp_path / "bare" / "Al"
    folder.mkdir(parents=True)
    for name in ("POSCAR", "FORCE_SETS"):
        shutil.copy(stated / name, folder)
    return folder


def shown(*arguments: str | Path) -> tuple[dict[str, Any], str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    content = json.loads(result.stdout)
    for name in ("seconds", "trajectories"):
        content.pop(name, None)
    return content, result.stderr


def refused(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(result.exception, SoftmodeError), (result.output, result.exception)
    return str(result.exception)


def commands(stated: Path, out: Path) -> dict[str, tuple[str | Path, ...]]:
    """Each command up to the reference, which is its last argument."""
    run = stated / "run.extxyz"
    return {
        "phonons": ("phonons", "--potential", EMT_NAME, "--json", "--reference"),
        "sigma": ("sigma", "--trajectory", run, "--json", "--force-constants"),
        "md": (
            *("md", "--potential", EMT_NAME, "--steps", "20", "--replicas", "1", "--json"),
            *("--output", out, "--sample-every", "2"),
        ),
    }


@pytest.mark.parametrize("command", ["phonons", "sigma", "md"])
def test_inferred_and_said(command: str, stated: Path, bare: Path, tmp_path: Path) -> None:
    told, quiet = shown(*commands(stated, tmp_path / "a")[command], stated)
    found, note = shown(*commands(stated, tmp_path / "b")[command], bare)
    said, silent = shown(*commands(stated, tmp_path / "c")[command], bare, "--supercell", "2 2 2")
    assert told == found == said
    assert f"{bare}: supercell 2 2 2, the only one that FORCE_SETS allows\n" in note
    assert "supercell" not in quiet + silent
    again = commands(stated, tmp_path / "d")[command]
    assert shown(*again, stated, "--supercell", "2,2,2")[0] == told
    assert "it brings its own supercell" in refused(*again, stated, "--supercell", "3 3 3")
    assert "'two' is not made of integers" in refused(*again, bare, "--supercell", "two")
    error = refused(*again, bare, "--supercell", "1 2 2")
    assert "forces on 8 atoms, but the supercell has 4" in error


def test_force_sets_with_the_file_of_their_supercell(stated: Path, tmp_path: Path) -> None:
    """σ of loose FORCE_SETS and SPOSCAR is that of the folder they are from."""
    supercell = supercell_of(open_reference(stated))
    ase.io.write(tmp_path / "SPOSCAR", supercell.to_atoms(), format="vasp", direct=True)
    start = commands(stated, tmp_path)["sigma"]
    folder, _ = shown(*start, stated)
    loose, _ = shown(*start, stated / "FORCE_SETS", "--supercell", tmp_path / "SPOSCAR")
    assert loose["mean_t"] == pytest.approx(folder["mean_t"], rel=1e-6)
    assert loose["overall"] == pytest.approx(folder["overall"], rel=1e-6)
    order = np.random.default_rng(1).permutation(8)
    ase.io.write(tmp_path / "SPOSCAR", supercell.to_atoms()[order], format="vasp", direct=True)
    shuffled = (*start, stated / "FORCE_SETS", "--supercell", tmp_path / "SPOSCAR")
    assert "forces break the symmetry of a site" in refused(*shuffled)
    wrong, doubt = shown(*shuffled, "--accept", "site_symmetry", "--accept", "residual")
    assert wrong["mean_t"] != pytest.approx(folder["mean_t"], rel=0.1)
    assert "accepted though forces break the symmetry of a site" in doubt
    error = refused(*start, stated / "FORCE_SETS")
    assert "this is FORCE_SETS: forces on displaced supercells, without their crystal" in error
    assert "--supercell SPOSCAR" in error
