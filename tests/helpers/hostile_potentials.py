"""EMT that does harm when it meets gold, named ``hostile_potentials:hostile_emt``; workers import it."""

from __future__ import annotations

import ctypes
import locale
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from softmode_test_factories import fresh_emt


class MuteError(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Beyond(BaseException):
    """No ``Exception``, and not made of its arguments: it does not survive a pickle."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} {other}")


def _raise(error: BaseException) -> Callable[[], None]:
    def doing() -> None:
        raise error

    return doing


def _hang() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    ctypes.PyDLL(None).sleep(3600)  # holds the interpreter's lock


def _eat() -> None:
    eaten = [np.ones(1 << 24) for _ in range(24)]  # 3 GiB, touched
    time.sleep(30)
    del eaten


def _print() -> None:
    print("a library's \x1b[31mlast words")  # noqa: T201
    os.write(1, b"written to 1 without Python\n")
    os.write(2, b"written to 2 without Python\n")


def _environment() -> None:
    os.environ.clear()
    os.chdir("/")


def _globals() -> None:
    np.seterr(all="raise")
    np.random.seed(1)  # noqa: NPY002
    sys.setrecursionlimit(150)
    locale.setlocale(locale.LC_ALL, "C")
    os.umask(0o777)


def _recurse() -> None:
    _recurse()


#: What each does before it answers.
BEFORE: dict[str, Callable[[], Any]] = {
    "exit": lambda: os._exit(0),
    "system_exit": _raise(SystemExit(0)),
    "interrupt": _raise(KeyboardInterrupt()),
    "beyond": _raise(Beyond("not", "an Exception")),
    "abort": os.abort,
    "segfault": lambda: ctypes.string_at(0),
    "hang": _hang,
    "eat": _eat,
    "print": _print,
    "surrogate": _raise(RuntimeError("caf\udce9 \ud800")),
    "control": _raise(RuntimeError("\x1b[31mred\x07\0\r\n=1+1 <script>alert(1)</script>")),
    "mute": _raise(MuteError()),
    "long": _raise(RuntimeError("x" * 1_000_000)),
    "recurse": _recurse,
    "environment": _environment,
    "globals": _globals,
    "close": lambda: os.closerange(3, 1024),
    "close_standard": lambda: os.closerange(0, 3),
    "fork": os.fork,
    "load": lambda: None,
}

#: What each makes of the forces.
AFTER: dict[str, Callable[[Any], Any]] = {
    "nan": lambda forces: forces * np.nan,
    "huge": lambda forces: forces + 1e308 * 10,
    "shape": lambda forces: forces[:-1],
    "flat": lambda forces: forces.ravel(),
    "nothing": lambda forces: None,
    "words": lambda forces: [["a", "b", "c"]] * len(forces),
    "complex": lambda forces: forces + 1j,
    "float32": lambda forces: forces.astype(np.float32),
}

HARMS = (*BEFORE, *AFTER, "change")


def hostile_emt(what: str) -> Any:
    """EMT that does harm of one kind when it is asked about gold."""
    if what == "load":
        raise SystemExit("not today")
    calculator = fresh_emt()

    class Hostile(type(calculator)):  # type: ignore[misc]
        def before(self) -> None:
            if self.harmful:
                BEFORE.get(what, lambda: None)()

        @property
        def harmful(self) -> bool:
            return set(self.asked.get_chemical_symbols()) == {"Au"}

        def after(self, results: dict[str, Any]) -> None:
            super().after(results)
            if self.harmful:
                results["forces"] = AFTER.get(what, lambda forces: forces)(results["forces"])
            if self.harmful and what == "change":
                self.asked.positions += 0.3
                self.asked.numbers[:] = 1
                self.asked.set_cell(np.eye(3))

    return Hostile()
