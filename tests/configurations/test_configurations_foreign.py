"""Foreign frames against hand-made distances."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from softmode.configurations import foreignness
from softmode.errors import InputDataError

FloatArray = NDArray[np.float64]


def dissimilarities_of(points: FloatArray) -> FloatArray:
    """1 - K of unit vectors that differ by these small vectors: half the squared distances."""
    differences = points[:, None] - points[None]
    return np.asarray(0.5 * np.sum(differences**2, axis=2))


def test_distances_of_points_on_a_line() -> None:
    """Reference at 0, 1, 2, 3, 4: two nearest at 1 and 1, at the ends at 1 and 2."""
    points = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 2.0, 10.0])[:, None] * 1e-3
    found = foreignness(dissimilarities_of(points), (5,), block_length=1, n_neighbours=2)
    assert found.unit == pytest.approx(1e-3)
    np.testing.assert_allclose(found.reference, [1.5, 1.0, 1.0, 1.0, 1.5])
    np.testing.assert_allclose(found.other, [0.5, 6.5])
    assert found.threshold == pytest.approx(1.5)
    assert found.foreign.tolist() == [False, True]
    assert found.share == 0.5
    assert found.independent


def test_neighbours_in_time_are_left_out() -> None:
    """A reference that stands still for five frames at 0, 10, 20, 30, 40: its neighbours are 20 away."""
    stays = np.repeat(np.arange(5) * 10.0, 5)
    points = np.append(stays, 20.0)[:, None]
    found = foreignness(dissimilarities_of(points), (25,), block_length=5, n_neighbours=3)
    assert found.unit == pytest.approx(20.0)
    assert found.independent
    with_them = foreignness(dissimilarities_of(points), (25,), block_length=25, n_neighbours=5)
    assert not with_them.independent
    assert with_them.unit == pytest.approx((4 * 0.0 + 10.0) / 5)


def test_frames_of_another_run_are_neighbours() -> None:
    points = np.array([0.0, 0.0, 3.0, 3.0, 7.0, 3.0])[:, None]
    found = foreignness(dissimilarities_of(points), (2, 2, 1), block_length=2, n_neighbours=1)
    assert found.independent
    np.testing.assert_allclose(found.reference * found.unit, [3.0, 3.0, 3.0, 3.0, 4.0])


def test_one_distribution_is_as_foreign_as_is_usual() -> None:
    shares = []
    for seed in range(10):
        points = np.random.default_rng(seed).standard_normal((400, 3))
        shares.append(foreignness(dissimilarities_of(points), (200,), block_length=1).share)
    assert 0.02 < np.mean(shares) < 0.09


def test_a_wider_distribution_is_foreign() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.standard_normal((200, 3)), 3.0 * rng.standard_normal((200, 3))])
    assert foreignness(dissimilarities_of(points), (200,), block_length=1).share > 0.5


@pytest.mark.parametrize(("points", "reference"), [([0.0, 1.0, 2.0], 1), ([1.0, 1.0, 1.0, 5.0], 3)])
def test_nothing_to_compare_with_is_refused(points: list[float], reference: int) -> None:
    with pytest.raises(InputDataError, match=r"single frame|all the same"):
        foreignness(dissimilarities_of(np.array(points)[:, None]), (reference,), block_length=1)
