"""Statements of the paper against numbers: verdicts on data that are made to hold, fail or tell nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from paper_study import BEST, COMPOUNDS, OTHER, WORST, PaperRun
from scipy.stats import kendalltau

from softmode.panel import PublishedLink, RowsLink
from softmode.published import published_harmonic
from softmode.report.paper.claims import (
    FAILS,
    HOLDS,
    IN_PART,
    UNDECIDED,
    certain,
    claims,
    ratio_of_medians,
    standing,
    trend,
)
from softmode.report.paper.source import collect_paper


def falling(steps: tuple[float, ...], n: int = 30) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        group: level + 0.3 * rng.normal(size=n)
        for group, level in zip(("F", "Cl", "Br", "I"), steps, strict=True)
    }


@pytest.mark.parametrize(
    ("steps", "verdict"),
    [
        ((4.0, 3.0, 2.0, 1.0), HOLDS),
        ((1.0, 2.0, 3.0, 4.0), FAILS),
        ((4.0, 2.0, 3.0, 1.0), IN_PART),
        ((1.0, 1.0, 1.0, 1.0), UNDECIDED),
    ],
)
def test_trends_along_the_halides(steps: tuple[float, ...], verdict: str) -> None:
    values = falling(steps)
    found = trend(values)
    assert found.verdict == verdict
    assert found.n == 120
    assert list(found.medians) == ["F", "Cl", "Br", "I"]
    assert found.medians["Cl"] == pytest.approx(np.median(values["Cl"]))
    place = np.repeat(np.arange(4), 30)
    expected = kendalltau(place, np.concatenate(list(values.values())))
    assert (found.tau, found.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_a_trend_needs_two_halides_and_enough_materials() -> None:
    assert np.isnan(trend({"F": np.ones(5)}).tau)
    assert trend({"F": np.ones(5)}).verdict == UNDECIDED
    assert trend({}).verdict == UNDECIDED
    assert trend({"F": np.array([2.0]), "I": np.array([1.0])}).verdict == UNDECIDED


def test_the_order_of_the_halides_does_not_depend_on_that_of_the_table() -> None:
    values = falling((4.0, 3.0, 2.0, 1.0))
    assert trend(dict(reversed(values.items()))) == trend(values)


def test_models_are_compared_on_the_same_materials() -> None:
    rng = np.random.default_rng(1)
    scale = rng.lognormal(sigma=0.5, size=200)
    errors = pd.DataFrame({"worst": 10.0 * scale, "best": scale, "middle": 2.0 * scale})
    found = standing(errors, seed=1)
    assert found is not None
    assert list(found.medians) == ["best", "middle", "worst"]
    ratio = ratio_of_medians(errors["worst"].to_numpy(), errors["best"].to_numpy(), seed=1)
    # the same materials: their scatter cancels
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((10.0, 10.0, 10.0))
    assert found.best_share["best"] == found.worst_share["worst"] == 1.0
    assert certain(found.best_share["best"]) == HOLDS
    assert certain(found.best_share["worst"]) == FAILS


def test_models_that_are_alike_are_not_told_apart() -> None:
    values = np.random.default_rng(2).lognormal(size=(40, 2))
    found = standing(pd.DataFrame(values, columns=["a", "b"]), seed=1)
    assert found is not None
    ratio = ratio_of_medians(values[:, 0], values[:, 1], seed=1)
    assert ratio.low < ratio.value < ratio.high
    assert ratio.value == pytest.approx(np.median(values[:, 0]) / np.median(values[:, 1]))
    assert 0.025 < found.best_share["a"] < 0.975
    assert certain(found.best_share["a"]) == UNDECIDED


def test_one_potential_cannot_be_compared() -> None:
    assert standing(pd.DataFrame({"a": [1.0, 2.0]}), 1) is None
    assert standing(pd.DataFrame(), 1) is None


def test_claims_are_about_the_papers_models_in_the_run(paper_standin: PaperRun) -> None:
    panel = claims(collect_paper(paper_standin.study))
    [shown] = panel.tables
    rows = shown.entries()
    assert all(isinstance(row[0].link, PublishedLink) for row in rows)
    assert {row[1].text for row in rows} == {BEST, WORST, "2 models", "reference"}
    assert OTHER not in " ".join(cell.text for row in rows for cell in row)
    lengths = {item.name: item.frame for item in panel.lists}
    for row in rows:
        if isinstance(row[3].link, RowsLink):
            assert row[3].link.last - row[3].link.first + 1 >= int(row[3].text)
            assert row[3].link.name in lengths


def test_the_best_model_of_the_stand_in_is_found(paper_standin: PaperRun) -> None:
    data = collect_paper(paper_standin.study)
    said = published_harmonic()
    assert (said.best_model, said.worst_model) == (BEST, WORST)
    panel = claims(data)
    rows = {row[0].text: row for row in panel.tables[0].entries() if row[1].text == "2 models"}
    medians = {
        label: float(np.median(data.rows(label, "harmonic")["path_rmse_w2_THz2"].astype(float)))
        for label in (BEST, WORST)
    }
    best, worst = rows[f"{BEST} has the smallest RMSE(ω²)"], rows[f"{WORST} has the largest RMSE(ω²)"]
    assert best[3].text == worst[3].text == str(len(COMPOUNDS))
    ratio = rows[f"that of {WORST} is about 10 times that of {BEST}"][2].text
    assert float(ratio.split()[0]) == pytest.approx(medians[WORST] / medians[BEST], rel=6e-3)
    order = [name for name, _ in sorted(medians.items(), key=lambda item: item[1])]
    assert best[2].text.index(order[0]) < best[2].text.index(order[1])
    common = next(item.frame for item in panel.lists if item.name == "claims_models")
    assert sorted(common["material"]) == sorted(f"dpv_{compound.formula}" for compound in COMPOUNDS)


def test_a_material_on_which_a_model_failed_is_compared_for_none(paper_standin: PaperRun) -> None:
    data = collect_paper(paper_standin.study)
    lost = f"dpv_{COMPOUNDS[0].formula}"
    cells = data.cells.copy()
    cells.loc[(cells["material"] == lost) & (cells["potential"] == WORST), "harmonic_state"] = "failed"
    panel = claims(replace(data, cells=cells))
    common = next(item.frame for item in panel.lists if item.name == "claims_models")
    assert len(common) == len(COMPOUNDS) - 1
    assert lost not in set(common["material"])
    assert any("1 failed" in sentence and WORST in sentence for sentence in panel.missing)


def test_without_the_papers_models_nothing_is_said_of_them(paper_standin: PaperRun) -> None:
    data = collect_paper(paper_standin.study)
    own = replace(data, potentials=tuple(replace(item, paper_name="") for item in data.potentials))
    rows = [row for row in claims(own).tables[0].entries() if row[1].text == "none of the paper's models"]
    assert len(rows) == 3
    assert {row[-1].text for row in rows} == {UNDECIDED}
    assert all(row[2].text == "–" for row in rows)
