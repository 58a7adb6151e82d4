"""Files of one material, from a folder or an archive, plain or compressed, and the errors that name them."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from softmode.datasets.limits import check_memory, check_size
from softmode.errors import InputDataError, SoftmodeError

ARCHIVE_SUFFIXES = (".tar.lzma", ".tar.xz", ".txz")
_AGAIN = "fetch or copy it again"
_PIECE = 1 << 17
_GZIP, _XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"


@contextmanager
def naming(subject: str) -> Iterator[None]:
    """Put the file or material in front of the subject of an `InputDataError` raised inside."""
    try:
        yield
    except InputDataError as error:
        if subject in error.subject:
            raise
        raise InputDataError(f"{subject}, {error.subject}", error.problem, error.remedy) from error


@contextmanager
def reading(subject: str, problem: str, remedy: str) -> Iterator[None]:
    """Explain whatever a parser raises on a damaged file; what overflows in it is left to the checks.

    Parameters
    ----------
    subject : str
        The file.
    problem, remedy : str
        As in `SoftmodeError`; the parser's own words are appended to the problem.
    """
    try:
        with np.errstate(all="ignore"):
            yield
    except (SoftmodeError, MemoryError):
        raise
    except RecursionError as error:
        raise InputDataError(subject, f"{problem} (it ends too early)", remedy) from error
    except Exception as error:
        said = " ".join(str(error).split())
        detail = f" ({said[:200]})" if said else ""
        raise InputDataError(subject, f"{problem}{detail}", remedy) from error


def as_text(subject: str, data: bytes) -> str:
    """UTF-8 text of a file."""
    with reading(subject, "this is not a text file", "check that it is what its name says"):
        return data.decode("utf-8")


def read_archive(path: Path, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, bytes]:
    """Files in a tar archive by their paths; empty those that are not wanted.

    Raises
    ------
    InputDataError
        If it is cut short or damaged.
    """
    contents: dict[str, bytes] = {}
    packed, size = path.stat().st_size if path.exists() else 0, 0
    with reading(str(path), "the archive is truncated or damaged", _AGAIN), tarfile.open(path) as tar:
        for member in tar:
            size += member.size
            check_size(str(path), size, packed)
            if member.isfile():
                check_memory(str(path), size)
                stream = tar.extractfile(member) if wanted(member.name) else None
                contents[member.name] = data = b"" if stream is None else stream.read()
                if stream is not None and len(data) != member.size:
                    raise EOFError(f"{member.name} ends after {len(data)} of {member.size} bytes")
        while tar.fileobj is not None and (piece := tar.fileobj.read(_PIECE)):
            size += len(piece)  # to the end: compression that is cut short shows there
            check_size(str(path), size, packed)
    return contents


class ByteStream:
    """The bytes of a file in pieces, decompressed (``.gz``, ``.xz``, ``.lzma``; found by content).

    A compressed file that ends too early gives what can be decompressed; `cut` then says so. One that is
    damaged elsewhere is refused.

    Parameters
    ----------
    path : Path
        The file.
    data : bytes, optional
        What it holds, where that is in memory already (out of an archive); `path` is then for messages.

    Attributes
    ----------
    cut : bool
        Whether the compressed data ended too early; meaningful once all pieces were taken.
    """

    def __init__(self, path: Path, data: bytes | None = None) -> None:
        self.path = path
        self.cut = False
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        """Pieces, of any size, none empty.

        Raises
        ------
        InputDataError
            If the file cannot be read or its compression is damaged.
        """
        subject, compression = str(self.path), self._compression()
        with self._raw() as raw:
            if compression is None:
                yield from iter(lambda: raw.read(_PIECE), b"")
                return
            file = gzip.GzipFile(fileobj=raw) if compression == "gzip" else lzma.LZMAFile(raw)  # noqa: SIM115
            self.cut = True  # until its end is seen
            empty, size, packed = True, 0, self._size()
            while True:
                with reading(subject, "the compressed file is truncated or damaged", _AGAIN):
                    try:
                        piece = file.read1(_PIECE)
                    except EOFError:
                        return
                if not piece:
                    self.cut = empty
                    return
                empty = False
                size += len(piece)
                check_size(subject, size, packed)
                yield piece

    def lines(self) -> Iterator[bytes]:
        """Lines with their line feeds; the last one may lack its own."""
        held = b""
        for piece in self:
            *whole, held = (held + piece).split(b"\n")
            for line in whole:
                yield line + b"\n"
        if held:
            yield held

    def head(self) -> bytes:
        """The first bytes, at most a few thousand."""
        collected = b""
        for piece in self:
            collected += piece
            if len(collected) >= 4096:
                break
        return collected[:4096]

    def whole(self) -> bytes:
        """Everything.

        Raises
        ------
        InputDataError
            If the file cannot be read, or is compressed and cut short or damaged.
        """
        data = self._in_memory()
        if self.cut:
            raise InputDataError(str(self.path), "the compressed file is truncated or damaged", _AGAIN)
        return data

    def _in_memory(self) -> bytes:
        pieces, size = [], 0
        for piece in self:
            size += len(piece)
            check_memory(str(self.path), size)
            pieces.append(piece)
        return b"".join(pieces)

    def _size(self) -> int:
        """Bytes of the file as it is, compressed or not."""
        return len(self._data) if self._data is not None else self.path.stat().st_size

    def seekable(self) -> Path | io.BytesIO:
        """What random access needs: the file itself, or in memory what a compressed one holds."""
        return self.path if self._compression() is None else io.BytesIO(self._in_memory())

    def _compression(self) -> str | None:
        with self._raw() as file:
            start = file.read(6)
        suffix = self.path.suffix.lower()
        if start.startswith(_GZIP):
            return "gzip"
        if start.startswith(_XZ) or suffix in (".xz", ".lzma"):
            return "xz"
        return "gzip" if suffix == ".gz" else None

    def _raw(self) -> BinaryIO:
        with reading(str(self.path), "the file cannot be read", "check the path and its permissions"):
            return io.BytesIO(self._data) if self._data is not None else cast(BinaryIO, self.path.open("rb"))


@dataclass(frozen=True)
class Files:
    """Readable files of one material.

    Parameters
    ----------
    source : str
        Path of the folder or archive, for errors.
    folder_name : str
        Name of the (archived) folder.
    names : tuple of str
        File names.
    folder : Path or None
        Where the files lie, when they are not in memory.
    contents : dict
        File contents, when they are in memory.
    """

    source: str
    folder_name: str
    names: tuple[str, ...]
    folder: Path | None
    contents: dict[str, bytes]

    @classmethod
    def open(cls, path: Path) -> Files:
        """Read an archive of a folder, or list a folder.

        Raises
        ------
        InputDataError
            If the archive is truncated, damaged, or holds no single folder.
        """
        if path.is_dir():
            there = sorted(p.name for p in path.iterdir() if p.is_file() or _leads_nowhere(p))
            return cls(str(path), path.name, tuple(there), path, {})
        archived = {name.removeprefix("./"): data for name, data in read_archive(path).items()}
        folders = {name.rpartition("/")[0] for name in archived}
        if len(folders) != 1:
            raise InputDataError(
                str(path),
                f"the archive holds {len(folders)} folders with files where one is expected",
                "give one archive per material",
            )
        contents = {name.rpartition("/")[2]: data for name, data in archived.items()}
        return cls(str(path), folders.pop().split("/")[-1], tuple(sorted(contents)), None, contents)

    def all_of(self, *candidates: str) -> list[str]:
        """Those of `candidates` that exist, in their order, also with ``.xz``, ``.lzma`` or ``.gz``."""
        names = [name + suffix for name in candidates for suffix in ("", ".xz", ".lzma", ".gz")]
        return [name for name in names if name in self.names]

    def first(self, *candidates: str) -> str | None:
        """The first of `candidates` that exists, also with ``.xz``, ``.lzma`` or ``.gz``."""
        return next(iter(self.all_of(*candidates)), None)

    def require(self, name: str) -> None:
        """Refuse a file that is absent.

        Raises
        ------
        InputDataError
            Naming it and the files there are.
        """
        if name not in self.names:
            shown = ", ".join(self.names[:12]) or "no files"
            shown += ", …" if len(self.names) > 12 else ""
            raise InputDataError(
                self.source,
                f"{name} is missing",
                f"add {name} or fetch the data again; it holds {shown}",
            )

    def subject(self, name: str) -> str:
        """How errors name one file."""
        return f"{self.source}/{name}"

    def stream(self, name: str) -> ByteStream:
        """The bytes of a file that exists, piece by piece."""
        if self.folder is not None:
            return ByteStream(self.folder / name)
        return ByteStream(Path(self.subject(name)), self.contents[name])

    def data(self, name: str) -> bytes:
        """Contents of a file, decompressed.

        Raises
        ------
        InputDataError
            If it is absent, unreadable or its compression is damaged.
        """
        self.require(name)
        return self.stream(name).whole()

    def text(self, name: str) -> str:
        """Text of a file."""
        return as_text(self.subject(name), self.data(name))


def _leads_nowhere(path: Path) -> bool:
    """A link to nothing: somebody meant to give that file, so it is refused where it is read."""
    return path.is_symlink() and not path.exists()


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def source_fingerprint(path: Path) -> str:
    """Identity of a file, or of the files in a folder, without reading them; see :func:`fingerprint`."""
    return fingerprint([path] if path.is_file() else _inside(path), path.parent)


def fingerprint(files: list[Path], relative_to: Path) -> str:
    """SHA-256 of names relative to a folder, sizes and times (ns): changes when the files do.

    The time of the last change of the inode counts as well: an editor or archive can put back the other one.
    """
    digest = hashlib.sha256()
    for path in files:
        status = path.stat()
        digest.update(os.fsencode(path.relative_to(relative_to)) + f":{status.st_size}".encode())
        digest.update(f":{status.st_mtime_ns}:{status.st_ctime_ns};".encode())
    return digest.hexdigest()
