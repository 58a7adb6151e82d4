"""What the commands share: consoles, progress, JSON alone on standard output, exit statuses, errors."""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from softmode.errors import printable


class _Console(Console):
    """A console whose reader may go away, and that shows control characters instead of obeying them."""

    def on_broken_pipe(self) -> None:
        """Print nothing more, and go on: `softmode run | head` still writes its report."""
        self.quiet = True
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), self.file.fileno())

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Segments of what is to be printed; only rich's own control codes reach the terminal."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text, keep="\n\t"))


#: Results go to standard output, everything else to standard error.
out = _Console(highlight=False)
err = _Console(stderr=True, highlight=False)

#: What a command leaves with, see docs/commands.md; 2 is a wrong use of options, as is usual.
DONE, ERROR, FAILED_CELLS, INTERRUPTED = 0, 1, 3, 130


class RateColumn(ProgressColumn):
    """Units finished per minute, or per second where they are many."""

    def render(self, task: Task) -> Text:
        """Rate over the whole run so far."""
        speed = task.finished_speed or task.speed
        said = f"{speed:.1f}/s" if speed and speed >= 2 else f"{60 * speed:.1f}/min" if speed else "–/min"
        return Text(said, style="progress.data.speed")


@contextmanager
def progress() -> Iterator[Progress]:
    """Progress bar with rate and time left; silent when standard error is not a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        RateColumn(),
        TimeElapsedColumn(),
        TextColumn("gone,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    # averaged over an hour: cells may take longer than the half minute rich looks back by default
    with Progress(
        *columns,
        console=err,
        disable=not err.is_terminal,
        transient=True,
        speed_estimate_period=3600.0,
    ) as bar:
        yield bar


def count_from_now(bar: Progress, task: TaskID) -> None:
    """Have the rate of a task counted from now, not from when the first of its units is finished."""
    bar.advance(task, 0)


@contextmanager
def busy(what: str) -> Iterator[Callable[[str], None]]:
    """Say what a long single step is about while it lasts; silent when standard error is not a terminal.

    What it gives is told how far the step is. Not inside :func:`progress`, which has the line.
    """
    with err.status(f"{what} …") if err.is_terminal else nullcontext() as status:
        yield lambda more: status.update(Text(f"{what} … {more}"[: err.width - 4])) if status else None


_json_stream: TextIO | None = None  # true standard output, while everything else goes to standard error


def _flush_c_streams() -> None:
    """What C libraries printed goes where standard output leads now, not where it leads later."""
    import ctypes

    with suppress(OSError, AttributeError):  # no C library to ask: nothing of it is held back either
        ctypes.CDLL(None).fflush(None)


@contextmanager
def json_alone() -> Iterator[None]:
    """Standard output for :func:`print_json` alone; what libraries print meanwhile goes to standard error.

    So does what they print in C and what worker processes print, which inherit the descriptor.
    """
    global _json_stream
    before = sys.stdout
    before.flush()
    kept = os.dup(1)
    try:
        own = before.fileno() == 1
    except OSError:  # no file at all: something in this process reads what is printed
        own = False
    stream = os.fdopen(os.dup(kept), "w", encoding="utf-8") if own else before
    _json_stream, sys.stdout = stream, sys.stderr
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stderr.flush()
        _flush_c_streams()
        os.dup2(kept, 1)
        os.close(kept)
        _json_stream, sys.stdout = None, before
        if own:
            stream.close()


class Command(TyperCommand):
    """A command; with ``--json`` (parameter ``as_json``) its standard output holds one JSON document only."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run it."""
        with json_alone() if ctx.params.get("as_json") else nullcontext():
            return super().invoke(ctx)


class Group(TyperGroup):
    """Commands under one name, which does something by itself, too; ``--json`` as of :class:`Command`."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run what is called."""
        with json_alone() if ctx.params.get("as_json") else nullcontext():
            return super().invoke(ctx)


def jsonable(value: Any) -> Any:
    """The JSON form of what a command knows: NaN, infinities and missing values become None.

    Takes dataclasses, mappings, sequences, arrays and numbers of numpy, missing values of pandas, paths.

    Raises
    ------
    TypeError
        For anything else.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return jsonable(os.fspath(value))
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in fields(value)}
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    raise TypeError(f"{type(value).__name__} has no JSON form")


def print_json(content: Any) -> None:
    """Print one JSON document (RFC 8259, UTF-8) on standard output; see :func:`jsonable`."""
    stream = _json_stream or sys.stdout
    with suppress(BrokenPipeError):  # nobody reads it any more
        stream.write(json.dumps(jsonable(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        stream.flush()


def say(name: str, what: object) -> None:
    """Print a line of a summary, as ``report   runs/study/report/index.html``; never folded."""
    out.print(f"{name:<8} {what}", markup=False, soft_wrap=True)


def remark(text: str) -> None:
    """Say something beside the result, on standard error; never folded."""
    err.print(text, markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """A time as a person says it."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def broken(name: str, width: int) -> str:
    """A long name on several lines, broken after hyphens."""
    return "\n".join(textwrap.wrap(name, width))


def failure_line(material: str, potential: str, reason: str) -> Text:
    """One failure, as every command shows it."""
    return Text.assemble(("failed ", "red"), f"{material} × {potential}: {reason}")


def quiet_libraries() -> None:
    """Keep warnings of third-party libraries out of the way of a user's terminal, and show softmode's own."""
    warnings.simplefilter("ignore")
    logging.getLogger().setLevel(logging.ERROR)
    logging.getLogger("softmode").setLevel(logging.WARNING)


def fail(message: str) -> NoReturn:
    """Print an error and leave with status 1."""
    err.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)
    sys.exit(ERROR)
