"""Interrupted runs: the trajectory is that of an undisturbed run, or an error says why it is not."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import read
from md_process import settings as process_settings
from spring_crystal import SpringCrystal, TroublesomeSprings, simple_cubic
from tiny_study import HELPERS

from softmode import files
from softmode.dynamics import (
    Frames,
    MDRun,
    MDSettings,
    TrajectoryWriter,
    export_ase,
    joined_trajectory,
    md_chunks,
    read_md,
    record_md,
    run_md,
)
from softmode.errors import InputDataError, StorageError

THERMOSTATS = ["andersen", "langevin", "nose-hoover"]
CRYSTAL = simple_cubic(3, masses=(40.0, 20.0))


def quick(thermostat: str = "andersen", **changes: Any) -> MDSettings:
    return MDSettings(thermostat=thermostat, **{"steps": 13, "checkpoint_every": 4, "seed": 3, **changes})


def springs(**options: Any) -> TroublesomeSprings:
    return TroublesomeSprings(CRYSTAL.positions, **options)


def run(folder: Path, settings: MDSettings, **options: Any) -> MDRun:
    return record_md(folder, CRYSTAL, springs(**options), settings)


def assert_same_bits(one: Frames, other: Frames) -> None:
    for field in fields(Frames):
        first, second = getattr(one, field.name), getattr(other, field.name)
        assert first.dtype == second.dtype
        assert first.tobytes() == second.tobytes(), field.name


@pytest.mark.parametrize("thermostat", THERMOSTATS)
def test_interrupted_at_every_evaluation(tmp_path: Path, thermostat: str) -> None:
    whole = run(tmp_path / "whole", quick(thermostat))
    assert whole.status == "completed"
    assert whole.frames.steps.tolist() == list(range(1, 14))
    for evaluation in range(1, 17):  # three to warm up, thirteen steps
        folder = tmp_path / str(evaluation)
        with pytest.raises(InterruptedError):
            run(folder, quick(thermostat), fail_at=evaluation)
        assert_same_bits(run(folder, quick(thermostat)).frames, whole.frames)


@pytest.mark.parametrize("thermostat", THERMOSTATS)
def test_interrupted_again_and_again(tmp_path: Path, thermostat: str) -> None:
    whole = run(tmp_path / "whole", quick(thermostat, sample_every=3))
    for _ in range(2):
        with pytest.raises(InterruptedError):
            run(tmp_path / "often", quick(thermostat, sample_every=3), fail_at=9)
    assert read_md(tmp_path / "often").status == "running"
    resumed = run(tmp_path / "often", quick(thermostat, sample_every=3))
    assert_same_bits(resumed.frames, whole.frames)
    assert resumed.notes == ()
    assert resumed.frames.steps.tolist() == [3, 6, 9, 12]


@pytest.mark.parametrize("thermostat", THERMOSTATS)
def test_from_every_checkpoint_in_memory(thermostat: str) -> None:
    settings = quick(thermostat)
    pieces = list(md_chunks(CRYSTAL, springs(), settings))
    assert [piece.checkpoint is not None for piece in pieces] == [True, True, True, False]
    for index, piece in enumerate(pieces[:-1]):
        rest: list[Any] = []
        run_md(CRYSTAL, springs(), settings, rest.append, piece.checkpoint)
        for one, other in zip(pieces[index + 1 :], rest, strict=True):
            assert_same_bits(one.frames, other.frames)


@pytest.mark.parametrize("thermostat", THERMOSTATS)
def test_kept_neighbour_lists_of_emt(tmp_path: Path, thermostat: str) -> None:
    copper = bulk("Cu", cubic=True) * (2, 1, 1)
    settings = quick(thermostat, temperature=1500.0, timestep=4.0, steps=24, checkpoint_every=8)
    whole = record_md(tmp_path / "whole", copper, EMT(), settings)
    shutil.copytree(tmp_path / "whole", tmp_path / "part")
    (tmp_path / "part" / "piece_000002.h5").unlink()
    resumed = record_md(tmp_path / "part", copper, EMT(), settings)
    assert_same_bits(resumed.frames, whole.frames)
    assert resumed.notes == ()


@pytest.mark.parametrize("thermostat", THERMOSTATS)
def test_killed_process(tmp_path: Path, thermostat: str) -> None:
    folder = tmp_path / "killed"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HELPERS), *sys.path]),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(HELPERS / "md_process.py"), str(folder), thermostat]
    with subprocess.Popen(command, env=environment) as process:
        until = time.monotonic() + 60.0
        while len(list(folder.glob("piece_*.h5"))) < 3 and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    killed = read_md(folder)
    assert killed.status == "running"
    assert 15 <= killed.last_step < 50
    assert killed.last_step % 5 == 0
    crystal = simple_cubic(3)
    settings = process_settings(thermostat)
    resumed = record_md(folder, crystal, TroublesomeSprings(crystal.positions), settings)
    whole = record_md(tmp_path / "whole", crystal, TroublesomeSprings(crystal.positions), settings)
    assert_same_bits(resumed.frames, whole.frames)
    assert resumed.status == "completed"


@pytest.mark.parametrize("thermostat", THERMOSTATS)
def test_a_finished_run_can_be_continued(tmp_path: Path, thermostat: str) -> None:
    whole = run(tmp_path / "whole", quick(thermostat, steps=13))
    run(tmp_path / "longer", quick(thermostat, steps=6))
    assert run(tmp_path / "longer", quick(thermostat, steps=6)).summary == "completed 6 steps"
    assert_same_bits(run(tmp_path / "longer", quick(thermostat, steps=13)).frames, whole.frames)


class TestDamage:
    @pytest.fixture
    def whole(self, tmp_path: Path) -> MDRun:
        return run(tmp_path / "run", quick())

    @staticmethod
    def spoil(path: Path, how: str) -> None:
        content = bytearray(path.read_bytes())
        if how == "flipped":
            content[len(content) // 2] ^= 1
        elif how == "cut":
            del content[len(content) // 3 :]
        else:
            content.clear()
        path.write_bytes(content)

    @pytest.mark.parametrize("how", ["flipped", "cut", "emptied"])
    @pytest.mark.parametrize("piece", [1, 2, 3])
    def test_falls_back_to_the_checkpoint_before(self, whole: MDRun, how: str, piece: int) -> None:
        path = Path(whole.source) / f"piece_{piece:06d}.h5"
        self.spoil(path, how)
        before = read_md(whole.source)
        assert before.last_step == 4 * piece
        assert path.name in before.notes[-1]
        again = run(Path(whole.source), quick())
        assert_same_bits(again.frames, whole.frames)
        assert again.notes == ()

    def test_nothing_to_fall_back_to(self, whole: MDRun) -> None:
        path = Path(whole.source) / "piece_000000.h5"
        self.spoil(path, "flipped")
        for action in (lambda: read_md(whole.source), lambda: run(Path(whole.source), quick())):
            with pytest.raises(StorageError, match=r"piece_000000\.h5.*checksum.*delete the file"):
                action()
        path.unlink()
        assert_same_bits(run(Path(whole.source), quick()).frames, whole.frames)

    def test_other_files_are_refused(self, tmp_path: Path) -> None:
        TrajectoryWriter(tmp_path).path(0).write_text("something else")
        with pytest.raises(StorageError, match="no piece of a trajectory"):
            read_md(tmp_path)

    def test_no_run(self, tmp_path: Path) -> None:
        with pytest.raises(InputDataError, match="holds no molecular dynamics"):
            read_md(tmp_path)


class TestMixUps:
    @pytest.mark.parametrize("change", [{"seed": 4}, {"temperature": 400.0}, {"thermostat": "langevin"}])
    def test_other_settings(self, tmp_path: Path, change: dict[str, Any]) -> None:
        run(tmp_path, quick())
        other = MDSettings.model_validate({**quick().model_dump(), **change})
        with pytest.raises(InputDataError, match="another start or other settings"):
            run(tmp_path, other)

    def test_other_start(self, tmp_path: Path) -> None:
        run(tmp_path, quick())
        moved = CRYSTAL.copy()
        moved.positions[0, 0] += 0.1
        with pytest.raises(InputDataError, match="another start"):
            record_md(tmp_path, moved, springs(), quick())

    def test_fewer_steps_than_there_are(self, tmp_path: Path) -> None:
        run(tmp_path, quick())
        with pytest.raises(InputDataError, match="13 steps already"):
            run(tmp_path, quick(steps=5))

    def test_another_potential(self, tmp_path: Path) -> None:
        with pytest.raises(InterruptedError):
            run(tmp_path, quick(), fail_at=10)
        before = sorted(path.read_bytes() for path in tmp_path.iterdir())
        with pytest.raises(InputDataError, match=r"differ by .* the potential it was started with"):
            record_md(tmp_path, CRYSTAL, SpringCrystal(CRYSTAL.positions, stiffness=9.0), quick())
        assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == before

    def test_slightly_other_forces_are_noted(self, tmp_path: Path) -> None:
        with pytest.raises(InterruptedError):
            run(tmp_path, quick(), fail_at=10)
        other = SpringCrystal(CRYSTAL.positions, stiffness=2.0 + 1e-6, quartic=5.0)
        assert "not what an uninterrupted run gives" in record_md(tmp_path, CRYSTAL, other, quick()).notes[0]

    def test_checkpoint_of_another_run(self) -> None:
        piece = next(md_chunks(CRYSTAL, springs(), quick()))
        with pytest.raises(InputDataError, match="checkpoint: belongs to a run"):
            run_md(CRYSTAL, springs(), quick(seed=8), resume_from=piece.checkpoint)

    def test_forces_that_are_never_the_same(self) -> None:
        class Noisy(SpringCrystal):
            def calculate(self, *args: Any, **kwargs: Any) -> None:
                super().calculate(*args, **kwargs)
                self.results["forces"] += np.random.default_rng().normal(
                    0, 1e-6, self.results["forces"].shape
                )

        result = run_md(CRYSTAL, Noisy(CRYSTAL.positions), quick(steps=1))
        assert "not repeatable" in result.notes[0]


class TestFullDisk:
    @pytest.mark.parametrize("step", ["fsync", "mkstemp", "mkdir"])
    def test_nothing_is_lost(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
        whole = run(tmp_path / "whole", quick())
        folder = tmp_path / "disk"
        calls = 0

        def full(original: Any) -> Any:
            def call(*args: Any, **kwargs: Any) -> Any:
                nonlocal calls
                calls += step != "fsync" or args[0].is_file()  # folders are synced as well
                if calls > 2:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return original(*args, **kwargs)

            return call

        with monkeypatch.context() as patch:
            target, original = {
                "fsync": ("softmode.files._sync", files._sync),
                "mkstemp": ("tempfile.mkstemp", tempfile.mkstemp),
                "mkdir": ("pathlib.Path.mkdir", Path.mkdir),
            }[step]
            patch.setattr(target, full(original))
            with pytest.raises(StorageError, match=r"the disk is full.*goes on from its last checkpoint"):
                run(folder, quick())
        assert [path.name for path in sorted(folder.iterdir())] == ["piece_000000.h5", "piece_000001.h5"]
        assert read_md(folder).last_step == 8
        assert_same_bits(run(folder, quick()).frames, whole.frames)

    def test_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StorageError, match="cannot be written"):
            run(tmp_path / "file" / "run", quick())

    def test_old_leftovers_go_and_young_ones_stay(self, tmp_path: Path) -> None:
        old, young = tmp_path / ".piece_000000.h5.a.tmp", tmp_path / ".piece_000000.h5.b.tmp"
        old.write_text("")
        young.write_text("")
        os.utime(old, (0, 0))
        run(tmp_path, quick())
        assert young.exists()
        assert not old.exists()


def test_export_to_ase(tmp_path: Path) -> None:
    done = run(tmp_path / "run", quick(sample_every=4))
    export_ase(done, tmp_path / "run.traj")
    images: list[Atoms] = read(tmp_path / "run.traj", ":")
    assert len(images) == 3
    for index, atoms in enumerate(images):
        np.testing.assert_array_equal(atoms.positions, done.frames.positions[index])
        np.testing.assert_array_equal(atoms.get_forces(), done.frames.forces[index])
        assert atoms.get_potential_energy() == done.frames.potential_energy[index]
        assert atoms.get_kinetic_energy() == pytest.approx(done.frames.kinetic_energy[index])
        np.testing.assert_array_equal(atoms.get_masses(), CRYSTAL.get_masses())


def test_joined_trajectory(tmp_path: Path) -> None:
    runs = [run(tmp_path / str(seed), quick(seed=seed)) for seed in (0, 1)]
    joined = joined_trajectory(runs, skip=3)
    assert joined.run_lengths == (10, 10)
    np.testing.assert_array_equal(joined.positions[10:], runs[1].frames.positions[3:])
    np.testing.assert_array_equal(runs[0].trajectory.forces, runs[0].frames.forces)
    partly = joined_trajectory(runs, skip=[13, 0])
    assert partly.run_lengths == (13,)
    assert "no frames beyond the 13 skipped" in partly.notes[0]
    with pytest.raises(InputDataError, match="there are no frames"):
        joined_trajectory(runs, skip=99)
    stretched = replace(runs[0].description, lattice=1.1 * runs[0].description.lattice)
    with pytest.raises(InputDataError, match="have different cells"):
        joined_trajectory([runs[0], replace(runs[1], description=stretched)])
