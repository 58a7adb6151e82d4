"""From any dataset to a compact lossless store, once (:mod:`softmode.datasets.store`)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any

from softmode.crystal import Material, Trajectory
from softmode.datasets.base import Dataset, MaterialEntry
from softmode.datasets.catalog import dataset_kind, open_dataset
from softmode.datasets.plausibility import doubts
from softmode.datasets.plausibility_figures import trajectory_figures
from softmode.datasets.runs import Run, RunRecorder, runs_of
from softmode.datasets.store import (
    FORMAT,
    Manifest,
    MaterialReport,
    Problem,
    RunReport,
    is_store,
    material_path,
    read_manifest,
    read_report,
    write_manifest,
    write_material,
)
from softmode.datasets.trajectory_frames import FrameCollector
from softmode.datasets.trajectory_source import (
    ALL_FRAMES,
    FrameChoice,
    FrameOptions,
    NoTrajectoryError,
    RunContext,
    RunsLoader,
    TrajectoryCheck,
)
from softmode.errors import InputDataError, SettingsError, WorkerDiedError
from softmode.files import Stamp, file_stamp
from softmode.processes import process_pool


def ingest(
    kind: str,
    path: Path | None,
    store: Path,
    *,
    options: Mapping[str, Any] | None = None,
    workers: int = 1,
    begin: Callable[[int, int], None] = lambda left, total: None,
    advance: Callable[[MaterialReport], None] = lambda report: None,
) -> Manifest:
    """Read a dataset into a store; what an earlier call finished is not read again.

    A material is read again when its files have changed, or something in it could not be read. A killed
    process loses at most the materials it was reading. What is known of materials besides their files
    (labels) is read every time.

    Parameters
    ----------
    kind, path, options : str, Path, mapping
        The dataset, as of :func:`softmode.datasets.open_dataset`.
    store : Path
        Folder of the store; made if needed.
    workers : int
        Processes that read at the same time; 1 reads in this one.
    begin : callable
        Called with the number of materials to be read, and of all.
    advance : callable
        Called with what was found of each material that was read.

    Returns
    -------
    Manifest
        What the store holds now; also in its file ``store.json``.

    Raises
    ------
    SettingsError
        If the path is a store itself, or the store lies where it cannot.
    InputDataError
        If no material is found.
    StorageError
        If the store cannot be written; what was finished is kept.
    WorkerDiedError
        If a process was killed; the same.
    """
    given = dict(options or {})
    if path is not None and is_store(path):
        raise SettingsError(str(path), "it is a store already", "give the data it was made from")
    dataset = open_dataset(kind, path, **given)
    if dataset.kind.path == "none":
        raise SettingsError(f"dataset {dataset.kind.name}", "it comes with softmode", "use it as it is")
    earlier = _earlier(store)
    _check_place(dataset, store, earlier)
    entries = dataset.entries()
    stamps = {} if earlier is None else {report.name: report.stamp for report in earlier.materials}
    reports: dict[str, MaterialReport | None] = {
        entry.name: _known(store, entry, stamps) for entry in entries
    }
    left = [entry for entry in entries if reports[entry.name] is None]
    begin(len(left), len(entries))
    frames = dataset.options.frames if isinstance(dataset.options, FrameOptions) else ALL_FRAMES
    read = partial(read_material, store=store, frames=frames)
    for found in _read_all(left, read, store, workers):
        reports[found.name] = found
        advance(found)
    materials = tuple(
        report.model_copy(
            update={"tags": dict(entry.tags), "stamp": file_stamp(material_path(store, entry.name))}
        )
        for entry in entries
        if (report := reports[entry.name]) is not None
    )
    manifest = Manifest(
        kind=dataset.kind.name,
        made_from=str(path or ""),
        options=json.loads(json.dumps(given, default=str)),
        materials=materials,
    )
    write_manifest(store, manifest)
    return manifest


def problem_counts(manifest: Manifest) -> dict[str, int]:
    """How many materials have what kind of problem, for a summary; none are left out."""
    counts: Counter[str] = Counter()
    options = dataset_kind(manifest.kind).options.create(manifest.kind, manifest.frames)
    skip = options.skip if isinstance(options, FrameOptions) else 0
    with_runs = any(report.has_trajectory for report in manifest.materials)
    for report in manifest.materials:
        counts["material cannot be read"] += report.failure is not None
        counts["trajectory cannot be read"] += report.trajectory_failure is not None
        counts["no MD run"] += with_runs and report.failure is None and not report.has_trajectory
        counts["a run is missing"] += report.has_trajectory and bool(report.missing)
        counts["a run is cut short"] += any(run.cut for run in report.runs)
        counts[f"a run has no more than {skip} frames"] += any(run.frames <= skip for run in report.runs)
        counts["trajectory does not go with the crystal"] += bool(report.findings)
        counts["labels missing or ambiguous"] += "problems" in report.tags
    return {name: count for name, count in counts.items() if count}


def read_material(entry: MaterialEntry, store: Path, frames: FrameChoice) -> MaterialReport:
    """Read a material and its trajectory, and write its file.

    Parameters
    ----------
    entry : MaterialEntry
        The material.
    store : Path
        Folder of the store.
    frames : FrameChoice
        The choice of frames whose digest is noted, besides that of all.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    found: dict[str, Any] = {"has_trajectory": entry.has_trajectory}
    material: Material | None = None
    context: RunContext | None = None
    runs: Sequence[Run] = ()
    try:
        material = entry.loader()
    except InputDataError as error:
        found["failure"] = Problem.model_validate(error)
    if entry.trajectory_loader is not None:
        try:
            context, runs = _recorded(entry.trajectory_loader)
        except NoTrajectoryError:
            found["has_trajectory"] = False
        except InputDataError as error:
            found["trajectory_failure"] = Problem.model_validate(error)
        else:
            found["missing"] = context.notes
            found["runs"] = tuple(
                RunReport(file=Path(run.subject).name, frames=run.n_frames, cut=run.cut) for run in runs
            )
            found |= _on_reading(
                runs, context, getattr(entry.trajectory_loader, "check", None), frames, material
            )
    report = MaterialReport(name=entry.name, source=entry.source, **found)
    write_material(store, report, material, context, runs)
    return report


