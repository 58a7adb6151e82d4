"""A run stopped within a trajectory keeps the frames it has; what is kept and damaged is computed anew."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cases import view_in
from moving_metals import MOVING, Motion, write_moving_metal
from softmode_test_factories import interrupted_emt
from tiny_study import factory, record_contents, run_tiny, study_toml, tiny_study

from softmode.datasets import open_dataset
from softmode.measurements import View
from softmode.measurements import pieces as saved
from softmode.measurements.evaluation import _BATCH
from softmode.measurements.sigma import trajectory_forces
from softmode.potentials.resolution import resolve
from softmode.potentials.settings import PotentialSettings
from softmode.records import Partial, Record, RecordStore, digest_of
from softmode.study.folder import reopen_study
from softmode.study.results import OK, cell_table

N_FRAMES = 5 * _BATCH - 5


def pieces(folder: Path) -> list[Path]:
    return sorted(folder.glob("records/*/*.partial/*.npz"))


def evaluated(log: Path) -> Counter[str]:
    """How often each configuration was evaluated."""
    return Counter(log.read_text().split()) if log.exists() else Counter()


@pytest.mark.usefixtures("importable_helpers")
def test_kill_9_within_a_trajectory_keeps_the_frames_done(tmp_path: Path) -> None:
    write_moving_metal(tmp_path / "data" / "Al", "Al", n_frames=N_FRAMES)
    log, slow = tmp_path / "log", tmp_path / "log.slow"
    potential = factory("logging_emt", log=str(log))
    settings = tiny_study(tmp_path / "data", tmp_path / "killed", potential, options=MOVING)
    slow.touch()
    command = [sys.executable, "-c", "from softmode.cli.app import main; main()", "run"]
    process = subprocess.Popen(
        [*command, str(study_toml(tmp_path / "study.toml", settings))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while len(pieces(settings.output)) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    process.kill()
    process.communicate()
    slow.unlink()
    kept = len(pieces(settings.output))
    assert 2 <= kept < 5
    before = evaluated(log)
    assert 2 + _BATCH * kept <= before.total() < 2 + N_FRAMES
    study = reopen_study(settings.output)
    assert "trajectory_forces" not in study.records(study.cases[0])

    study, report = run_tiny(settings)
    assert (report.computed, report.failed) == (1, 0)
    after = evaluated(log)
    # every configuration once; again only those whose batch was not saved yet
    assert len(after) == 2 + N_FRAMES
    again = after.total() - len(after)
    assert again == before.total() - (2 + _BATCH * kept)
    assert again < 2 * _BATCH
    assert not pieces(settings.output)
    assert not list(settings.output.glob("records/*/*.partial"))

    undisturbed, _ = run_tiny(tiny_study(tmp_path / "data", tmp_path / "o", potential, options=MOVING))
    np.testing.assert_equal(record_contents(study), record_contents(undisturbed))
    assert cell_table(study)["state"].tolist() == [OK]


@pytest.fixture(scope="module")
def moving_al(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Motion]:
    folder = tmp_path_factory.mktemp("moving") / "Al"
    return folder, write_moving_metal(folder, "Al", n_frames=N_FRAMES)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch is saved at once."""
    monkeypatch.setattr(saved, "_SAVE_EVERY", 0.0)


def context_of(folder: Path, log: Path, partial: Partial | None) -> View:
    [entry] = open_dataset("phonopy", folder, **MOVING).entries()
    resolved = resolve(
        PotentialSettings(name="softmode_test_factories:logging_emt", kwargs={"log": str(log)})
    )
    return view_in("trajectory_forces", entry, resolved, partial=partial)


def stopped(folder: Path, tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch) -> Partial:
    """Pieces that an interrupt after so many evaluations leaves behind."""
    log, partial = tmp_path / "first", Partial(tmp_path / "x.partial")
    interrupted = interrupted_emt(after)
    with monkeypatch.context() as patch:
        patch.setattr("softmode.potentials.calculator.find_factory", lambda *_: interrupted)
        with pytest.raises(KeyboardInterrupt):
            trajectory_forces(context_of(folder, log, partial))
    return partial


