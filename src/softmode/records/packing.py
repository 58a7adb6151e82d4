"""Put finished records into packs and take them out again; killed at any moment, nothing is lost."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from softmode.files import Stamp, file_stamp, fill_atomically, seal_holds
from softmode.records.pack_file import comment_of, read_member, read_pack
from softmode.records.packs import CHECKED, Packs, packs_in
from softmode.records.record import digest_of
from softmode.records.store import RecordStore

logger = logging.getLogger(__name__)

#: Bytes of records in a pack, about: so much memory is needed, and copied again where copying broke off.
LARGEST = 256 * 2**20
_FIRST_YEAR = 1980  # that a ZIP archive can name

#: Told how many of how many records are done.
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class Packed:
    """What was packed or unpacked, or would be.

    Parameters
    ----------
    records, size : int
        How many records, and their bytes.
    packs : tuple of Path
        Packs that were made or taken apart; empty when it is only said what would be.
    left : int
        Records that stay as they are and will be made again: damaged ones, failures that may not repeat.
    kept : tuple of Path
        Packs that could not be taken apart altogether, and stay.
    """

    records: int
    size: int
    packs: tuple[Path, ...]
    left: int
    kept: tuple[Path, ...] = ()


class _Loose(NamedTuple):
    key: str
    path: Path
    content: bytes
    stamp: Stamp

    @property
    def member(self) -> str:
        return f"{self.key[:2]}/{self.key}.h5"


def loose_records(root: Path) -> list[Path]:
    """Files of records that are in no pack, in the order of their keys."""
    return sorted(
        (path for path in root.glob("??/*.h5") if path.name.startswith(path.parent.name)),
        key=lambda path: path.name,
    )


def pack_records(
    store: RecordStore, *, dry_run: bool = False, advance: Advance = lambda done, total: None
) -> Packed:
    """Put finished records of a store into packs.

    Each pack is read again and compared with the files it was made of before it gets its name, and these are
    deleted only then. Nobody may write into the store meanwhile.

    Parameters
    ----------
    store : RecordStore
        Whose records.
    dry_run : bool
        Only say what would be packed.
    advance : callable
        Told how many of how many records are done.

    Raises
    ------
    StorageError
        If a pack cannot be written, or does not hold what was written.
    """
    packs = packs_in(str(store.root))
    packs.refresh()
    paths = loose_records(store.root)
    finished = [path for path in paths if store.settled(path.stem)]
    store.flush()
    left = len(paths) - len(finished)
    if dry_run:
        sizes = [stamp[0] for path in finished if (stamp := file_stamp(path)) is not None]
        return Packed(len(sizes), sum(sizes), (), left)
    store.remove_leftovers()
    _remove_packed(packs, [path for path in finished if packs.find(path.stem) is not None])
    n_records, size, made, seen = 0, 0, [], 0
    for batch in _batches(finished):
        whole = [loose for loose in batch if seal_holds(loose.content)]
        left += len(batch) - len(whole)
        if whole:
            made.append(_write(packs, whole))
        _remove(whole)
        n_records, size = n_records + len(whole), size + sum(len(loose.content) for loose in whole)
        seen += len(batch)
        advance(seen, len(finished))
        del batch, whole  # before the next is read
    _remove_folders({path.parent for path in paths})
    return Packed(n_records, size, tuple(made), left)


def _remove_packed(packs: Packs, paths: Sequence[Path]) -> None:
    """Delete files that an earlier call has packed, but was killed before it deleted them."""
    for batch in _batches(paths):
        _remove([loose for loose in batch if _holds(packs, loose)])


def _batches(paths: Sequence[Path]) -> Iterator[list[_Loose]]:
    """Files read, as many together as a pack takes."""
    batch: list[_Loose] = []
    size = 0
    for path in paths:
        stamp = file_stamp(path)
        if stamp is None:
            continue
        if batch and size + stamp[0] > LARGEST:
            yield batch
            batch, size = [], 0
        batch.append(_Loose(path.stem, path, path.read_bytes(), stamp))
        size += stamp[0]
    if batch:
        yield batch


def _holds(packs: Packs, loose: _Loose) -> bool:
    """Whether the pack that is asked for a record holds this one, or it undamaged."""
    try:
        content = packs.read(loose.key)
    except OSError:
        return False
    whole = content is not None and bool(seal_holds(content))
    return whole and (content == loose.content or not seal_holds(loose.content))


def _write(packs: Packs, new: Sequence[_Loose]) -> Path:
    """A pack of records, under a name that says what is in it."""
    number = 1 + max((pack.number for pack in packs.all()), default=0)
    content = [[loose.member, *loose.stamp, loose.content[-32:].hex()] for loose in new]
    path = packs.folder / f"{digest_of([number, content])[:32]}.zip"

    def fill(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            archive.comment = comment_of(number)
            for loose in new:
                archive.writestr(_described(loose), loose.content)
        _compare(temporary, new)

    fill_atomically(path, fill, kept="records are as they were")
    packs.refresh()
    pack = next(pack for pack in packs.all() if pack.path.name == path.name)
    packs.note(pack, frozenset())
    return path


def _described(loose: _Loose) -> zipfile.ZipInfo:
    made = datetime.fromtimestamp(loose.stamp[1] // 10**9, UTC)
    info = zipfile.ZipInfo(loose.member, (max(made.year, _FIRST_YEAR), *made.timetuple()[1:6]))
    info.comment = str(loose.stamp[1]).encode()
    info.create_system, info.external_attr = 3, 0o100644 << 16  # as on Unix, wherever this is
    return info


def _compare(path: Path, written: Sequence[_Loose]) -> None:
    """Read a new pack again, as it will be read later."""
    stamp = file_stamp(path)
    members = read_pack(path, stamp or (0, 0)).members
    for loose in written:
        member = members.get(loose.key)
        held = None if member is None else (member.size, member.changed)
        if member is None or held != loose.stamp or read_member(member) != loose.content:
            raise OSError(errno.EIO, f"what was written of record {loose.key} is not what is read")


def _remove(packed: Sequence[_Loose]) -> None:
    """Delete files that are in a pack, but those that have changed since."""
    for loose in packed:
        if file_stamp(loose.path) == loose.stamp:
            with contextlib.suppress(FileNotFoundError):
                loose.path.unlink()


def _remove_folders(folders: set[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):  # something else is in it
            folder.rmdir()


def unpack_records(
    store: RecordStore, *, dry_run: bool = False, advance: Advance = lambda done, total: None
) -> Packed:
    """Write the records in packs as files again, as they were, and delete the packs.

    Damaged ones are left out, and those of which there is a later file. A pack is deleted only where each of
    its records is a file whose checksum is right, read again; one that holds anything else stays.

    Parameters and errors are those of :func:`pack_records`.
    """
    packs = packs_in(str(store.root))
    packs.refresh()
    sizes = {key: member.size for key in packs.keys() if (member := packs.find(key)) is not None}  # noqa: SIM118
    if dry_run:
        whole = [key for key in sizes if packs.stamp(key) is not None]
        return Packed(len(whole), sum(sizes[key] for key in whole), (), len(sizes) - len(whole))
    store.remove_leftovers()
    for done, key in enumerate(sorted(sizes), start=1):
        _write_loose(store.path(key), packs, key)
        advance(done, len(sizes))
    if hasattr(os, "sync"):
        os.sync()  # once for all files: they are on the disk before the packs go
    whole = [key for key in sizes if _whole(store.path(key))]
    gone, kept = _remove_packs(packs, set(whole))
    return Packed(len(whole), sum(sizes[key] for key in whole), gone, len(sizes) - len(whole), kept)


def _write_loose(path: Path, packs: Packs, key: str) -> None:
    """Write a record's file as it was, with its time; none over one that is whole, nor a damaged one."""
    try:
        with contextlib.suppress(FileNotFoundError):
            if seal_holds(path.read_bytes()):  # later than the pack
                return
        member, content = packs.find(key), packs.read(key)
    except OSError as error:
        logger.warning("record %s cannot be taken out (%s)", key, error.strerror or error)
        return
    if member is None or content is None or not seal_holds(content):
        return

    def fill(temporary: Path) -> None:
        temporary.write_bytes(content)
        os.utime(temporary, ns=(member.changed, member.changed))

    fill_atomically(path, fill, kept="what was unpacked is kept", lasting=False)


def _whole(path: Path) -> bool:
    """Whether a file is there, can be read, and is what was once written."""
    try:
        return bool(seal_holds(path.read_bytes()))
    except OSError:
        return False


def _remove_packs(packs: Packs, loose: AbstractSet[str]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Delete packs of which every record is a file now; returns them and those that hold something else."""
    gone: list[Path] = []
    kept: list[Path] = []
    for pack in packs.all():
        out = pack.complete and pack.members.keys() <= loose and file_stamp(pack.path) == pack.stamp
        (gone if out else kept).append(pack.path)
    for path in gone:
        path.unlink(missing_ok=True)
    if not kept:
        (packs.folder / CHECKED).unlink(missing_ok=True)
        _remove_folders({packs.folder})
    packs.refresh()
    return tuple(gone), tuple(kept)
