"""What a file of reference data may cost: refused before it fills memory, leads elsewhere or never ends."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml
from numpy.typing import ArrayLike

from softmode.errors import InputDataError

#: What a file may unpack to without being asked for a reason, bytes; text of forces packs 3 to 20 times.
FREE = 64 << 20
#: Beyond that: how many times its own size at most.
EXPANSION = 250
#: What is read into memory whole, bytes.
LARGEST = 2 << 30
#: Atoms of the box of unit cells that is filled to find a supercell.
MOST_ATOMS = 1_000_000
#: Objects of an HDF5 file; levels of YAML's brackets and indentation.
MOST_OBJECTS = 100_000
DEEPEST = 64

_ELSEWHERE = "give the original file; softmode reads nothing but the file that it is given"
_ALIAS = re.compile(r"(?:^|[\s\[{,])[*&][^\s\]},]", re.MULTILINE)
_INDENTED = re.compile(rf"^(?: |- |\? ){{{4 * DEEPEST},}}", re.MULTILINE)
#: libyaml's where there is one: ten times faster.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def check_size(subject: str, size: int, packed: int) -> None:
    """Refuse what unpacks to far more than a file of that size reasonably holds.

    Parameters
    ----------
    subject : str
        The file.
    size, packed : int
        What it holds, as far as is known, and what it takes up, bytes.

    Raises
    ------
    InputDataError
        If it is more than :data:`EXPANSION` times as much, and more than :data:`FREE`.
    """
    if size > max(FREE, EXPANSION * packed):
        raise InputDataError(
            subject,
            f"its {_mib(packed)} unpack to {_mib(size)} or more, over {EXPANSION} times as much",
            "check where it comes from; if it is what it should be, unpack it and give the folder",
        )


def check_memory(subject: str, size: int) -> None:
    """Refuse what is too large to be read into memory whole.

    Raises
    ------
    InputDataError
        If it is more than :data:`LARGEST`.
    """
    if size > LARGEST:
        raise InputDataError(
            subject,
            f"it holds {_mib(size)} or more, over the {_mib(LARGEST)} that are read into memory",
            "leave away what is not needed, or give the folder instead of an archive",
        )


def check_supercell(subject: str, n_atoms: int, matrix: ArrayLike) -> None:
    """Refuse a supercell so large, or so skewed, that making it takes the memory of the machine.

    Parameters
    ----------
    subject : str
        The file that says it.
    n_atoms : int
        Atoms of the unit cell.
    matrix : (3, 3) array
        The supercell matrix.

    Raises
    ------
    InputDataError
        If a box of unit cells around it holds more atoms than `MOST_ATOMS`.
    """
    sizes = np.abs(np.asarray(matrix, dtype=float))
    box = n_atoms * float(max(np.prod(sizes.sum(axis=axis)) for axis in (0, 1)))
    if box > MOST_ATOMS:
        raise InputDataError(
            subject,
            f"its supercell matrix spans a box of {box:.3g} atoms (limit {MOST_ATOMS:.3g})",
            "check the supercell matrix (DIM)",
        )


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.1f} MiB"


def load_yaml(text: str, subject: str) -> Any:
    """What a YAML file says; aliases, which can stand for more than fits into memory, are refused.

    Raises
    ------
    InputDataError
        If it has aliases or is nested without end.
    yaml.YAMLError
        If it is no YAML.
    """
    data = np.frombuffer(text.encode("utf-8", "replace"), dtype=np.uint8)
    opened = np.isin(data, np.frombuffer(b"[{", dtype=np.uint8)).astype(np.int32)
    closed = np.isin(data, np.frombuffer(b"]}", dtype=np.uint8)).astype(np.int32)
    remedy = "write it again with phonopy, or fetch it again"
    if np.cumsum(opened - closed).max(initial=0) > DEEPEST or _INDENTED.search(text):
        raise InputDataError(subject, f"it is nested more than {DEEPEST} levels deep", remedy)
    if _ALIAS.search(text) and any(
        isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=_Loader)
    ):
        raise InputDataError(subject, "it uses aliases of YAML, which no file of phonopy does", remedy)
    return yaml.load(text, Loader=_Loader)


@contextmanager
def open_hdf5(source: Path | io.BytesIO, subject: str) -> Iterator[h5py.File]:
    """An HDF5 file that holds its data itself, and about as much as it says.

    Parameters
    ----------
    source : Path or io.BytesIO
        The file, or what it holds.
    subject : str
        Its name, for errors.

    Raises
    ------
    InputDataError
        If a link or dataset leads to another file, or a dataset declares far more than is stored.
    OSError
        If it is no HDF5 file.
    """
    with h5py.File(source, "r") as file:
        _check_group(file, subject, 0)
        yield file


def _check_group(group: h5py.Group, subject: str, seen: int, depth: int = 0) -> int:
    """Check all that a group holds; returns how many objects have been seen."""
    for name in group:
        seen += 1
        if seen > MOST_OBJECTS or depth > DEEPEST:
            raise InputDataError(subject, "it holds groups or datasets without end", _ELSEWHERE)
        if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
            raise InputDataError(subject, f"{group.name}/{name} leads to another file", _ELSEWHERE)
        item = group.get(name)
        if isinstance(item, h5py.Group):
            seen = _check_group(item, subject, seen, depth + 1)
        elif isinstance(item, h5py.Dataset):
            _check_dataset(item, subject)
    return seen


def _check_dataset(dataset: h5py.Dataset, subject: str) -> None:
    if dataset.is_virtual or dataset.external:
        raise InputDataError(subject, f"the data of {dataset.name} lie in another file", _ELSEWHERE)
    declared = math.prod(dataset.shape or ()) * dataset.dtype.itemsize
    if declared > FREE:
        check_size(f"{subject}, {dataset.name}", declared, dataset.id.get_storage_size())
