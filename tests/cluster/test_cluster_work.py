"""Who computed what, and where the time of workers went: added up from lines written as it happens."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tiny_study import emt, tiny_study
from typer.testing import CliRunner

from softmode.cli.app import app
from softmode.cli.working import tell_work, work_json
from softmode.cluster.messages import Place
from softmode.measurements import Facts
from softmode.records import Failure
from softmode.study.folder import Case, open_study
from softmode.study.materials import MaterialSummary
from softmode.study.sole import Runner
from softmode.study.work import FOLDER, WORK_FILE, Ledger, Share, WorkLog
from softmode.study.worker import CaseOutcome

HERE = {"host": "a", "pool": "cpu", "job": "0", "accelerator": ""}


def at(minute: float) -> str:
    return f"2026-01-01T00:{int(minute):02}:{round(60 * (minute % 1)):02}+00:00"


def cell(minute: float, seconds: float, potential: str = "emt", loading: float = 0.0) -> dict[str, Any]:
    said = {"material": "Al", "potential": potential, "seconds": seconds, "loading": loading}
    return {**said, "ended": at(minute), "worker": 0, **HERE}


def written(folder: Path, *lines: dict[str, Any], rest: str = "") -> Path:
    path = folder / FOLDER / WORK_FILE
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.write("".join(f"{json.dumps(line)}\n" for line in lines) + rest)
    return folder


def test_lines_of_earlier_versions_are_added_up_by_host(tmp_path: Path) -> None:
    assert Ledger(tmp_path).read().by_host == {}
    old = [
        {"host": host, "seconds": seconds, "ended": f"2026-01-0{day}T00:00:00"}
        for host, seconds, day in (("a", 1800, 2), ("b", 7200, 1), ("a", 1800, 1))
    ]
    ledger = Ledger(written(tmp_path, *old, rest='{"host": "a", "se')).read()
    assert ledger.by_host == {
        "a": Share("a", 2, 1.0, "2026-01-02T00:00:00"),
        "b": Share("b", 1, 2.0, "2026-01-01T00:00:00"),
    }
    assert ledger.hours().cores == 3.0
    assert ledger.rate() is None


def test_parts_of_cells_count_as_hours_and_as_no_cell(tmp_path: Path) -> None:
    part = cell(3, 0, loading=30.0) | {"part": 90.0}
    del part["seconds"]
    ledger = Ledger(written(tmp_path, part | {"host": "b"}, cell(5, 300, loading=60.0))).read()
    assert ledger.by_host == {"b": Share("b", 0, 0.025, at(3)), "a": Share("a", 1, 300 / 3600, at(5))}
    assert ledger.by_potential == {"emt": Share("emt", 1, 390 / 3600, at(5))}
    assert ledger.cells == 1
    assert (ledger.hours().computing, ledger.hours().loading) == pytest.approx((300 / 3600, 90 / 3600))
    assert ledger.left({"emt": 2}) == pytest.approx(2 * 390 / 3600)  # a cell costs what all put into it
    tell_work(ledger, {"emt": 2}, running=False)


def test_hours_are_those_of_workers_that_were_there(tmp_path: Path) -> None:
    """Two cores for 30 minutes and a card for 12, of which 15 minutes computed, 1 loaded, 2 in vain."""
    ledger = Ledger(
        written(
            tmp_path,
            {"run": {"cpu": 4, "gpu": 1}, "at": at(0)},
            {"worker": 0, "came": at(0), **HERE, "cores": 2},
            {"worker": 1, "came": at(10), **HERE, "host": "b", "accelerator": "3", "cores": 8},
            cell(5, 300, loading=60.0),
            cell(20, 660, "mace"),
            {**cell(21, 0), "repeated": 120},
            {"worker": 1, "left": at(22)},
            {"worker": 0, "left": at(30)},
        )
    ).read()
    spent = ledger.hours()
    assert 60 * spent.present == pytest.approx(42)
    assert 60 * spent.cores == pytest.approx(2 * 30 + 8 * 12)
    assert 60 * spent.accelerators == pytest.approx(12)
    minutes = {part: 60 * getattr(spent, part) for part in ("computing", "loading", "idle", "repeated")}
    assert minutes == pytest.approx({"computing": 15, "loading": 1, "repeated": 2, "idle": 24})
    assert (ledger.asked, ledger.workers, ledger.cells) == (5, 0, 2)


def test_a_card_that_workers_share_is_counted_once(tmp_path: Path) -> None:
    """Three of one job share card 0 from minute 0 to 30; of another job, a card of that name is another."""
    card = {**HERE, "accelerator": "0", "cores": 1}
    ledger = Ledger(
        written(
            tmp_path,
            {"run": {"cpu": 4}, "at": at(0)},
            *({"worker": n, "came": at(10 * n), **card} for n in range(3)),
            {"worker": 3, "came": at(20), **card, "job": "1"},
            {"worker": 0, "left": at(25)},
            {"worker": 2, "left": at(28)},
        )
    ).read()
    now = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
    assert 60 * ledger.hours(now).accelerators == pytest.approx(30 + 10)
    assert 60 * ledger.hours(now).present == pytest.approx(25 + 20 + 8 + 10)
    written(tmp_path, {"worker": 1, "left": at(30)}, {"worker": 3, "left": at(30)})
    assert 60 * ledger.read().hours().accelerators == pytest.approx(30 + 10)


def test_what_workers_are_at_is_not_idle(tmp_path: Path) -> None:
    """One is at its second cell since minute 5, one has had nothing since 8, one has again since 9."""
    here = {**HERE, "cores": 1}
    lines = (
        {"run": {"cpu": 3}, "at": at(0)},
        *({"worker": n, "came": at(0), **here} for n in range(3)),
        cell(5, 300),
        {"worker": 1, "idle": True, "at": at(8)},
        {"worker": 2, "idle": True, "at": at(0)},
        {"worker": 2, "idle": False, "at": at(9)},
    )
    ledger = Ledger(written(tmp_path, *lines)).read()
    spent = ledger.hours(datetime(2026, 1, 1, 0, 10, tzinfo=UTC))
    minutes = {part: 60 * getattr(spent, part) for part in ("computing", "under_way", "idle")}
    assert minutes == pytest.approx({"computing": 5, "under_way": 5 + 1, "idle": 8 + 2 + 9})
    assert ledger.hours().under_way == 0.0  # nothing runs


def test_what_is_left_is_what_such_cells_took(tmp_path: Path) -> None:
    ledger = Ledger(written(tmp_path, cell(1, 360), cell(2, 720), cell(3, 1800, "mace"))).read()
    assert ledger.left({"emt": 2, "mace": 1}) == pytest.approx(2 * 0.15 + 0.5)
    assert ledger.left({"new": 1}) == pytest.approx((0.15 + 0.5) / 2)
    assert Ledger(tmp_path / "none").left({"emt": 1}) is None


def test_the_rate_is_that_of_the_last_minutes(tmp_path: Path) -> None:
    cells = [cell(minute, 1.0) for minute in (1, 2, 15, 16, 17)]
    ledger = Ledger(written(tmp_path, {"run": {"cpu": 1}, "at": at(0)}, *cells)).read()
    now = datetime(2026, 1, 1, 0, 20, tzinfo=UTC)
    assert ledger.rate(now) == pytest.approx(3 / 600)
    assert ledger.rate(datetime(2026, 1, 1, 0, 2, tzinfo=UTC)) is not None


def test_workers_of_a_run_that_was_killed_are_gone_with_its_last_line(tmp_path: Path) -> None:
    ledger = Ledger(
        written(
            tmp_path,
            {"run": {"cpu": 1}, "at": at(0)},
            {"worker": 0, "came": at(0), **HERE, "cores": 1},
            cell(6, 30),
        )
    )
    assert ledger.read().workers == 1
    assert ledger.hours(datetime(2026, 1, 1, 0, 9, tzinfo=UTC)).cores == pytest.approx(0.15)
    written(tmp_path, {"run": {"cpu": 1}, "at": at(50)})
    assert ledger.read().workers == 0
    assert ledger.hours().cores == pytest.approx(0.1)
    assert ledger.cells == 1


@pytest.mark.parametrize(
    ("doing", "since", "there"), [("run", 0, True), ("run", 30, False), ("packed", 0, False)]
)
def test_workers_of_an_earlier_run_are_not_there(
    doing: str, since: int, there: bool, tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One was killed; the study is now run without a cluster, or packed."""
    study = open_study(tiny_study(tiny_dataset, tmp_path / "o", emt()))
    lines = {"run": {"cpu": 1}, "at": at(0)}, {"worker": 0, "came": at(0), **HERE, "cores": 1}, cell(6, 30)
    written(study.folder, *lines)
    monkeypatch.setattr("softmode.cli.status.runner", lambda folder: Runner("here", 1, at(since), doing))
    said = json.loads(CliRunner().invoke(app, ["status", str(study.folder), "--json"]).stdout)
    assert said["cluster"]["workers"] == there
    assert (said["cluster"]["core_hours"] == pytest.approx(0.1)) is not there


