"""``softmode status``: how far a study is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.markup import escape
from rich.table import Table

from softmode.cli.console import failure_line, out, print_json
from softmode.study.folder import reopen_study
from softmode.study.md_progress import DynamicsProgress
from softmode.study.results import FAILED, OK, PENDING, cell_table, failures
from softmode.study.sole import runner
from softmode.study.work import HostWork, work_by_host

_HOSTS = 12  # that are named
_HEADS = {"done": OK, "failed": FAILED, "to compute": PENDING}


def status(
    folder: Annotated[Path, typer.Argument(help="Folder of the study.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Say how many cells of a study are done, failed (and why) and still to compute."""
    study = reopen_study(folder)
    cells = cell_table(study)
    dynamics = DynamicsProgress(study)
    lost = failures(cells)
    counts = {
        str(potential): {
            **{head: int((rows["state"] == state).sum()) for head, state in _HEADS.items()},
            "force calls": int(rows["calls"].sum()),
        }
        for potential, rows in cells.groupby("potential", sort=False)
    }
    if as_json:
        steps = {"made": dynamics.made(), "total": dynamics.total}
        by = runner(study.folder)
        said = _json(study.settings.name, counts, lost) | {"steps_of_dynamics": steps, "run_by": by}
        print_json(said | {"hosts": work_by_host(study.folder)})
        return
    table = Table(title=escape(study.settings.name), title_justify="left")
    for column in ("potential", *_HEADS, "force calls"):
        table.add_column(column, justify="left" if column == "potential" else "right")
    for potential, row in counts.items():
        table.add_row(escape(potential), *(f"{number:,}" for number in row.values()))
    out.print(table)
    if (by := runner(study.folder)) is not None:
        out.print(f"{by.doing} by {by}", markup=False, soft_wrap=True)
    if hosts := work_by_host(study.folder):
        out.print(_hosts(hosts))
    if dynamics.total:
        made = f"steps of dynamics under way: {dynamics.made():,} of {dynamics.total:,} are made"
        out.print(made)
    for row in lost.itertuples():
        out.print(failure_line(row.material, row.potential, row.failure), soft_wrap=True)


def _hosts(hosts: list[HostWork]) -> Table:
    """Where the cells were computed that were computed on a cluster."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("host", "cells", "hours of its workers", "last (UTC)"):
        table.add_column(column, justify="left" if column == "host" else "right")
    for one in hosts[:_HOSTS]:
        table.add_row(escape(one.host), f"{one.cells:,}", f"{one.hours:.3g}", one.last.partition("+")[0])
    others = hosts[_HOSTS:]
    if others:
        cells, hours = sum(one.cells for one in others), sum(one.hours for one in others)
        table.add_row(f"{len(others)} others", f"{cells:,}", f"{hours:.3g}", "")
    return table


def _json(name: str, counts: dict[str, dict[str, int]], lost: pd.DataFrame) -> dict[str, Any]:
    potentials = [
        {"potential": potential, **{head.replace(" ", "_"): n for head, n in row.items()}}
        for potential, row in counts.items()
    ]
    return {"name": name, "potentials": potentials, "failures": lost.to_dict("records")}
