"""Workers on a cluster, to which functions are submitted; who is lost, and what becomes of what they had."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from softmode.cluster.lane import serve
from softmode.cluster.messages import Beat, End, Ended, Leaving, Line, Message, Place, Ready, Work
from softmode.cluster.providers import (
    LABEL,
    heartbeat,
    make_configuration,
    require_parsl,
    require_scheduler,
)
from softmode.cluster.settings import ClusterSettings
from softmode.errors import ClusterError, StorageError
from softmode.processes import uninterrupted

Task = TypeVar("Task")

_KEPT_RUNS = 2  # folders of earlier runs with logs, besides that of this one
_IN_VAIN = 3  # jobs, one after the other, that end without a worker: the next would, too


class EngineLostError(ClusterError):
    """Parsl has lost what hands its tasks to nodes, and does not notice."""


@dataclass
class _Lane:
    """What is known of a worker that has reported."""

    identity: bytes
    place: Place
    heard: float
    number: int | None = None


@dataclass(frozen=True)
class Free:
    """A worker that can be given something, as it was before."""

    lane: int


@dataclass(frozen=True)
class Lost:
    """A worker that is lost, and the number of what it did."""

    lane: int
    number: int | None


Event = Free | Lost | Ended


class Pool:
    """Workers on a cluster; made by :func:`open_pool`.

    Each is a task of Parsl that lasts as long as there is something to do. What it does it is told over
    a line of its own, encrypted with the keys of Parsl's run: so it is known who has loaded what.

    Parameters
    ----------
    kernel : parsl.DataFlowKernel
        Started.
    settings : ClusterSettings
        What was asked for.
    threads : int
        Threads of the numerical libraries in each worker.
    memory_limit : float or None
        What a worker may take, GiB.
    subject : str
        What the settings belong to, for errors.
    """

    def __init__(
        self, kernel: Any, settings: ClusterSettings, threads: int, memory_limit: float | None, subject: str
    ) -> None:
        import zmq
        from parsl import curvezmq, python_app

        self._kernel, self._subject = kernel, subject
        self._executor = executor_of(kernel)
        self._context = curvezmq.ServerContext(self._executor.cert_dir)
        self._socket = self._context.socket(zmq.ROUTER)
        low, high = self._executor.worker_port_range
        port = self._socket.bind_to_random_port("tcp://*", min_port=low, max_port=high)
        period, silence = heartbeat(settings)
        self._silence = silence
        self._line = Line(
            lane=-1,
            urls=tuple(f"tcp://{address}:{port}" for address in sorted(self._executor.all_addresses)),
            keys=str(Path(self._executor.cert_dir).absolute()),
            threads=threads,
            memory_limit=memory_limit,
            period=period,
            silence=silence,
            lasting=settings.lasting,
        )
        self._app = python_app(serve, data_flow_kernel=kernel)
        self._futures: dict[int, Future[None]] = {}
        self._lanes: dict[int, _Lane] = {}
        self._names: dict[bytes, int] = {}
        self._looked, self._heard = 0.0, time.monotonic()
        self.slots = settings.slots

    @property
    def places(self) -> dict[int, Place]:
        """Where the workers are that have reported."""
        return {number: lane.place for number, lane in self._lanes.items()}

    def want(self, workers: int) -> None:
        """Have so many workers, as far as the cluster gives them, in place of those that have left."""
        number = 0
        while len(self._futures) < min(workers, self.slots):
            if number not in self._futures:
                self._futures[number] = self._app(replace(self._line, lane=number))
            number += 1

    def give(
        self, lane: int, number: int, function: Callable[[Task], Any], task: Task, *, fresh: bool = False
    ) -> None:
        """Have a free worker call a module-level function, in a new process where it is to be `fresh`."""
        self._lanes[lane].number = number
        self._send(lane, Work(number, pickle.dumps((function, task)), fresh))

    def end(self, lane: int) -> None:
        """Let a free worker go, and its job where it was the last there."""
        block = self._lanes[lane].place.block
        self._send(lane, End())
        self._forget(lane)
        job = self._executor.blocks_to_job_id.get(block)
        if job is not None and all(other.place.block != block for other in self._lanes.values()):
            self._executor.provider.cancel([job])

    def _send(self, lane: int, message: Message) -> None:
        self._socket.send_multipart([self._lanes[lane].identity, pickle.dumps(message)])

    def _forget(self, lane: int) -> None:
        del self._names[self._lanes.pop(lane).identity]

    def wait(self, seconds: float) -> Iterator[Event]:
        """What happens within a time, as soon as something does.

        Raises
        ------
        ClusterError
            If no workers can be started; :class:`EngineLostError` where others can be in another pool.
        """
        if self._socket.poll(1000 * seconds):
            for _ in range(_AT_ONCE):
                identity, content = self._socket.recv_multipart()
                yield from self._told(identity, pickle.loads(content))
                if not self._socket.poll(0):
                    break
        if time.monotonic() > self._looked + _LOOK_EVERY:
            self._looked = time.monotonic()
            if self._executor.interchange_proc.poll() is not None and not self._executor.bad_state_is_set:
                raise EngineLostError(self._subject, "Parsl's interchange has ended", "Run again")
            yield from self._missing()

    def _told(self, identity: bytes, message: Message) -> Iterator[Event]:
        if isinstance(message, dict):  # somebody tries whether we can be reached
            self._socket.send_multipart([identity, b""])
            return
        self._heard = time.monotonic()
        if isinstance(message, Ready):
            if message.lane in self._lanes:
                yield self._lose(message.lane)
            self._lanes[message.lane] = _Lane(identity, message.place, self._heard)
            self._names[identity] = message.lane
            yield Free(message.lane)
            return
        number = self._names.get(identity)
        if number is None:  # it was taken for dead, and what it did given to another
            self._socket.send_multipart([identity, pickle.dumps(End())])
            return
        lane = self._lanes[number]
        lane.heard = self._heard
        if isinstance(message, Beat):
            self._send(number, Beat())
        elif isinstance(message, Leaving):
            yield self._lose(number)
        elif isinstance(message, Ended) and message.number == lane.number:
            lane.number = None
            yield message
            yield Free(number)

    def _lose(self, lane: int) -> Lost:
        number = self._lanes[lane].number
        self._forget(lane)
        return Lost(lane, number)

    def _missing(self) -> Iterator[Event]:
        """Workers that are not heard of any more, and those that Parsl has lost."""
        for number, lane in list(self._lanes.items()):
            if time.monotonic() > lane.heard + self._silence:
                yield self._lose(number)
        for number, future in list(self._futures.items()):
            if not future.done():
                continue
            del self._futures[number]
            if (error := future.exception()) is not None and not lost(error):
                raise without_workers(error, self._subject)
            if number in self._lanes:
                yield self._lose(number)
        self._replace_where_nobody_works()

    def _replace_where_nobody_works(self) -> None:
        """End the jobs where nodes live, but none of their workers does anything.

        A worker that is killed at the wrong moment takes a lock of Parsl's with it, and no other on its node
        is given a task again.
        """
        if self._lanes or not self._futures or time.monotonic() < self._heard + _UNHEARD * self._silence:
            return
        self._heard = time.monotonic()
        if self._executor.connected_managers():
            blocks = [block for block, status in self._executor.status_facade.items() if not status.terminal]
            self._executor.scale_in_facade(len(blocks))

    def close(self) -> None:
        """Let all workers go."""
        for lane in self._lanes:
            self._send(lane, End())
        self._context.destroy(linger=_LINGER)


_AT_ONCE = 1000  # messages that are read before other things are looked at
_LOOK_EVERY = 0.5  # s between looks at who is missing
_UNHEARD = 4  # times the silence that means death
_LINGER = 1000  # ms for last words


def executor_of(kernel: Any) -> Any:
    """The one executor of Parsl that has workers elsewhere."""
    return kernel.executors[LABEL]


def lost(error: BaseException | None) -> bool:
    """Whether what a future ended with is the loss of its worker, or of the node it was on."""
    from parsl.executors.high_throughput.errors import ManagerLost, WorkerLost

    return isinstance(error, ManagerLost | WorkerLost)


def without_workers(error: BaseException, subject: str) -> ClusterError:
    """What to say where a worker ended with an error of its own, or none could be started."""
    cause = getattr(error, "reason", None) or error  # why Parsl has given its executor up
    said = " ".join(str(cause).split()) or type(cause).__name__
    return ClusterError(
        subject,
        f"no worker can be started: {said}",
        "Correct [run.cluster] and try it with `softmode cluster check`",
    )


@contextlib.contextmanager
def open_pool(
    settings: ClusterSettings, folder: Path, subject: str, *, threads: int, memory_limit: float | None = None
) -> Iterator[Pool]:
    """Start Parsl, which asks for nodes as long as there is something to do, and end all at the end.

    Parameters
    ----------
    settings : ClusterSettings
        What to ask for.
    folder : Path
        Where Parsl keeps scripts, logs and keys; nodes must see it.
    subject : str
        What the settings belong to, for errors.
    threads : int
        Threads of the numerical libraries in each worker.
    memory_limit : float, optional
        What a worker may take, GiB.

    Raises
    ------
    MissingExtraError, SettingsError, StorageError
        If Parsl is not there, its provider refuses the settings, or the folder cannot be written.
    """
    require_parsl(subject)
    require_scheduler(settings, subject)
    import parsl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        _forget_earlier(folder)
        handler = logging.FileHandler(folder / "parsl.log", mode="w", encoding="utf-8")
    except OSError as error:
        raise StorageError(
            str(folder), f"cannot be written ({error.strerror or error})", "Check its permissions"
        ) from error
    with _logged(handler):
        configuration = make_configuration(
            settings, threads, folder, subject, block_error_handler=_end_when_in_vain
        )
        with uninterrupted():
            kernel = parsl.DataFlowKernel(configuration)
        try:
            with contextlib.closing(Pool(kernel, settings, threads, memory_limit, subject)) as pool:
                yield pool
        finally:
            _close(kernel)


def _close(kernel: Any) -> None:
    """End all jobs and what Parsl has started here; interrupts wait, for jobs left alone cost money."""
    executor = executor_of(kernel)
    with uninterrupted():
        kernel.cleanup()
    shutil.rmtree(executor.cert_dir, ignore_errors=True)  # keys that open nothing any more
    for job in getattr(executor.provider, "resources", {}).values():
        if "remote_pid" in job:  # on this machine: what a node that was killed has left behind
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(os.getpgid(job["remote_pid"]), signal.SIGKILL)


def _end_when_in_vain(executor: Any, status: Mapping[str, Any]) -> None:
    """Give up where the last jobs ended without a worker; jobs that are killed later are made up for."""
    from parsl.jobs.states import JobState

    last = [status[block] for block in sorted(status, key=int)[-_IN_VAIN:]]
    in_vain = [
        one
        for one in last
        if one.state == JobState.MISSING
        or (one.state == JobState.FAILED and (one.message or "").startswith("Failed to start block"))
    ]
    if len(in_vain) == _IN_VAIN and not executor.bad_state_is_set:
        one = in_vain[-1]
        said = (one.stderr_summary or "").strip().splitlines()
        executor.set_bad_state_and_fail_all(
            RuntimeError(said[-1] if said else one.message or f"jobs end at once ({one.state.name.lower()})")
        )


def _forget_earlier(folder: Path) -> None:
    """Remove what Parsl kept of earlier runs, but for the last few."""
    runs = sorted(path for path in folder.iterdir() if path.is_dir() and path.name.isdigit())
    for path in runs[: max(0, len(runs) - _KEPT_RUNS)]:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _logged(handler: logging.Handler) -> Iterator[None]:
    """What Parsl says goes to a handler, and not to the terminal."""
    log = logging.getLogger("parsl")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    before = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
        log.level, log.propagate = before
