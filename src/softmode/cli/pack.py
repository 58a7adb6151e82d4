"""``softmode pack``: many records in few files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from softmode.cli.console import print_json, progress, remark, say
from softmode.records import Packed
from softmode.study.packing import pack_study


def pack(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of studies.")],
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Write records as files again, as they were.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Put a study's finished records into few large files, read where they lie; --undo takes them out."""
    done = {folder: _done(folder, undo=undo, dry_run=dry_run) for folder in folders}
    if as_json:
        print_json([_json(folder, packed) for folder, packed in done.items()])
        return
    for folder, packed in done.items():
        _tell(folder, packed, undo=undo, dry_run=dry_run)


def _done(folder: Path, *, undo: bool, dry_run: bool) -> Packed:
    with progress() as bar:
        task = bar.add_task("unpacking" if undo else "packing", total=None)
        return pack_study(
            folder,
            undo=undo,
            dry_run=dry_run,
            advance=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _json(folder: Path, packed: Packed) -> dict[str, Any]:
    return {
        "folder": folder,
        "records": packed.records,
        "bytes": packed.size,
        "packs": packed.packs,
        "left": packed.left,
        "kept": packed.kept,
    }


def _tell(folder: Path, packed: Packed, *, undo: bool, dry_run: bool) -> None:
    size = f"{packed.records:,} records, {packed.size / 2**20:,.1f} MiB"
    if dry_run:
        say("unpack" if undo else "pack", f"{size} in {folder}; nothing is done")
    elif undo:
        say("unpacked", f"{size} in {folder}, from {_files(packed)}")
    else:
        say("packed", f"{size} in {folder}, into {_files(packed)} in records/packs")
    for path in packed.kept:
        remark(f"{path} stays: not all in it could be taken out; delete it once a run has nothing to compute")
    if packed.left and undo:
        remark(f"{packed.left:,} packed records are damaged; the next run computes them anew")
    elif packed.left:
        remark(f"{packed.left:,} records stay files: the next run makes them again")


def _files(packed: Packed) -> str:
    n = len(packed.packs)
    return f"{n} file{'' if n == 1 else 's'}"
