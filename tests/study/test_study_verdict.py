"""The verdict in words: what is said, and what so few materials do not allow to say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu
from tiny_study import tiny_study

from softmode.anharmonic.classes import classify
from softmode.measurements.noise_floor import NOISE_FLOOR
from softmode.records import LACKED_MEMORY
from softmode.statistics.two_samples import rank_sum_test
from softmode.study.field_metrics import STABLE
from softmode.study.paired import COMPARED_ERRORS, other_tests, paired_table
from softmode.study.verdict import Statement, brief
from softmode.study.verdict.anharmonic import of_anharmonicity
from softmode.study.verdict.contest import contest
from softmode.study.verdict.passports import of_passports
from softmode.study.verdict.phonons import of_phonons
from softmode.study.verdict.sample import of_failures, of_sample

W2 = COMPARED_ERRORS["w2"]


def cells_of(errors: dict[str, Iterable[float]], groups: str = "", **more: object) -> pd.DataFrame:
    """Cells with these RMSE(ω²) by potential, NaN where the potential failed."""
    rows = []
    for potential, values in errors.items():
        for at, value in enumerate(values):
            failed = bool(np.isnan(value))
            rows.append(
                {
                    "material": f"m{at}",
                    "formula": f"m{at}",
                    "group": groups[at] if groups else "X",
                    "potential": potential,
                    "state": "failed" if failed else "ok",
                    "harmonic_state": "failed" if failed else "ok",
                    "failure_kind": "InputDataError" if failed else None,
                    "failure": "it is broken. Mend it." if failed else None,
                    "path_rmse_w2_THz2": value,
                    "path_softening": np.nan if failed else 1.0 - value / 10.0,
                    "path_stability_agrees": None if failed else True,
                    "phonons_seen": "no",
                    STABLE[0]: None if failed else at % 3 > 0,
                    STABLE[1]: None if failed else at % 3 > 0,
                    **more,
                }
            )
    return pd.DataFrame(rows)


def said(cells: pd.DataFrame) -> list[Statement]:
    return list(of_phonons(cells))


def of_topic(cells: pd.DataFrame, topic: str, group: str | None = None) -> str:
    return next(one.text for one in said(cells) if (one.topic, one.group) == (topic, group))


def test_who_leads_beyond_chance_and_by_how_much() -> None:
    errors = np.linspace(1.0, 3.0, 11)
    cells = cells_of({"worst": 4 * errors, "best": errors, "next": 2 * errors})
    text = of_topic(cells, "lead")
    # all eleven on one side: p = 2 · 2⁻¹¹, times the three pairs; F1 of equal verdicts has no test
    assert text.startswith("best leads on RMSE(ω²): 2 [")
    assert (
        "THz², median of 11 materials. Beyond chance ahead of next (2 [2, 2] times its error, larger on 11"
        in text
    )
    assert "of 11; sign test, p = 0.003 corrected for 3 tests) and worst (4 [4, 4] times)." in text


def test_a_tie_is_called_one() -> None:
    errors = np.linspace(1.0, 3.0, 11)
    wobble = np.where(np.arange(11) % 2, 1.1, 0.95)
    text = of_topic(cells_of({"a": errors, "b": errors * wobble}), "lead")
    assert text.startswith("Nobody leads on RMSE(ω²) beyond chance: smallest median ")
    assert "not to be told apart from it: " in text


def test_one_that_is_better_on_most_materials_is_told_although_its_median_is_larger() -> None:
    errors = np.linspace(1.0, 2.0, 25)
    other = np.where(np.arange(25) < 21, errors - 0.01, errors)
    other[10:13] = 9.0  # in the middle, so that the median rises
    other[13:] = errors[13:] * 0.99
    cells = cells_of({"a": errors, "b": other})
    found = contest(cells, W2)
    assert found is not None
    assert (found.leader, found.better) == ("a", ("b",))
    assert "No single leader on RMSE(ω²): a has the smallest median" in of_topic(cells, "lead")


def test_who_leads_at_the_lattice_of_each_potential_is_said_for_all_and_for_each_group() -> None:
    errors = np.linspace(1.0, 3.0, 16)
    cells = cells_of({"a": errors, "b": 2 * errors}, groups="F" * 8 + "I" * 8)
    own = np.where(cells["potential"] == "a", 4.0, 3.0)
    cells["path_rmse_w2_THz2_at_own"], cells["lattice_state"] = own, "ok"
    found = [one for one in said(cells) if "own lattice, b has the smallest, 3 [3, 3] THz²; a 4." in one.text]
    assert [one.group for one in found] == [None, "F", "I"]
    del cells["path_rmse_w2_THz2_at_own"]
    assert not any("Relaxed" in one.text for one in said(cells))


def test_one_that_is_better_on_most_at_its_own_lattice_is_not_called_level(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On 20 of 21 it is better: p = 2 · (1 + 21) / 2²¹; but in the middle it is not."""
    other = np.array([*np.linspace(1.0, 1.1, 10), 1.5, *np.linspace(5.0, 6.0, 10)])
    own = other - 0.01
    own[10] = 4.0
    cells = cells_of({"a": other, "b": other - 0.5})
    cells["path_rmse_w2_THz2_at_own"], cells["lattice_state"] = np.concatenate([other, own]), "ok"
    [own_lattice] = [one.text for one in said(cells) if "own lattice, a has" in one.text]
    assert own_lattice.endswith("; b 4 (better on most).")
    # corrected for thousands of other tests it is beyond chance no more
    monkeypatch.setattr(
        "softmode.study.verdict.phonons.other_tests", lambda cells: {"w2_own": [0.5] * 10_000}
    )
    [own_lattice] = [one.text for one in said(cells) if "own lattice, a has" in one.text]
    assert own_lattice.endswith("; b 4 (not to be told apart).")


