"""Open and run a study with progress, and say in a few lines what came of it; used by `run` and `demo`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.markup import escape
from rich.progress import Progress

from softmode.cli.console import err, out, progress
from softmode.report.build import build_report
from softmode.study.folder import Cell, Study, open_study
from softmode.study.label_results import open_labels
from softmode.study.md_progress import DynamicsProgress
from softmode.study.run import RunReport, run_study
from softmode.study.settings import StudySettings
from softmode.study.worker import CellOutcome

_LOOK_EVERY = 2.0  # seconds between looks at the dynamics under way


def open_with_progress(settings: StudySettings) -> Study:
    """Open a study, showing how many materials have been read; labels it cannot use are an error now."""
    if settings.labels is not None:
        open_labels(settings.labels)
    with progress() as bar:
        task = bar.add_task("reading materials", total=None)
        return open_study(settings, advance=lambda done, total: bar.update(task, completed=done, total=total))


def run_with_progress(study: Study) -> RunReport:
    """Compute what is missing, showing rate and time left; failures are told as they happen."""
    with progress() as bar:
        left = sum(not study.settled(cell) for cell in study.cells)
        task = bar.add_task("computing cells", total=left)
        dynamics = DynamicsProgress(study)

        def finished(cell: Cell, outcome: CellOutcome) -> None:
            bar.advance(task)
            if outcome.failure is not None:
                err.print(
                    "[red]failed[/red] "
                    + escape(
                        f"{cell.material.name} ({cell.material.formula}) × {cell.label}: "
                        f"{outcome.failure.message}"
                    ),
                    highlight=False,
                    soft_wrap=True,
                )

        with _dynamics_shown(bar, dynamics):
            return run_study(study, finished)


@contextmanager
def _dynamics_shown(bar: Progress, dynamics: DynamicsProgress) -> Iterator[None]:
    """Show how many steps of dynamics are made, which may take hours within one cell."""
    if not dynamics.total or bar.disable:
        yield
        return
    task = bar.add_task("steps of dynamics", total=dynamics.total, completed=dynamics.made())
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_EVERY):
            bar.update(task, completed=dynamics.made())

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def say(study: Study, report: RunReport) -> None:
    """Print what was done, and what could not be stored."""
    out.print(
        f"{report.total} cells: {report.found} were there, {report.computed} computed now, "
        f"{report.failed} of these failed",
        highlight=False,
    )
    for material, potential, reason in report.unstored:
        text = escape(f"{material} × {potential}: {reason}")
        err.print(f"[red]not stored[/red] {text}", highlight=False, soft_wrap=True)
    out.print(f"records  {study.store.root}", highlight=False, soft_wrap=True)


def run_and_report(settings: StudySettings) -> Path:
    """Run a study to its end and write its report; returns the path of the page."""
    study = open_with_progress(settings)
    done = run_with_progress(study)
    say(study, done)
    page = build_report(study)
    out.print(f"report   {page}", highlight=False, soft_wrap=True)
    return page
