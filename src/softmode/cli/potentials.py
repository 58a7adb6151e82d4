"""``softmode potentials``: what potentials softmode knows by name."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from softmode.cli.console import out
from softmode.potentials import PotentialSettings, known_potentials, weights_status


def potentials(
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List potentials: family, elements, training data, level of theory, licence, weights on this machine.

    Besides these: a path to any MACE .model file, and any ASE calculator as module:factory.
    """
    rows = [
        asdict(info) | {"weights": str(weights_status(PotentialSettings(name=info.name)))}
        for info in known_potentials()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    table = Table(
        caption="Also: a path to any MACE .model file; any ASE calculator as module:factory. "
        "Notes and citations: --json.",
        caption_justify="left",
        pad_edge=False,
    )
    for column in ("name", "family", "elements", "training data", "theory", "licence", "weights"):
        table.add_column(column, overflow="fold", no_wrap=column in ("name", "family"))
    for row in rows:
        table.add_row(
            row["name"],
            row["family"],
            str(len(row["elements"])) if row["elements"] else "–",
            row["training_data"],
            row["level_of_theory"],
            row["licence"].partition(":")[0].replace("Academic Software License (ASL)", "ASL (academic)"),
            row["weights"],
        )
    out.print(table)
