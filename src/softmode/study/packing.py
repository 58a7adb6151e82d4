"""Pack the records of a study, and unpack them, while nobody runs it."""

from __future__ import annotations

import contextlib
from pathlib import Path

from softmode.records import Packed, pack_records, unpack_records
from softmode.records.packing import Advance
from softmode.study.folder import store_of
from softmode.study.settings import saved_settings
from softmode.study.sole import sole_run


def pack_study(
    folder: Path,
    *,
    undo: bool = False,
    dry_run: bool = False,
    advance: Advance = lambda done, total: None,
) -> Packed:
    """Put the finished records of a study into packs, or take them out again.

    Parameters
    ----------
    folder : Path
        Of the study.
    undo : bool
        Take them out.
    dry_run : bool
        Only say what would be done.
    advance : callable
        Told how many of how many records are done.

    Raises
    ------
    SettingsError
        If there is no study.
    StudyIsRunningError
        If it is being run, or packed.
    StorageError
        If something cannot be written.
    """
    saved_settings(folder)
    work = unpack_records if undo else pack_records
    alone = contextlib.nullcontext() if dry_run else sole_run(folder, "unpacked" if undo else "packed")
    with alone:
        return work(store_of(folder), dry_run=dry_run, advance=advance)
