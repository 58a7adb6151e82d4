"""``softmode status``: how far a study is."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.markup import escape
from rich.table import Table

from softmode.cli.console import failure_line, out, print_json
from softmode.cli.working import tell_work, work_json
from softmode.study.folder import reopen_study
from softmode.study.md_progress import DynamicsProgress
from softmode.study.results import FAILED, OK, PENDING, cell_table, failures
from softmode.study.sole import runner
from softmode.study.work import Ledger

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
    by, ledger = runner(study.folder), Ledger(study.folder).read()
    running = by is not None and by.doing == "run" and ledger.goes_on(datetime.fromisoformat(by.since))
    pending = {potential: row["to compute"] for potential, row in counts.items()}
    if as_json:
        steps = {"made": dynamics.made(), "total": dynamics.total}
        said = _json(study.settings.name, counts, lost) | {"steps_of_dynamics": steps, "run_by": by}
        work = work_json(ledger, pending, running=running)
        print_json(said | {"hosts": work["hosts"], "cluster": work})
        return
    table = Table(title=escape(study.settings.name), title_justify="left")
    for column in ("potential", *_HEADS, "force calls"):
        table.add_column(column, justify="left" if column == "potential" else "right")
    for potential, row in counts.items():
        table.add_row(escape(potential), *(f"{number:,}" for number in row.values()))
    out.print(table)
    if by is not None:
        out.print(f"{by.doing} by {by}", markup=False, soft_wrap=True)
    tell_work(ledger, pending, running=running)
    if dynamics.total:
        made = f"steps of dynamics under way: {dynamics.made():,} of {dynamics.total:,} are made"
        out.print(made)
    for row in lost.itertuples():
        out.print(failure_line(row.material, row.potential, row.failure), soft_wrap=True)


def _json(name: str, counts: dict[str, dict[str, int]], lost: pd.DataFrame) -> dict[str, Any]:
    potentials = [
        {"potential": potential, **{head.replace(" ", "_"): n for head, n in row.items()}}
        for potential, row in counts.items()
    ]
    return {"name": name, "potentials": potentials, "failures": lost.to_dict("records")}
