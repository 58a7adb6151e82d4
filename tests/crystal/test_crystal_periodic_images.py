"""Periodic images: the shortest of all is found, in skewed cells too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softmode.crystal.periodic_images import (
    minimum_image,
    minimum_image_distances,
    rounded_image,
    shortest_vector,
)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_minimum_image_is_the_shortest_of_all_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lattice = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * 5.0 + rng.normal(0, 0.5, (3, 3))
    vectors = rng.normal(0, 8, (6, 3))
    images = np.stack(np.meshgrid(*[np.arange(-8, 9)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ lattice
    shortest = np.linalg.norm(vectors[:, None, :] + images, axis=2).min(axis=1)
    np.testing.assert_allclose(np.linalg.norm(minimum_image(vectors, lattice), axis=1), shortest, atol=1e-9)


def test_skewed_lattice() -> None:
    lattice = np.array([[5.0, 0, 0], [24.0, 5.0, 0], [11.0, 17.0, 5.0]])
    a, b = np.zeros((1, 3)), (np.array([[0.3, 0.2, 2.4]])) @ np.linalg.inv(lattice)
    assert minimum_image_distances(lattice, a, b)[0, 0] == pytest.approx(np.linalg.norm([0.3, 0.2, 2.4]))


def test_rounding_finds_short_vectors_and_stays_among_the_images_of_long_ones() -> None:
    lattice = np.array([[6.0, 0, 0], [2.0, 5.0, 0], [1.0, 2.0, 7.0]])
    rng = np.random.default_rng(3)
    short = rng.normal(0, 0.5, (50, 3))
    images = rng.integers(-4, 5, (50, 3))
    np.testing.assert_allclose(rounded_image(short + images @ lattice, lattice), short, atol=1e-12)
    long = rng.normal(0, 20, (50, 3))
    whole = (rounded_image(long, lattice) - long) @ np.linalg.inv(lattice)
    np.testing.assert_allclose(whole, np.rint(whole), atol=1e-12)


def test_shortest_vector_need_not_be_one_that_is_given() -> None:
    lattice = np.array([[5.0, 0, 0], [24.0, 5.0, 0], [11.0, 17.0, 5.0]])
    multiples = np.stack(np.meshgrid(*[np.arange(-8, 9)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    lengths = np.linalg.norm(multiples[np.abs(multiples).sum(axis=1) > 0] @ lattice, axis=1)
    assert shortest_vector(lattice) == pytest.approx(lengths.min())
