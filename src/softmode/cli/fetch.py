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

from softmode.cli.console import err, fail, out
from softmode.datasets.fetching import FetchReport, fetch_all
from softmode.datasets.remote_listings import dataverse_files, phonondb_files
from softmode.downloads import RemoteFile
from softmode.errors import SettingsError

Into = Annotated[Path, typer.Option(help="Folder the files go to.")]
Connections = Annotated[int, typer.Option(min=1, max=16, help="Files fetched at the same time.")]
DryRun = Annotated[bool, typer.Option("--list", help="List the files and fetch nothing.")]

commands = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Fetch reference data from where they are published."
)


@commands.command()
def hdp(
    doi: Annotated[str, typer.Option(help="DOI of the dataset (10.7910/DVN/…).")],
    into: Into = Path("hdp"),
    server: Annotated[
        str | None,
        typer.Option(help="Address of the Dataverse; else $SOFTMODE_DATAVERSE_URL, else Harvard's."),
    ] = None,
    connections: Connections = 4,
    dry_run: DryRun = False,
) -> None:
    """Fetch the halide double perovskite database from its Dataverse.

    Interrupt it at any time and run it again to go on. Checksums are verified; restricted files are named.
    """
    _fetch(dataverse_files(doi, server), into, connections, dry_run)


@commands.command()
def phonondb(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Materials (mp-1138 …), or files that list them.")
    ] = None,
    all_of_it: Annotated[bool, typer.Option("--all", help="All 10,000 archives.")] = False,
    into: Into = Path("phonondb"),
    server: Annotated[
        str | None, typer.Option(help="Address of a mirror; else $SOFTMODE_PHONONDB_URL, else GitHub.")
    ] = None,
    connections: Connections = 4,
    dry_run: DryRun = False,
) -> None:
    """Fetch archives of the phonon database (2018, PBEsol) from the GitHub repository WMD-group/phononDB."""
    if bool(ids) == all_of_it:
        raise SettingsError(
            "materials",
            "none is named" if not ids else "both names and --all are given",
            "give names, files that list them, or --all",
        )
    _fetch(phonondb_files(None if all_of_it else _names(ids or ()), server), into, connections, dry_run)


def _names(given: Sequence[str]) -> list[str]:
    """Material names, those in files included: one a line, ``#`` begins a comment."""
    names: list[str] = []
    for item in given:
        if Path(item).is_file():
            lines = (line.partition("#")[0] for line in Path(item).read_text(encoding="utf-8").splitlines())
            names += [word for line in lines for word in line.replace(",", " ").split()]
        else:
            names.append(item)
    return names


def _fetch(files: Sequence[RemoteFile], into: Path, connections: int, dry_run: bool) -> None:
    if dry_run:
        for file in files:
            size = "?" if file.size is None else f"{file.size:,}"
            out.print(
                f"{size:>16}  {escape(file.path)}{'  (restricted)' if file.restricted else ''}",
                highlight=False,
                soft_wrap=True,
            )
        return
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
        err.print(f"[yellow]restricted[/yellow] {escape(path)}: left out", highlight=False, soft_wrap=True)
    for error in report.failed:
        err.print(f"[red]failed[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
    for path in report.unverified:
        err.print(f"not verified (no checksum): {escape(path)}", highlight=False, soft_wrap=True)
    out.print(
        f"{len(report.fetched)} files fetched, {len(report.restricted)} restricted, "
        f"{len(report.failed)} failed",
        highlight=False,
    )
    out.print(f"data     {into}", highlight=False, soft_wrap=True)
    if report.failed:
        fail("some files could not be fetched. Run the same command again to go on.")
