"""Finished records in few large files: ZIP archives of records' files as they are, each read where it lies.

A pack holds what ``ab/ab12….h5`` held, byte for byte and uncompressed, under that name: ``unzip`` gives the
files back. Its directory says when each file was made: what is known of records
(:mod:`softmode.records.headers`) stays true when they are packed, copied and unpacked. Packs are added, never
changed.
"""

from __future__ import annotations

import json
import logging
import struct
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple

from softmode.errors import StorageError
from softmode.files import Stamp, file_stamp, seal_holds, write_atomically
from softmode.memory import collecting_later

logger = logging.getLogger(__name__)

#: In the folder of records.
FOLDER = "packs"
#: There: which records of which pack are damaged. Safe to delete.
CHECKED = "checked.json"
_COMMENT = b"softmode records, pack "
_LOCAL = struct.Struct("<4s2xHH8xLLHH")  # head of a member: mark, flags, method, sizes, lengths
_CENTRAL = struct.Struct("<4s6xH12xLHHH8xL")  # entry: mark, method, size, lengths, where the member's head is
_END = struct.Struct("<4s6xHLLH")  # end of an archive: mark, number of entries, their bytes, where they begin
_LONGEST_COMMENT = 100
_SETTLED_NS = 3_000_000_000  # after which a change of a folder has another time, on any file system


#: Name, method, size, where its head is, comment of a member of an archive.
_Entry = tuple[str, int, int, int, bytes]


class Member(NamedTuple):
    """Where the file of a record lies in a pack.

    Attributes
    ----------
    pack : Path
        The pack.
    offset : int
        Of the member's head; what it holds comes after that.
    size : int
        Bytes of the record's file.
    changed : int
        When that was last changed, ns.
    """

    pack: Path
    offset: int
    size: int
    changed: int


@dataclass(frozen=True)
class Pack:
    """A pack and what is in it.

    Parameters
    ----------
    path : Path
        The file.
    stamp : (int, int)
        Of the file.
    number : int
        Later ones are right where several hold a record; 0 where that is lost.
    members : mapping of str to Member
        By key of the record.
    """

    path: Path
    stamp: Stamp
    number: int
    members: Mapping[str, Member]


class Packs:
    """The packs of a folder of records, their directories read once in a process.

    Parameters
    ----------
    root : Path
        The folder of records.
    """

    def __init__(self, root: Path) -> None:
        self.folder = Path(root) / FOLDER
        self._seen: tuple[int, bool] | None = None
        self._packs: dict[str, Pack] = {}
        self._members: dict[str, Member] = {}
        self._damaged: frozenset[str] | None = None

    def refresh(self) -> None:
        """Look whether packs have come, gone or changed since they were last looked at."""
        try:
            changed = self.folder.stat().st_mtime_ns
            paths = sorted(path for path in self.folder.glob("*.zip") if not path.name.startswith("."))
        except OSError:
            changed, paths = 0, []
        packs: dict[str, Pack] = {}
        with collecting_later():
            for path in paths:
                stamp, known = file_stamp(path), self._packs.get(path.name)
                if stamp is not None:
                    kept = known is not None and known.stamp == stamp
                    packs[path.name] = known if known is not None and kept else read_pack(path, stamp)
        if packs != self._packs:
            members: dict[str, Member] = {}
            for pack in sorted(packs.values(), key=lambda pack: (pack.number, pack.path.name)):
                members.update(pack.members)
            self._packs, self._members, self._damaged = packs, members, None
        self._seen = changed, time.time_ns() - changed > _SETTLED_NS

    def all(self) -> tuple[Pack, ...]:
        """The packs there are, as last looked at."""
        if self._seen is None:
            self.refresh()
        return tuple(self._packs.values())

    def find(self, key: str) -> Member | None:
        """Where the record of `key` is; None where no pack has it."""
        found = self._members.get(key)
        if found is not None:
            return found
        if self._seen is not None:
            try:
                changed = self.folder.stat().st_mtime_ns
            except OSError:
                changed = 0
            if (changed, True) == self._seen:
                return None
        self.refresh()
        return self._members.get(key)

    def keys(self) -> set[str]:
        """Keys of all records in packs."""
        self.all()
        return set(self._members)

    def read(self, key: str) -> bytes | None:
        """What the file of a record held, damaged or not; None where no pack has it.

        Raises
        ------
        OSError
            If its pack cannot be read.
        """
        found = self.find(key)
        if found is None:
            return None
        try:
            return read_member(found)
        except FileNotFoundError:  # packed otherwise since
            self.refresh()
            found = self.find(key)
            return None if found is None else read_member(found)

    def stamp(self, key: str) -> Stamp | None:
        """Stamp of a record's file as it was before it was packed; None where it is damaged, or in no pack.

        All records of a pack are looked through where nothing says that this was done since it last changed.
        """
        found = self.find(key)
        if found is None:
            return None
        damaged = self._damaged
        if damaged is None:
            damaged = self._damaged = frozenset(self._found_damaged())
        return None if key in damaged else (found.size, found.changed)

    def _found_damaged(self) -> Iterator[str]:
        """Keys of records whose checksums are wrong; known from earlier where a pack has not changed."""
        noted = _noted(self.folder)
        for pack in self._packs.values():
            known = noted.get((pack.path.name, pack.stamp))
            if known is None:
                known = _look_through(pack)
                self.note(pack, known)
            current = [key for key in known if self._members.get(key) == pack.members[key]]
            if current:
                logger.warning(
                    "%s: %d of %d records are damaged; the next run of the study computes them anew",
                    pack.path,
                    len(current),
                    len(pack.members),
                )
            yield from current

    def note(self, pack: Pack, damaged: frozenset[str]) -> None:
        """Write down which records of a pack are damaged; where that cannot be written it costs time only."""
        noted = _noted(self.folder) | {(pack.path.name, pack.stamp): damaged}
        content = [
            [name, *stamp, sorted(keys)]
            for (name, stamp), keys in sorted(noted.items())
            if file_stamp(self.folder / name) == stamp
        ]
        try:
            write_atomically(self.folder / CHECKED, json.dumps(content).encode())
        except StorageError as error:
            logger.debug("%s", error)


