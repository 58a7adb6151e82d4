"""Attribution of errors, confusion with lost crystals, and one-shot sampling beside dynamics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from moving_metals import MOVING, write_moving_metal
from tiny_study import emt, factory, run_tiny, tiny_study

from softmode.anharmonic.classes import confusion_matrix
from softmode.study.md_results import (
    PARTS,
    attribution,
    attribution_summary,
    collapses,
    sampling_comparison,
)
from softmode.study.results import FAILED, OK, cell_table
from softmode.study.sigma_results import (
    compared_approaches,
    compared_sigma,
    confusion,
    confusion_table,
    error_correlations,
)

SCALE = 0.8


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Two metals whose reference is EMT, or EMT made stiff; EMT itself, softened, and one that breaks."""
    root = tmp_path_factory.mktemp("attributed")
    for symbol, force in (("Al", 1.0), ("Cu", 1.7)):
        write_moving_metal(root / "data" / symbol, symbol, force, amplitude=0.08)
    settings = tiny_study(
        root / "data",
        root / "o",
        emt(),
        factory("scaled_emt", "soft", factor=SCALE),
        factory("nan_close_emt", "fragile", distance=2.3),
        options=MOVING,
        measurements=["harmonic", "sigma", "one_shot", "model_only"],
        md={"steps": 200, "sample_every": 2, "discard": 20},
    )
    study, _ = run_tiny(settings)
    return cell_table(study)


def test_parts_add_up_to_rounding(cells: pd.DataFrame) -> None:
    parts = attribution(cells)
    assert len(parts) >= 4
    total = parts[list(PARTS)].sum(axis=1)
    np.testing.assert_allclose(total, parts["difference"], rtol=0, atol=1e-14)
    expected = parts["sigma_model_only"] - parts["sigma_reference"]
    np.testing.assert_array_equal(parts["difference"], expected)
    np.testing.assert_array_equal(
        parts["sampling_error"], parts["sigma_model_only"] - parts["sigma_phi_model"]
    )
    table = cells.set_index(["material", "potential"])
    for row in parts.itertuples():
        cell = table.loc[(row.material, row.potential)]
        assert row.sigma_model_only == cell["sigma_model_only_mean_t"]
        assert row.sigma_reference == cell["sigma_reference_mean_t"]


def test_a_potential_that_is_the_reference_errs_by_sampling_alone(cells: pd.DataFrame) -> None:
    row = attribution(cells).set_index(["material", "potential"]).loc[("Al", "emt")]
    assert abs(row["force_error"]) < 1e-6
    assert abs(row["hessian_error"]) < 1e-6
    assert abs(row["sampling_error"]) > 1e-3  # random frames of 0.08 Å are no dynamics
    assert row["largest"] == "sampling_error"


def test_a_scaled_potential_cancels_forces_against_force_constants(cells: pd.DataFrame) -> None:
    row = attribution(cells).set_index(["material", "potential"]).loc[("Al", "soft")]
    assert row["sigma_phi_model"] == pytest.approx(row["sigma_reference"], rel=1e-6)
    assert row["force_error"] == pytest.approx(-row["hessian_error"], rel=1e-5)
    assert abs(row["force_error"]) > 1e-3


def made_up() -> pd.DataFrame:
    """What a potential says of six materials: two lose the crystal, one fails, one has no dynamics yet."""
    rows = []
    for name, reference, alone, state, lost in (
        ("m1", 0.2, 0.3, OK, False),
        ("m2", 0.7, 0.4, OK, False),
        ("m3", 1.3, 0.6, OK, True),
        ("m4", 0.6, None, OK, True),
        ("m5", 1.2, None, FAILED, None),
        ("m6", 0.4, None, "pending", None),
    ):
        row = {
            "material": name,
            "formula": name,
            "group": "F" if name < "m4" else "Cl",
            "potential": "A",
            "sigma_state": OK,
            "model_only_state": state,
            "one_shot_state": OK,
            "sigma_reference_mean_t": reference,
            "sigma_reference_mean_t_low": reference - 0.1 if name != "m2" else None,
            "sigma_phi_ref_mean_t": reference + 0.3,
            "sigma_phi_model_mean_t": reference + 0.1,
            "sigma_force_error": 0.3,
            "sigma_hessian_error": -0.2,
            "sigma_one_shot_mean_t": 0.35,
            "sigma_one_shot_mean_t_low": 0.3,
            "sigma_one_shot_mean_t_high": 0.4,
            "sigma_one_shot_class": "weak",
        }
        if state == OK:
            row |= {
                "sigma_model_only_mean_t": alone,
                "sigma_model_only_mean_t_low": None if alone is None else alone - 0.02,
                "sigma_model_only_mean_t_high": None if alone is None else alone + 0.02,
                "sigma_model_only_class": "unstable" if lost else "weak",
                "md_collapsed": lost,
                "md_n_collapsed": int(bool(lost)),
                "md_n_replicas": 2,
                "md_first_collapse_step": 7 if lost else None,
                "md_reason": "replica 1 collapsed at step 7: gone" if lost else "",
            }
        rows.append(row)
    return pd.DataFrame(rows)


