"""From the raw tree of the halide double perovskite database to a compact store, once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from pathlib import Path

from softmode.crystal import Cell, ForceConstants, Material
from softmode.datasets.hdp_compound import EQUILIBRATION, Compound, OpenCompound, finish_trajectory
from softmode.datasets.hdp_labels import LabelTable, read_labels
from softmode.datasets.hdp_runs import Run, RunRecorder
from softmode.datasets.hdp_store import (
    FORMAT,
    CompoundReport,
    Manifest,
    Problem,
    RunReport,
    compound_path,
    is_store,
    read_manifest,
    read_report,
    write_compound,
    write_manifest,
)
from softmode.datasets.hdp_tree import (
    find_compounds,
    find_database,
    has_runs,
    source_fingerprint,
)
from softmode.datasets.trajectory_frames import FrameCollector
from softmode.datasets.trajectory_source import ALL_FRAMES, FrameChoice
from softmode.errors import InputDataError, SettingsError, WorkerDiedError
from softmode.files import Stamp, file_stamp


def ingest(
    tree: Path,
    store: Path,
    *,
    database: Path | None = None,
    workers: int = 1,
    begin: Callable[[int, int], None] = lambda left, total: None,
    advance: Callable[[CompoundReport], None] = lambda report: None,
) -> Manifest:
    """Read a raw tree into a store; what an earlier call finished is not read again.

    A compound is read again when its files have changed, or something in it could not be read. A killed
    process loses at most the compounds it was reading. The labels of the database are read every time.

    Parameters
    ----------
    tree : Path
        The raw tree, or a part of it.
    store : Path
        Folder of the store; made if needed.
    database : Path, optional
        The ASE database; looked for in and above the tree when not given.
    workers : int
        Processes that read at the same time; 1 reads in this one.
    begin : callable
        Called with the number of compounds to be read, and of all.
    advance : callable
        Called with what was found of each compound that was read.

    Returns
    -------
    Manifest
        What the store holds now; also in its file ``hdp_store.json``.

    Raises
    ------
    SettingsError
        If the tree is a store itself, or the store lies where it cannot.
    InputDataError
        If no compound is found.
    StorageError
        If the store cannot be written; what was finished is kept.
    WorkerDiedError
        If a process was killed; the same.
    """
    _check_places(tree, store)
    compounds = find_compounds(tree)
    if not compounds:
        raise InputDataError(
            str(tree),
            "no compound is in it",
            "point to the folder with fluorides/, chlorides/, … or to one of these",
        )
    stamps = _stamps(store)
    reports = {uid: _known(store, uid, paths, stamps) for uid, paths in compounds.items()}
    left = [Compound(uid, compounds[uid]) for uid, report in reports.items() if report is None]
    begin(len(left), len(compounds))
    for report in _read_all(left, store, workers):
        reports[report.uid] = report
        advance(report)
    labels = read_labels(database if database is not None else find_database(tree))
    found = tuple(
        _with_labels(report, labels).model_copy(
            update={"stamp": file_stamp(compound_path(store, report.uid))}
        )
        for report in reports.values()
        if report is not None
    )
    manifest = Manifest(tree=str(tree), compounds=found)
    write_manifest(store, manifest)
    return manifest


def problem_counts(manifest: Manifest) -> dict[str, int]:
    """How many compounds have what kind of problem, for a summary; none are left out."""
    counts: Counter[str] = Counter()
    for report in manifest.compounds:
        counts["material cannot be read"] += report.failure is not None
        counts["trajectory cannot be read"] += report.trajectory_failure is not None
        counts["no MD run"] += report.failure is None and not report.has_trajectory
        counts["a run is missing"] += report.has_trajectory and bool(report.missing)
        counts["a run is cut short"] += any(run.cut for run in report.runs)
        counts[f"a run has no more than {EQUILIBRATION} frames"] += any(
            run.frames <= EQUILIBRATION for run in report.runs
        )
        counts["trajectory does not go with the crystal"] += bool(report.findings)
        counts["labels missing or ambiguous"] += bool(report.label_problem)
    return {name: count for name, count in counts.items() if count}


def read_compound(compound: Compound, store: Path) -> CompoundReport:
    """Read a compound and write its file.

    Parameters
    ----------
    compound : Compound
        The compound.
    store : Path
        Folder of the store.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    report = CompoundReport(
        uid=compound.uid,
        source=", ".join(str(path) for path in compound.paths),
        source_fingerprint=source_fingerprint(compound.paths),
        has_trajectory=any(has_runs(path) for path in compound.paths),
    )
    material: Material | None = None
    supercell: Cell | None = None
    runs: Sequence[Run] = ()
    try:
        opened = compound.open(with_runs=True)
    except InputDataError as error:
        problem = Problem.of(error)
        report = report.model_copy(
            update={
                "failure": problem,
                "trajectory_failure": problem if report.has_trajectory else None,
            }
        )
    else:
        report, material, supercell, runs = _contents(opened, report)
    write_compound(store, report, material, supercell, runs)
    return report


