"""Ranks on made-up boards, against what is counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from softmode.leaderboard.boards import BY_NAME, Board
from softmode.leaderboard.ranks import places, ranked
from softmode.leaderboard.standing import standing, standing_words

W2, SOFTENING, STABLE = (BY_NAME[name] for name in ("rmse_w2_THz2", "softening", "stability_agrees"))


def board(values: dict[str, list[list[float]]], groups: str = "", stable: str = "") -> Board:
    """A board of potentials a, b, c …; `values`: a row for each material."""
    first = next(iter(values.values()))
    n, n_potentials = len(first), len(first[0])
    names = tuple("abcdef"[:n_potentials])
    return Board(
        "made-up",
        {"title": "made up", "potentials": dict.fromkeys(names, ""), "citation": "nobody"},
        tuple(
            {
                "material": f"m{at}",
                "group": groups[at] if groups else "one",
                "prototype": "",
                "stable_reference": stable[at] if stable else "1",
            }
            for at in range(n)
        ),
        names,
        {name: np.array(rows, dtype=float) for name, rows in values.items()},
        np.full((n, n_potentials), "no", dtype="<U7"),
        {name: {"training_data": "none", "hessians": False} for name in names},
    )


def test_equal_scores_share_the_better_place() -> None:
    np.testing.assert_array_equal(places(np.array([3.0, 1.0, 1.0, np.inf])), [3, 1, 1, 4])


def test_potentials_are_ranked_by_the_median_of_the_error_with_failures_as_wrong() -> None:
    found = ranked(board({"rmse_w2_THz2": [[1, 2, 0], [1, 2, np.nan], [5, 2, np.nan]]}), W2)
    assert [place.potential for place in found] == ["a", "b", "c"]
    assert [place.rank.value for place in found] == [1, 2, 3]
    assert [place.failed for place in found] == [0, 0, 2]
    assert found[0].medians["rmse_w2_THz2"].value == 1
    assert np.isnan(found[0].rank.low)  # three materials carry no interval


def test_softening_is_ranked_by_its_distance_from_one_and_shown_as_it_is() -> None:
    found = ranked(board({"softening": [[0.8, 1.1, 1.3]]}), SOFTENING)
    assert [place.potential for place in found] == ["b", "a", "c"]
    assert [place.medians["softening"].value for place in found] == [1.1, 0.8, 1.3]


def test_agreement_is_a_share() -> None:
    found = ranked(board({"stability_agrees": [[1, 0], [1, 1], [0, np.nan], [1, 0]]}), STABLE)
    assert [place.medians["stability_agrees"].value for place in found] == [0.75, 0.25]


def test_the_interval_of_a_rank_says_whether_it_is_settled() -> None:
    rng = np.random.default_rng(1)
    close = rng.lognormal(size=(20, 2))
    rows = np.column_stack([close, 100 + close[:, 0]])
    found = ranked(board({"rmse_w2_THz2": rows.tolist()}), W2)
    assert (found[0].rank.low, found[0].rank.high) == (1, 2)
    assert (found[2].rank.low, found[2].rank.high) == (3, 3)


def test_where_a_potential_stands() -> None:
    own = board({"rmse_w2_THz2": [[1, 3, 9], [1, 3, 9], [4, 3, 9]]})
    stand = standing(np.array([2.0, 2.0, 2.0]), own, W2)
    assert stand is not None
    assert (stand.rank.value, stand.of, stand.n) == (2, 4, 3)
    assert stand.percentile == pytest.approx(100 * 2 / 3)
    assert (stand.best, stand.typical) == (1, 3)
    assert [name for name, _ in stand.against] == ["a", "b", "c"]
    assert [found.ratio.value for _, found in stand.against] == [
        2,
        pytest.approx(2 / 3),
        pytest.approx(2 / 9),
    ]
    assert [(found.better, found.worse) for _, found in stand.against] == [(1, 2), (3, 0), (3, 0)]
    said = standing_words("mine", [stand])
    assert "rank 2 of 4" in said
    assert "better than 67 % of these (the best 1, their median 3)" in said


def test_a_packaged_potential_is_left_out_of_its_own_comparison() -> None:
    own = board({"rmse_w2_THz2": [[1, 3, 9]]})
    stand = standing(np.array([3.0]), own, W2, without="b")
    assert stand is not None
    assert (stand.rank.value, stand.of) == (2, 3)
    assert [name for name, _ in stand.against] == ["a", "c"]


def test_a_constant_advantage_is_certain_and_none_is_not() -> None:
    errors = np.random.default_rng(2).lognormal(size=30)
    one = board({"rmse_w2_THz2": np.column_stack([errors + 0.5, errors]).tolist()})
    stand = standing(errors, one, W2)
    assert stand is not None
    against = dict(stand.against)
    assert against["a"].difference == pytest.approx((-0.5, -0.5, -0.5))
    assert against["b"].difference == (0, 0, 0)
    assert stand.percentile == 75.0  # one is worse, one equal


def test_a_failure_is_the_last_and_two_failures_are_equal() -> None:
    stand = standing(np.array([np.nan]), board({"rmse_w2_THz2": [[1, np.nan]]}), W2)
    assert stand is not None
    assert stand.rank.value == 2
    assert stand.percentile == 25.0
    assert [(found.n, found.worse) for _, found in stand.against] == [(1, 1), (0, 0)]


def test_thermodynamics_is_of_crystals_that_the_reference_finds_stable() -> None:
    own = board({"entropy_difference_J_per_molK": [[1, -2], [90, 80], [3, -4]]}, stable="101")
    figure = BY_NAME["entropy_difference_J_per_molK"]
    found = ranked(own, figure)
    assert [place.medians[figure.name].value for place in found] == [2, 3]
    stand = standing(np.array([5.0, 70.0, 5.0]), own, figure)
    assert stand is not None
    assert (stand.n, stand.rank.value, stand.best) == (2, 3, 2)


def test_what_was_not_measured_is_neither_shown_nor_ranked_against() -> None:
    nothing = float("nan")
    own = board(
        {"rmse_w2_THz2": [[1, 2, nothing]], "rmse_w2_own_THz2": [[5, nothing, nothing]]}
    )  # b was not asked for its own lattice, c failed
    figure = BY_NAME["rmse_w2_own_THz2"]
    shown = {place.potential: place.medians[figure.name].value for place in ranked(own, W2)}
    assert shown["a"] == 5
    assert np.isnan(shown["b"])
    assert np.isinf(shown["c"])
    stand = standing(np.array([6.0]), own, figure)
    assert stand is not None
    assert (stand.rank.value, stand.of) == (2, 3)


def test_a_group_is_a_halide_or_a_prototype() -> None:
    own = board({"rmse_w2_THz2": [[1, 2], [3, 4], [5, 6]]}, groups="FIF")
    assert [row["material"] for row in own.in_group("F").materials] == ["m0", "m2"]
    assert own.groups == ("F", "I")


def test_crystals_seen_in_training_are_left_out_where_asked() -> None:
    own = board({"rmse_w2_THz2": [[1, 2], [3, 4], [5, 6]]})
    own.seen[0, 1], own.seen[1, 0] = "train", "unknown"
    own.seen[2, 0] = "test"
    assert [row["material"] for row in own.unseen().materials] == ["m2"]
