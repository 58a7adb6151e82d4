"""Weight files: found in a cache or downloaded into it, whole and verified or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from softmode.downloads import RemoteFile, fetch, progress
from softmode.errors import (
    CorruptWeightsError,
    DamagedDownloadError,
    DownloadError,
    MissingWeightsError,
    StorageError,
)
from softmode.files import checksum_of, write_atomically

if TYPE_CHECKING:
    from softmode.potentials.family import Entry

log = logging.getLogger(__name__)

_STALE_PART_S = 24 * 3600.0


@dataclass(frozen=True)
class WeightFile:
    """A weight file, or a folder of weights, on this machine.

    Parameters
    ----------
    path : Path
        Where it is.
    sha256 : str
        SHA-256 of its content, as by :func:`weights_sha256`.
    """

    path: Path
    sha256: str


def cache_root() -> Path:
    """Softmode's cache: ``$SOFTMODE_CACHE``, else ``~/.cache/softmode``."""
    configured = os.environ.get("SOFTMODE_CACHE")
    return Path(configured).expanduser() if configured else _user_cache() / "softmode"


def cache_directory() -> Path:
    """Where downloaded weights are kept: ``weights`` in softmode's cache."""
    return cache_root() / "weights"


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def url_basename(url: str) -> str:
    """The file name at the end of a URL."""
    return PurePosixPath(unquote(urlsplit(url).path)).name


def download_url(url: str, stored_as: str = "") -> str:
    """Where a file is fetched from: `url`, or its place under ``$SOFTMODE_WEIGHTS_URL``.

    Parameters
    ----------
    url : str
        Where it is published.
    stored_as : str
        Its path in the cache and in a mirror, as ``nequix/nequix-mp-1.nqx``; the name at the end of the URL
        when empty.
    """
    mirror = os.environ.get("SOFTMODE_WEIGHTS_URL")
    return f"{mirror.rstrip('/')}/{stored_as or url_basename(url)}" if mirror else url


def mirrored_without_proof() -> bool:
    """Whether weights come from a mirror whose answers anyone on the way could change."""
    return os.environ.get("SOFTMODE_WEIGHTS_URL", "").lower().startswith("http:")


def cached_path(url: str, stored_as: str = "") -> Path:
    """Where the file of a URL is, or would be, kept; parameters as in :func:`download_url`."""
    return cache_directory() / (stored_as or url_basename(url))


def _mace_cached_path(url: str) -> Path:
    """Where mace-torch itself keeps that file: under its name without punctuation."""
    name = "".join(character for character in url_basename(url) if character.isalnum() or character == "_")
    return _user_cache() / "mace" / name


def find_cached(url: str, stored_as: str = "") -> Path | None:
    """The file of a URL in softmode's cache or in mace-torch's own; not verified, no network."""
    places = (cached_path(url, stored_as), *(() if stored_as else (_mace_cached_path(url),)))
    return next((path for path in places if path.is_file()), None)


def find_weights(entry: Entry) -> Path | None:
    """The weights of an entry that are downloaded, when they are in the cache; not verified, no network."""
    if entry.url is None:
        return None
    parts = [find_cached(f"{entry.url}/{name}", f"{entry.stored_as}/{name}") for name in entry.files]
    if parts:
        return cached_path(entry.url, entry.stored_as) if all(parts) else None
    return find_cached(entry.url, entry.stored_as)


def proof(entry: Entry) -> str:
    """What the weights of an entry are checked against, in words; nothing is verified here."""
    if entry.url is None:
        return "its package"
    if entry.files:
        return f"the SHA-256 of {len(entry.files)} files, published by upstream"
    if entry.sha256 is not None:
        return f"SHA-256 {entry.sha256}, of what upstream publishes"
    sidecar = _sidecar(cached_path(entry.url, entry.stored_as))
    if not sidecar.is_file():
        return "the SHA-256 of the first download, which is kept (upstream publishes none)"
    kept = sidecar.read_text(encoding="utf-8").partition(" ")[0]
    return f"SHA-256 {kept}, of the first download on this machine (upstream publishes none)"


def weights_sha256(path: Path, files: Sequence[str] = ()) -> str:
    """SHA-256 of a weight file; of a folder, that of what ``sha256sum`` says of its files.

    Parameters
    ----------
    path : Path
        The file or folder.
    files : sequence of str
        Names of the files that make up a folder of weights; what else lies in it does not count.

    Raises
    ------
    MissingWeightsError
        If there is no such file, or it cannot be read.
    """
    if files:
        return listing_sha256({name: weights_sha256(path / name) for name in files})
    try:
        return checksum_of(path, "sha256")
    except OSError as exc:
        raise MissingWeightsError(
            str(path), f"the weight file cannot be read ({exc.strerror})", "Check the path"
        ) from exc


def listing_sha256(files: Mapping[str, str]) -> str:
    """SHA-256 of the lines of ``sha256sum`` for files, given by name with their own, in order of names."""
    listing = "".join(f"{files[name]}  {name}\n" for name in sorted(files))
    return hashlib.sha256(listing.encode()).hexdigest()


def local_weights(path: Path, pinned: str | None = None, files: Sequence[str] = ()) -> WeightFile:
    """A weight file, or a folder of `files`, given by its path.

    Raises
    ------
    MissingWeightsError
        If it is not there.
    CorruptWeightsError
        If it has not the pinned SHA-256.
    """
    found = WeightFile(path, weights_sha256(path, files))
    check_pin(str(path), found.sha256, pinned)
    return found


