"""Two runs side by side: what may be compared with what, what changed, and the page and words of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_study import emt, factory, run_tiny, tiny_study
from typer.testing import CliRunner

from softmode.cli.app import app
from softmode.errors import SettingsError
from softmode.report.changed_materials import material_tables
from softmode.study.changes import Changes, changes
from softmode.study.comparison import Pair, side_by_side
from softmode.study.field_metrics import STABLE
from softmode.study.folder import Study
from softmode.study.results import cell_table
from softmode.study.verdict.changes import verdict_of_changes

SEED = 3


@pytest.fixture(scope="module")
def runs(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Study]:
    """The same three metals with a potential before and after, and once made in another way."""
    root = tmp_path_factory.mktemp("runs")
    asked = {
        "before": ([factory("scaled_emt", "model", factor=0.7)], {}),
        "after": ([factory("scaled_emt", "model", factor=0.9), factory("nan_emt", "broken")], {}),
        "renamed": ([emt("other")], {"ids": ("Al", "Cu")}),
        "another way": ([emt("model")], {"protocol": {"dispersion_displacement": 0.02}}),
    }
    return {
        name: run_tiny(tiny_study(tiny_dataset, root / name, *potentials, measurements=["harmonic"], **more))[
            0
        ]
        for name, (potentials, more) in asked.items()
    }


def test_potentials_of_one_name_are_paired_and_called_by_their_runs(runs: dict[str, Study]) -> None:
    found = side_by_side(runs["before"], runs["after"])
    assert found.pairs == (Pair("model (before)", "model (after)"),)
    assert (found.same, found.left_out) == ((), ())
    cells = cell_table(found.study)
    assert cells["potential"].tolist() == ["model (before)"] * 3 + ["model (after)"] * 3
    slopes = cells.groupby("potential", sort=False)["path_softening"].median()
    np.testing.assert_allclose(slopes, [0.7, 0.9], atol=1e-6)
    link = found.study.link("Cu", "model (after)", "harmonic")
    assert (found.study.folder / link.file).is_file()
    assert link.file.startswith("../after/records/")


def test_the_only_potentials_are_paired_whatever_their_names_and_others_on_request(
    runs: dict[str, Study],
) -> None:
    found = side_by_side(runs["before"], runs["renamed"])
    assert found.pairs == (Pair("model", "other"),)
    assert found.left_out == ("1 material only in before: Au.",)
    asked = side_by_side(runs["after"], runs["renamed"], ["broken=other"])
    assert asked.pairs == (Pair("broken", "other"),)
    with pytest.raises(SettingsError, match="no potential of the same name"):
        side_by_side(runs["after"], runs["renamed"])
    with pytest.raises(SettingsError, match="does not name a potential of each run"):
        side_by_side(runs["after"], runs["renamed"], ["model=model"])


def test_what_was_made_in_another_way_is_not_compared(runs: dict[str, Study]) -> None:
    with pytest.raises(
        SettingsError, match=r"harmonic of 3 materials not compared: other displacement \(0.01, 0.02\)"
    ):
        side_by_side(runs["before"], runs["another way"])


def test_a_run_beside_itself_says_that_nothing_changed(runs: dict[str, Study]) -> None:
    found = side_by_side(runs["before"], runs["before"])
    assert found.same == found.pairs == (Pair("model (old)", "model (new)"),)
    cells = cell_table(found.study)
    said = verdict_of_changes(found, changes(cells, found.pairs, SEED), cells)
    assert "are the same potential" in said[0].text


def test_the_command_writes_a_page_and_says_what_changed(runs: dict[str, Study]) -> None:
    folders = [str(runs[name].folder) for name in ("before", "after")]
    result = CliRunner().invoke(app, ["report", *folders, "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    said = json.loads(result.stdout)
    assert said["page"] == str(runs["before"].folder / "compared" / "index.html")
    assert Path(said["page"]).is_file()
    lead = next(one["text"] for one in said["verdict"] if one["topic"] == "lead")
    assert lead.startswith("model (after) against model (before), RMSE(ω²): Al ")
    assert lead.endswith("too few materials for a test.")
    table = pd.read_csv(Path(said["tables"]) / "changes.csv")
    # errors of ω² are proportional to what the factor lacks to 1
    np.testing.assert_allclose(table["ratio"], 0.1 / 0.3, rtol=1e-4)
    assert CliRunner().invoke(app, ["report", folders[0], "--pair", "a=b"]).exit_code != 0
    assert CliRunner().invoke(app, ["report", *folders, folders[0]]).exit_code != 0


# Without records


def cells_of(old: dict[str, object], new: dict[str, object], n: int) -> pd.DataFrame:
    """Cells of an old and a new potential on n materials; values are columns."""
    tables = []
    for potential, values in (("old", old), ("new", new)):
        table = pd.DataFrame({"material": [f"m{at}" for at in range(n)]})
        fixed = {"state": "ok", "harmonic_state": "ok", "failure": None, "failure_kind": None, "group": "F"}
        tables.append(
            table.assign(
                **{"formula": table["material"], "potential": potential, STABLE[0]: True, STABLE[1]: True},
                **fixed,
            ).assign(**values)
        )
    return pd.concat(tables, ignore_index=True)


def changed(old: dict[str, object], new: dict[str, object], n: int = 12) -> tuple[Changes, pd.DataFrame]:
    cells = cells_of(old, new, n)
    [found] = changes(cells, [Pair("old", "new")], SEED)
    return found, cells


def words(found: Changes, cells: pd.DataFrame, runs: dict[str, Study]) -> dict[str, str]:
    some = side_by_side(runs["before"], runs["after"])
    return {one.topic: one.text for one in verdict_of_changes(some, [found], cells)[::-1]}


def test_better_worse_and_neither_are_told_apart(runs: dict[str, Study]) -> None:
    errors = np.linspace(1.0, 2.0, 12)
    even = errors * np.where(np.arange(12) % 2, 1.1, 0.9)
    old = {"path_rmse_w2_THz2": errors, "path_rmse_slope_THz2A": errors, "path_rmse_vg_THzA": errors}
    new = {"path_rmse_w2_THz2": errors / 2, "path_rmse_slope_THz2A": errors * 3, "path_rmse_vg_THzA": even}
    found, cells = changed(old, new)
    said = words(found, cells, runs)
    assert said["lead"].startswith(
        "new is better than old by RMSE(ω²): 0.5 [0.5, 0.5] times the error over 12 materials, smaller on "
        "12, larger on 0 (sign test, p = 0.001 corrected for 4 comparisons)."
    )  # 2 · 2⁻¹² three times, the test of F1 has nothing that differs
    assert "worse by RMSE(dω²/dq) (3 [3, 3])" in said["lead"]
    assert "not to be told apart by RMSE(v) (group velocity)" in said["lead"]
    assert "most gained m11 2 → 1, " in said["failures"]


def test_verdicts_and_failures_that_changed_are_named(runs: dict[str, Study]) -> None:
    errors = np.ones(8)
    stable = np.array([True] * 6 + [False] * 2)
    new_state = np.where(np.arange(8) == 7, "failed", "ok")
    found, cells = changed(
        {"path_rmse_w2_THz2": errors, STABLE[1]: stable},
        {
            "path_rmse_w2_THz2": errors,
            STABLE[1]: [False, *[True] * 6, None],
            "state": new_state,
            "harmonic_state": new_state,
            "failure": [None] * 7 + ["it burnt"],
            "failure_kind": [None] * 7 + ["WorkerDied"],
        },
        n=8,
    )
    said = words(found, cells, runs)
    assert "old on 6, new on 6 of 7; newly right 1 (m6), newly wrong 1 (m0)" in said["stability"]
    assert said["failures"] == "Failures: old 0, new 1; new m7 (“it burnt”)."
    tables = {table.name: table for table in material_tables(found, {f"m{at}": f"m{at}" for at in range(8)})}
    rows = [[entry.text for entry in row] for row in tables["changed_verdicts"].entries()]
    assert rows == [
        ["m0", "fluorides", "harmonic stability", "stable", "stable", "unstable", "worse"],
        ["m6", "fluorides", "harmonic stability", "stable", "unstable", "stable", "better"],
    ]
    assert [entry.text for entry in tables["changed_failures"].entries()[0]] == [
        *("m7", "fluorides", "new", "it burnt")
    ]
