"""Weight files: found in a cache or downloaded into it, whole and verified or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from softmode import downloads
from softmode.errors import CorruptWeightsError, MissingWeightsError, StorageError

log = logging.getLogger(__name__)

_BLOCK = 1 << 20
_STALE_PART_S = 24 * 3600.0


@dataclass(frozen=True)
class WeightFile:
    """A weight file on this machine.

    Parameters
    ----------
    path : Path
        Where it is.
    sha256 : str
        SHA-256 of its content.
    """

    path: Path
    sha256: str


def cache_directory() -> Path:
    """Where downloaded weights are kept: ``$SOFTMODE_CACHE/weights``, else ``~/.cache/softmode/weights``."""
    configured = os.environ.get("SOFTMODE_CACHE")
    return (Path(configured).expanduser() if configured else _user_cache() / "softmode") / "weights"


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def url_basename(url: str) -> str:
    """The file name at the end of a URL."""
    return PurePosixPath(unquote(urlsplit(url).path)).name


def download_url(url: str) -> str:
    """Where a file is fetched from: `url`, or the same file name under ``$SOFTMODE_WEIGHTS_URL``."""
    mirror = os.environ.get("SOFTMODE_WEIGHTS_URL")
    return f"{mirror.rstrip('/')}/{url_basename(url)}" if mirror else url


def cached_path(url: str) -> Path:
    """Where the file of a URL is, or would be, kept."""
    return cache_directory() / url_basename(url)


def _mace_cached_path(url: str) -> Path:
    """Where mace-torch itself keeps that file: under its name without punctuation."""
    name = "".join(character for character in url_basename(url) if character.isalnum() or character == "_")
    return _user_cache() / "mace" / name


def find_cached(url: str) -> Path | None:
    """The file of a URL in softmode's cache or in mace-torch's own; not verified, no network."""
    return next((path for path in (cached_path(url), _mace_cached_path(url)) if path.is_file()), None)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file.

    Raises
    ------
    MissingWeightsError
        If there is no such file, or it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as exc:
        raise MissingWeightsError(
            str(path), f"the weight file cannot be read ({exc.strerror})", "Check the path"
        ) from exc


def local_weights(path: Path, pinned: str | None = None) -> WeightFile:
    """A weight file given by its path.

    Raises
    ------
    MissingWeightsError
        If it is not there.
    CorruptWeightsError
        If it has not the pinned SHA-256.
    """
    found = WeightFile(path, file_sha256(path))
    _check_pin(str(path), found.sha256, pinned)
    return found


def obtain(url: str, pinned: str | None = None, terms: str = "") -> WeightFile:
    """The weight file of a URL: from the cache when it is there, downloaded when not, verified in both cases.

    Parameters
    ----------
    url : str
        Where it is published.
    pinned : str, optional
        The SHA-256 it must have.
    terms : str
        What whoever downloads it should know of its licence; logged as a warning before it is fetched.

    Raises
    ------
    MissingWeightsError
        If it is not on this machine and cannot be downloaded.
    CorruptWeightsError
        If what is cached, or what was downloaded, is incomplete or not what it should be.
    StorageError
        If it cannot be written.
    """
    cached = find_cached(url)
    if cached is None:
        if terms:
            log.warning("%s", terms)
        return download(url, pinned)
    found = WeightFile(cached, file_sha256(cached))
    _check_pin(str(cached), found.sha256, pinned)
    if cached == cached_path(url) and _sidecar(cached).is_file():
        _check_sidecar(found)
    else:
        problem = _archive_problem(cached)
        if problem:
            raise CorruptWeightsError(str(cached), problem, "Delete the file and run again to download it")
        if cached == cached_path(url):
            _write_sidecar(found)
    return found


def download(url: str, pinned: str | None = None) -> WeightFile:
    """Download a weight file into the cache, under its name only once it is whole and verified.

    Parameters `url` and `pinned`, and errors, are those of :func:`obtain`.
    """
    source, target = download_url(url), cached_path(url)
    with _temporary_file(target) as part:
        with part.open("wb") as stream, _open(source, target) as response:
            log.info("downloading %s to %s", source, target)
            size, expected = _copy(response, stream, source, target), downloads.expected_size(response)
            if expected is not None and size != expected:
                raise _cut(source, target, f"ended after {size} of {expected} bytes")
            with _storage_errors(target.parent):
                stream.flush()
                os.fsync(stream.fileno())
        problem = _archive_problem(part)
        if problem:
            raise CorruptWeightsError(
                source, f"the download {problem}", f"Run again, or fetch it by hand and put it at {target}"
            )
        fetched = WeightFile(target, file_sha256(part))
        _check_pin(source, fetched.sha256, pinned)
        with _storage_errors(target.parent):
            part.replace(target)
    _write_sidecar(fetched)
    return fetched


@contextlib.contextmanager
def _temporary_file(target: Path) -> Iterator[Path]:
    """A new file beside `target`, unique to this process; gone afterwards unless it was renamed."""
    prefix = f".{target.name}."
    with _storage_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(target.parent, prefix)
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=".part", dir=target.parent)
        os.close(handle)
        part = Path(name)
        part.chmod(0o644)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _remove_stale(directory: Path, prefix: str) -> None:
    """Remove what downloads that were killed more than a day ago left behind."""
    for part in directory.glob(f"{prefix}*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > _STALE_PART_S:
                part.unlink()


@contextlib.contextmanager
def _storage_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise StorageError(
            str(directory),
            f"weights cannot be written there ({exc.strerror or exc})",
            "Free space or permissions, or set SOFTMODE_CACHE to another directory",
        ) from exc


def _by_hand(target: Path) -> str:
    return f"On a machine with network access fetch that URL, and put the file at {target}"


def _open(source: str, target: Path) -> Any:
    """The response to a request for `source`, refused when it is not a file."""
    try:
        response = downloads.open_url(source)
    except downloads.RefusedError as exc:
        raise MissingWeightsError(
            target.name,
            f"the weights are not on this machine, and {source} cannot be reached ({exc.reason})",
            _by_hand(target),
        ) from exc
    if response.headers.get_content_type() == "text/html":
        response.close()
        raise CorruptWeightsError(
            source,
            "the server answered with a web page (HTML), not with a model",
            "Check the network (a login page, a proxy?) and SOFTMODE_WEIGHTS_URL. " + _by_hand(target),
        )
    return response


def _cut(source: str, target: Path, how: str) -> CorruptWeightsError:
    return CorruptWeightsError(
        source,
        f"the download {how}; nothing was kept",
        f"Run again, or fetch it by hand and put it at {target}",
    )


def _copy(response: Any, stream: IO[bytes], source: str, target: Path) -> int:
    """Copy the response to `stream`; the number of bytes."""
    size = 0
    with downloads.progress(target.name, downloads.expected_size(response)) as advance:
        try:
            for block in downloads.pieces(response, _BLOCK):
                with _storage_errors(target.parent):
                    stream.write(block)
                size += len(block)
                advance(len(block))
        except downloads.CutError as exc:
            raise _cut(source, target, f"was cut after {exc.size} bytes ({exc.reason})") from exc
    return size


def _archive_problem(path: Path) -> str | None:
    """What is wrong with a file torch saved (a zip archive with checksums), or None."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError) as exc:
        return f"is not a complete model file ({exc})"
    return f"is damaged: the checksum of its part {damaged!r} is wrong" if damaged else None


def _check_pin(subject: str, sha256: str, pinned: str | None) -> None:
    if pinned is not None and sha256 != pinned:
        raise CorruptWeightsError(
            subject,
            f"has SHA-256 {sha256}, but {pinned} is asked for",
            "Check which weights are meant, and correct sha256 or replace the file",
        )


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _check_sidecar(found: WeightFile) -> None:
    recorded = _sidecar(found.path).read_text(encoding="utf-8").partition(" ")[0].strip()
    if recorded != found.sha256:
        raise CorruptWeightsError(
            str(found.path),
            f"has changed since it was verified (SHA-256 {found.sha256}, recorded {recorded or 'none'})",
            f"Delete it and {_sidecar(found.path).name}, and run again to download it",
        )


def _write_sidecar(found: WeightFile) -> None:
    """Record the checksum beside the file, in the format of sha256sum."""
    sidecar = _sidecar(found.path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{sidecar.name}.", suffix=".part", dir=sidecar.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(f"{found.sha256}  {found.path.name}\n")
        part = Path(name)
        part.chmod(0o644)
        part.replace(sidecar)
    except OSError as exc:
        # A shared, read-only cache is a fine place for weights: they are verified on each use instead.
        log.debug("no checksum recorded at %s: %s", sidecar, exc)