def obtain_folder(url: str, files: Mapping[str, str], terms: str, stored_as: str) -> WeightFile:
    """The folder of weights of a URL, each of its files as by :func:`obtain`.

    Parameters
    ----------
    url : str
        Where the folder is published.
    files : mapping of str to str
        SHA-256 by name of file.
    terms, stored_as : str
        As in :func:`obtain` and :func:`download_url`, of the folder.
    """
    for name, pinned in files.items():
        obtain(f"{url}/{name}", pinned, terms, f"{stored_as}/{name}")
        terms = ""  # said once
    folder = cached_path(url, stored_as)
    return WeightFile(folder, weights_sha256(folder, list(files)))


def obtain(url: str, pinned: str | None = None, terms: str = "", stored_as: str = "") -> WeightFile:
    """The weight file of a URL: from the cache when it is there, downloaded when not, verified in both cases.

    Parameters
    ----------
    url : str
        Where it is published.
    pinned : str, optional
        The SHA-256 it must have.
    terms : str
        What whoever downloads it should know of its licence; logged as a warning before it is fetched.
    stored_as : str
        As in :func:`download_url`.

    Raises
    ------
    MissingWeightsError
        If it is not on this machine and cannot be downloaded.
    CorruptWeightsError
        If what is cached, or what was downloaded, is incomplete or not what it should be.
    StorageError
        If it cannot be written.
    """
    cached = find_cached(url, stored_as)
    if cached is None:
        if terms:
            log.warning("%s", terms)
        return download(url, pinned, stored_as)
    found = WeightFile(cached, weights_sha256(cached))
    check_pin(str(cached), found.sha256, pinned)
    if stored_as:  # pinned by the catalogue: no more is to be known
        return found
    if cached == cached_path(url) and _sidecar(cached).is_file():
        _check_sidecar(found)
    else:
        problem = _archive_problem(cached)
        if problem:
            raise CorruptWeightsError(str(cached), problem, "Delete the file and run again to download it")
        if cached == cached_path(url):
            _write_sidecar(found)
    return found


def download(url: str, pinned: str | None = None, stored_as: str = "") -> WeightFile:
    """Download a weight file into the cache, under its name only once it is whole and verified.

    What came before a connection broke is kept for a day and gone on with; while another process downloads
    the same file, it is waited for. Parameters and errors are those of :func:`obtain`.
    """
    source, target = download_url(url, stored_as), cached_path(url, stored_as)
    _remove_stale(target)
    log.info("downloading %s to %s", source, target)
    try:
        with progress(target.name) as meter:
            fetch(
                RemoteFile(source, target.name),
                target.parent,
                meter,
                problem=lambda part: (
                    ("" if stored_as else _archive_problem(part))
                    or _pin_problem(weights_sha256(part), pinned)
                ),
                wait=True,
            )
    except DamagedDownloadError as exc:
        raise CorruptWeightsError(
            source,
            exc.problem.removeprefix(f"{source} "),
            "Check the network and SOFTMODE_WEIGHTS_URL and run again, or fetch it by hand and put it at "
            f"{target}",
        ) from exc
    except DownloadError as exc:
        raise MissingWeightsError(
            target.name,
            f"the weights are not on this machine, and {source} {exc.problem.removeprefix('it ')}",
            f"On a machine with network access fetch that URL, and put the file at {target}",
        ) from exc
    except StorageError as exc:
        raise StorageError(
            exc.subject,
            f"weights: {exc.problem}",
            "Free space or permissions, or set SOFTMODE_CACHE to another directory",
        ) from exc
    fetched = WeightFile(target, weights_sha256(target))
    check_pin(source, fetched.sha256, pinned)
    _write_sidecar(fetched)
    return fetched


def _remove_stale(target: Path) -> None:
    """Remove what downloads that ended a day ago left behind: the published file may have changed."""
    for part in target.parent.glob(f".{target.name}.*part"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > _STALE_PART_S:
                part.unlink()


def unreadable(path: Path, kind: str, cause: Exception, remedy: str) -> CorruptWeightsError:
    """The error for weights that their library cannot read, with the first sentence of what it says.

    Parameters
    ----------
    path : Path
        The file or folder.
    kind : str
        Whose model it should be.
    cause : Exception
        What the library raised.
    remedy : str
        What can be done.
    """
    first = (str(cause).strip().splitlines() or [""])[0].partition(". ")[0].rstrip(".")
    said = f"{type(cause).__name__}: {first}" if first else type(cause).__name__
    return CorruptWeightsError(
        str(path),
        f"cannot be read as a {kind} model, so it is another's, cut short or damaged ({said})",
        remedy,
    )


def _archive_problem(path: Path) -> str:
    """What is wrong with a file torch saved (a zip archive with checksums); empty if nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, OSError) as exc:
        return f"is not a complete model file ({exc})"
    return f"is damaged: the checksum of its part {damaged!r} is wrong" if damaged else ""


def _pin_problem(sha256: str, pinned: str | None) -> str:
    return f"has SHA-256 {sha256}, but {pinned} is asked for" if pinned not in (None, sha256) else ""


def check_pin(subject: str, sha256: str, pinned: str | None) -> None:
    """Refuse weights that have not the SHA-256 they must have.

    Raises
    ------
    CorruptWeightsError
        Naming both.
    """
    problem = _pin_problem(sha256, pinned)
    if problem:
        remedy = "Check which weights are meant, and correct sha256 or replace the file"
        raise CorruptWeightsError(subject, problem, remedy)


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
        write_atomically(sidecar, f"{found.sha256}  {found.path.name}\n".encode())
    except StorageError as exc:
        # A shared, read-only cache is a fine place for weights: they are verified on each use instead.
        log.debug("no checksum recorded at %s: %s", sidecar, exc)
