"""``softmode phonons`` with several potentials, files for phonopy; ``softmode sigma`` with potentials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import phonopy
import pytest
import yaml
from moving_metals import phonopy_hessian, write_moving_metal
from tiny_study import EMT_NAME
from typer.testing import CliRunner

from softmode.cli.app import app
from softmode.datasets import open_reference
from softmode.errors import SoftmodeError
from softmode.leaderboard.beside import yardsticks
from softmode.leaderboard.boards import Board
from softmode.measurements.conditions import Conditions
from softmode.measurements.declaration import Facts

STIFF = "softmode_test_factories:stiff_emt"
HEADINGS = ("on the band path", "on the mesh")


def call(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "80"})


def succeed(*arguments: str | Path) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return str(result.stdout)


def rows(shown: str) -> dict[str, list[str]]:
    """Cells of a table's rows on the band path, without their label."""
    inside = shown.partition(HEADINGS[0])[2].partition(HEADINGS[1])[0]
    lines = [line.split("  ") for line in inside.splitlines() if line.strip()]
    return {parts[0].strip(): [part.strip() for part in parts[1:] if part.strip()] for parts in lines}


def test_it_is_set_beside_the_leaderboard_where_that_knows_the_crystal(
    tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("phonons", "--reference", tiny_dataset / "Cu", "--potential", EMT_NAME, "--no-noise")
    cu = open_reference(tiny_dataset / "Cu")
    facts = Facts(cu.structure_digest, cu.reference_digest, tags=cu.tags)
    row = {"group": "metal", **yardsticks(facts, Conditions.create())}
    board = Board(
        "made-up",
        {"title": "made up", "potentials": {"a": "", "b": ""}},
        ({**row, "material": "another name", "reference": "", "stable_reference": "1"},),
        ("a", "b"),
        {"rmse_w2_THz2": np.array([[1.0, np.nan]]), "softening": np.array([[1.0, 0.5]])},
        np.array([["no", "no"]]),
        {},
    )
    monkeypatch.setattr("softmode.leaderboard.beside.packaged", lambda: (board,))
    said = " ".join(succeed(*arguments).split())
    assert "on this material, rank 1 of 3 with the packaged potentials, better than 100 % of these" in said


def test_several_potentials_stand_beside_each_other(tiny_dataset: Path) -> None:
    both = ("--potential", EMT_NAME, "--potential", STIFF)
    found = json.loads(succeed("phonons", "--reference", tiny_dataset / "Al", *both, "--json"))
    assert [one["potential"] for one in found] == [EMT_NAME, STIFF]
    for one, own in zip(found, both[1::2], strict=True):
        alone = json.loads(
            succeed("phonons", "--reference", tiny_dataset / "Al", "--potential", own, "--json")
        )
        assert {**one, "seconds": 0.0} == {**alone, "seconds": 0.0}
    shown = succeed("phonons", "--reference", tiny_dataset / "Al", *both)
    assert shown.startswith("Al, protocol default\n")
    assert max(map(len, shown.splitlines())) <= 80
    for where, table in zip(("", "mesh_"), shown.partition(HEADINGS[1])[::2], strict=True):
        [line] = [line for line in table.splitlines() if line.startswith("MAE(ω²)")]
        assert line.split()[-2:] == [f"{one[f'{where}mae_w2_THz2']:.4g}" for one in found]
    assert rows(shown)["lowest mode, THz"] == [
        f"{found[0]['lowest_reference_THz']:.4g}",
        *(f"{one['lowest_model_THz']:.4g}" for one in found),
    ]
    for label in ("MAE(v), THz·Å", "MAE(ν), THz", "RMSE(ν), THz", "slope of ω²"):
        assert len(rows(shown)[label]) == 2


def test_more_potentials_than_fit_are_shown_below(tiny_dataset: Path) -> None:
    names = [part for _ in range(5) for part in ("--potential", EMT_NAME)]
    shown = succeed("phonons", "--reference", tiny_dataset / "Al", *names)
    assert max(map(len, shown.splitlines())) <= 80
    counts = [len(line.split()) for line in shown.splitlines() if line.startswith("MAE(ω²)")]
    assert counts == [6, 6, 3, 3]  # label and unit; four potentials, then one; path and mesh


def test_files_for_phonopy(tiny_dataset: Path, tmp_path: Path) -> None:
    params, bands = tmp_path / "phonopy_params.yaml", tmp_path / "band.yaml"
    arguments = ("--reference", tiny_dataset / "Cu", "--potential", STIFF, "--json")
    result = call("phonons", *arguments, "--write", params, "--write", bands)
    assert result.exit_code == 0, (result.output, result.exception)
    assert f"{params} written" in result.stderr
    shown = json.loads(result.stdout)
    phonon = phonopy.load(params, log_level=0)
    phonon.run_qpoints([shown["lowest_model_q"]])
    assert phonon.qpoints.frequencies.min() == pytest.approx(shown["lowest_model_THz"], abs=1e-4)
    points = yaml.safe_load(bands.read_text())["phonon"]
    frequencies = [mode["frequency"] for point in points for mode in point["band"]]
    assert np.mean(frequencies) == pytest.approx(shown["mean_frequency_model_THz"], abs=1e-4)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (("--write", "dispersion.dat"), "its name says no kind of phonopy's files"),
        (("--write", "band.yaml", "--potential", STIFF), "is of one potential, and several are given"),
        (("--plot", "bands.png", "--potential", STIFF), "is of one potential, and several are given"),
        (("--kwargs", "[1]"), "its options are not valid"),
    ],
)
def test_bad_options(tiny_dataset: Path, more: tuple[str, ...], problem: str) -> None:
    result = call("phonons", "--reference", tiny_dataset / "Cu", "--potential", EMT_NAME, *more)
    assert isinstance(result.exception, SoftmodeError)
    assert problem in str(result.exception)


def test_potentials_on_the_frames_of_sigma(tmp_path: Path) -> None:
    folder = tmp_path / "Al"
    motion = write_moving_metal(folder, "Al", n_frames=12)
    reference = ("--trajectory", folder / "run.extxyz", "--force-constants", folder)
    both = ("--potential", EMT_NAME, "--potential", STIFF)
    plain = json.loads(succeed("sigma", *reference, "--json"))
    found = json.loads(succeed("sigma", *reference, *both, "--json"))
    potentials = found.pop("potentials")
    assert found == plain
    assert [one["potential"] for one in potentials] == [EMT_NAME, STIFF]
    same, stiff = potentials
    assert same["phi_ref"]["mean_t"] == pytest.approx(plain["mean_t"], rel=1e-6)
    assert same["force_mae_eV_per_A"] < 1e-6
    forces = 1.2 * motion.forces
    hessian = phonopy_hessian(folder, symmetrise=False)
    assert stiff["phi_ref"]["mean_t"] == pytest.approx(motion.sigma_t(hessian, forces).mean(), rel=1e-5)
    assert stiff["force_mae_eV_per_A"] == pytest.approx(0.2 * np.abs(motion.forces).mean(), rel=1e-6)
    shown = succeed("sigma", *reference, *both)
    assert max(map(len, shown.splitlines())) <= 80
    assert f"{stiff['force_mae_eV_per_A']:.4f}" in shown
    assert f"{stiff['phi_model']['mean_t']:.4f}" in shown


def test_analytic_force_constants_of_a_potential_without_are_refused(tiny_dataset: Path) -> None:
    result = call("phonons", "--reference", tiny_dataset / "Al", "--potential", EMT_NAME, "--analytic")
    assert isinstance(result.exception, SoftmodeError)
    assert "gives no analytic second derivatives" in str(result.exception)
