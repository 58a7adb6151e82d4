"""When what a process does must have come to an end: said by the process, seen by whoever watches it."""

from __future__ import annotations

import contextlib
import math
import mmap
import struct
import time
from collections.abc import Iterator
from pathlib import Path

_TIME = struct.Struct("d")  # s, of the monotonic clock, which all processes share; 0 when nothing is due

#: What a file holds that says of nothing when it must end.
NONE = _TIME.pack(0.0)

_own: mmap.mmap | None = None  # of this process, where it is watched


def mapped(file: Path) -> mmap.mmap:
    """The deadline that a file holds, shared by all who map it."""
    with file.open("r+b") as opened:
        return mmap.mmap(opened.fileno(), _TIME.size)


def tell(file: Path) -> None:
    """Say in this file from now on when what this process does must have come to an end.

    Its name goes: who watches has it mapped, and whoever is killed leaves nothing behind.
    """
    global _own
    _own = mapped(file)
    file.unlink(missing_ok=True)


def is_over(deadline: mmap.mmap) -> bool:
    """Whether something should have come to an end and has not."""
    until: float = _TIME.unpack_from(deadline)[0]
    return 0.0 < until < time.monotonic()


@contextlib.contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    """Say how long what follows may take, s: a process that is watched is ended when it takes longer.

    The innermost counts. Where nobody watches it says nothing.
    """
    deadline = _own
    if deadline is None:
        yield
        return
    (before,) = _TIME.unpack_from(deadline)
    _TIME.pack_into(deadline, 0, time.monotonic() + seconds if math.isfinite(seconds) else 0.0)
    try:
        yield
    finally:
        _TIME.pack_into(deadline, 0, before)
