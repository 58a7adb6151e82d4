"""``softmode report``: derive tables, figures and the page from a study's records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from softmode.cli.console import busy, print_json, say
from softmode.cli.options import Figures
from softmode.report.build import build_report
from softmode.study.folder import reopen_study
from softmode.study.results import cell_table, counted
from softmode.study.verdict import verdict


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the study.")],
    *,
    output: Annotated[
        Path | None, typer.Option(help="Folder to write to. Default: RUN/report.", show_default=False)
    ] = None,
    figures: Figures = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write the report of a study from its records; nothing is computed."""
    with busy("writing the report"):
        study = reopen_study(folder)
        cells = cell_table(study)
        page = build_report(study, cells, folder=output, figures=figures)
    if as_json:
        said = verdict(study, cells)
        print_json({"page": page, "tables": page.parent / "tables", "cells": counted(cells), "verdict": said})
        return
    say("report", page)
