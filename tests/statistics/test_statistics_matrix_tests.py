"""Two confusion matrices compared: textbook values, brute force, calibration under the null, power."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
from scipy.stats import chi2_contingency, kstest

from softmode.published import published_confusion_matrices
from softmode.statistics.confusion import ConfusionMatrix
from softmode.statistics.matrix_tests import (
    CHI_SQUARE,
    MONTE_CARLO,
    NOTHING,
    compare_matrices,
    holm,
    homogeneity,
)

OMAT = published_confusion_matrices()["phi_ref", "omat-0-medium"].counts
SHARES = OMAT / OMAT.sum()


def drawn(rng: np.random.Generator, shares: np.ndarray, n: int) -> np.ndarray:
    return rng.multinomial(n, shares.ravel()).reshape(3, 3)


def test_chi_square_is_that_of_scipy_where_counts_are_large() -> None:
    first, second = np.array([30, 50, 20, 0]), np.array([300, 310, 250, 0])
    found = homogeneity(first, second, 0)
    expected = chi2_contingency([first[:3], second[:3]], correction=False)
    assert found.method == CHI_SQUARE
    assert found.degrees_of_freedom == expected.dof == 2
    np.testing.assert_allclose(
        [found.statistic, found.p_value, found.smallest_expected],
        [expected.statistic, expected.pvalue, expected.expected_freq.min()],
    )
    back = homogeneity(second, first, 0)
    np.testing.assert_allclose([back.statistic, back.distance], [found.statistic, found.distance])


def test_few_counts_are_judged_by_all_tables_with_the_same_margins() -> None:
    first, second = np.array([4, 0, 1]), np.array([6, 5, 1])
    pooled, n = first + second, first.sum()

    def statistic(counts: np.ndarray) -> float:
        expected = pooled * n / pooled.sum()
        other = pooled - expected
        return float(((counts - expected) ** 2 * (1 / expected + 1 / other)).sum())

    tables = [np.array(t) for t in product(*(range(c + 1) for c in pooled)) if sum(t) == n]
    weights = [np.prod([comb(c, k) for c, k in zip(pooled, t, strict=True)]) for t in tables]
    as_far = [w for t, w in zip(tables, weights, strict=True) if statistic(t) >= statistic(first) - 1e-9]
    exact = sum(as_far) / comb(int(pooled.sum()), int(n))
    found = homogeneity(first, second, 3, n_samples=40000)
    assert found.method == MONTE_CARLO
    assert found.p_value == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 40000))
    np.testing.assert_allclose(found.statistic, statistic(first))


def test_rows_are_strata_and_empty_ones_are_left_out() -> None:
    first = np.array([[30, 20, 0], [0, 0, 0], [10, 20, 30]])
    second = np.array([[300, 100, 0], [10, 10, 10], [100, 100, 100]])
    found = homogeneity(first, second, 0)
    parts = [
        chi2_contingency([first[0, :2], second[0, :2]], correction=False),
        chi2_contingency([first[2], second[2]], correction=False),
    ]
    assert found.degrees_of_freedom == sum(part.dof for part in parts) == 3
    assert found.n == (110, 700)
    np.testing.assert_allclose(found.statistic, sum(part.statistic for part in parts))
    of_row = [abs(30 / 50 - 300 / 400), 0.5 * sum(abs(np.array([1, 2, 3]) / 6 - 1 / 3))]
    np.testing.assert_allclose(found.distance, (of_row[0] * 450 + of_row[1] * 360) / 810)


def test_nothing_to_compare_and_nothing_that_could_differ() -> None:
    nothing = homogeneity([0, 0, 0], [5, 5, 5], 0)
    assert (nothing.method, nothing.degrees_of_freedom) == (NOTHING, 0)
    assert np.isnan([nothing.p_value, nothing.distance, nothing.statistic]).all()
    one_class = homogeneity([5, 0, 0], [50, 0, 0], 0)
    assert (one_class.p_value, one_class.statistic, one_class.degrees_of_freedom) == (1.0, 0.0, 0)
    with pytest.raises(ValueError, match="same cells"):
        homogeneity([1, 2], [1, 2, 3], 0)
    with pytest.raises(ValueError, match="whole numbers"):
        homogeneity([1.5, 2], [1, 2], 0)


def test_holm_is_that_of_r() -> None:
    """p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")."""
    np.testing.assert_allclose(
        holm([0.01, np.nan, 0.04, 0.03, 0.005]), [0.03, np.nan, 0.06, 0.06, 0.02], equal_nan=True
    )
    np.testing.assert_allclose(holm([0.6, 0.9]), [1.0, 1.0])
    assert holm([]).shape == (0,)


def p_values(make: object, n: int, kind: str) -> np.ndarray:
    found = []
    for seed in range(n):
        first, second = make()  # type: ignore[operator]
        if kind == "whole":
            first, second = first.reshape(1, -1), second.reshape(1, -1)
        found.append(homogeneity(first, second, seed, n_samples=199).p_value)
    return np.array(found)


