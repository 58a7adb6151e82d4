"""An ingested tree of halide double perovskites: one HDF5 file a compound, and a manifest that lists them.

Nothing is lost: crystals and force constants are kept as double precision, runs as their files state them
(:mod:`softmode.datasets.hdp_runs`). Which frames are taken is decided on reading.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import h5py
from pydantic import BaseModel, ConfigDict, ValidationError

from softmode.crystal import Cell, ForceConstants, Material, Trajectory
from softmode.crystal.arrays import array_digest
from softmode.datasets.base import MaterialEntry, natural_key
from softmode.datasets.hdp_compound import finish_trajectory, with_labels
from softmode.datasets.hdp_runs import FILTERS, Run, read_runs, write_runs
from softmode.datasets.reading import reading
from softmode.datasets.trajectory_frames import FrameCollector
from softmode.datasets.trajectory_source import FrameChoice
from softmode.errors import InputDataError
from softmode.files import Stamp, file_stamp, write_atomically

#: Raised when what is written changes: files of another version are made again.
FORMAT = 1
MANIFEST = "hdp_store.json"
_DAMAGED = "the file of the store is damaged"
_AGAIN = "delete it and run softmode ingest again"


class Problem(BaseModel):
    """An error as it was raised when the compound was read."""

    model_config = ConfigDict(frozen=True)

    subject: str
    problem: str
    remedy: str

    @classmethod
    def of(cls, error: InputDataError) -> Problem:
        """What an error says."""
        return cls(subject=error.subject, problem=error.problem, remedy=error.remedy)

    def raise_again(self, *_: object) -> NoReturn:
        """Raise it.

        Raises
        ------
        InputDataError
            Always.
        """
        raise InputDataError(self.subject, self.problem, self.remedy)


class RunReport(BaseModel):
    """A run that was read: its file, how many whole frames it has, and why it ends too early."""

    model_config = ConfigDict(frozen=True)

    file: str
    frames: int
    cut: str = ""


class CompoundReport(BaseModel):
    """What was found of a compound.

    Attributes
    ----------
    uid : str
        Its name.
    format : int
        Version of the file.
    source, source_fingerprint : str
        Folder or archive it was made from, and the identity of its files.
    runs, run_names, run_notes : tuple of RunReport, str, tuple of str
        Its runs, how messages name them, and what is to be said about those that are missing.
    has_trajectory : bool
        Whether it has runs, readable or not.
    missing : tuple of str
        What it lacks but can do without.
    findings : tuple of str
        What is wrong with its trajectory, though it could be read.
    failure, trajectory_failure : Problem or None
        Why there is no material; why there are no frames.
    labels, label_problem : dict, str
        What the database says of it, and what is wrong with that.
    digests : dict of str to str
        Content digests of its trajectory by choice of frames (:attr:`FrameChoice.mark`), as reading it gives.
    stamp : (int, int) or None
        Of its file when the manifest was written; the digests hold as long as that is so.
    """

    model_config = ConfigDict(frozen=True)

    uid: str
    format: int = FORMAT
    source: str
    source_fingerprint: str
    runs: tuple[RunReport, ...] = ()
    run_names: str = ""
    run_notes: tuple[str, ...] = ()
    has_trajectory: bool = False
    missing: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    failure: Problem | None = None
    trajectory_failure: Problem | None = None
    labels: dict[str, str] = {}
    label_problem: str = ""
    digests: dict[str, str] = {}
    stamp: Stamp | None = None

    @property
    def failed(self) -> bool:
        """Whether something could not be read."""
        return self.failure is not None or self.trajectory_failure is not None


class Manifest(BaseModel):
    """What a store holds.

    Attributes
    ----------
    format : int
        Version of the store.
    tree : str
        What it was made from.
    compounds : tuple of CompoundReport
        In natural order of names.
    """

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    tree: str
    compounds: tuple[CompoundReport, ...]


def compound_path(store: Path, uid: str) -> Path:
    """File of a compound."""
    return store / "compounds" / f"{uid}.h5"


def is_store(path: Path) -> bool:
    """Whether a folder is an ingested tree, finished or not."""
    return (path / MANIFEST).is_file() or (path / "compounds").is_dir()


def write_manifest(store: Path, manifest: Manifest) -> None:
    """Write the manifest, whole or not at all.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    write_atomically(store / MANIFEST, manifest.model_dump_json(indent=1, exclude_defaults=True).encode())


def read_manifest(store: Path) -> Manifest:
    """The manifest of a store.

    Raises
    ------
    InputDataError
        If ingesting was not finished, or the store is of another version.
    """
    path = store / MANIFEST
    if not path.is_file():
        raise InputDataError(
            str(store), "ingesting was interrupted", "run the same softmode ingest again: it goes on"
        )
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputDataError(str(path), _DAMAGED, "run softmode ingest again") from error
    if manifest.format != FORMAT:
        raise InputDataError(
            str(path),
            f"this store has format {manifest.format}, this softmode reads {FORMAT}",
            "run softmode ingest again",
        )
    return manifest


