"""Finished records in few large files: ZIP archives of records' files as they are, each read where it lies.

A pack holds what ``ab/ab12….h5`` held, byte for byte and uncompressed, under that name: ``unzip`` gives the
files back. Its directory says when each file was made: what is known of records
(:mod:`softmode.records.headers`) stays true when they are packed, copied and unpacked. Packs are added, never
changed.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path

from softmode.errors import StorageError
from softmode.files import Stamp, file_stamp, seal_holds, write_atomically
from softmode.memory import collecting_later
from softmode.records.pack_file import Member, Pack, member_content, read_member, read_pack

logger = logging.getLogger(__name__)

#: In the folder of records.
FOLDER = "packs"
#: There: which records of which pack are damaged. Safe to delete.
CHECKED = "checked.json"
_SETTLED_NS = 3_000_000_000  # after which a change of a folder has another time, on any file system


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
        """Look whether packs have come, gone or changed since they were last looked at.

        Raises
        ------
        StorageError
            If one cannot be read: nothing is known of its records then, not even that they are missing.
        """
        changed = self._changed()
        paths = self._listed() if changed else []
        packs: dict[str, Pack] = {}
        with collecting_later():
            for path in paths:
                pack = self._looked_at(path)
                if pack is not None:
                    packs[path.name] = pack
        if packs != self._packs:
            members: dict[str, Member] = {}
            for pack in sorted(packs.values(), key=lambda pack: (pack.number, pack.path.name)):
                members.update(pack.members)
            self._packs, self._members, self._damaged = packs, members, None
        self._seen = changed, time.time_ns() - changed > _SETTLED_NS

    def _changed(self) -> int:
        """When packs last came or went, ns; 0 where there is no folder of packs."""
        try:
            found = file_stamp(self.folder)
        except OSError as error:
            raise _out_of_reach(self.folder, error) from error
        return 0 if found is None else found[1]

    def _listed(self) -> list[Path]:
        try:
            names = os.listdir(self.folder)  # noqa: PTH208  (Path.glob says nothing of errors)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _out_of_reach(self.folder, error) from error
        return [self.folder / name for name in sorted(names) if name.endswith(".zip") and name[0] != "."]

    def _looked_at(self, path: Path) -> Pack | None:
        """A pack, read where it has changed; None where it is gone."""
        try:
            stamp, known = file_stamp(path), self._packs.get(path.name)
            if stamp is None:
                return None
            return known if known is not None and known.stamp == stamp else read_pack(path, stamp)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _out_of_reach(path, error) from error

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
        if self._seen is not None and (self._changed(), True) == self._seen:
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
        """Keys of records whose checksums are wrong, or that cannot be read.

        Where a pack has not changed it is known from earlier which are whole; the others are read again, as
        what is wrong for a moment must not be so for ever.
        """
        noted = _noted(self.folder)
        for pack in self._packs.values():
            known = noted.get((pack.path.name, pack.stamp))
            doubtful = pack.members.keys() if known is None else known & pack.members.keys()
            try:
                damaged, unread = _look_through(pack, doubtful) if doubtful else (frozenset(), frozenset())
            except FileNotFoundError:  # packed otherwise since: who reads such a record notices
                continue
            except OSError as error:
                raise _out_of_reach(pack.path, error) from error
            if damaged != known and not unread:
                self.note(pack, damaged)
            for what, keys in (("are damaged", damaged), ("cannot be read", unread)):
                current = [key for key in keys if self._members.get(key) == pack.members[key]]
                if current:
                    logger.warning(
                        "%s: %d of %d records %s; the next run of the study computes them anew",
                        pack.path,
                        len(current),
                        len(pack.members),
                        what,
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


def _look_through(pack: Pack, keys: Collection[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Which of some records of a pack are damaged, and which cannot be read.

    Raises
    ------
    OSError
        If the pack cannot be opened.
    """
    damaged, unread = [], []
    with pack.path.open("rb") as stream:
        for key in keys:
            try:
                content = member_content(stream, pack.members[key])
            except OSError:
                with pack.path.open("rb") as again:  # tells a bad place from a file system that is away
                    try:
                        content = member_content(again, pack.members[key])
                    except OSError:
                        unread.append(key)
                        continue
            if not seal_holds(content):
                damaged.append(key)
    return frozenset(damaged), frozenset(unread)


def _out_of_reach(path: Path, error: OSError) -> StorageError:
    return StorageError(
        str(path),
        f"records packed there cannot be read ({error.strerror or error})",
        "run again when it can be; if it never can, move it away: its records are computed anew",
    )


def _noted(folder: Path) -> dict[tuple[str, Stamp], frozenset[str]]:
    try:
        content = json.loads((folder / CHECKED).read_text(encoding="utf-8"))
        return {(name, (size, changed)): frozenset(keys) for name, size, changed, keys in content}
    except (OSError, ValueError, TypeError):
        return {}