def test_those_level_with_the_best_that_has_seen_nothing_are_named() -> None:
    errors = np.linspace(1.0, 3.0, 12)
    wobble = np.where(np.arange(12) % 2, 1.1, 0.92)
    cells = cells_of({"taught": errors / 4, "a": errors, "b": errors * wobble, "c": 5 * errors})
    cells.loc[cells["potential"] == "taught", "phonons_seen"] = "train"
    best, level = ("a", "b") if np.median(errors) <= np.median(errors * wobble) else ("b", "a")
    text = of_topic(cells, "lead")
    assert f"the best of those that saw none is {best}, " in text
    assert f"level with it: {level})." in text


def test_five_materials_carry_no_test_and_one_ranks_nothing() -> None:
    five = of_topic(cells_of({"a": [1, 2, 3, 4, 5], "b": [2, 4, 6, 8, 10]}), "lead")
    assert five == (
        "On m0, m1, m2, m3 and m4 alone: median RMSE(ω²), THz², 3 by a and 6 by b; "
        "5 crystals are too few for a test."
    )
    one = cells_of({"a": [1.0], "b": [np.nan]})
    ranked_nothing = "On m0 alone: RMSE(ω²), THz², 1 by a; failed: b; one crystal ranks no potentials."
    assert of_topic(one, "lead") == ranked_nothing
    for statement in said(one):
        assert "[" not in statement.text
        assert "p =" not in statement.text


def test_groups_with_enough_materials_have_a_lead_of_their_own() -> None:
    errors = np.arange(1.0, 15.0)
    cells = cells_of({"a": errors, "b": 2 * errors}, groups="F" * 8 + "I" * 6)
    by_group = {one.group: one.text for one in said(cells) if one.topic == "lead"}
    assert by_group["F"].startswith("Fluorides: a leads on RMSE(ω²)")
    assert "6 materials" in by_group["I"]
    assert not [
        one for one in said(cells_of({"a": errors, "b": errors}, "F" * 9 + "I" * 5)) if one.group == "I"
    ]


def test_a_name_keeps_its_letters_whatever_they_are() -> None:
    name = "<script>=x"
    errors = np.arange(1.0, 9.0)
    assert of_topic(cells_of({name: errors, "b": 2 * errors}), "lead").startswith(f"{name} leads")


def test_only_materials_that_all_have_are_compared_and_the_others_counted() -> None:
    cells = cells_of({"a": np.arange(1.0, 10.0), "b": np.arange(2.0, 11.0)})
    cells.loc[(cells["potential"] == "b") & (cells["material"] == "m8"), ["harmonic_state", W2.column]] = [
        "pending",
        np.nan,
    ]
    assert "1 material that not all potentials have is left out" in of_topic(cells, "lead")


def test_bias_says_on_which_side_and_how_many() -> None:
    text = of_topic(cells_of({"a": np.linspace(1.0, 3.0, 11)}), "bias")
    assert "too soft: a 0.8 [" in text
    assert "(below 1 on 11 of 11)" in text


