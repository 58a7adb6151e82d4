"""A potential that does not give what upstream's own code gives is refused before it is used."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
from typer.testing import CliRunner
from weight_server import Answer, WeightServer

from softmode.cli.app import app
from softmode.errors import CorruptWeightsError, SettingsError, WrongAnswerError
from softmode.potentials import (
    CalculatorPotential,
    Entry,
    Family,
    KnownAnswer,
    Package,
    Potential,
    PotentialSettings,
    ResolvedPotential,
    families,
    registry,
    resolve,
)
from softmode.potentials.answers import (
    ENERGY_TOLERANCE,
    FORCE_TOLERANCE,
    compound,
    read_answer,
    save_answer,
)
from softmode.potentials.registry import find_entry
from softmode.potentials.weights import weights_sha256

#: Of harmonic springs to where the atoms stand in the cell, derived by hand: E = Σ k r²/2, F = −k r.
SPRING = 0.1
ENERGY = float(0.5 * SPRING * (compound().positions ** 2).sum())
FORCES = tuple(tuple(row) for row in (-SPRING * compound().positions).tolist())


class Springs(Potential):
    """A stand-in whose numbers can be made wrong, as those of a library that misreads the weights."""

    loaded = 0
    closed = 0
    error_of_energy = 0.0
    error_of_forces = 0.0
    order: Sequence[int] = (0, 1, 2)

    def __init__(self, resolved: ResolvedPotential) -> None:
        Springs.loaded += 1
        self.info, self.dtype, self.device = resolved.info, "float64", "cpu"

    def calculator(self) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        Springs.closed += 1

    def _evaluate(self, configurations: Sequence[Atoms]) -> tuple[list[float], list[Any]]:
        energies = [
            0.5 * SPRING * (each.positions**2).sum() + self.error_of_energy for each in configurations
        ]
        forces = [-SPRING * each.positions[list(self.order)] for each in configurations]
        for array in forces:
            array[0, 1] += self.error_of_forces
        return energies, forces


@pytest.fixture
def name(monkeypatch: pytest.MonkeyPatch) -> str:
    """A potential with a known answer, in the catalogue for the time of a test."""
    family = Family(
        name="Springs",
        load=Springs,
        package=Package("numpy", "numpy"),
        entries=(
            Entry(name="springs", answer=KnownAnswer(ENERGY, FORCES, "springs 1.0")),
            Entry(name="springs-of-ones-own"),
        ),
    )
    known = (*families(), family)
    monkeypatch.setattr(registry, "families", lambda: known)
    for attribute in ("loaded", "closed", "error_of_energy", "error_of_forces", "order"):
        monkeypatch.setattr(Springs, attribute, getattr(Springs, attribute))
    return "springs"


def remembered(cache: Path) -> list[Path]:
    return sorted((cache.parent / "answers").glob("*"))


def test_what_agrees_is_checked_once_and_loaded_anew(name: str, isolated_cache: Path) -> None:
    resolve(name).load()
    assert Springs.loaded == 2, "what was loaded for the check must be used for nothing else"
    assert Springs.closed == 1
    [note] = remembered(isolated_cache)
    content = json.loads(note.read_text())
    assert content["potential"] == name
    assert content["energy_difference_ev_per_atom"] == pytest.approx(0, abs=1e-12)
    resolve(name).load()
    assert Springs.loaded == 3
    assert remembered(isolated_cache) == [note]


@pytest.mark.parametrize(
    ("wrong", "value"),
    [
        ("error_of_energy", 3 * 1.01 * ENERGY_TOLERANCE),
        ("error_of_energy", -1.9),
        ("error_of_forces", 1.01 * FORCE_TOLERANCE),
        ("order", (1, 0, 2)),
    ],
)
def test_what_does_not_is_refused_every_time(
    name: str, wrong: str, value: Any, monkeypatch: pytest.MonkeyPatch, isolated_cache: Path
) -> None:
    """As matgl 4.1.2, which loads weights of 2.0.4 without a word and is wrong by eV/atom."""
    monkeypatch.setattr(Springs, wrong, value)
    for _ in range(2):
        with pytest.raises(WrongAnswerError, match=r"springs: with numpy .* eV/atom.*eV/Å.*springs 1\.0"):
            resolve(name).load()
    assert remembered(isolated_cache) == []


def test_another_version_is_checked_again(
    name: str, monkeypatch: pytest.MonkeyPatch, isolated_cache: Path
) -> None:
    resolve(name).load()
    newer = replace(resolve(name), origin=replace(resolve(name).origin, versions=(("numpy", "99"),)))
    monkeypatch.setattr(Springs, "error_of_energy", -0.6)
    resolve(name).load()
    with pytest.raises(WrongAnswerError, match="numpy 99"):
        newer.load()


def test_of_another_environment_it_is_checked_again(
    name: str, monkeypatch: pytest.MonkeyPatch, isolated_cache: Path
) -> None:
    resolve(name).load()
    monkeypatch.setattr("sys.prefix", "/another/environment")
    resolve(name).load()
    assert len(remembered(isolated_cache)) == 2


def test_without_an_answer_nothing_is_checked(name: str, isolated_cache: Path) -> None:
    resolve("springs-of-ones-own").load()
    assert Springs.loaded == 1
    assert remembered(isolated_cache) == []


def test_a_cache_that_cannot_be_written_costs_the_check_each_time(name: str, isolated_cache: Path) -> None:
    isolated_cache.parent.parent.mkdir(parents=True, exist_ok=True)
    isolated_cache.parent.write_text("a file where the folder should be")
    resolve(name).load()
    resolve(name).load()
    assert Springs.loaded == 4


def test_the_compound_has_no_symmetry_that_fixes_a_force() -> None:
    spglib = pytest.importorskip("spglib")
    atoms = compound()
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    assert len(spglib.get_symmetry(cell, symprec=1e-3)["rotations"]) == 1
    assert atoms.get_all_distances(mic=True)[0, 1:].min() > 2.0


@pytest.mark.parametrize(
    ("family", "entry"),
    [
        pytest.param(family, entry, id=entry.name)
        for family in families()
        for entry in family.entries
        if entry.answer is not None
    ],
)
def test_answers_of_the_catalogue_are_complete(family: Family, entry: Entry) -> None:
    assert entry.answer is not None
    forces, structure = np.array(entry.answer.forces), entry.answer.structure
    symbols = tuple(compound().symbols) if structure is None else structure.symbols
    assert forces.shape == (len(symbols), 3)
    assert np.abs(forces.sum(axis=0)).max() < 1e-5 * len(symbols)
    assert np.abs(forces).max() > 0.1
    assert entry.answer.energy < -15
    assert family.package is not None
    assert family.package.distribution in entry.answer.source
    assert set(symbols) <= set(entry.elements)


def test_all_that_can_be_had_here_has_an_answer() -> None:
    """Those of MACE must be downloaded first, and have none yet, as recipes that have not been tried."""
    without = {
        family.name
        for family in families()
        for entry in family.entries
        if entry.answer is None and entry.tried
    }
    assert without == {"MACE"}


@pytest.mark.real_potential
def test_a_wrong_answer_of_the_catalogue_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other way round: true weights against the answer of another potential."""
    pytest.importorskip("chgnet")
    right = resolve("chgnet")
    assert right.answer is not None
    other = KnownAnswer(-17.48232, right.answer.forces, "another potential")
    with pytest.raises(
        WrongAnswerError,
        match=r"chgnet: with chgnet 0\.4\.2.*0\.3002 eV/atom.*softmode potentials install CHGNet",
    ):
        replace(right, answer=other).load()


