"""Who is taken for dead, what he had, and when no worker will come: a pool without Parsl's processes."""

from __future__ import annotations

import pickle
import time
from typing import Any

import pytest

from softmode.cluster.messages import Beat, End, Ended, Leaving, Line, Message, Place, Ready, Work
from softmode.cluster.pool import EngineLostError, Event, Free, Lost, Pool, _end_when_in_vain, without_workers
from softmode.errors import ClusterError

PLACE = Place("host", 1)


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
        self.bad_state_is_set = False
        self.interchange_proc = Process()
        self.failed: list[Exception] = []

    def set_bad_state_and_fail_all(self, error: Exception) -> None:
        self.failed.append(error)

    def cancel(self, jobs: list[str]) -> None:
        self.cancelled += jobs

    def connected_managers(self) -> list[Any]:
        return []


class Pretended(Pool):
    """A pool that is told everything."""

    def __init__(self, silence: float = 60.0) -> None:
        self._socket, self._executor = Socket(), Executor()
        self._subject, self._silence, self._looked, self._heard = "here", silence, 0.0, time.monotonic()
        self._line = Line(-1, (), "", 1, None, 1.0, silence, None)
        self._futures, self._lanes, self._names = {}, {}, {}
        self.slots = 4

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
    assert pool.hears((b"one", Leaving())) == [Lost(0, 5)]
    assert pool.hears((b"three", Ready(1, PLACE))) == [Lost(1, 6), Free(1)]


def test_a_job_ends_with_the_last_of_its_workers_that_is_let_go(pool: Pretended) -> None:
    places = {b"one": Place("a", 1, "0"), b"two": Place("a", 2, "0"), b"three": Place("b", 1, "1")}
    pool.hears(*((name, Ready(lane, place)) for lane, (name, place) in enumerate(places.items())))
    pool.end(0)
    assert pool._executor.cancelled == []
    pool.end(1)
    assert pool._executor.cancelled == ["job 17"]
    assert [message for _, message in pool._socket.said] == [End(), End()]


def test_an_interchange_that_has_ended_is_noticed(pool: Pretended) -> None:
    pool._executor.interchange_proc.status = 1
    with pytest.raises(EngineLostError):
        pool.hears()


def test_jobs_that_end_in_vain_end_the_run() -> None:
    from parsl.executors.errors import BadStateException
    from parsl.jobs.states import JobState, JobStatus

    executor = Executor()
    missing = {str(n): JobStatus(JobState.MISSING, "no worker reported") for n in range(3)}
    _end_when_in_vain(executor, {**missing, "3": JobStatus(JobState.RUNNING)})
    _end_when_in_vain(executor, {**missing, "2": JobStatus(JobState.COMPLETED)})
    assert not executor.failed
    _end_when_in_vain(
        executor, {"9": JobStatus(JobState.RUNNING), **{f"1{n}": missing["0"] for n in range(3)}}
    )
    [error] = executor.failed
    told = without_workers(BadStateException(executor, error), "here")
    assert isinstance(told, ClusterError)
    assert str(told).startswith("here: no worker can be started: no worker reported. ")
