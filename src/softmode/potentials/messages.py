"""Messages to and from a potential in another process: a JSON header, then arrays as they lie in memory.

Nothing that is received is run: no pickle, no names of types but those of numbers. A message is::

    b"smd1"   length of the header (4 bytes)   header (JSON, UTF-8)   bytes of the arrays, one after the other

all little-endian. The header says under ``arrays`` the name, type and shape of each array.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ase import Atoms

Arrays = dict[str, NDArray[Any]]

_MARK = b"smd1"
_PREFIX = struct.Struct("<4sI")
#: Longest header, and most that the arrays of a message may take where no less is known, bytes.
LONGEST_HEADER = 1 << 26
LARGEST_ARRAYS = 1 << 36
_TYPES = ("<f8", "<f4", "<i8", "<i4", "<i2", "<u8", "<u4", "<u2", "|i1", "|u1", "|b1")


class ProtocolError(Exception):
    """What was received is no message, or larger than it may be."""


class ConnectionEndedError(Exception):
    """The other side is no longer there."""


def send(
    connection: socket.socket, header: Mapping[str, Any], arrays: Mapping[str, Any] | None = None
) -> None:
    """Send a message.

    Parameters
    ----------
    connection : socket.socket
        To the other side.
    header : mapping
        What JSON can hold.
    arrays : mapping of str to array
        Of numbers or truth values.

    Raises
    ------
    ConnectionEndedError
        If the other side is no longer there.
    TypeError, ValueError
        If header or arrays cannot be sent.
    """
    listed = []
    parts = []
    for name, given in (arrays or {}).items():
        array = np.ascontiguousarray(given)
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if array.dtype.str not in _TYPES:
            raise TypeError(f"the array {name} is of type {array.dtype}, which cannot be sent")
        listed.append([name, array.dtype.str, np.shape(given)])
        parts.append(array.tobytes())
    text = json.dumps({**header, "arrays": listed}).encode()
    if len(text) > LONGEST_HEADER:
        raise ValueError(f"a header of {len(text)} bytes is too long")
    connection.settimeout(None)
    try:
        connection.sendall(b"".join([_PREFIX.pack(_MARK, len(text)), text, *parts]))
    except OSError as error:
        raise ConnectionEndedError(str(error)) from error


def receive(
    connection: socket.socket, *, seconds: float | None = None, most: int = LARGEST_ARRAYS
) -> tuple[dict[str, Any], Arrays]:
    """Receive a message.

    Parameters
    ----------
    connection : socket.socket
        To the other side.
    seconds : float, optional
        How long the whole message may take; without end when not given.
    most : int
        Bytes that its arrays may take.

    Returns
    -------
    dict, dict of str to array
        Header and arrays.

    Raises
    ------
    ConnectionEndedError
        If the other side is no longer there.
    TimeoutError
        If it takes longer.
    ProtocolError
        If what comes is no message, or too large.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    mark, length = _PREFIX.unpack(_exactly(connection, _PREFIX.size, deadline))
    if mark != _MARK or length > LONGEST_HEADER:
        raise ProtocolError("what came is no message")
    try:
        header = json.loads(_exactly(connection, length, deadline))
        listed = [(str(name), np.dtype(kind), _shape(shape)) for name, kind, shape in header.pop("arrays")]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ProtocolError(f"its header cannot be read ({error})") from error
    if any(kind.str not in _TYPES for _, kind, _ in listed):
        raise ProtocolError("an array in it is not of numbers")
    sizes = [math.prod(shape) * kind.itemsize for _, kind, shape in listed]
    if sum(sizes) > most:
        raise ProtocolError(f"its arrays take {sum(sizes)} bytes, more than the {most} that they may")
    arrays = {}
    for (name, kind, shape), size in zip(listed, sizes, strict=True):
        arrays[name] = np.frombuffer(_exactly(connection, size, deadline), dtype=kind).reshape(shape)
    return header, arrays


def _shape(given: Any) -> tuple[int, ...]:
    shape = tuple(given)
    if any(type(length) is not int or length < 0 for length in shape):
        raise ValueError(f"{given} is no shape")
    return shape


def _exactly(connection: socket.socket, size: int, deadline: float | None) -> bytearray:
    """So many bytes."""
    content = bytearray(size)
    view = memoryview(content)
    while view:
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
        else:
            connection.settimeout(None)
        try:
            count = connection.recv_into(view)
        except TimeoutError:
            raise
        except OSError as error:
            raise ConnectionEndedError(str(error)) from error
        if count == 0:
            raise ConnectionEndedError("closed")
        view = view[count:]
    return content


def pack(configurations: Sequence[Atoms]) -> tuple[list[dict[str, Any]], Arrays]:
    """What a potential may read of configurations: cell, arrays of numbers, and of info what JSON can hold.

    Returns
    -------
    list of dict, dict of str to array
        For header and arrays of a message; see :func:`unpack`.
    """
    described: list[dict[str, Any]] = []
    arrays: Arrays = {}
    for index, atoms in enumerate(configurations):
        own = {name: array for name, array in atoms.arrays.items() if array.dtype.kind in "fiub"}
        own |= {"cell": atoms.cell.array, "pbc": atoms.pbc}
        arrays |= {f"{index}.{name}": array for name, array in own.items()}
        info = {key: value for key, value in atoms.info.items() if _is_json(value)}
        described.append({"arrays": list(own), "info": info})
    return described, arrays


def unpack(described: Sequence[Mapping[str, Any]], arrays: Mapping[str, NDArray[Any]]) -> list[Atoms]:
    """The configurations that :func:`pack` has described, the same to the last bit."""
    from ase import Atoms

    configurations = []
    for index, each in enumerate(described):
        own = {name: arrays[f"{index}.{name}"] for name in each["arrays"]}
        atoms = Atoms(
            numbers=own.pop("numbers"),
            positions=own.pop("positions"),
            cell=own.pop("cell"),
            pbc=own.pop("pbc"),
            info=dict(each["info"]),
        )
        for name, array in own.items():
            atoms.set_array(name, array)
        configurations.append(atoms)
    return configurations


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
