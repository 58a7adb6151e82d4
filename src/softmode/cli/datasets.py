"""``softmode datasets``: what reference data softmode reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from softmode.cli.console import out, print_json, progress
from softmode.datasets.base import DatasetKind
from softmode.datasets.catalog import known_datasets, open_dataset
from softmode.errors import SoftmodeError


def datasets(
    kind: Annotated[str | None, typer.Argument(help="List the materials of this kind of dataset.")] = None,
    path: Annotated[Path | None, typer.Option(help="Where the data is.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the kinds of reference data, or the materials in one (`softmode datasets phonondb --path DIR`)."""
    if kind is not None:
        _materials(kind, path, as_json)
        return
    known = known_datasets()
    if as_json:
        print_json([_described(each) for each in known])
        return
    table = Table(show_lines=True)
    for column in ("kind", "holds", "citation", "licence", "path"):
        table.add_column(column, overflow="fold")
    for each in known:
        options = "".join(f"\n{name}: {meaning}" for name, meaning in each.option_meanings.items())
        fetched = f"\nsoftmode fetch {each.name}: {each.remote.items}" if each.remote is not None else ""
        needed = {"needed": "needed", "optional": "or options", "none": "no"}[each.path]
        holds = escape(f"{each.title}\n{each.holds}") + f"[dim]{escape(options + fetched)}[/dim]"
        table.add_row(each.name, holds, each.citation, each.licence, needed)
    out.print(table)


def _described(kind: DatasetKind) -> dict[str, Any]:
    return {
        "name": kind.name,
        "title": kind.title,
        "holds": kind.holds,
        "citation": kind.citation,
        "licence": kind.licence,
        "needs_path": kind.path == "needed",
        "options": kind.option_meanings,
        "fetch": "" if kind.remote is None else kind.remote.items,
    }


def _materials(kind: str, path: Path | None, as_json: bool) -> None:
    rows: list[dict[str, Any]] = []
    entries = open_dataset(kind, path).entries()
    with progress() as bar:
        for entry in bar.track(entries, description="reading materials"):
            try:
                material = entry.load()
            except SoftmodeError as error:
                rows.append({"name": entry.name, "error": str(error)})
                continue
            rows.append(
                {
                    "name": entry.name,
                    "formula": material.formula,
                    "n_supercell_atoms": material.n_supercell_atoms,
                    "born_charges": material.nac is not None,
                    **material.tags,
                }
            )
    if as_json:
        print_json(rows)
        return
    table = Table(title=f"{len(rows)} materials", title_justify="left")
    for column in ("id", "formula", "prototype", "supercell atoms", "Born charges"):
        table.add_column(column)
    for row in rows:
        if "error" in row:
            table.add_row(escape(row["name"]), "[red]unreadable[/red]", escape(row["error"]), "", "")
        else:
            table.add_row(
                escape(row["name"]),
                str(row["formula"]),
                str(row.get("prototype", "")),
                str(row["n_supercell_atoms"]),
                "yes" if row["born_charges"] else "no",
            )
    out.print(table)
