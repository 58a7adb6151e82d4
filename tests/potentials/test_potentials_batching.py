"""Passes of several configurations: how they are formed, and that they give what single ones give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from shared_weights import SHARED_WEIGHTS

from softmode.errors import PotentialError
from softmode.potentials import Potential, PotentialSettings, batching
from softmode.potentials.batching import BatchedPotential, edges_that_fit, halved_where_needed, passes


def crystals() -> list[Atoms]:
    """Three of different sizes and elements, displaced."""
    rng = np.random.default_rng(7)
    found = [
        bulk("NaCl", "rocksalt", a=5.6) * (2, 1, 1),
        bulk("MgO", "rocksalt", a=4.2),
        bulk("Si", cubic=True),
    ]
    for atoms in found:
        atoms.positions += rng.normal(0.0, 0.05, atoms.positions.shape)
    return found


def test_passes_are_filled_in_order() -> None:
    assert list(passes(iter([3, 3, 3, 9, 1, 1]), int, 6)) == [[3, 3], [3], [9], [1, 1]]
    assert list(passes([], int, 6)) == []


def test_only_alike_graphs_are_in_one_pass() -> None:
    found = list(passes([1, 1, -1, -1, 1], abs, 9, lambda one, other: one == other))
    assert found == [[1, 1], [-1, -1], [1]]


def test_graphs_are_made_as_they_are_needed() -> None:
    made = []

    def graphs() -> Iterator[int]:
        for index in range(9):
            made.append(index)
            yield 1

    next(passes(graphs(), int, 3))
    assert len(made) == 4


def test_edges_of_a_pass_follow_from_the_memory() -> None:
    # half of 16 GB at 1 MB an edge is 8,000 edges; 4,096 is the power of two below
    assert edges_that_fit(16e9, 1e6) == 4096
    assert edges_that_fit(16e9, 1.02e6) == 4096
    assert edges_that_fit(1e3, 1e9) == 1
    assert edges_that_fit(80e9, 10.0) == batching.MOST_EDGES


class Memory:
    """A pass that fits up to a number of graphs."""

    def __init__(self, room: int, error: Exception) -> None:
        self.room, self.error, self.ran, self.freed = room, error, [], 0

    def run(self, graphs: Sequence[int]) -> list[int]:
        if len(graphs) > self.room:
            raise self.error
        self.ran.append(len(graphs))
        return [10 * graph for graph in graphs]

    def free(self) -> None:
        self.freed += 1


@pytest.mark.parametrize(
    "said", ["CUDA out of memory. Tried to allocate 2 GiB", "RESOURCE_EXHAUSTED: 3 bytes"]
)
def test_a_pass_that_does_not_fit_is_halved(said: str) -> None:
    memory = Memory(3, RuntimeError(said))
    assert halved_where_needed(range(10), memory.run, memory.free) == [10 * index for index in range(10)]
    assert memory.ran == [2, 3, 2, 3]
    assert memory.freed == 3


def test_one_configuration_that_does_not_fit_is_an_error() -> None:
    memory = Memory(0, RuntimeError("out of memory"))
    with pytest.raises(RuntimeError, match="out of memory"):
        halved_where_needed(range(4), memory.run, memory.free)


def test_other_errors_are_not_tried_again() -> None:
    memory = Memory(1, RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        halved_where_needed(range(4), memory.run, memory.free)
    assert memory.ran == []


Load = Callable[[PotentialSettings], Potential]


@pytest.fixture(params=["chgnet", "7net-0", "TensorNet-MatPES-PBE-v2025.1-PES"])
def potential(request: pytest.FixtureRequest, load_potential: Load) -> BatchedPotential:
    name = request.param
    if name.startswith("TensorNet"):
        pytest.importorskip("matgl")
        folder = SHARED_WEIGHTS / "matgl" / name
        if not folder.is_dir():
            pytest.skip("needs weights in ../shared/data")
        name = str(folder)
    else:
        pytest.importorskip({"chgnet": "chgnet", "7net-0": "sevenn"}[name])
    loaded = load_potential(PotentialSettings(name=name))
    assert isinstance(loaded, BatchedPotential)
    return loaded


@pytest.mark.real_potential
def test_passes_give_what_single_configurations_give(
    potential: BatchedPotential, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = potential.evaluate(crystals())
    monkeypatch.setattr(potential, "batches", True)
    monkeypatch.setattr(potential, "_most", 10**6)
    together = potential.evaluate(crystals())
    # float32 sums in another order: relative errors of 1e-7 of energies of some ten eV
    np.testing.assert_allclose(together.energies, single.energies, atol=1e-4)
    for one, other in zip(together.forces, single.forces, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
    # one after the other, as on a processor: the same bits in any order
    monkeypatch.undo()
    again = potential.evaluate(crystals()[::-1])
    np.testing.assert_array_equal(again.energies[::-1], single.energies)
    for one, other in zip(again.forces[::-1], single.forces, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.real_potential
def test_a_pass_too_large_for_the_memory_goes_on_in_halves(
    potential: BatchedPotential, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, sizes = potential._pass, []

    def small(graphs: Sequence[object]) -> list[tuple[float, object]]:
        sizes.append(len(graphs))
        if len(graphs) > 1:
            raise RuntimeError("CUDA out of memory")
        return whole(graphs)

    single = potential.evaluate(crystals())
    monkeypatch.setattr(potential, "batches", True)
    monkeypatch.setattr(potential, "_most", 10**6)
    monkeypatch.setattr(potential, "_pass", small)
    together = potential.evaluate(crystals())
    assert sizes == [3, 1, 2, 1, 1]
    np.testing.assert_allclose(together.energies, single.energies, atol=1e-4)

    monkeypatch.setattr(potential, "_pass", lambda graphs: small([*graphs, None]))
    with pytest.raises(PotentialError, match="ran out of memory"):
        potential.evaluate(crystals())