def _contents(
    opened: OpenCompound, report: CompoundReport
) -> tuple[CompoundReport, Material | None, Cell | None, Sequence[Run]]:
    content = opened.content
    found: dict[str, object] = {
        "missing": opened.problems,
        "has_trajectory": bool(content.runs),
        "run_names": opened.run_names,
        "run_notes": content.run_notes,
    }
    material: Material | None = None
    supercell: Cell | None = None
    runs: tuple[Run, ...] = ()
    try:
        material = opened.material()
    except InputDataError as error:
        found["failure"] = Problem.of(error)
    if content.runs:
        try:
            recorder = RunRecorder()
            opened.collect(recorder)
            supercell = opened.crystal.supercell
            constants = opened.force_constants if "force_constants.hdf5" in content.files.names else None
        except InputDataError as error:
            found["trajectory_failure"] = Problem.of(error)
        else:
            runs = tuple(recorder.runs)
            found["runs"] = tuple(
                RunReport(file=Path(run.subject).name, frames=run.n_frames, cut=run.cut) for run in runs
            )
            found |= _on_reading(runs, opened.run_names, supercell, constants, report.source)
    return report.model_copy(update=found), material, supercell, runs


def _on_reading(
    runs: Sequence[Run], run_names: str, supercell: Cell, constants: ForceConstants | None, source: str
) -> dict[str, object]:
    """What reading the trajectory gives, found now rather than in the study: complaints, or digests."""
    digests: dict[str, str] = {}
    for frames in (ALL_FRAMES, FrameChoice(skip=EQUILIBRATION)):
        collector = FrameCollector(frames.skip, frames.every)
        try:
            for run in runs:
                run.replay(collector)
            trajectory = finish_trajectory(collector, run_names, supercell, constants, source, ())
        except InputDataError as error:
            if frames == ALL_FRAMES:
                return {"findings": (str(error),)}
            continue  # no run is longer than its equilibration, which problem_counts tells
        digests[frames.mark] = trajectory.digest
    return {"digests": digests}


def _check_places(tree: Path, store: Path) -> None:
    if is_store(tree):
        raise SettingsError(str(tree), "it is a store already", "give the raw tree it was made from")
    if store.exists() and not store.is_dir():
        raise SettingsError(str(store), "it is a file", "give a folder for the store")
    if store.is_dir() and find_compounds(store):
        raise SettingsError(str(store), "it holds compounds of a raw tree", "give a folder of its own")


def _stamps(store: Path) -> dict[str, Stamp]:
    """Stamps of the files of a store when its manifest was written; empty where there is none."""
    try:
        compounds = read_manifest(store).compounds
    except InputDataError:
        return {}
    return {report.uid: report.stamp for report in compounds if report.stamp is not None}


def _known(
    store: Path, uid: str, paths: tuple[Path, ...], stamps: Mapping[str, Stamp]
) -> CompoundReport | None:
    """What was found before, unless the files have changed or something could not be read."""
    if uid in stamps and stamps[uid] != file_stamp(compound_path(store, uid)):
        return None  # somebody else has changed the file
    report = read_report(store, uid)
    if report is None or report.format != FORMAT or report.failed:
        return None
    return report if report.source_fingerprint == source_fingerprint(paths) else None


def _with_labels(report: CompoundReport, labels: LabelTable) -> CompoundReport:
    return report.model_copy(
        update={"labels": labels.tags(report.uid), "label_problem": labels.problem(report.uid)}
    )


def _read_all(compounds: Sequence[Compound], store: Path, workers: int) -> Iterator[CompoundReport]:
    if workers <= 1 or len(compounds) < 2:
        for compound in compounds:
            yield read_compound(compound, store)
        return
    pool = ProcessPoolExecutor(
        min(workers, len(compounds)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_prepare_process,
    )
    try:
        futures = [pool.submit(read_compound, compound, store) for compound in compounds]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise WorkerDiedError(
            str(store),
            "a process that read the tree died (killed, or out of memory)",
            "run the same command again to go on, with fewer workers if memory is short",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare_process() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    parent = multiprocessing.parent_process()
    if parent is not None:

        def leave_with_parent() -> None:
            wait([parent.sentinel])
            os._exit(1)  # files are written whole or not at all

        threading.Thread(target=leave_with_parent, daemon=True).start()
