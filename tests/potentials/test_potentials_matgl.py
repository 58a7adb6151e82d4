"""TensorNet of MatGL beside the calculator of its authors, and folders of weights."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from shared_weights import SHARED_WEIGHTS

from softmode.errors import CorruptWeightsError, MissingWeightsError
from softmode.potentials import (
    MATERIALS_PROJECT_ELEMENTS,
    Potential,
    PotentialSettings,
    WeightsStatus,
    describe,
    resolve,
    weights_status,
)
from softmode.potentials.matgl import FAMILY, FILES

pytest.importorskip("matgl")
NAME = "TensorNet-MatPES-PBE-v2025.1-PES"
FOLDER = SHARED_WEIGHTS / "matgl" / NAME
pytestmark = [
    pytest.mark.skipif(not FOLDER.is_dir(), reason="needs weights in ../shared/data"),
    pytest.mark.shared_data,
    pytest.mark.real_potential,
]
Load = Callable[[PotentialSettings], Potential]


@pytest.fixture
def potential(load_potential: Load) -> Potential:
    return load_potential(PotentialSettings(name=str(FOLDER)))


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    folder = tmp_path / "of my own"
    folder.mkdir()
    for name in FILES:
        shutil.copyfile(FOLDER / name, folder / name)
    return folder


def frame() -> Atoms:
    atoms = bulk("MgO", "rocksalt", a=4.3, cubic=True)
    atoms.positions += np.random.default_rng(3).uniform(-0.1, 0.1, (8, 3))
    return atoms


def test_equals_the_calculator_of_the_package(potential: Potential) -> None:
    import matgl
    from matgl.ext.ase import PESCalculator

    atoms = frame()
    result = potential.evaluate([atoms])
    own = atoms.copy()
    own.calc = potential.calculator()
    atoms.calc = PESCalculator(matgl.load_model(FOLDER), stress_unit="eV/A3", use_voigt=True)
    assert np.abs(result.forces[0]).max() > 0.1
    np.testing.assert_allclose(result.forces[0], atoms.get_forces(), atol=1e-6)
    assert result.energies[0] == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
    np.testing.assert_allclose(own.get_stress(), atoms.get_stress(), rtol=1e-5, atol=1e-8)
    assert np.abs(own.get_stress()).max() > 1e-3


@pytest.mark.parametrize(("formula", "a", "energy"), [("NaCl", 5.69, -3.3576), ("MgO", 4.25, -5.8680)])
def test_energies_are_those_measured_with_the_release_of_the_weights(
    potential: Potential, formula: str, a: float, energy: float
) -> None:
    """Measured independently with matgl 2.0.4 (matgl 4.1.2: −2.737 and −2.271 eV/atom)."""
    atoms = bulk(formula, "rocksalt", a=a)
    assert potential.evaluate([atoms]).energies[0] / 2 == pytest.approx(energy, abs=1e-3)


def test_every_entry_is_fetched_as_a_folder(monkeypatch: pytest.MonkeyPatch, isolated_cache: Path) -> None:
    assert weights_status(NAME) is WeightsStatus.DOWNLOADABLE
    monkeypatch.setenv("SOFTMODE_WEIGHTS_URL", SHARED_WEIGHTS.as_uri())
    for entry in FAMILY.entries:
        resolved = resolve(entry.name)
        assert resolved.weights_path == isolated_cache / "matgl" / entry.name
        assert resolved.answer is entry.answer
    assert weights_status(NAME) is WeightsStatus.CACHED
    (isolated_cache / "matgl" / NAME / "model.pt").unlink()
    assert weights_status(NAME) is WeightsStatus.DOWNLOADABLE


def test_a_folder_counts_by_the_content_of_its_files(copied: Path) -> None:
    assert weights_status(str(copied)) is WeightsStatus.FILE
    same = resolve(str(copied))
    assert same.digest == resolve(str(FOLDER)).digest
    assert same.answer is None
    assert resolve(PotentialSettings(name=NAME, weights=copied)).answer is not None
    (copied / "notes.txt").write_text("more")
    assert resolve(str(copied)).digest == same.digest
    (copied / "model.json").write_text((copied / "model.json").read_text() + "\n")
    changed = resolve(str(copied))
    assert changed.digest != same.digest
    assert resolve(PotentialSettings(name=NAME, weights=copied)).answer is None
    with pytest.raises(CorruptWeightsError, match="has changed since"):
        same.load()


def test_a_folder_without_one_of_its_files_is_named(copied: Path) -> None:
    (copied / "state.pt").unlink()
    with pytest.raises(MissingWeightsError, match=r"state\.pt: the weight file cannot be read"):
        resolve(PotentialSettings(name=NAME, weights=copied))


@pytest.mark.parametrize("size", [0, 1_000_000])
def test_weights_cut_short_are_named(copied: Path, size: int) -> None:
    (copied / "state.pt").write_bytes((FOLDER / "state.pt").read_bytes()[:size])
    with pytest.raises(CorruptWeightsError, match=r"of my own/state\.pt: cannot be read as a MatGL model"):
        resolve(str(copied)).load()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"@class": "M3GNet"}, "holds a M3GNet of"),
        ({"@module": "matgl.apps._pes_dgl"}, "holds a Potential of matgl.apps._pes_dgl"),
        (None, "does not describe a MatGL model"),
    ],
)
def test_other_models_are_refused(copied: Path, change: dict[str, str] | None, problem: str) -> None:
    description = json.loads((FOLDER / "model.json").read_text())
    text = "nothing" if change is None else json.dumps(description | change)
    (copied / "model.json").write_text(text)
    with pytest.raises(CorruptWeightsError, match=problem):
        resolve(str(copied)).load()


@pytest.mark.parametrize(
    ("file", "content", "asked"),
    [
        ("state.pt", {"a": os.getcwd}, "getcwd"),
        ("model.pt", {"model": {"@module": "subprocess"}}, "subprocess"),
    ],
)
def test_what_is_more_than_numbers_is_refused(copied: Path, file: str, content: object, asked: str) -> None:
    import torch

    torch.save(content, copied / file)
    with pytest.raises(CorruptWeightsError, match=f"asks for .*{asked}, and reading it would run that"):
        resolve(str(copied)).load()


def test_elements_and_size_are_those_of_the_model(potential: Potential) -> None:
    assert potential.info.elements == MATERIALS_PROJECT_ELEMENTS
    trained = sum(parameter.numel() for parameter in potential._model.parameters())
    assert describe(NAME).parameters == trained