def test_stability_is_set_beside_what_always_saying_the_same_would_score() -> None:
    cells = cells_of({"a": np.ones(12), "b": np.ones(12)})
    cells.loc[cells["potential"] == "b", STABLE[1]] = True  # of b everything is stable
    words = {one.topic: one for one in said(cells)}
    assert words["stability"].text.startswith("Harmonic stability as the reference's: a on 12 of 12 (100 % [")
    assert "Always saying “stable” would be right on 8 of 12" in words["base_rate"].text
    assert "no potential is better than that beyond chance" in words["base_rate"].text  # 4 : 0 is none
    cells[STABLE[0]] = True
    assert "cannot show whether" in next(one.text for one in said(cells) if one.topic == "base_rate")


def test_a_lead_among_crystals_seen_in_training_is_tested_on_the_others() -> None:
    errors = np.concatenate([np.full(10, 0.1), np.full(8, 5.0)])
    cells = cells_of({"taught": errors, "fair": np.ones(18)})
    seen = (cells["potential"] == "taught") & cells["material"].isin([f"m{at}" for at in range(10)])
    cells.loc[seen, "phonons_seen"] = "train"
    text = of_topic(cells, "sample")
    assert text.startswith(
        "Trained on phonons of these very crystals, or chosen by them: taught† on those of"
    )
    assert "On the 8 that none has seen, fair has the smallest median, 1 [1, 1] THz², not taught." in text
    assert (
        "taught† was trained on the phonons of 10 of these 18, or chosen by them; the best of those that saw "
        "none is fair, 1 [1, 1] THz²" in of_topic(cells, "lead")
    )
    assert of_topic(cells, "stability").startswith(
        "Harmonic stability as the reference's: fair and taught† both on 18 of 18"
    )


def test_claims_are_corrected_as_the_table_of_pairs_is() -> None:
    errors = np.linspace(1.0, 3.0, 12)
    cells = cells_of({"a": errors, "b": errors * np.where(np.arange(12) == 0, 0.5, 2.0), "c": 3 * errors})
    cells["path_rmse_vg_THzA"] = cells[W2.column].to_numpy()[::-1]  # c is best by it
    table = paired_table(cells, None)
    found = contest(cells, W2, other_tests(cells)["w2"])
    assert found is not None
    of_w2 = table[table["error"] == "w2"]
    rows = of_w2[of_w2["first"] == found.leader].set_index("second")["p_holm"]
    assert found.p_values == pytest.approx(rows.to_dict())
    assert found.n_tests == 6


def test_lowest_modes_are_judged_where_one_is_imaginary() -> None:
    lowest = COMPARED_ERRORS["lowest"]
    cells = cells_of({"a": np.ones(9), "b": np.ones(9)}).assign(**{lowest.column: -1e-8})
    found = contest(cells, lowest)
    assert found is not None
    assert found.materials == ("m0", "m3", "m6")  # the others are stable on both sides
    table = paired_table(cells, None).set_index("error")
    assert table.loc["lowest", "n"] == 3


def test_passports_say_what_the_verdict_depends_on_and_what_noise_leaves_open() -> None:
    row = {"material": "m", "formula": "m", "state": "ok", "passport_state": "ok", "passport_ways": 4}
    depends = {"potential": "a", "passport_agreeing": 3, "passport_margin_THz": -0.03, NOISE_FLOOR: 0.04}
    depends |= {"passport_verdict": "unstable in 3 of 4 ways; lowest mode -0.30 … -0.07 THz"}
    depends |= {"passport_otherwise": '["displacement 0.05 Å", "displacement 0.05 Å, structure relaxed"]'}
    noisy = {"potential": "b", "passport_agreeing": 4, "passport_margin_THz": 0.38, NOISE_FLOOR: 0.81}
    [one] = of_passports(pd.DataFrame([row | depends, row | noisy]), 0.1)
    assert one.text == (
        "Harmonic stability (no mode below −0.1 THz) depends on how phonons are computed in 1 of 2 cells: a "
        "on m (unstable in 3 of 4 ways; lowest mode −0.30 … −0.07 THz; otherwise with displacement 0.05 Å). "
        "Not resolved, the noise floor being above the margin: b on m (margin 0.38, noise 0.81 THz)."
    )


