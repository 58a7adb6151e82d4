"""Many files from the network at once; what cannot be had is named, the others come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from softmode.downloads import Meter, RemoteFile, fetch
from softmode.errors import DownloadError

_FORBIDDEN = (401, 403)


class _StoppedError(Exception):
    """A download need not go on; what has come is kept."""


@dataclass(frozen=True)
class FetchReport:
    """What came of fetching.

    Parameters
    ----------
    fetched : tuple of Path
        Files that are there now, verified where a checksum is known.
    restricted : tuple of str
        Files that only some may have; left out.
    failed : tuple of DownloadError
        Why others could not be fetched.
    unverified : tuple of str
        Fetched files whose checksum is not known.
    """

    fetched: tuple[Path, ...]
    restricted: tuple[str, ...]
    failed: tuple[DownloadError, ...]
    unverified: tuple[str, ...]


def fetch_all(
    files: Sequence[RemoteFile],
    folder: Path,
    *,
    connections: int = 4,
    advance: Callable[[int], None] = lambda count: None,
) -> FetchReport:
    """Fetch files in parallel; run again, it goes on.

    Parameters
    ----------
    files : sequence of RemoteFile
        What is wanted.
    folder : Path
        Where they go, under their own paths.
    connections : int
        Files that are fetched at the same time.
    advance : callable
        Called with numbers of bytes, from several threads.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    open_files = [file for file in files if not file.restricted]
    restricted = [file.path for file in files if file.restricted]
    fetched: dict[str, Path] = {}
    failed: list[DownloadError] = []
    stop = threading.Event()

    def came(count: int) -> None:
        if stop.is_set():
            raise _StoppedError
        advance(count)

    def pause(seconds: float) -> None:
        if stop.wait(seconds):
            raise _StoppedError

    pool = ThreadPoolExecutor(connections)
    try:
        tasks = {pool.submit(fetch, file, folder, Meter(came), pause): file for file in open_files}
        for task in as_completed(tasks):
            file = tasks[task]
            try:
                fetched[file.path] = task.result()
            except DownloadError as error:
                if error.status in _FORBIDDEN:
                    restricted.append(file.path)
                else:
                    failed.append(error)
    finally:
        stop.set()  # an interrupt, or a full disk: the others need not go on
        pool.shutdown(wait=True, cancel_futures=True)
    here = [file for file in open_files if file.path in fetched]
    return FetchReport(
        fetched=tuple(fetched[file.path] for file in here),
        restricted=tuple(sorted(restricted)),
        failed=tuple(failed),
        unverified=tuple(file.path for file in here if not file.checksum),
    )
