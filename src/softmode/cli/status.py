"""``softmode status``: how far a study is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from softmode.cli.console import out
from softmode.study.folder import reopen_study
from softmode.study.results import FAILED, OK, PENDING, cell_table, failures


def status(
    folder: Annotated[Path, typer.Argument(help="Folder of the study.")],
) -> None:
    """Say how many cells of a study are done, failed (and why) and still to compute."""
    study = reopen_study(folder)
    cells = cell_table(study)
    table = Table(title=escape(study.settings.name), title_justify="left")
    for column in ("potential", "done", "failed", "to compute"):
        table.add_column(column, justify="left" if column == "potential" else "right")
    for potential, rows in cells.groupby("potential", sort=False):
        counts = rows["state"].value_counts()
        table.add_row(escape(str(potential)), *[str(counts.get(state, 0)) for state in (OK, FAILED, PENDING)])
    out.print(table)
    for failure in failures(cells).itertuples():
        out.print(
            "[red]failed[/red] " + escape(f"{failure.material} × {failure.potential}: {failure.failure}"),
            highlight=False,
            soft_wrap=True,
        )
