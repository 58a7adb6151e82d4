"""Files that are there whole or not at all, what tells that one has changed, their locks and names."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from softmode.errors import StorageError

try:
    import fcntl
except ImportError:  # a system without such locks
    fcntl = None  # type: ignore[assignment]


def write_atomically(path: Path, content: bytes, *, kept: str = "what was finished is kept") -> None:
    """Write a file so that it is there whole or not at all.

    Parameters
    ----------
    path : Path
        The file; its folder is made.
    content : bytes
        What it holds.
    kept : str
        What running again finds, for the error.

    Raises
    ------
    StorageError
        On a full disk, missing permission and the like; nothing half-written stays behind.
    """
    fill_atomically(path, lambda temporary: temporary.write_bytes(content), kept=kept)


def fill_atomically(
    path: Path,
    fill: Callable[[Path], object],
    *,
    kept: str = "what was finished is kept",
    lasting: bool = True,
) -> None:
    """Let `fill` write a temporary file beside `path`, then put it in its place.

    What is in it is on the disk itself before the file appears; so are its name in the folder, and that of a
    folder made for it, when this returns. Power that fails leaves the whole file, or the one before. Not so
    where `lasting` is false: of many files, all are waited for together, by the caller.

    Further parameters and errors are those of :func:`write_atomically`.
    """
    temporary: Path | None = None
    try:
        made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(handle)
        temporary = Path(name)
        fill(temporary)
        if lasting:
            _sync(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
        if lasting and os.name == "posix":  # elsewhere a folder cannot be opened
            for folder in (path.parent, *(one.parent for one in made)):
                with contextlib.suppress(OSError):  # file systems that know no such thing refuse it
                    _sync(folder)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise StorageError(
            str(path.parent),
            "the disk is full" if full else f"cannot be written ({error.strerror or error})",
            ("make room there" if full else "check the folder's permissions") + f" and run again: {kept}",
        ) from error


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, written to the disk itself."""
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


_SEAL = b"sha256:"  # followed by the digest of what stands before; HDF5 ignores what follows its end
_LEFTOVER_SECONDS = 600.0


def sealed(content: bytes) -> bytes:
    """The content of a file with its checksum at the end."""
    return content + _SEAL + hashlib.sha256(content).digest()


def seal_holds(content: bytes) -> bool | None:
    """Whether the content of a file is byte for byte what was sealed; None where there is no seal."""
    end = len(content) - len(_SEAL) - hashlib.sha256().digest_size
    if end < 0 or not content.startswith(_SEAL, end):
        return None
    return content.endswith(hashlib.sha256(content[:end]).digest())


def lock(stream: IO[Any], *, wait: bool = False) -> bool:
    """Lock an open file until it is closed, also by the death of its process.

    Parameters
    ----------
    stream : file
        Open for writing.
    wait : bool
        Whether to wait until no other process has locked it.

    Returns
    -------
    bool
        False where another process has; True, too, on a system that has no such locks.

    Raises
    ------
    OSError
        If the file system cannot lock.
    """
    if fcntl is None:
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def checksum_of(path: Path, kind: str) -> str:
    """Checksum of a file, hexadecimal; `kind` as hashlib names it, or ``git``."""
    digest = hashlib.new("sha1" if kind == "git" else kind, usedforsecurity=False)
    if kind == "git":
        digest.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as stream:
        while data := stream.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()


def remove_leftovers(folder: Path, pattern: str = ".*.tmp") -> int:
    """Delete temporary files that a killed writer left behind; returns how many.

    Young ones are left alone: another process may be about to finish them.
    """
    removed = 0
    for leftover in folder.glob(pattern):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime > _LEFTOVER_SECONDS:
                leftover.unlink(missing_ok=True)
                removed += 1
    return removed


#: Size of a file, bytes, and time of its last change, ns.
Stamp = tuple[int, int]


def file_stamp(path: Path | str) -> Stamp | None:
    """Size and time of the last change of a file; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  (of texts, thousands of them)
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns


_LONGEST = 150  # characters of a name; file systems allow 255 bytes, and endings are added


def file_name(*parts: str) -> str:
    """Parts of a file name: everything but letters, digits and ``-_.`` becomes an underscore.

    A digest at the end tells apart what would have the same name, as ``a/b`` and ``a_b``.
    """
    clean = ["".join(c if c.isalnum() or c in "-_." else "_" for c in part) for part in parts]
    name = "_".join(clean)
    alike = clean != list(parts) or (len(parts) > 1 and any("_" in part for part in parts))
    if not alike and len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{name[:_LONGEST]}-{digest[:8]}"
