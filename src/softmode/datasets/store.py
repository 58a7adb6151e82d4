"""A dataset read once: one HDF5 file for each material, and a manifest that lists them.

Nothing is lost: crystals, forces and force constants are kept as double precision, runs as their files state
them (:mod:`softmode.datasets.runs`). Which frames are taken is decided on reading.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import h5py
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from softmode.crystal import (
    Cell,
    DisplacementForces,
    ForceConstants,
    Material,
    NonAnalyticalCorrection,
    Trajectory,
)
from softmode.crystal.arrays import array_digest
from softmode.datasets.base import Dataset, DatasetKind, DatasetOptions, MaterialEntry
from softmode.datasets.hdf5 import read_object, write_object
from softmode.datasets.limits import open_hdf5
from softmode.datasets.reading import reading
from softmode.datasets.runs import Run
from softmode.datasets.trajectory_frames import FrameCollector
from softmode.datasets.trajectory_source import ALL_FRAMES, FrameOptions, RunContext, RunsLoader
from softmode.errors import InputDataError, SettingsError
from softmode.files import Stamp, file_stamp, write_atomically

#: Raised when what is written changes: files of another version are made again.
FORMAT = 2
MANIFEST = "store.json"
_MATERIALS = "materials"
_TYPES = (Material, Cell, ForceConstants, DisplacementForces, NonAnalyticalCorrection, RunContext, Run)
#: Options that act on reading; all others are those the store was made with.
_ON_READING = tuple(FrameOptions.model_fields)
_DAMAGED = "the file of the store is damaged"
_AGAIN = "delete it and run softmode ingest again"


class Problem(BaseModel):
    """An error as it was raised when the material was read."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    subject: str
    problem: str
    remedy: str

    def raise_again(self, *_: object) -> NoReturn:
        """Raise it."""
        raise self.error

    @property
    def error(self) -> InputDataError:
        """The error."""
        return InputDataError(self.subject, self.problem, self.remedy)


class RunReport(BaseModel):
    """A run that was read: its file, how many whole frames it has, and why it ends too early."""

    model_config = ConfigDict(frozen=True)

    file: str
    frames: int
    cut: str = ""


class MaterialReport(BaseModel):
    """What was found of a material.

    Attributes
    ----------
    name : str
        Its name.
    format : int
        Version of the file.
    source : str
        Identity of the files it was made from.
    has_trajectory : bool
        Whether it has one, readable or not.
    runs : tuple of RunReport
        Its runs.
    missing : tuple of str
        What is to be said about runs that should be there and are not.
    findings : tuple of str
        What is wrong with its trajectory, though it could be read.
    failure, trajectory_failure : Problem or None
        Why there is no material; why there are no frames.
    tags : dict
        What is known of it besides its files.
    digests : dict of str to str
        Content digests of its trajectory by choice of frames
        (:attr:`~softmode.datasets.trajectory_source.FrameChoice.mark`), as reading it gives.
    stamp : (int, int) or None
        Of its file when the manifest was written; the digests hold as long as that is so.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    format: int = FORMAT
    source: str
    has_trajectory: bool = False
    runs: tuple[RunReport, ...] = ()
    missing: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    failure: Problem | None = None
    trajectory_failure: Problem | None = None
    tags: dict[str, str] = {}
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
    kind : str
        Kind of dataset.
    made_from : str
        Where it was.
    options : dict
        Options it was read with.
    materials : tuple of MaterialReport
        In natural order of names.
    """

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    kind: str
    made_from: str
    options: dict[str, JsonValue] = {}
    materials: tuple[MaterialReport, ...]

    @property
    def frames(self) -> dict[str, JsonValue]:
        """Those of the options that act on reading."""
        return {name: value for name, value in self.options.items() if name in _ON_READING}


def material_path(store: Path, name: str) -> Path:
    """File of a material."""
    return store / _MATERIALS / f"{name}.h5"


