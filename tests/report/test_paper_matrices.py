"""Panels of classes, scores, Table 2 and attribution: from made-up tables whose answers are known."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from softmode.measurements.conditions import Conditions
from softmode.panel import Panel, PublishedLink, RecordLink, RowList, RowsLink, Table
from softmode.potentials.settings import PotentialSettings
from softmode.published import (
    published_compounds,
    published_confusion_matrices,
    published_models,
    published_trajectories,
)
from softmode.report.paper.classes import classified, classify_all
from softmode.report.paper.fig5 import errors_of_both, fig5
from softmode.report.paper.matrices import fig2, fig3, fig4, published_sums
from softmode.report.paper.matrix_figures import block, shade
from softmode.report.paper.scores import beyond, most_stabilised, s7, s8, s9
from softmode.report.paper.source import PaperData, PotentialInRun
from softmode.report.paper.table2 import choices, fluorides, material_of_compound, printed_class, table2
from softmode.study.results import FAILED, OK
from softmode.study.sigma_results import confusion

NAMES = ("weak", "strong", "unstable")
PAPER, OTHER = "omat-0-medium", "own model"
MEASUREMENTS = ("harmonic", "reference_sigma", "sigma", "model_only")
FLUORIDES = ("Rb3AlF6", "K2AgInF6", "Cs2NaYF6", "Cs2KLaF6", "Rb2NaScF6", "Cs2LiGaF6", "K2NaCrF6", "Rb2KFeF6")


def class_of(sigma: float) -> str:
    return "weak" if sigma < 0.5 else "strong" if sigma <= 1.0 else "unstable"


def cells_of(label: str, seed: int, bias: float) -> pd.DataFrame:
    """Sixty compounds, some failed, some whose crystal was lost."""
    rng = np.random.default_rng(1)  # the reference is the same for all potentials
    formulas = [
        *FLUORIDES,
        *(f"Cs{i + 2}Cl{i}" for i in range(1, 40)),
        *(f"Cs{i + 2}Br{i}" for i in range(1, 14)),
    ]
    reference = rng.uniform(0.1, 1.6, len(formulas))
    rng = np.random.default_rng(seed)
    n = len(formulas)
    sigma = {
        name: np.abs(reference + bias + 0.2 * rng.normal(size=n))
        for name in ("phi_ref", "phi_model", "model_only")
    }
    frame = pd.DataFrame(
        {
            "material": [f"m_{formula}" for formula in formulas],
            "formula": formulas,
            "group": ["F"] * len(FLUORIDES) + ["Cl"] * 39 + ["Br"] * 13,
            "potential": label,
            "state": OK,
            **{f"{name}_state": OK for name in ("harmonic", "sigma", "model_only")},
            "sigma_reference_mean_t": reference,
            "sigma_reference_mean_t_low": reference - 0.03,
            "sigma_reference_mean_t_high": reference + 0.03,
            "sigma_n_frames": 80,
            **{f"sigma_{name}_mean_t": values for name, values in sigma.items()},
            **{f"sigma_{name}_mean_t_low": values - 0.04 for name, values in sigma.items()},
            **{f"sigma_{name}_mean_t_high": values + 0.04 for name, values in sigma.items()},
            "sigma_force_error": 0.3 * (sigma["phi_model"] - reference),
            "sigma_hessian_error": 0.7 * (sigma["phi_model"] - reference),
            "md_collapsed": 0.0,
            "path_rmse_w2_THz2": rng.uniform(0.1, 9.0, n),
            "path_rmse_vg_THzA": rng.uniform(0.1, 2.0, n),
        }
    )
    failed, lost = [12, 20, 50], [2, 30]
    frame.loc[failed, "sigma_state"] = FAILED
    frame.loc[
        failed, [name for name in frame if str(name).startswith(("sigma_phi", "sigma_force", "sigma_hess"))]
    ] = np.nan
    frame.loc[lost, "md_collapsed"] = 1.0
    frame.loc[30, [name for name in frame if str(name).startswith("sigma_model_only")]] = np.nan
    return frame


def paper_data(*labels: str, change: Callable[[pd.DataFrame], Any] = lambda cells: None) -> PaperData:
    cells = pd.concat(
        [
            cells_of(label, seed, bias)
            for seed, (label, bias) in enumerate(zip(labels, (-0.1, 0.05), strict=False))
        ],
        ignore_index=True,
    )
    change(cells)
    paper = {model.name for model in published_models()}
    return PaperData(
        study=SimpleNamespace(
            settings=SimpleNamespace(conditions=Conditions.create({"seed": 3, "protocol": "yang2026"})),
            cases=(),
            store=None,
        ),  # type: ignore[arg-type]
        cells=cells,
        models=published_models(),
        potentials=tuple(
            PotentialInRun(label, PotentialSettings(name=label), "", label if label in paper else "")
            for label in labels
        ),
        links={
            (m, label, what): RecordLink(
                m, label, what, f"{what}-{label}-{m}", f"records/{what}-{label}-{m}.h5"
            )
            for m in cells["material"].unique()
            for label in labels
            for what in MEASUREMENTS
        },
    )


@pytest.fixture(scope="module")
def data() -> PaperData:
    return paper_data(PAPER, OTHER)


def table(panel: Panel, name: str) -> Table:
    [found] = [table for table in panel.tables if table.name == name]
    return found


def rows_of(link: RowsLink, lists: tuple[RowList, ...]) -> pd.DataFrame:
    """The lines of the CSV file that a link means."""
    [found] = [item for item in lists if item.name == link.name]
    return found.frame.iloc[link.first - 2 : link.last - 1]


def expected_classes(data: PaperData, label: str, approach: str) -> pd.DataFrame:
    cells = data.cells[data.cells["potential"] == label]
    measured = "model_only_state" if approach == "model_only" else "sigma_state"
    given = []
    for _, row in cells.iterrows():
        sigma = row[f"sigma_{approach}_mean_t"]
        if row[measured] == FAILED:
            given.append("failed")
        elif approach == "model_only" and row["md_collapsed"] == 1.0:
            given.append("unstable")
        else:
            given.append(class_of(sigma))
    reference = [class_of(sigma) for sigma in cells["sigma_reference_mean_t"]]
    return pd.DataFrame({"material": list(cells["material"]), "reference": reference, "given": given})


@pytest.mark.parametrize("approach", ["phi_ref", "phi_model", "model_only"])
def test_every_material_is_in_the_cell_of_its_classes(data: PaperData, approach: str) -> None:
    for label in (PAPER, OTHER):
        frame = classified(data, label, approach).set_index("material")
        expected = expected_classes(data, label, approach).set_index("material").loc[frame.index]
        assert (frame["class_reference"] == expected["reference"]).all()
        assert (frame["class_potential"] == expected["given"]).all()
        measurement = "model_only" if approach == "model_only" else "sigma"
        assert (frame["digest"] == [f"{measurement}-{label}-{m}" for m in frame.index]).all()
        assert (frame["reference_digest"] == [f"reference_sigma-{label}-{m}" for m in frame.index]).all()
        found = classify_all(data, "x", (approach,)).matrices[approach, label, ""]
        assert found == confusion(data.cells, label, approach)


def test_counts_of_fig3_lead_to_their_materials(data: PaperData) -> None:
    panel = fig3(data)
    counted = 0
    for row in table(panel, "fig3_counts").entries():
        shown, force_constants, reference = (entry.text for entry in row[:3])
        label = next((name for name in (PAPER, OTHER) if shown.startswith(name)), None)
        if label is None:
            assert [entry.text for entry in row[3:7]] == ["–"] * 4
            continue
        approach = "phi_ref" if force_constants.endswith("reference") else "phi_model"
        expected = expected_classes(data, label, approach)
        for given, entry in zip((*NAMES, "failed"), row[3:7], strict=True):
            of_cell = expected[(expected["reference"] == reference) & (expected["given"] == given)]
            assert isinstance(entry.link, RowsLink)
            assert sorted(rows_of(entry.link, panel.lists)["material"]) == sorted(of_cell["material"])
            assert entry.text == str(len(of_cell))
            counted += int(entry.text)
    assert counted == 4 * len(data.cells) / 2


def test_only_the_papers_models_are_tested(data: PaperData) -> None:
    panel = fig3(data)
    tests = table(panel, "fig3_tests")
    assert [row[0].text for row in tests.entries()] == [PAPER, PAPER]
    n_run, n_paper = tests.entries()[0][2].text.split(" / ")
    assert (n_run, n_paper) == ("57", "1689")
    effects = table(panel, "fig3_effects").entries()
    own = [row for row in effects if row[0].text.startswith(OTHER)]
    assert own
    assert all("not the paper's" in row[0].text and row[6].text == row[7].text == "–" for row in own)
    counts = table(panel, "fig3_counts").entries()
    for model in published_models():
        published = published_confusion_matrices()["phi_ref", model.name].counts
        rows = [row for row in counts if row[0].text == model.name and row[1].text == "Φ of the reference"]
        assert [[int(entry.text) for entry in row[7:]] for row in rows] == published.tolist()
    assert any("mp-0b3-medium" in sentence for sentence in panel.missing)
    assert any("failures counted as wrong" in row[0].text for row in effects)


def test_effects_are_those_of_the_counts(data: PaperData) -> None:
    expected = expected_classes(data, PAPER, "phi_ref")
    expected = expected[expected["given"] != "failed"]
    right = 100 * (expected["reference"] == expected["given"]).mean()
    published = published_confusion_matrices()["phi_ref", PAPER].counts
    rows = table(fig3(data), "fig3_effects").entries()
    [row] = [r for r in rows if [e.text for e in r[:3]] == [PAPER, "Φ of the reference", "same class (%)"]]
    assert float(row[5].text.split()[0]) == pytest.approx(right, abs=0.06)
    assert float(row[7].text.split()[0]) == pytest.approx(
        right - 100 * np.trace(published) / published.sum(), abs=0.06
    )
    assert isinstance(row[5].link, RowsLink)
    assert isinstance(row[6].link, PublishedLink)


def test_without_the_papers_models_nothing_is_tested() -> None:
    panel = fig3(paper_data(OTHER))
    assert {table.name for table in panel.tables} == {"fig3_effects", "fig3_counts"}
    assert "independent samples" not in panel.caption
    assert any(model.name in panel.missing[0] for model in published_models())


def test_published_sums_are_told() -> None:
    text = published_sums()
    for (approach, name), matrix in published_confusion_matrices().items():
        if approach == "phi_ref":
            assert f"{matrix.counts.sum()} ({name})" in text
    assert f"{published_trajectories().n_valid} valid" in text
    rows = {k: m.counts.sum(axis=1).tolist() for k, m in published_confusion_matrices().items()}
    same = all(rows["phi_ref", name] == rows["phi_model", name] for _, name in rows)
    assert ("the same in both approaches" in text) == same


def test_fig4_counts_lost_crystals_as_unstable_and_halides_apart(data: PaperData) -> None:
    panel = fig4(data)
    assert "positions are at 450 K" in panel.caption
    assert "bring the positions to 450 K, not 300 K" in panel.caption  # of the run, by the same protocol
    rows = {(r[0].text, r[1].text): r for r in table(panel, "fig4_shares").entries()}
    expected = expected_classes(data, PAPER, "model_only")
    order = {name: place for place, name in enumerate(NAMES)}
    change = expected["given"].map(order) - expected["reference"].map(order)
    for group, name in ((None, "all"), ("F", "fluorides"), ("Cl", "chlorides")):
        inside = np.ones(len(expected), bool)
        if group:
            inside = (data.cells.loc[data.cells["potential"] == PAPER, "group"] == group).to_numpy()
        part, moved = expected[inside], change[inside]
        row = rows[PAPER, name]
        assert row[2].text == str(inside.sum())
        may = (part["reference"] != "weak").sum(), (part["reference"] != "unstable").sum()
        assert row[5].text.endswith(f"; {(moved < 0).sum()} of {may[0]}")
        assert row[6].text.endswith(f"; {(moved > 0).sum()} of {may[1]}")
        assert isinstance(row[5].link, RowsLink)
        assert len(rows_of(row[5].link, panel.lists)) == inside.sum()
    assert [entry.text for entry in rows[f"{PAPER}, published", "all"][5:]] == ["38", "6"]
    assert {picture.name for picture in panel.pictures} == {"fig4a", "fig4b"}


def test_table2_takes_the_extremes_of_each_pair_of_classes(data: PaperData) -> None:
    frame = fluorides(data)
    cells = data.cells[(data.cells["potential"] == PAPER) & (data.cells["group"] == "F")]
    cells = cells[cells["md_collapsed"] == 0.0]
    errors: dict[tuple[str, str], dict[str, float]] = {}
    for _, row in cells.iterrows():
        reference, own = row["sigma_reference_mean_t"], row["sigma_model_only_mean_t"]
        errors.setdefault((class_of(reference), class_of(own)), {})[row["material"]] = abs(own - reference)
    expected = set()
    for (reference, given), own in errors.items():
        rule = "smallest" if reference == given else "largest"
        for extreme, take in (("smallest", min), ("largest", max)):
            if len(own) > 1 or extreme == rule:
                expected.add((reference, given, extreme, take(own, key=own.__getitem__), extreme == rule))
    found = {(c.class_reference, c.class_potential, c.extreme, c.material, c.by_rule) for c in choices(frame)}
    assert found == expected
    assert len(frame) == len(cells) == len(FLUORIDES) - 1
    np.testing.assert_allclose(frame["error_95"], np.hypot(0.03, 0.04))


def test_table2_finds_the_papers_compounds_by_composition(data: PaperData) -> None:
    panel = table2(data)
    assert material_of_compound(data, "K2InAgF6") == "m_K2AgInF6"
    rows = {row[0].text: row for row in table(panel, "table2_paper").entries()}
    assert list(rows) == [compound.formula for compound in published_compounds()]
    link = rows["K2InAgF6"][5].link
    assert isinstance(link, RecordLink)
    assert link.digest == f"model_only-{PAPER}-m_K2AgInF6"
    assert rows["K2RbSbF6"][4].text == "not in the run"
    [absent] = [sentence for sentence in panel.missing if "Table 2" in sentence]
    assert "K2RbSbF6" in absent
    assert "Rb3AlF6" not in absent
    for row, said in zip(rows.values(), published_compounds(), strict=True):
        assert float(row[3].text) == pytest.approx(said.difference, rel=0.01)


def test_a_range_that_is_no_class_is_told(data: PaperData) -> None:
    assert [printed_class(text) for text in ("<0.5", "[0.5, 1]", ">1")] == list(NAMES)
    assert printed_class(">0.5") is None
    odd = [
        c.formula
        for c in published_compounds()
        if None in map(printed_class, (c.class_reference, c.class_model))
    ]
    assert odd
    assert all(formula in table2(data).caption for formula in odd)


def test_without_dynamics_table2_says_what_it_shows_instead() -> None:
    def drop(cells: pd.DataFrame) -> None:
        for name in [name for name in cells if "model_only" in str(name)]:
            cells.pop(name)

    panel = table2(paper_data(PAPER, change=drop))
    assert any("no dynamics" in sentence for sentence in panel.missing)
    assert "reference's frames" in panel.caption
    assert fluorides(paper_data(PAPER, change=drop))["error_95"].isna().all()


def test_fig5_joins_both_errors(data: PaperData) -> None:
    frame = errors_of_both(data).set_index("material")
    cells = data.cells[data.cells["potential"] == PAPER].set_index("material").loc[frame.index]
    expected = (cells["sigma_model_only_mean_t"] - cells["sigma_reference_mean_t"]).abs()
    np.testing.assert_allclose(frame["error"], expected)
    np.testing.assert_allclose(frame["path_rmse_w2_THz2"], cells["path_rmse_w2_THz2"])
    assert (frame["harmonic_digest"] == [f"harmonic-{PAPER}-{m}" for m in frame.index]).all()
    ranks = frame[["error", "path_rmse_w2_THz2"]].rank().corr().iloc[0, 1]
    row = table(fig5(data), "fig5_correlations").entries()[0]
    assert float(row[2].text.split()[0]) == pytest.approx(ranks, abs=0.006)
    assert row[1].text == str(len(frame))


@pytest.mark.parametrize(("make", "approach", "key"), [(s8, "phi_ref", "s8"), (s9, "phi_model", "s9")])
def test_differences_of_the_score(data: PaperData, make: Any, approach: str, key: str) -> None:
    panel = make(data)
    rows = {(r[0].text, r[1].text): r for r in table(panel, f"{key}_differences").entries()}
    cells = data.cells[data.cells["potential"] == PAPER].dropna(subset=[f"sigma_{approach}_mean_t"])
    difference = cells[f"sigma_{approach}_mean_t"] - cells["sigma_reference_mean_t"]
    classes = cells["sigma_reference_mean_t"].map(class_of)
    for name in ("all", *NAMES):
        own = difference if name == "all" else difference[classes == name]
        row = rows[PAPER, name]
        assert row[2].text == str(len(own))
        assert float(row[3].text.split()[0]) == pytest.approx(own.median(), abs=0.006)
        assert (row[7].text, row[8].text) == (str((own < -0.1).sum()), str((own > 0.1).sum()))
        assert isinstance(row[3].link, RowsLink)
        assert len(rows_of(row[3].link, panel.lists)) == len(own)


def test_the_example_of_s7_is_made_too_stable_most(data: PaperData) -> None:
    frame = classified(data, PAPER, "phi_model")
    cells = data.cells[data.cells["potential"] == PAPER].set_index("material")
    difference = cells["sigma_phi_model_mean_t"] - cells["sigma_reference_mean_t"]
    assert most_stabilised(frame) == difference.idxmin()
    assert most_stabilised(frame[frame["difference"] > 0]) is None


def test_attribution_leaves_out_lost_crystals(data: PaperData) -> None:
    panel = beyond(data)
    cells = data.cells[data.cells["potential"] == PAPER]
    kept = cells[(cells["sigma_state"] == OK) & (cells["md_collapsed"] == 0.0)]
    parts = {
        "forces": kept["sigma_force_error"],
        "force constants": kept["sigma_hessian_error"],
        "configurations": kept["sigma_model_only_mean_t"] - kept["sigma_phi_model_mean_t"],
    }
    sizes = pd.DataFrame(parts).abs()
    rows = {r[1].text: r for r in table(panel, "attribution_parts").entries() if r[0].text == PAPER}
    for name, values in parts.items():
        assert rows[name][2].text == str(len(kept))
        assert float(rows[name][3].text.split()[0]) == pytest.approx(values.median(), abs=0.006)
        assert rows[name][5].text.endswith(f"; {(sizes.idxmax(axis=1) == name).sum()} of {len(kept)}")
        link = rows[name][3].link
        assert isinstance(link, RowsLink)
        assert set(rows_of(link, panel.lists)["material"]) == set(kept["material"])


@pytest.mark.parametrize("make", [fig2, fig3, fig4, table2, fig5, s8, s9, beyond])
def test_every_number_has_a_source(data: PaperData, make: Callable[[PaperData], Panel]) -> None:
    panel = make(data)
    lists = {item.name: item.frame for item in panel.lists}
    for shown in panel.tables:
        for row in shown.entries():
            for entry in row:
                if re.match(r"[+−-]?\d", entry.text):
                    assert entry.link is not None, (shown.name, entry.text)
                if isinstance(entry.link, RowsLink):
                    assert 2 <= entry.link.first <= len(lists[entry.link.name]) + 2
                    assert entry.link.last <= len(lists[entry.link.name]) + 1
    for frame in lists.values():
        assert {"record", "digest"} <= set(frame)
        assert (frame["digest"].str.len() > 0).all()


@pytest.mark.parametrize("make", [fig3, fig4, table2, fig5, s7, s8, s9, beyond])
def test_a_run_without_anything_says_what_is_lacking(make: Callable[[PaperData], Panel]) -> None:
    def empty(cells: pd.DataFrame) -> None:
        kept = ["material", "formula", "group", "potential", "state"]
        for name in [name for name in cells if name not in kept]:
            cells.pop(name)

    panel = make(paper_data(PAPER, change=empty))
    assert panel.missing
    assert any("sigma" in sentence or "model_only" in sentence for sentence in panel.missing)


def test_blocks_have_the_colours_of_the_legend() -> None:
    kinds = [[block(i, j) for j in range(3)] for i in range(3)]
    assert [kinds[i][i] for i in range(3)] == ["agree"] * 3
    assert {kinds[1][0], kinds[2][0], kinds[2][1]} == {"more stable"}
    assert {kinds[0][1], kinds[0][2], kinds[1][2]} == {"less stable"}
    paler, darker = (np.array(shade("agree", share)) for share in (0.1, 0.9))
    assert (paler >= darker).all()
    assert (paler > darker).any()
