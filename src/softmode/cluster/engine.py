"""Parsl as long as there is something to do: started with a folder for its files, ended with all it has."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from softmode.cluster.patience import Patience
from softmode.cluster.pool import Pool
from softmode.cluster.providers import make_configuration, require_parsl, require_scheduler, subject_of
from softmode.cluster.settings import ClusterSettings
from softmode.errors import StorageError
from softmode.processes import uninterrupted

_KEPT_RUNS = 2  # folders of earlier runs with logs, besides that of this one


@contextlib.contextmanager
def open_pool(
    settings: ClusterSettings,
    folder: Path,
    subject: str,
    *,
    threads: int,
    memory_limit: float | None = None,
    survey: bytes = b"",
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
    survey : bytes
        What each worker asks itself before it reports, see :class:`~softmode.cluster.messages.Line`.

    Raises
    ------
    MissingExtraError, SettingsError, StorageError
        If Parsl is not there, its provider refuses the settings, or the folder cannot be written.
    """
    require_parsl(subject)
    for name, one in settings.pools.items():
        require_scheduler(one, subject_of(subject, name, settings.pools))
    import parsl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        _forget_earlier(folder)
        handler = _LogFile(folder / "parsl.log", mode="w", encoding="utf-8")
    except OSError as error:
        raise _unwritable(folder, error) from error
    with _logged(handler):
        configuration = make_configuration(
            settings.pools, threads, folder, subject, block_error_handler=Patience(folder)
        )
        try:
            with uninterrupted():
                kernel = parsl.DataFlowKernel(configuration)
        except OSError as error:
            raise _unwritable(folder, error) from error
        try:
            pool = Pool(kernel, settings, threads, memory_limit, subject, survey)
            with contextlib.closing(pool):
                yield pool
        finally:
            _close(kernel, [kernel.executors[name] for name in settings.pools])


class _LogFile(logging.FileHandler):
    """A file for what Parsl says; what cannot be written there, as on a disk that is full, is not told."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Go on without the line."""


def _unwritable(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        str(folder), f"cannot be written ({error.strerror or error})", "Check its permissions, and its space"
    )


def _close(kernel: Any, executors: Sequence[Any]) -> None:
    """End all jobs and what Parsl has started here; interrupts wait, for jobs left alone cost money."""
    with uninterrupted():
        kernel.cleanup()
    for executor in executors:
        shutil.rmtree(executor.cert_dir, ignore_errors=True)  # keys that open nothing any more
        for job in getattr(executor.provider, "resources", {}).values():
            if "remote_pid" in job:  # on this machine: what a node that was killed has left behind
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(os.getpgid(job["remote_pid"]), signal.SIGKILL)


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
