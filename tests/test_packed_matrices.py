"""Packed matrices: what is read back is as near as is said."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from softmode.packed_matrices import pack, unpack


@pytest.mark.parametrize("delta", [True, False])
@pytest.mark.parametrize(("low", "high"), [(-4.0, 25.0), (0.0, 1e-12), (-1e9, 1e9), (3.0, 3.0)])
def test_numbers_come_back_within_half_a_step(low: float, high: float, delta: bool) -> None:
    matrix = np.random.default_rng(1).uniform(low, high, (7, 211))
    matrix[0, :2] = low, high
    back = unpack(pack(matrix, delta=delta))
    assert np.abs(back - matrix).max() <= (high - low) / 131068 * (1 + 1e-9)


def test_frequencies_are_within_a_thousandth_of_a_terahertz() -> None:
    bands = np.sort(np.random.default_rng(2).uniform(-8.0, 60.0, (30, 100)), axis=0)
    assert np.abs(unpack(pack(bands)) - bands).max() < 1e-3


def test_a_tolerance_makes_steps_coarser_where_16_bits_allow_it() -> None:
    matrix = np.linspace(0.0, 20.0, 500)[None]
    packed = pack(matrix, 0.005)
    assert packed.scale == 0.01
    assert np.abs(unpack(packed) - matrix).max() <= 0.005 * (1 + 1e-9)
    assert pack(1000.0 * matrix, 0.005).scale > 0.01  # no more than 16 bits


def test_the_layout_is_the_one_that_pages_read() -> None:
    packed = pack([[0.0, 1.0, 4.0], [2.0, 2.0, 0.0]], 0.5)
    integers = np.frombuffer(base64.b64decode(packed.data), "<i2").reshape(2, 3).tolist()
    assert (packed.shape, packed.scale, packed.delta) == ((2, 3), 1.0, True)
    assert integers[0][1:] == [1, 3]  # differences along a row
    assert integers[1][1:] == [0, -2]
    assert packed.offset + packed.scale * integers[0][0] == 0.0


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        pack([[0.0, np.nan]])
