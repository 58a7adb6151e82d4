"""Parsl's providers, executor and configuration as the settings of a cluster ask for them."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from softmode.cluster.settings import ONLY_POOL, PoolSettings
from softmode.errors import MissingExtraError, SettingsError
from softmode.numerics import THREAD_VARIABLES

#: The command of each scheduler that submits a job, and what the scheduler is called.
_SUBMITS = {"slurm": ("sbatch", "Slurm"), "pbs": ("qsub", "PBS"), "lsf": ("bsub", "LSF")}

#: Variables that a worker needs as they are here: where softmode keeps things, and what decides last digits.
_CARRIED = ("SOFTMODE_", "OPENBLAS_", "XLA_", "XDG_CACHE_HOME", "TORCH_HOME", "HF_HOME")

#: Parsl would make no more workers than there are cores for, as it counts them; their number is given.
_NO_LIMIT = 1e-6

#: s between signs of life of a node, and how long one may be silent; on one machine silence means death.
_HEARTBEAT = {"local": (2, 10)}
_FAR_HEARTBEAT = (30, 120)


def subject_of(subject: str, name: str, pools: Mapping[str, PoolSettings]) -> str:
    """What the settings of a pool belong to: where there are several, their table."""
    return subject if name == ONLY_POOL and len(pools) == 1 else f"{subject}.pool.{name}"


def heartbeat(settings: PoolSettings) -> tuple[int, int]:
    """Seconds between signs of life of a node, and how long it may be silent."""
    return _HEARTBEAT.get(settings.provider, _FAR_HEARTBEAT)


def own_addresses() -> set[str]:
    """Where other machines may reach this one; Parsl would ask a server on the internet."""
    import psutil

    found = {
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    }
    return found or {"127.0.0.1"}


def require_parsl(subject: str) -> None:
    """Refuse where Parsl is not installed.

    Raises
    ------
    MissingExtraError
        With the command that installs it.
    """
    try:
        import parsl  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            subject, "Parsl is not installed", "Install it with: pip install 'softmode[cluster]'"
        ) from error


def require_scheduler(settings: PoolSettings, subject: str) -> None:
    """Refuse where jobs cannot be submitted from.

    Raises
    ------
    SettingsError
        If the scheduler's commands are not here.
    """
    command, name = _SUBMITS.get(settings.provider, ("", ""))
    if command and shutil.which(command) is None:
        raise SettingsError(
            subject,
            f'provider = "{settings.provider}", but {name} is not here: there is no {command}',
            "Run softmode where jobs are submitted from (a login node), or set another provider",
        )


def preparation(settings: PoolSettings, threads: int, environment: Mapping[str, str]) -> str:
    """Lines of the shell that are run on a node before its workers are started.

    They give it this environment of Python, found on the file system that nodes share, then what the settings
    say.

    Parameters
    ----------
    settings : PoolSettings
        Of the workers.
    threads : int
        Threads of the numerical libraries in each worker.
    environment : mapping of str to str
        Variables here.
    """
    lines = [f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"']
    if path := _own_modules(environment):
        lines.append(f"export PYTHONPATH={shlex.quote(path)}")
    carried = {name: value for name, value in environment.items() if name.startswith(_CARRIED)}
    carried |= dict.fromkeys(THREAD_VARIABLES, str(threads))
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(carried.items())]
    return "\n".join([*lines, *settings.worker_init])


def _own_modules(environment: Mapping[str, str]) -> str:
    """Where this process finds modules besides its installation: what potentials of the user's own need."""
    given = environment.get("PYTHONPATH", "").split(os.pathsep)
    installed = (sys.prefix, sys.base_prefix)
    found = [path for path in sys.path if Path(path).is_dir() and not path.startswith(installed)]
    return os.pathsep.join(dict.fromkeys(str(Path(path).absolute()) for path in (*given, *found) if path))


