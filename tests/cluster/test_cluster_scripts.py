"""The scripts that are submitted, without a scheduler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from softmode.cluster.providers import make_configuration
from softmode.cluster.settings import ClusterSettings
from softmode.errors import SettingsError

ANSWERS = {
    "sbatch": "Submitted batch job 17",
    "qsub": "17.server",
    "bsub": "Job <17> is submitted to queue <q>.",
}


def script(settings: ClusterSettings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What Parsl would submit for a job, and in the last line how."""
    from parsl.providers.cluster_provider import ClusterProvider

    commands: list[str] = []

    def answer(self: Any, command: str, *more: Any) -> tuple[int, str, str]:
        commands.append(command)
        return 0, ANSWERS.get(command.split()[0], ""), ""

    monkeypatch.setattr(ClusterProvider, "execute_wait", answer)
    [executor] = make_configuration({"softmode": settings}, 1, folder, "here").executors
    executor.run_dir, executor.worker_port, executor.cert_dir, executor.logconf_path = (
        str(folder),
        54321,
        "/keys",
        None,
    )
    executor.provider.script_dir = str(folder)
    executor.initialize_scaling()
    executor.provider.submit(executor.launch_cmd.format(block_id="0"), 1, "softmode")
    assert commands[-1].split()[0] in ANSWERS
    [path] = folder.glob("softmode.*")
    return f"{path.read_text()}\n{commands[-1]}"


def test_slurm_on_processors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ClusterSettings(
        provider="slurm",
        nodes=2,
        workers_per_node=32,
        cores_per_worker=2,
        memory_per_node=200,
        walltime="12:30:00",
        queue="standard",
        account="abc",
        scheduler_options=("#SBATCH --constraint=milan", "#SBATCH --mail-type=END"),
        worker_init=("module load gcc",),
        address="10.1.2.3",
    )
    lines = script(settings, tmp_path, monkeypatch).splitlines()
    asked = {line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH")}
    assert asked >= {
        *("nodes=2", "ntasks-per-node=1", "cpus-per-task=64", "mem=200g", "time=750"),
        *("partition=standard", "account=abc", "constraint=milan", "mail-type=END"),
    }
    assert not {one for one in asked if one.startswith(("exclusive", "gpus", "gres"))}
    order = [
        lines.index(line) for line in ("export OMP_NUM_THREADS=1", "module load gcc", "export PARSL_CORES=64")
    ]
    assert order == sorted(order)
    [command] = [line for line in lines if line.startswith("process_worker_pool.py")]
    assert "--max_workers_per_node=32 " in command
    assert "-a 10.1.2.3 " in command
    assert f"--drain_period={12 * 3600 + 1800 - 300} " in command
    assert any(line.startswith("srun") for line in lines)


def test_slurm_on_accelerators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ClusterSettings(
        provider="slurm",
        accelerators_per_node=4,
        cores_per_worker=8,
        queue="gpu",
        options={"qos": "long", "exclusive": True},
    )
    text = script(settings, tmp_path, monkeypatch)
    for asked in ("gpus-per-node=4", "cpus-per-task=32", "qos=long", "exclusive", "partition=gpu"):
        assert f"#SBATCH --{asked}\n" in text
    assert "--max_workers_per_node=4 " in text
    assert "--available-accelerators 0 1 2 3" in text


def test_pbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ClusterSettings(
        provider="pbs",
        nodes=3,
        accelerators_per_node=("a", "b"),
        cores_per_worker=16,
        memory_per_node=64,
        walltime="01:00:00",
        queue="prod",
        account="abc",
    )
    text = script(settings, tmp_path, monkeypatch)
    assert "#PBS -l select=3:ncpus=32:mem=64gb:ngpus=2\n" in text
    assert "#PBS -l walltime=01:00:00\n" in text
    assert text.splitlines()[-1].startswith("qsub  -q prod -A abc /")
    assert "mpiexec" in text
    assert "--available-accelerators a b" in text


def test_lsf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ClusterSettings(
        provider="lsf", workers_per_node=8, walltime="02:00:00", queue="batch", account="abc"
    )
    text = script(settings, tmp_path, monkeypatch)
    for asked in ("-W 120", "-q batch", "-P abc", "-nnodes 1"):
        assert f"#BSUB {asked}\n" in text


def test_arguments_that_parsl_does_not_take_are_told(tmp_path: Path) -> None:
    settings = ClusterSettings(workers_per_node=1, options={"partiton": "x"})
    with pytest.raises(SettingsError, match=r"here: Parsl's LocalProvider does not take this \(.*partiton"):
        make_configuration({"softmode": settings}, 1, tmp_path, "here")