def test_elements_in_which_the_leader_is_worse_are_named() -> None:
    cells = cells_of({"a": np.ones(24)}, path_largest_reference_THz=1.0)
    heavy = cells.index < 12
    cells["formula"] = np.where(heavy, "CsCl", "KCl")
    cells.loc[heavy, W2.column] = 3.0
    text = [one.text for one in said(cells) if one.topic == "failures"][1]
    assert "clearly larger for 12 crystals with Cs (3 times that of the others, p < 0.001)" in text


def test_failures_are_counted_by_reason() -> None:
    cells = cells_of({"a": [1.0, np.nan, np.nan], "b": [1.0, 1.0, np.nan]})
    cells.loc[cells.index[2], "failure_kind"] = LACKED_MEMORY
    [one] = of_failures(cells)
    assert one.text == (
        "3 of 6 cells failed: 2 × input data error, a on m1 and b on m2 (“it is broken. Mend it”); "
        "1 × out of memory, not counted against the potential, a on m2 (“it is broken. Mend it”)."
    )
    assert set(one.materials) == {"m1", "m2"}
    nothing = cells_of({"a": [np.nan, np.nan]})
    assert said(nothing) == []
    assert "All 2 cells failed" in next(of_failures(nothing)).text
    assert "None has a result" in next(of_sample(nothing)).text


def test_a_terminal_has_one_statement_of_each_topic() -> None:
    every = [
        Statement("lead", "a"),
        Statement("lead", "b"),
        Statement("bias", "c", group="F"),
        Statement("bias", "d"),
    ]
    assert [one.text for one in brief(every)] == ["a", "d"]
    assert [one.text for one in brief(every, 1)] == ["a"]


@pytest.mark.parametrize("ties", [False, True])
def test_the_rank_sum_test_is_scipys(ties: bool) -> None:
    rng = np.random.default_rng(3)
    first, second = rng.normal(0.5, 1.0, 9), rng.normal(0.0, 1.0, 14)
    if ties:
        first, second = first.round(), second.round()
    expected = mannwhitneyu(first, second, method="asymptotic").pvalue
    assert rank_sum_test(first, second) == pytest.approx(expected)
    assert rank_sum_test([1.0, 1.0], [1.0]) == 1.0


def sigma_cells(n: int) -> pd.DataFrame:
    """σ of n materials, of classes in turn, by a potential that is right and by one that says weak always."""
    reference = np.array([0.3, 0.7, 1.5] * n)[:n]
    rows = [
        {
            "material": f"m{at}",
            "formula": f"m{at}",
            "group": "F" if at % 2 else "Cl",
            "potential": potential,
            "state": "ok",
            "sigma_state": "ok",
            "failure_kind": None,
            "sigma_n_frames": 40,
            "sigma_reference_mean_t": sigma,
            "sigma_reference_class": classify(sigma),
            "sigma_phi_model_mean_t": own,
            "sigma_phi_model_class": classify(own),
        }
        for potential, change in (("right", 0.01), ("weak", None))
        for at, sigma in enumerate(reference)
        for own in (0.1 if change is None else sigma + change,)
    ]
    return pd.DataFrame(rows)


def test_sigma_is_led_in_groups_and_classes_stand_beside_a_base_rate(tmp_path: Path) -> None:
    settings = tiny_study(tmp_path, tmp_path / "o", measurements=["sigma"])
    found = list(of_anharmonicity(sigma_cells(24), settings))
    texts = [one.text for one in found]
    assert texts[0].startswith(
        "right leads on error of σ on the reference's frames: 0.01 [0.01, 0.01], median of 24"
    )
    assert [one.group for one in found[1:3]] == ["F", "Cl"]
    assert "too large: right 0.01 [0.01, 0.01], above on 24 of 24; too small: weak " in texts[3]
    assert texts[4].startswith(
        "Class of σ (weak, strong, unstable) as the reference's: right on 24 of 24 (100 % [86, 100]), κ = 1 "
        "and weak on 8 of 24 (33 % [18, 53]), κ = 0; always saying “weak” would be right on 8. Better than "
        "that beyond chance: right."
    )
    [alone] = of_anharmonicity(sigma_cells(1), settings)
    assert alone.text == (
        "σ of m0 on the reference's 40 frames, too few for an interval: 0.300 by the reference (weak, 2 of 2 "
        "potentials say the same); with Φ, the force constants, of the potential: 0.310 by right, 0.100 by "
        "weak."
    )
