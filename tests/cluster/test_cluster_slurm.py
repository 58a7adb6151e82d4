"""Through Parsl's provider for Slurm, whose commands start what is submitted on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from moving_metals import MOVING, write_moving_metal
from pretended_slurm import write_commands
from tiny_study import emt, factory, record_contents, run_tiny, tiny_study

from softmode.study.folder import Study
from softmode.study.work import FOLDER, WORK_FILE


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is noted of commands of Slurm, which are found first."""
    called = tmp_path / "called"
    monkeypatch.setenv("PATH", write_commands(tmp_path / "bin", called))
    return called


def jobs_of(study: Study) -> list[str]:
    """The job of each cell, in the order in which they were finished."""
    lines = map(json.loads, (study.folder / FOLDER / WORK_FILE).read_text().splitlines())
    return [line["job"] for line in lines if "seconds" in line]


@pytest.mark.slow
def test_jobs_are_submitted_and_ended(slurm: Path, tiny_dataset: Path, tmp_path: Path) -> None:
    potentials = (emt(), factory("scaled_emt", "soft", factor=0.9))
    cluster = {
        **{"provider": "slurm", "jobs": 2, "workers_per_node": 1, "queue": "short", "walltime": "00:30:00"},
        **{"worker_init": ["export HERE=there"]},
    }
    study, report = run_tiny(tiny_study(tiny_dataset, tmp_path / "o", *potentials, run={"cluster": cluster}))
    assert (report.computed, report.failed) == (6, 0)
    alone, _ = run_tiny(tiny_study(tiny_dataset, tmp_path / "alone", *potentials))
    assert record_contents(study) == record_contents(alone)
    called = [line.split()[0] for line in slurm.read_text().splitlines()]
    assert called.count("sbatch") == 2
    assert called.count("scancel") == 1
    assert set(jobs_of(study)) <= {"0", "1"}
    [script, *_] = (tmp_path / "o" / FOLDER / "000" / "submit_scripts").glob("*block-0*[0-9]")
    assert "#SBATCH --partition=short\n" in script.read_text()
    assert "export HERE=there\n" in script.read_text()


@pytest.mark.slow
def test_where_a_job_ends_the_next_goes_on(slurm: Path, tiny_dataset: Path, tmp_path: Path) -> None:
    """Jobs of 40 s, whose worker takes nothing new after 36, and cells of 6 s and more."""
    log = tmp_path / "calls"
    potentials = [factory("counting_emt", f"p{n}", log=str(log), seconds=3.0 + n / 10) for n in range(4)]
    cluster = {"provider": "slurm", "workers_per_node": 1, "walltime": "00:00:40"}
    study, report = run_tiny(tiny_study(tiny_dataset, tmp_path / "o", *potentials, run={"cluster": cluster}))
    assert (report.computed, report.failed) == (12, 0)
    jobs = jobs_of(study)
    assert len(set(jobs)) > 1
    assert jobs == sorted(jobs, key=int)
    calls = log.read_text().split("\n")[:-1]
    assert len(calls) == 24  # the perfect and the displaced supercell of each metal and potential, once


@pytest.mark.slow
def test_a_cell_that_lasts_longer_than_a_job_goes_on_in_the_next(slurm: Path, tmp_path: Path) -> None:
    """Jobs of 40 s, in which workers are asked to pause after 36, and 400 frames of 0.15 s."""
    log = tmp_path / "calls"
    write_moving_metal(tmp_path / "data" / "Al", "Al", n_frames=400)
    potential = factory("counting_emt", log=str(log), seconds=0.15)
    cluster = {"provider": "slurm", "workers_per_node": 1, "walltime": "00:00:40"}
    settings = tiny_study(
        tmp_path / "data", tmp_path / "o", potential, options=MOVING, run={"cluster": cluster}
    )
    _, report = run_tiny(settings)
    assert (report.computed, report.failed) == (1, 0)
    assert len(log.read_text().split("\n")[:-1]) == 402  # none was evaluated again
    work = (settings.output / FOLDER / WORK_FILE).read_text()
    assert '"repeated"' not in work
    assert work.count('"came"') > 1
