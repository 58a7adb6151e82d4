"""What the commands share: consoles, progress, and how errors are shown."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

#: Results go to standard output, everything else to standard error.
out = Console()
err = Console(stderr=True)


class RateColumn(ProgressColumn):
    """Units finished per minute."""

    def render(self, task: Task) -> Text:
        """Rate over the whole run so far."""
        speed = task.finished_speed or task.speed
        return Text(f"{60 * speed:.1f}/min" if speed else "–/min", style="progress.data.speed")


@contextmanager
def progress() -> Iterator[Progress]:
    """Progress bar with rate and time left; silent when standard error is not a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
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


def quiet_libraries() -> None:
    """Keep warnings of third-party libraries out of the way of a user's terminal, and show softmode's own."""
    warnings.simplefilter("ignore")
    logging.getLogger().setLevel(logging.ERROR)
    logging.getLogger("softmode").setLevel(logging.WARNING)


def fail(message: str) -> None:
    """Print an error and leave with status 1."""
    err.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)
    sys.exit(1)
