"""Which worker computes which cell, and what the cells of a material share in it."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from heapq import heappop, heappush
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_study import emt, factory, record_contents, run_tiny, tiny_study

from softmode.datasets.base import MaterialEntry
from softmode.measurements import Facts
from softmode.measurements.view import Sources, loaded_size
from softmode.potentials.calculator import CalculatorPotential
from softmode.potentials.resolution import ResolvedPotential
from softmode.study import worker
from softmode.study.costs import Costs, known_costs
from softmode.study.folder import Case
from softmode.study.lanes import FEW, SHARED_SIZE, Lanes, blocks
from softmode.study.materials import MaterialSummary

POTENTIALS = ("one", "two", "three")


def grid(n_materials: int, labels: tuple[str, ...] = POTENTIALS, **about: Any) -> list[Case]:
    """Cells in the order of a study: potential by potential."""
    materials = [MaterialSummary(name=f"m{index}", fingerprint="", **about) for index in range(n_materials)]
    return [Case(one, label, Facts(""), {}, {}, None, None) for label in labels for one in materials]


def names(cells: Iterable[Case]) -> list[tuple[str, str]]:
    return [(cell.material.name, cell.label) for cell in cells]


def taken(lanes: Lanes, order: Iterable[int]) -> list[tuple[int, Case]]:
    found = [(lane, lanes.next(lane)) for lane in order]
    return [(lane, cell) for lane, cell in found if cell is not None]


def loads_of(cells: Iterable[Case]) -> list[str]:
    """The potentials that a worker loads for these cells, one after the other."""
    return [label for label, _ in groupby(cell.label for cell in cells)]


#: Atoms of a supercell that is as large as what a worker may keep.
HUGE = int((SHARED_SIZE / 500) ** 0.5) + 1


def test_no_cell_is_given_out_twice_where_workers_are_of_different_speed() -> None:
    """One that is far ahead takes materials over, and not from itself."""
    costs = {"one": 1.0, "two": 5.0, "three": 2.0}
    for seed in range(100):
        random = np.random.default_rng(seed)
        cells = grid(17, ("one", "two", "three")[: seed % 2 + 2], n_supercell_atoms=40)
        lanes, given = Lanes(cells, 2), []
        speed, waiting = random.random(), {0, 1}
        while waiting:
            lane = min(waiting) if len(waiting) == 1 else int(random.random() < speed)
            cell = lanes.next(lane)
            if cell is None:
                waiting.remove(lane)
                continue
            given.append(cell)
            assert len(given) <= len(cells), f"seed {seed}"
            lanes.done(cell, costs[cell.label] * random.random())
        assert sorted(names(given)) == sorted(names(cells))


@pytest.mark.parametrize("n_materials", [1, 5 * FEW])
@pytest.mark.parametrize("n_supercell_atoms", [40, HUGE])
def test_workers_get_what_they_can_run_and_nothing_is_left(n_materials: int, n_supercell_atoms: int) -> None:
    """Two that can run two potentials, three that can run the other and one of these."""
    cells = grid(n_materials, n_supercell_atoms=n_supercell_atoms)
    able = [{"one", "two"}] * 2 + [{"two", "three"}] * 3
    lanes, given = Lanes(cells, 5), []
    random = np.random.default_rng(n_materials)
    waiting = {*range(5)}
    while waiting:
        lane = int(random.choice([*waiting]))
        cell = lanes.next(lane, able[lane].__contains__)
        if cell is None:
            waiting.remove(lane)
            continue
        assert cell.label in able[lane]
        given.append(cell)
        lanes.done(cell, {"one": 1.0, "two": 5.0, "three": 3.0}[cell.label])
    assert sorted(names(given)) == sorted(names(cells))


@pytest.mark.parametrize("n_materials", [1, FEW, 2 * FEW + 1, 5 * FEW])
@pytest.mark.parametrize("n_lanes", [1, 2, 5])
@pytest.mark.parametrize("n_supercell_atoms", [40, HUGE])
def test_every_cell_is_given_out_once(n_materials: int, n_lanes: int, n_supercell_atoms: int) -> None:
    cells = grid(n_materials, n_supercell_atoms=n_supercell_atoms)
    random = np.random.default_rng(n_materials + n_lanes)
    order = random.integers(0, n_lanes, size=100 * len(cells)).tolist()
    given = [cell for _, cell in taken(Lanes(cells, n_lanes), order)]
    assert sorted(names(given)) == sorted(names(cells))


def test_lanes_that_keep_pace_share_no_material() -> None:
    cells = grid(4 * FEW)
    lanes_of: dict[str, set[int]] = {}
    for lane, cell in taken(Lanes(cells, 2), [0, 1] * (len(cells) // 2)):
        lanes_of.setdefault(cell.material.name, set()).add(lane)
    assert all(len(lanes) == 1 for lanes in lanes_of.values())


@pytest.mark.parametrize("pace", [[0, 1], [0, 0, 0, 0, 0, 1, 1, 1, 1], [0, 1, 1], [0, 0, 0, 0, 1]])
def test_a_worker_loads_a_potential_once_whoever_is_faster(pace: list[int]) -> None:
    cells = grid(8 * FEW, labels=tuple("abcdefghij"))
    of_lane: dict[int, list[Case]] = {}
    for lane, cell in taken(Lanes(cells, 2), pace * len(cells)):
        of_lane.setdefault(lane, []).append(cell)
    assert sum(map(len, of_lane.values())) == len(cells)
    assert [loads_of(of_lane[lane]) for lane in (0, 1)] == [list("abcdefghij")] * 2


def test_of_few_materials_workers_take_potentials() -> None:
    of_lane: dict[int, list[Case]] = {}
    for lane, cell in taken(Lanes(grid(2, labels=tuple("abcd")), 2), [0, 1] * 8):
        of_lane.setdefault(lane, []).append(cell)
    assert loads_of(of_lane[0]) == ["a", "b"]
    assert loads_of(of_lane[1]) == ["d", "c"]


def test_a_lane_without_work_takes_half_of_anothers() -> None:
    lanes = Lanes(grid(4, labels=("one",)), 2)
    first = lanes.next(0)
    assert first is not None
    assert names(cell for _, cell in taken(lanes, [1, 1])) == [("m3", "one"), ("m1", "one")]
    assert names(cell for _, cell in taken(lanes, [0])) == [("m2", "one")]


def test_what_has_taken_long_with_one_potential_comes_first_with_the_next() -> None:
    cells = grid(4, labels=("one", "two"))
    lanes = Lanes(cells, 1)
    for seconds in (1.0, 9.0, 3.0, 5.0):
        cell = lanes.next(0)
        assert cell is not None
        lanes.done(cell, seconds)
    assert [name for name, _ in names(cell for _, cell in taken(lanes, [0] * 4))] == ["m1", "m3", "m2", "m0"]


def test_a_lane_without_work_takes_its_share_of_what_is_dear() -> None:
    """Of materials that cost 8, 4, 2, 1 with one potential the dearest is half of what the next costs."""
    lanes = Lanes(grid(4, labels=("one", "two")), 2)
    for seconds in (8.0, 4.0, 2.0, 1.0):
        cell = lanes.next(0)
        assert cell is not None
        lanes.done(cell, seconds)
    assert [name for name, _ in names(cell for _, cell in taken(lanes, [1]))] == ["m0"]
    assert [name for name, _ in names(cell for _, cell in taken(lanes, [0, 0, 0]))] == ["m1", "m2", "m3"]


def test_of_many_workers_some_try_other_potentials_and_the_cheapest_comes_last() -> None:
    """Costs in virtual time; in the order of the study the dearest would be last."""
    seconds = {"a": 1.0, "b": 2.0, "c": 9.0}
    cells, n_lanes = grid(8 * FEW, labels=tuple(seconds)), 2 * len(seconds)
    lanes = Lanes(cells, n_lanes)
    of_lane: dict[int, list[Case]] = {}
    ended: list[float] = []
    free: list[tuple[float, int, Case | None]] = [(0.0, lane, None) for lane in range(n_lanes)]
    while free:
        now, lane, done = heappop(free)
        if done is not None:
            lanes.done(done, seconds[done.label])
        if (cell := lanes.next(lane)) is not None:
            of_lane.setdefault(lane, []).append(cell)
            heappush(free, (now + seconds[cell.label], lane, cell))
        else:
            ended.append(now)
    assert sorted(names(chain(*of_lane.values()))) == sorted(names(cells))
    loaded = [loads_of(of_lane[lane])[:2] for lane in range(n_lanes)]
    assert loaded == [["a", "c"], ["b", "c"], ["c", "b"], ["a", "c"], ["a", "c"], ["a", "c"]]
    assert max(ended) - min(ended) < seconds["c"]


def test_what_the_study_would_wait_for_comes_first_from_whoever_was_to_have_it() -> None:
    """One material costs as much as a hundred others: of the potentials that are left it comes first."""
    cells = grid(2 * FEW)
    known = [(cell, 100.0 if cell.material.name == "m5" else 1.0) for cell in cells[: 2 * FEW]]
    lanes = Lanes(cells[2 * FEW :], 2, known)
    first = names(cell for _, cell in taken(lanes, [0, 0]))
    assert sorted(first) == [("m5", "three"), ("m5", "two")]
    rest = names(cell for _, cell in taken(lanes, [0, 1] * len(cells)))
    assert sorted(first + rest) == sorted(names(cells[2 * FEW :]))


def test_trajectories_are_taken_to_last_long_before_anything_is_known() -> None:
    short, long = grid(2, labels=("one",))
    long = replace(long, inputs={"trajectory_forces": {}})
    thinned = replace(long, inputs={"trajectory_forces": {"every": 5}})
    assert Costs().estimate(short) < Costs().estimate(thinned) < Costs().estimate(long)


def test_costs_are_those_of_potential_times_material() -> None:
    """Seconds of potentials 1 and 10, of materials 1, 2 and 5: the one cell that is left costs 50."""
    costs, cells = Costs(), grid(3, labels=("cheap", "dear"))
    rates, sizes = {"cheap": 1.0, "dear": 10.0}, {"m0": 1.0, "m1": 2.0, "m2": 5.0}
    for cell in cells[:-1]:
        costs.learn(cell, rates[cell.label] * sizes[cell.material.name])
    assert costs.estimate(cells[-1]) == pytest.approx(50.0, rel=0.1)
    unknown = grid(1, labels=("other",), n_supercell_atoms=3)[0]
    assert costs.estimate(unknown) > costs.estimate(grid(1, labels=("other",), n_supercell_atoms=1)[0])
    assert Costs().estimate(unknown) == 3.0


def test_materials_that_are_too_large_to_be_kept_come_in_parts() -> None:
    """There and back: of three potentials two change in a part, and none from one part to the next."""
    parts = blocks(grid(6, n_supercell_atoms=HUGE), 2)
    assert len(parts) == 6
    assert all(len({cell.material.name for cell in part}) == 1 for part in parts)
    for lane in range(2):
        assert loads_of(cell for part in parts[lane::2] for cell in part) == [
            "one", "two", "three", "two", "one", "two", "three",
        ]  # fmt: skip


def test_trajectories_take_room() -> None:
    alone, with_frames = (
        blocks(grid(100, n_supercell_atoms=80, trajectory=digest), 1) for digest in ("", "digest")
    )
    assert len(with_frames) > len(alone)


def test_the_last_material_of_one_potential_is_the_first_of_the_next() -> None:
    (block,) = blocks(grid(3), 1)
    assert [cell.material.name for cell in block] == ["m0", "m1", "m2", "m2", "m1", "m0", "m0", "m1", "m2"]


def test_what_is_said_to_be_shared_is_about_its_size(tiny_dataset: Path, tmp_path: Path) -> None:
    found: list[dict[Any, Any]] = []
    settings = tiny_study(tiny_dataset, tmp_path / "o", emt(), protocol={"points_per_segment": 50})
    with pytest.MonkeyPatch.context() as patch:
        made = worker._sources
        patch.setattr(worker, "_sources", lambda task: found.append((one := made(task)).loaded) or one)
        run_tiny(settings)
    for loaded in found:
        assert 0.2 < len(pickle.dumps(loaded)) / loaded_size(loaded) < 1


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    counted: Counter[str] = Counter()
    load = MaterialEntry.load

    def counting(entry: MaterialEntry) -> Any:
        counted[entry.name] += 1
        return load(entry)

    monkeypatch.setattr(MaterialEntry, "load", counting)
    return counted


def test_what_has_been_recorded_is_known_when_a_study_is_run_again(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    study, _ = run_tiny(tiny_study(tiny_dataset, tmp_path / "o", emt(), factory("nan_emt", "nan")))
    known = known_costs(study, study.cases)
    assert [case.label for case, _ in known] == ["emt"] * 3
    for case, seconds in known:
        assert seconds == sum(record.seconds for record in study.records(case).values()) > 0.0


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
    monkeypatch.setattr(worker, "SHARED_SIZE", 0)
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
    assert told[:3] == ["load a", "close a", "load b"]
    assert sorted(told) == sorted(f"{what} {name}" for what in ("load", "close") for name in "abc")


def test_what_is_given_up_is_not_waited_for() -> None:
    cells = grid(4, ("one", "two"))
    lanes = Lanes(cells, 2, [(cell, 10.0) for cell in cells])
    first = lanes.next(0)
    assert first is not None
    other = "two" if first.label == "one" else "one"
    lanes.give_up(other)
    assert lanes.next(1) is not None
    assert lanes.left == pytest.approx(2 * 10.0 / 2)  # two cells of the other potential, two workers
    rest = [lanes.next(lane) for lane in (0, 1, 0, 1)]
    assert {cell.label for cell in rest if cell is not None} == {first.label}
    assert rest[2:] == [None, None]
