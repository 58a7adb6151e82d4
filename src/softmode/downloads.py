"""Files from the network: whole and verified or not at all, gone on with where a connection was cut."""

from __future__ import annotations

import contextlib
import email.utils
import errno
import os
import re
import socket
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException, InvalidURL
from pathlib import Path
from typing import IO, Any

from softmode.errors import DamagedDownloadError, DownloadError, StorageError
from softmode.files import checksum_of, lock

TIMEOUT_S = 60.0
BLOCK = 1 << 20
#: Longest a server may ask to wait, s; and how often in a row nothing may come before giving up.
LONGEST_WAIT_S = 300.0
ATTEMPTS = 5
#: What is taken of a listing, and of a file whose size nobody has said, bytes.
LARGEST_ANSWER, LARGEST_UNKNOWN = 64 << 20, 20 << 30
_BUSY = (408, 429, 500, 502, 503, 504)
_NO_WAY_THERE = (errno.ENETUNREACH, errno.EHOSTUNREACH)
#: Hosts that have answered this process. Where one has, a lost connection may come back; where none ever has,
#: there is no network, or no such host, and waiting does not help.
_answered: set[str] = set()


class _Failed(Exception):  # noqa: N818  (it never leaves this module)
    """A request without a usable answer, or a connection that broke in the middle (`cut`).

    `status` is that of HTTP, `retry_after` in seconds what the server asks to wait; asking again after a
    `final` one cannot help.
    """

    def __init__(
        self,
        reason: str,
        status: int | None = None,
        *,
        retry_after: float | None = None,
        final: bool = False,
        cut: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason, self.status, self.retry_after = reason, status, retry_after
        self.final, self.cut = final, cut


class _CompletedError(Exception):
    """Another process has finished the same download."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be fetched.

    Parameters
    ----------
    url : str
        Where it is; redirects are followed.
    path : str
        Where it belongs, relative to the folder it is fetched into.
    size : int or None
        Bytes, if known.
    checksum : str
        ``md5:…``, ``sha256:…`` and the like, or ``git:…`` (of a git blob); empty if not known.
    restricted : bool
        Whether only some may have it.
    """

    url: str
    path: str
    size: int | None = None
    checksum: str = ""
    restricted: bool = False


def _open(url: str, headers: Mapping[str, str] | None = None) -> Any:
    """The response to a request; raises what :class:`_Failed` describes."""
    host = ""
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "softmode", **(headers or {})})
        host = request.host or ""
        response = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        _answered.add(host)
        with error:
            text, wait = f"HTTP {error.code} {error.reason}", _seconds(error.headers.get("Retry-After"))
            raise _Failed(text, error.code, retry_after=wait, final=error.code not in _BUSY) from error
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise _Failed(str(reason), final=_cannot_change(reason, host)) from error
    _answered.add(host)
    return response


def _cannot_change(reason: object, host: str) -> bool:
    """Whether asking again after a failed connection cannot help."""
    if isinstance(reason, (str, ValueError, InvalidURL, FileNotFoundError, ssl.SSLCertVerificationError)):
        return True  # no address, an unknown scheme, no such file, not who it claims to be
    unreachable = isinstance(reason, (socket.gaierror, ConnectionRefusedError))
    return host not in _answered and (unreachable or getattr(reason, "errno", None) in _NO_WAY_THERE)


def _pieces(response: Any) -> Iterator[bytes]:
    """The body of a response, in pieces of at most :data:`BLOCK` bytes."""
    size = 0
    while True:
        try:
            data = response.read(BLOCK)
        except (OSError, HTTPException) as error:
            raise _Failed(f"cut after {size} bytes, {type(error).__name__}", cut=True) from error
        if not data:
            return
        size += len(data)
        yield data


@dataclass(frozen=True)
class Meter:
    """What wants to know how a download goes on.

    Parameters
    ----------
    advance : callable
        Called with the number of bytes that came; negative where bytes are thrown away.
    announce : callable
        Called with the size of the whole file, bytes, once a server says it.
    """

    advance: Callable[[int], None] = lambda count: None
    announce: Callable[[int], None] = lambda size: None


