"""``softmode run``: compute what a study still lacks and write its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from softmode.cli.running import conclude, foretell, run_to_end
from softmode.cluster.settings import load_cluster
from softmode.errors import SettingsError
from softmode.study.settings import StudySettings, changed, load_study


def run(
    study_file: Annotated[
        Path, typer.Argument(help="Study file (TOML), see docs/studies.md; or the folder of a study.")
    ],
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Worker processes on this machine; overrides the study file, its cluster too."
        ),
    ] = None,
    cluster: Annotated[
        Path | None,
        typer.Option(
            help="Settings of a cluster (TOML) to run on, see docs/cluster.md; overrides the study file."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the study; overrides the study file.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Name of a material: no others; repeatable. Needs --output.", show_default=False),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(help="A measurement to make besides; repeatable.", show_default=False),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say how many cells, force calls and about how long; compute nothing."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Run a study; interrupt it at any time and run it again to go on.

    Only what is missing is computed. Leaves with status 3 when cells have failed.
    """
    settings = load_study(study_file)
    if only and output is None:
        raise SettingsError(
            "--only", "takes other materials than the study's folder holds", "Give another folder, --output"
        )
    settings = changed(settings, only=only or (), also=also or (), output=output)
    if workers is not None and cluster is not None:
        raise SettingsError("--workers and --cluster", "only one of them can be", "Leave one out")
    if workers is not None:
        settings = _running(settings, workers=workers, cluster=None)
    if cluster is not None:
        settings = with_cluster(settings, cluster)
    if dry_run:
        foretell(settings, as_json=as_json)
        return
    conclude(run_to_end(settings), as_json=as_json)


def with_cluster(settings: StudySettings, file: Path) -> StudySettings:
    """The study, run on the cluster that a file describes.

    Raises
    ------
    SettingsError
        If that cannot be read, or does not fit the study's potentials.
    """
    cluster = load_cluster(file)
    if misfit := cluster.misfit(settings.labels_of_potentials):
        raise SettingsError(str(file), misfit, "Correct it (see docs/cluster.md)")
    return _running(settings, cluster=cluster, executor=None)


def _running(settings: StudySettings, **changed: Any) -> StudySettings:
    """The study, run in another way."""
    return settings.model_copy(update={"run": settings.run.model_copy(update=changed)})
