"""One run of a study at a time, or packing; who does it is noted there until its process ends."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from softmode.errors import StorageError, StudyIsRunningError
from softmode.files import lock

_FILE = "running.json"


@dataclass(frozen=True)
class Runner:
    """Who runs a study, or packs its records.

    Parameters
    ----------
    host : str
        Name of the machine.
    pid : int
        Of its process there.
    since : str
        When it began, UTC, ISO 8601.
    doing : str
        What is being done with the study: ``run``, ``packed``, ``unpacked``.
    """

    host: str
    pid: int
    since: str
    doing: str = "run"

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"


def runner(folder: Path) -> Runner | None:
    """Who runs or packs the study in a folder now; None where nobody does, or the system cannot say."""
    try:
        with (folder / _FILE).open("r+", encoding="utf-8") as file:
            return None if _locked(file) else _named(file)
    except OSError:
        return None


@contextlib.contextmanager
def sole_run(folder: Path, doing: str = "run") -> Iterator[None]:
    """Run a study, and nobody else; what a process that was killed had of this ends with it.

    Parameters
    ----------
    folder : Path
        Of the study.
    doing : str
        As in :class:`Runner`.

    Raises
    ------
    StudyIsRunningError
        If somebody does.
    StorageError
        If the folder cannot be written.
    """
    path = folder / _FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise StorageError(
            str(folder), f"cannot be written ({error.strerror or error})", "Check its permissions"
        ) from error
    with file:
        if not _locked(file):
            by = _named(file)
            raise StudyIsRunningError(
                str(folder),
                "is being run by another process" if by is None else f"is being {by.doing} by {by}",
                "Wait for it, or end it; `softmode status` says how far it is",
            )
        since = datetime.now(UTC).isoformat(timespec="seconds")
        own = Runner(socket.gethostname(), os.getpid(), since, doing)
        _say(file, json.dumps(asdict(own)))
        try:
            yield
        finally:
            _say(file, "")


def _locked(file: IO[str]) -> bool:
    """Lock a file; False where another process has. Without locks two runs make the same records twice."""
    try:
        return lock(file)
    except OSError:
        return True


def _say(file: IO[str], text: str) -> None:
    with contextlib.suppress(OSError):  # a full disk: the lock itself holds
        file.truncate(0)
        file.write(text)
        file.flush()


def _named(file: IO[str]) -> Runner | None:
    try:
        file.seek(0)
        return Runner(**json.loads(file.read()))
    except (OSError, ValueError, TypeError):
        return None
