"""``softmode datasets``: what reference data softmode reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from softmode.cli.console import out, print_json, progress
from softmode.datasets.base import Dataset, DatasetKind
from softmode.datasets.catalog import known_datasets, open_dataset
from softmode.errors import SettingsError, SoftmodeError

Options = Annotated[
    list[str] | None,
    typer.Option("--option", help="Option of the dataset, name=value (text, or JSON); repeatable."),
]


def datasets(
    kind: Annotated[str | None, typer.Argument(help="List the materials of this kind of dataset.")] = None,
    path: Annotated[Path | None, typer.Option(help="Where the data is.")] = None,
    option: Options = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the kinds of reference data, or the materials in one (`softmode datasets phonondb --path DIR`)."""
    if kind is not None:
        _materials(open_dataset(kind, path, **options_from(option)), as_json)
        return
    known = known_datasets()
    if as_json:
        print_json([_described(each) for each in known])
        return
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 1, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for each in known:
        table.add_row(each.name, "\n".join(_lines(each)))
    out.print(table)


def options_from(given: list[str] | None) -> dict[str, Any]:
    """Options of a dataset as the command line has them.

    Raises
    ------
    SettingsError
        If one has no value.
    """
    options: dict[str, Any] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"--option {text}", "it has no value", "write name=value")
        try:
            options[name.strip()] = json.loads(value)
        except ValueError:
            options[name.strip()] = value.strip()
    return options


def _lines(kind: DatasetKind) -> Iterator[str]:
    """What the list says of a kind."""
    yield escape(f"{kind.title}: {kind.holds}")
    yield escape(f"{kind.citation}. Licence: {kind.licence}")
    if kind.remote is not None:
        yield escape(f"softmode fetch {kind.name}: {kind.remote.items}")
    for name, meaning in kind.option_meanings.items():
        yield f"[dim]option[/dim] {escape(f'{name}: {meaning}')}"


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


def _materials(dataset: Dataset, as_json: bool) -> None:
    rows: list[dict[str, Any]] = []
    entries = dataset.entries()
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
