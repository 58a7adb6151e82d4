"""Files of one material, from a folder or an archive, and the errors that name them."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from softmode.errors import InputDataError, SoftmodeError

ARCHIVE_SUFFIXES = (".tar.lzma", ".tar.xz", ".txz")


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
    """Explain whatever a parser raises on a damaged file.

    Parameters
    ----------
    subject : str
        The file.
    problem, remedy : str
        As in `SoftmodeError`; the parser's own words are appended to the problem.
    """
    try:
        yield
    except (SoftmodeError, MemoryError):
        raise
    except RecursionError as error:
        raise InputDataError(subject, f"{problem} (it ends too early)", remedy) from error
    except Exception as error:
        said = " ".join(str(error).split())
        detail = f" ({said[:200]})" if said else ""
        raise InputDataError(subject, f"{problem}{detail}", remedy) from error


def read_bytes(path: Path) -> bytes:
    """Contents of a file as they are."""
    with reading(str(path), "the file cannot be read", "check the path and its permissions"):
        return path.read_bytes()


def decompressed(name: str, data: bytes) -> bytes:
    """Contents of a plain, ``.xz``/``.lzma`` or ``.gz`` file."""
    suffix = Path(name).suffix
    if suffix not in (".xz", ".lzma", ".gz"):
        return data
    with reading(name, "the compressed file is truncated or damaged", "fetch or copy it again"):
        return gzip.decompress(data) if suffix == ".gz" else lzma.decompress(data)


def as_text(subject: str, data: bytes) -> str:
    """UTF-8 text of a file."""
    with reading(subject, "this is not a text file", "check that it is what its name says"):
        return data.decode("utf-8")


def _whole(data: bytes, member: tarfile.TarInfo) -> bytes:
    if len(data) != member.size:
        raise EOFError(f"{member.name} ends after {len(data)} of {member.size} bytes")
    return data


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
            return cls(str(path), path.name, tuple(p.name for p in _inside(path)), path, {})
        contents: dict[str, bytes] = {}
        folders: set[str] = set()
        with reading(str(path), "the archive is truncated or damaged", "fetch or copy it again"):
            archived = io.BytesIO(lzma.decompress(path.read_bytes()))
            with tarfile.open(fileobj=archived, mode="r:") as tar:
                for member in tar:
                    stream = tar.extractfile(member) if member.isfile() else None
                    if stream is not None:
                        folder, _, name = member.name.removeprefix("./").rpartition("/")
                        folders.add(folder)
                        contents[name] = _whole(stream.read(), member)
        if len(folders) != 1:
            raise InputDataError(
                str(path),
                f"the archive holds {len(folders)} folders with files where one is expected",
                "give one archive per material",
            )
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

    def data(self, name: str) -> bytes:
        """Contents of a file, decompressed.

        Raises
        ------
        InputDataError
            If it is absent, unreadable or its compression is damaged.
        """
        self.require(name)
        if self.folder is None:
            return decompressed(self.subject(name), self.contents[name])
        return decompressed(self.subject(name), read_bytes(self.folder / name))

    def text(self, name: str) -> str:
        """Text of a file."""
        return as_text(self.subject(name), self.data(name))


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def source_fingerprint(path: Path) -> str:
    """Identity of a file, or of the files in a folder, without reading them; see :func:`fingerprint`."""
    return fingerprint([path] if path.is_file() else _inside(path), path.parent)


def fingerprint(files: list[Path], relative_to: Path) -> str:
    """SHA-256 of names relative to a folder, sizes and modification times (ns): changes when the files do."""
    digest = hashlib.sha256()
    for path in files:
        status = path.stat()
        digest.update(f"{path.relative_to(relative_to)}:{status.st_size}:{status.st_mtime_ns};".encode())
    return digest.hexdigest()