def is_store(path: Path) -> bool:
    """Whether a folder is a store, finished or not."""
    manifests = (path / name for name in (MANIFEST, "hdp_store.json"))
    return any(found.is_file() for found in (*manifests, *(path / _MATERIALS).glob("*.h5")))


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
        if (store / "hdp_store.json").is_file():
            raise InputDataError(
                str(store), "an earlier softmode made this store", "run softmode ingest again"
            )
        raise InputDataError(
            str(store), "ingesting was interrupted", "run the same softmode ingest again: it goes on"
        )
    with reading(str(path), _DAMAGED, "run softmode ingest again"):
        content = json.loads(path.read_bytes())
        found = int(content.get("format", FORMAT))
    if found != FORMAT:
        raise InputDataError(
            str(path),
            f"this store has format {found}, this softmode reads {FORMAT}",
            "run softmode ingest again",
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise InputDataError(str(path), _DAMAGED, "run softmode ingest again") from error


def open_store(kind: DatasetKind, store: Path, options: Mapping[str, Any]) -> Dataset:
    """A store as the dataset it was made from.

    Parameters
    ----------
    kind : DatasetKind
        Its kind.
    store : Path
        Its folder.
    options : mapping
        What is to be different on reading: which frames are taken.

    Raises
    ------
    SettingsError
        If the store is of another kind, or an option does not act on reading.
    InputDataError
        If ingesting was not finished, or the store is of another version.
    """
    manifest = read_manifest(store)
    if manifest.kind != kind.name:
        raise SettingsError(
            str(store), f"it was made from a dataset {manifest.kind}", f'set kind = "{manifest.kind}"'
        )
    kind.options.create(kind.name, options)
    fixed = [name for name in options if name not in _ON_READING]
    if fixed:
        raise SettingsError(
            f"option {fixed[0]}",
            "a store keeps the labels it was made with, and all options but those of frames",
            "leave it away, or run softmode ingest again with it",
        )
    chosen = kind.options.create(kind.name, {**manifest.frames, **options})
    return Dataset(replace(kind, entries=partial(_entries, manifest, kind)), store, chosen)


def _entries(
    manifest: Manifest, kind: DatasetKind, store: Path, options: DatasetOptions
) -> list[MaterialEntry]:
    """Materials of a store."""
    return [_entry(store, report, options, kind) for report in manifest.materials]


def _entry(store: Path, report: MaterialReport, options: DatasetOptions, kind: DatasetKind) -> MaterialEntry:
    path = material_path(store, report.name)
    frames = options.frames if isinstance(options, FrameOptions) else ALL_FRAMES
    loader: Callable[[], Material] = partial(load, path)
    trajectory_loader: Callable[[], Trajectory] | None = None
    if report.failure is not None:
        loader = report.failure.raise_again
    if report.has_trajectory:
        trajectory_loader = RunsLoader(partial(collect, path), frames, kind.check_trajectory)
        if report.trajectory_failure is not None:
            trajectory_loader = report.trajectory_failure.raise_again
    stamp = file_stamp(path)
    return MaterialEntry(
        name=report.name,
        source=array_digest(report.model_dump_json(exclude={"stamp"}), str(stamp)),
        loader=loader,
        trajectory_loader=trajectory_loader,
        trajectory_digest=report.digests.get(frames.mark, "") if stamp and stamp == report.stamp else "",
        tags=report.tags,
        choice=frames.mark,
        place=f"{store}, {report.name}",
    )


def write_material(
    store: Path,
    report: MaterialReport,
    material: Material | None,
    context: RunContext | None,
    runs: Sequence[Run],
) -> None:
    """Write the file of a material, whole or not at all: what could be read, and what its runs belong to.

    Raises
    ------
    StorageError
        If it cannot be written.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["report"] = report.model_dump_json()
        for name, part in (("material", material), ("context", context)):
            if part is not None:
                write_object(file.create_group(name), part)
        for index, run in enumerate(runs):
            write_object(file.create_group(f"runs/{index}"), run)
    write_atomically(material_path(store, report.name), buffer.getvalue())


def read_report(store: Path, name: str) -> MaterialReport | None:
    """What an earlier run found of a material; None if there is nothing usable."""
    path = material_path(store, name)
    if not path.is_file():
        return None
    try:
        with h5py.File(path, "r") as file:
            return MaterialReport.model_validate_json(file.attrs["report"])
    except (OSError, RuntimeError, KeyError, ValueError, OverflowError):
        return None  # damaged or of another version: it is made again


def load(path: Path) -> Material:
    """Read a material.

    Raises
    ------
    InputDataError
        If its file is missing or damaged.
    """
    with reading(str(path), _DAMAGED, _AGAIN), open_hdf5(path, str(path)) as file:
        material: Material = read_object(file["material"], _TYPES)
    return material


def collect(path: Path, collector: FrameCollector) -> RunContext:
    """Hand over the frames of a material's runs.

    Raises
    ------
    InputDataError
        If its file is missing or damaged, or frames do not belong together.
    """
    with reading(str(path), _DAMAGED, _AGAIN), open_hdf5(path, str(path)) as file:
        runs: list[Run] = [read_object(file[f"runs/{index}"], _TYPES) for index in range(len(file["runs"]))]
        context: RunContext = read_object(file["context"], _TYPES)
    for run in runs:
        run.replay(collector)
    return context