@cache
def packs_in(root: str) -> Packs:
    """The packs of a folder of records, shared by all who read it in this process."""
    return Packs(Path(root))


def comment_of(number: int) -> bytes:
    """Comment of the pack that was the `number`-th."""
    return _COMMENT + str(number).encode()


def read_pack(path: Path, stamp: Stamp) -> Pack:
    """What a pack holds; of one whose end is lost what can be found from its beginning."""
    try:
        with path.open("rb") as stream:
            try:
                listed = _short_directory(stream, stamp[0]) or _directory(stream)
            except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError):
                return Pack(path, stamp, 0, dict(_walked(path, stream, stamp)))
    except OSError as error:
        logger.warning("%s: cannot be read (%s)", path, error.strerror or error)
        return Pack(path, stamp, 0, {})
    comment, members = listed
    number = comment.removeprefix(_COMMENT)
    found = {
        key: Member(path, offset, size, int(changed) if changed.isdigit() else stamp[1])
        for name, method, size, offset, changed in members
        if (key := _key(name)) and method == zipfile.ZIP_STORED
    }
    return Pack(path, stamp, int(number) if number.isdigit() else 0, found)


def _directory(stream: IO[bytes]) -> tuple[bytes, list[_Entry]]:
    """Comment and entries of an archive."""
    with zipfile.ZipFile(stream) as archive:
        return archive.comment, [
            (one.filename, one.compress_type, one.file_size, one.header_offset, one.comment)
            for one in archive.infolist()
        ]


def _short_directory(stream: IO[bytes], size: int) -> tuple[bytes, list[_Entry]] | None:
    """The same of an archive that needs no 64-bit numbers: a fifth of the time, which every process spends.

    None for any other.
    """
    start = max(0, size - _END.size - _LONGEST_COMMENT)
    stream.seek(start)
    tail = stream.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0:
        return None
    _, n, length, begin, _ = _END.unpack_from(tail, at)
    if n == 0xFFFF or 0xFFFFFFFF in (length, begin) or begin + length != start + at:
        return None
    stream.seek(begin)
    content = stream.read(length)
    entries: list[_Entry] = []
    place = 0
    for _ in range(n):
        mark, method, own, n_name, n_extra, n_comment, offset = _CENTRAL.unpack_from(content, place)
        if mark != b"PK\1\2" or 0xFFFFFFFF in (own, offset):
            return None
        end = place + _CENTRAL.size + n_name
        name = content[end - n_name : end].decode("ascii", "replace")
        place = end + n_extra + n_comment
        entries.append((name, method, own, offset, content[end + n_extra : place]))
    return tail[at + _END.size :], entries


def _walked(path: Path, stream: IO[bytes], stamp: Stamp) -> Iterator[tuple[str, Member]]:
    """Members of a pack whose directory is damaged, head by head as far as they are whole."""
    at = 0
    while True:
        stream.seek(at)
        head = stream.read(_LOCAL.size)
        if len(head) < _LOCAL.size:
            return
        mark, flags, method, size, full, n_name, n_extra = _LOCAL.unpack(head)
        name = stream.read(n_name)
        end = at + _LOCAL.size + n_name + n_extra + size
        if mark != b"PK\3\4" or flags & 8 or method != zipfile.ZIP_STORED or size != full or end > stamp[0]:
            return
        key = _key(name.decode("ascii", "replace"))
        if key:
            yield key, Member(path, at, size, stamp[1])
        at = end


def _key(member: str) -> str:
    """Key of the record that a member is; empty for anything else."""
    folder, _, name = member.partition("/")
    key = name.removesuffix(".h5")
    return key if name.endswith(".h5") and "/" not in key and key[:2] == folder else ""


def read_member(member: Member) -> bytes:
    """What a member holds; less where the pack ends before."""
    with member.pack.open("rb") as stream:
        return _content(stream, member)


def _content(stream: IO[bytes], member: Member) -> bytes:
    stream.seek(member.offset)
    head = stream.read(_LOCAL.size)
    if len(head) < _LOCAL.size:
        return b""
    *_, n_name, n_extra = _LOCAL.unpack(head)
    stream.seek(n_name + n_extra, 1)
    return stream.read(member.size)


def _look_through(pack: Pack) -> frozenset[str]:
    try:
        with pack.path.open("rb") as stream:
            return frozenset(
                key for key, member in pack.members.items() if not seal_holds(_content(stream, member))
            )
    except OSError:
        return frozenset(pack.members)


def _noted(folder: Path) -> dict[tuple[str, Stamp], frozenset[str]]:
    try:
        content = json.loads((folder / CHECKED).read_text(encoding="utf-8"))
        return {(name, (size, changed)): frozenset(keys) for name, size, changed, keys in content}
    except (OSError, ValueError, TypeError):
        return {}
