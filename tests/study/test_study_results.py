from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_study import emt, factory, run_tiny, tiny_study

from softmode.study.folder import reopen_study
from softmode.study.results import (
    _median,
    bootstrap_median,
    cell_table,
    extremes,
    failures,
    ranking,
    record_index,
)

NUMBER = st.one_of(st.floats(-1e6, 1e6), st.just(np.inf))


def table_of(cells: dict[str, list[float | None]], groups: str = "") -> pd.DataFrame:
    """A table of cells with these RMSE(ω²); None: failed. `groups` names each material's group."""
    rows = []
    for potential, values in cells.items():
        for index, value in enumerate(values):
            rows.append(
                {
                    "material": f"m{index}",
                    "formula": f"M{index}",
                    "group": groups[index] if groups else "one",
                    "prototype": "",
                    "potential": potential,
                    "state": "failed" if value is None else "ok",
                    "harmonic_state": "failed" if value is None else "ok",
                    "path_rmse_w2_THz2": np.nan if value is None else value,
                    "path_rmse_vg_THzA": np.nan if value is None else 10 * value,
                    "path_softening": np.nan if value is None else 1 - value / 100,
                    "path_stability_agrees": None if value is None else value < 5,
                    "failure_kind": "X" if value is None else None,
                    "failure": "because" if value is None else None,
                }
            )
    return pd.DataFrame(rows)


