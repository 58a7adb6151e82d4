"""Replicas in lock step: as each would run alone, whatever is interrupted, lost or fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from spring_crystal import SpringCrystal, simple_cubic

from softmode.dynamics import Answer, Frames, MDRun, MDSettings, Replica, record_md, record_together
from softmode.errors import NonFiniteForcesError, PotentialError

CRYSTAL = simple_cubic(3)
STEPS, EVERY = 11, 3


def settings(seed: int, thermostat: str = "langevin", **changes: object) -> MDSettings:
    fixed = {"thermostat": thermostat, "steps": STEPS, "checkpoint_every": EVERY, "seed": seed}
    return MDSettings(**{**fixed, **changes})  # type: ignore[arg-type]


def replicas(folder: Path, n: int = 3, thermostat: str = "langevin") -> list[Replica]:
    rng = np.random.default_rng(5)
    found = []
    for index in range(n):
        start = CRYSTAL.copy()
        start.positions += rng.normal(0.0, 0.05, start.positions.shape)
        found.append(Replica(folder / str(index), start, settings(index, thermostat)))
    return found


class Batch:
    """Springs, whose forces depend in the last digits on all that is in a batch; may fail on purpose."""

    def __init__(self, *, mix: bool = True, fail_at: int | None = None) -> None:
        self.springs = SpringCrystal(CRYSTAL.positions, quartic=5.0)
        self.mix, self.fail_at = mix, fail_at
        self.sizes: list[int] = []
        self.threads: set[int] = set()

    def answer(self, atoms: Atoms) -> tuple[float, np.ndarray]:
        atoms = atoms.copy()
        atoms.calc = self.springs
        return atoms.get_potential_energy(), atoms.get_forces()

    def __call__(self, configurations: Sequence[Atoms]) -> list[Answer]:
        self.sizes.append(len(configurations))
        self.threads.add(threading.get_ident())
        if len(self.sizes) == self.fail_at:
            raise InterruptedError("the plug was pulled")
        total = sum(float(atoms.positions.sum()) for atoms in configurations)
        factor = 1.0 + 1e-9 * np.sin(1e6 * total) if self.mix else 1.0
        return [(energy, factor * forces) for energy, forces in map(self.answer, configurations)]


def assert_same_bits(one: MDRun, other: MDRun) -> None:
    assert (one.status, one.last_step, one.reason) == (other.status, other.last_step, other.reason)
    for field in fields(Frames):
        first, second = getattr(one.frames, field.name), getattr(other.frames, field.name)
        assert first.tobytes() == second.tobytes(), field.name


def together(folder: Path, batch: Callable[..., list[Answer]], n: int = 3, **options: str) -> list[MDRun]:
    return record_together(replicas(folder, n, **options), batch, reference=CRYSTAL.positions)


@pytest.mark.parametrize("thermostat", ["andersen", "langevin", "nose-hoover"])
def test_each_replica_is_what_it_is_alone(tmp_path: Path, thermostat: str) -> None:
    batch = Batch(mix=False)
    runs = together(tmp_path / "together", batch, thermostat=thermostat)
    assert batch.sizes == [3] * (3 + STEPS)  # three to warm up
    assert batch.threads == {threading.get_ident()}
    for replica, run in zip(replicas(tmp_path / "alone", thermostat=thermostat), runs, strict=True):
        alone = record_md(
            replica.folder,
            replica.start,
            SpringCrystal(CRYSTAL.positions, quartic=5.0),
            replica.settings,
            reference=CRYSTAL.positions,
        )
        assert_same_bits(run, alone)
    assert not np.array_equal(runs[0].frames.positions, runs[1].frames.positions)


def test_interrupted_at_every_batch(tmp_path: Path) -> None:
    whole, others = together(tmp_path / "whole", Batch()), threading.active_count()
    for evaluation in range(1, 4 + STEPS):
        folder = tmp_path / str(evaluation)
        with pytest.raises(InterruptedError):
            together(folder, Batch(fail_at=evaluation))
        assert threading.active_count() == others
        for run, expected in zip(together(folder, Batch()), whole, strict=True):
            assert_same_bits(run, expected)


@pytest.mark.parametrize("lost", [(0,), (1, 2), (0, 1, 2)])
def test_a_piece_that_not_all_have_is_made_again(tmp_path: Path, lost: tuple[int, ...]) -> None:
    whole = together(tmp_path / "whole", Batch())
    with pytest.raises(InterruptedError):
        together(tmp_path / "cut", Batch(fail_at=3 + 8))
    for index in lost:
        (tmp_path / "cut" / str(index) / "piece_000001.h5").unlink()
    batch = Batch()
    for run, expected in zip(together(tmp_path / "cut", batch), whole, strict=True):
        assert_same_bits(run, expected)
    assert batch.sizes == [3] * (3 + STEPS - EVERY)  # all of them from the first checkpoint


def test_a_finished_run_among_unfinished_ones(tmp_path: Path) -> None:
    whole = together(tmp_path / "o", Batch())
    (tmp_path / "o" / "1" / "piece_000003.h5").unlink()  # the last one: killed between two writes
    batch = Batch()
    for run, expected in zip(together(tmp_path / "o", batch), whole, strict=True):
        assert_same_bits(run, expected)
    assert batch.sizes == [3] * (3 + STEPS - 3 * EVERY)
    batch = Batch()
    together(tmp_path / "o", batch)
    assert batch.sizes == []


class Losing(Batch):
    """Replica 1 gets forces that are not finite once an atom of it is too far from its site."""

    def __call__(self, configurations: Sequence[Atoms]) -> list[Answer]:
        answers = super().__call__(configurations)
        farthest = float(np.abs(configurations[1].positions - CRYSTAL.positions).max())
        if len(configurations) == 3 and farthest > 0.1025:  # step 7 of 11
            answers[1] = NonFiniteForcesError("springs", "broke", "look", configurations=(0,))
        return answers


@pytest.mark.parametrize("fail_at", [None, 7, 11, 13])
def test_the_others_go_on_when_one_loses_the_crystal(tmp_path: Path, fail_at: int | None) -> None:
    batch = Losing()
    runs = together(tmp_path / "whole", batch)
    assert [run.status for run in runs] == ["completed", "collapsed", "completed"]
    step = runs[1].last_step
    assert 2 * EVERY < step < 3 * EVERY
    assert "not finite" in runs[1].reason
    assert runs[1].n_frames == step - 1
    assert batch.sizes == [3] * (3 + step) + [2] * (STEPS - step)
    if fail_at is not None:
        with pytest.raises(InterruptedError):
            together(tmp_path / "cut", Losing(fail_at=fail_at))
        for run, expected in zip(together(tmp_path / "cut", Losing()), runs, strict=True):
            assert_same_bits(run, expected)


def test_all_lose_the_crystal_at_once(tmp_path: Path) -> None:
    def broken(configurations: Sequence[Atoms]) -> list[Answer]:
        error = NonFiniteForcesError("springs", "broke", "look", configurations=(0,))
        return [error for _ in configurations]

    runs = together(tmp_path, broken)
    assert [(run.status, run.last_step, run.n_frames) for run in runs] == [("collapsed", 0, 0)] * 3


def test_what_the_potential_raises_ends_all_runs(tmp_path: Path) -> None:
    def broken(configurations: Sequence[Atoms]) -> list[Answer]:
        raise PotentialError("springs", "ran out of memory", "buy more")

    others = threading.active_count()
    with pytest.raises(PotentialError, match="ran out of memory"):
        together(tmp_path, broken)
    assert threading.active_count() == others


def test_what_goes_wrong_in_one_replica_ends_all_runs(tmp_path: Path) -> None:
    def one_fails(configurations: Sequence[Atoms]) -> list[Answer]:
        answers = Batch()(configurations)
        return [answers[0], RuntimeError("no idea"), *answers[2:]]

    others = threading.active_count()
    with pytest.raises(RuntimeError, match="no idea"):
        together(tmp_path, one_fails)
    assert threading.active_count() == others


def test_steps_are_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    given = replicas(tmp_path, 2)
    record_together(
        given,
        Batch(),
        reference=CRYSTAL.positions,
        advance=lambda replica, step: told.append((replica, step)),
    )
    assert sorted(told) == [(replica, step) for replica in range(2) for step in range(1, STEPS + 1)]