def test_whole_batches_are_kept(
    moving_al: tuple[Path, Motion], tmp_path: Path, often: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, motion = moving_al
    partial = stopped(folder, tmp_path, 2 * _BATCH + 3, monkeypatch)
    assert len(list(partial.folder.iterdir())) == 2
    result = trajectory_forces(context_of(folder, tmp_path / "second", partial))
    assert evaluated(tmp_path / "second").total() == N_FRAMES - 2 * _BATCH
    np.testing.assert_allclose(result.arrays["forces"], motion.forces, atol=1e-8)
    assert result.arrays["energies"].shape == (N_FRAMES,)
    assert result.values == {"n_frames": N_FRAMES}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    path.write_bytes(content)


def of_something_else(path: Path) -> None:
    np.savez(path, numbers=np.arange(3))


def text(path: Path) -> None:
    path.write_text("nonsense")


def removed(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "number"),
    [(cut, 1), (emptied, 1), (flipped, 0), (flipped, 1), (of_something_else, 1), (text, 1), (removed, 0)],
)
def test_a_damaged_piece_is_computed_anew(
    moving_al: tuple[Path, Motion],
    tmp_path: Path,
    often: None,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], None],
    number: int,
) -> None:
    folder, motion = moving_al
    partial = stopped(folder, tmp_path, 3 * _BATCH, monkeypatch)
    damage(partial.folder / f"{number:06d}.npz")
    result = trajectory_forces(context_of(folder, tmp_path / "second", partial))
    np.testing.assert_allclose(result.arrays["forces"], motion.forces, atol=1e-8)
    seen = evaluated(tmp_path / "second")
    assert set(seen.values()) == {1}
    assert seen.total() >= N_FRAMES - 2 * _BATCH  # at least what was damaged and what had not been done
    assert seen.total() <= N_FRAMES - number * _BATCH  # the pieces before it are used


def test_what_was_recomputed_is_saved_over_the_damage(
    moving_al: tuple[Path, Motion], tmp_path: Path, often: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = moving_al
    partial = stopped(folder, tmp_path, 2 * _BATCH, monkeypatch)
    flipped(partial.folder / "000001.npz")
    trajectory_forces(context_of(folder, tmp_path / "second", partial))
    trajectory_forces(context_of(folder, tmp_path / "third", partial))
    assert evaluated(tmp_path / "third").total() == 0  # only a stored record clears the pieces


def test_quick_runs_leave_no_pieces(moving_al: tuple[Path, Motion], tmp_path: Path) -> None:
    """Nothing is written for a trajectory that takes less than the time between savings."""
    assert saved._SAVE_EVERY >= 1.0
    partial = Partial(tmp_path / "x.partial")
    [entry] = open_dataset("phonopy", moving_al[0], **MOVING).entries()
    resolved = resolve(PotentialSettings(name="ase.calculators.emt:EMT"))
    trajectory_forces(view_in("trajectory_forces", entry, resolved, partial=partial))
    assert not partial.folder.exists()


def test_storing_the_record_clears_its_pieces(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    inputs = {"measurement": "trajectory_forces"}
    key = digest_of(inputs)
    partial, other = store.partial(key), store.partial(digest_of({}))
    for place in (partial, other):
        place.save(0, {"x": np.arange(3)})
        place.save(1, {"x": np.arange(4)})
    found = partial.load(1)
    assert found is not None
    assert found["x"].tolist() == [0, 1, 2, 3]
    assert partial.load(2) is None
    store.write(Record(key, "trajectory_forces", inputs))
    assert not partial.folder.exists()
    assert other.load(0) is not None
    assert store.read(key).ok
