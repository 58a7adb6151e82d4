"""Panels of the harmonic half: their numbers, derived again from records and from what the stand-in is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.cbook import boxplot_stats
from paper_study import BEST, COMPOUNDS, OTHER, WORST, PaperRun
from scipy.stats import spearmanr

from softmode.panel import Entry, Panel, PublishedLink, RecordLink, RowsLink, Table
from softmode.report.paper.fig1 import box_numbers, fig1a, fig1b, fig1c
from softmode.report.paper.source import PaperData, collect_paper
from softmode.report.paper.supplement import s1, s2, s3, s4, s6
from softmode.report.paper.table1 import table1

CHLORIDES = [f"dpv_{compound.formula}" for compound in COMPOUNDS if compound.x == "Cl"]
PAPERS_BEST = "dpv_Cs2KDyCl6"


@pytest.fixture(scope="module")
def data(paper_standin: PaperRun) -> PaperData:
    return collect_paper(paper_standin.study)


def table(panel: Panel, name: str) -> Table:
    return next(item for item in panel.tables if item.name == name)


def column(of: Table, head: str) -> list[Entry]:
    return [row[of.columns.index(head)] for row in of.entries()]


def lines(panel: Panel, link: Any) -> pd.DataFrame:
    """The rows that a number leads to, counted as lines of the CSV file."""
    assert isinstance(link, RowsLink)
    frame = next(item.frame for item in panel.lists if item.name == link.name)
    return frame.iloc[link.first - 2 : link.last - 1]


def own_rmse_w2(data: PaperData, material: str, label: str) -> float:
    """RMSE(ω²) on the path from the frequencies themselves, THz²."""
    record = data.record(material, label, "harmonic")
    assert record is not None
    reference, model = (
        np.sign(values) * values**2
        for values in (record.arrays["frequencies_reference"], record.arrays["frequencies_model"])
    )
    return float(np.sqrt(np.mean((model - reference) ** 2)))


def test_potentials_stand_in_the_order_of_the_papers_table(data: PaperData) -> None:
    assert data.labels == (WORST, BEST, OTHER)
    assert data.paper_labels == {WORST: WORST, BEST: BEST}
    assert data.absent_models == ("mpa-0-medium", "mp-0b3-medium")
    assert [data.shown_as(label) for label in (BEST, OTHER)] == [BEST, f"{OTHER} (not the paper's)"]
    assert list(dict.fromkeys(data.cells["potential"])) == [WORST, BEST, OTHER]


def test_compounds_are_found_whatever_the_order_of_their_elements(data: PaperData) -> None:
    assert data.material_of("Cs2KDyCl6") == data.material_of("DyKCs2Cl6") == PAPERS_BEST
    assert data.material_of("K2CsDyCl6") is None
    assert data.material_of("no formula") is None


def test_table_1_sets_the_catalogue_beside_what_was_printed(data: PaperData) -> None:
    panel = table1(data)
    shown = table(panel, "table1")
    printed = [row for row in shown.entries() if row[1].text == "paper"]
    assert [row[0].text for row in printed] == [model.name for model in data.models]
    assert all(isinstance(cell.link, PublishedLink) for row in printed for cell in row[2:6])
    held = {row[0].text: row[-1].text for row in printed}
    assert held[BEST] == held[WORST] == "by its label only"
    assert held["mpa-0-medium"] == "no"
    assert len(panel.missing) == 1
    assert "mpa-0-medium and mp-0b3-medium" in panel.missing[0]
    own = {row[0].text: row for row in table(panel, "table1_run").entries()}
    assert own[OTHER][1].text == "none"
    assert own[BEST][1].text == "omat-0-medium (by its label)"
    assert own[BEST][5].text == f"{len(COMPOUNDS)} of {len(COMPOUNDS)}"
    assert len({row[4].text for row in own.values()}) == 3


def test_fig_1a_names_the_ends_of_the_range_and_links_their_records(data: PaperData) -> None:
    panel = fig1a(data)
    errors = {name: own_rmse_w2(data, name, BEST) for name in CHLORIDES}
    order = sorted(errors, key=errors.__getitem__)
    shown = table(panel, "fig1a_extremes").entries()
    for row, material in zip(shown[:2], (order[0], order[-1]), strict=True):
        link = row[2].link
        assert isinstance(link, RecordLink)
        assert (link.material, link.potential, link.measurement) == (material, BEST, "harmonic")
        assert float(row[2].text) == pytest.approx(errors[material], rel=5e-3)
        assert (data.study.folder / link.file).is_file()
        assert link.digest in link.file
        assert data.study.store.read(link.digest).values["path_rmse_w2_THz2"] == pytest.approx(
            errors[material], rel=1e-9
        )
    assert [row[5].text for row in shown[:2]] == ["1 of 4", "4 of 4"]


def test_fig_1a_states_the_published_ends_beside(data: PaperData) -> None:
    rows = table(fig1a(data), "fig1a_extremes").entries()[2:]
    assert [row[1].text for row in rows] == ["Cs2KDyCl6", "Na2CuAuCl6"]
    assert all(isinstance(row[1].link, PublishedLink) for row in rows)
    found, absent = rows
    assert float(found[2].text) == pytest.approx(own_rmse_w2(data, PAPERS_BEST, BEST), rel=5e-3)
    order = sorted(CHLORIDES, key=lambda name: own_rmse_w2(data, name, BEST))
    assert found[5].text == f"{order.index(PAPERS_BEST) + 1} of 4"
    assert {cell.text for cell in absent[2:]} == {"not in the run"}


def test_sigma_in_fig_1a_is_that_of_the_forces_in_the_trajectories(
    data: PaperData, paper_standin: PaperRun
) -> None:
    panel = fig1a(data)
    frame = panel.lists[0].frame
    assert sorted(frame["material"]) == sorted(CHLORIDES)
    for row in frame.itertuples():
        truth = paper_standin.truths[row.material]
        assert row.sigma_reference_mean_t == pytest.approx(float(np.mean(truth.sigma_t())), rel=1e-4)
        assert data.study.store.read(row.sigma_digest).measurement == "reference_sigma"


def test_rank_correlations_are_scipys(data: PaperData) -> None:
    panel = s4(data)
    shown = table(panel, "s4_correlation")
    for row in shown.entries():
        found = lines(panel, row[1].link)
        assert len(found) == int(row[1].text) == 4
        assert len(set(found["potential"])) == 1
        for place, name in ((2, "path_rmse_w2_THz2"), (3, "path_rmse_vg_THzA")):
            expected = spearmanr(found[name], found["sigma_reference_mean_t"]).statistic
            assert float(row[place].text.split()[0]) == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize(("make", "name"), [(fig1b, "path_rmse_vg_THzA"), (fig1c, "path_rmse_w2_THz2")])
def test_boxes_are_those_of_matplotlib_over_the_rows_they_link(data: PaperData, make: Any, name: str) -> None:
    panel = make(data)
    shown = table(panel, f"{panel.key}_boxes")
    assert len(shown.rows) == 4 * 3
    assert [cell.text for cell in column(shown, "halide")[::3]] == [
        "fluorides",
        "chlorides",
        "bromides",
        "iodides",
    ]
    seen = []
    for row in shown.entries():
        found = lines(panel, row[2].link)
        seen += [(line.material, line.potential) for line in found.itertuples()]
        assert set(found["potential"]) == {row[1].text.removesuffix(" (not the paper's)")}
        [stats] = boxplot_stats(found[name].to_numpy(), whis=1.5)
        assert int(row[2].text) == len(found)
        expected = [stats[key] for key in ("whislo", "q1", "med", "q3", "whishi")]
        assert [float(cell.text) for cell in row[4:9]] == pytest.approx(expected, rel=6e-3)
        assert int(row[9].text) == len(stats["fliers"])
    assert sorted(seen) == sorted((uid, label) for uid in _all() for label in (WORST, BEST, OTHER))


def _all() -> list[str]:
    return [f"dpv_{compound.formula}" for compound in COMPOUNDS]


def test_errors_in_fig_1c_are_those_of_the_frequencies(data: PaperData) -> None:
    frame = fig1c(data).lists[0].frame
    for row in frame.itertuples():
        own = own_rmse_w2(data, row.material, row.potential)
        assert row.path_rmse_w2_THz2 == pytest.approx(own, rel=1e-9)
        assert row.digest in row.record


@pytest.mark.parametrize("seed", range(4))
def test_box_numbers_with_outliers_are_matplotlibs(seed: int) -> None:
    values = np.random.default_rng(seed).lognormal(sigma=1.5, size=41)
    [stats] = boxplot_stats(values, whis=1.5)
    assert len(stats["fliers"]) > 0
    found = box_numbers(values)
    expected = [stats[key] for key in ("whislo", "q1", "med", "q3", "whishi")]
    assert [found[key] for key in ("low", "q1", "median", "q3", "high")] == pytest.approx(expected)
    assert found["outliers"] == len(stats["fliers"])


def test_s1_is_about_the_reference_alone(data: PaperData, paper_standin: PaperRun) -> None:
    panel = s1(data)
    shown = table(panel, "s1_halides")
    by_halide = {row[0].text: row for row in shown.entries()}
    sigma = {uid: float(np.mean(truth.sigma_t())) for uid, truth in paper_standin.truths.items()}
    median = np.median([sigma[uid] for uid in CHLORIDES])
    assert float(by_halide["chlorides"][2].text) == pytest.approx(median, rel=5e-3)
    frequencies = lines(panel, by_halide["fluorides"][5].link)
    assert len(frequencies) == 2
    assert float(by_halide["fluorides"][5].text) == pytest.approx(
        float(frequencies["value"].median()), rel=5e-3
    )
    assert float(by_halide["fluorides"][5].text) > float(by_halide["iodides"][5].text)
    assert panel.missing == ()


def test_s2_draws_both_ends_and_the_papers_compound(data: PaperData) -> None:
    panel = s2(data)
    shown = table(panel, "s2_lowest")
    order = sorted(CHLORIDES, key=lambda name: own_rmse_w2(data, name, BEST))
    materials = [cell.link.material for cell in column(shown, "RMSE(ω²) (THz²)")]  # type: ignore[union-attr]
    assert materials[:2] == [order[0], order[-1]]
    assert set(materials) == {order[0], order[-1], PAPERS_BEST}
    for material, low in zip(materials, column(shown, "potential (THz)"), strict=True):
        record = data.record(material, BEST, "harmonic")
        assert record is not None
        assert float(low.text) == pytest.approx(record.arrays["frequencies_model"].min(), abs=0.006)
    assert [sentence for sentence in panel.missing if "Na2CuAuCl6" in sentence]
    assert not [sentence for sentence in panel.missing if "Cs2KDyCl6" in sentence]


def test_panels_say_which_potentials_lack_sigma(data: PaperData) -> None:
    assert any(OTHER in sentence and "sigma" in sentence for sentence in s4(data).missing)
    assert not any("sigma" in sentence for sentence in fig1c(data).missing)
    assert fig1a(data).missing == ()


def test_without_the_papers_model_the_runs_own_is_shown_and_marked(
    paper_standin: PaperRun, tmp_path: Path
) -> None:
    def rename(settings: dict[str, Any]) -> None:
        for entry, label in zip(settings["potential"], ("one", "two", "three"), strict=True):
            entry["label"] = label

    panel = fig1a(collect_paper(paper_standin.changed(tmp_path / "o", rename)))
    assert "one (not the paper's)" in panel.caption
    assert "does not hold omat-0-medium" in panel.missing[0]
    assert panel.pictures


def test_a_halide_that_is_not_there_is_named(paper_standin: PaperRun, tmp_path: Path) -> None:
    def without_iodides(settings: dict[str, Any]) -> None:
        settings["dataset"]["select"]["without_elements"] = ["I", "F"]

    data = collect_paper(paper_standin.changed(tmp_path / "o", without_iodides))
    # what a selection takes is remembered with the materials: the cells are those of the run
    kept = PaperData(data.study, data.cells[~data.cells["group"].isin(["I", "F"])], *_rest(data))
    assert any("no fluorides or iodides" in sentence for sentence in fig1c(kept).missing)
    assert s3(kept).pictures == s6(kept).pictures == ()
    assert "fluorides" in s3(kept).missing[1]


def _rest(data: PaperData) -> tuple[Any, ...]:
    return data.models, data.potentials, data.links


def test_a_study_without_phonons_says_which_measurement_to_add(
    paper_standin: PaperRun, tmp_path: Path
) -> None:
    def only_sigma(settings: dict[str, Any]) -> None:
        settings["measurements"] = ["sigma"]
        for entry in settings["potential"]:
            entry["measurements"] = None

    data = collect_paper(paper_standin.changed(tmp_path / "o", only_sigma))
    panel = fig1c(data)
    assert panel.pictures == panel.tables == ()
    assert 'add "harmonic" to its `measurements`' in " ".join(panel.missing)


def test_cells_not_computed_yet_are_counted(paper_standin: PaperRun, tmp_path: Path) -> None:
    def another_protocol(settings: dict[str, Any]) -> None:
        settings["protocol"]["mesh_length"] = 12.0

    panel = fig1a(collect_paper(paper_standin.changed(tmp_path / "o", another_protocol)))
    assert panel.pictures == ()
    assert any("0 of 4 materials; 4 not computed yet" in sentence for sentence in panel.missing)


def test_failures_are_counted_as_wrong_in_a_second_median(data: PaperData) -> None:
    cells = data.cells.copy()
    fluorides = cells["group"] == "F"
    first = cells.loc[fluorides, "material"].iloc[0]
    cells.loc[fluorides & (cells["material"] == first) & (cells["potential"] == BEST), "harmonic_state"] = (
        "failed"
    )
    panel = fig1c(replace(data, cells=cells))
    row = next(
        row
        for row in table(panel, "fig1c_boxes").entries()
        if (row[0].text, row[1].text) == ("fluorides", BEST)
    )
    assert (row[2].text, row[3].text) == ("1", "1")
    assert float(row[6].text) == pytest.approx(
        lines(panel, row[2].link)["path_rmse_w2_THz2"].iloc[0], rel=5e-3
    )
    assert row[10].text == "∞"


def test_without_sigma_points_have_no_colours_and_s1_no_empty_panel(
    paper_standin: PaperRun, tmp_path: Path
) -> None:
    def only_phonons(settings: dict[str, Any]) -> None:
        settings["measurements"] = ["harmonic"]
        for entry in settings["potential"]:
            entry["measurements"] = None

    without = collect_paper(paper_standin.changed(tmp_path / "o", only_phonons))
    assert len(fig1a(without).pictures[0].draw().axes) == 1
    assert len(s1(without).pictures[0].draw().axes) == 1
    assert len(s4(without).pictures[0].draw().axes) == 4
    assert [cell.text for cell in column(table(fig1a(without), "fig1a_correlation"), "n")] == ["0"]


def test_with_sigma_there_is_a_colour_bar(data: PaperData) -> None:
    assert len(fig1a(data).pictures[0].draw().axes) == 2
    assert len(s1(data).pictures[0].draw().axes) == 2
