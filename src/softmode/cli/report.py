"""``softmode report``: the page of a study from its records, or of two studies side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from softmode.cli.console import busy, print_json, say
from softmode.cli.options import Figures
from softmode.cli.running import tell
from softmode.errors import SettingsError
from softmode.report.build import reported
from softmode.report.comparison import build_comparison
from softmode.study.changes import changes
from softmode.study.comparison import side_by_side
from softmode.study.folder import reopen_study
from softmode.study.label_results import open_labels
from softmode.study.results import cell_table, counted
from softmode.study.verdict import Statement, brief
from softmode.study.verdict.changes import brief_of_changes, verdict_of_changes

#: Page, numbers of cells by state, the verdict, and what of it a terminal shows.
_Written = tuple[Path, dict[str, int], list[Statement], list[Statement]]


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN [NEW_RUN]", help="Folder of the study; a second one is set beside it, as the new."
        ),
    ],
    *,
    pair: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OLD=NEW",
            help="Potentials of two runs that are compared; those of the same name when not given.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write to. Default: RUN/report, of two runs RUN/compared.", show_default=False
        ),
    ] = None,
    figures: Figures = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Write the report of a study from its records, or of two side by side; nothing is computed."""
    if len(runs) > 2:
        raise SettingsError(f"{len(runs)} runs", "are more than can be set side by side", "Give one or two")
    if pair and len(runs) == 1:
        raise SettingsError("--pair", "is of two runs, and one is given", "Give the new run, too")
    written = (
        _of_one(runs[0], output, figures=figures)
        if len(runs) == 1
        else _of_two((runs[0], runs[1]), pair or [], output, figures=figures)
    )
    page, cells, said, short = written
    if as_json:
        print_json({"page": page, "tables": page.parent / "tables", "cells": cells, "verdict": said})
        return
    tell(short)
    say("report", page)


def _of_one(folder: Path, output: Path | None, *, figures: bool) -> _Written:
    with busy("writing the report"):
        done = reported(reopen_study(folder), folder=output, figures=figures)
        return done.page, counted(done.cells), list(done.said), brief(done.said)


def _of_two(folders: tuple[Path, Path], pairs: list[str], output: Path | None, *, figures: bool) -> _Written:
    with busy("comparing"):
        compared = side_by_side(reopen_study(folders[0]), reopen_study(folders[1]), pairs)
        settings = compared.study.settings
        cells = cell_table(compared.study)
        labels = None if settings.labels is None else open_labels(settings.labels)
        found = changes(cells, compared.pairs, settings.conditions.seed, labels)
        said = verdict_of_changes(compared, found, cells)
        page = build_comparison(compared, cells, found, said, folder=output, figures=figures)
        return page, counted(cells), said, brief_of_changes(compared, said)
