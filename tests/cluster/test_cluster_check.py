"""``softmode cluster check``: what a worker sees beside what is seen here, without starting one."""

from __future__ import annotations

import contextlib
import json
import pickle
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_study import emt, factory, study_toml, tiny_study
from typer.testing import CliRunner

from softmode.cli import cluster as command
from softmode.cli.app import app
from softmode.cluster.check import Question, Seen, look, problems
from softmode.cluster.messages import Ended, Place
from softmode.cluster.pool import Event, Free
from softmode.cluster.settings import PoolSettings


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A worker that is this process, and sees what it is told to."""

    def made(lacks: Mapping[str, tuple[str, str]] | None = None, **seen: Any) -> None:
        class Pool:
            def __init__(self) -> None:
                self.broken: dict[str, Exception] = {}

            def want(self, workers: Mapping[str, int]) -> None:
                self.places = {lane: Place("host", 1, pool=name) for lane, name in enumerate(workers)}
                self.events: list[Event] = [Free(lane) for lane in self.places]
                assert set(workers.values()) == {1}

            def lacks(self, lane: int) -> Mapping[str, tuple[str, str]]:
                return {} if lacks is None else lacks

            def give(self, lane: int, number: int, function: Any, task: Any) -> None:
                self.events.append(Ended(number, pickle.dumps(replace(function(task), **seen))))

            def wait(self, seconds: float) -> Iterator[Event]:
                yield from [self.events.pop()]

        @contextlib.contextmanager
        def open_pool(*asked: Any, **more: Any) -> Iterator[Pool]:
            yield Pool()

        monkeypatch.setattr(command, "open_pool", open_pool)

    return made


def checked(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["cluster", "check", *arguments])
    return result.exit_code, " ".join(result.output.split())


def test_settings_alone_are_tried_in_this_folder(
    worker: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cluster.toml"
    path.write_text("workers_per_node = 3\n")
    monkeypatch.chdir(tmp_path)
    worker(cores=3)
    status, said = checked(str(path))
    assert status == 0
    assert "1 jobs × 1 nodes × 3 workers (local)" in said
    assert "a study can run there" in said
    assert [one.name for one in tmp_path.iterdir()] == ["cluster.toml"]


def test_what_a_study_needs_is_looked_for(
    worker: Callable[..., None], tiny_dataset: Path, tmp_path: Path
) -> None:
    settings = tiny_study(tiny_dataset, tmp_path / "o", emt(), run={"cluster": {"workers_per_node": 1}})
    path = study_toml(tmp_path / "study.toml", settings)
    worker(missing=("reference data",), problem="Permission denied", written="")
    status, said = checked(str(path), "--json")
    assert status == 1
    answer = json.loads(said)
    assert answer["problems"] == [
        f"the worker cannot use {tmp_path / 'o' / 'cluster'} (Permission denied): "
        "put the study where nodes see it",
        f"reference data is not there: {tiny_dataset}",
    ]
    assert answer["worker"]["versions"] == answer["here"]["versions"]


def test_each_kind_of_workers_is_asked_for_its_own_potentials(
    worker: Callable[..., None], tiny_dataset: Path, tmp_path: Path
) -> None:
    pools = {
        "cpu": {"workers_per_node": 2, "potentials": ["soft"]},
        "gpu": {"accelerators_per_node": 4, "potentials": ["emt"]},
    }
    potentials = (emt(), factory("scaled_emt", "soft", factor=0.9))
    settings = tiny_study(tiny_dataset, tmp_path / "o", *potentials, run={"cluster": {"pool": pools}})
    path = study_toml(tmp_path / "study.toml", settings)
    worker(lacks={"soft": ("there is no module soft", "Put it there")}, cores=4, cards=None)
    status, said = checked(str(path), "--json")
    assert status == 1
    answer = json.loads(said)["pools"]
    assert answer["cpu"]["problems"] == ["soft cannot run there: there is no module soft. Put it there"]
    assert answer["gpu"]["problems"] == ["the worker has no accelerator: CUDA_VISIBLE_DEVICES is not set"]
    status, said = checked(str(path))
    assert "pool gpu" in said
    assert "1 jobs × 1 nodes × 4 workers (local)" in said


def test_a_check_that_fails_leaves_nothing_in_the_study(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny_study(tiny_dataset, tmp_path / "o", emt(), run={"cluster": {"workers_per_node": 1}})
    path = study_toml(tmp_path / "study.toml", settings)

    @contextlib.contextmanager
    def open_pool(settings: Any, folder: Path, *asked: Any, **more: Any) -> Iterator[None]:
        assert len(list(folder.parent.iterdir())) == 2  # what is to be read there, and what was written here
        raise command.ClusterError("run.cluster", "no worker can be started", "Correct it")
        yield

    monkeypatch.setattr(command, "open_pool", open_pool)
    result = CliRunner().invoke(app, ["cluster", "check", str(path)])
    assert isinstance(result.exception, command.ClusterError)
    assert list((tmp_path / "o" / "cluster").iterdir()) == []


def test_a_study_without_a_cluster_is_told(tiny_dataset: Path, tmp_path: Path) -> None:
    path = study_toml(tmp_path / "study.toml", tiny_study(tiny_dataset, tmp_path / "o", emt(), run={}))
    result = CliRunner().invoke(app, ["cluster", "check", str(path)])
    assert "has no [run.cluster]" in str(result.exception)


def test_every_difference_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("here")
    question = Question(str(tmp_path), "note", {"mace": "/env/bin/python"})
    here = look(question)
    assert here.interpreters["mace"].startswith("cannot be started")
    there = replace(here, interpreters={"mace": "Python 3.12.1"})

    one = PoolSettings(workers_per_node=1)

    def found(visible: bool = True, **seen: Any) -> str:
        [problem] = problems(question, here, replace(there, **seen), visible, one)
        return problem

    assert problems(question, here, there, True, one) == []
    assert "sees another" in found(note="something else")
    assert "is not seen here" in found(visible=False)
    assert found(versions={**here.versions, "numpy": "1.0"}).startswith("numpy is 1.0 there")
    assert found(versions={**here.versions, "phonopy": ""}).startswith("phonopy is not installed there")
    assert found(python="3.10.1 /usr/bin/python").startswith("Python is 3.10.1 there")
    assert found(interpreters={"mace": "no such file"}) == "environment of mace: no such file"


def test_a_node_that_is_smaller_than_what_is_asked_for_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("here")
    question = Question(str(tmp_path), "note")
    here = look(question)
    node = replace(here, cores=8, memory=64 * 2**30, cards=("A100", "A100"))
    node = replace(node, place=replace(here.place, accelerator="0"))

    def found(node: Seen = node, **asked: Any) -> list[str]:
        return problems(question, here, node, True, PoolSettings(**asked))

    assert found(workers_per_node=4, cores_per_worker=2, memory_per_node=64) == []
    assert found(accelerators_per_node=["0", "0", "1", "1"]) == []
    assert found(workers_per_node=64, memory_per_node=240) == [
        "the workers of a node need 64 cores, and may use 8 there: "
        "give fewer `workers_per_node` or `cores_per_worker`",
        "`memory_per_node` is 240 GiB, and the node has 64: ask for less",
    ]
    [few] = found(accelerators_per_node=4)
    assert few == "`accelerators_per_node` asks for 4, and the node shows 2"
    assert found(replace(node, cards=None), accelerators_per_node=4) == []
    [unset] = found(replace(node, place=here.place), accelerators_per_node=2)
    assert "no accelerator: CUDA_VISIBLE_DEVICES" in unset


def test_a_worker_that_cannot_look_is_an_error() -> None:
    with pytest.raises(command.ClusterError, match="could not look: no module"):
        command._answer(Ended(0, error=ImportError("no module")))


def test_what_is_seen_can_be_sent(tmp_path: Path) -> None:
    seen = look(Question(str(tmp_path), "none"))
    assert seen.problem == "No such file or directory"
    assert isinstance(pickle.loads(pickle.dumps(seen)), Seen)
