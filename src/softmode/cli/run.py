"""``softmode run``: compute what a study still lacks and write its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from softmode.cli.running import run_and_report
from softmode.study.settings import load_study


def run(
    study_file: Annotated[Path, typer.Argument(help="Study file (TOML), see docs/studies.md.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes; overrides the study file.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the study; overrides the study file.")
    ] = None,
) -> None:
    """Run a study; interrupt it at any time and run it again to go on.

    Only what is missing is computed.
    """
    settings = load_study(study_file)
    if output is not None:
        settings = settings.model_copy(update={"output": output})
    if workers is not None:
        settings = settings.model_copy(update={"run": settings.run.model_copy(update={"workers": workers})})
    run_and_report(settings)
