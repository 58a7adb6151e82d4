"""Who is taken for dead, what he had, and when no worker will come: a pool without Parsl's processes."""

from __future__ import annotations

import pickle
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from softmode.cluster import lane
from softmode.cluster.messages import Beat, End, Ended, Leaving, Line, Message, Place, Ready, Work
from softmode.cluster.patience import Patience
from softmode.cluster.pool import (
    EngineLostError,
    Event,
    Free,
    Lost,
    Pool,
    _Kind,
    without_workers,
)
from softmode.cluster.settings import PoolSettings
from softmode.errors import ClusterError

PLACE = Place("host", 1, pool="cpu")


class Socket:
    """What is said to whom, and what is to be heard."""

    def __init__(self) -> None:
        self.said: list[tuple[bytes, Message]] = []
        self.heard: list[tuple[bytes, Message]] = []

    def send_multipart(self, parts: list[bytes]) -> None:
        self.said.append((parts[0], pickle.loads(parts[1]) if parts[1] else {}))

    def poll(self, milliseconds: float) -> bool:
        return bool(self.heard)

    def recv_multipart(self) -> list[bytes]:
        identity, message = self.heard.pop(0)
        return [identity, pickle.dumps(message)]


class Process:
    status: int | None = None

    def poll(self) -> int | None:
        return self.status


class Executor:
    def __init__(self) -> None:
        self.blocks_to_job_id = {"0": "job 17", "1": "job 18"}
        self.provider, self.cancelled = self, []
        self.bad_state_is_set, self.label = False, "cpu"
        self.interchange_proc = Process()
        self.failed: list[Exception] = []
        self.managers: list[dict[str, Any]] = []

    def set_bad_state_and_fail_all(self, error: Exception) -> None:
        self.failed.append(error)

    def cancel(self, jobs: list[str]) -> None:
        self.cancelled += jobs

    def connected_managers(self) -> list[Any]:
        return self.managers


class Pretended(Pool):
    """A pool that is told everything: four workers of one kind, two of another."""

    def __init__(self, silence: float = 60.0) -> None:
        self._socket, self._subject, self._looked = Socket(), "here", 0.0
        self._lanes, self._names, self.broken = {}, {}, {}
        self.pools = {name: PoolSettings(workers_per_node=n) for name, n in (("cpu", 4), ("gpu", 2))}
        self._kinds = {
            name: _Kind(
                settings,
                f"here.pool.{name}",
                Executor(),
                lambda line: Future(),
                Line(-1, (), "", 1, None, 1.0, silence, None, name),
            )
            for name, settings in self.pools.items()
        }

    def hears(self, *heard: tuple[bytes, Message]) -> list[Event]:
        self._socket.heard += heard
        return list(self.wait(0.0))


@pytest.fixture
def pool() -> Pretended:
    return Pretended()


def test_who_reports_is_free_and_answers_what_he_is_given(pool: Pretended) -> None:
    assert pool.hears((b"one", Ready(0, PLACE))) == [Free(0)]
    pool.give(0, 7, len, "four")
    [(name, work)] = pool._socket.said
    assert (name, work) == (b"one", Work(7, pickle.dumps((len, "four"))))
    done = Ended(7, pickle.dumps(4))
    assert pool.hears((b"one", done)) == [done, Free(0)]
    assert pool.hears((b"one", done)) == []  # once
    assert pool.places == {0: PLACE}


def test_signs_of_life_are_answered_and_so_is_who_tries_the_line(pool: Pretended) -> None:
    pool.hears((b"one", Ready(0, PLACE)), (b"one", Beat()), (b"two", {"type": "connection_probe"}))
    assert pool._socket.said == [(b"one", Beat()), (b"two", {})]


def test_who_is_silent_is_lost_and_sent_away_when_he_comes_back() -> None:
    pool = Pretended(silence=-1.0)
    assert pool.hears((b"one", Ready(0, PLACE))) == [Free(0), Lost(0, None)]
    assert pool.hears((b"one", Ended(3))) == []
    assert pool._socket.said == [(b"one", End())]


def test_who_leaves_or_is_replaced_loses_what_he_had(pool: Pretended) -> None:
    pool.hears((b"one", Ready(0, PLACE)), (b"two", Ready(1, PLACE)))
    pool.give(0, 5, len, "")
    pool.give(1, 6, len, "")
    assert pool.hears((b"one", Leaving())) == [Lost(0, None, (5,))]  # it had not begun
    assert pool.hears((b"three", Ready(1, PLACE))) == [Lost(1, 6), Free(1)]


def test_a_job_ends_with_the_last_of_its_workers_that_is_let_go(pool: Pretended) -> None:
    places = {
        b"one": Place("a", 1, "0", pool="cpu"),
        b"two": Place("a", 2, "0", pool="cpu"),
        b"three": Place("b", 1, "0", pool="gpu"),
    }
    pool.hears(*((name, Ready(lane, place)) for lane, (name, place) in enumerate(places.items())))
    pool.end(0)
    assert pool._kinds["cpu"].executor.cancelled == []
    pool.end(1)
    assert pool._kinds["cpu"].executor.cancelled == ["job 17"]
    assert pool._kinds["gpu"].executor.cancelled == []
    assert [message for _, message in pool._socket.said] == [End(), End()]


