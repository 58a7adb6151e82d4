"""Tables made from the records of a study, and results set beside them: like with like only."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_study import EMT_NAME, QUICK, emt, factory, run_tiny, tiny_study, write_metal

from softmode.datasets import open_reference
from softmode.errors import SettingsError
from softmode.leaderboard.beside import candidate_of_comparison, candidates_of_study, standings
from softmode.leaderboard.boards import BY_NAME, Board, read_boards
from softmode.leaderboard.make import make_leaderboard
from softmode.measurements.conditions import Conditions
from softmode.report.leaderboard import leaderboard_panel
from softmode.study.folder import Study, open_study
from softmode.study.results import cell_table, record_index


@pytest.fixture(scope="module")
def made(
    tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Study, pd.DataFrame, Board, Path]:
    """A study of two potentials on two metals, its cells, and its board; a third potential is not run."""
    root = tmp_path_factory.mktemp("board")
    potentials = (factory("scaled_emt", "soft", factor=0.8), factory("nan_emt", "broken"))
    study, _ = run_tiny(tiny_study(tiny_dataset, root / "run", *potentials, ids=["Al", "Cu"]))
    open_study(tiny_study(tiny_dataset, root / "run", *potentials, emt("waiting"), ids=["Al", "Cu"]))
    assert make_leaderboard([root / "run"], root / "out") == ["run: not finished, left out: waiting"]
    [board] = read_boards(root / "out")
    return study, cell_table(study), board, root


def test_tables_hold_what_the_cells_hold(made: tuple[Study, pd.DataFrame, Board, Path]) -> None:
    _, cells, board, _ = made
    assert board.potentials == ("soft", "broken")
    assert [row["formula"] for row in board.materials] == ["Al", "Cu"]
    own = cells[cells["potential"] == "soft"]
    for name in ("rmse_w2_THz2", "softening", "entropy_difference_J_per_molK"):
        expected = own[BY_NAME[name].column].to_numpy(float)
        np.testing.assert_allclose(board.values[name][:, 0], expected, rtol=1e-3, atol=1e-12)
        assert np.isnan(board.values[name][:, 1]).all()


def test_the_digest_is_that_of_the_keys_of_the_records(
    made: tuple[Study, pd.DataFrame, Board, Path], tmp_path: Path
) -> None:
    study, _, board, _ = made
    index = record_index(study)
    (tmp_path / "keys").write_text("".join(f"{key}\n" for key in index["key"]))
    command = "LC_ALL=C sort -u keys | sha256sum"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert board.provenance["records"]["digest"] == done.stdout.split()[0]


def test_sources_that_cannot_be_read_are_one_clear_error(
    made: tuple[Study, pd.DataFrame, Board, Path], tmp_path: Path
) -> None:
    (tmp_path / "sources.toml").write_text("[run\n")
    with pytest.raises(SettingsError, match="cannot be read as TOML"):
        make_leaderboard([made[3] / "run"], tmp_path / "out", tmp_path / "sources.toml")


def test_the_same_records_make_the_same_bytes(made: tuple[Study, pd.DataFrame, Board, Path]) -> None:
    root = made[3]
    make_leaderboard([root / "run"], root / "again")
    for file in (root / "out").iterdir():
        assert file.read_bytes() == (root / "again" / file.name).read_bytes()


def test_a_study_is_set_beside_the_board(
    made: tuple[Study, pd.DataFrame, Board, Path], tiny_dataset: Path, tmp_path: Path
) -> None:
    board = made[2]
    study, _ = run_tiny(tiny_study(tiny_dataset, tmp_path / "o", emt(), made_again(), ids=["Cu"]))
    found, why_not = candidates_of_study(study, cell_table(study), [board])
    assert why_not == ""
    assert [(one.potential, one.itself) for one in found] == [("emt", ""), ("again", "soft")]
    stand = found[0].standing(BY_NAME["rmse_w2_THz2"])
    assert stand is not None
    assert (stand.rank.value, stand.of, stand.n, stand.percentile) == (1, 3, 1, 100)
    again = found[1].standing(BY_NAME["rmse_w2_THz2"])
    assert again is not None
    assert (again.rank.value, again.of) == (1, 2)  # it is `soft` itself; `broken` remains
    panel = leaderboard_panel(found, why_not, seed=1)
    standing_rows, paired_rows = (table.rows for table in panel.tables)
    assert standing_rows[0][:5] == ("emt", "run", "RMSE(ω²), THz²", "all", "1")
    assert [row[3] for row in paired_rows] == ["soft", "broken", "broken"]
    [chart] = panel.charts
    assert sorted(row.label for row in chart.rows) == ["broken", "emt", "soft"]
    assert re.search(r"emt: RMSE\(ω²\) \S+ THz² on this material, rank 1 of 3", panel.caption)


@pytest.mark.parametrize(("states", "compared"), [(None, False), ("pending", False), ("ok", True)])
def test_the_own_lattice_is_compared_where_it_is_computed(
    made: tuple[Study, pd.DataFrame, Board, Path], states: str | None, compared: bool
) -> None:
    study, cells, board, _ = made
    own, figure = np.ones((2, 2)), BY_NAME["rmse_w2_own_THz2"]
    with_lattice = replace(board, values={**board.values, figure.name: own})
    if states is not None:
        cells = cells.assign(**{figure.column: 1.0, "lattice_state": states})
    [soft, _] = candidates_of_study(study, cells, [with_lattice])[0]
    assert (figure.name in soft.values) is compared


def test_what_only_failed_has_no_place(made: tuple[Study, pd.DataFrame, Board, Path]) -> None:
    study, cells, board, _ = made
    assert [one.potential for one in candidates_of_study(study, cells, [board])[0]] == ["soft", "broken"]
    failed = cells[cells["potential"] == "broken"].dropna(axis="columns", how="all")
    assert candidates_of_study(study, failed, [board]) == (
        [],
        "nothing of this is computed yet, or all has failed",
    )


def test_a_page_says_once_why_nothing_is_set_beside_it() -> None:
    panel = leaderboard_panel([], "the reason", seed=1)
    assert panel.missing == ("Nothing is set beside it: the reason.",)


def made_again() -> dict[str, object]:
    return factory("scaled_emt", "again", factor=0.8)


@pytest.mark.parametrize(
    ("protocol", "dataset", "reason"),
    [
        (
            {"mesh_length": 9.0},
            "same",
            "compared under protocol 'default\\+'.* this is protocol 'default\\+'",
        ),
        ({}, "other", "none of these reference data"),
    ],
)
def test_what_is_not_alike_is_not_compared_and_the_reason_is_said(
    made: tuple[Study, pd.DataFrame, Board, Path],
    tiny_dataset: Path,
    tmp_path: Path,
    protocol: dict[str, float],
    dataset: str,
    reason: str,
) -> None:
    root = tiny_dataset
    if dataset == "other":  # the same crystal with other forces
        root = tmp_path / "data"
        write_metal(root / "Al", "Al", force=1.1)
    study = open_study(tiny_study(root, tmp_path / "o", emt(), ids=["Al"], protocol=protocol))
    found, why_not = candidates_of_study(study, cell_table(study), [made[2]])
    assert found == []
    assert re.search(reason, why_not)


def test_one_comparison_is_set_beside_the_board(
    made: tuple[Study, pd.DataFrame, Board, Path], tiny_dataset: Path
) -> None:
    material = open_reference(tiny_dataset / "Cu")
    conditions = Conditions.create({"protocol": QUICK})
    values = {"path_rmse_w2_THz2": 0.0, "path_softening": 1.0, "mesh_stability_agrees": True}
    one, why_not = candidate_of_comparison(material, conditions, ("mine", "", EMT_NAME), values, [made[2]])
    assert one is not None
    assert why_not == ""
    assert [row["material"] for row in one.board.materials] == ["Cu"]
    ranks = {stand.figure.name: stand.rank.value for stand in standings(one)}
    assert ranks == {"rmse_w2_THz2": 1, "softening": 1, "stability_agrees": 1}
    nothing, why_not = candidate_of_comparison(
        material, Conditions.create(), ("mine", "", ""), values, [made[2]]
    )
    assert nothing is None
    assert "protocol" in why_not
