"""A killed or interrupted run: what was finished is kept; going on gives what an undisturbed run gives."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_study import factory, record_contents, record_times, run_tiny, study_toml, tiny_study

from softmode.errors import StudyIsRunningError
from softmode.study.folder import reopen_study
from softmode.study.settings import StudySettings
from softmode.study.sole import runner

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")

SLOW = factory("slow_emt", seconds=0.25)


def settings_of(dataset: Path, folder: Path) -> StudySettings:
    return tiny_study(dataset, folder, SLOW, run={"workers": 2})


#: A test run started in the background inherits that interrupts are ignored; a user's terminal does not.
LISTENING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "


def start(study_file: Path) -> subprocess.Popen[str]:
    program = LISTENING + "from softmode.cli.app import main; main()"
    command = [sys.executable, "-c", program, "run", str(study_file)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def members(session: int) -> list[int]:
    """Living processes of a session."""
    alive = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            after_name = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(after_name[3]) == session and after_name[0] != "Z":
            alive.append(int(entry.name))
    return alive


def wait_for_records(folder: Path, process: subprocess.Popen[str], n: int = 1) -> None:
    until = time.monotonic() + 60
    while len(list((folder / "records").glob("*/*.h5"))) < n:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


def wait_until_gone(session: int) -> float:
    started = time.monotonic()
    while members(session):
        assert time.monotonic() < started + 20, f"still alive: {members(session)}"
        time.sleep(0.05)
    return time.monotonic() - started


@pytest.mark.usefixtures("importable_helpers")
def test_kill_9_loses_only_the_cells_in_flight(tiny_dataset: Path, tmp_path: Path) -> None:
    settings = settings_of(tiny_dataset, tmp_path / "killed")
    process = start(study_toml(tmp_path / "study.toml", settings))
    wait_for_records(settings.output, process)
    by = runner(settings.output)
    assert by is not None
    assert (by.host, by.pid) == (socket.gethostname(), process.pid)
    with pytest.raises(StudyIsRunningError, match=rf"is being run by process {process.pid} on .* since 20"):
        run_tiny(settings)
    process.kill()
    process.communicate()
    wait_until_gone(process.pid)
    assert runner(settings.output) is None
    study = reopen_study(settings.output)
    before = record_times(study)
    kept = record_contents(study)
    assert 1 <= len(before) < 9
    created = {key: study.store.read(key).created for key in before}

    study, report = run_tiny(settings)
    assert report.failed == 0
    assert report.found + report.computed == 3
    after = record_times(study)
    assert {key: after[key] for key in before} == before
    assert {key: study.store.read(key).created for key in before} == created
    for leftover in study.store.root.glob("*/.*"):  # of the killed writer; removed once it is old enough
        os.utime(leftover, (0, 0))
    study.store.remove_leftovers()
    assert not list(study.store.root.glob("*/.*"))

    undisturbed, _ = run_tiny(tiny_study(tiny_dataset, tmp_path / "undisturbed", SLOW))
    contents = record_contents(study)
    assert contents == record_contents(undisturbed)
    assert {key: contents[key] for key in kept} == kept


@pytest.mark.usefixtures("importable_helpers")
def test_an_interrupt_says_how_to_go_on(tiny_dataset: Path, tmp_path: Path) -> None:
    """Ctrl-C in a terminal goes to the whole process group."""
    settings = settings_of(tiny_dataset, tmp_path / "o")
    process = start(study_toml(tmp_path / "study.toml", settings))
    wait_for_records(settings.output, process, n=2)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, (out, err)
    assert "Traceback" not in out + err
    assert "interrupted; what was finished is kept" in err
    wait_until_gone(process.pid)
    assert record_times(reopen_study(settings.output))


@pytest.mark.usefixtures("importable_helpers")
def test_an_interrupt_while_workers_start_shows_no_traceback(tiny_dataset: Path, tmp_path: Path) -> None:
    settings = settings_of(tiny_dataset, tmp_path / "o")
    process = start(study_toml(tmp_path / "study.toml", settings))
    until = time.monotonic() + 60
    while len(members(process.pid)) < 4:  # the command, the resource tracker, two workers
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    for _ in range(10):  # the command gets it once, workers while they import
        for member in set(members(process.pid)) - {process.pid}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(member, signal.SIGINT)
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in out + err
    wait_until_gone(process.pid)


@pytest.mark.usefixtures("importable_helpers")
def test_a_reader_that_goes_away_leaves_a_whole_report(tiny_dataset: Path, tmp_path: Path) -> None:
    """As in `softmode run study.toml | head`."""
    settings = tiny_study(tiny_dataset, tmp_path / "o", SLOW)
    process = start(study_toml(tmp_path / "study.toml", settings))
    assert process.stdout is not None
    process.stdout.close()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
    assert (settings.output / "report" / "index.html").is_file()