def test_lost_crystals_are_called_unstable() -> None:
    table = made_up()
    assert compared_approaches(table) == ("phi_ref", "phi_model", "model_only")
    matrix = confusion(table, "A", "model_only")
    assert matrix.counts.tolist() == [[1, 0, 0], [1, 0, 1], [0, 0, 1]]
    assert matrix.failed.tolist() == [0, 0, 1]
    assert matrix.called_more_stable() == pytest.approx(1 / 3)  # m2 of m2, m3, m4
    assert matrix.called_less_stable() == pytest.approx(1 / 3)  # m4 of m1, m2, m4
    found = compared_sigma(table, "A", "model_only")
    assert found.collapsed.tolist() == [False, False, True, True, False]
    assert found.certain.tolist() == [True, False, True, False, False]
    by_group = confusion(table, "A", "model_only", "F")
    assert by_group.counts.sum() == 3
    # on the reference's frames nothing collapses, and m6 is there
    assert confusion(table, "A", "phi_model").counts.sum() == 6
    rows = confusion_table(table, seed=1).set_index(["approach", "group", "failures_as_wrong"])
    row = rows.loc[("model_only", "all", False)]
    assert (row["n"], row["failed"], row["n_collapsed"], row["n_without_interval"]) == (5, 1, 2, 1)
    assert rows.loc[("phi_ref", "all", False), "n_collapsed"] == 0


def test_lost_crystals_in_the_matrix_itself() -> None:
    matrix = confusion_matrix(
        [0.1, 0.6, 1.5, 0.1],
        [0.2, np.nan, np.nan, np.nan],
        [False, False, True, False],
        collapsed=[True, True, True, False],
    )
    assert matrix.counts.tolist() == [[0, 0, 1], [0, 0, 1], [0, 0, 0]]
    assert matrix.failed.tolist() == [1, 0, 1]  # failed beats collapsed; NaN without collapse is a failure
    with pytest.raises(ValueError, match="not of the same materials"):
        confusion_matrix([0.1], [0.1], collapsed=[True, False])


def test_the_summary_leaves_lost_crystals_out_and_counts_them() -> None:
    parts = attribution(made_up())
    assert parts["material"].tolist() == ["m1", "m2", "m3"]
    summary = attribution_summary(parts, seed=1).set_index("part")
    assert (summary["n"] == 2).all()
    assert (summary["n_collapsed"] == 1).all()
    assert summary.loc["difference", "median"] == pytest.approx((0.1 - 0.3) / 2)
    assert summary.loc["force_error", "median"] == pytest.approx(0.3)
    assert summary.loc["sampling_error", "median"] == pytest.approx((0.0 - 0.4) / 2)
    assert summary.loc["sampling_error", "median_size"] == pytest.approx((0.0 + 0.4) / 2)
    assert summary["largest_in"].dropna().to_dict() == {
        "force_error": 1,
        "hessian_error": 0,
        "sampling_error": 1,
    }


def test_one_shot_beside_dynamics(cells: pd.DataFrame) -> None:
    found = sampling_comparison(made_up()).set_index("material")
    assert found.index.tolist() == ["m1", "m2", "m3"]
    assert found["agree"].tolist() == [True, True, False]  # [.28, .32], [.38, .42], [.58, .62] with [.3, .4]
    assert found["same_class"].tolist() == [True, True, False]
    real = sampling_comparison(cells)
    assert {"Al", "Cu"} == set(real["material"])
    assert (real["one_shot"] > 0).all()


def test_lost_crystals_are_listed() -> None:
    found = collapses(made_up())
    assert found["material"].tolist() == ["m3", "m4"]
    assert found["md_reason"].str.contains("step 7").all()


def test_nothing_to_tell() -> None:
    table = made_up().drop(columns=["model_only_state"])
    assert compared_approaches(table) == ("phi_ref", "phi_model")
    assert attribution(table).empty
    assert attribution_summary(attribution(table), seed=1).empty
    assert sampling_comparison(table).empty
    assert collapses(table).empty


def test_errors_of_sigma_and_of_phonons(cells: pd.DataFrame, tmp_path: Path) -> None:
    found = error_correlations(cells, seed=1).set_index("potential")
    assert found.loc["emt", "n"] == 2
    assert np.isnan(found.loc["emt", "pearson"])
    rng = np.random.default_rng(3)
    error = np.arange(1.0, 21.0)
    table = pd.DataFrame(
        {
            "potential": "A",
            "sigma_state": OK,
            "harmonic_state": OK,
            "sigma_reference_mean_t": 0.5,
            "sigma_phi_model_mean_t": 0.5 + 0.01 * error * rng.choice([-1.0, 1.0], 20),
            "path_rmse_w2_THz2": error**2,
        }
    )
    row = error_correlations(table, seed=1).iloc[0]
    assert row["spearman"] == pytest.approx(1.0)
    assert row["pearson"] == pytest.approx(np.corrcoef(error, error**2)[0, 1])
    assert row["spearman_low"] > 0.9