def _recorded(load: Callable[[], Trajectory]) -> tuple[RunContext, Sequence[Run]]:
    """The runs of a trajectory and what they belong to, whatever frames are chosen."""
    if not isinstance(load, RunsLoader):
        trajectory = load()
        return RunContext(trajectory.source, trajectory.source), runs_of(trajectory)
    recorder = RunRecorder()
    return load.collect(recorder), recorder.runs


def _on_reading(
    runs: Sequence[Run],
    context: RunContext,
    check: TrajectoryCheck | None,
    chosen: FrameChoice,
    material: Material | None,
) -> dict[str, object]:
    """What reading the trajectory gives, found now rather than in the study: complaints, or digests."""
    digests: dict[str, str] = {}
    for frames in dict.fromkeys((ALL_FRAMES, chosen)):
        again = RunsLoader(partial(_replay, runs, context), frames, check)
        try:
            trajectory = again()
            if found := doubts(trajectory_figures(trajectory, material)):
                return {"findings": tuple(f"{context.subject}: {doubt.said}" for doubt in found)}
            digests[frames.mark] = trajectory.digest
        except InputDataError as error:
            if frames == ALL_FRAMES:
                return {"findings": (str(error),)}
            # no run is longer than what is skipped, which problem_counts tells
    return {"digests": digests}


def _replay(runs: Sequence[Run], context: RunContext, collector: FrameCollector) -> RunContext:
    for run in runs:
        run.replay(collector)
    return context


def _check_place(dataset: Dataset, store: Path, earlier: Manifest | None) -> None:
    if store.exists() and not store.is_dir():
        raise SettingsError(str(store), "it is a file", "give a folder for the store")
    if earlier is not None and earlier.kind != dataset.kind.name:
        raise SettingsError(str(store), f"it is a store of {earlier.kind}", "give a folder of its own")
    if dataset.path is None or not store.is_dir() or is_store(store):
        return
    inside = dataset.path.resolve() == store.resolve()
    recognises = dataset.kind.recognises
    if inside or (recognises is not None and recognises(store)):
        raise SettingsError(
            str(store), f"it holds materials of a dataset {dataset.kind.name}", "give a folder of its own"
        )


def _earlier(store: Path) -> Manifest | None:
    """What a store held before; None where that cannot be said, and everything is read again."""
    try:
        return read_manifest(store)
    except InputDataError:
        return None


def _known(store: Path, entry: MaterialEntry, stamps: Mapping[str, Stamp | None]) -> MaterialReport | None:
    """What was found before, unless the files have changed or something could not be read."""
    name = entry.name
    if name in stamps and stamps[name] != file_stamp(material_path(store, name)):
        return None  # somebody else has changed the file
    report = read_report(store, name)
    if report is None or report.format != FORMAT or report.failed or report.source != entry.source:
        return None
    return report


def _read_all(
    entries: Sequence[MaterialEntry],
    read: Callable[[MaterialEntry], MaterialReport],
    store: Path,
    workers: int,
) -> Iterator[MaterialReport]:
    if workers <= 1 or len(entries) < 2:
        yield from map(read, entries)
        return
    pool = process_pool(min(workers, len(entries)))
    try:
        for future in as_completed([pool.submit(read, entry) for entry in entries]):
            yield future.result()
    except BrokenProcessPool as error:
        raise WorkerDiedError(
            str(store),
            "a process that read the data died (killed, or out of memory)",
            "run the same command again to go on, with fewer workers if memory is short",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
