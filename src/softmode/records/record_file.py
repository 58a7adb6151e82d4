"""The file of a record, or the part of a pack that it has become; only what is asked for is decoded."""

from __future__ import annotations

import contextlib
import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from softmode.files import Stamp, file_stamp, seal_holds
from softmode.records.packs import Packs, packs_in
from softmode.records.record import Failure


class RecordFile:
    """A result on disk, of which only what is asked for is decoded.

    Parameters
    ----------
    content : bytes
        Of its file, whole and undamaged.
    """

    def __init__(self, content: bytes) -> None:
        # HDF5's own calls: h5py's objects cost as much again, and pages open thousands of records
        self._file = h5py.h5f.open_file_image(content)
        self._arrays: dict[str, NDArray[Any]] = {}
        failure = json.loads(self._attribute("failure"))
        self.failure = None if failure is None else Failure(**failure)

    def _attribute(self, name: str) -> str:
        attribute = h5py.h5a.open(self._file, name.encode())
        text = np.empty((), dtype=attribute.dtype)
        attribute.read(text)
        found = text.item()
        return found.decode() if isinstance(found, bytes) else str(found)

    @cached_property
    def values(self) -> dict[str, Any]:
        """Scalars and short texts of the result."""
        return dict(json.loads(self._attribute("values")))

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """Everything that determined the result."""
        return dict(json.loads(self._attribute("inputs")))

    def __contains__(self, name: str) -> bool:
        return name.encode() in self._file

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._arrays:
            self._arrays[name] = self._read(name)
        return self._arrays[name]

    def _read(self, name: str) -> NDArray[Any]:
        found = h5py.h5d.open(self._file, name.encode())
        if found.dtype.kind not in "fiub":
            return np.asarray(h5py.Dataset(found)[()])
        array = np.empty(found.shape, dtype=found.dtype)
        found.read(h5py.h5s.ALL, h5py.h5s.ALL, array)
        return array


def _in_packs(path: Path | str) -> tuple[Packs, str]:
    """The packs beside the file of a record, and its key; thousands of times a report: texts, not paths."""
    folder, name = os.path.split(path)
    return packs_in(os.path.dirname(folder)), name.removesuffix(".h5")  # noqa: PTH120


def record_content(path: Path) -> bytes | None:
    """What a record's file holds, or held before it was packed; None where none is whole.

    Where the file is damaged, what a pack has of the record is.

    Parameters
    ----------
    path : Path
        Where the file is, or was; also below.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with contextlib.suppress(FileNotFoundError):
        content = path.read_bytes()
        if seal_holds(content):  # what is damaged can keep HDF5 busy for ever
            return content
    packs, key = _in_packs(path)
    packed = packs.read(key)
    return packed if packed is not None and seal_holds(packed) else None


def record_stamp(path: Path | str) -> Stamp | None:
    """Stamp of a record's file, the same once it is packed; None where there is none or it is damaged."""
    own = file_stamp(path)
    if own is not None:
        return own
    packs, key = _in_packs(path)
    return packs.stamp(key)


def record_holder(path: Path) -> Path | None:
    """The file in which a record is: its own, or else a pack; None where there is none."""
    if path.exists():
        return path
    packs, key = _in_packs(path)
    found = packs.find(key)
    return None if found is None else found.pack


def open_record(path: Path) -> RecordFile | None:
    """The result in a file, packed or not; None where there is none, a failure, or it is damaged."""
    try:
        content = record_content(path)
        if content is None:
            return None
        found = RecordFile(content)
        return found if found.failure is None else None
    except (OSError, KeyError, ValueError):
        return None
