"""Worker processes: how many, on how many threads, and what each does before it has anything to do."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import warnings
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing.connection import wait

from softmode.numerics import set_thread_variables


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def process_pool(workers: int, threads: int = 1) -> Executor:
    """Processes that inherit nothing of this one but its environment, each prepared for work.

    Parameters
    ----------
    workers : int
        How many.
    threads : int
        Threads of the numerical libraries in each.
    """
    return ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_prepare,
        initargs=(threads,),
    )


def _prepare(threads: int) -> None:
    """Thread count, signals, and an end when the parent process ends."""
    set_thread_variables(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    parent = multiprocessing.parent_process()
    if parent is not None:

        def leave_with_parent() -> None:
            wait([parent.sentinel])
            os._exit(1)  # files are written whole or not at all: there is nothing to clean up

        threading.Thread(target=leave_with_parent, daemon=True).start()
    warnings.simplefilter("ignore")
