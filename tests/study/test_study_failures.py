"""Bad input and bad potentials: each a recorded, explained failure of its cells; the rest goes on."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from report_page import document_of
from softmode_test_factories import hostile_loader
from tiny_study import emt, factory, run_tiny, tiny_study, write_metal
from typer.testing import CliRunner

from softmode.cli.app import app
from softmode.datasets import open_dataset
from softmode.datasets.base import MaterialEntry, Selection
from softmode.errors import SettingsError
from softmode.report.build import build_report
from softmode.study.folder import Study, open_study
from softmode.study.materials import summarise_materials
from softmode.study.results import FAILED, OK, cell_table, ranking
from softmode.study.run import RunReport, _alone, run_study
from softmode.study.settings import parse_study

#: material or potential: kind of its failures, what their message says, what the remedy says
BAD_MATERIALS = {
    "Ag": ("InputData", "POSCAR", ""),
    "Ni": ("InputData", "FORCE_SETS", "forces on 9 atoms, but the supercell has 8"),
    "Pd": ("InputData", "FORCE_SETS", "not finite"),
    "Pt": ("InputData", "phonopy_params.yaml.xz", "truncated"),
}
BAD_POTENTIALS = {
    "narrow": ("UncoveredElement", "does not cover Cu", "potential trained on these elements"),
    "no number": ("NonFiniteForces", "returned NaN or infinite values", "inspect those configurations"),
    "raising": ("Potential", "RuntimeError: the sum [/of] all [red] fears", "check"),
    "broken": ("Potential", "making the calculator fails", "Check kwargs"),
    "absent": ("MissingDependency", "no_such_module", "Install it"),
    "file": ("MissingWeights", "/nonexistent.model", ""),
    "network": ("MissingWeights", "127.0.0.1", ""),
}
TRANSIENT = {"absent", "file", "network"}


def damage(root: Path) -> None:
    """Add materials that cannot be read."""
    for symbol in BAD_MATERIALS:
        write_metal(root / symbol, symbol)
    poscar = root / "Ag" / "POSCAR"
    poscar.write_text("\n".join(poscar.read_text().splitlines()[:4]))
    forces = root / "Ni" / "FORCE_SETS"
    lines = forces.read_text().split("\n")
    forces.write_text("\n".join(["9", *lines[1:], "0 0 0", ""]))
    forces = root / "Pd" / "FORCE_SETS"
    lines = forces.read_text().splitlines()
    forces.write_text("\n".join([*lines[:-2], "   nan 0.0 0.0", lines[-1]]) + "\n")
    for path in (root / "Pt").iterdir():
        path.unlink()
    (root / "Pt" / "phonopy_params.yaml.xz").write_bytes(b"\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4F")


@dataclass(frozen=True)
class Suffering:
    study: Study
    report: RunReport
    table: pd.DataFrame
    page: dict[str, Any]
    failures_csv: pd.DataFrame


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pytest.MonkeyPatch]:
    """No weights in the cache and none to be had."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTMODE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("xdg")))
        patch.setenv("SOFTMODE_WEIGHTS_URL", f"http://127.0.0.1:{port}")
        yield patch


