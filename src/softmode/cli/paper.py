"""``softmode paper``: the paper's tables and figures from a run's records, beside what was printed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from softmode.cli.console import out
from softmode.report.paper.build import BuiltPaper, build_paper
from softmode.study.folder import reopen_study


def paper(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the study.")],
    output: Annotated[
        Path | None, typer.Option(help="Folder to write to. Default: RUN/paper.", show_default=False)
    ] = None,
) -> None:
    """Follow the paper, panel by panel: one page and PDF from a study's records; nothing is computed."""
    _say(build_paper(reopen_study(folder), output))


def _say(built: BuiltPaper) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for panel in built.panels:
        table.add_row(panel.title.partition(":")[0], "\n".join(panel.missing) or "complete")
    out.print(table, highlight=False, markup=False)
    complete = sum(not panel.missing for panel in built.panels)
    out.print(f"{complete} of {len(built.panels)} panels complete", highlight=False)
    out.print(f"page     {built.page}", highlight=False, markup=False, soft_wrap=True)
    out.print(f"PDF      {built.pdf}", highlight=False, markup=False, soft_wrap=True)
