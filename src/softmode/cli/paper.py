"""``softmode paper``: the paper's tables and figures from a run's records, beside what was printed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from softmode.cli.console import busy, out, say
from softmode.panel import Panel
from softmode.report.paper.build import build_paper
from softmode.study.folder import reopen_study


def paper(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the study.")],
    output: Annotated[
        Path | None, typer.Option(help="Folder to write to. Default: RUN/paper.", show_default=False)
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say of every panel all that it lacks.")
    ] = False,
) -> None:
    """Follow the paper, panel by panel: one page and PDF from a study's records; nothing is computed."""
    with busy("writing the page"):
        built = build_paper(reopen_study(folder), output)
    incomplete = [panel for panel in built.panels if panel.missing]
    complete = len(built.panels) - len(incomplete)
    out.print(f"{complete} of {len(built.panels)} panels complete")
    out.print(_all_missing(built.panels) if verbose else _first_missing(incomplete))
    say("page", built.page)
    say("PDF", built.pdf)


def _first_missing(panels: Sequence[Panel]) -> Table:
    """One line for each panel that lacks something, as long as the terminal is wide."""
    rows = [(_name(panel), panel.missing[0], _more(len(panel.missing) - 1)) for panel in panels]
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True, min_width=max((len(name) for name, _, _ in rows), default=0))
    table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True, min_width=max((len(more) for _, _, more in rows), default=0))
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _more(count: int) -> str:
    return f"and {count} more" if count else ""


def _all_missing(panels: Sequence[Panel]) -> Table:
    """Every panel with everything it lacks."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for panel in panels:
        table.add_row(Text(_name(panel)), Text("\n".join(panel.missing) or "complete"))
    return table


def _name(panel: Panel) -> str:
    return panel.title.partition(":")[0]