def test_a_calculator_of_ones_own_is_not_checked(isolated_cache: Path) -> None:
    potential = resolve("ase.calculators.emt:EMT").load()
    assert isinstance(potential, CalculatorPotential)
    assert remembered(isolated_cache) == []


STIFF = "softmode_test_factories:stiff_emt"


def test_the_file_of_an_answer_is_read_as_it_was_written(tmp_path: Path, isolated_cache: Path) -> None:
    file = tmp_path / "al.xyz"
    structure = bulk("Al", cubic=True)
    save_answer(file, resolve("ase.calculators.emt:EMT").load(), "EMT of ase", structure)
    answer = read_answer(file)
    assert answer.source == "EMT of ase"
    assert answer.structure is not None
    moved = Atoms(**asdict(answer.structure))
    assert 0.05 < np.abs(moved.positions - structure.positions).max() < 0.5
    moved.calc = EMT()
    assert answer.energy == pytest.approx(moved.get_potential_energy(), abs=1e-6)
    np.testing.assert_allclose(answer.forces, moved.get_forces(), atol=1e-6)
    assert np.abs(answer.forces).max() > 0.1

    resolve(PotentialSettings(name="ase.calculators.emt:EMT", answer=file)).load()
    assert len(remembered(isolated_cache)) == 1
    with pytest.raises(WrongAnswerError, match=r"EMT of ase.*make .*al\.xyz anew"):
        resolve(PotentialSettings(name=STIFF, answer=file)).load()
    structure.set_cell(1.001 * structure.cell, scale_atoms=True)  # the same file, another question
    save_answer(file, resolve("ase.calculators.emt:EMT").load(), "EMT of ase", structure)
    resolve(PotentialSettings(name="ase.calculators.emt:EMT", answer=file)).load()
    assert len(remembered(isolated_cache)) == 2


