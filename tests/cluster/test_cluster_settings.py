"""What a cluster is asked for: checked when the study file is read, and told in words."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_study import emt, tiny_study

from softmode.cluster.providers import preparation, require_parsl, require_scheduler
from softmode.cluster.settings import ClusterSettings, PoolSettings, load_cluster
from softmode.errors import MissingExtraError, SettingsError

CLUSTERS = sorted((Path(__file__).resolve().parents[2] / "examples" / "clusters").glob("*.toml"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"provider": "slrm", "workers_per_node": 4}, "'local', 'slurm', 'pbs', 'lsf' or 'kubernetes'"),
        ({"provider": "slurm"}, "Parsl must know how many workers a node has: give `workers_per_node`"),
        ({"workers_per_node": 4, "accelerators_per_node": 2}, "4 workers on a node need as many"),
        ({"workers_per_node": 4, "walltime": "1 day"}, "'1 day' is no time: give HH:MM:SS"),
        ({"workers_per_node": 4, "walltime": "00:00:00"}, "is no time"),
        ({"workers_per_node": 4, "accelerators_per_node": -1}, "give their number or their names"),
        ({"provider": "kubernetes", "workers_per_node": 4}, "needs the image that pods run"),
        (
            {"provider": "kubernetes", "workers_per_node": 4, "options": {"image": "a"}},
            "half a GiB, which is too little: give `memory_per_node`",
        ),
        ({"workers_per_node": 4, "nodes": 2}, 'with provider = "local" a job has one node: give more `jobs`'),
        (
            {"worker_per_node": 4},
            "unknown key 'run.cluster.worker_per_node' (did you mean 'workers_per_node'?)",
        ),
        ({"workers_per_node": 4, "engine": "dask"}, "'parsl'"),
        ({"pool": {"a": {"provider": "slurm"}}}, "run.cluster.pool.a: Parsl must know how many workers"),
        (
            {"pool": {"a": {"workers_per_nod": 4}}},
            "unknown key 'run.cluster.pool.a.workers_per_nod' (did you",
        ),
        ({"pool": {"a b": {"workers_per_node": 4}}}, "'a b' is no name of a pool"),
        ({"workers_per_node": 4, "potentials": ["mace-*"]}, "no pool takes the potential 'emt'"),
        (
            {"workers_per_node": 1, "pool": {"a": {}, "b": {"potentials": ["mace-*"]}}},
            "`potentials` of the pool 'b' names 'mace-*', but the study has emt",
        ),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, content: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as error:
        tiny_study(tmp_path, tmp_path / "o", emt(), run={"cluster": content})
    assert said in str(error.value)
    assert "run.cluster" in str(error.value)


def test_one_engine_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="give `executor` or `cluster`"):
        tiny_study(tmp_path, tmp_path / "o", run={"executor": "a:b", "cluster": {"workers_per_node": 1}})


def test_a_file_of_its_own_holds_the_same(tmp_path: Path) -> None:
    path = tmp_path / "cluster.toml"
    path.write_text('provider = "slurm"\naccelerators_per_node = 4\nnodes = 2\njobs = 3\n')
    assert load_cluster(path).slots == 24
    path.write_text("worker_per_node = 4")
    with pytest.raises(SettingsError, match=r"unknown key 'worker_per_node'\. did you mean workers_per_node"):
        load_cluster(path)
    path.write_text('provider = "slurm"')
    with pytest.raises(SettingsError, match="give `workers_per_node`"):
        load_cluster(path)
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_cluster(Path(__file__))
    with pytest.raises(SettingsError, match="cannot be read"):
        load_cluster(tmp_path / "none.toml")


@pytest.mark.parametrize("path", CLUSTERS, ids=lambda path: path.stem)
def test_templates_are_valid(path: Path) -> None:
    assert load_cluster(path).slots > 1


def test_kinds_of_workers_have_in_common_what_stands_beside_them() -> None:
    content = {
        "provider": "slurm",
        "account": "abc",
        "pool": {
            "cpu": {"workers_per_node": 64, "jobs": 2, "potentials": ["7net-0", "chgnet"]},
            "gpu": {"accelerators_per_node": 4, "account": "xyz", "potentials": ["mace-*"]},
        },
    }
    settings = ClusterSettings.model_validate(content)
    assert [(one.provider, one.account, one.slots) for one in settings.pools.values()] == [
        ("slurm", "abc", 128),
        ("slurm", "xyz", 4),
    ]
    assert settings.slots == 132
    assert settings.takers("mace-mp-0") == ["gpu"]
    assert settings.misfit(["7net-0", "mace-mp-0", "chgnet"]) == ""
    assert ClusterSettings.model_validate(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize(
    ("cards", "workers", "each"),
    [(4, None, 1.0), (["0", "0", "1", "1"], None, 0.5), (4, 2, 1.0), (0, 8, 0.0)],
)
def test_cards_that_workers_share_are_counted_once(cards: Any, workers: int | None, each: float) -> None:
    assert PoolSettings(accelerators_per_node=cards, workers_per_node=workers).accelerators_per_worker == each


def test_days_of_slurm_are_hours_elsewhere() -> None:
    assert PoolSettings(workers_per_node=1, walltime="1-06:30:00").walltime == "30:30:00"


def test_a_job_is_given_nothing_new_near_its_end() -> None:
    assert ClusterSettings(provider="pbs", workers_per_node=1, walltime="10:00:00").lasting == 36000 - 300
    assert ClusterSettings(provider="pbs", workers_per_node=1, walltime="00:10:00").lasting == 540
    assert ClusterSettings(provider="local", workers_per_node=1).lasting is None


def test_without_parsl_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "parsl":
            raise ImportError(name)
        return found(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'softmode\[cluster\]'"):
        require_parsl("run.cluster")


def test_jobs_are_submitted_where_the_scheduler_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for provider, command in (("slurm", "sbatch"), ("pbs", "qsub"), ("lsf", "bsub")):
        settings = ClusterSettings(provider=provider, workers_per_node=1)
        with pytest.raises(SettingsError, match=f"there is no {command}. .*a login node"):
            require_scheduler(settings, "run.cluster")
    require_scheduler(ClusterSettings(workers_per_node=1), "run.cluster")


def test_a_node_is_given_this_environment_then_the_lines_of_the_user(tmp_path: Path) -> None:
    settings = ClusterSettings(
        workers_per_node=1, worker_init=("module load gcc", "export OMP_PROC_BIND=true")
    )
    odd = tmp_path / "it's here"
    odd.mkdir()
    here = {"SOFTMODE_CACHE": "/a b", "PYTHONPATH": str(odd), "SECRET": "x", "OPENBLAS_CORETYPE": "Zen"}
    lines = preparation(settings, 4, here).splitlines()
    assert lines[0] == f'export PATH={Path(sys.executable).parent}:"$PATH"'
    assert lines[1].startswith("export PYTHONPATH='" + str(odd).replace("'", "'\"'\"'"))
    assert lines[-2:] == list(settings.worker_init)
    assert {"export SOFTMODE_CACHE='/a b'", "export OPENBLAS_CORETYPE=Zen", "export OMP_NUM_THREADS=4"} <= {
        *lines
    }
    assert "SECRET" not in "".join(lines)
