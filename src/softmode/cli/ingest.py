"""``softmode ingest``: the raw tree of the halide double perovskite database into a compact store, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from softmode.cli.console import err, out, progress
from softmode.datasets.hdp_ingest import ingest as ingest_tree
from softmode.datasets.hdp_ingest import problem_counts
from softmode.datasets.hdp_store import CompoundReport, Manifest
from softmode.study.run import available_cores


def ingest(
    tree: Annotated[Path, typer.Argument(help="The raw tree: fluorides/, chlorides/, … of dpv_… compounds.")],
    store: Annotated[Path, typer.Argument(help="Folder of the store; made if needed.")],
    database: Annotated[
        Path | None,
        typer.Option(help="The ASE database of labels; else double_halide_pv.db in or above the tree."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: one for each processor.")
    ] = None,
) -> None:
    """Read the halide double perovskite database once, so that studies start at once.

    Interrupt it at any time and run it again to go on. What is missing or damaged is named, and kept in
    hdp_store.json beside the data.
    """
    with progress() as bar:
        task = bar.add_task("reading compounds", total=None)

        def finished(report: CompoundReport) -> None:
            bar.advance(task)
            _say(report)

        manifest = ingest_tree(
            tree,
            store,
            database=database,
            workers=workers or available_cores(),
            begin=lambda left, total: bar.update(task, total=left),
            advance=finished,
        )
    _summary(manifest, store)


def _say(report: CompoundReport) -> None:
    """What could not be read, as soon as that is known."""
    texts = [*report.findings]
    for failure in dict.fromkeys((report.failure, report.trajectory_failure)):
        if failure is not None:
            texts.append(f"{failure.subject}: {failure.problem}. {failure.remedy}.")
    for text in texts:
        err.print(f"[red]{report.uid}[/red] {escape(text)}", highlight=False, soft_wrap=True)


def _summary(manifest: Manifest, store: Path) -> None:
    compounds = manifest.compounds
    usable = sum(report.failure is None for report in compounds)
    frames = sum(run.frames for report in compounds for run in report.runs)
    out.print(f"{len(compounds)} compounds, {usable} with force constants, {frames} frames", highlight=False)
    for problem, count in problem_counts(manifest).items():
        out.print(f"  {count:5d}  {problem}", highlight=False)
    out.print(f"store    {store}", highlight=False, soft_wrap=True)
