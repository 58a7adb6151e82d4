"""A study on workers that Parsl starts on this machine, among them potentials that end or hang theirs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny_study import emt, factory, record_contents, run_tiny, tiny_study

from softmode.study.cluster import FOLDER, WORK_FILE
from softmode.study.folder import Study, open_study
from softmode.study.results import cell_table
from softmode.study.run import RunReport, run_study

ACCELERATORS = ("7", "9")
SOUND = (emt(), factory("scaled_emt", "soft", factor=0.9))
HOSTILE = {"name": "hostile_potentials:hostile_emt", "measurements": ["harmonic"]}
HARMFUL = (
    {**HOSTILE, "label": "ends", "kwargs": {"what": "exit"}},
    {**HOSTILE, "label": "hangs", "kwargs": {"what": "hang"}, "time_limit": 1.0},
)


@dataclass(frozen=True)
class OnCluster:
    study: Study
    report: RunReport
    work: list[dict[str, str]]


@pytest.fixture(scope="module")
def on_cluster(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> OnCluster:
    cluster = {"workers_per_node": 2, "accelerators_per_node": list(ACCELERATORS)}
    output = tmp_path_factory.mktemp("cluster") / "o"
    settings = tiny_study(tiny_dataset, output, *SOUND, *HARMFUL, run={"cluster": cluster})
    study, report = run_tiny(settings)
    lines = (output / FOLDER / WORK_FILE).read_text().splitlines()
    return OnCluster(study, report, [json.loads(line) for line in lines])


def test_records_are_those_of_one_worker(on_cluster: OnCluster, tiny_dataset: Path, tmp_path: Path) -> None:
    alone, _ = run_tiny(tiny_study(tiny_dataset, tmp_path / "o", *SOUND))
    there = record_contents(on_cluster.study)
    assert {key: there[key] for key in record_contents(alone)} == record_contents(alone)


def test_what_potentials_do_to_their_process_is_their_failure(on_cluster: OnCluster) -> None:
    assert on_cluster.report == RunReport(total=12, found=0, computed=12, failed=2, unstored=[])
    failed = cell_table(on_cluster.study).query("state == 'failed'").set_index(["material", "potential"])
    assert dict(failed["failure_kind"]) == {("Au", "ends"): "WorkerDied", ("Au", "hangs"): "TimeLimit"}


def test_each_worker_has_an_accelerator_of_its_own(on_cluster: OnCluster) -> None:
    assert {line["accelerator"] for line in on_cluster.work} == {*ACCELERATORS}
    cells = {(line["material"], line["potential"]) for line in on_cluster.work}
    assert len(cells) == len(on_cluster.work) == 10  # the two that failed were nobody's


def test_the_same_study_goes_on_without_a_cluster(on_cluster: OnCluster) -> None:
    settings = on_cluster.study.settings
    here = settings.model_copy(
        update={"run": settings.run.model_copy(update={"cluster": None, "workers": 1})}
    )
    study = open_study(here.model_copy(update={"potentials": here.potentials[:2]}))
    assert run_study(study).found == 6