def write_compound(
    store: Path,
    report: CompoundReport,
    material: Material | None,
    supercell: Cell | None,
    runs: Sequence[Run],
) -> None:
    """Write the file of a compound, whole or not at all.

    Parameters
    ----------
    store : Path
        Folder of the store.
    report : CompoundReport
        What was found, without labels.
    material : Material or None
        Without labels.
    supercell : Cell or None
        In phonopy's order.
    runs : sequence of Run
        As their files state them.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["report"] = report.model_dump_json()
        if supercell is not None:
            _write_cell(file.create_group("supercell"), supercell)
        if material is not None:
            _write_material(file.create_group("material"), material)
        write_runs(file.create_group("runs"), runs)
    write_atomically(compound_path(store, report.uid), buffer.getvalue())


def read_report(store: Path, uid: str) -> CompoundReport | None:
    """What an earlier run found of a compound; None if there is nothing usable."""
    path = compound_path(store, uid)
    if not path.is_file():
        return None
    try:
        with h5py.File(path, "r") as file:
            return CompoundReport.model_validate_json(file.attrs["report"])
    except (OSError, KeyError, ValidationError):
        return None  # damaged or of another version: it is made again


def entries(store: Path, frames: FrameChoice) -> list[MaterialEntry]:
    """All compounds of a store.

    Raises
    ------
    InputDataError
        If ingesting was not finished, or the store is of another version.
    """
    found = sorted(read_manifest(store).compounds, key=lambda report: natural_key(report.uid))
    return [_entry(store, report, frames) for report in found]


def _entry(store: Path, report: CompoundReport, frames: FrameChoice) -> MaterialEntry:
    path = compound_path(store, report.uid)
    loader: Callable[[], Material] = partial(load, path, report)
    trajectory_loader: Callable[[], Trajectory] | None = None
    if report.failure is not None:
        loader = report.failure.raise_again
    if report.has_trajectory:
        trajectory_loader = partial(load_trajectory, path, report, frames)
        if report.trajectory_failure is not None:
            trajectory_loader = report.trajectory_failure.raise_again
    stamp = file_stamp(path)
    identity = array_digest(report.model_dump_json(exclude={"stamp"}), str(stamp), frames.mark)
    known = report.digests.get(frames.mark, "") if stamp is not None and stamp == report.stamp else ""
    return MaterialEntry(report.uid, identity, loader, trajectory_loader, known)


def load(path: Path, report: CompoundReport) -> Material:
    """Read the material of a compound.

    Raises
    ------
    InputDataError
        If its file is missing or damaged.
    """
    with reading(str(path), _DAMAGED, _AGAIN), h5py.File(path, "r") as file:
        material = _read_material(report.uid, file["material"])
    return with_labels(material, tuple(report.labels.items()), (*report.missing, report.label_problem))


def load_trajectory(path: Path, report: CompoundReport, frames: FrameChoice) -> Trajectory:
    """Read the trajectory of a compound, in phonopy's supercell order.

    Raises
    ------
    InputDataError
        If its file is missing or damaged, no frame is left, or forces do not go with the crystal.
    """
    with reading(str(path), _DAMAGED, _AGAIN), h5py.File(path, "r") as file:
        runs = read_runs(file["runs"])
        supercell = _read_cell(file["supercell"])
        constants = None
        if "material" in file:
            constants = ForceConstants(file["material/force_constants"][...])
    collector = FrameCollector(frames.skip, frames.every)
    for run in runs:
        run.replay(collector)
    return finish_trajectory(
        collector, report.run_names, supercell, constants, report.source, report.run_notes
    )


def _write_cell(group: h5py.Group, cell: Cell) -> None:
    for name in ("lattice", "scaled_positions", "numbers", "masses"):
        group[name] = getattr(cell, name)


def _read_cell(group: h5py.Group) -> Cell:
    return Cell(*(group[name][...] for name in ("lattice", "scaled_positions", "numbers", "masses")))


def _write_material(group: h5py.Group, material: Material) -> None:
    assert isinstance(material.reference, ForceConstants)
    group.attrs["formula"] = material.formula
    group.attrs["tags"] = json.dumps(dict(material.tags))
    _write_cell(group.create_group("unitcell"), material.unitcell)
    group["supercell_matrix"] = material.supercell_matrix
    group["primitive_matrix"] = material.primitive_matrix
    values = material.reference.values
    group.create_dataset("force_constants", data=values, chunks=values.shape, **FILTERS)


def _read_material(uid: str, group: h5py.Group) -> Material:
    return Material(
        name=uid,
        formula=str(group.attrs["formula"]),
        unitcell=_read_cell(group["unitcell"]),
        supercell_matrix=group["supercell_matrix"][...],
        primitive_matrix=group["primitive_matrix"][...],
        reference=ForceConstants(group["force_constants"][...]),
        tags=json.loads(group.attrs["tags"]),
    )
