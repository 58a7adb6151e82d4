"""The solver against arithmetic of more digits, dscribe, and the two limits of the entropy weight."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from dscribe.kernels import REMatchKernel
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from softmode.configurations import ArrayFeatures, exact_dissimilarities, frame_kernel, rematch
from softmode.configurations.crystal_match import CrystalMatcher
from softmode.configurations.kernel import KernelSettings
from softmode.configurations.reduction import reduce_frames

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def similarities(n: int, seed: int, *, low: float = 0.0, m: int | None = None) -> FloatArray:
    """Random similarities between `low` and 1."""
    return low + (1.0 - low) * np.random.default_rng(seed).random((n, m or n))


def rematch_in_many_digits(c: FloatArray, alpha: float, digits: int = 40) -> float:
    """K with 40 digits: Newton's method for both marginals at once, α lowered to the wanted value by halves.

    Unknown are the logarithms of all factors but the last, which is free.
    """
    n, m = c.shape
    with mpmath.workdps(digits):
        similarity = [[mpmath.mpf(float(value)) for value in row] for row in c]
        unknown = [mpmath.mpf(0)] * (n + m)

        def plan(x: list[mpmath.mpf], level: mpmath.mpf) -> list[list[mpmath.mpf]]:
            return [
                [mpmath.exp(x[i] + x[n + j] + (similarity[i][j] - 1) / level) for j in range(m)]
                for i in range(n)
            ]

        def missing(p: list[list[mpmath.mpf]]) -> list[mpmath.mpf]:
            rows = [mpmath.mpf(1) / n - sum(row) for row in p]
            return rows + [mpmath.mpf(1) / m - sum(p[i][j] for i in range(n)) for j in range(m)]

        halvings = max(0, int(np.ceil(np.log2(1.0 / alpha))))
        for halving in range(halvings, -1, -1):
            level = mpmath.mpf(alpha) * 2**halving
            if halving < halvings:
                unknown = [2 * value for value in unknown]
            for i in range(n):  # start where the rows are met
                total = sum(plan(unknown, level)[i])
                unknown[i] -= mpmath.log(n * total)
            for _ in range(100):
                p = plan(unknown, level)
                gap = missing(p)
                size = sum(abs(value) for value in gap)
                if size < mpmath.mpf(10) ** -25:
                    break
                jacobian = mpmath.zeros(n + m - 1)
                for i in range(n):
                    jacobian[i, i] = sum(p[i])
                    for j in range(m - 1):
                        jacobian[i, n + j] = jacobian[n + j, i] = p[i][j]
                for j in range(m - 1):
                    jacobian[n + j, n + j] = sum(p[i][j] for i in range(n))
                step = [*mpmath.lu_solve(jacobian, mpmath.matrix(gap[:-1])), mpmath.mpf(0)]
                length = mpmath.mpf(1)
                while True:
                    trial = [old + length * change for old, change in zip(unknown, step, strict=True)]
                    if sum(abs(value) for value in missing(plan(trial, level))) < size:
                        break
                    length /= 2
                unknown = trial
            else:
                raise AssertionError("the reference did not converge")
        p = plan(unknown, mpmath.mpf(alpha))
        return float(sum(p[i][j] * similarity[i][j] for i in range(n) for j in range(m)))


def rematch_in_long_double(c: FloatArray, alpha: float, sweeps: int) -> float:
    """K by plain Sinkhorn sweeps in extended precision (64-bit significand)."""
    assert np.finfo(np.longdouble).eps < 1e-18
    similarity = c.astype(np.longdouble)
    e = np.exp((similarity - 1) / np.longdouble(alpha))
    n, m = c.shape
    v = np.ones(m, dtype=np.longdouble)
    for _ in range(sweeps):
        u = 1 / (n * (e @ v))
        v = 1 / (m * (e.T @ u))
    rows = u * (e @ v)
    assert np.abs(rows * n - 1).max() < 1e-11, "the reference did not converge"
    return float(np.sum(u[:, None] * e * v * similarity))


@pytest.mark.parametrize("alpha", [1.0, 0.1, 0.01])
@pytest.mark.parametrize("low", [0.0, 0.95])
def test_many_digits(alpha: float, low: float) -> None:
    c = similarities(5, 3, low=low)
    result = rematch(c, alpha)
    assert result.converged.all()
    assert abs(result.values[0] - rematch_in_many_digits(c, alpha)) < 1e-11


def test_rectangular_pairs_in_many_digits() -> None:
    c = similarities(4, 5, m=6)
    assert abs(rematch(c, 0.1).values[0] - rematch_in_many_digits(c, 0.1)) < 1e-11


def test_a_batch_is_its_pairs_one_by_one() -> None:
    batch = np.array([similarities(7, seed) for seed in range(9)])
    together = rematch(batch, 0.02)
    alone = [rematch(c, 0.02).values[0] for c in batch]
    np.testing.assert_allclose(together.values, alone, atol=1e-12)
    assert (together.violations < 1e-12).all()
    assert (together.iterations > 0).all()


@pytest.mark.parametrize("alpha", [1e-3, 1e-4, 1e-5])
def test_small_alpha_is_the_best_assignment(alpha: float) -> None:
    """The entropy can gain no more than α ln n by giving up similarity."""
    for seed in range(5):
        c = similarities(12, seed)
        rows, columns = linear_sum_assignment(-c)
        result = rematch(c, alpha)
        assert result.converged.all()
        lost = c[rows, columns].mean() - result.values[0]
        assert -1e-9 < lost < alpha * np.log(12)


def test_large_alpha_is_the_mean() -> None:
    c = similarities(12, 0)
    assert abs(rematch(c, 1e7).values[0] - c.mean()) < 1e-7


def test_exponents_out_of_range_of_a_double() -> None:
    """exp(-1/α) is 1e-4343: both configurations hold the same environments in another order."""
    c = np.eye(6)[[3, 1, 0, 5, 4, 2]]
    result = rematch(c, 1e-4)
    assert result.converged.all()
    assert abs(result.values[0] - 1.0) < 1e-12


def test_hits_its_limit_and_says_so() -> None:
    c = np.array([similarities(20, seed) for seed in range(3)])
    result = rematch(c, 1e-3, max_iterations=1)
    assert (~result.converged).any()
    assert (result.violations[~result.converged] > 1e-12).all()


def test_refuses_what_is_no_similarity() -> None:
    with pytest.raises(ValueError, match="not finite"):
        rematch(np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match="positive"):
        rematch(np.eye(2), 0.0)


@pytest.mark.parametrize("alpha", [1.0, 0.1, 0.01])
def test_dscribe_stopped_late(alpha: float) -> None:
    """dscribe compares squares of changes with its threshold: 1e-24 is where it agrees with the limit."""
    c = np.array([similarities(8, seed, low=0.8) for seed in range(4)])
    theirs = REMatchKernel(alpha=alpha, threshold=1e-24)
    expected = [theirs.get_global_similarity(pair) for pair in c]
    np.testing.assert_allclose(rematch(c, alpha).values, expected, atol=1e-9)


def test_where_dscribe_stops_early() -> None:
    c = similarities(6, 1)
    truth = rematch_in_many_digits(c, 0.01)
    theirs = REMatchKernel(alpha=0.01, threshold=1e-6).get_global_similarity(c)
    ours = rematch(c, 0.01)
    assert abs(theirs - truth) > 1e-6
    assert abs(ours.values[0] - truth) < 1e-11
    assert ours.iterations[0] > 1


@pytest.mark.parametrize("alpha", [1.0, 0.1, 0.01])
def test_thermal_frames_against_dscribe(perovskite_frames: ArrayFeatures, alpha: float) -> None:
    expected = REMatchKernel(alpha=alpha, threshold=1e-6).create(list(perovskite_frames.values[:6]))
    kernel = frame_kernel(
        ArrayFeatures(perovskite_frames.values[:6], perovskite_frames.numbers),
        KernelSettings(alpha=alpha, mode="exact"),
    ).matrix()
    np.testing.assert_allclose(kernel.values, expected, atol=1e-6)


@pytest.mark.parametrize(("alpha", "sweeps"), [(1.0, 60), (0.1, 100_000), (0.01, 60)])
def test_thermal_frames_in_extended_precision(
    perovskite_frames: ArrayFeatures, alpha: float, sweeps: int
) -> None:
    """One pair by plain sweeps: both solvers, K to 1e-9 and 1 - K to a small part of its size.

    At α = 0.1 plain sweeps exchange weight between elements so slowly that 16 of the 80 atoms have to do.
    """
    atoms = np.array([*range(6), *range(48, 51), *range(56, 61), 72, 73]) if alpha == 0.1 else np.arange(80)
    x = perovskite_frames.values[np.ix_(np.array([0, 14]), atoms)]
    k = {(i, j): rematch_in_long_double(x[i] @ x[j].T, alpha, sweeps) for i, j in ((0, 0), (1, 1), (0, 1))}
    truth = 1.0 - k[0, 1] / np.sqrt(k[0, 0] * k[1, 1])
    general = exact_dissimilarities(x, alpha)[0, 1]
    assert abs(rematch(x[0] @ x[1].T, alpha).values[0] - k[0, 1]) < 1e-12
    assert abs(general - truth) < 1e-6 * truth
    pair = ArrayFeatures(x, perovskite_frames.numbers[atoms])
    special = frame_kernel(pair, KernelSettings(alpha=alpha, mode="exact"))
    value = special.matcher.match(0, np.array([1]))
    assert abs(value.values[0] + special.matcher.base.value - k[0, 1]) < 1e-9
    assert value.n_fallback == 0
    assert value.sweeps < 10
    assert abs(special.matrix().dissimilarities[0, 1] - truth) < 1e-5 * truth


def test_weights_too_small_for_the_special_solver_are_left_to_the_general_one(
    perovskite_frames: ArrayFeatures,
) -> None:
    few = ArrayFeatures(perovskite_frames.values[:3], perovskite_frames.numbers)
    kernel = frame_kernel(few, KernelSettings(alpha=2e-4, mode="exact"))
    assert kernel.matcher.largest_exponent > 12.0
    result = kernel.matrix()
    assert result.n_fallback == 3
    expected = exact_dissimilarities(few.values, 2e-4)
    np.testing.assert_allclose(result.dissimilarities, expected, rtol=1e-4)


def similarity_of_frames(similarities: FloatArray, numbers: IntArray) -> FloatArray:
    """Each element matched with itself, all atoms alike: what lost products of single atoms cancel in."""
    alike = numbers[:, None] == numbers
    return np.asarray((similarities * (alike / alike.sum(axis=1) / len(numbers))).sum(axis=(1, 2)))


def test_reduction_keeps_similarities(perovskite_frames: ArrayFeatures) -> None:
    rows, columns = np.array([0, 3, 3]), np.array([7, 3, 14])
    full = perovskite_frames.values[rows] @ perovskite_frames.values[columns].transpose(0, 2, 1)
    exact = reduce_frames(perovskite_frames, exact=True)
    wrong = exact.similarities(rows, columns) - full
    # The lost products, less those of their means.
    assert np.abs(wrong).max() <= 2.0 * exact.losses.max()
    assert (
        np.abs(similarity_of_frames(wrong, perovskite_frames.numbers)).max()
        <= exact.mean_losses.max() + 1e-12
    )
    fast = reduce_frames(perovskite_frames)
    assert fast.rank < exact.rank < 1200
    assert 1e-3 < fast.lost <= 0.03
    wrong = fast.similarities(rows, columns) - full
    # What is lost, and the rounding of the single-precision coordinates and products with means.
    assert np.abs(wrong).max() < 2.0 * fast.losses.max() + 1e-7
    of_frames = np.abs(similarity_of_frames(wrong, perovskite_frames.numbers)).max()
    assert of_frames < fast.mean_losses.max() + 2e-9 < 1e-3 * fast.losses.mean(axis=1).min()


def test_small_weights_need_more_directions(perovskite_frames: ArrayFeatures) -> None:
    ranks = [reduce_frames(perovskite_frames, alpha=alpha).rank for alpha in (1.0, 0.01, 0.001)]
    assert ranks[0] < ranks[1] < ranks[2]
    with pytest.raises(ValueError, match=r"reduced for weights from 0\.1, not for 0\.01"):
        CrystalMatcher(reduce_frames(perovskite_frames, alpha=0.1), 0.01)


def test_a_sample_that_misses_frames_is_enlarged(perovskite_frames: ArrayFeatures) -> None:
    """The basis of two frames cannot hold the others: directions are added for them."""
    reduced = reduce_frames(perovskite_frames, exact=True, sample=2, threads=2)
    assert reduced.largest_error <= 1e-9
    pairs = np.triu_indices(15)
    full = perovskite_frames.values[pairs[0]] @ perovskite_frames.values[pairs[1]].transpose(0, 2, 1)
    wrong = reduced.similarities(*pairs) - full
    assert np.abs(similarity_of_frames(wrong, perovskite_frames.numbers)).max() <= 1e-9
    assert np.abs(wrong).max() <= 2.0 * reduced.losses.max()
