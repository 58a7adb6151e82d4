"""Potentials of a study in pairs: what is compared with what, failures, and the number of tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from softmode.records import LACKED_MEMORY
from softmode.study.field_metrics import ERRORS, STABLE
from softmode.study.paired import STABILITY_F1, paired_table

ENTROPY = ERRORS["entropy_J_per_molK"]


def cells_of(potential: str, w2: list[float], verdicts: str, failure: str = "") -> pd.DataFrame:
    """Materials m0, m1, … with RMSE(ω²) and verdicts of reference and potential; a last one that failed."""
    rows = [
        {
            "path_rmse_w2_THz2": error,
            STABLE[0]: pair[0] == "S",
            STABLE[1]: pair[1] == "S",
            ENTROPY: -error,
            "harmonic_state": "ok",
        }
        for error, pair in zip(w2, verdicts.split(), strict=True)
    ]
    if failure:
        rows.append({"harmonic_state": "failed", "failure_kind": failure})
    table = pd.DataFrame(rows, columns=[*rows[0], "failure_kind"])
    names = [f"m{i}" for i in range(len(rows))]
    return table.assign(material=names, potential=potential)


def test_pairs_are_of_the_same_materials_and_thermodynamics_of_stable_ones() -> None:
    first = cells_of("a", [1.0, 2.0, 3.0, 4.0], "SS SS UU SU")
    second = cells_of("b", [2.0, 1.0, 6.0, 8.0, 9.0], "SS SU UU SS UU").iloc[::-1]
    table = paired_table(pd.concat([first, second]), seed=1).set_index("error")
    assert set(table.index) == {"w2", "entropy", STABILITY_F1}  # nothing else has been measured
    w2, entropy, f1 = (table.loc[name] for name in ("w2", "entropy", STABILITY_F1))
    assert (w2["n"], w2["better"], w2["worse"], w2["ratio"]) == (4, 1, 3, 2.0)
    assert (w2["median_first"], w2["median_second"]) == (2.5, 4.0)
    assert (entropy["n"], entropy["difference"]) == (1, 1.0)  # m0 alone is stable for all three
    # a: two of three stable ones called so, b the same with another one wrong
    assert (f1["median_first"], f1["median_second"], f1["difference"]) == (0.8, 0.8, 0.0)
    assert (f1["better"], f1["worse"], f1["p_value"]) == (1, 1, 1.0)
    assert np.isnan(f1["ratio"])


@pytest.mark.parametrize(("kind", "n"), [("InputDataError", 3), (LACKED_MEMORY, 2)])
def test_a_failure_is_worse_than_any_error_but_for_want_of_memory(kind: str, n: int) -> None:
    first = cells_of("a", [1.0, 2.0, 3.0], "SS SS UU")
    second = cells_of("b", [0.5, 1.0], "SS SS", failure=kind)
    table = paired_table(pd.concat([first, second]), seed=1).set_index("error")
    for error in ("w2", STABILITY_F1):
        assert table.loc[error, "n"] == n
        assert table.loc[error, "worse"] == n - 2


def test_p_values_are_corrected_for_all_rows_of_the_table() -> None:
    errors = np.linspace(1.0, 2.0, 10)
    parts = [
        cells_of(name, list(errors * scale), "UU " * 10) for name, scale in (("a", 1), ("b", 2), ("c", 3))
    ]
    table = paired_table(pd.concat(parts), seed=1)
    of_w2 = table[table["error"] == "w2"]
    assert len(of_w2) == 3
    np.testing.assert_allclose(of_w2["p_value"], 2 * 0.5**10)
    np.testing.assert_allclose(of_w2["p_holm"], 3 * 2 * 0.5**10)  # F1 of none that is stable has no test
    only = paired_table(pd.concat(parts), seed=1, pairs=[("c", "a")])
    assert only["first"].unique().tolist() == ["c"]
    assert only.loc[only["error"] == "w2", "ratio"].item() == pytest.approx(1 / 3)


def test_one_potential_makes_no_pairs() -> None:
    assert paired_table(cells_of("a", [1.0], "SS"), seed=1).empty
