"""What a study costs on a cluster: who computed what, how fast, where the time went, what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.markup import escape
from rich.table import Table

from softmode.cli.console import duration, out
from softmode.study.work import Hours, Ledger, Share, most_first

_NAMED = 12  # hosts, or potentials, that are named
_PARTS = ("computing", "loading", "under_way", "idle", "repeated")


def tell_work(ledger: Ledger, pending: Mapping[str, int], *, running: bool) -> None:
    """Print what the lines of a cluster's work say.

    Parameters
    ----------
    ledger : Ledger
        Read.
    pending : mapping of str to int
        Cells that are left, by potential.
    running : bool
        Whether it is these workers that the study is run by now.
    """
    if not ledger.cells and not (running and ledger.workers):
        return
    now = datetime.now(UTC) if running else None
    spent = ledger.hours(now)
    said = [f"{ledger.workers} of {ledger.asked} workers are there"] if running else []
    if (rate := ledger.rate(now)) is not None:
        said.append(f"{told_rate(rate)} in {'the' if running else 'its'} last ten minutes")
    said.append(f"{cost(spent)} spent")
    out.print("; ".join(said), soft_wrap=True)
    if (left := ledger.left(pending)) is not None and any(pending.values()):
        there = f", {duration(3600 * left / ledger.workers)} on those" if running and ledger.workers else ""
        out.print(f"left: about {left:.3g} hours of workers{there}", soft_wrap=True)
    for head, shares in (("host", ledger.by_host), ("potential", ledger.by_potential)):
        out.print(_table(head, most_first(shares)))
    out.print(f"hours of workers: {_parts(spent)}", soft_wrap=True)


def told_rate(rate: float) -> str:
    """Cells a second, or a minute where they are few."""
    return f"{rate:.2f} cells/s" if rate >= 1 else f"{60 * rate:.1f} cells/min"


def cost(spent: Hours) -> str:
    """Hours of cores and accelerators, in words."""
    accelerators = f", {spent.accelerators:.3g} accelerator-hours" if spent.accelerators else ""
    return f"{spent.cores:.3g} core-hours{accelerators}"


def work_json(ledger: Ledger, pending: Mapping[str, int], *, running: bool) -> dict[str, Any]:
    """The same, for ``--json``."""
    now = datetime.now(UTC) if running else None
    spent = ledger.hours(now)
    return {
        "hosts": [_shared("host", one) for one in most_first(ledger.by_host)],
        "potentials": [_shared("potential", one) for one in most_first(ledger.by_potential)],
        "workers": ledger.workers if running else 0,
        "workers_asked": ledger.asked,
        "cells_per_second": ledger.rate(now),
        "core_hours": spent.cores,
        "accelerator_hours": spent.accelerators,
        "worker_hours_left": ledger.left(pending),
        "worker_hours": {part: getattr(spent, part) for part in _PARTS},
    }


def _shared(head: str, one: Share) -> dict[str, Any]:
    return {head: one.name, "cells": one.cells, "hours": one.hours, "last": one.last}


def _parts(spent: Hours) -> str:
    if not spent.present:
        return "none"
    shares = {part: getattr(spent, part) / spent.present for part in _PARTS}
    said = {part.replace("_", " "): share for part, share in shares.items() if share or part != "under_way"}
    return ", ".join(f"{part} {share:.1%}" for part, share in said.items())


def _table(head: str, shares: Sequence[Share]) -> Table:
    """Cells and hours of each host, or potential."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in (head, "cells", "hours of workers", "s a cell", "last (UTC)"):
        table.add_column(column, justify="left" if column == head else "right")
    for one in shares[:_NAMED]:
        last = one.last.partition("+")[0].partition(".")[0]
        each = f"{3600 * one.hours / one.cells:.3g}" if one.cells else "–"
        table.add_row(escape(one.name), f"{one.cells:,}", f"{one.hours:.3g}", each, last)
    if others := shares[_NAMED:]:
        cells, hours = sum(one.cells for one in others), sum(one.hours for one in others)
        table.add_row(
            f"{len(others)} others", f"{cells:,}", f"{hours:.3g}", f"{3600 * hours / max(1, cells):.3g}", ""
        )
    return table
