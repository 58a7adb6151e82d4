"""Run a study with progress, and say in a few lines what came of it; used by `run`, `screen` and `demo`."""

from __future__ import annotations

import socket
import textwrap
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import typer
from rich.progress import Progress, TaskID
from rich.table import Table
from rich.text import Text

from softmode.cli.console import (
    FAILED_CELLS,
    busy,
    count_from_now,
    duration,
    err,
    failure_line,
    out,
    print_json,
    progress,
    remark,
    say,
)
from softmode.cli.working import cost
from softmode.dynamics import thermostat_warning
from softmode.errors import MissingDependencyError
from softmode.measurements.md import DynamicsSettings
from softmode.processes import available_cores
from softmode.report.build import reported
from softmode.study.folder import Case, Study, open_study
from softmode.study.forecast import Forecast, PoolForecast, by_pool, forecast
from softmode.study.label_results import open_labels
from softmode.study.md_progress import DynamicsProgress
from softmode.study.results import OK, failures, functional_statements
from softmode.study.run import RunReport, run_study
from softmode.study.settings import StudySettings
from softmode.study.verdict import Statement, brief
from softmode.study.work import Hours, Ledger
from softmode.study.worker import CaseOutcome

_LOOK_EVERY = 2.0  # seconds between looks at the dynamics under way
_REASONS = 5  # of earlier failures that a summary repeats
_HOSTS = 3  # that are named
_OF_POTENTIAL = MissingDependencyError("", "", "").kind


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A study that has been run to its end.

    Parameters
    ----------
    study : Study
        The study.
    report : RunReport
        What was done now.
    cells : pandas.DataFrame
        Its table.
    verdict : sequence of Statement
        What came out, in words.
    page : Path
        Its report.
    told : set of (material, potential)
        Cells whose failure has been shown already.
    """

    study: Study
    report: RunReport
    cells: pd.DataFrame
    verdict: Sequence[Statement]
    page: Path
    told: Collection[tuple[str, str]]

    @cached_property
    def failures(self) -> pd.DataFrame:
        """Cells without a result, with their reasons, whether they failed now or before."""
        return failures(self.cells)

    @property
    def complete(self) -> bool:
        """Whether every cell has its result."""
        return not self.report.unstored and bool((self.cells["state"] == OK).all())

    def as_json(self) -> dict[str, Any]:
        """What ``run --json`` prints."""
        done = asdict(self.report)
        unstored = [
            {"material": material, "potential": potential, "failure": reason}
            for material, potential, reason in done.pop("unstored")
        ]
        return {
            "name": self.study.settings.name,
            "verdict": self.verdict,
            "cells": {**done, "without_result": len(self.failures)},
            "functionals": functional_statements(self.cells),
            "failures": self.failures.to_dict("records"),
            "unstored": unstored,
            "records": self.study.store.root,
            "tables": self.page.parent / "tables",
            "report": self.page,
        }


def run_to_end(settings: StudySettings) -> FinishedRun:
    """Open a study, compute what is missing, showing rate and time left, and write its report."""
    study = _open(settings)
    report, told = _run(study)
    with busy("writing the report"):
        done = reported(study)
        return FinishedRun(study, report, done.cells, done.said, done.page, told)


def summarise(run: FinishedRun) -> None:
    """Print what was done, what failed before or could not be stored, and where everything is."""
    done = run.report
    out.print(
        f"{done.total} cells: {done.found} were there, {done.computed} computed now, "
        f"{done.failed} of these failed"
    )
    for material, potential, reason in done.unstored:
        line = Text.assemble(("not stored ", "red"), f"{material} × {potential}: {reason}")
        err.print(line, soft_wrap=True)
    _repeat_failures(run)
    tell(brief(run.verdict))
    say("records", run.study.store.root)
    say("report", run.page)


def tell(statements: Iterable[Statement]) -> None:
    """Print statements of a verdict, wrapped, one below the other."""
    for one in statements:
        lines = textwrap.wrap(
            one.text, out.width, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )
        for line in lines:
            out.print(line, markup=False, soft_wrap=True)


def _repeat_failures(run: FinishedRun) -> None:
    """Failures of earlier runs, which are kept and not tried again; those of this run have been shown."""
    earlier = [row for row in run.failures.itertuples() if (row.material, row.potential) not in run.told]
    if not earlier:
        return
    out.print(f"{len(earlier)} failed in an earlier run")
    for row in earlier[:_REASONS]:
        out.print(failure_line(row.material, row.potential, row.failure), soft_wrap=True)
    if len(earlier) > _REASONS:
        more = f"… and {len(earlier) - _REASONS} more: softmode status {run.study.folder}"
        out.print(more, markup=False, soft_wrap=True)


def foretell(settings: StudySettings, *, as_json: bool) -> None:
    """Print what a run would compute, and about how long; nothing but the list of materials is stored."""
    study = _open(settings)
    with busy("timing potentials"):
        found = forecast(study)
    run = settings.run
    pools = by_pool(study, found, run.cluster, run.workers or available_cores())
    workers = sum(one.workers for one in pools)
    seconds = max(one.seconds for one in pools)
    hours = {"core_hours": sum(one.core_hours for one in pools)}
    if cards := sum(one.accelerator_hours for one in pools):
        hours["accelerator_hours"] = cards
    hosts = list(Ledger(study.folder).read().by_host)
    if as_json:
        materials = len({case.material.name for case in study.cases})
        said = {"materials": materials, "potentials": found, "workers": workers, "seconds": seconds}
        where = {"timed_on": socket.gethostname(), "recorded_on": hosts}
        print_json(said | hours | {"pools": pools} | where)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("potential", overflow="fold")
    for column in ("cells", "there", "records lacking", "force calls", "about", "by"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in found:
        cost = duration(one.seconds) if one.seconds is not None else "–"
        numbers = (one.cells, one.settled, sum(one.records.values()), one.calls)
        by = f"{one.measured:,} cell{'s' * (one.measured > 1)}" if one.measured else "calls now"
        told = (cost, by) if one.calls else ("", "")
        table.add_row(Text(one.label), *(f"{number:,}" for number in numbers), *told)
    out.print(table)
    for one in found:
        if one.problem:
            out.print(Text(f"{one.label}: {one.problem}"), soft_wrap=True)
    if len(pools) > 1:
        for pool in pools:
            out.print(f"pool {pool.pool}: {_told(pool.seconds, pool.workers, _hours(pool))}", soft_wrap=True)
    out.print(_told(seconds, workers, hours), soft_wrap=True)
    for line in _origins(found, hosts):
        out.print(line, markup=False, soft_wrap=True)
    say("folder", study.folder)


def _told(seconds: float, workers: int, hours: Mapping[str, float]) -> str:
    spread = f"{workers:,} workers" if workers > 1 else "1 worker"
    costs = ", ".join(f"{number:.3g} {name.replace('_', '-')}" for name, number in hours.items())
    about = "about " if seconds >= 1 else ""
    return f"{about}{duration(seconds)} on {spread}, {costs}"


def _hours(pool: PoolForecast) -> dict[str, float]:
    cards = {"accelerator_hours": pool.accelerator_hours} if pool.accelerator_hours else {}
    return {"core_hours": pool.core_hours, **cards}


def _origins(found: Sequence[Forecast], hosts: Sequence[str]) -> Iterator[str]:
    """Where the estimates are from, of those that say something."""
    asked = [one for one in found if one.calls]
    if any(one.measured for one in asked):
        where = f", computed on {', '.join(hosts[:_HOSTS])}" if hosts else ""
        more = f" and {len(hosts) - _HOSTS} others" if len(hosts) > _HOSTS else ""
        yield f"by cells: what cells of this study have taken{where}{more}"
    if not all(one.measured for one in asked):
        yield (
            f"by calls now: estimated from a few force calls made on this machine, {socket.gethostname()}, "
            "which is no node of a cluster; what is no force call comes on top"
        )


def conclude(run: FinishedRun, *, as_json: bool) -> None:
    """Print what was done, and leave with the status that says whether every cell has its result."""
    if as_json:
        print_json(run.as_json())
    else:
        summarise(run)
    leave(run)


def leave(run: FinishedRun) -> None:
    """Leave with the status that says whether every cell has its result."""
    if not run.complete:
        raise typer.Exit(FAILED_CELLS)


def _crew(ledger: Ledger, before: Hours, since: datetime) -> str:
    """How many workers of a cluster are there, and what this run has cost, which began then."""
    if not ledger.goes_on(since):
        return "cells, waiting for the cluster:"
    spent = ledger.hours(datetime.now(UTC))
    now = Hours(cores=spent.cores - before.cores, accelerators=spent.accelerators - before.accelerators)
    return f"cells, {ledger.workers} of {ledger.asked} workers, {cost(now)}:"


def _open(settings: StudySettings) -> Study:
    """Open a study, showing how many materials have been read; labels it cannot use are an error now.

    A thermostat that does not sample the temperature it is set to is told before anything is computed.
    """
    if settings.labels is not None:
        open_labels(settings.labels)
    if {"model_only", "map"} & set(settings.measurements) and (
        warning := thermostat_warning(settings.conditions.of(DynamicsSettings))
    ):
        remark(warning)
    with progress() as bar:
        task = bar.add_task("reading materials", total=None)
        return open_study(settings, advance=lambda done, total: bar.update(task, completed=done, total=total))


def _run(study: Study) -> tuple[RunReport, set[tuple[str, str]]]:
    """Compute what is missing; failures are told as they happen, and by which cells is returned."""
    told = set()
    with progress() as bar:
        left = sum(not study.settled(case) for case in study.cases)
        task = bar.add_task("computing cells", total=left)
        if study.settings.run.cluster is None:
            count_from_now(bar, task)
        repeated = Counter[str]()

        def finished(case: Case, outcome: CaseOutcome) -> None:
            bar.advance(task)
            if outcome.failure is not None:
                told.add((case.material.name, case.label))
                if outcome.failure.kind == _OF_POTENTIAL:
                    repeated[outcome.failure.message] += 1
                    if repeated[outcome.failure.message] > 1:
                        return  # it is no material's: once is enough
                name, formula = case.material.name, case.material.formula
                title = f"{name} ({formula})" if formula else name
                line = failure_line(title, case.label, outcome.failure.message)
                err.print(line, soft_wrap=True)

        with _shown(bar, task, study, DynamicsProgress(study)):
            report = run_study(study, finished)
        for reason, number in repeated.items():
            if number > 1:
                err.print(Text(f"… and {number - 1} more cells for this reason: {reason}"), soft_wrap=True)
        return report, told


@contextmanager
def _shown(bar: Progress, cells: TaskID, study: Study, dynamics: DynamicsProgress) -> Iterator[None]:
    """Show what happens within cells and around them, while nothing is finished.

    How many steps of dynamics are made, which may take hours within one cell; how many workers of a cluster
    are there, and what they have cost.
    """
    clustered = study.settings.run.cluster is not None
    if bar.disable or not (dynamics.total or clustered):
        yield
        return
    looks: list[Callable[[], object]] = []
    if dynamics.total:
        steps = bar.add_task("steps of dynamics", total=dynamics.total, completed=dynamics.made())
        looks.append(lambda: bar.update(steps, completed=dynamics.made()))
    if clustered:
        ledger = Ledger(study.folder)
        before, since, came = ledger.read().hours(), datetime.now(UTC), False

        def look_at_crew() -> None:
            nonlocal came
            now = ledger.read()
            if not came and now.workers and now.goes_on(since):
                came = True
                count_from_now(bar, cells)
            bar.update(cells, description=_crew(now, before, since))

        looks.append(look_at_crew)
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_EVERY):
            for one in looks:
                one()

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
