from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from softmode.errors import CorruptWeightsError, SettingsError
from softmode.potentials import PotentialSettings, resolve

pytest.importorskip("mace")

from small_mace import build_small_mace

from softmode.potentials.mace import MACEPotential


def configurations(n: int = 5) -> list[Atoms]:
    rng = np.random.default_rng(3)
    crystal = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    found = []
    for index in range(n):
        atoms = crystal * (2, 1, 1) if index % 2 else crystal.copy()
        atoms.positions += rng.uniform(-0.2, 0.2, atoms.positions.shape)
        found.append(atoms)
    return found


@pytest.fixture(scope="module")
def potential(small_mace_path: Path) -> MACEPotential:
    loaded = resolve(PotentialSettings(name=str(small_mace_path))).load()
    assert isinstance(loaded, MACEPotential)
    return loaded


@pytest.fixture
def calls(potential: MACEPotential, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The keyword arguments of each forward pass."""
    seen: list[dict[str, Any]] = []
    handle = potential.model.register_forward_pre_hook(
        lambda _module, _args, kwargs: seen.append(kwargs), with_kwargs=True
    )
    yield seen
    handle.remove()


def test_equals_mace_calculator(potential: MACEPotential, small_mace_path: Path) -> None:
    from mace.calculators.mace import MACECalculator

    batch = configurations()
    result = potential.evaluate(batch)
    reference = MACECalculator(model_paths=str(small_mace_path), device="cpu", default_dtype="float64")
    for index, atoms in enumerate(batch):
        atoms.calc = reference
        np.testing.assert_allclose(result.forces[index], atoms.get_forces(), rtol=0, atol=1e-9)
        assert result.energies[index] == pytest.approx(atoms.get_potential_energy(), abs=1e-9)


def test_a_batch_is_one_forward_pass_without_stress(
    potential: MACEPotential, calls: list[dict[str, Any]]
) -> None:
    potential.evaluate(configurations())
    assert len(calls) == 1
    assert calls[0]["compute_stress"] is False


def test_a_large_batch_is_split_between_configurations(
    small_mace_path: Path, potential: MACEPotential
) -> None:
    settings = PotentialSettings(name=str(small_mace_path), kwargs={"max_atoms_per_batch": 20})
    split = resolve(settings).load()
    batch = configurations()
    np.testing.assert_allclose(split.evaluate(batch).energies, potential.evaluate(batch).energies, atol=1e-10)
    for ours, theirs in zip(split.evaluate(batch).forces, potential.evaluate(batch).forces, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-10)


@pytest.mark.parametrize(
    ("most", "expected"), [(20, [1, 1, 1, 1, 1]), (24, [2, 2, 1]), (1, [1, 1, 1, 1, 1]), (256, [5])]
)
def test_atoms_of_a_pass(
    most: int, expected: list[int], potential: MACEPotential, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward, sizes = potential._pass, []
    monkeypatch.setattr(potential, "_pass", lambda graphs: sizes.append(len(graphs)) or forward(graphs))
    monkeypatch.setattr(potential, "_most", most)
    potential.evaluate(configurations())  # of 8, 16, 8, 16 and 8 atoms
    assert sizes == expected


def test_a_batch_that_does_not_fit_is_halved(
    potential: MACEPotential, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    batch = configurations()
    expected = potential.evaluate(batch)
    forward, sizes = potential._pass, []

    def small_memory(graphs: list[Any]) -> Any:
        sizes.append(len(graphs))
        if len(graphs) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return forward(graphs)

    monkeypatch.setattr(potential, "_pass", small_memory)
    found = potential.evaluate(batch)
    assert max(sizes) == 5
    np.testing.assert_allclose(found.energies, expected.energies, atol=1e-10)
    for ours, theirs in zip(found.forces, expected.forces, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-10)


def test_a_float32_model_is_converted(tmp_path: Path) -> None:
    path = build_small_mace(tmp_path / "single.model", dtype="float32")
    import torch

    for dtype in ("float32", "float64"):
        loaded = resolve(PotentialSettings(name=str(path), dtype=dtype)).load()
        assert isinstance(loaded, MACEPotential)
        assert next(loaded.model.parameters()).dtype == getattr(torch, dtype)
        assert loaded.info.elements == ("Na", "Cl")


def test_heads_are_chosen_by_name_and_never_guessed(tmp_path: Path) -> None:
    path = build_small_mace(tmp_path / "heads.model", heads=("pbe", "r2scan"))
    with pytest.raises(SettingsError, match=r"several heads.*pbe, r2scan"):
        resolve(PotentialSettings(name=str(path))).load()
    with pytest.raises(SettingsError, match=r"no head 'scan'.*pbe, r2scan"):
        resolve(PotentialSettings(name=str(path), kwargs={"head": "scan"})).load()
    pbe, r2scan = (
        resolve(PotentialSettings(name=str(path), kwargs={"head": head})) for head in ("pbe", "r2scan")
    )
    assert pbe.digest != r2scan.digest
    batch = configurations(1)
    first, second = pbe.load().evaluate(batch), r2scan.load().evaluate(batch)
    assert np.abs(first.forces[0] - second.forces[0]).max() > 1e-4
    batch[0].calc = r2scan.load().calculator()
    np.testing.assert_allclose(batch[0].get_forces(), second.forces[0], atol=1e-9)


@pytest.mark.parametrize("content", [b"", b"not a model", None])
def test_a_file_that_is_no_model_is_named(tmp_path: Path, small_mace_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.model"
    path.write_bytes(small_mace_path.read_bytes()[:-2000] if content is None else content)
    with pytest.raises(CorruptWeightsError, match=r"broken\.model"):
        resolve(PotentialSettings(name=str(path))).load()


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    import torch

    torch.save({"a": torch.zeros(2)}, tmp_path / "table.model")
    with pytest.raises(CorruptWeightsError, match="holds a dict"):
        resolve(PotentialSettings(name=str(tmp_path / "table.model"))).load()


@pytest.mark.parametrize("limit", [0, -3, "many", True])
def test_a_senseless_batch_limit_is_refused(small_mace_path: Path, limit: Any) -> None:
    settings = PotentialSettings(name=str(small_mace_path), kwargs={"max_atoms_per_batch": limit})
    with pytest.raises(SettingsError, match="max_atoms_per_batch"):
        resolve(settings).load()