@contextlib.contextmanager
def progress(name: str) -> Iterator[Meter]:
    """A progress bar on standard error when that is a terminal."""
    if not sys.stderr.isatty():
        yield Meter()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield Meter(lambda count: bar.advance(task, count), lambda size: bar.update(task, total=size))


def get_bytes(url: str) -> bytes:
    """A small answer, such as a listing; waits and asks again where the server is busy.

    Raises
    ------
    DownloadError
        If there is no answer; `status` is that of a refusal.
    """
    for attempt in range(ATTEMPTS):
        try:
            with _open(url) as response:
                pieces, size = [], 0
                for data in _pieces(response):
                    size += len(data)
                    if size > LARGEST_ANSWER:
                        raise _Failed(f"the answer has over {LARGEST_ANSWER >> 20} MiB", final=True)
                    pieces.append(data)
                return b"".join(pieces)
        except _Failed as error:
            _wait_or_give_up(url, error, attempt, time.sleep)
    raise AssertionError("the last attempt raises")


def fetch(
    remote: RemoteFile,
    folder: Path,
    meter: Meter = Meter(),
    pause: Callable[[float], object] = time.sleep,
    *,
    problem: Callable[[Path], str] = lambda part: "",
    wait: bool = False,
) -> Path:
    """Fetch a file; under its name there is only ever a whole and verified one.

    What came before a connection broke, or this process was killed, is kept as ``.<name>.part`` and gone on
    with. A file that is there is taken as fetched when size and checksum are right, as far as they are known.

    Parameters
    ----------
    remote : RemoteFile
        What is wanted.
    folder : Path
        Where files are fetched into.
    meter : Meter
        Is told how it goes on.
    pause : callable
        Waits so many seconds. What it or `meter` raises ends the download; what has come is kept.
    problem : callable
        What is wrong with a complete download, besides size and checksum; an empty text if nothing.
    wait : bool
        Whether to wait while another process fetches the same file, rather than to refuse.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DownloadError
        If the server refuses, or what comes is not what it should be (:class:`DamagedDownloadError`).
    StorageError
        If it cannot be written.
    """
    target = safe_target(folder, remote.path)
    while True:
        if _is_there(remote, target):
            meter.advance(target.stat().st_size)
            return target
        with contextlib.suppress(_CompletedError):
            return _fetch(remote, target, meter, pause, problem, wait)


def _fetch(
    remote: RemoteFile,
    target: Path,
    meter: Meter,
    pause: Callable[[float], object],
    problem: Callable[[Path], str],
    wait: bool,
) -> Path:
    part = target.with_name(f".{target.name}.part")
    with _storage_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        stream = part.open("a+b")
    with stream, _alone(stream, part, wait):
        try:
            if _is_there(remote, target):  # since we looked
                raise _CompletedError
            meter.advance(stream.seek(0, os.SEEK_END))
            for again in (True, False):
                _complete(remote, stream, meter, pause)
                wrong = _wrong(remote, part) or problem(part)
                if not wrong:
                    break
                _restart(stream, meter)
                if not again:
                    raise DamagedDownloadError(
                        remote.path, f"{remote.url} gives a file that {wrong}", "try again later"
                    )
            with _storage_errors(target.parent):
                os.fsync(stream.fileno())
                part.replace(target)
        finally:
            if part.exists() and not part.stat().st_size:
                part.unlink()
    return target


def _is_there(remote: RemoteFile, target: Path) -> bool:
    """Whether the file is there as it should be, as far as that is known."""
    return target.is_file() and not _wrong(remote, target)


def safe_target(folder: Path, path: str) -> Path:
    """Where a file goes.

    Raises
    ------
    DownloadError
        If its name leads out of the folder.
    """
    parts = [part for part in re.split(r"[/\\]", path) if part not in ("", ".")]
    if not parts or ".." in parts or Path(path).is_absolute() or ":" in parts[0]:
        raise DownloadError(repr(path), "this name leads out of the folder", "report it to the server")
    return folder.joinpath(*parts)


def _complete(remote: RemoteFile, stream: IO[bytes], meter: Meter, pause: Callable[[float], object]) -> None:
    """Append to the part until the server has no more; attempts count anew whenever something came."""
    failed = 0
    while remote.size is None or stream.tell() < remote.size:
        before = stream.tell()
        try:
            _append(remote, stream, meter)
        except _Failed as error:
            failed = 0 if stream.tell() > before else failed + 1
            _wait_or_give_up(remote.url, error, max(failed - 1, 0), pause)
        else:
            if remote.size is None or stream.tell() <= before:
                return


