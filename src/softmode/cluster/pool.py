"""Workers on a cluster, to which functions are submitted; who is lost, and what becomes of what they had."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from softmode.cluster.lane import serve
from softmode.cluster.messages import Beat, End, Ended, Leaving, Line, Message, Missing, Place, Ready, Work
from softmode.cluster.providers import heartbeat, subject_of
from softmode.cluster.settings import ClusterSettings, PoolSettings
from softmode.errors import ClusterError

Task = TypeVar("Task")


class EngineLostError(ClusterError):
    """Parsl has lost what hands its tasks to nodes, and does not notice."""


@dataclass
class _Lane:
    """What is known of a worker that has reported."""

    identity: bytes
    place: Place
    heard: float
    lacks: Mapping[str, Missing]
    numbers: list[int] = field(default_factory=list)


@dataclass
class _Kind:
    """Workers of one kind: how they are started, and those that have been."""

    settings: PoolSettings
    subject: str
    executor: Any
    app: Callable[[Line], Future[None]]
    line: Line
    futures: dict[int, Future[None]] = field(default_factory=dict)
    looked: float = -math.inf  # when it was last looked for nodes of which no worker has reported
    mute: dict[str, float] = field(default_factory=dict)  # jobs of these, since when they have been seen


@dataclass(frozen=True)
class Free:
    """A worker that can be given something, as it was before, or more than it has."""

    lane: int


@dataclass(frozen=True)
class Lost:
    """A worker that is lost, the number of what it did, and those of what it had not begun."""

    lane: int
    number: int | None
    waiting: tuple[int, ...] = ()
    silent: float = field(default=0.0, compare=False)  # s since its last sign of life


Event = Free | Lost | Ended


class Pool:
    """Workers on a cluster, of one kind or several; made by :func:`~softmode.cluster.engine.open_pool`.

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
    survey : bytes
        What each worker asks itself before it reports, see :class:`~softmode.cluster.messages.Line`.

    Attributes
    ----------
    pools : mapping of str to PoolSettings
        What was asked for of workers of each kind, by its name.
    broken : dict of str to ClusterError
        Kinds of which no worker can be started, where there are others.
    """

    def __init__(
        self,
        kernel: Any,
        settings: ClusterSettings,
        threads: int,
        memory_limit: float | None,
        subject: str,
        survey: bytes = b"",
    ) -> None:
        import zmq
        from parsl import curvezmq, python_app

        self._subject = subject
        self.pools = settings.pools
        self.broken: dict[str, ClusterError] = {}
        executors = {name: kernel.executors[name] for name in self.pools}
        first = next(iter(executors.values()))
        self._context = curvezmq.ServerContext(first.cert_dir)
        self._socket = self._context.socket(zmq.ROUTER)
        low, high = first.worker_port_range
        port = self._socket.bind_to_random_port("tcp://*", min_port=low, max_port=high)
        self._lanes: dict[int, _Lane] = {}
        self._names: dict[bytes, int] = {}
        self._looked = 0.0
        self._kinds: dict[str, _Kind] = {}
        for name, executor in executors.items():
            period, silence = heartbeat(self.pools[name])
            line = Line(
                lane=-1,
                urls=tuple(f"tcp://{address}:{port}" for address in sorted(executor.all_addresses)),
                keys=str(Path(first.cert_dir).absolute()),
                threads=threads,
                memory_limit=memory_limit,
                period=period,
                silence=silence,
                lasting=self.pools[name].lasting,
                pool=name,
                survey=survey,
            )
            self._kinds[name] = _Kind(
                self.pools[name],
                subject_of(subject, name, self.pools),
                executor,
                python_app(serve, data_flow_kernel=kernel, executors=[name]),
                line,
            )

    @property
    def places(self) -> dict[int, Place]:
        """Where the workers are that have reported."""
        return {number: lane.place for number, lane in self._lanes.items()}

    def lacks(self, lane: int) -> Mapping[str, Missing]:
        """What a worker cannot be given, by name, and why."""
        return self._lanes[lane].lacks

    def expected(self, name: str) -> int:
        """How many workers of a kind have been asked for and not reported."""
        return sum(number not in self._lanes for number in self._kinds[name].futures)

    def want(self, workers: Mapping[str, int]) -> None:
        """Have so many workers of each kind, as far as there are, in place of those that left."""
        for name, kind in self._kinds.items():
            while len(kind.futures) < min(workers.get(name, 0), kind.settings.slots):
                if name in self.broken:
                    break
                number = self._free_number()
                kind.futures[number] = kind.app(replace(kind.line, lane=number))

    def _free_number(self) -> int:
        taken = {number for kind in self._kinds.values() for number in kind.futures}
        return next(number for number in count() if number not in taken)

    def give(
        self, lane: int, number: int, function: Callable[[Task], Any], task: Task, *, fresh: bool = False
    ) -> None:
        """Have a worker call a module-level function, in a new process where it is to be `fresh`.

        One that has something to do does it afterwards.
        """
        self._lanes[lane].numbers.append(number)
        self._send(lane, Work(number, pickle.dumps((function, task)), fresh))

    def end(self, lane: int) -> None:
        """Let a free worker go, and its job where it was the last there."""
        place = self._lanes[lane].place
        self._send(lane, End())
        self._forget(lane)
        here = {(other.place.pool, other.place.block) for other in self._lanes.values()}
        if (place.pool, place.block) not in here:
            self._cancel(self._kinds[place.pool], place.block)

    def _cancel(self, kind: _Kind, block: str) -> None:
        """End a job, by how Parsl counts them; another is asked for where one is needed."""
        if (job := kind.executor.blocks_to_job_id.get(block)) is not None:
            kind.executor.provider.cancel([job])

    def _send(self, lane: int, message: Message) -> None:
        self._socket.send_multipart([self._lanes[lane].identity, pickle.dumps(message)])

    def _forget(self, lane: int) -> None:
        del self._names[self._lanes.pop(lane).identity]

    def wait(self, seconds: float) -> Iterator[Event]:
        """What happens within a time, as soon as something does.

        Raises
        ------
        ClusterError
            If no workers of any kind can be started; :class:`EngineLostError` where others can be in another
            pool.
        """
        if self._socket.poll(1000 * seconds):
            for _ in range(_AT_ONCE):
                identity, content = self._socket.recv_multipart()
                yield from self._told(identity, pickle.loads(content))
                if not self._socket.poll(0):
                    break
        if time.monotonic() > self._looked + _LOOK_EVERY:
            self._looked = time.monotonic()
            for kind in self._kinds.values():
                ended = kind.executor.interchange_proc.poll() is not None
                if ended and not kind.executor.bad_state_is_set:
                    raise EngineLostError(kind.subject, "Parsl's interchange has ended", "Run again")
            yield from self._missing()

    def _told(self, identity: bytes, message: Message) -> Iterator[Event]:
        if isinstance(message, dict):  # somebody tries whether we can be reached
            self._socket.send_multipart([identity, b""])
            return
        now = time.monotonic()
        if isinstance(message, Ready):
            if message.lane in self._lanes:
                yield self._lose(message.lane)
            self._lanes[message.lane] = _Lane(identity, message.place, now, message.lacks)
            self._names[identity] = message.lane
            yield Free(message.lane)
            return
        number = self._names.get(identity)
        if number is None:  # it was taken for dead, and what it did given to another
            self._socket.send_multipart([identity, pickle.dumps(End())])
            return
        lane = self._lanes[number]
        lane.heard = now
        if isinstance(message, Beat):
            self._send(number, Beat())
        elif isinstance(message, Leaving):
            yield self._lose(number, busy=False)
        elif isinstance(message, Ended) and message.number in lane.numbers:
            lane.numbers.remove(message.number)
            yield message
            if not message.last:
                yield Free(number)

    def _lose(self, lane: int, *, busy: bool = True) -> Lost:
        numbers, silent = self._lanes[lane].numbers, time.monotonic() - self._lanes[lane].heard
        self._forget(lane)
        if numbers and busy:
            return Lost(lane, numbers[0], tuple(numbers[1:]), silent)
        return Lost(lane, None, tuple(numbers), silent)

    def _missing(self) -> Iterator[Event]:
        """Workers that are not heard of any more, and those that Parsl has lost."""
        for number, lane in list(self._lanes.items()):
            if time.monotonic() > lane.heard + self._kinds[lane.place.pool].line.silence:
                yield self._lose(number)
        for name, kind in self._kinds.items():
            for number, future in list(kind.futures.items()):
                if not future.done():
                    continue
                del kind.futures[number]
                if (error := future.exception()) is not None and not lost(error):
                    self._break(name, without_workers(error, kind.subject))
                if number in self._lanes:
                    yield self._lose(number)
            self._replace_where_nobody_works(name, kind)

    def _break(self, name: str, error: ClusterError) -> None:
        """Have no more workers of a kind; those of others go on."""
        self.broken.setdefault(name, error)
        if len(self.broken) == len(self._kinds):
            raise error

    def _replace_where_nobody_works(self, name: str, kind: _Kind) -> None:
        """End the jobs whose nodes have long lived, where none of their workers does anything.

        A worker that is killed at the wrong moment takes a lock of Parsl's with it, and no other on its node
        is given a task again. Jobs that wait in a queue, or have only begun, are left alone.
        """
        if not kind.futures or any(lane.place.pool == name for lane in self._lanes.values()):
            kind.mute = {}
            return
        now = time.monotonic()
        if now < kind.looked + kind.line.silence:
            return
        kind.looked = now
        blocks = {str(manager["block_id"]) for manager in kind.executor.connected_managers()}
        kind.mute = {block: kind.mute.get(block, now) for block in blocks}
        for block in [one for one, since in kind.mute.items() if now > since + _UNHEARD * kind.line.silence]:
            del kind.mute[block]
            self._cancel(kind, block)

    def close(self) -> None:
        """Let all workers go."""
        for lane in self._lanes:
            self._send(lane, End())
        self._context.destroy(linger=_LINGER)


_AT_ONCE = 1000  # messages that are read before other things are looked at
_LOOK_EVERY = 0.5  # s between looks at who is missing
_UNHEARD = 4  # times the silence that means death
_LINGER = 1000  # ms for last words


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
        "Correct [run.cluster] (queue, account, worker_init …) and try it with `softmode cluster check`",
    )
