"""Frozen dataclasses in HDF5 files, to the last bit.

Many formats state coordinates and forces with at most eight decimals. Such tables of frames are kept as
integers, each the difference from the frame before, which compress well; a quotient of two integers rounds to
the very number a parser makes of the decimals. Numbers with more decimals are kept as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from softmode.crystal.arrays import FloatArray, array_digest

_UNIT = 1e8  # as integers: units of the eighth decimal
#: Compression that is quick, and a checksum.
_FILTERS: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True}
_CHUNK = 128  # frames
_LARGE = 10_000  # numbers that are not written twice in a file


def write_object(group: h5py.Group, thing: Any) -> None:
    """Write the fields of a dataclass into a group: arrays, other dataclasses, and what JSON can say.

    An array that the file holds already is not written again.
    """
    said: dict[str, Any] = {}
    group.attrs["type"] = type(thing).__name__
    for field in fields(thing):
        value = getattr(thing, field.name)
        if is_dataclass(value):
            write_object(group.create_group(field.name), value)
        elif isinstance(value, np.ndarray):
            _write_array(group, field.name, value)
        elif value is not None:
            said[field.name] = dict(value) if isinstance(value, Mapping) else value
    group.attrs["said"] = json.dumps(said)


def read_object(group: h5py.Group, types: Sequence[type]) -> Any:
    """The dataclass, one of `types`, that :func:`write_object` wrote."""
    said = json.loads(group.attrs["said"])
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()}
    for name, item in group.items():
        is_group = isinstance(item, h5py.Group)
        values[name] = read_object(item, types) if is_group else read_decimals(item)
    [made] = [each for each in types if each.__name__ == group.attrs["type"]]
    return made(**values)


def _write_array(group: h5py.Group, name: str, values: NDArray[Any]) -> None:
    if values.size > _LARGE:
        digest = array_digest(values)
        known: str = group.file.attrs.get(digest, "")
        if known:
            group[name] = group.file[known]  # the same data under another name
            return
        group.file.attrs[digest] = f"{group.name}/{name}"
    if values.dtype.kind == "f" and values.ndim == 3:
        write_decimals(group, name, values)
    else:
        group.create_dataset(
            name, data=values, **({"chunks": values.shape, **_FILTERS} if values.size else {})
        )


def write_decimals(group: h5py.Group, name: str, values: FloatArray) -> None:
    """Write frames (n_frames, n_atoms, 3), exactly: as integers where they have at most eight decimals."""
    options = _FILTERS | {"chunks": (min(_CHUNK, len(values)), *values.shape[1:])} if values.size else {}
    integers = _as_integers(values)
    if integers is None:
        group.create_dataset(name, data=values, **options)
        return
    dataset = group.create_dataset(name, data=np.diff(integers, axis=0, prepend=integers[:1] * 0), **options)
    dataset.attrs["negative_zeros"] = np.flatnonzero((values == 0.0) & np.signbit(values)).astype(np.int64)


def read_decimals(dataset: h5py.Dataset) -> NDArray[Any]:
    """What :func:`write_decimals` wrote, or any other array, bit by bit."""
    stored: NDArray[Any] = dataset[...]
    if "negative_zeros" not in dataset.attrs:
        return stored
    values: FloatArray = np.cumsum(stored, axis=0, dtype=stored.dtype) / _UNIT
    values.ravel()[dataset.attrs["negative_zeros"]] = -0.0
    return values


def _as_integers(values: FloatArray) -> NDArray[Any] | None:
    """Values in units of the eighth decimal; None if they are not whole, or large."""
    if not values.size or not np.isfinite(values).all() or np.abs(values).max() > 2**50 / _UNIT:
        return None
    integers = np.rint(values * _UNIT).astype(np.int64)
    if not np.array_equal(integers / _UNIT, values):
        return None
    small = np.abs(integers).max() < 2**31 - 1
    return integers.astype(np.int32) if small else integers