def test_only_jobs_whose_nodes_have_long_been_mute_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """After hours in a queue a job begins: its workers have as long to report as those of any other."""
    now = [0.0]
    monkeypatch.setattr("softmode.cluster.pool.time", SimpleNamespace(monotonic=lambda: now[0]))
    pool = Pretended(silence=60.0)
    executor = pool._kinds["cpu"].executor

    def at(seconds: float, *blocks: str) -> list[str]:
        now[0], executor.managers = seconds, [{"block_id": block} for block in blocks]
        pool.hears()
        return executor.cancelled

    pool.want({"cpu": 1})
    assert at(30.0) == []
    assert at(36_000.0, "0") == []
    assert at(36_120.0, "0", "1") == []
    assert at(36_241.0, "0", "1") == ["job 17"]  # more than four times the silence
    pool.hears((b"one", Ready(0, Place("b", 1, "1", pool="cpu"))))
    assert at(36_242.0, "1") == ["job 17"]
    assert at(36_600.0, "1") == ["job 17"]  # that one was lost


def test_an_interchange_that_has_ended_is_noticed(pool: Pretended) -> None:
    pool._kinds["gpu"].executor.interchange_proc.status = 1
    with pytest.raises(EngineLostError):
        pool.hears()


def test_as_many_are_asked_for_of_each_kind_as_it_has(pool: Pretended) -> None:
    pool.want({"cpu": 3, "gpu": 3})
    numbers = {name: list(kind.futures) for name, kind in pool._kinds.items()}
    assert numbers == {"cpu": [0, 1, 2], "gpu": [3, 4]}
    pool.hears((b"one", Ready(3, Place("b", 1, pool="gpu"), {"mace": ("no package", "Install it")})))
    assert (pool.expected("cpu"), pool.expected("gpu")) == (3, 1)
    assert pool.lacks(3) == {"mace": ("no package", "Install it")}


def test_where_one_kind_cannot_be_started_the_others_go_on(pool: Pretended) -> None:
    pool.want({"cpu": 1, "gpu": 1})
    pool._kinds["gpu"].futures[1].set_exception(RuntimeError("Invalid account"))
    assert pool.hears() == []
    assert "no worker can be started: Invalid account" in str(pool.broken["gpu"])
    pool.want({"cpu": 1, "gpu": 1})
    assert not pool._kinds["gpu"].futures
    pool._kinds["cpu"].futures[0].set_exception(RuntimeError("Invalid account"))
    pool._looked = 0.0
    with pytest.raises(ClusterError, match=r"here\.pool\.cpu: no worker can be started"):
        pool.hears()


def test_a_worker_that_cannot_be_asked_what_it_lacks_reports_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Failing:
        def __init__(self, threads: int) -> None:
            self.answer: Future[bytes] = Future()
            self.answer.set_exception(ModuleNotFoundError("no module named mine"))

        def submit(self, *asked: Any) -> Future[bytes]:
            return self.answer

        def end(self) -> None:
            pass

    monkeypatch.setattr(lane, "SingleProcess", Failing)
    with closing(lane._Worker(Line(0, (), "", 1, None, 1.0, 60.0, None, survey=b"question"))) as worker:
        assert worker.survey() == {}


def test_jobs_that_end_in_vain_end_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from parsl.executors.errors import BadStateException
    from parsl.jobs.states import JobState, JobStatus

    executor, patience = Executor(), Patience(tmp_path)
    missing = {str(n): JobStatus(JobState.MISSING, "no worker reported") for n in range(3)}
    patience(executor, {**missing, "3": JobStatus(JobState.RUNNING)})
    patience(executor, {**missing, "2": JobStatus(JobState.COMPLETED)})
    assert not executor.failed
    patience(executor, {"9": JobStatus(JobState.RUNNING), **{f"1{n}": missing["0"] for n in range(3)}})
    [error] = executor.failed
    assert [one.getMessage() for one in caplog.records] == [
        f"job {job} ended before a worker reported: no worker reported" for job in ("job 18", "2", "job 17")
    ]  # each once; of the last three the error tells
    told = without_workers(BadStateException(executor, error), "here")
    assert isinstance(told, ClusterError)
    assert str(told).startswith("here: no worker can be started: no worker reported. ")


def test_jobs_that_cannot_be_written_down_are_no_reason_until_it_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is gone for a while: the jobs of that time do not count, later ones do."""
    from parsl.jobs.states import JobState, JobStatus

    executor, patience = Executor(), Patience(tmp_path / "run")
    vain = JobStatus(JobState.FAILED, "Failed to start block 1: Unable to write submit script")
    patience(executor, {str(n): vain for n in range(5)})
    (tmp_path / "run").mkdir()
    patience(executor, {str(n): vain for n in range(7)})
    assert not executor.failed
    patience(executor, {str(n): vain for n in range(8)})
    assert len(executor.failed) == 1
    patience = Patience(tmp_path / "gone")
    monkeypatch.setattr("softmode.cluster.patience._RECOVERS", -1.0)
    patience(executor, {str(n): vain for n in range(3)})
    assert len(executor.failed) == 2
