"""Arrays that cannot be changed, their digests, and the check that raises when they are wrong."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softmode.errors import InputDataError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: In any unit used here nothing measured or computed is larger; products of a few such numbers are finite.
LARGEST = 1e50


def usable(values: FloatArray) -> NDArray[np.bool_]:
    """Where numbers are there and finite, and can be computed with: at most :data:`LARGEST`."""
    return np.asarray(np.abs(values) <= LARGEST)


def frozen(values: ArrayLike, dtype: Any = np.float64) -> NDArray[Any]:
    """Read-only, contiguous copy of an array."""
    array = np.array(values, dtype=dtype, order="C", copy=True)
    array.setflags(write=False)
    return array


def require(condition: bool, subject: str, problem: str, remedy: str) -> None:
    """Raise an :class:`InputDataError` unless the condition holds."""
    if not condition:
        raise InputDataError(subject, problem, remedy)


def array_digest(*parts: object) -> str:
    """SHA-256 over arrays (dtype, shape, bytes) and plain values, in order."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"array:{part.dtype.str}:{part.shape}:".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(f"value:{part!r}:".encode())
    return digest.hexdigest()
