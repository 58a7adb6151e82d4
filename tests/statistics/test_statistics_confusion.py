"""Confusion matrices and their intervals: by hand, against the binomial distribution, as properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from softmode.statistics.confusion import ConfusionMatrix, count_answers, of_the_whole, with_intervals

COUNTS = arrays(np.int64, (3, 3), elements=st.integers(0, 50))

#: 20 materials, 12 right; 2 more failed, one weak and one unstable.
SMALL = ConfusionMatrix(np.array([[6, 2, 0], [3, 4, 1], [1, 1, 2]]), np.array([1, 0, 1]))


def test_figures_of_merit_by_hand() -> None:
    assert SMALL.n_materials == 22
    assert SMALL.n_failed == 2
    assert SMALL.accuracy() == pytest.approx(12 / 20)
    assert SMALL.accuracy(failures_as_wrong=True) == pytest.approx(12 / 22)
    # rows 8, 8, 4; columns 10, 7, 3: chance agreement (80 + 56 + 12) / 400 = 0.37
    assert SMALL.kappa() == pytest.approx((0.6 - 0.37) / (1 - 0.37))
    # with failures rows 9, 8, 5: chance (90 + 56 + 15) / 484
    chance = 161 / 484
    assert SMALL.kappa(failures_as_wrong=True) == pytest.approx((12 / 22 - chance) / (1 - chance))
    assert SMALL.called_more_stable() == pytest.approx((3 + 1 + 1) / (8 + 4))
    assert SMALL.called_more_stable(failures_as_wrong=True) == pytest.approx((3 + 1 + 1 + 1) / (8 + 5))
    assert SMALL.called_less_stable() == pytest.approx((2 + 0 + 1) / (8 + 8))
    assert SMALL.called_less_stable(failures_as_wrong=True) == pytest.approx((2 + 0 + 1 + 1) / (9 + 8))
    np.testing.assert_allclose(SMALL.rates()[1], [3 / 8, 4 / 8, 1 / 8])
    np.testing.assert_allclose(SMALL.rates(failures_as_wrong=True)[2], [1 / 5, 1 / 5, 2 / 5])


@given(COUNTS)
def test_kappa_is_one_for_diagonal_matrices_only(counts: np.ndarray) -> None:
    matrix = ConfusionMatrix(counts)
    assume(not np.isnan(matrix.kappa()))
    diagonal = np.trace(counts) == counts.sum()
    assert (matrix.kappa() == 1.0) == diagonal
    assert matrix.kappa() <= 1.0
    assert ConfusionMatrix(counts.T).kappa() == pytest.approx(matrix.kappa())


def test_two_classes_are_counted_as_three_are() -> None:
    matrix = count_answers([0, 0, 1, 1, 1], [0, 1, 0, 1, 0], [False, False, False, False, True], 2)
    np.testing.assert_array_equal(matrix.counts, [[1, 1], [1, 1]])
    np.testing.assert_array_equal(matrix.failed, [0, 1])
    assert (matrix.called_more_stable(), matrix.called_less_stable()) == (0.5, 0.5)
    assert matrix.called_more_stable(failures_as_wrong=True) == pytest.approx(2 / 3)


def test_impossible_counts_are_refused() -> None:
    for shapes in (((2, 3), 2), ((3, 3), 2)):
        with pytest.raises(ValueError, match="not n × n and n"):
            ConfusionMatrix(*(np.zeros(shape) for shape in shapes))
    with pytest.raises(ValueError, match="whole numbers"):
        ConfusionMatrix(np.full((3, 3), 0.5))
    with pytest.raises(ValueError, match="read-only"):
        SMALL.counts[0, 0] = 1


# Intervals


def test_interval_of_the_accuracy_is_the_binomial_one() -> None:
    matrix = ConfusionMatrix(np.array([[300, 50, 0], [40, 200, 10], [5, 45, 150]]))
    estimate = with_intervals(matrix, seed=0, n_samples=8000)
    exact = stats.binomtest(650, 800).proportion_ci(method="wilson")
    assert estimate.accuracy.value == pytest.approx(650 / 800)
    assert estimate.accuracy.low == pytest.approx(exact.low, abs=0.004)
    assert estimate.accuracy.high == pytest.approx(exact.high, abs=0.004)


def test_cells_never_seen_keep_an_exact_upper_bound_and_empty_rows_are_undefined() -> None:
    estimate = with_intervals(ConfusionMatrix(np.array([[40, 0, 0], [2, 8, 0], [0, 0, 0]])), seed=0)
    np.testing.assert_allclose(estimate.rates[0], [1, 0, 0])
    assert estimate.rates_low[0, 1] == 0.0
    assert estimate.rates_high[0, 1] == pytest.approx(stats.binomtest(0, 40).proportion_ci().high)
    assert estimate.rates_low[0, 0] == pytest.approx(stats.binomtest(40, 40).proportion_ci().low)
    assert np.isnan([estimate.rates[2], estimate.rates_low[2], estimate.rates_high[2]]).all()


def test_nothing_at_all_is_undefined_not_an_error() -> None:
    for matrix in (ConfusionMatrix(np.zeros((3, 3))), ConfusionMatrix(np.zeros((3, 3)), np.array([1, 2, 3]))):
        estimate = with_intervals(matrix, seed=0)
        assert np.isnan([estimate.accuracy.value, estimate.kappa.low, estimate.called_more_stable.high]).all()
    wrong = with_intervals(matrix, seed=0, failures_as_wrong=True)
    assert wrong.accuracy.value == wrong.kappa.value == 0.0
    assert wrong.called_more_stable.value == wrong.called_less_stable.value == 1.0


def test_one_class_only_has_no_kappa() -> None:
    estimate = with_intervals(ConfusionMatrix(np.diag([9, 0, 0])), seed=0)
    assert estimate.accuracy.value == 1.0
    assert np.isnan([estimate.kappa.value, estimate.kappa.low, estimate.kappa.high]).all()


@given(COUNTS, st.booleans())
@settings(max_examples=30, deadline=None)
def test_intervals_hold_their_value_and_repeat(counts: np.ndarray, as_wrong: bool) -> None:
    assume((counts.sum(axis=1) > 3).all())
    matrix = ConfusionMatrix(counts, np.array([1, 2, 0]))
    first, second = (
        with_intervals(matrix, seed=2, failures_as_wrong=as_wrong, n_samples=500) for _ in range(2)
    )
    assert (first.accuracy, first.kappa) == (second.accuracy, second.kappa)
    assert first.accuracy.low <= first.accuracy.value <= first.accuracy.high
    assert (first.rates_low <= first.rates + 1e-12).all()
    assert (first.rates <= first.rates_high + 1e-12).all()


def test_strata_drawn_at_different_rates_stand_for_the_whole() -> None:
    """Two strata of one class: 90 of which 1 of 4 drawn is wrong, 10 of which 3 of 4 are."""
    few = ConfusionMatrix(np.array([[3, 1, 0], [0, 0, 0], [0, 0, 0]]))
    many = ConfusionMatrix(np.array([[1, 3, 0], [0, 0, 0], [0, 0, 0]]))
    found = of_the_whole([(few, 90), (many, 10)], seed=0)
    assert found["accuracy"].value == pytest.approx(0.9 * 3 / 4 + 0.1 * 1 / 4)
    assert found["called_less_stable"].value == pytest.approx(0.3)
    assert np.isnan(found["called_more_stable"].value)  # of none
    assert np.isnan(of_the_whole([(ConfusionMatrix(np.zeros((3, 3), int)), 5)], seed=0)["kappa"].value)


def test_strata_that_agree_are_not_certain() -> None:
    right, wrong = ConfusionMatrix(np.diag([5, 0, 0])), ConfusionMatrix(np.eye(3, k=1, dtype=int) * [0, 5, 0])
    found = of_the_whole([(right, 50), (wrong, 50)], seed=0, n_samples=40_000)["accuracy"]
    assert found.value == 0.5
    # each share beta-distributed: Beta(5 + 1/3, 2/3) and Beta(1/3, 5 + 2/3), half of the sum
    rng = np.random.default_rng(1)
    exact = (rng.beta(5 + 1 / 3, 2 / 3, 200_000) + rng.beta(1 / 3, 5 + 2 / 3, 200_000)) / 2
    np.testing.assert_allclose(found[1:], np.quantile(exact, [0.025, 0.975]), atol=0.01)


def test_intervals_of_the_whole_hold() -> None:
    """Coverage over drawn samples of known strata, failures among the answers."""
    rng = np.random.default_rng(1)
    sizes, answers = [400, 100, 60, 300], rng.dirichlet([2, 2, 2, 0.5], 4)
    truth = sum(size * share[row] for row, size, share in zip((0, 1, 2, 0), sizes, answers, strict=True))
    inside = 0
    for sample in range(200):
        strata = []
        for row, size, share in zip((0, 1, 2, 0), sizes, answers, strict=True):
            given = rng.multinomial(20, share)
            table, failed = np.zeros((3, 3), int), np.zeros(3, int)
            table[row], failed[row] = given[:3], given[3]
            strata.append((ConfusionMatrix(table, failed), size))
        found = of_the_whole(strata, sample, failures_as_wrong=True, n_samples=300)["accuracy"]
        inside += found.low <= truth / sum(sizes) <= found.high
    assert 0.9 <= inside / 200 <= 0.99
