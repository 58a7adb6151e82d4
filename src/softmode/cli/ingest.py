"""``softmode ingest``: a dataset into a compact lossless store, once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from softmode.cli.console import err, out, progress, say
from softmode.cli.datasets import Options, options_from
from softmode.datasets.catalog import dataset_kind, recognised
from softmode.datasets.ingest import ingest as ingest_dataset
from softmode.datasets.ingest import problem_counts
from softmode.datasets.store import Manifest, MaterialReport
from softmode.errors import SettingsError
from softmode.processes import available_cores
from softmode.study.settings import load_study


def ingest(
    source: Annotated[
        Path,
        typer.Argument(
            help="Where the data are (a tree of dpv_… compounds, a folder of archives, of phonopy files …), "
            "or a study file: its dataset is read."
        ),
    ],
    store: Annotated[Path, typer.Argument(help="Folder of the store; made if needed.")],
    *,
    kind: Annotated[
        str | None, typer.Option(help="Kind of dataset, as of `softmode datasets`; else it is recognised.")
    ] = None,
    option: Options = None,
    database: Annotated[
        Path | None,
        typer.Option(help="Of hdp: the ASE database of labels; else double_halide_pv.db in or above it."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: one for each processor.")
    ] = None,
) -> None:
    """Read a dataset once, so that studies start at once: set their path to the store.

    Nothing is lost. Interrupt it at any time and run it again to go on. What is missing or damaged is named,
    and kept in store.json beside the data.
    """
    name, path, options = _dataset(source, kind)
    options |= options_from(option)
    if database is not None:
        options["database"] = database
    with progress() as bar:
        task = bar.add_task("reading materials", total=None)

        def finished(report: MaterialReport) -> None:
            bar.advance(task)
            _say(report)

        manifest = ingest_dataset(
            name,
            path,
            store,
            options=options,
            workers=workers or available_cores(),
            begin=lambda left, total: bar.update(task, total=left),
            advance=finished,
        )
    _summary(manifest, store)


def _dataset(source: Path, kind: str | None) -> tuple[str, Path | None, dict[str, Any]]:
    """Kind, path and options of what is to be read."""
    if kind is not None:
        return dataset_kind(kind).name, source, {}
    if source.suffix == ".toml":
        dataset = load_study(source).dataset
        return dataset.kind, dataset.path, dict(dataset.options)
    if not source.exists():
        raise SettingsError(str(source), "there is no such file or folder", "give an existing path")
    return recognised(source).name, source, {}


def _say(report: MaterialReport) -> None:
    """What could not be read, as soon as that is known."""
    texts = [*report.findings]
    for failure in dict.fromkeys((report.failure, report.trajectory_failure)):
        if failure is not None:
            texts.append(str(failure.error))
    for text in texts:
        err.print(f"[red]{escape(report.name)}[/red] {escape(text)}", soft_wrap=True)


def _summary(manifest: Manifest, store: Path) -> None:
    materials = manifest.materials
    readable = sum(report.failure is None for report in materials)
    frames = sum(run.frames for report in materials for run in report.runs)
    out.print(f"{len(materials)} materials, {readable} readable, {frames} frames")
    for problem, count in problem_counts(manifest).items():
        out.print(f"  {count:5d}  {problem}")
    say("store", store)
