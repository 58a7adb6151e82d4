"""``softmode fetch``: reference data from where they are published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from softmode.cli.console import err, fail, out, say
from softmode.datasets.catalog import dataset_kind, known_datasets
from softmode.datasets.fetching import FetchReport, fetch_all
from softmode.downloads import RemoteFile
from softmode.errors import SettingsError


def fetch(
    kind: Annotated[str, typer.Argument(help="Dataset: phonondb, hdp, or that of another package.")],
    items: Annotated[
        list[str] | None,
        typer.Argument(help="Of phonondb materials (mp-1138 …), or files that list them; of hdp its DOI."),
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All of it.")] = False,
    doi: Annotated[str | None, typer.Option(help="The DOI, of a dataset on a Dataverse.")] = None,
    into: Annotated[
        Path | None, typer.Option(help="Folder the files go to; else one with the dataset's name.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(help="Address of another server or a mirror; see docs/datasets.md for variables."),
    ] = None,
    connections: Annotated[int, typer.Option(min=1, max=16, help="Files fetched at the same time.")] = 4,
    dry_run: Annotated[bool, typer.Option("--list", help="List the files and fetch nothing.")] = False,
) -> None:
    """Fetch reference data from where they are published.

    Interrupt it at any time and run it again to go on. Checksums are verified; restricted files are named.
    """
    found = dataset_kind(kind)
    if found.remote is None:
        known = ", ".join(each.name for each in known_datasets() if each.remote is not None)
        raise SettingsError(f"dataset {found.name}", "it cannot be fetched", f"these can: {known}")
    wanted = _names([*(items or ()), *([doi] if doi else [])])
    if everything and not found.remote.all_at_once:
        raise SettingsError("--all", f"{found.name} is not fetched so", f"give {found.remote.items}")
    if bool(wanted) == everything:
        raise SettingsError(
            f"dataset {found.name}",
            "both items and --all are given" if everything else "nothing is named",
            f"give {found.remote.items}" + (", or --all" if found.remote.all_at_once else ""),
        )
    files = found.remote.files(None if everything else wanted, server)
    if dry_run:
        _list(files)
    else:
        _fetch(files, into or Path(found.name), connections)


def _names(given: Sequence[str]) -> list[str]:
    """Names of items, those in files included: one a line, ``#`` begins a comment."""
    names: list[str] = []
    for item in given:
        if Path(item).is_file():
            lines = (line.partition("#")[0] for line in Path(item).read_text(encoding="utf-8").splitlines())
            names += [word for line in lines for word in line.replace(",", " ").split()]
        else:
            names.append(item)
    return names


def _list(files: Sequence[RemoteFile]) -> None:
    for file in files:
        size = "?" if file.size is None else f"{file.size:,}"
        out.print(
            f"{size:>16}  {escape(file.path)}{'  (restricted)' if file.restricted else ''}",
            soft_wrap=True,
        )


def _fetch(files: Sequence[RemoteFile], into: Path, connections: int) -> None:
    total = sum(file.size or 0 for file in files if not file.restricted)
    columns = (
        TextColumn("fetching"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task("fetching", total=total)
        report = fetch_all(
            files, into, connections=connections, advance=lambda count: bar.advance(task, count)
        )
    _say(report, into)


def _say(report: FetchReport, into: Path) -> None:
    for path in report.restricted:
        err.print(f"[yellow]restricted[/yellow] {escape(path)}: left out", soft_wrap=True)
    for error in report.failed:
        err.print(f"[red]failed[/red] {escape(str(error))}", soft_wrap=True)
    for path in report.unverified:
        err.print(f"not verified (no checksum): {escape(path)}", soft_wrap=True)
    out.print(
        f"{len(report.fetched)} files fetched, {len(report.restricted)} restricted, "
        f"{len(report.failed)} failed"
    )
    say("data", into)
    if report.failed:
        fail("some files could not be fetched. Run the same command again to go on.")
