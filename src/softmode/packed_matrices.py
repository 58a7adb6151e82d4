"""Matrices of numbers as text: 16 bits each, a scale for the whole, base64."""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import ArrayLike

from softmode.charts import Packed
from softmode.crystal.arrays import FloatArray

#: Steps of a 16-bit integer on either side of zero.
_STEPS = 32767


def pack(matrix: ArrayLike, tolerance: float = 0.0, *, delta: bool = True) -> Packed:
    """Round a matrix to 16 bits.

    Parameters
    ----------
    matrix : (n_rows, n_columns) array
        Finite numbers; a vector counts as one row.
    tolerance : float
        How far a number may be from what is read back. Coarser steps compress better; where the range does
        not allow them, steps are as fine as 16 bits make them.
    delta : bool
        Whether each integer is stored as its difference from the one before in its row, which compresses
        better where rows are smooth.

    Returns
    -------
    Packed
        Numbers that are read back are off by half a step at most: ``tolerance`` or, if that is more,
        ``(max - min) / 131068``.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    values = np.atleast_2d(np.asarray(matrix, dtype=np.float64))
    if not np.isfinite(values).all():
        raise ValueError("a matrix with numbers that are not finite cannot be packed")
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    offset = 0.5 * (low + high)
    step = max((high - low) / (2 * _STEPS), 2.0 * tolerance) or 1.0
    integers = np.rint((values - offset) / step).astype(np.int16)
    if delta and values.size:
        integers[:, 1:] -= integers[:, :-1].copy()  # modulo 65536
    data = base64.b64encode(integers.astype("<i2").tobytes()).decode("ascii")
    return Packed((values.shape[0], values.shape[1]), step, offset, delta, data)


def unpack(packed: Packed) -> FloatArray:
    """The numbers of a packed matrix, as the page reads them."""
    integers = np.frombuffer(base64.b64decode(packed.data), dtype="<i2").astype(np.int16)
    integers = integers.reshape(packed.shape)
    if packed.delta:
        integers = np.cumsum(integers, axis=1, dtype=np.int16)
    return packed.offset + packed.scale * integers.astype(np.float64)
