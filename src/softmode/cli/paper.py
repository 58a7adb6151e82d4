"""``softmode paper``: the paper's tables and figures from a run's records, beside what was printed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from softmode.cli.console import busy, out, print_json, say
from softmode.cli.options import Figures
from softmode.panel import Panel
from softmode.report.paper.build import BuiltPaper, build_paper
from softmode.study.folder import reopen_study

_ALL = "--verbose says all"


def paper(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the study.")],
    *,
    output: Annotated[
        Path | None, typer.Option(help="Folder to write to. Default: RUN/paper.", show_default=False)
    ] = None,
    figures: Figures = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say of every panel all that it lacks.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Follow the paper, panel by panel: one page from a study's records; nothing is computed.

    For a PDF print the page in a browser.
    """
    with busy("writing the page"):
        built = build_paper(reopen_study(folder), output, figures=figures)
    if as_json:
        print_json(_content(built))
        return
    if verbose:
        out.print(_all_missing(built.panels))
    else:
        out.print(Text(summary(built.panels, out.width)))
    say("page", built.page)


def _content(built: BuiltPaper) -> dict[str, object]:
    return {
        "page": built.page,
        "panels": {"total": len(built.panels), "complete": sum(not panel.missing for panel in built.panels)},
        "missing": {panel.key: panel.missing for panel in built.panels if panel.missing},
    }


def summary(panels: Sequence[Panel], width: int) -> str:
    """How many panels are complete, and what the others lack first, on one line of the terminal.

    Parameters
    ----------
    panels : sequence of Panel
        All of the page.
    width : int
        Characters of the line.
    """
    lacking = [panel for panel in panels if panel.missing]
    said = f"{len(panels) - len(lacking)} of {len(panels)} panels complete"
    if not lacking:
        return said
    said += "; incomplete: "
    named = [_name(panel) for panel in lacking]
    named[0] += f" ({lacking[0].missing[0].rstrip('.')})"
    room = width - len(said) - len(f", …: {_ALL}")
    if len(named[0]) > room:
        named[0] = _name(lacking[0])
    shown = [name for place, name in enumerate(named) if len(", ".join(named[: place + 1])) <= room]
    more = ", …" if len(shown) < len(named) and shown else ""
    return f"{said}{', '.join(shown)}{more}: {_ALL}" if shown else f"{said}{_ALL}"


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