def test_weights_of_ones_own(small_mace_path: Path, tmp_path: Path, isolated_cache: Path) -> None:
    """Of elements that the compound has not: a simple crystal of its own is taken."""
    from small_mace import build_small_mace

    file = tmp_path / "mace.xyz"
    save_answer(file, resolve(str(small_mace_path)).load(), "mace-torch")
    resolve(PotentialSettings(name=str(small_mace_path), answer=file)).load()
    other = build_small_mace(tmp_path / "other.model", seed=8)
    with pytest.raises(WrongAnswerError, match="mace-torch"):
        resolve(PotentialSettings(name=str(other), answer=file)).load()


@pytest.mark.parametrize(
    "content", ["", "2\n\nH 0 0 0\n", "1\nProperties=species:S:1:pos:R:3\nH 0 0 0\n", None]
)
def test_a_file_without_an_answer_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "bad.xyz"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=r"bad\.xyz.*no energy and forces.*--save-answer"):
        resolve(PotentialSettings(name="ase.calculators.emt:EMT", answer=file))


def test_the_command_saves_and_checks(tmp_path: Path) -> None:
    crystal, file = tmp_path / "al.vasp", tmp_path / "al.xyz"
    write(crystal, bulk("Al", cubic=True))
    check = ["potentials", "check", "--structure", str(crystal)]
    emt = "ase.calculators.emt:EMT"
    assert CliRunner().invoke(app, [*check, emt, "--save-answer", str(file)]).exit_code == 0
    again = CliRunner().invoke(app, [*check, emt, "--answer", str(file)])
    assert again.exit_code == 0
    assert "reproduced" in again.stdout
    assert isinstance(
        CliRunner().invoke(app, [*check, STIFF, "--answer", str(file)]).exception, WrongAnswerError
    )
    two = CliRunner().invoke(app, [*check, emt, STIFF, "--answer", str(file)])
    assert isinstance(two.exception, SettingsError)


@pytest.mark.slow
def test_the_script_makes_answers_for_mace(tmp_path: Path) -> None:
    """By mace-torch alone; what it prints is what softmode gives."""
    pytest.importorskip("mace")
    from small_mace import build_small_mace

    path = build_small_mace(tmp_path / "tiny.model", ("F", "Ca", "O"))
    script = Path(__file__).parents[2] / "benchmarks" / "known_answers.py"
    command = [sys.executable, str(script), str(tmp_path), "tiny"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    at = printed.index("tiny")
    assert "mace-torch" in printed[at + 1]
    energy, forces = ast.literal_eval(printed[at + 2].strip())
    found = resolve(str(path)).load().evaluate([compound()])
    assert energy == pytest.approx(found.energies[0], abs=2e-5)
    np.testing.assert_allclose(forces, found.forces[0], atol=2e-5)


def test_answers_of_mace_are_for_the_published_bytes(
    small_mace_path: Path, weight_server: WeightServer
) -> None:
    """Other bytes are refused, or are the user's own, and then the answer is not theirs."""
    weight_server.answers["mace-mpa-0-medium.model"] = Answer(small_mace_path.read_bytes())
    entry = find_entry("mpa-0-medium")
    assert entry is not None
    assert entry.answer is not None
    with pytest.raises(CorruptWeightsError, match=str(entry.sha256)):
        resolve("mpa-0-medium")
    asked = PotentialSettings(name="mpa-0-medium", sha256=weights_sha256(small_mace_path))
    assert resolve(asked).answer is None
    assert resolve(PotentialSettings(name="mpa-0-medium", weights=small_mace_path)).answer is None
