"""A study on workers that Parsl starts on this machine; one potential hangs its own."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny_study import emt, factory, record_contents, run_tiny, tiny_study

from softmode.study.folder import Study, open_study
from softmode.study.results import cell_table
from softmode.study.run import RunReport, run_study
from softmode.study.work import FOLDER, WORK_FILE

ACCELERATORS = ("7", "9")
SOUND = (emt(), factory("scaled_emt", "soft", factor=0.9))
HANGS = {
    "name": "hostile_potentials:hostile_emt",
    "label": "hangs",
    "kwargs": {"what": "hang"},
    "time_limit": 1.0,
}


@dataclass(frozen=True)
class OnCluster:
    study: Study
    report: RunReport
    work: list[dict[str, str]]


def cells_of(folder: Path) -> list[dict[str, str]]:
    """What is noted of the cells that were computed."""
    lines = map(json.loads, (folder / FOLDER / WORK_FILE).read_text().splitlines())
    return [line for line in lines if "seconds" in line]


@pytest.fixture(scope="module")
def on_cluster(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> OnCluster:
    cluster = {"workers_per_node": 2, "accelerators_per_node": list(ACCELERATORS)}
    output = tmp_path_factory.mktemp("cluster") / "o"
    settings = tiny_study(tiny_dataset, output, *SOUND, HANGS, run={"cluster": cluster})
    study, report = run_tiny(settings)
    return OnCluster(study, report, cells_of(output))


def test_records_are_those_of_one_worker(on_cluster: OnCluster, tiny_dataset: Path, tmp_path: Path) -> None:
    alone, _ = run_tiny(tiny_study(tiny_dataset, tmp_path / "o", *SOUND))
    there = record_contents(on_cluster.study)
    assert {key: there[key] for key in record_contents(alone)} == record_contents(alone)


def test_a_potential_that_does_not_end_is_ended(on_cluster: OnCluster) -> None:
    assert on_cluster.report == RunReport(total=9, found=0, computed=9, failed=1, unstored=[])
    failed = cell_table(on_cluster.study).query("state == 'failed'").set_index(["material", "potential"])
    assert dict(failed["failure_kind"]) == {("Au", "hangs"): "TimeLimit"}


def test_each_worker_has_an_accelerator_of_its_own(on_cluster: OnCluster) -> None:
    assert {line["accelerator"] for line in on_cluster.work} == {*ACCELERATORS}
    cells = {(line["material"], line["potential"]) for line in on_cluster.work}
    assert len(cells) == len(on_cluster.work) == 8  # the one that failed is nobody's


@pytest.mark.slow
def test_two_kinds_of_workers_share_a_study(tiny_dataset: Path, tmp_path: Path) -> None:
    """One potential for each, and one whose environment is not on the node that it is for."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    pools = {
        "cpu": {"workers_per_node": 2, "potentials": ["emt"]},
        "gpu": {
            "accelerators_per_node": ["7"],
            "potentials": ["soft", "apart"],
            "worker_init": [f"rm -f '{python}'"],
        },
    }
    apart = {**factory("scaled_emt", "apart", factor=0.8), "python": str(python)}
    settings = tiny_study(tiny_dataset, tmp_path / "o", *SOUND, apart, run={"cluster": {"pool": pools}})
    study, report = run_tiny(settings)
    assert (report.computed, report.failed) == (9, 3)
    where = {(line["potential"], line["pool"], line["accelerator"]) for line in cells_of(study.folder)}
    assert where == {("emt", "cpu", ""), ("soft", "gpu", "7")}
    failed = cell_table(study).query("state == 'failed'")
    [reason] = set(failed["failure"])
    assert f"(pool gpu) its interpreter {python} is gone. Set python to one that is there" in reason
    assert set(failed["potential"]) == {"apart"}


def test_the_same_study_goes_on_without_a_cluster(on_cluster: OnCluster) -> None:
    settings = on_cluster.study.settings
    here = settings.model_copy(
        update={"run": settings.run.model_copy(update={"cluster": None, "workers": 1})}
    )
    study = open_study(here.model_copy(update={"potentials": here.potentials[:2]}))
    assert run_study(study).found == 6
