"""What a cluster is asked for, and how workers are spread over what it gives: ``[run.cluster]``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from softmode.errors import SettingsError, did_you_mean

Provider = Literal["local", "slurm", "pbs", "lsf", "kubernetes"]

#: Seconds before the end of a job after which its workers are given nothing new; a tenth of short jobs.
_GRACE = 300


#: What the pool is called of a cluster that has one, and names none.
ONLY_POOL = "softmode"


class PoolSettings(BaseModel):
    """Workers of one kind: a partition, with or without accelerators.

    Attributes
    ----------
    provider : str
        Who gives nodes; with ``local`` the workers are on this machine.
    jobs : int
        How many jobs at most are queued or run at a time; where one ends, the next is submitted as long as
        there is something to compute.
    nodes : int
        Nodes of a job.
    workers_per_node : int, optional
        Worker processes on a node; by default one for each accelerator. Give it where there are none.
    cores_per_worker : int
        Cores that each worker is given. It uses as many as ``threads`` of the study says.
    memory_per_node : int, optional
        Memory that is asked for on each node, GiB.
    accelerators_per_node : int or tuple of str
        Accelerators of a node, their number or their names; each belongs to one worker, in
        ``CUDA_VISIBLE_DEVICES``.
    walltime : str
        How long a job may last, HH:MM:SS or D-HH:MM:SS. In its last five minutes workers are given
        nothing new.
    queue : str, optional
        Partition of Slurm, queue of PBS or LSF, namespace of Kubernetes.
    account : str, optional
        What is charged; with LSF the project.
    scheduler_options : tuple of str
        Further lines of the script that is submitted, as ``#SBATCH --constraint=milan``.
    worker_init : tuple of str
        Lines of the shell that are run on a node before its workers are started, as ``module load cuda``. The
        environment that runs softmode, its ``PYTHONPATH`` and softmode's own variables are there already.
    address : str, optional
        Where nodes reach the machine that runs softmode; by default all its addresses are tried.
    options : dict
        Further arguments of Parsl's provider, as it names them (``qos``, ``image``, ``persistent_volumes``).
    potentials : tuple of str
        Potentials of the study that these workers compute, by label; ``*`` stands for any characters, as in
        ``mace-*``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Provider = "local"
    jobs: int = Field(default=1, ge=1)
    nodes: int = Field(default=1, ge=1)
    workers_per_node: int | None = Field(default=None, ge=1, le=4096)
    cores_per_worker: int = Field(default=1, ge=1)
    memory_per_node: int | None = Field(default=None, ge=1)
    accelerators_per_node: int | tuple[str, ...] = 0
    walltime: str = "24:00:00"
    queue: str | None = None
    account: str | None = None
    scheduler_options: tuple[str, ...] = ()
    worker_init: tuple[str, ...] = ()
    address: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    potentials: tuple[str, ...] = Field(default=("*",), min_length=1)

    @field_validator("walltime")
    @classmethod
    def _hours_minutes_seconds(cls, value: str) -> str:
        if days := re.fullmatch(r"(\d+)-(\d\d?)(:[0-5]\d:[0-5]\d)", value):  # as Slurm writes them
            value = f"{24 * int(days[1]) + int(days[2]):02}{days[3]}"
        if not re.fullmatch(r"\d+:[0-5]\d:[0-5]\d", value) or not _seconds(value):
            raise ValueError(f"{value!r} is no time: give HH:MM:SS, as 24:00:00")
        return value

    @field_validator("accelerators_per_node")
    @classmethod
    def _not_negative(cls, value: int | tuple[str, ...]) -> int | tuple[str, ...]:
        if isinstance(value, int) and value < 0:
            raise ValueError("give their number or their names")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self._check()
        return self

    def _check(self) -> None:
        """Refuse what does not fit together."""
        if self.workers_per_node is None and not self.accelerators:
            raise ValueError(
                "Parsl must know how many workers a node has: give `workers_per_node`, "
                "or `accelerators_per_node`"
            )
        if self.accelerators and self.workers > len(self.accelerators):
            raise ValueError(
                f"an accelerator belongs to one worker: {self.workers} workers on a node need as many "
                "`accelerators_per_node` (a card that several are to share is named several times)"
            )
        if self.provider == "kubernetes" and "image" not in self.options:
            raise ValueError('Parsl needs the image that pods run: give options = {image = "…"}')
        if self.provider == "kubernetes" and self.memory_per_node is None and "max_mem" not in self.options:
            raise ValueError("Parsl would give a pod half a GiB, which is too little: give `memory_per_node`")
        if self.provider in ("local", "kubernetes") and self.nodes > 1:
            raise ValueError(f'with provider = "{self.provider}" a job has one node: give more `jobs`')

    @property
    def accelerators(self) -> tuple[str, ...]:
        """Names of the accelerators of a node."""
        given = self.accelerators_per_node
        return tuple(map(str, range(given))) if isinstance(given, int) else given

    @property
    def workers(self) -> int:
        """Workers on a node."""
        return self.workers_per_node or len(self.accelerators)

    @property
    def accelerators_per_worker(self) -> float:
        """Cards of a node for each of its workers; less than one where workers share them."""
        return len(set(self.accelerators[: self.workers])) / self.workers

    @property
    def slots(self) -> int:
        """Workers at most at a time."""
        return self.jobs * self.nodes * self.workers

    def takes(self, label: str) -> bool:
        """Whether these workers compute the potential of that label."""
        return any(fnmatchcase(label, pattern) for pattern in self.potentials)

    @property
    def lasting(self) -> int | None:
        """Seconds after its start after which a job is given nothing new; None where jobs have no end."""
        if self.provider in ("local", "kubernetes"):
            return None
        seconds = _seconds(self.walltime)
        return seconds - min(_GRACE, seconds // 10)


class ClusterSettings(PoolSettings):
    """Workers on a cluster, started by Parsl; nothing here changes a result.

    Of one kind, as :class:`PoolSettings` says; or of several, in tables of their own, which have in common
    what stands beside these.

    Attributes
    ----------
    engine : str
        What asks the cluster for nodes and starts workers there.
    pool : dict of str to PoolSettings
        Workers of several kinds, by name.
    """

    engine: Literal["parsl"] = "parsl"
    pool: dict[str, PoolSettings] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _have_in_common(cls, content: Any) -> Any:
        pools = content.get("pool") if isinstance(content, dict) else None
        if not isinstance(pools, dict):
            return content
        common = {key: content[key] for key in PoolSettings.model_fields if key in content}
        own = {
            name: common | dict(pool) if isinstance(pool, dict | PoolSettings) else pool
            for name, pool in pools.items()
        }
        return {**content, "pool": own}

    @field_validator("pool")
    @classmethod
    def _plain_names(cls, value: dict[str, PoolSettings]) -> dict[str, PoolSettings]:
        for name in value:
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
                raise ValueError(f"{name!r} is no name of a pool: give letters, digits, - and _")
        return value

    def _check(self) -> None:
        if not self.pool:
            super()._check()

    @property
    def pools(self) -> Mapping[str, PoolSettings]:
        """Workers of each kind, by name."""
        return self.pool or {ONLY_POOL: self}

    @property
    def slots(self) -> int:
        """Workers at most at a time, of all kinds."""
        return sum(one.slots for one in self.pool.values()) if self.pool else super().slots

    def takers(self, label: str) -> list[str]:
        """Pools that compute the potential of that label."""
        return [name for name, pool in self.pools.items() if pool.takes(label)]

    def misfit(self, labels: Sequence[str]) -> str:
        """Why these cannot compute potentials of such labels: one that is nobody's, a pattern of none."""
        for label in labels:
            if not self.takers(label):
                return f"no pool takes the potential {label!r}: add it to the `potentials` of one"
        for name, pool in self.pools.items():
            for pattern in pool.potentials:
                if not any(fnmatchcase(label, pattern) for label in labels):
                    where = f"of the pool {name!r} " if self.pool else ""
                    return f"`potentials` {where}names {pattern!r}, but the study has {', '.join(labels)}"
        return ""


def _seconds(walltime: str) -> int:
    hours, minutes, seconds = map(int, walltime.split(":"))
    return 3600 * hours + 60 * minutes + seconds


def load_cluster(path: Path) -> ClusterSettings:
    """Read a file (TOML) that holds what ``[run.cluster]`` of a study does.

    Raises
    ------
    SettingsError
        If it is missing, not TOML, or a setting is wrong.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            str(path), f"cannot be read ({error.strerror})", "Give an existing file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), f"is not valid TOML ({error})", "Correct the file") from error
    try:
        return ClusterSettings.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            fields = (PoolSettings if first["loc"][0] == "pool" else ClusterSettings).model_fields
            remedy = did_you_mean(str(first["loc"][-1]), tuple(fields))
            raise SettingsError(str(path), f"unknown key {where!r}", remedy) from error
        said = str(first["msg"]).removeprefix("Value error, ")
        raise SettingsError(
            str(path), f"{where}: {said}" if where else said, "Correct it (see docs/cluster.md)"
        ) from error
