"""Nequix beside the calculator of its authors: the same numbers, fewer compilations."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from shared_weights import SHARED_WEIGHTS

from softmode.errors import CorruptWeightsError, PotentialError, UncoveredElementError
from softmode.potentials import (
    MATERIALS_PROJECT_ELEMENTS,
    Potential,
    PotentialSettings,
    describe,
    find_entry,
    resolve,
)
from softmode.potentials.nequix import FAMILY, NequixPotential, forces_and_stress
from softmode.potentials.nequix_network import energies_and_gradients, room

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
    ("needed", "least", "factor", "expected"),
    [(1, 16, 2, 16), (16, 16, 2, 16), (40, 16, 2, 64), (512, 512, 4, 512), (513, 512, 4, 2048)],
)
def test_room_is_had_in_steps(needed: int, least: int, factor: int, expected: int) -> None:
    assert room(needed, least, factor) == expected


@pytest.mark.real_potential
@pytest.mark.shared_data
@here
def test_equals_the_calculator_of_the_package(potential: NequixPotential) -> None:
    """In float32 both round, each in its own way: by about as much as each is wrong by."""
    from nequix.calculator import NequixCalculator

    calculator = NequixCalculator(model_path=str(MODEL), use_kernel=False)
    atoms = frame(1)
    atoms.calc = calculator
    result = potential.evaluate([atoms])
    (exact,), (exact_forces,) = in_float64(1)
    difference = np.abs(result.forces[0] - atoms.get_forces()).max()
    assert np.abs(exact_forces).max() > 0.1
    assert difference <= np.abs(atoms.get_forces() - exact_forces).max()
    assert result.energies[0] == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
    assert result.energies[0] == pytest.approx(exact, abs=1e-5)
    own = atoms.copy()
    own.calc = potential.calculator()
    np.testing.assert_allclose(own.get_stress(), atoms.get_stress(), atol=1e-7)


@cache
def in_float64(seed: int) -> tuple[Any, Any]:
    """Energy and forces of a frame by the package's own network, its float32 input kept."""
    import equinox
    import jax
    import jraph
    from nequix.data import atomic_numbers_to_indices, dict_to_graphstuple, preprocess_graph
    from nequix.model import load_model

    model, config = load_model(str(MODEL))
    atoms = frame(seed)
    with jax.enable_x64(True):
        given = preprocess_graph(
            atoms, atomic_numbers_to_indices(config["atomic_numbers"]), config["cutoff"], False
        )
        graph, model = as_float64((dict_to_graphstuple(given), model))
        padded = jraph.pad_with_graphs(
            graph, n_node=len(atoms) + 1, n_edge=int(graph.n_edge[0]) + 1, n_graph=2
        )
        energies, forces, _ = equinox.filter_jit(model)(padded)
    return np.asarray(energies)[:1], np.asarray(forces)[None, : len(atoms)]


def as_float64(tree: Any) -> Any:
    import jax

    def wide(leaf: Any) -> Any:
        return leaf.astype(np.float64) if getattr(leaf, "dtype", None) == np.float32 else leaf

    return jax.tree.map(wide, tree)


@pytest.mark.slow
@pytest.mark.real_potential
@pytest.mark.shared_data
@here
def test_the_network_is_that_of_the_package_beyond_rounding(potential: NequixPotential) -> None:
    import jax

    atoms = frame(1)
    (energy,), (forces,) = in_float64(1)
    graph = potential._graph(atoms)
    with jax.enable_x64(True):
        energies, gradients = energies_and_gradients(
            potential._architecture, as_float64(potential._weights), graph, blocks_at_once=16
        )
    found, _ = forces_and_stress(graph, gradients, atoms)
    np.testing.assert_allclose(found, forces, rtol=0, atol=1e-6)
    assert energies.sum() == pytest.approx(energy, abs=1e-6)


def mixed(seed: int) -> list[Atoms]:
    """Cells of different sizes, elements, numbers of neighbours, one of them open on one side."""
    surface = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    surface.center(vacuum=3.0, axis=2)
    surface.pbc = (True, True, False)
    frames = [bulk("MgO", "rocksalt", a=4.3), bulk("CsCl", "cesiumchloride", a=4.1) * 2, surface]
    for atoms in frames:
        atoms.positions += np.random.default_rng(seed).uniform(-0.1, 0.1, atoms.positions.shape)
    return frames