@pytest.mark.parametrize("kind", ["whole", "errors"])
@pytest.mark.parametrize("n", [60, 500])
def test_same_shares_are_rejected_as_often_as_the_level_says(kind: str, n: int) -> None:
    rng = np.random.default_rng(n)
    found = p_values(lambda: (drawn(rng, SHARES, n), drawn(rng, SHARES, 1690)), 500, kind)
    for level in (0.05, 0.2, 0.5):
        slack = 3.5 * np.sqrt(level * (1 - level) / len(found))
        assert abs((found <= level).mean() - level) < slack, level


def test_large_counts_give_uniform_p_values() -> None:
    rng = np.random.default_rng(5)
    shares = np.full((3, 3), 1 / 9)
    found = p_values(lambda: (drawn(rng, shares, 900), drawn(rng, shares, 900)), 400, "whole")
    assert kstest(found, "uniform").pvalue > 0.01


def test_another_mix_of_materials_is_no_other_error() -> None:
    rng = np.random.default_rng(8)
    other = OMAT / OMAT.sum(axis=1, keepdims=True) * np.array([[0.2], [0.3], [0.5]])

    def make() -> tuple[np.ndarray, np.ndarray]:
        return drawn(rng, other, 300), drawn(rng, SHARES, 1690)

    errors = p_values(make, 200, "errors")
    assert (errors <= 0.05).mean() < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 200)
    assert (p_values(make, 20, "whole") <= 0.05).all()


def test_another_model_is_found_out() -> None:
    rng = np.random.default_rng(9)
    other = published_confusion_matrices()["phi_ref", "matpes-pbe-omat-ft"].counts
    shares = other / other.sum()
    found = p_values(lambda: (drawn(rng, shares, 300), drawn(rng, SHARES, 1690)), 60, "errors")
    assert (found <= 0.05).mean() > 0.95


def test_on_the_same_compounds_the_test_is_conservative() -> None:
    """A tenth of the materials gets its class anew, by chance."""
    rng = np.random.default_rng(10)
    reference = np.repeat(np.arange(3), OMAT.sum(axis=1))
    steps = (OMAT / OMAT.sum(axis=1, keepdims=True)).cumsum(axis=1)[reference]

    def given() -> np.ndarray:
        return (rng.random(len(reference))[:, None] > steps).sum(axis=1)

    def make() -> tuple[np.ndarray, np.ndarray]:
        first = given()
        second = np.where(rng.random(len(reference)) < 0.1, given(), first)
        sides = [np.bincount(3 * reference + side, minlength=9).reshape(3, 3) for side in (first, second)]
        return sides[0], sides[1]

    assert (p_values(make, 150, "errors") <= 0.05).sum() <= 1


def test_effect_sizes_are_differences_of_the_matrices_own_figures() -> None:
    first = ConfusionMatrix([[30, 4, 0], [9, 20, 1], [1, 5, 10]], [2, 0, 3])
    second = ConfusionMatrix(OMAT)
    for as_wrong in (False, True):
        found = compare_matrices(first, second, 1, failures_as_wrong=as_wrong, n_samples=99)
        for name in ("accuracy", "kappa", "called_more_stable", "called_less_stable"):
            difference = getattr(found, name)
            expected = [getattr(matrix, name)(as_wrong) for matrix in (first, second)]
            np.testing.assert_allclose([difference.first, difference.second], expected)
            assert difference.low < difference.value < difference.high
        assert found.accuracy.n == (85 if as_wrong else 80, 1689)
        # one cell is empty on both sides, two more count with failures
        assert found.whole.degrees_of_freedom == (9 if as_wrong else 7)
    assert [share.n[0] for share in found.row_shares] == [36, 30, 19]
    np.testing.assert_allclose([share.first for share in found.row_shares], [30 / 36, 20 / 30, 10 / 19])
    assert found.errors.statistic == pytest.approx(sum(row.statistic for row in found.rows))


def test_a_matrix_against_itself() -> None:
    found = compare_matrices(ConfusionMatrix(OMAT), ConfusionMatrix(OMAT), 0, n_samples=99)
    assert (found.whole.distance, found.whole.p_value, found.fewest_moved) == (0.0, 1.0, 0)
    assert found.whole.distance_by_chance > 0.01
    assert found.kappa.low < 0.0 < found.kappa.high


def test_complete_agreement_gives_kappa_no_interval() -> None:
    found = compare_matrices(ConfusionMatrix(np.diag([5, 3, 2])), ConfusionMatrix(OMAT), 0, n_samples=99)
    assert found.kappa.first == 1.0
    assert np.isnan([found.kappa.low, found.kappa.high]).all()


def test_fewest_moved_is_what_the_closest_pairing_moves() -> None:
    rng = np.random.default_rng(11)
    for _ in range(20):
        before = rng.integers(0, 9, size=40)
        after = np.where(rng.random(40) < 0.3, rng.integers(0, 9, size=40), before)[:36]
        sides = [np.bincount(side, minlength=9).reshape(3, 3) for side in (after, before)]
        found = compare_matrices(ConfusionMatrix(sides[0]), ConfusionMatrix(sides[1]), 0, n_samples=9)
        assert found.fewest_moved <= (after != before[:36]).sum()
        left = sides[1].copy()  # pair what can be paired in the same cell, one by one
        moved = 0
        for cell in map(tuple, np.argwhere(sides[0] >= 0)):
            stay = min(sides[0][cell], left[cell])
            moved += sides[0][cell] - stay
        assert found.fewest_moved == moved