def brute_median(values: list[float]) -> float:
    """The middle value; of two middle values their mean, infinite as soon as the upper one is."""
    ordered = sorted(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return np.inf if high == np.inf else (low + high) / 2


@given(st.lists(NUMBER, min_size=1, max_size=9))
def test_the_median_stays_defined_with_infinities(values: list[float]) -> None:
    found = float(_median(np.array([values]))[0])
    assert not np.isnan(found)
    assert found == pytest.approx(brute_median(values), rel=1e-12, abs=1e-12)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_the_median_is_that_of_numpy(values: list[float], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert float(_median(np.array([shuffled]))[0]) == pytest.approx(np.median(values), rel=1e-12, abs=1e-12)


@given(st.lists(NUMBER, min_size=2, max_size=12))
def test_the_interval_contains_the_median(values: list[float]) -> None:
    interval = bootstrap_median(np.array(values), np.random.default_rng(0))
    assert interval.low <= interval.value <= interval.high
    assert min(values) <= interval.low
    assert interval.high <= max(values)


def test_intervals_of_few_values() -> None:
    rng = np.random.default_rng(0)
    nothing = bootstrap_median(np.empty(0), rng)
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()
    one = bootstrap_median(np.array([3.0]), rng)
    assert one.value == 3.0
    assert np.isnan([one.low, one.high]).all()
    same = bootstrap_median(np.full(5, 2.0), rng)
    assert (same.value, same.low, same.high) == (2.0, 2.0, 2.0)


def test_the_interval_is_reproducible_and_shrinks() -> None:
    values = np.random.default_rng(5).normal(size=400)
    one, two = (bootstrap_median(values, np.random.default_rng(3)) for _ in range(2))
    assert one == two
    few = bootstrap_median(values[:25], np.random.default_rng(3))
    assert one.high - one.low < 0.5 * (few.high - few.low)


def test_the_interval_covers_the_true_median() -> None:
    """At 95 % nominal, of 400 samples of a normal distribution 90 to 98 % must hold the true median."""
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(400):
        interval = bootstrap_median(rng.normal(size=41), rng)
        held += interval.low <= 0.0 <= interval.high
    assert 0.90 <= held / 400 <= 0.98


def test_potentials_are_ranked_by_their_median_with_failures_as_wrong() -> None:
    table = table_of(
        {
            "always wrong": [None, None, None, None, None],
            "good": [1.0, 2.0, 3.0, 4.0, 5.0],
            "brilliant when it works": [0.1, 0.1, None, None, None],
            "best": [0.5, 0.6, 0.7, 9.0, None],
        }
    )
    ranked = ranking(table, seed=1)
    assert list(ranked["potential"]) == ["best", "good", "brilliant when it works", "always wrong"] or list(
        ranked["potential"]
    ) == ["best", "good", "always wrong", "brilliant when it works"]
    rows = ranked.set_index("potential")
    assert rows.loc["good", "median_rmse_w2_THz2"] == 3.0
    assert rows.loc["best", "median_rmse_w2_THz2"] == pytest.approx(np.median([0.5, 0.6, 0.7, 9.0]))
    assert rows.loc["best", "median_rmse_w2_THz2_failures_as_wrong"] == 0.7
    assert rows.loc["best", "median_rmse_vg_THzA_failures_as_wrong"] == 7.0
    assert rows.loc["brilliant when it works", "median_rmse_w2_THz2"] == 0.1
    assert rows.loc["brilliant when it works", "median_rmse_w2_THz2_failures_as_wrong"] == np.inf
    assert np.isnan(rows.loc["always wrong", "median_rmse_w2_THz2"])
    assert list(rows["failed"]) == [1, 0, *rows["failed"].iloc[2:]]
    assert rows.loc["best", "n"] == 4
    assert rows.loc["best", "stability_agreement"] == pytest.approx(3 / 4)
    assert rows.loc["best", "stability_agreement_failures_as_wrong"] == pytest.approx(3 / 5)
    assert rows.loc["good", "median_softening"] == pytest.approx(0.97)


def test_the_order_of_cells_does_not_matter_to_the_ranking() -> None:
    cells = {"a": [3.0, 1.0], "b": [1.0, None], "c": [0.2, 0.4]}
    for order in itertools.permutations(cells):
        ranked = ranking(table_of({name: cells[name] for name in order}), seed=1)
        assert list(ranked["potential"]) == ["c", "a", "b"]


def test_groups_follow_their_potential() -> None:
    table = table_of({"a": [9.0, 8.0, 7.0], "b": [1.0, 2.0, None]}, groups="xyy")
    ranked = ranking(table, seed=1)
    assert list(zip(ranked["potential"], ranked["group"], strict=True)) == [
        ("b", "all"),
        ("b", "x"),
        ("b", "y"),
        ("a", "all"),
        ("a", "x"),
        ("a", "y"),
    ]
    rows = ranked.set_index(["potential", "group"])
    assert rows.loc[("b", "y"), "median_rmse_w2_THz2"] == 2.0
    assert rows.loc[("b", "y"), "failed"] == 1
    assert rows.loc[("a", "all"), "median_rmse_w2_THz2"] == 8.0


def test_cells_to_come_are_no_failures() -> None:
    table = table_of({"a": [1.0, 2.0, None]})
    table.loc[1, ["state", "harmonic_state"]] = "pending"
    row = ranking(table, seed=1).iloc[0]
    assert (row["n"], row["failed"]) == (1, 1)
    assert list(failures(table)["material"]) == ["m2"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], {}),
        ([None], {}),
        ([2.0], {"": "m0"}),
        ([2.0, 1.0], {"best": "m1", "worst": "m0"}),
        ([2.0, 1.0, 3.0], {"best": "m1", "median": "m0", "worst": "m2"}),
        ([None, 4.0, 2.0, None, 1.0, 3.0], {"best": "m4", "median": "m2", "worst": "m1"}),
    ],
)
def test_best_median_and_worst(values: list[float | None], expected: dict[str, str]) -> None:
    table = table_of({"a": values, "b": [0.5] * 6})
    assert extremes(table, "a") == expected


def test_tables_of_a_study(tiny_dataset: Path, tmp_path: Path) -> None:
    study, _ = run_tiny(tiny_study(tiny_dataset, tmp_path / "o", emt(), factory("nan_emt"), ids=["Al", "Cu"]))
    cells = cell_table(study)
    assert list(cells.columns[:6]) == ["material", "formula", "group", "prototype", "potential", "state"]
    assert list(cells["material"]) == ["Al", "Cu", "Al", "Cu"]
    assert list(cells["state"]) == ["ok", "ok", "failed", "failed"]
    assert cells["path_rmse_w2_THz2"].notna().tolist() == [True, True, False, False]
    index = record_index(study)
    assert len(index) == 6
    for row in index.itertuples():
        record = study.store.read(row.key)
        assert record.measurement == row.measurement
        assert study.folder / row.file == study.store.path(row.key)
    pd.testing.assert_frame_equal(cell_table(reopen_study(study.folder)), cells)
