"""The field's metrics over materials: by hand, and scikit-learn's arithmetic of F1 written out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from softmode.records import LACKED_MEMORY
from softmode.study.field_metrics import ERRORS, STABLE, field_metrics_table, stability_scores

ENTROPY, ENTROPY_ERROR = ERRORS["entropy_J_per_molK"], "mae_entropy_J_per_molK"


def table_of(verdicts: str, entropies: list[float | None], failures: tuple[str, ...] = ()) -> pd.DataFrame:
    """Cells of a potential: ``SU`` is stable by the reference, unstable by the potential; then failures."""
    rows = [
        {STABLE[0]: pair[0] == "S", STABLE[1]: pair[1] == "S", ENTROPY: entropy}
        for pair, entropy in zip(verdicts.split(), entropies, strict=True)
    ]
    table = pd.DataFrame(rows, columns=[*STABLE, ENTROPY]).astype({ENTROPY: float})
    for name in set(ERRORS.values()) - {ENTROPY}:
        table[name] = 0.5
    table["harmonic_state"], table["failure_kind"] = "ok", None
    lost = pd.DataFrame({"harmonic_state": "failed", "failure_kind": failures})
    return pd.concat([table, lost], ignore_index=True).assign(potential="p")


def test_scores_are_those_of_the_counts() -> None:
    table = table_of("SS SS SS SU US UU UU UU", [1.0, -3.0, 2.0, 0.0, 5.0, None, 4.0, -1.0])
    all_, stable = (row for _, row in field_metrics_table(table, seed=1).iterrows())
    assert (all_["n"], all_["failed"], all_["materials"]) == (8, 0, "all")
    counts = (
        "stable_called_stable",
        "stable_called_unstable",
        "unstable_called_stable",
        "unstable_called_unstable",
    )
    assert [all_[name] for name in counts] == [3, 1, 1, 3]
    assert all_["stability_accuracy"] == 6 / 8
    assert all_["stability_precision"] == all_["stability_recall"] == all_["stability_f1"] == 3 / 4
    assert 0.0 < all_["stability_f1_low"] < 0.75 < all_["stability_f1_high"] <= 1.0
    # the material without thermodynamics is in no error of it
    assert all_[ENTROPY_ERROR] == pytest.approx((1 + 3 + 2 + 0 + 5 + 4 + 1) / 7)
    assert all_["n_entropy_J_per_molK"] == 7
    assert all_["mae_largest_THz"] == 0.5
    assert (stable["n"], stable[ENTROPY_ERROR], stable["materials"]) == (3, 2.0, "stable")


def test_failures_count_as_wrong_verdicts_but_for_those_that_lacked_memory() -> None:
    table = table_of("SS SS UU", [0.0, 0.0, 0.0], ("InputDataError", "TimeoutError", LACKED_MEMORY))
    row = field_metrics_table(table, seed=1).iloc[0]
    assert row["failed"] == 3
    assert row["stability_f1"] == row["stability_accuracy"] == 1.0
    assert row["stability_accuracy_failures_as_wrong"] == 3 / 5
    # two true, and two that are missed or called wrongly: 2·2 / (2·2 + 2)
    assert row["stability_f1_failures_as_wrong"] == pytest.approx(4 / 6)


def test_where_nothing_is_stable_there_is_no_f1() -> None:
    row = field_metrics_table(table_of("UU UU", [1.0, 1.0]), seed=1).iloc[0]
    assert row["stability_accuracy"] == 1.0
    assert np.isnan([row[f"stability_{name}"] for name in ("precision", "recall", "f1")]).all()
    called = stability_scores(np.array([[0.0, 1.0], [0.0, 0.0]]))
    assert called[:2].tolist() == [0.5, 0.0]
    assert np.isnan(called[2])  # recall
    assert called[3] == 0.0


def test_a_potential_without_phonons_has_no_row() -> None:
    assert field_metrics_table(table_of("", [], ("InputDataError",)), seed=1).empty
