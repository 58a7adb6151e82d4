"""``softmode cluster``: runs on clusters, tried with one worker."""

from __future__ import annotations

import pickle
import shutil
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from softmode.cli.console import ERROR, Command, Group, busy, err, out, print_json
from softmode.cli.run import with_cluster
from softmode.cluster.check import COMPARED, WRITTEN, Question, Seen, look, problems
from softmode.cluster.engine import open_pool
from softmode.cluster.messages import Ended, Missing
from softmode.cluster.pool import Free
from softmode.cluster.settings import ONLY_POOL, ClusterSettings, load_cluster
from softmode.errors import ClusterError, SettingsError
from softmode.files import write_atomically
from softmode.potentials.presence import lacking
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
    questions : mapping of str to Question
        What a worker of each kind is asked.
    potentials : mapping of str to ResolvedPotential
        Those of the study, by label.
    temporary : bool
        Whether the folder was made for this alone.
    """

    settings: ClusterSettings
    folder: Path
    threads: int
    questions: Mapping[str, Question]
    potentials: Mapping[str, ResolvedPotential] = field(default_factory=dict)
    temporary: bool = False


@dataclass(frozen=True)
class _Found:
    """What a worker of a kind sees, what is seen here, and what of it a study cannot run with."""

    worker: Seen
    here: Seen
    problems: list[str]


@cluster.command(cls=Command)
def check(
    file: Annotated[
        Path, typer.Argument(help="Study file with \\[run.cluster], or settings of a cluster alone (TOML).")
    ],
    settings: Annotated[
        Path | None,
        typer.Option("--cluster", help="Settings of a cluster, for a study file that has none or others."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Start one worker, of several kinds one of each, and print what it sees.

    Leaves with status 1 where a study could not run.
    """
    asked = _asked(file, settings)
    try:
        found = _ask(asked)
    finally:
        if asked.temporary:
            shutil.rmtree(asked.folder, ignore_errors=True)
    several = bool(asked.settings.pool)
    if as_json:
        print_json({"pools": found} if several else found[ONLY_POOL])
    else:
        for name, one in found.items():
            if several:
                out.print(Text(f"pool {name}", style="bold"))
            out.print(_table(asked, name, one.worker))
            for problem in one.problems:
                err.print(Text.assemble(("problem ", "red"), problem), soft_wrap=True)
            if not one.problems:
                out.print("a study can run there")
    if any(one.problems for one in found.values()):
        raise typer.Exit(ERROR)


def _asked(file: Path, cluster_file: Path | None) -> _Asked:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = {}
    if "potential" not in content and "dataset" not in content:
        settings = load_cluster(cluster_file or file)
        folder = Path(tempfile.mkdtemp(prefix="softmode-check-", dir=Path.cwd()))
        questions = dict.fromkeys(settings.pools, Question(str(folder), _NOTE))
        return _Asked(settings, folder, 1, questions, temporary=True)
    study = load_study(file)
    if cluster_file is not None:
        study = with_cluster(study, cluster_file)
    found = study.run.cluster
    if found is None:
        raise SettingsError(str(file), "has no [run.cluster]", "Add it, or give --cluster FILE")
    folder = study.output / FOLDER
    with busy("finding potentials"):
        potentials = {one.label or one.name: resolve(one) for one in study.potentials}
    questions = {
        name: _question(study, folder, {label: one for label, one in potentials.items() if pool.takes(label)})
        for name, pool in found.pools.items()
    }
    return _Asked(found, folder, study.conditions.threads, questions, potentials)


def _question(study: StudySettings, folder: Path, potentials: Mapping[str, ResolvedPotential]) -> Question:
    """What a worker of a study is asked: what its potentials and the study's data need."""
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


def _ask(asked: _Asked) -> dict[str, _Found]:
    """What is seen here, and by a worker of each kind."""
    write_atomically(asked.folder / _NOTE, asked.folder.name.encode() + b" of softmode")
    try:
        return _answered(asked)
    finally:
        for path in (asked.folder / _NOTE, *asked.folder.glob(f"{WRITTEN}*")):
            path.unlink(missing_ok=True)


def _answered(asked: _Asked) -> dict[str, _Found]:
    names = list(asked.questions)
    here = {name: look(question) for name, question in asked.questions.items()}
    there: dict[str, tuple[Seen, Mapping[str, Missing]]] = {}
    lacks: dict[str, Mapping[str, Missing]] = {}
    with (
        busy(f"waiting for {'a worker' if len(names) == 1 else f'a worker of each of {len(names)} pools'}"),
        open_pool(
            _one_job_each(asked.settings),
            asked.folder / "parsl",
            "run.cluster",
            threads=asked.threads,
            survey=pickle.dumps((lacking, dict(asked.potentials))),
        ) as pool,
    ):
        pool.want(dict.fromkeys(names, 1))
        while len(there) < len(names):
            for name, error in pool.broken.items():
                if name not in there:
                    raise error
            for event in pool.wait(1.0):
                if isinstance(event, Free) and (name := pool.places[event.lane].pool) not in lacks:
                    lacks[name] = pool.lacks(event.lane)
                    pool.give(event.lane, names.index(name), look, asked.questions[name])
                elif isinstance(event, Ended):
                    name = names[event.number]
                    there[name] = _answer(event), lacks[name]
    found = {}
    for name, (seen, missing) in there.items():
        question = asked.questions[name]
        visible = _appears(asked.folder / seen.written) if seen.written else False
        wrong = problems(question, here[name], seen, visible, asked.settings.pools[name])
        wrong += [
            f"{label} cannot run there: {problem}. {remedy}"
            for label, (problem, remedy) in missing.items()
            if asked.settings.pools[name].takes(label) and not any(label in one for one in wrong)
        ]
        found[name] = _Found(seen, here[name], wrong)
    return {name: found[name] for name in names}


def _one_job_each(settings: ClusterSettings) -> ClusterSettings:
    """The same pools, with one job at most."""
    pool = {name: one.model_copy(update={"jobs": 1}) for name, one in settings.pool.items()}
    return settings.model_copy(update={"jobs": 1, "pool": pool})


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


def _table(asked: _Asked, name: str, there: Seen) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    settings = asked.settings.pools[name]
    rows = {
        "asked for": f"{settings.jobs} jobs × {settings.nodes} nodes × {settings.workers} workers "
        f"({settings.provider})",
        "host": there.place.host,
        "cores, memory": f"{there.cores}, {there.memory / 2**30:.0f} GiB",
        "its accelerator": there.place.accelerator or "none",
        "accelerators of the host": "unknown" if there.cards is None else "; ".join(there.cards) or "none",
        "Python": there.python,
        "versions": ", ".join(f"{name} {version or '–'}" for name, version in there.versions.items()),
        "records": f"{asked.folder} {'can be read and written' if there.written else 'cannot be used'}",
        **{f"environment of {name}": said for name, said in there.interpreters.items()},
    }
    for name, said in rows.items():
        table.add_row(name, Text(said))
    return table
