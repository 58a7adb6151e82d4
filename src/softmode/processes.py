"""Worker processes: how many, on how many threads, and what each does before it has anything to do."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from pathlib import Path
from typing import TypeVar

import numpy as np

from softmode import deadlines
from softmode.errors import TimeLimitError, WorkerDiedError
from softmode.numerics import set_thread_variables

Task = TypeVar("Task")
Result = TypeVar("Result")


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def give_memory_back() -> None:
    """Return what is free to the system: the C library keeps half a gigabyte of what a potential had."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:  # glibc
        trim(0)


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Put back what a library may have changed: working folder, umask, recursion, numpy's way with errors.

    Variables of the environment that are gone or changed come back; what a library has added, it may need.
    """
    folder, environment, depth = Path(), dict(os.environ), sys.getrecursionlimit()
    with contextlib.suppress(OSError):  # it is gone
        folder = Path.cwd()
    mask = os.umask(0o022)
    os.umask(mask)
    try:
        with np.errstate():
            yield
    finally:
        os.umask(mask)
        sys.setrecursionlimit(depth)
        os.environ.update(environment)
        with contextlib.suppress(OSError):
            os.chdir(folder)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back; processes started meanwhile never get it, not even before they can ignore it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def process_pool(workers: int, threads: int = 1, watched: Path | None = None) -> Executor:
    """Processes that inherit nothing of this one but its environment, each prepared for work.

    Parameters
    ----------
    workers : int
        How many.
    threads : int
        Threads of the numerical libraries in each.
    watched : Path, optional
        Where the one process says until when it must come to an end; see :class:`SingleProcess`.
    """
    return ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_prepare,
        initargs=(threads, watched),
    )


def _prepare(threads: int, watched: Path | None) -> None:
    """Thread count, signals, who watches, and an end when the parent process ends."""
    set_thread_variables(threads)
    if watched is not None:
        deadlines.tell(watched)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    parent = multiprocessing.parent_process()
    if parent is not None:

        def leave_with_parent() -> None:
            wait([parent.sentinel])
            os._exit(1)  # files are written whole or not at all: there is nothing to clean up

        threading.Thread(target=leave_with_parent, daemon=True).start()
    warnings.simplefilter("ignore")


def apart(
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    name: Callable[[Task], str],
    *,
    workers: int,
    seconds: float,
) -> Iterator[tuple[int, Result | Exception]]:
    """What a function makes of each task, in processes of which one may die, or hang, without harm to others.

    Parameters
    ----------
    function : callable
        A module-level function, or a `functools.partial` of one.
    tasks : sequence
        Picklable.
    name : callable
        What to call a task in errors.
    workers : int
        How many processes.
    seconds : float
        How long a task may take, the start of its process included.

    Yields
    ------
    int, result or exception
        Index of a task and its result, in the order they are finished; what it raised,
        :class:`~softmode.errors.WorkerDiedError` or :class:`~softmode.errors.TimeLimitError`.
    """
    left = iter(range(len(tasks)))
    pools: dict[int, SingleProcess] = {}
    running: dict[Future[Result], tuple[int, int, float]] = {}  # lane, task, when it must have ended

    def begin(lane: int) -> None:
        index = next(left, None)
        if index is not None:
            pools[lane] = pools.get(lane) or SingleProcess()
            future = pools[lane].submit(function, tasks[index])
            running[future] = lane, index, time.monotonic() + seconds

    try:
        for lane in range(min(workers, len(tasks))):
            begin(lane)
        while running:
            soonest = min(until for _, _, until in running.values()) - time.monotonic()
            finished = wait_for(running, timeout=max(0.0, soonest), return_when=FIRST_COMPLETED).done
            late = {future for future, (_, _, until) in running.items() if until <= time.monotonic()}
            for future in finished | late:
                lane, index, _ = running.pop(future)
                subject = name(tasks[index])
                outcome = _outcome(future, subject)
                if isinstance(outcome, WorkerDiedError | TimeLimitError):
                    pools.pop(lane).end()
                begin(lane)
                yield index, outcome
    finally:
        for pool in pools.values():
            pool.end()


_LATE = ("has not come to an end in the time allowed", "Allow more, or leave it out")
_DIED = ("ended its process (crashed, killed, or out of memory)", "Check what it reads, or leave it out")


def _outcome(future: Future[Result], subject: str) -> Result | Exception:
    if not future.done():
        return TimeLimitError(subject, *_LATE)
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, BrokenProcessPool) or not isinstance(error, Exception):  # as a SystemExit
        return WorkerDiedError(subject, *_DIED)
    return error


class SingleProcess:
    """A worker process that is watched: it may be killed when it does not come to an end, or takes too much.

    Parameters
    ----------
    threads : int
        Threads of the numerical libraries in it.
    """

    def __init__(self, threads: int = 1) -> None:
        handle, name = tempfile.mkstemp(prefix="softmode-watch-")
        os.write(handle, deadlines.NONE)
        os.close(handle)
        self._file = Path(name)
        self._deadline = deadlines.mapped(self._file)
        self._pool = process_pool(1, threads, self._file)
        with uninterrupted():
            self._pid = self._pool.submit(os.getpid)

    def submit(self, function: Callable[[Task], Result], task: Task) -> Future[Result]:
        """Let the process do something, once it has started.

        Raises
        ------
        concurrent.futures.process.BrokenProcessPool
            If it has died.
        """
        deadlines.ask_to_pause(self._deadline, asked=False)
        return self._pool.submit(function, task)

    def pause(self) -> None:
        """Ask the process to stop what it does where it can go on later; see :mod:`softmode.deadlines`."""
        deadlines.ask_to_pause(self._deadline)

    @property
    def late(self) -> bool:
        """Whether what it said would come to an end has not; see :func:`softmode.deadlines.ends_within`."""
        return deadlines.is_over(self._deadline)

    @property
    def memory(self) -> int:
        """Memory it takes up, bytes; 0 where the system does not say."""
        if not (self._pid.done() and self._pid.exception() is None):
            return 0
        try:
            pages = Path(f"/proc/{self._pid.result()}/statm").read_text(encoding="ascii").split()[1]
        except OSError:
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def kill(self) -> None:
        """Kill the process, whatever it does; what it was to do breaks."""
        if self._pid.done() and self._pid.exception() is None and self._pid.result() != os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid.result(), signal.SIGKILL)

    def end(self, *, wait: bool = False) -> None:
        """End the process: at once, or when it has done what it is doing."""
        if not wait:
            self.kill()
        self._pool.shutdown(wait=wait, cancel_futures=True)
        self._file.unlink(missing_ok=True)


def _memory() -> dict[str, int]:
    """What the system says of the machine's memory, KiB; empty where it does not."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if rest}


def memory_size() -> int:
    """Memory of the machine, bytes; 0 where the system does not say."""
    return 1024 * _memory().get("MemTotal", 0)


def memory_left() -> float:
    """Share of the machine's memory that is free or can be freed; 1 where the system does not say."""
    kib = _memory()
    return kib["MemAvailable"] / kib["MemTotal"] if "MemAvailable" in kib else 1.0


_LEAST_LEFT = 0.03  # of the machine's memory, below which the largest process is ended


def watch(processes: Sequence[SingleProcess], limit: float | None, share: float = 0.0) -> set[SingleProcess]:
    """Kill processes that are late, or take too much memory; returns those that are late.

    Parameters
    ----------
    processes : sequence of SingleProcess
        Those that do something.
    limit : float or None
        What one may take, GiB.
    share : float
        The part of the machine's memory that one may take even when next to none is left, for others than
        these may be to blame.
    """
    late = {process for process in processes if process.late}
    large = [process for process in processes if limit is not None and process.memory > limit * (1 << 30)]
    if processes and memory_left() < _LEAST_LEFT:
        largest = max(processes, key=lambda process: process.memory)
        if largest.memory >= share * memory_size():
            large.append(largest)
    for process in processes:
        if process in late or process in large:
            process.kill()
    return late