def make_provider(settings: PoolSettings, threads: int, subject: str) -> Any:
    """Parsl's provider: what submits jobs, and asks what became of them.

    Raises
    ------
    SettingsError
        If it does not take its arguments.
    """
    from parsl import launchers, providers

    common: dict[str, Any] = {
        "init_blocks": 1,
        "min_blocks": 0,
        "max_blocks": settings.jobs,
        "parallelism": 1.0,
        "worker_init": preparation(settings, threads, os.environ),
    }
    cores = settings.workers * settings.cores_per_worker
    lines = "\n".join(settings.scheduler_options)
    several = settings.nodes > 1
    batch = {"nodes_per_block": settings.nodes, "walltime": settings.walltime, "scheduler_options": lines}
    one_node = launchers.SingleNodeLauncher()
    given: dict[str, Any] = {}
    if settings.provider == "slurm":
        kind = providers.SlurmProvider
        given = batch | {
            "partition": settings.queue,
            "account": settings.account,
            "cores_per_node": cores,
            "mem_per_node": settings.memory_per_node,
            "gpus_per_node": len(set(settings.accelerators)) or None,
            "exclusive": False,
            "launcher": launchers.SrunLauncher() if several else one_node,
        }
    elif settings.provider == "pbs":
        kind = providers.PBSProProvider
        given = batch | {
            "queue": settings.queue,
            "account": settings.account,
            "cpus_per_node": cores,
            "select_options": _of_each_node(settings),
            "launcher": launchers.MpiExecLauncher() if several else one_node,
        }
    elif settings.provider == "lsf":
        kind = providers.LSFProvider
        given = batch | {
            "queue": settings.queue,
            "project": settings.account,
            "cores_per_node": cores,
            "bsub_redirection": True,
            "launcher": launchers.JsrunLauncher() if several else one_node,
        }
    elif settings.provider == "kubernetes":
        kind = providers.KubernetesProvider
        given = {"max_cpu": cores, "init_cpu": cores, "namespace": settings.queue or "default"}
        if settings.memory_per_node is not None:
            given |= dict.fromkeys(("max_mem", "init_mem"), f"{settings.memory_per_node}Gi")
        if settings.accelerators:
            given["extra_limits"] = {"nvidia.com/gpu": str(len(set(settings.accelerators)))}
    else:
        kind = providers.LocalProvider
    options = dict(settings.options)
    if "persistent_volumes" in options:  # Parsl takes pairs only, for which TOML has no word
        options["persistent_volumes"] = [tuple(one) for one in options["persistent_volumes"]]
    try:
        return kind(**common | given | options)
    except Exception as error:  # arguments of the wrong name or type; what a scheduler's client lacks
        said = " ".join(str(error).split())
        raise SettingsError(
            subject,
            f"Parsl's {kind.__name__} does not take this ({said})",
            "Correct the settings; `options` are its own arguments, see Parsl's documentation",
        ) from error


def _of_each_node(settings: PoolSettings) -> str:
    """What PBS is asked for on each node besides cores."""
    asked = ""
    if settings.memory_per_node is not None:
        asked += f":mem={settings.memory_per_node}gb"
    if settings.accelerators:
        asked += f":ngpus={len(set(settings.accelerators))}"
    return asked


def make_executor(name: str, settings: PoolSettings, threads: int, subject: str, **more: Any) -> Any:
    """Parsl's executor, by name: workers on the nodes of a provider, and what hands tasks to them."""
    from parsl.executors import HighThroughputExecutor

    period, threshold = heartbeat(settings)
    executor = HighThroughputExecutor(
        label=name,
        provider=make_provider(settings, threads, subject),
        interchange_launch_cmd=[sys.executable, "-P", str(Path(__file__).with_name("interchange.py"))],
        address="127.0.0.1",
        max_workers_per_node=settings.workers,
        cores_per_worker=_NO_LIMIT,
        available_accelerators=list(settings.accelerators),
        heartbeat_period=period,
        heartbeat_threshold=threshold,
        drain_period=settings.lasting,
        **more,
    )
    if settings.provider != "local":
        executor.address = settings.address
        executor.all_addresses = {settings.address} if settings.address else own_addresses()
    return executor


def make_configuration(
    pools: Mapping[str, PoolSettings], threads: int, folder: Path, subject: str, **more: Any
) -> Any:
    """All that Parsl is told.

    Parameters
    ----------
    pools : mapping of str to PoolSettings
        Of workers of each kind, by name; each is an executor of Parsl.
    threads : int
        Threads of the numerical libraries in each worker.
    folder : Path
        Where it keeps scripts, logs and keys; nodes must see it.
    subject : str
        What the settings belong to, for errors.
    **more
        Further arguments of each executor.
    """
    from parsl.config import Config

    return Config(
        executors=[
            make_executor(name, settings, threads, subject_of(subject, name, pools), **more)
            for name, settings in pools.items()
        ],
        run_dir=str(folder),
        strategy="simple",  # the other one ends jobs that are still starting
        strategy_period=1 if all(one.provider == "local" for one in pools.values()) else 5,
        max_idletime=60.0,
        retries=0,
        usage_tracking=0,
        initialize_logging=False,
    )