def _restart(stream: IO[bytes], meter: Meter) -> None:
    """Throw away what has come."""
    meter.advance(-stream.tell())
    stream.seek(0)
    stream.truncate()


def _append(remote: RemoteFile, stream: IO[bytes], meter: Meter) -> None:
    """One request for what is missing."""
    start = stream.tell()
    headers = {"Range": f"bytes={start}-"} if start else {}
    try:
        response = _open(remote.url, headers)
    except _Failed as error:
        if error.status == 416 and start:  # what is there is not the beginning of this file
            _restart(stream, meter)
            raise _Failed("the server has no more of it", cut=True) from error
        raise
    with response:
        _refuse_page(remote, response)
        if start and not _continues(response, start):
            _restart(stream, meter)
        length, size = response.headers.get("Content-Length", ""), 0
        announced = int(length) if length.isdigit() else None
        if announced is not None:
            meter.announce(stream.tell() + announced)
        for data in _pieces(response):
            with _storage_errors(Path(stream.name).parent):
                stream.write(data)
                stream.flush()
            size += len(data)
            meter.advance(len(data))
            if stream.tell() > (LARGEST_UNKNOWN if remote.size is None else remote.size):
                _restart(stream, meter)
                raise DamagedDownloadError(
                    remote.url, "the server sends more than the file should hold", "check the address"
                )
    if announced is not None and size < announced:
        raise _Failed(f"ended after {size} of {announced} bytes", cut=True)


def _refuse_page(remote: RemoteFile, response: Any) -> None:
    """Refuse a web page where a file is wanted."""
    if response.headers.get_content_type() == "text/html" and not remote.path.endswith((".html", ".htm")):
        raise DamagedDownloadError(
            remote.url,
            "the server answers with a web page (HTML), not with the file",
            "check the address and the network (a login page, a proxy?)",
        )


def _continues(response: Any, start: int) -> bool:
    """Whether a response goes on at `start` rather than from the beginning."""
    content_range = response.headers.get("Content-Range", "")
    return response.status == 206 and bool(re.match(rf"bytes {start}-", content_range))


def _wrong(remote: RemoteFile, part: Path) -> str:
    """What is wrong with a complete download; empty if nothing."""
    size = part.stat().st_size
    if remote.size is not None and size != remote.size:
        return f"has {size} bytes, not {remote.size}"
    kind, _, wanted = remote.checksum.partition(":")
    if not kind:
        return ""
    found = checksum_of(part, kind)
    return "" if found == wanted.lower() else f"has the {kind.upper()} checksum {found}, not {wanted.lower()}"


def _wait_or_give_up(url: str, error: _Failed, attempt: int, pause: Callable[[float], object]) -> None:
    """Wait before the next attempt.

    Raises
    ------
    DownloadError
        If waiting does not help, or has not helped.
    """
    if error.final or attempt >= ATTEMPTS - 1:
        problem, remedy = f"it cannot be fetched ({error.reason})", "check the address and the network"
        if error.cut:
            remedy += "; what has come is kept, the same command goes on"
            raise DamagedDownloadError(url, problem, remedy) from error
        raise DownloadError(url, problem, remedy, error.status) from error
    asked = error.retry_after
    pause(min(2.0**attempt if asked is None else asked, LONGEST_WAIT_S))


def _seconds(retry_after: str | None) -> float | None:
    """Seconds of a Retry-After header, which gives them or a date."""
    if not retry_after:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    return None


@contextlib.contextmanager
def _alone(stream: IO[bytes], part: Path, wait: bool) -> Iterator[None]:
    """Keep another process from writing the same part (where the system can lock files)."""
    try:
        free = lock(stream, wait=wait)
    except OSError:
        free = False
    if not free:
        raise DownloadError(str(part), "another process is fetching it", "wait for it, or end it")
    if not part.exists() or not os.path.samestat(part.stat(), os.fstat(stream.fileno())):
        raise _CompletedError
    yield  # the lock ends with the stream


@contextlib.contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            str(folder), f"it cannot be written ({error.strerror or error})", "make room there and try again"
        ) from error
