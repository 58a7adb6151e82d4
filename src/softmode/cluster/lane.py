"""A worker on a node: reports for work, and does it in a process of its own that it watches."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import pickle
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing.connection import wait as wait_for
from typing import Any

from softmode.cluster.messages import Beat, End, Ended, Leaving, Line, Missing, Place, Ready, Work
from softmode.errors import WorkerDiedError
from softmode.processes import SingleProcess, watch

_LOOK_EVERY = 1.0  # s between looks at what is being done
_REACH_WITHIN = 60.0  # s in which the other side must answer


def place(pool: str = "") -> Place:
    """Where this process is; with what the workers of its kind are called."""
    return Place(
        socket.gethostname(),
        os.getpid(),
        os.environ.get("PARSL_WORKER_BLOCK_ID", ""),
        os.environ.get("CUDA_VISIBLE_DEVICES", ""),
        pool,
    )


def serve(line: Line) -> None:
    """Do what is given until there is nothing more, the other side is gone, or the job is near its end."""
    import zmq

    _leave_with_node()
    with _connected(line) as connection, contextlib.closing(_Worker(line)) as worker:
        poller = zmq.Poller()
        poller.register(connection, zmq.POLLIN)
        poller.register(worker.bell, zmq.POLLIN)
        connection.send_pyobj(Ready(line.lane, place(line.pool), worker.survey()))
        heard = beat = time.monotonic()
        until = math.inf if line.lasting is None else heard + line.lasting - _age_of_node()
        waiting: deque[Work] = deque()
        while time.monotonic() < heard + line.silence:
            poller.poll(int(1000 * min(_LOOK_EVERY, line.period)))
            while connection.poll(0):
                heard = time.monotonic()
                message = connection.recv_pyobj()
                if isinstance(message, End):
                    return
                if isinstance(message, Work):
                    waiting.append(message)
            near = time.monotonic() > until
            if (ended := worker.look()) is not None:
                connection.send_pyobj(replace(ended, last=near))
            if not worker.busy and near:
                connection.send_pyobj(Leaving())
                return
            if near:
                worker.pause()
            elif not worker.busy and waiting:
                worker.begin(waiting.popleft())
            if time.monotonic() > beat + line.period:
                connection.send_pyobj(Beat())
                beat = time.monotonic()


def call(content: bytes) -> bytes:
    """Call what is pickled, function and argument; what it returns, pickled."""
    function, argument = pickle.loads(content)
    return pickle.dumps(function(argument))


class _Worker:
    """The process that does it, renewed when it has died."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._share = 1.0 / max(1, int(os.environ.get("PARSL_WORKER_COUNT", "1")))
        self._process, self._used = SingleProcess(line.threads), False
        self._future: Future[bytes] | None = None
        self._number, self._began, self._looked, self._late = 0, 0.0, 0.0, False
        self.bell, self._ring = os.pipe()  # something to read when something has ended

    @property
    def busy(self) -> bool:
        """Whether it does something."""
        return self._future is not None

    def survey(self) -> dict[str, Missing]:
        """What cannot be done here, and why; nothing is known where the question itself cannot be asked."""
        if not self._line.survey:
            return {}
        try:
            lacks: dict[str, Missing] = pickle.loads(self._process.submit(call, self._line.survey).result())
        except BrokenProcessPool:
            self._renew()
            return {}
        except Exception:  # noqa: BLE001  as of a module that is not here: what needs it says so when it is given
            return {}
        return lacks

    def begin(self, work: Work) -> None:
        """Do something."""
        if work.fresh and self._used:
            self._renew()
        self._used = True
        self._number, self._began, self._late = work.number, time.monotonic(), False
        try:
            self._future = self._process.submit(call, work.content)
        except BrokenProcessPool:  # it died before it had anything to do
            self._renew()
            self._future = self._process.submit(call, work.content)
        self._future.add_done_callback(lambda _: os.write(self._ring, b"."))

    def look(self) -> Ended | None:
        """What has come of it, once it has; it is ended where it takes too long or too much memory."""
        future = self._future
        if future is None:
            return None
        if not future.done():
            if time.monotonic() > self._looked + _LOOK_EVERY:
                self._looked = time.monotonic()
                self._late = bool(watch([self._process], self._line.memory_limit, self._share)) or self._late
            return None
        os.read(self.bell, 1)
        self._future = None
        error, seconds = future.exception(), time.monotonic() - self._began
        if isinstance(error, BrokenProcessPool):
            self._renew()
            return Ended(self._number, died=True, late=self._late, seconds=seconds)
        if error is not None:
            return Ended(self._number, error=_portable(error), seconds=seconds)
        return Ended(self._number, future.result(), seconds=seconds)

    def _renew(self) -> None:
        self._process.end()
        self._process, self._used = SingleProcess(self._line.threads), False

    def pause(self) -> None:
        """Ask it to stop where what it does can be gone on with elsewhere."""
        self._process.pause()

    def close(self) -> None:
        """End it, whatever it does; the pipe stays, for what it did may still want to ring."""
        self._process.end()


def _portable(error: BaseException) -> BaseException:
    """An error that can be sent, whatever it is made of."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001  an error of anybody's
        return WorkerDiedError(type(error).__name__, f"it ended with {error!r:.300}", "See what it says")
    return error


@contextlib.contextmanager
def _connected(line: Line) -> Iterator[Any]:
    """The line to the other side."""
    import zmq
    from parsl import curvezmq
    from parsl.executors.high_throughput.probe import probe_addresses

    context = curvezmq.ClientContext(line.keys)
    try:
        url = probe_addresses(context, set(line.urls), timeout_ms=int(1000 * _REACH_WITHIN))
        connection = context.socket(zmq.DEALER)
        connection.setsockopt(zmq.IDENTITY, f"{line.lane}-{os.getpid()}-{time.time_ns()}".encode())
        connection.setsockopt(zmq.LINGER, 2000)
        connection.connect(url)
        yield connection
    finally:
        context.destroy()


def _leave_with_node() -> None:
    """End this process, and with it what it does, when that ends which started it on the node."""
    parent = multiprocessing.parent_process()
    if parent is None or getattr(_leave_with_node, "done", False):
        return
    _leave_with_node.done = True  # type: ignore[attr-defined]

    def leave() -> None:
        wait_for([parent.sentinel])
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()


def _age_of_node() -> float:
    """Seconds since Parsl began on this node, which is when its job did."""
    import psutil

    return time.time() - float(psutil.Process(os.getppid()).create_time())
