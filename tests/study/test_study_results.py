from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_study import emt, factory, run_tiny, tiny_study

from softmode.study.folder import reopen_study
from softmode.study.results import (
    cell_table,
    extremes,
    failures,
    ranking,
    record_index,
)


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
    assert len(index) == 8
    for row in index.itertuples():
        record = study.store.read(row.key)
        assert record.measurement == row.measurement
        assert study.folder / row.file == study.store.path(row.key)
    pd.testing.assert_frame_equal(cell_table(reopen_study(study.folder)), cells)
