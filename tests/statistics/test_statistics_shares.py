"""Intervals of shares and of their differences, against the literature."""

from __future__ import annotations

import numpy as np
import pytest

from softmode.statistics.shares import share_difference, wilson_interval


def test_wilson_interval_is_that_of_the_literature() -> None:
    """R. G. Newcombe, Stat. Med. 17, 857 (1998), Table I, method 3."""
    for (part, whole), expected in {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }.items():
        np.testing.assert_allclose(wilson_interval(part, whole), expected, atol=6e-5)
    assert wilson_interval(20, 20)[1] == 1.0
    assert np.isnan(wilson_interval(0, 0)).all()


def test_interval_of_a_difference_is_that_of_the_literature() -> None:
    """R. G. Newcombe, Stat. Med. 17, 873 (1998), Table II, method 10."""
    for sides, expected in {
        ((56, 70), (48, 80)): (0.0524, 0.3339),
        ((9, 10), (3, 10)): (0.1705, 0.8090),
        ((10, 10), (0, 20)): (0.6791, 1.0),
    }.items():
        found = share_difference(*sides)
        np.testing.assert_allclose((found.low, found.high), expected, atol=6e-5)
    nothing = share_difference((0, 0), (3, 10))
    assert np.isnan([nothing.first, nothing.value, nothing.low]).all()
    assert nothing.second == 0.3


def test_a_part_is_not_larger_than_the_whole() -> None:
    with pytest.raises(ValueError, match="is no share"):
        wilson_interval(3, 2)
