"""Nequix beside the calculator of its authors: the same numbers, fewer compilations."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from shared_weights import SHARED_WEIGHTS

from softmode.errors import CorruptWeightsError, PotentialError
from softmode.potentials import (
    MATERIALS_PROJECT_ELEMENTS,
    Potential,
    PotentialSettings,
    describe,
    find_entry,
    resolve,
)
from softmode.potentials.nequix import FAMILY, NequixPotential, padded_shape

pytest.importorskip("nequix")
FOLDER = SHARED_WEIGHTS / "nequix"
MODEL = FOLDER / "nequix-mp-1.nqx"
here = pytest.mark.skipif(not MODEL.is_file(), reason="needs weights in ../shared/data")
Load = Callable[[PotentialSettings], Potential]


def frame(seed: int) -> Atoms:
    atoms = bulk("MgO", "rocksalt", a=4.3)
    atoms.positions += np.random.default_rng(seed).uniform(-0.1, 0.1, (2, 3))
    return atoms


@pytest.fixture
def potential(load_potential: Load) -> NequixPotential:
    loaded = load_potential(PotentialSettings(name=str(MODEL)))
    assert isinstance(loaded, NequixPotential)
    return loaded


@pytest.mark.parametrize(
    ("atoms", "edges", "shape"),
    [
        (1, 0, (8, 512)),
        (7, 512, (8, 512)),
        (8, 513, (16, 1024)),
        (40, 2400, (48, 2560)),
        (80, 4609, (88, 5120)),
    ],
)
def test_shapes_are_padded_by_one_atom_at_least(atoms: int, edges: int, shape: tuple[int, int]) -> None:
    assert padded_shape(atoms, edges) == shape


@pytest.mark.real_potential
@pytest.mark.shared_data
@here
def test_equals_the_calculator_of_the_package(potential: NequixPotential) -> None:
    from nequix.calculator import NequixCalculator

    calculator = NequixCalculator(model_path=str(MODEL), use_kernel=False)
    frames = [frame(1), frame(2)]
    result = potential.evaluate(frames)
    for atoms, energy, forces in zip(frames, result.energies, result.forces, strict=True):
        atoms.calc = calculator
        assert np.abs(forces).max() > 0.1
        np.testing.assert_allclose(forces, atoms.get_forces(), atol=1e-6)
        assert energy == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
        own = atoms.copy()
        own.calc = potential.calculator()
        np.testing.assert_allclose(own.get_stress(), atoms.get_stress(), atol=1e-7)


@pytest.mark.real_potential
@pytest.mark.shared_data
@here
def test_displaced_copies_of_a_cell_are_compiled_once(
    potential: NequixPotential, monkeypatch: pytest.MonkeyPatch
) -> None:
    import jax

    monkeypatch.setattr(potential, "_shapes", set())
    compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **more: compiled.append(event) if "backend_compile" in event else None
    )
    potential.evaluate([frame(0)])
    compiled.clear()
    potential.evaluate([frame(seed) for seed in range(10)])
    assert compiled == []
    assert potential._shapes == {(8, 512, True)}


@pytest.mark.real_potential
@pytest.mark.shared_data
@here
def test_compiled_programs_are_given_up_before_there_are_too_many(
    potential: NequixPotential, monkeypatch: pytest.MonkeyPatch
) -> None:
    import jax

    cleared: list[int] = []
    monkeypatch.setattr(jax, "clear_caches", lambda: cleared.append(1))
    monkeypatch.setattr(potential, "_shapes", {(8 * count, 512, True) for count in range(2, 50)})
    potential.evaluate([frame(0)])
    potential.evaluate([frame(1)])
    assert len(cleared) == 1
    assert potential._shapes == {(8, 512, True)}


@pytest.mark.real_potential
@pytest.mark.shared_data
@here
def test_the_same_bits_from_a_new_compilation_and_from_the_cache_whatever_the_threads(tmp_path: Path) -> None:
    code = f"""
from ase.build import bulk
from softmode.potentials import resolve
atoms = bulk("MgO", "rocksalt", a=4.3)
atoms.positions[0] += 0.05
result = resolve({str(MODEL)!r}).load().evaluate([atoms])
print(result.energies[0].hex(), [value.hex() for value in result.forces[0].ravel().tolist()])
"""
    outputs = []
    for threads in ("1", "2"):
        environment = os.environ | {"OMP_NUM_THREADS": threads, "SOFTMODE_CACHE": str(tmp_path)}
        run = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        )
        assert run.stderr == ""
        outputs.append(run.stdout)
        assert list((tmp_path / "jax").iterdir())
    assert outputs[0] == outputs[1]


@pytest.mark.shared_data
@here
def test_every_entry_is_fetched_from_a_folder_laid_out_as_its_authors_files(
    monkeypatch: pytest.MonkeyPatch, isolated_cache: Path
) -> None:
    monkeypatch.setenv("SOFTMODE_WEIGHTS_URL", SHARED_WEIGHTS.as_uri())
    for entry in FAMILY.entries:
        resolved = resolve(entry.name)
        assert resolved.weights_path == isolated_cache / "nequix" / f"{entry.name}.nqx"
        assert resolved.weights_sha256 == entry.sha256
        assert resolved.answer is entry.answer
    monkeypatch.setenv("SOFTMODE_WEIGHTS_URL", "http://127.0.0.1:9")
    assert resolve("nequix-oam-1").weights_sha256 is not None


def test_addresses_are_those_of_the_package() -> None:
    from nequix.calculator import NequixCalculator

    assert {entry.url for entry in FAMILY.entries} == set(NequixCalculator.URLS.values())
    assert all(find_entry(name) in FAMILY.entries for name in NequixCalculator.URLS)


def test_which_were_trained_on_hessians() -> None:
    assert describe("nequix-mp-1-pft").hessians is True
    assert describe("nequix-mp-1").hessians is False
    assert {entry.name for entry in FAMILY.entries if entry.hessians} == {
        "nequix-mp-1-pft",
        "nequix-mp-1-pft-nocotrain",
        "nequix-oam-1-pft",
    }


@pytest.mark.real_potential
@pytest.mark.shared_data
@here
def test_elements_and_size_are_those_of_the_file(potential: NequixPotential) -> None:
    import equinox
    import jax
    from nequix.model import load_model

    assert potential.info.elements == MATERIALS_PROJECT_ELEMENTS
    model, _ = load_model(str(MODEL))
    trained = sum(leaf.size for leaf in jax.tree.leaves(equinox.filter(model, equinox.is_array)))
    assert describe("nequix-mp-1").parameters == trained


@pytest.mark.parametrize("content", [b"", b"{}\n", b'{"cutoff": 6.0}\nxx', b"\x80no text"])
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.nqx"
    path.write_bytes(content)
    with pytest.raises(CorruptWeightsError, match=r"odd\.nqx.*cannot be read as a Nequix model"):
        resolve(str(path)).load()


@pytest.mark.real_potential
@pytest.mark.shared_data
@here
def test_a_file_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.nqx"
    path.write_bytes(MODEL.read_bytes()[:2_000_000])
    with pytest.raises(CorruptWeightsError, match=r"cut\.nqx.*cannot be read as a Nequix model"):
        resolve(str(path)).load()


@pytest.mark.parametrize("device", ["cuda:7", "xpu"])
@here
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(PotentialError, match=f"device {device} is asked for"):
        resolve(PotentialSettings(name=str(MODEL), device=device)).load()
