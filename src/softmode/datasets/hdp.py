"""The halide double perovskite database: its raw tree, or the store it was ingested into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from softmode.crystal import Trajectory
from softmode.crystal.arrays import array_digest
from softmode.datasets import hdp_store
from softmode.datasets.base import DatasetInfo, MaterialEntry
from softmode.datasets.hdp_compound import EQUILIBRATION, Compound, load, load_trajectory
from softmode.datasets.hdp_labels import LabelTable, read_labels
from softmode.datasets.hdp_tree import find_compounds, find_database, has_runs, source_fingerprint
from softmode.datasets.trajectory_source import FrameChoice
from softmode.errors import InputDataError, SettingsError

INFO = DatasetInfo(
    name="hdp",
    title="Halide double perovskites at room temperature",
    holds="force constants and MD runs at 300 K of some 2,000 cubic A2BB'X6: the raw tree (folders or "
    "archives dpv_<formula>), or the store made of it by softmode ingest",
    citation="J. Yang and S. Li, Chem. Mater. (2022), 10.1021/acs.chemmater.2c01779; Harvard Dataverse",
    licence="as stated on Harvard Dataverse",
    needs_path=True,
    options={
        "skip": f"frames dropped at the start of each run (default {EQUILIBRATION}: equilibration)",
        "every": "one frame in so many is kept of the others (default 1)",
        "database": "the ASE database of labels (default: double_halide_pv.db in or above the tree)",
    },
)


@dataclass(frozen=True)
class HalideDoublePerovskites:
    """The raw tree, a part of it, or a store.

    Parameters
    ----------
    path : Path
        The folder (or one archive).
    frames : FrameChoice
        Which frames of each run are taken.
    database : Path, optional
        The database of labels; of a raw tree only.
    """

    path: Path
    frames: FrameChoice = FrameChoice(skip=EQUILIBRATION)  # noqa: RUF009 - frozen
    database: Path | None = None

    @classmethod
    def create(
        cls, path: Path, skip: object = EQUILIBRATION, every: object = 1, database: object = None
    ) -> HalideDoublePerovskites:
        """From whatever a study file gives.

        Raises
        ------
        SettingsError
            If an option makes no sense, or the database is not there.
        """
        frames = FrameChoice.create(skip, every)
        if database is None:
            return cls(path, frames)
        if not isinstance(database, (str, Path)) or not Path(database).is_file():
            raise SettingsError(f"database = {database!r}", "there is no such file", "give an ASE database")
        if hdp_store.is_store(path):
            raise SettingsError(
                f"database = {database!r}",
                "a store keeps the labels it was made with",
                "run softmode ingest again with --database",
            )
        return cls(path, frames, Path(database))

    @property
    def info(self) -> DatasetInfo:
        """What this is."""
        return INFO

    def entries(self) -> Sequence[MaterialEntry]:
        """All compounds, listed without reading them, in natural order of names.

        Raises
        ------
        InputDataError
            If there is none, or ingesting the store was not finished.
        """
        if hdp_store.is_store(self.path):
            return hdp_store.entries(self.path, self.frames)
        compounds = find_compounds(self.path)
        if not compounds:
            raise InputDataError(
                str(self.path),
                "no compound of the database is in it",
                "point to the folder with fluorides/, chlorides/, …, to one of these, or to a store",
            )
        labels = read_labels(self.database or find_database(self.path))
        return [self._entry(Compound(uid, paths), labels) for uid, paths in compounds.items()]

    def _entry(self, compound: Compound, labels: LabelTable) -> MaterialEntry:
        tags, problem = tuple(labels.tags(compound.uid).items()), labels.problem(compound.uid)
        trajectory_loader: Callable[[], Trajectory] | None = None
        if any(has_runs(path) for path in compound.paths):
            trajectory_loader = partial(load_trajectory, compound, self.frames)
        return MaterialEntry(
            name=compound.uid,
            fingerprint=array_digest(source_fingerprint(compound.paths), tags, problem, self.frames.mark),
            loader=partial(load, compound, tags, problem),
            trajectory_loader=trajectory_loader,
        )