def test_what_cannot_be_written_is_written_later(tmp_path: Path) -> None:
    """A disk that is full takes part of a line, then nothing, then all."""
    case = Case(MaterialSummary(name="Al", fingerprint=""), "emt", Facts(""), {}, {}, None, None)
    place = Place("a", 1, "0", "", "cpu")
    with WorkLog(tmp_path) as log:
        file, takes = log._file, [7, OSError(28, "No space left on device")]

        class Full:
            def write(self, content: bytes) -> int:
                taken = takes.pop(0) if takes else len(content)
                if isinstance(taken, OSError):
                    raise taken
                return file.write(content[:taken])

            def close(self) -> None:
                file.close()

        log._file = Full()  # type: ignore[assignment]
        log.came(0, place, 1)
        log.note(case, CaseOutcome(Failure("Storage", "full"), True, 2.0, loading=0.5), 0, place)
    ledger = Ledger(tmp_path).read()
    assert (ledger.cells, ledger.workers) == (1, 0)
    assert [json.loads(line).get("loading") for line in (tmp_path / FOLDER / WORK_FILE).open()][1] == 0.5


def test_hosts_potentials_and_what_is_left_are_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        {"run": {"cpu": 4}, "at": at(0)},
        {"worker": 0, "came": at(0), **HERE, "cores": 2},
        cell(5, 300, loading=60.0),
        cell(9, 180, "mace"),
    ]
    hosts = [{**cell(10, 36), "host": f"node{n}", "worker": 0} for n in range(14)]
    ledger = Ledger(written(tmp_path, *lines, *hosts)).read()
    tell_work(ledger, {"mace": 10, "emt": 0}, running=False)
    said = capsys.readouterr().out
    assert "1.6 cells/min in its last ten minutes; 0.333 core-hours spent" in said
    assert "left: about 0.5 hours of workers\n" in said
    assert "3 others" in said
    found = work_json(ledger, {"mace": 10}, running=False)
    assert found["worker_hours_left"] == pytest.approx(0.5)
    assert [one["potential"] for one in found["potentials"]] == ["emt", "mace"]
    assert found["workers"] == 0


def test_nothing_is_printed_of_a_study_that_saw_no_cluster(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell_work(Ledger(tmp_path).read(), {"emt": 3}, running=True)
    assert capsys.readouterr().out == ""
