"""``softmode cluster``: runs on clusters, tried with one worker."""

from __future__ import annotations

import pickle
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from softmode.cli.console import ERROR, Command, Group, busy, err, out, print_json
from softmode.cluster.check import COMPARED, Question, Seen, look, problems
from softmode.cluster.messages import Ended
from softmode.cluster.pool import Free, open_pool
from softmode.cluster.settings import ClusterSettings, load_cluster
from softmode.errors import ClusterError, SettingsError
from softmode.files import write_atomically
from softmode.potentials.resolution import ResolvedPotential, resolve
from softmode.study.settings import StudySettings, load_study
from softmode.study.work import FOLDER

cluster = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Runs on clusters: try whether workers can be started and see what they need.",
)

_NOTE = "check.txt"
_VISIBLE_WITHIN = 75.0  # s in which a shared file system shows what another machine has written


@cluster.callback()
def _several() -> None:
    """Runs on clusters: try whether workers can be started and see what they need."""


@dataclass(frozen=True)
class _Asked:
    """What is to be checked.

    Parameters
    ----------
    settings : ClusterSettings
        Of the cluster.
    folder : Path
        Where records would be.
    threads : int
        Of each worker.
    question : Question
        What a worker is asked.
    temporary : bool
        Whether the folder was made for this alone.
    """

    settings: ClusterSettings
    folder: Path
    threads: int
    question: Question
    temporary: bool = False


@cluster.command(cls=Command)
def check(
    file: Annotated[
        Path, typer.Argument(help="Study file with [run.cluster], or settings of a cluster alone (TOML).")
    ],
    settings: Annotated[
        Path | None,
        typer.Option("--cluster", help="Settings of a cluster, for a study file that has none or others."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Start one worker, print what it sees, and end it; leaves with status 1 where a study could not run."""
    asked = _asked(file, settings)
    try:
        here, there, visible = _ask(asked)
    finally:
        if asked.temporary:
            shutil.rmtree(asked.folder, ignore_errors=True)
    found = problems(asked.question, here, there, visible, len(asked.settings.accelerators))
    if as_json:
        print_json({"worker": there, "here": here, "problems": found})
    else:
        out.print(_table(asked, there))
        for problem in found:
            err.print(Text.assemble(("problem ", "red"), problem), soft_wrap=True)
        if not found:
            out.print("a study can run there")
    if found:
        raise typer.Exit(ERROR)


def _asked(file: Path, cluster_file: Path | None) -> _Asked:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = {}
    if "potential" not in content and "dataset" not in content:
        folder = Path(tempfile.mkdtemp(prefix="softmode-check-", dir=Path.cwd()))
        question = Question(str(folder), _NOTE)
        return _Asked(load_cluster(cluster_file or file), folder, 1, question, temporary=True)
    study = load_study(file)
    found = study.run.cluster if cluster_file is None else load_cluster(cluster_file)
    if found is None:
        raise SettingsError(str(file), "has no [run.cluster]", "Add it, or give --cluster FILE")
    folder = study.output / FOLDER
    return _Asked(found, folder, study.conditions.threads, _question(study, folder))


def _question(study: StudySettings, folder: Path) -> Question:
    """What the worker of a study is asked: what the study's potentials and data need."""
    with busy("finding potentials"):
        potentials = {one.label or one.name: resolve(one) for one in study.potentials}
    files = {
        f"weights of {label}": str(one.weights_path)
        for label, one in potentials.items()
        if one.weights_path is not None
    }
    if study.dataset.path is not None:
        files["reference data"] = str(study.dataset.path)
    apart = {
        label: str(one.interpreter.python) for label, one in potentials.items() if one.interpreter is not None
    }
    return Question(str(folder), _NOTE, apart, files, (*COMPARED, *_packages(potentials)))


def _packages(potentials: Mapping[str, ResolvedPotential]) -> list[str]:
    """Packages of the potentials that run in the workers' own environment."""
    named = [package for one in potentials.values() if one.interpreter is None for package, _ in one.versions]
    return [package for package in dict.fromkeys(named) if package not in COMPARED]


def _ask(asked: _Asked) -> tuple[Seen, Seen, bool]:
    """What is seen here, what a worker sees, and whether what it wrote is seen here."""
    write_atomically(asked.folder / _NOTE, asked.folder.name.encode() + b" of softmode")
    one = asked.settings.model_copy(update={"jobs": 1})
    here = look(asked.question)
    with (
        busy(f"waiting for a worker ({asked.settings.provider})"),
        open_pool(one, asked.folder / "parsl", "run.cluster", threads=asked.threads) as pool,
    ):
        pool.want(1)
        there: Seen | None = None
        while there is None:
            for event in pool.wait(1.0):
                if isinstance(event, Free) and there is None:
                    pool.give(event.lane, 0, look, asked.question)
                elif isinstance(event, Ended):
                    there = _answer(event)
    visible = _appears(asked.folder / there.written) if there.written else False
    for name in (_NOTE, here.written, there.written):
        if name:
            (asked.folder / name).unlink(missing_ok=True)
    return here, there, visible


def _answer(ended: Ended) -> Seen:
    if not ended.result:
        said = "its process died" if ended.died else str(ended.error)
        raise ClusterError("run.cluster", f"the worker could not look: {said}", "See what it needs to start")
    seen = pickle.loads(ended.result)
    assert isinstance(seen, Seen)
    return seen


def _appears(path: Path) -> bool:
    """Whether a file appears, within the time that a shared file system takes."""
    import time

    until = time.monotonic() + _VISIBLE_WITHIN
    while time.monotonic() < until:
        if path.exists():
            return True
        time.sleep(0.5)
    return False


def _table(asked: _Asked, there: Seen) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    settings = asked.settings
    rows = {
        "asked for": f"{settings.jobs} jobs × {settings.nodes} nodes × {settings.workers} workers "
        f"({settings.provider})",
        "host": there.place.host,
        "cores, memory": f"{there.cores}, {there.memory / 2**30:.0f} GiB",
        "its accelerator": there.place.accelerator or "none",
        "accelerators of the host": "; ".join(there.cards) or "none",
        "Python": there.python,
        "versions": ", ".join(f"{name} {version or '–'}" for name, version in there.versions.items()),
        "records": f"{asked.folder} {'can be read and written' if there.written else 'cannot be used'}",
        **{f"environment of {name}": said for name, said in there.interpreters.items()},
    }
    for name, said in rows.items():
        table.add_row(name, Text(said))
    return table
