"""``softmode potentials``: readable on a narrow terminal, and there at once."""

from __future__ import annotations

import importlib.util
import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
from ase import Atoms
from ase.build import bulk
from command_imports import imported, processor_time
from typer.testing import CliRunner

from softmode.cli.app import app
from softmode.errors import SoftmodeError
from softmode.potentials import CalculatorPotential, Package, find_entry, known_potentials
from softmode.potentials.conformance import Conformance, Figure, measured, verdict

#: What the command may import besides the standard library: nothing that computes but numpy.
LIGHT = {
    *("typer", "click", "rich", "markdown_it", "mdurl", "pygments", "shellingham", "annotated_doc", "attr"),
    *("pydantic", "pydantic_core", "annotated_types", "typing_inspection", "typing_extensions", "colorama"),
    "numpy",
}
#: Rooms it has no business in.
OTHER_ROOMS = (
    "crystal",
    "datasets",
    "harmonic",
    "anharmonic",
    "dynamics",
    "configurations",
    "study",
    "report",
)


def listed(*options: str) -> str:
    result = CliRunner().invoke(app, ["potentials", *options])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def test_potentials_are_listed() -> None:
    rows = json.loads(listed("--json"))
    names = {item["name"] for item in rows}
    assert {"chgnet", "7net-0"} <= names
    for item in rows:
        assert item["family"]
        assert item["training_data"]
        assert item["level_of_theory"]
        assert item["licence"]
        assert item["weights"]
        assert "Cs" in item["elements"] or not item["elements"]
    shown = listed()
    assert "chgnet" in shown
    assert "module:factory" in shown


@pytest.mark.parametrize("missing", [False, True])
def test_the_list_is_readable_at_80_columns(monkeypatch: pytest.MonkeyPatch, missing: bool) -> None:
    if missing:
        monkeypatch.setattr(Package, "is_installed", lambda package, interpreter=None: False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("softmode.cli.potentials.out._width", 80)
    lines = listed().splitlines()
    assert max(map(len, lines)) <= 80
    for info in known_potentials():
        first, *others = textwrap.wrap(info.name, 18)
        found = [
            at for at, line in enumerate(lines) if line.split(" ")[0] == first and info.name != info.family
        ]
        [at] = [at for at in found if all(map(str.startswith, lines[at + 1 :], others))]
        line = lines[at]
        if not info.tried:
            assert line.rstrip().endswith("not tried")
        elif missing:
            assert line.rstrip().endswith("not installed")
        if len(info.training_data) <= 13:
            assert f" {info.training_data} " in line
            assert f" {info.level_of_theory} " in line
            assert {True: " yes ", False: " no ", None: " – "}[info.hessians] in line
    mace_is_here = importlib.util.find_spec("mace") is not None and not missing
    assert ("MACE needs: softmode potentials install MACE" in lines) is not mace_is_here


def test_all_that_is_known_of_one_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softmode.cli.potentials.out._width", 80)
    lines = listed("show", "CHGNet").splitlines()
    assert max(map(len, lines)) <= 80
    shown = " ".join(" ".join(lines).split())
    entry = find_entry("chgnet")
    assert entry is not None
    for said in (entry.licence, entry.notes, "412,525", "MPtrj, PBE+U, no Hessians", "89: H He Li"):
        assert said in shown
    assert (
        "the same bits in every run on one machine; last digits may change from run to run on an acc" in shown
    )
    assert "energy less work of forces" in shown
    assert "Conservative and invariant to float32" in shown
    assert "Not measured here: softmode potentials check omat-0-medium" in listed("show", "omat-0-medium")


def test_what_was_measured_of_the_catalogue_is_complete_and_within_limits() -> None:
    """Made by ``softmode potentials check``; an entry that could be run when it was made is there."""
    assert {"chgnet", "7net-0", "7net-l3i5", "TensorNet-MatPES-PBE-v2025.1-PES"} <= set(measured())
    for name, found in measured().items():
        entry = find_entry(name)
        assert entry is not None
        assert entry.name == name
        figures = {key: Figure(**each) for key, each in found["figures"].items()}
        assert {"work", "rotation", "translation", "permutation", "basis", "supercell"} <= set(figures)
        again = Conformance(found["crystal"], figures)
        assert list(again.broken()) == found["broken"]
        assert again.conservative is found["conservative"]
        assert verdict(again, found["dtype"]) == found["verdict"]
        assert found["known_answer"] is (entry.answer is not None)
        assert found["versions"]


CHECK = ["potentials", "check", "ase.calculators.emt:EMT"]


@pytest.fixture
def copper(tmp_path: Path) -> str:
    bulk("Cu", cubic=True).write(tmp_path / "POSCAR")
    return str(tmp_path / "POSCAR")


def test_a_potential_is_checked(copper: str) -> None:
    result = CliRunner().invoke(app, [*CHECK, "--structure", copper, "--json"])
    assert result.exit_code == 0, result.output
    [found] = json.loads(result.stdout)
    assert found["crystal"] == "Cu4"
    assert found["precision"] == found["dtype"] == "float64"
    assert found["conservative"] is True
    assert found["broken"] == []
    assert found["figures"]["work"]["value"] < found["figures"]["work"]["limits"]["float64"] < 1e-6
    assert found["known_answer"] is False
    assert set(found["versions"]) == {"ase"}


def test_what_breaks_a_limit_ends_with_status_1(copper: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def nudged(potential: CalculatorPotential, atoms: Atoms) -> tuple[float, Any]:
        energy, forces = true(potential, atoms)
        forces[0, 0] += 1.0
        return energy, forces

    true = CalculatorPotential._evaluate_one
    monkeypatch.setattr(CalculatorPotential, "_evaluate_one", nudged)
    monkeypatch.setattr("softmode.cli.checking.out._width", 80)
    result = CliRunner().invoke(app, [*CHECK, "--structure", copper])
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    [row] = [line for line in lines if line.startswith("energy less work of forces")]
    assert row.rstrip().endswith("broken")
    assert "FAILS: its forces are not the derivative of its energy" in " ".join(lines)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["check", "no-such-potential"], "no-such-potential"),
        (["check", "ase.calculators.emt:EMT"], "No EMT-potential for Na"),
        (["check", "ase.calculators.emt:EMT", "--structure", "absent.cif"], "absent.cif"),
    ],
)
def test_what_cannot_be_checked_is_said(options: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["potentials", *options])
    assert isinstance(result.exception, SoftmodeError)
    assert said in str(result.exception)
    assert len(str(result.exception).splitlines()) == 1


def test_nothing_heavy_is_imported_for_the_list() -> None:
    modules = imported("potentials")
    assert {name for name in modules if not name.startswith("softmode")} <= LIGHT
    rooms = {name.split(".")[1] for name in modules if name.startswith("softmode.")}
    assert not rooms & set(OTHER_ROOMS)


def test_the_list_takes_a_second_of_processor_time_at_most() -> None:
    assert processor_time("potentials") < 1.0
