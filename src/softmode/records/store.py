"""A folder of records: an HDF5 file each, written whole or not at all, or in a pack, addressed by key."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from softmode.errors import StorageError
from softmode.files import Stamp, file_stamp, remove_leftovers, sealed, write_atomically
from softmode.records.headers import Header, HeaderCache
from softmode.records.packs import packs_in
from softmode.records.record import Arrays, Failure, Record
from softmode.records.record_file import record_content, record_holder, record_stamp

_FORMAT = 1


def _values_text(record: Record) -> str:
    return json.dumps(record.values, sort_keys=True)


def _encode(record: Record) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["softmode_record"] = _FORMAT
        for name in ("key", "measurement", "seconds", "created", "software"):
            file.attrs[name] = getattr(record, name)
        file.attrs["calls"] = json.dumps(record.calls)
        file.attrs["inputs"] = json.dumps(record.inputs, sort_keys=True)
        file.attrs["values"] = _values_text(record)
        file.attrs["arithmetic"] = json.dumps(record.arithmetic, sort_keys=True)
        file.attrs["failure"] = json.dumps(record.failure.__dict__ if record.failure else None)
        for name, array in record.arrays.items():
            compressible = array.ndim > 0 and array.size > 64 and array.dtype.kind in "fiub"
            options = {"compression": "gzip", "shuffle": True, "fletcher32": True} if compressible else {}
            file.create_dataset(name, data=array, **options)
    return sealed(buffer.getvalue())


def make_header(record: Record, stamp: Stamp) -> Header:
    """What a record says but for inputs and arrays, and the file it is in."""
    values = record.values
    return Header(
        key=record.key,
        measurement=record.measurement,
        stamp=stamp,
        names=tuple(values),
        row=tuple(values.values()),
        failure=record.failure,
        seconds=record.seconds,
        calls=record.calls,
        created=record.created,
        software=record.software,
    )


def _of_header(header: Header) -> Record:
    return Record(
        key=header.key,
        measurement=header.measurement,
        inputs={},
        values=dict(zip(header.names, header.row, strict=True)),
        failure=header.failure,
        seconds=header.seconds,
        calls=header.calls,
        created=header.created,
        software=header.software,
    )


class Partial:
    """What a long measurement has so far, in numbered pieces; gone once its record is stored.

    Parameters
    ----------
    folder : Path
        Where the pieces are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, number: int, arrays: Arrays) -> None:
        """Store a piece atomically."""
        buffer = io.BytesIO()
        np.savez(buffer, **dict(arrays))  # type: ignore[arg-type]
        write_atomically(self.folder / f"{number:06d}.npz", buffer.getvalue())

    def load(self, number: int) -> dict[str, NDArray[Any]] | None:
        """Return a piece; None if it is not there or damaged."""
        try:
            with np.load(self.folder / f"{number:06d}.npz", allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, EOFError, ValueError, zipfile.BadZipFile):
            return None

    def clear(self) -> None:
        """Forget all pieces."""
        shutil.rmtree(self.folder, ignore_errors=True)


