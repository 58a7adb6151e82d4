"""What records say but for their arrays, in one file: tables of large studies without opening each record.

Safe to delete. A record is looked up under its key, and what is kept of it counts only while size and time of
its file are those that were noted; everything else is read from the record itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softmode.errors import StorageError
from softmode.files import Stamp, write_atomically
from softmode.memory import collecting_later
from softmode.records.record import Failure

logger = logging.getLogger(__name__)

_FLUSH_FROM = 500  # headers held back until they are written together
_AT_ONCE = 1000  # lines that are parsed together
_SUM = 9  # characters of a line before what it says
_SPARE = 5000  # lines that may be out of date before the file is written anew


@dataclass(frozen=True, slots=True)
class Header:
    """A record without inputs and arrays, and the file it was in.

    Parameters
    ----------
    key, measurement : str
        As in :class:`softmode.records.Record`.
    stamp : (int, int)
        Of its file.
    names, row : tuple
        Names and values of its scalars and short texts.
    failure : Failure or None
        As in the record.
    seconds, calls, created, software : float, int or None, str, str
        As in the record.
    """

    key: str
    measurement: str
    stamp: Stamp
    names: tuple[str, ...]
    row: tuple[Any, ...]
    failure: Failure | None
    seconds: float
    calls: int | None
    created: str
    software: str

    @property
    def ok(self) -> bool:
        """Whether there is a result."""
        return self.failure is None


class HeaderCache:
    """Headers of records in a file of JSON lines; later ones replace earlier ones.

    Records of one kind share the list of their names, which has a line of its own.

    Parameters
    ----------
    path : Path
        The file; made when there is something to write. One that cannot be written is done without.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, Header] | None = None
        self._unsaved: list[Header] = []
        self._names: dict[tuple[str, ...], str] = {}
        self._written: set[str] = set()

    def find(self, key: str, stamp: Stamp) -> Header | None:
        """Return the header of a record, if its file is as it was."""
        header = self._loaded().get(key)
        return header if header is not None and header.stamp == stamp else None

    def keep(self, header: Header) -> None:
        """Note a header; it is written with others, see :meth:`flush`."""
        self._loaded()[header.key] = header
        self._unsaved.append(header)
        if len(self._unsaved) >= _FLUSH_FROM:
            self.flush()

    def flush(self) -> None:
        """Write what has been noted."""
        unsaved, self._unsaved = self._unsaved, []
        text = "".join(f"{line}\n" for line in self._lines(unsaved))
        if not text:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as file:
                # the first break ends a line that a killed process may have left unfinished
                file.write(f"\n{text}".encode())
        except OSError as error:
            logger.debug("%s cannot be written: %s", self.path, error)

    def _loaded(self) -> dict[str, Header]:
        if self._known is None:
            self._known = {}
            n_lines = 0
            with collecting_later():
                for header in self._read():
                    self._known[header.key] = header
                    n_lines += 1
            if n_lines > len(self._known) + _SPARE:
                self._rewrite(self._known.values())
        return self._known

    def _read(self) -> Iterator[Header]:
        kinds: dict[str, tuple[str, ...]] = {}
        try:
            lines = self.path.read_bytes().split(b"\n")
        except OSError as error:
            logger.debug("%s cannot be read: %s", self.path, error)
            return
        for content in _contents([line[_SUM:] for line in lines if _undamaged(line)]):
            header = _parsed(content, kinds)
            if header is not None:
                yield header

    def _lines(self, headers: Iterable[Header]) -> Iterator[str]:
        for header in headers:
            kind = self._kind(header.names)
            if kind not in self._written:
                self._written.add(kind)
                yield _summed(json.dumps({"kind": kind, "names": header.names}))
            yield _summed(
                json.dumps(
                    [
                        header.key,
                        header.measurement,
                        header.stamp,
                        kind,
                        header.row,
                        None if header.failure is None else header.failure.__dict__,
                        header.seconds,
                        header.calls,
                        header.created,
                        header.software,
                    ],
                    separators=(",", ":"),
                )
            )

    def _kind(self, names: tuple[str, ...]) -> str:
        if names not in self._names:
            self._names[names] = hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]
        return self._names[names]

    def _rewrite(self, headers: Iterable[Header]) -> None:
        self._written.clear()
        text = "".join(f"{line}\n" for line in self._lines(headers))
        try:
            write_atomically(self.path, text.encode())
        except StorageError as error:
            logger.debug("%s", error)


def _summed(text: str) -> str:
    """A line of the file: its checksum, so that a damaged one is not believed, and what it says."""
    return f"{zlib.crc32(text.encode()):08x} {text}"


def _undamaged(line: bytes) -> bool:
    return line.startswith(b"%08x " % zlib.crc32(line[_SUM:]))


def _contents(texts: Sequence[bytes]) -> Iterator[Any]:
    """What lines say; those that are no JSON are left out."""
    for start in range(0, len(texts), _AT_ONCE):
        some = texts[start : start + _AT_ONCE]
        try:  # together in half the time
            yield from json.loads(b"[%s]" % b",".join(some))
        except ValueError:
            for text in some:
                with contextlib.suppress(ValueError):
                    yield json.loads(text)


def _parsed(content: Any, kinds: dict[str, tuple[str, ...]]) -> Header | None:
    """Header of a line; None for a list of names, which is noted, and for what is none."""
    try:
        if isinstance(content, dict):
            kinds[content["kind"]] = tuple(content["names"])
            return None
        key, measurement, stamp, kind, row, failure, seconds, calls, created, software = content
        names = kinds[kind]
        if len(names) != len(row):
            return None
        why = None if failure is None else Failure(**failure)
        return Header(
            key, measurement, tuple(stamp), names, tuple(row), why, seconds, calls, created, software
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
