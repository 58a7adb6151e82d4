"""What a process and whoever watches it tell each other: when something must have ended, and to pause."""

from __future__ import annotations

import contextlib
import math
import mmap
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_TIME = struct.Struct("d")  # s, of the monotonic clock, which all processes share; 0 when nothing is due

#: Place of the mark that says that a process is asked to pause.
_PAUSE = _TIME.size

#: What a file holds that says of nothing when it must end, and asks for nothing.
NONE = _TIME.pack(0.0) + b"\0"

_own: mmap.mmap | None = None  # of this process, where it is watched


def mapped(file: Path) -> mmap.mmap:
    """The deadline that a file holds, shared by all who map it."""
    with file.open("r+b") as opened:
        return mmap.mmap(opened.fileno(), len(NONE))


class PausedError(Exception):
    """A process has stopped, as it was asked to, where it can go on later."""


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


def ask_to_pause(deadline: mmap.mmap, asked: bool = True) -> None:
    """Ask the process that a file belongs to to stop where it can go on later; or not any more."""
    deadline[_PAUSE] = asked


def pause_where_asked(save: Callable[[], object] = lambda: None) -> None:
    """Save what there is, and stop, if this process has been asked to pause.

    Raises
    ------
    PausedError
        If it has.
    """
    if _own is not None and _own[_PAUSE]:
        save()
        raise PausedError


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