class RecordStore:
    """A folder of records, one HDF5 file each or a part of a pack, addressed by key.

    A file of its own is right where a pack has a record, too.

    Parameters
    ----------
    root : Path
        The folder; made when the first record is written.
    headers : HeaderCache, optional
        What is known of the records without opening them.
    """

    def __init__(self, root: Path, headers: HeaderCache | None = None) -> None:
        self.root = Path(root)
        self.headers = headers
        self._folder = str(self.root)
        packs_in(self._folder).refresh()

    def path(self, key: str) -> Path:
        """Where the file of the record of `key` is, or would be; it is not there while it is in a pack."""
        return Path(self.file(key))

    def file(self, key: str) -> str:
        """As :meth:`path`: a text, which is made much faster, thousands of times a report."""
        return f"{self._folder}/{key[:2]}/{key}.h5"

    def __contains__(self, key: str) -> bool:
        """Whether there is a record of `key`, damaged or not."""
        return record_holder(self.path(key)) is not None

    @property
    def packed(self) -> bool:
        """Whether some of its records are in packs."""
        return bool(packs_in(self._folder).all())

    def partial(self, key: str) -> Partial:
        """Return the place for the pieces of a record that takes long."""
        return Partial(self.root / key[:2] / f"{key}.partial")

    def write(self, record: Record) -> None:
        """Store a record atomically, replacing an earlier one of the same key.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        write_atomically(self.path(record.key), _encode(record))
        if record.settled:
            self.partial(record.key).clear()

    def write_and_tell(self, record: Record) -> Header | None:
        """Store a record and return its header, as reading it would; None if it is gone already.

        Raises
        ------
        StorageError
            If it cannot be written.
        """
        self.write(record)
        stamp = file_stamp(self.path(record.key))
        if stamp is None:
            return None
        return make_header(replace(record, values=json.loads(_values_text(record))), stamp)

    def read(self, key: str, *, with_arrays: bool = True) -> Record:
        """Read a record.

        Raises
        ------
        StorageError
            If it is not there or damaged.
        """
        path = self.path(key)
        try:
            content = record_content(path)
            if content is None:
                raise ValueError("it is not there, or its checksum is wrong or missing")
            with h5py.File(h5py.h5f.open_file_image(content)) as file:
                attributes = dict(file.attrs)
                if attributes["key"] != key:
                    raise ValueError("it is the record of another key")
                arrays = {name: np.asarray(data[()]) for name, data in file.items()} if with_arrays else {}
                failure = json.loads(attributes["failure"])
                return Record(
                    key=str(attributes["key"]),
                    measurement=str(attributes["measurement"]),
                    inputs=json.loads(attributes["inputs"]),
                    values=json.loads(attributes["values"]),
                    arrays=arrays,
                    failure=Failure(**failure) if failure else None,
                    seconds=float(attributes["seconds"]),
                    calls=json.loads(attributes.get("calls", "null")),
                    created=str(attributes["created"]),
                    software=str(attributes["software"]),
                    arithmetic=json.loads(attributes.get("arithmetic", "{}")),
                )
        except (OSError, KeyError, ValueError) as error:
            raise _unreadable(path) from error

    def find(self, key: str, *, with_arrays: bool = True) -> Record | None:
        """Return the record of `key`; None if there is none or it is damaged (it has to be made again)."""
        if key not in self:
            return None
        try:
            return self.read(key, with_arrays=with_arrays)
        except StorageError:
            return None

    def header(self, key: str) -> Record | None:
        """Return the record of `key` without inputs and arrays; None if there is none or it is damaged."""
        known = self.known(key)
        return None if known is None else _of_header(known)

    def known(self, key: str) -> Header | None:
        """What the record of `key` says; None if there is none or it is damaged.

        A record whose file has not changed since it was last read or made is not opened again.
        """
        stamp = record_stamp(self.file(key))
        if stamp is None:
            return None
        known = self.headers.find(key, stamp) if self.headers is not None else None
        if known is None and (record := self.find(key, with_arrays=False)) is not None:
            known = make_header(record, stamp)
            if self.headers is not None:
                self.headers.keep(known)
        return known

    def flush(self) -> None:
        """Keep what is known of records for the next process."""
        if self.headers is not None:
            self.headers.flush()

    def settled(self, key: str) -> bool:
        """Whether nothing is to be computed for `key`: there is a result, or a failure that would repeat."""
        record = self.header(key)
        return record is not None and record.settled

    def remove_leftovers(self) -> int:
        """Delete temporary files that an interrupted writer left behind; returns how many."""
        return remove_leftovers(self.root, "*/.*.tmp")


def _unreadable(path: Path) -> StorageError:
    holder = record_holder(path)
    packed = holder is not None and holder != path
    return StorageError(
        f"{path.parent.name}/{path.name} in {holder}" if packed else str(path),
        "is not a readable record",
        f"{'' if packed else 'delete the file and '}run the study again: only this record is computed anew",
    )


class JoinedStores(RecordStore):
    """Records of several folders, to read them.

    Parameters
    ----------
    stores : sequence of RecordStore
        Where a record is looked for, in order.
    """

    def __init__(self, stores: Sequence[RecordStore]) -> None:
        super().__init__(stores[0].root)
        self.stores = tuple(stores)

    def file(self, key: str) -> str:
        """Where the record of `key` is; in the first folder where it is in none."""
        return next((store.file(key) for store in self.stores if key in store), self.stores[0].file(key))

    @property
    def packed(self) -> bool:
        """Whether some of their records are in packs."""
        return any(store.packed for store in self.stores)

    def known(self, key: str) -> Header | None:
        """What the record of `key` says; None where no folder has it."""
        found = (store.known(key) for store in self.stores)
        return next((header for header in found if header is not None), None)

    def flush(self) -> None:
        """Keep what is known of records for the next process."""
        for store in self.stores:
            store.flush()
