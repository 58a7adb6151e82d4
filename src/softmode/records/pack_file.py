"""The file of a pack: its directory, and the members that it tells of, read without opening the others."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from softmode.files import Stamp

_COMMENT = b"softmode records, pack "
_LOCAL = struct.Struct("<4s2xHH8xLLHH")  # head of a member: mark, flags, method, sizes, lengths
_CENTRAL = struct.Struct("<4s6xH12xLHHH8xL")  # entry: mark, method, size, lengths, where the member's head is
_END = struct.Struct("<4s6xHLLH")  # end of an archive: mark, number of entries, their bytes, where they begin
_LONGEST_COMMENT = 100


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
    complete : bool
        Whether that is all there is in it: its directory is whole, and says of nothing else.
    """

    path: Path
    stamp: Stamp
    number: int
    members: Mapping[str, Member]
    complete: bool = False


def comment_of(number: int) -> bytes:
    """Comment of the pack that was the `number`-th."""
    return _COMMENT + str(number).encode()


def read_pack(path: Path, stamp: Stamp) -> Pack:
    """What a pack holds; of one whose end is lost what can be found from its beginning.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as stream:
        try:
            comment, members = _short_directory(stream, stamp[0]) or _directory(stream)
        except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError):
            return Pack(path, stamp, 0, dict(_walked(path, stream, stamp)))
    number = comment.removeprefix(_COMMENT)
    found = {
        key: Member(path, offset, size, int(changed) if changed.isdigit() else stamp[1])
        for name, method, size, offset, changed in members
        if (key := _key(name)) and method == zipfile.ZIP_STORED
    }
    place = int(number) if number.isdigit() else 0
    return Pack(path, stamp, place, found, complete=len(found) == len(members))


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
        return member_content(stream, member)


def member_content(stream: IO[bytes], member: Member) -> bytes:
    """As :func:`read_member`, of a pack that is open."""
    stream.seek(member.offset)
    head = stream.read(_LOCAL.size)
    if len(head) < _LOCAL.size:
        return b""
    *_, n_name, n_extra = _LOCAL.unpack(head)
    stream.seek(n_name + n_extra, 1)
    return stream.read(member.size)