@pytest.fixture(scope="module")
def suffering(environment: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Suffering:
    pytest.importorskip("mace")
    root = tmp_path_factory.mktemp("bad")
    dataset = root / "data"
    write_metal(dataset / "Cu", "Cu")
    write_metal(dataset / "Al", "Al")
    damage(dataset)
    settings = tiny_study(
        dataset,
        root / "o",
        emt(),
        {**factory("slow_emt", "narrow", seconds=0.0), "elements": ["Al"]},
        factory("nan_emt", "no number"),
        factory("raising_emt", "raising"),
        factory("scaled_emt", "broken"),
        {"name": "no_such_module:factory", "label": "absent"},
        {"name": "/nonexistent.model", "label": "file"},
        {"name": "medium-mpa-0", "label": "network"},
    )
    study, report = run_tiny(settings)
    page = build_report(study)
    return Suffering(
        study,
        report,
        cell_table(study).set_index(["material", "potential"]),
        document_of(page),
        pd.read_csv(page.parent / "tables" / "failures.csv"),
    )


def test_all_other_cells_are_computed(suffering: Suffering) -> None:
    table = suffering.table
    ok = set(table.index[table["state"] == OK])
    assert ok == {("Al", "emt"), ("Cu", "emt"), ("Al", "narrow")}
    assert (table["state"] == FAILED).sum() == len(table) - 3 == 6 * 8 - 3
    assert suffering.report.computed == 48
    assert suffering.report.failed == 45
    assert suffering.report.unstored == []


@pytest.mark.parametrize("material", BAD_MATERIALS)
def test_a_material_that_cannot_be_read(suffering: Suffering, material: str) -> None:
    kind, names, problem = BAD_MATERIALS[material]
    rows = suffering.table.loc[material]
    assert set(rows["failure_kind"]) == {kind}
    [message] = set(rows["failure"])
    assert f"/{material}" in message
    assert names in message
    assert problem in message
    assert message.count(". ") >= 1
    assert "\n" not in message


@pytest.mark.parametrize("potential", BAD_POTENTIALS)
def test_a_potential_that_fails(suffering: Suffering, potential: str) -> None:
    kind, problem, remedy = BAD_POTENTIALS[potential]
    row = suffering.table.loc[("Cu", potential)]
    assert row["failure_kind"] == kind
    assert problem in row["failure"]
    assert remedy in row["failure"]
    assert "\n" not in row["failure"]


def test_failures_are_in_the_tables(suffering: Suffering) -> None:
    csv = suffering.failures_csv
    assert len(csv) == 45
    expected = suffering.table[suffering.table["state"] == FAILED]["failure"].to_dict()
    found = {(row.material, row.potential): row.failure for row in csv.itertuples()}
    assert found == expected
    best = ranking(suffering.table.reset_index(), seed=1).query("group == 'all'").set_index("potential")
    assert best.loc["emt", "failed"] == 4
    assert best.loc["narrow", "failed"] == 5
    assert best.loc["network", "n"] == 0


def test_failures_are_in_the_page(suffering: Suffering) -> None:
    assert [one["reason"] for one in suffering.page["failures"]] == suffering.failures_csv["failure"].tolist()


def test_failures_are_in_the_status(suffering: Suffering) -> None:
    result = CliRunner().invoke(app, ["status", str(suffering.study.folder)], terminal_width=500)
    assert result.exit_code == 0
    assert result.exception is None
    lines = result.output.splitlines()
    for row in suffering.failures_csv.itertuples():
        expected = f"failed {row.material} × {row.potential}: {row.failure}"
        assert expected in lines


def test_an_unforeseen_error_keeps_its_traceback(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr("softmode.harmonic.plan_displacements", broken)
    settings = tiny_study(tiny_dataset, tmp_path / "o", ids=["Cu"])
    study, report = run_tiny(settings)
    assert report.failed == 1
    failure = study.records(study.cases[0])["displaced_forces"].failure
    assert failure is not None
    assert failure.kind == "ZeroDivisionError"
    assert "nobody thought of this" in failure.message
    assert "Traceback" in failure.details
    assert failure.transient
    monkeypatch.undo()
    _, report = run_tiny(settings)
    assert (report.computed, report.failed) == (1, 0)


def test_only_what_may_succeed_is_tried_again(suffering: Suffering) -> None:
    tried: list[str] = []
    again = open_study(suffering.study.settings)
    report = run_study(again, lambda cell, outcome: tried.append(cell.label))
    assert set(tried) == TRANSIENT
    # materials that cannot be read fail for good, whatever the potential
    assert tried.count("absent") == 2
    assert report.found == 48 - len(tried)
    assert report.failed == len(tried)


def test_weights_that_come_back_are_used(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for a module that is installed later."""
    monkeypatch.syspath_prepend(str(tmp_path))
    entry = {"name": "module_of_later:make", "label": "later"}
    settings = tiny_study(tiny_dataset, tmp_path / "o", emt(), entry, ids=["Cu"])
    study, report = run_tiny(settings)
    assert list(cell_table(study)["state"]) == [OK, FAILED]
    (tmp_path / "module_of_later.py").write_text("from ase.calculators.emt import EMT as make\n")
    study, report = run_tiny(settings)
    assert (report.found, report.computed, report.failed) == (1, 1, 0)
    assert list(cell_table(study)["state"]) == [OK, OK]


@pytest.mark.parametrize("first", ["narrow", "wide"])
def test_covered_elements_are_part_of_a_potential(tiny_dataset: Path, tmp_path: Path, first: str) -> None:
    """Neither may a refused element look computed, nor a computed one refused, whichever came first."""
    both = [emt("narrow", elements=["Al"]), emt("wide")]
    order = both if first == "narrow" else both[::-1]
    study, _ = run_tiny(tiny_study(tiny_dataset, tmp_path / "o", *order, ids=["Cu"]))
    states = cell_table(study).set_index("potential")["state"].to_dict()
    assert states == {"narrow": FAILED, "wide": OK}


@pytest.mark.parametrize("workers", [2])
def test_a_worker_that_dies_takes_no_other_cell_with_it(
    tiny_dataset: Path, tmp_path: Path, importable_helpers: None, workers: int
) -> None:
    settings = tiny_study(
        tiny_dataset, tmp_path / "o", factory("dying_emt", "dying", element="Au"), run={"workers": workers}
    )
    study, report = run_tiny(settings)
    table = cell_table(study).set_index("material")
    assert table["state"].to_dict() == {"Al": OK, "Au": FAILED, "Cu": OK}
    assert table.loc["Au", "failure_kind"] == "WorkerDied"
    assert "Au with dying" in table.loc["Au", "failure"]
    assert "fewer workers" in table.loc["Au", "failure"]
    assert (report.computed, report.failed) == (3, 1)
    assert not study.settled(study.cases[1])  # tried again: there may be more memory then
    assert study.settled(study.cases[0])


def test_data_that_change_while_a_study_runs_fail_their_cells_and_are_read_again(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    """Also by an edit that keeps size and time of the file; put back, the result is the one it always was."""
    data = tmp_path / "data"
    shutil.copytree(tiny_dataset, data)
    expected = run_tiny(tiny_study(tiny_dataset, tmp_path / "expected", emt()))[0]
    study = open_study(tiny_study(data, tmp_path / "changing", emt()))
    forces = data / "Cu" / "FORCE_SETS"
    true, times = forces.read_text(), forces.stat()

    def put(text: str) -> None:
        forces.write_text(text)
        os.utime(forces, ns=(times.st_atime_ns, times.st_mtime_ns))

    sign = true.index("-")  # one digit of one force
    put(true[: sign + 1] + str((int(true[sign + 1]) + 1) % 10) + true[sign + 2 :])
    assert forces.stat().st_size == times.st_size
    assert run_study(study).failed == 1
    table = cell_table(study).set_index("material")
    assert "Cu: its files have changed since they were first read" in table.loc["Cu", "failure"]
    assert (table.drop(index="Cu")["state"] == OK).all()
    put(true)
    again = open_study(study.settings)
    assert run_study(again).failed == 0
    for case, other in zip(again.cases, expected.cases, strict=True):
        assert case.keys == other.keys
        assert {name: record.values for name, record in again.records(case).items()} == {
            name: record.values for name, record in expected.records(other).items()
        }


@pytest.mark.usefixtures("importable_helpers")
def test_a_material_that_ends_or_hangs_its_reader_costs_no_other(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read in processes of their own: a crash of a library, an endless parse, an error nobody foresaw."""
    entries = [
        replace(entry, loader=partial(hostile_loader, entry.loader, what))
        for entry, what in zip(
            (entry for name in ("Al", "Au", "Cu") for entry in entries_of(tiny_dataset, name)),
            ("kill", "hang", "raise"),
            strict=True,
        )
    ]
    good = entries_of(tiny_dataset, "Cu")
    read = summarise_materials(
        [*entries, replace(good[0], name="fine")],
        Selection(),
        tmp_path / "index.json",
        workers=2,
        seconds=15.0,
    )
    assert {item.name: item.failure_kind for item in read} == {
        "Al": "WorkerDied",
        "Au": "TimeLimit",
        "Cu": "ZeroDivisionError",
        "fine": "",
    }
    assert "reading Al: ended its process" in read[0].failure
    assert "reading Au: has not come to an end in the time allowed" in read[1].failure


def entries_of(dataset: Path, name: str) -> list[MaterialEntry]:
    return [entry for entry in open_dataset("phonopy", dataset).entries() if entry.name == name]


def test_implausible_data_fail_unless_accepted_which_is_shown(tmp_path: Path) -> None:
    """Of the material that it is accepted of, by name, and in the record that it went into."""
    for symbol in ("Al", "Cu"):
        write_metal(tmp_path / "metals" / symbol, symbol, force=0.001)
    settings = tiny_study(tmp_path / "metals", tmp_path / "out", measurements=["harmonic"])
    dataset = settings.dataset.model_copy(update={"accept": {"Cu": ("stiffness",)}})
    study = open_study(settings.model_copy(update={"dataset": dataset}))
    run_study(study)
    cells = cell_table(study).set_index("material")
    assert cells["state"].to_dict() == {"Al": FAILED, "Cu": OK}
    assert "the stiffest atom sits" in cells.loc["Al", "failure"]
    assert "--accept stiffness" in cells.loc["Al", "failure"]
    assert cells.loc["Cu", "accepted"] == "stiffness"
    [record] = [study.record(case, "harmonic") for case in study.cases if case.material.name == "Cu"]
    assert record is not None
    assert record.inputs["accepted"] == "stiffness"
    notices = " ".join(document_of(build_report(study))["notices"])
    assert "Cu (stiffness: the curvature in which the stiffest atom sits" in notices
    again = open_study(settings)  # nothing is accepted any more
    run_study(again)
    assert set(cell_table(again)["state"]) == {FAILED}


@pytest.mark.parametrize(
    ("accept", "problem"),
    [
        (["net_fore"], "did you mean net_force"),
        ({"Cu": ["net_fore"]}, "did you mean net_force"),
        ({"Cuu": ["net_force"]}, "there is no such material"),
    ],
)
def test_what_cannot_be_accepted(tiny_dataset: Path, tmp_path: Path, accept: object, problem: str) -> None:
    content = tiny_study(tiny_dataset, tmp_path / "out").content()
    content["dataset"]["accept"] = accept
    with pytest.raises(SettingsError, match=problem):
        open_study(parse_study(content, "study.toml"))


@pytest.mark.usefixtures("importable_helpers")
def test_a_potential_that_hangs_or_eats_memory_costs_its_case(tiny_dataset: Path, tmp_path: Path) -> None:
    """It hangs in C with the interpreter's lock; takes 3 GiB of 1.5 once; raises a MemoryError once."""
    settings = tiny_study(
        tiny_dataset,
        tmp_path / "o",
        {**factory("hanging_emt", "hanging", symbol="Au"), "time_limit": 6.0},
        factory("hungry_emt", "hungry", symbol="Cu", log=str(tmp_path / "eaten")),
        factory("memoryless_emt", "memoryless", log=str(tmp_path / "lacked")),
        run={"workers": 2, "memory_limit": 1.5},
    )
    study, report = run_tiny(settings)
    table = cell_table(study).set_index(["material", "potential"])
    assert (report.computed, report.failed) == (9, 1)
    assert table.loc[("Au", "hanging"), "failure_kind"] == "TimeLimit"
    assert (
        "Au with hanging: the potential did not answer within its time limit of 6 s"
        in (table.loc[("Au", "hanging"), "failure"])
    )
    assert (tmp_path / "eaten").exists()
    assert (tmp_path / "lacked").exists()


def test_others_are_watched_while_a_case_is_tried_alone(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("softmode.study.run._LOOK_EVERY", 0.05)
    study = open_study(
        tiny_study(tiny_dataset, tmp_path / "o", emt(), ids=("Cu",), measurements=["harmonic"])
    )
    looks: list[None] = []
    outcome = _alone(study, study.cases[0], 1, lambda: looks.append(None))
    assert outcome.stored
    assert len(looks) > 3


def test_want_of_memory_is_not_held_against_a_potential(tiny_dataset: Path, tmp_path: Path) -> None:
    study, _ = run_tiny(
        tiny_study(tiny_dataset, tmp_path / "o", factory("out_of_memory_emt", "poor", symbol="Au"), emt())
    )
    table = cell_table(study)
    assert table.set_index(["material", "potential"]).loc[("Au", "poor"), "failure_kind"] == "OutOfMemory"
    rows = ranking(table, seed=1)
    row = rows[(rows["potential"] == "poor") & (rows["group"] == "all")].iloc[0]
    assert row["failed"] == 1
    assert row["median_rmse_w2_THz2_failures_as_wrong"] == row["median_rmse_w2_THz2"]


@pytest.mark.usefixtures("importable_helpers")
def test_a_potential_that_leaves_or_forks_costs_its_case(tiny_dataset: Path, tmp_path: Path) -> None:
    """SystemExit and KeyboardInterrupt are failures with a reason; a copy of the worker does not go on."""
    potentials = [
        {**factory("hostile_emt", what, what=what), "name": "hostile_potentials:hostile_emt"}
        for what in ("system_exit", "interrupt", "fork", "long", "globals")
    ]
    settings = tiny_study(
        tiny_dataset, tmp_path / "o", *potentials, run={"workers": 1}, measurements=["harmonic"]
    )
    study, report = run_tiny(settings)
    table = cell_table(study).set_index(["material", "potential"])
    assert report.unstored == []
    assert table.loc[("Au", "system_exit"), "failure"] == "Au with system_exit: ended with SystemExit: 0"
    assert table.loc[("Au", "interrupt"), "failure_kind"] == "KeyboardInterrupt"
    assert 3000 < len(table.loc[("Au", "long"), "failure"]) <= 4000
    assert (table["state"] == OK).sum() == 15 - 3
    report = run_tiny(settings)[1]
    assert report.computed == 2  # what nobody foresaw is tried again
