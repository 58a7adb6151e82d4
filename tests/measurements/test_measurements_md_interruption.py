"""Molecular dynamics of a study, killed in the middle, goes on to the very same records."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from moving_metals import MOVING, write_moving_metal
from tiny_study import factory, record_contents, run_tiny, study_toml, tiny_study

from softmode import deadlines
from softmode.measurements.md.replicas import _SPENT
from softmode.study.endings import case_task
from softmode.study.folder import open_study, reopen_study
from softmode.study.md_progress import DynamicsProgress
from softmode.study.results import OK, cell_table
from softmode.study.settings import StudySettings
from softmode.study.worker import run_case

MD = {"steps": 60, "checkpoint_every": 10, "discard": 5, "sample_every": 1}
N_CALLS = 2 * (60 + 3)  # of two replicas, each with 3 to warm up, however often it was interrupted


def pieces(folder: Path) -> list[Path]:
    return sorted(folder.glob("records/*/*.partial/replica_*/piece_*.h5"))


def settings_of(root: Path, output: str) -> StudySettings:
    potential = factory("logging_emt", log=str(root / "log"))
    return tiny_study(
        root / "data", root / output, potential, options=MOVING, measurements=["model_only"], md=MD
    )


@pytest.fixture(scope="module")
def killed_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("killed")
    write_moving_metal(root / "data" / "Al", "Al")
    return root


@pytest.fixture(scope="module")
def undisturbed(killed_root: Path) -> dict[str, object]:
    study, _ = run_tiny(settings_of(killed_root, "undisturbed"))
    return record_contents(study)


def kill_in_the_middle(root: Path, output: str, n_pieces: int) -> StudySettings:
    """Run a study in a process of its own, and kill it when so many pieces are there."""
    settings = settings_of(root, output)
    (root / "log.slow").touch()
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", "from softmode.cli.app import main; main()", "run"),
            str(study_toml(root / f"{output}.toml", settings)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 60
    while len(pieces(settings.output)) < n_pieces:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    process.kill()
    process.communicate()
    (root / "log.slow").unlink()
    assert n_pieces <= len(pieces(settings.output)) < 12
    return settings


def left_alone(folder: Path) -> None:
    pass


def last_piece_cut(folder: Path) -> None:
    path = pieces(folder)[-1]
    path.write_bytes(path.read_bytes()[:-100])


def first_piece_flipped(folder: Path) -> None:
    path = pieces(folder)[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    path.write_bytes(content)


@pytest.mark.usefixtures("importable_helpers")
@pytest.mark.parametrize(
    ("n_pieces", "damage"),
    [(8, left_alone), (3, last_piece_cut), (3, first_piece_flipped)],
)
def test_kill_9_in_the_middle_of_a_run(
    killed_root: Path,
    undisturbed: dict[str, object],
    n_pieces: int,
    damage: Callable[[Path], None],
) -> None:
    output = f"{damage.__name__}_{n_pieces}"
    settings = kill_in_the_middle(killed_root, output, n_pieces)
    assert DynamicsProgress(open_study(settings)).made() == 10 * len(pieces(settings.output))
    damage(settings.output)
    study = reopen_study(settings.output)
    assert set(study.records(study.cases[0])) == {"displaced_forces_for_dynamics"}
    log = killed_root / "log"
    log.unlink()
    progress = DynamicsProgress(open_study(settings))
    assert progress.total == 120
    study, report = run_tiny(settings)
    assert progress.made() == 120
    assert DynamicsProgress(study).total == 0
    assert (report.computed, report.failed) == (1, 0)
    np.testing.assert_equal(record_contents(study), undisturbed)
    assert study.records(study.cases[0])["md"].calls == N_CALLS
    assert cell_table(study)["state"].tolist() == [OK]
    assert not list(settings.output.glob("records/*/*.partial"))
    steps = len(log.read_text().split())
    saved = 10 * n_pieces
    if damage is left_alone:  # what was stored was not computed again; 3 to warm up for each replica
        assert steps <= 2 * (60 + 3) - saved + 3


def test_a_cell_that_is_asked_to_pause_goes_on_elsewhere(
    killed_root: Path, undisturbed: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stops after each piece that it makes, and so comes to an end all the same."""
    asked = bytearray(deadlines.NONE)
    asked[-1] = True
    monkeypatch.setattr(deadlines, "_own", asked)
    study = open_study(settings_of(killed_root, "paused"))
    [case] = study.cases
    outcomes, spent = [run_case(case_task(study, case))], [0.0]
    while outcomes[-1].paused:
        assert len(pieces(study.folder)) >= len(outcomes)
        [noted] = study.folder.glob(f"records/*/*.partial/{_SPENT:06d}.npz")
        spent.append(float(np.load(noted)["seconds"]))
        outcomes.append(run_case(case_task(study, case)))
    assert len(outcomes) > 2 * (6 - 2)
    assert all(outcome.failure is None for outcome in outcomes)
    np.testing.assert_equal(record_contents(study), undisturbed)
    record = study.records(case)["md"]
    assert record.calls == N_CALLS
    assert np.all(np.diff(spent) > 0.0)
    assert record.seconds >= spent[-1]  # all attempts are in it
