"""What a worker sees where it is: machine, environment, folders; and whether that is what the study needs."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from softmode.cluster.lane import place
from softmode.cluster.messages import Place
from softmode.cluster.settings import PoolSettings
from softmode.processes import available_cores, memory_size

#: What must be the same on both sides: versions of these are in the keys of records, or decide digits.
COMPARED = ("softmode", "numpy", "scipy", "ase", "phonopy", "symfc", "spglib", "parsl")


#: What drivers of other accelerators than NVIDIA's put there, or of these where ``nvidia-smi`` is not found.
_OTHERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg", "/dev/dri")

#: What names of files begin with that are written to try.
WRITTEN = "seen-"


@dataclass(frozen=True)
class Question:
    """What a worker is asked.

    Parameters
    ----------
    folder : str
        Where records are written; there must be a file in it that it can read.
    note : str
        Name of that file.
    interpreters : mapping of str to str
        Python of each potential that has an environment of its own.
    files : mapping of str to str
        Files that must be there, by what they are.
    versions : sequence of str
        Distributions whose versions are asked for.
    """

    folder: str
    note: str
    interpreters: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    versions: Sequence[str] = COMPARED


@dataclass(frozen=True)
class Seen:
    """What a worker sees.

    Parameters
    ----------
    place : Place
        Where it is.
    cores, memory : int
        Cores it may use; memory of the machine, bytes.
    python : str
        Version and executable.
    versions : dict of str to str
        Of the distributions asked for; empty where one is not installed.
    cards : tuple of str or None
        Accelerators that the driver shows; None where there is one that is not asked.
    note : str
        What it read from the note; empty where it could not.
    written : str
        Name of the file that it wrote into the folder; empty where it could not.
    problem : str
        Why it could not read or write.
    interpreters : dict of str to str
        What the Python of each environment says of itself, or why it does not.
    missing : tuple of str
        Files that are not there, by what they are.
    """

    place: Place
    cores: int
    memory: int
    python: str
    versions: dict[str, str]
    cards: tuple[str, ...] | None
    note: str
    written: str
    problem: str
    interpreters: dict[str, str]
    missing: tuple[str, ...]


def look(question: Question) -> Seen:
    """See what is there; called on the worker, or here to compare."""
    folder, note, written, problem = Path(question.folder), "", "", ""
    try:
        note = (folder / question.note).read_text(encoding="utf-8")
        handle, name = tempfile.mkstemp(dir=folder, prefix=WRITTEN)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(note)
        written = Path(name).name
    except OSError as error:
        problem = f"{error.strerror or error}"
    return Seen(
        place=place(),
        cores=available_cores(),
        memory=memory_size(),
        python=f"{platform.python_version()} {sys.executable}",
        versions={name: _version(name) for name in question.versions},
        cards=_cards(),
        note=note,
        written=written,
        problem=problem,
        interpreters={name: _answer([path, "-V"]) for name, path in question.interpreters.items()},
        missing=tuple(what for what, path in question.files.items() if not Path(path).exists()),
    )


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _answer(command: Sequence[str]) -> str:
    """What a command prints, or why it prints nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"cannot be started ({error})"
    return (done.stdout or done.stderr).strip()


def _cards() -> tuple[str, ...] | None:
    """Accelerators of the machine, as their driver names them; of NVIDIA; None where others may be."""
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None if any(Path(one).exists() for one in _OTHERS) else ()
    return tuple(line.strip() for line in done.stdout.splitlines()) if done.returncode == 0 else ()


def problems(question: Question, here: Seen, there: Seen, visible: bool, settings: PoolSettings) -> list[str]:
    """What of it a study cannot run with.

    Parameters
    ----------
    question : Question
        What both were asked.
    here, there : Seen
        What this process and the worker see.
    visible : bool
        Whether what the worker wrote is seen here.
    settings : PoolSettings
        What was asked for.
    """
    found = []
    folder = question.folder
    if there.problem:
        found.append(f"the worker cannot use {folder} ({there.problem}): put the study where nodes see it")
    elif there.note != here.note:
        found.append(f"the worker sees another {folder}: put the study on a file system that is shared")
    elif not visible:
        found.append(f"what the worker writes into {folder} is not seen here: is it shared?")
    for name, version in here.versions.items():
        if there.versions[name] != version:
            found.append(f"{name} is {there.versions[name] or 'not installed'} there and {version} here")
    if there.python.split()[0] != here.python.split()[0]:
        found.append(f"Python is {there.python.split()[0]} there and {here.python.split()[0]} here")
    found += [
        f"environment of {name}: {said}"
        for name, said in there.interpreters.items()
        if not said.startswith("Python")
    ]
    found += [f"{what} is not there: {question.files[what]}" for what in there.missing]
    return [*found, *_too_small(there, settings)]


def _too_small(there: Seen, settings: PoolSettings) -> list[str]:
    """What a node has less of than its workers are to share."""
    found = []
    cores = settings.workers * settings.cores_per_worker
    if there.cores < cores:
        found.append(
            f"the workers of a node need {cores} cores, and may use {there.cores} there: "
            "give fewer `workers_per_node` or `cores_per_worker`"
        )
    asked = settings.memory_per_node
    if asked is not None and 0 < there.memory < asked * 2**30:
        found.append(
            f"`memory_per_node` is {asked} GiB, and the node has {there.memory / 2**30:.0f}: ask for less"
        )
    cards = len(set(settings.accelerators))
    if not cards:
        return found
    if not there.place.accelerator:
        found.append("the worker has no accelerator: CUDA_VISIBLE_DEVICES is not set")
    if there.cards is not None and len(there.cards) < cards:
        found.append(
            f"`accelerators_per_node` asks for {cards}, and the node shows {len(there.cards) or 'none'}"
        )
    return found