@pytest.fixture
def compilations() -> Iterator[list[str]]:
    """Names of what JAX compiles or reads from its cache on disk."""
    import jax

    compiled: list[str] = []

    def listen(event: str, seconds: float, **more: Any) -> None:
        if "backend_compile" in event:
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield compiled
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.mark.real_potential
@pytest.mark.shared_data
@here
def test_cells_and_models_share_one_program(
    potential: NequixPotential, load_potential: Load, compilations: list[str]
) -> None:
    other = load_potential(PotentialSettings(name=str(FOLDER / "nequix-oam-1.nqx")))
    first = potential.evaluate(mixed(0))
    compilations.clear()
    second = other.evaluate(mixed(0))
    assert compilations == []
    # their scale, shift and mean number of neighbours differ beside the weights
    assert np.abs(first.energies - second.energies).min() > 1e-3


@pytest.mark.real_potential
@pytest.mark.shared_data
@here
def test_digits_of_a_configuration_do_not_depend_on_what_else_is_evaluated(
    potential: NequixPotential,
) -> None:
    frames = mixed(2)
    together = potential.evaluate(frames)
    for index in (2, 0, 1, 0):
        alone = potential.evaluate([frames[index]])
        assert alone.energies[0] == together.energies[index]
        np.testing.assert_array_equal(alone.forces[0], together.forces[index])


@pytest.mark.real_potential
@pytest.mark.shared_data
@here
def test_passes_of_several_configurations_as_on_an_accelerator(
    potential: NequixPotential, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = mixed(3)[::2]
    alone = potential.evaluate(frames)
    sizes: list[int] = []
    one_pass = potential._pass
    monkeypatch.setattr(potential, "_pass", lambda cells: (sizes.append(len(cells)), one_pass(cells))[1])
    monkeypatch.setattr(potential, "batches", True)
    together = potential.evaluate(frames)
    assert sizes == [2]
    np.testing.assert_allclose(together.energies, alone.energies, rtol=0, atol=1e-5)
    for forces, expected in zip(together.forces, alone.forces, strict=True):
        np.testing.assert_allclose(forces, expected, rtol=0, atol=1e-6)
    monkeypatch.setattr(potential, "_most_pairs", 100)
    apart = potential.evaluate(frames)
    assert sizes == [2, 1, 1]
    np.testing.assert_array_equal(apart.energies, alone.energies)


@pytest.mark.real_potential
@pytest.mark.shared_data
@here
def test_neighbours_through_a_face_count_where_another_face_is_open(potential: NequixPotential) -> None:
    """The package forgets by how many cells such neighbours are away: the slab repeated is the reference."""
    slab = mixed(4)[2]
    once, twice = potential.evaluate([slab, slab * (2, 1, 1)]).energies
    assert twice == pytest.approx(2.0 * once, abs=1e-4)


@pytest.mark.real_potential
@pytest.mark.shared_data
@here
def test_atoms_without_neighbours_have_the_energies_of_the_package(potential: NequixPotential) -> None:
    from nequix.calculator import NequixCalculator

    atoms = Atoms("MgO", positions=[(0.0, 0.0, 0.0), (20.0, 0.0, 0.0)])
    result = potential.evaluate([atoms])
    atoms.calc = NequixCalculator(model_path=str(MODEL), use_kernel=False)
    assert result.energies[0] == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
    assert not result.forces[0].any()


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


@pytest.mark.real_potential
@pytest.mark.shared_data
@here
@pytest.mark.parametrize("symbol", ["Po", "Es"])
def test_the_calculator_refuses_elements_that_the_model_does_not_know(
    potential: NequixPotential, symbol: str
) -> None:
    atoms = bulk(symbol, "sc", a=3.4)
    atoms.calc = potential.calculator()
    with pytest.raises(UncoveredElementError, match=f"does not cover {symbol}"):
        atoms.get_forces()


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
