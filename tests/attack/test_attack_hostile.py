"""Hostile potentials and files: each costs its own cells, with a reason; everything else is computed."""

from __future__ import annotations

import html
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
from hostile_materials import ODD_NAMES, UNREADABLE, write_hostile
from hostile_potentials import HARMS
from tiny_study import HELPERS, factory, study_toml, tiny_study, write_metal

from softmode.errors import printable
from softmode.study.folder import reopen_study
from softmode.study.results import FAILED, OK, cell_table

pytestmark = pytest.mark.slow

N_MATERIALS = int(os.environ.get("SOFTMODE_ATTACK_MATERIALS", "100"))
GOLD = ("Au", "Au2")

#: Harm that changes nothing, for a calculator gets copies, and what it does to the process is its own affair.
HARMLESS = {"print", "environment", "globals", "float32", "change"}
#: Harm after which the result may be there or not.
EITHER = {"close", "close_standard", "fork"}
KINDS = {
    "complex": {"Potential"},
    "words": {"Potential"},
    "system_exit": {"SystemExit"},
    "interrupt": {"KeyboardInterrupt"},
    "exit": {"WorkerDied"},
    "abort": {"WorkerDied"},
    "segfault": {"WorkerDied"},
    "hang": {"TimeLimit"},
    "eat": {"WorkerDied", "TimeLimit"},
    "nan": {"NonFiniteForces"},
    "huge": {"NonFiniteForces"},
}


def entry(what: str) -> dict[str, Any]:
    """A hostile potential."""
    made = factory("hostile_emt", what, what=what)
    return {**made, "name": "hostile_potentials:hostile_emt", "time_limit": 20.0}


@dataclass(frozen=True)
class Attacked:
    process: subprocess.CompletedProcess[str]
    table: pd.DataFrame
    page: str
    cells: pd.DataFrame


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Attacked:
    root = tmp_path_factory.mktemp("hostile")
    data = root / "data"
    write_metal(data / "Cu", "Cu")
    write_metal(data / "Au", "Au")
    shutil.copytree(data / "Au", data / "Au2")
    write_hostile(data, data / "Cu")
    for number in range(N_MATERIALS - len(list(data.iterdir()))):
        shutil.copytree(data / "Cu", data / f"Cu{number}")
    settings = tiny_study(
        data,
        root / "o",
        factory("fresh_emt", "good"),
        *map(entry, HARMS),
        run={"workers": 2, "memory_limit": 1.5, "reading_limit": 60.0},
        measurements=["harmonic"],
    )
    command = [
        sys.executable,
        "-m",
        "softmode",
        "run",
        "--json",
        str(study_toml(root / "study.toml", settings)),
    ]
    paths = [str(HELPERS), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert (root / "o" / "report").is_dir(), process.stderr[-3000:]
    table = cell_table(reopen_study(root / "o")).set_index(["material", "potential"])
    page = (root / "o" / "report" / "index.html").read_text(encoding="utf-8")
    cells = pd.read_csv(root / "o" / "report" / "tables" / "cells.csv")
    return Attacked(process, table, page, cells)


def test_the_exit_code_says_that_cells_have_failed(attacked: Attacked) -> None:
    assert attacked.process.returncode == 3, attacked.process.stderr[-3000:]
    assert "Traceback" not in attacked.process.stderr
    said = [line for line in attacked.process.stderr.splitlines() if line.startswith("failed ")]
    assert len(said) >= len(UNREADABLE)
    assert not [line for line in said if "\x1b" in line]


def test_everything_else_is_computed(attacked: Attacked) -> None:
    """With the numbers of the potential that does no harm."""
    table = attacked.table
    good = table.xs("good", level="potential")
    readable = sorted(set(good.index) - set(UNREADABLE))
    assert len(readable) == N_MATERIALS - len(UNREADABLE)
    assert (good.loc[readable, "state"] == OK).all()
    for what in set(HARMS) - {"load"}:
        own = table.xs(what, level="potential")
        bad = [name for name in readable if name not in GOLD or what in HARMLESS]
        assert (own.loc[bad, "state"] == OK).all(), what
        same = [name for name in bad if what != "float32" or name not in GOLD]
        assert (own.loc[same, "path_rmse_w2_THz2"] == good.loc[same, "path_rmse_w2_THz2"]).all(), what


@pytest.mark.parametrize("what", [what for what in HARMS if what not in HARMLESS | EITHER])
def test_a_harmful_potential_fails_with_its_reason(attacked: Attacked, what: str) -> None:
    for gold in GOLD:
        row = attacked.table.loc[(gold, what)]
        assert row["state"] == FAILED
        assert row["failure"]
        assert row["failure_kind"] in KINDS.get(what, {row["failure_kind"]})


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_fails_with_its_reason(attacked: Attacked, name: str) -> None:
    rows = attacked.table.loc[name]
    assert set(rows["state"]) == {FAILED}
    assert set(rows["failure_kind"]) == {"InputData"}
    [reason] = set(rows["failure"])
    assert f"/{name}" in reason
    assert "\n" not in reason


def test_every_reason_is_in_the_page_and_in_the_table(attacked: Attacked) -> None:
    failed = attacked.table[attacked.table["state"] == FAILED]
    text = html.unescape(attacked.page)
    assert [reason for reason in set(failed["failure"]) if reason not in text] == []
    assert "<script>alert(1)" not in attacked.page
    there = attacked.cells[attacked.cells["state"] == FAILED]
    assert len(there) == len(failed)
    assert there["failure"].notna().all()


def test_standard_output_is_strict_json(attacked: Attacked) -> None:
    said = json.loads(attacked.process.stdout)
    assert said["cells"]["total"] == N_MATERIALS * (len(HARMS) + 1)
    assert said["unstored"] == []


def test_odd_names_are_text(attacked: Attacked) -> None:
    """A formula is preceded by an apostrophe."""
    names = {name.removeprefix("'") for name in attacked.cells["material"]}
    assert names == set(attacked.table.index.get_level_values("material"))
    assert {printable(os.fsdecode(name)) for name in ODD_NAMES} <= names
    assert not [name for name in attacked.cells["material"] if name.startswith("=")]
