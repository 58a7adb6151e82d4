"""Replicas in batches of a small MACE model: as one by one but for rounding, and resumed bit for bit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from softmode.dynamics import Frames, MDRun, MDSettings, Replica, record_md, record_together
from softmode.errors import NonFiniteForcesError
from softmode.measurements.md.replicas import batch_evaluator
from softmode.potentials.base import Evaluation, Potential
from softmode.potentials.resolution import resolve
from softmode.potentials.settings import PotentialSettings

pytest.importorskip("mace")
sys.path.append(str(Path(__file__).resolve().parents[1] / "potentials"))

from small_mace import build_small_mace

CRYSTAL = bulk("NaCl", "rocksalt", a=5.6, cubic=True)


@pytest.fixture(scope="module", params=["float64", "float32"])
def potential(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Potential:
    import torch

    torch.set_num_threads(1)
    path = build_small_mace(tmp_path_factory.mktemp("mace") / "small.model")
    return resolve(PotentialSettings(name=str(path), dtype=request.param)).load()


def replicas(folder: Path) -> list[Replica]:
    rng = np.random.default_rng(5)
    found = []
    for index in range(3):
        start = CRYSTAL.copy()
        start.positions += rng.normal(0.0, 0.03, start.positions.shape)
        settings = MDSettings(thermostat="langevin", steps=12, checkpoint_every=4, seed=index)
        found.append(Replica(folder / str(index), start, settings))
    return found


def together(folder: Path, potential: Potential, fail_at: int | None = None) -> list[MDRun]:
    evaluate = batch_evaluator(potential)
    calls = 0

    def counted(configurations: Sequence[Atoms]) -> object:
        nonlocal calls
        calls += 1
        assert len(configurations) == 3
        if calls == fail_at:
            raise InterruptedError("the plug was pulled")
        return evaluate(configurations)

    return record_together(replicas(folder), counted, reference=CRYSTAL.positions)  # type: ignore[arg-type]


def test_mace_says_that_it_batches(potential: Potential) -> None:
    assert potential.batches
    assert not resolve(PotentialSettings(name="ase.calculators.emt:EMT")).load().batches


def test_batches_give_what_single_runs_give(tmp_path: Path, potential: Potential) -> None:
    tolerance = 1e-9 if potential.dtype == "float64" else 1e-4
    alone = [
        record_md(
            replica.folder,
            replica.start,
            potential.calculator(),
            replica.settings,
            reference=CRYSTAL.positions,
        )
        for replica in replicas(tmp_path / "alone")
    ]
    for one, other in zip(together(tmp_path / "together", potential), alone, strict=True):
        assert one.status == other.status == "completed"
        assert np.abs(one.frames.forces).max() > 0.01
        np.testing.assert_allclose(one.frames.positions, other.frames.positions, rtol=0, atol=tolerance)
        np.testing.assert_allclose(one.frames.forces, other.frames.forces, rtol=0, atol=10 * tolerance)


@pytest.mark.parametrize("fail_at", [2, 6, 9, 13])
def test_resumed_bit_for_bit(tmp_path: Path, potential: Potential, fail_at: int) -> None:
    whole = together(tmp_path / "whole", potential)
    with pytest.raises(InterruptedError):
        together(tmp_path / "cut", potential, fail_at)
    for one, other in zip(together(tmp_path / "cut", potential), whole, strict=True):
        for field in fields(Frames):
            found, expected = getattr(one.frames, field.name), getattr(other.frames, field.name)
            assert found.tobytes() == expected.tobytes(), field.name


class Fragile(Potential):
    """Fails on the configurations whose first atom is at the origin."""

    def _evaluate(self, configurations: Sequence[Atoms]) -> tuple[Sequence[float], Sequence[object]]:
        raise NotImplementedError

    def calculator(self) -> object:  # type: ignore[override]
        raise NotImplementedError

    def evaluate(self, configurations: Sequence[Atoms]) -> Evaluation:
        bad = tuple(i for i, atoms in enumerate(configurations) if not atoms.positions[0].any())
        if bad:
            raise NonFiniteForcesError("fragile", "NaN", "look", configurations=bad)
        energies = np.array([float(atoms.positions[0, 0]) for atoms in configurations])
        return Evaluation(energies, tuple(np.full((8, 3), energy) for energy in energies))


def test_a_failure_does_not_take_its_batch_with_it() -> None:
    batch = [CRYSTAL.copy() for _ in range(4)]
    for index in (1, 3):
        batch[index].positions[0] = index
    answers = batch_evaluator(Fragile())(batch)
    assert [isinstance(answer, NonFiniteForcesError) for answer in answers] == [True, False, True, False]
    for index in (1, 3):
        energy, forces = answers[index]  # type: ignore[misc]
        assert energy == index
        assert (forces == index).all()
