"""What tells that a file has changed, without reading it."""

from __future__ import annotations

from pathlib import Path

#: Size of a file, bytes, and time of its last change, ns.
Stamp = tuple[int, int]


def file_stamp(path: Path) -> Stamp | None:
    """Size and time of the last change of a file; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns
