"""``softmode report``: derive tables, figures and the page from a study's records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from softmode.cli.console import busy, say
from softmode.report.build import build_report
from softmode.study.folder import reopen_study


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of the study.")],
) -> None:
    """Write the report of a study from its records; nothing is computed."""
    with busy("writing the report"):
        page = build_report(reopen_study(folder))
    say("report", page)
