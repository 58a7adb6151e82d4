"""Which worker computes which cell, and what the cells of a material share in it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_study import emt, factory, record_contents, run_tiny, tiny_study

from softmode.datasets.base import MaterialEntry
from softmode.measurements import Facts
from softmode.measurements.view import Sources
from softmode.potentials.calculator import CalculatorPotential
from softmode.potentials.resolution import ResolvedPotential
from softmode.study import worker
from softmode.study.folder import Case
from softmode.study.lanes import BLOCK, Lanes, blocks
from softmode.study.materials import MaterialSummary

POTENTIALS = ("one", "two", "three")


def grid(n_materials: int, labels: tuple[str, ...] = POTENTIALS) -> list[Case]:
    """Cells in the order of a study: potential by potential."""
    return [
        Case(MaterialSummary(name=f"m{index}", fingerprint=""), label, Facts(""), {}, None, None)
        for label in labels
        for index in range(n_materials)
    ]


def names(cells: list[Case]) -> list[tuple[str, str]]:
    return [(cell.material.name, cell.label) for cell in cells]


def taken(lanes: Lanes, order: list[int]) -> list[tuple[int, Case]]:
    found = [(lane, lanes.next(lane)) for lane in order]
    return [(lane, cell) for lane, cell in found if cell is not None]


@pytest.mark.parametrize("n_materials", [1, BLOCK, BLOCK + 1, 5 * BLOCK])
@pytest.mark.parametrize("n_lanes", [1, 2, 5])
def test_every_cell_is_given_out_once(n_materials: int, n_lanes: int) -> None:
    cells = grid(n_materials)
    random = np.random.default_rng(n_materials + n_lanes)
    order = random.integers(0, n_lanes, size=100 * len(cells)).tolist()
    given = [cell for _, cell in taken(Lanes(cells, n_lanes), order)]
    assert sorted(names(given)) == sorted(names(cells))


def test_lanes_that_keep_pace_share_no_material() -> None:
    cells = grid(4 * BLOCK)
    lanes_of: dict[str, set[int]] = {}
    for lane, cell in taken(Lanes(cells, 2), [0, 1] * (len(cells) // 2)):
        lanes_of.setdefault(cell.material.name, set()).add(lane)
    assert all(len(lanes) == 1 for lanes in lanes_of.values())


def test_a_lane_without_work_takes_half_of_anothers() -> None:
    lanes = Lanes(grid(2), 2)
    first = lanes.next(0)
    assert first is not None
    rest = names([cell for _, cell in taken(lanes, [1, 1, 1])])
    assert len(rest) == 3
    assert names([first])[0] not in rest


def test_potentials_change_as_seldom_as_can_be() -> None:
    """There and back: of three potentials two change in a block, and none from one block to the next."""
    order = [cell for block in blocks(grid(3 * BLOCK)) for cell in block]
    changes = sum(a.label != b.label for a, b in pairwise(order))
    assert changes == 3 * (len(POTENTIALS) - 1)
    assert {cell.label for cell in order[:BLOCK]} == {"one"}


def test_the_last_material_of_one_potential_is_the_first_of_the_next() -> None:
    (block,) = blocks(grid(3))
    assert [cell.material.name for cell in block] == ["m0", "m1", "m2", "m2", "m1", "m0", "m0", "m1", "m2"]


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    counted: Counter[str] = Counter()
    load = MaterialEntry.load

    def counting(entry: MaterialEntry) -> Any:
        counted[entry.name] += 1
        return load(entry)

    monkeypatch.setattr(MaterialEntry, "load", counting)
    return counted


def soft(label: str, factor: float) -> dict[str, Any]:
    return factory("scaled_emt", label, factor=factor)


def test_a_worker_loads_a_material_once_for_all_potentials(
    tiny_dataset: Path, tmp_path: Path, loads: Counter[str]
) -> None:
    settings = tiny_study(tiny_dataset, tmp_path / "o", emt(), soft("a", 0.9), soft("b", 0.8))
    run_tiny(settings)
    once_to_open_once_to_run = 2
    assert set(loads.values()) == {once_to_open_once_to_run}


def test_what_is_shared_changes_no_record(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    potentials = (emt(), soft("a", 0.9), factory("nan_emt", "nan"))
    shared, _ = run_tiny(tiny_study(tiny_dataset, tmp_path / "shared", *potentials))
    made = worker._sources

    def fresh(task: worker.CaseTask) -> Sources:
        worker._loaded.materials.clear()
        return made(task)

    monkeypatch.setattr(worker, "_sources", fresh)
    alone, _ = run_tiny(tiny_study(tiny_dataset, tmp_path / "alone", *potentials))
    assert record_contents(shared) == record_contents(alone)


def test_long_trajectories_push_others_out(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loads: Counter[str]
) -> None:
    monkeypatch.setattr(worker, "_MAX_MATERIALS_SIZE", 0)
    run_tiny(tiny_study(tiny_dataset, tmp_path / "o", emt(), soft("a", 0.9)))
    assert sum(loads.values()) > 2 * len(loads)


def test_potentials_are_closed_when_others_take_their_place_and_at_the_end(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    load, close = ResolvedPotential.load, CalculatorPotential.close

    def loading(resolved: ResolvedPotential) -> Any:
        told.append(f"load {resolved.info.name}")
        return load(resolved)

    def closing(potential: CalculatorPotential) -> None:
        told.append(f"close {potential.info.name}")
        close(potential)

    monkeypatch.setattr(ResolvedPotential, "load", loading)
    monkeypatch.setattr(CalculatorPotential, "close", closing)
    run_tiny(
        tiny_study(tiny_dataset, tmp_path / "o", *[soft(name, 0.9 - 0.1 * n) for n, name in enumerate("abc")])
    )
    assert told[:3] == ["load a", "load b", "close a"]
    assert sorted(told) == sorted(f"{what} {name}" for what in ("load", "close") for name in "abc")
