"""Kernel components against a singular value decomposition of known features."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from softmode.configurations import kernel_map
from softmode.errors import InputDataError

FloatArray = NDArray[np.float64]


def dissimilarities_of(points: FloatArray) -> FloatArray:
    """1 - K of unit vectors that differ by these small vectors: half the squared distances."""
    squares = np.sum(points**2, axis=1)
    result: FloatArray = 0.5 * (squares[:, None] + squares) - points @ points.T
    np.fill_diagonal(result, 0.0)
    return result


@pytest.mark.parametrize("n", [40, 1100])
def test_components_of_known_points(n: int) -> None:
    """At a signal of 1e-5, as thermal frames have it, dense and iterative."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((n, 4)) * np.array([3.0, 1.0, 0.3, 0.1]) * 1e-3
    result = kernel_map(dissimilarities_of(points))
    centred = points - points.mean(axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    expected = (u * s)[:, :2]
    signs = np.sign(np.sum(expected * result.coordinates, axis=0))
    np.testing.assert_allclose(result.coordinates, expected * signs, atol=1e-9)
    np.testing.assert_allclose(result.explained, s[:2] ** 2 / np.sum(s**2), rtol=1e-6)
    assert result.variance == pytest.approx(np.sum(s**2) / n, rel=1e-6)
    farthest = np.argmax(np.abs(result.coordinates), axis=0)
    assert (result.coordinates[farthest, [0, 1]] > 0.0).all()


def test_frames_along_a_line_have_one_component() -> None:
    points = np.linspace(0, 1e-2, 30)[:, None]
    result = kernel_map(dissimilarities_of(points))
    assert result.explained[0] == pytest.approx(1.0)
    np.testing.assert_allclose(result.coordinates[:, 1], 0.0, atol=1e-6)


def test_identical_frames_are_refused() -> None:
    with pytest.raises(InputDataError, match="rank one"):
        kernel_map(np.zeros((6, 6)))


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(InputDataError, match="2 frames cannot be spread over 2"):
        kernel_map(dissimilarities_of(np.eye(2)))


def test_a_kernel_that_is_not_finite_is_refused() -> None:
    with pytest.raises(InputDataError, match="NaN"):
        kernel_map(np.full((5, 5), np.nan))
