"""The halide double perovskite database: crystals, force constants and MD runs of its raw tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import Field, FilePath, StrictInt

from softmode.crystal import ForceConstants, Material, Trajectory
from softmode.datasets.assemble import (
    CrystalFiles,
    FileForceConstants,
    assemble,
    matched_supercell,
    supercell_matrix_between,
    supercell_of,
)
from softmode.datasets.base import DatasetKind, MaterialEntry
from softmode.datasets.formats import parse_poscar, read_force_constants_hdf5
from softmode.datasets.hdp_labels import LabelTable, read_labels
from softmode.datasets.hdp_tree import (
    find_compounds,
    find_database,
    has_runs,
    md_runs,
    missing_runs,
    open_compound,
    source_fingerprint,
)
from softmode.datasets.hdp_units import check_force_constants, check_trajectory
from softmode.datasets.reading import Files
from softmode.datasets.remote import Remote, dataverse_files
from softmode.datasets.trajectory_frames import FrameCollector
from softmode.datasets.trajectory_source import (
    FrameChoice,
    FrameOptions,
    NoTrajectoryError,
    RunContext,
    RunsLoader,
)
from softmode.datasets.vasprun import read_vasprun
from softmode.downloads import RemoteFile
from softmode.errors import InputDataError, SettingsError

LEVEL_OF_THEORY = "PBE (VASP, PAW), 10.1021/acs.chemmater.2c01779"
#: Equilibration at the start of each run, frames.
EQUILIBRATION = 100
_CONSTANTS = "force_constants.hdf5"


class HDPOptions(FrameOptions):
    """Options of the raw tree."""

    skip: StrictInt = Field(
        default=EQUILIBRATION,
        ge=0,
        description=f"frames dropped at the start of each run (default {EQUILIBRATION}: equilibration)",
    )
    database: FilePath | None = Field(
        default=None,
        description="the ASE database of labels (default: double_halide_pv.db in or above the tree)",
    )


def entries(path: Path, options: HDPOptions) -> list[MaterialEntry]:
    """All compounds of the raw tree, of a part of it, or one.

    Raises
    ------
    InputDataError
        If there is none.
    """
    compounds = find_compounds(path)
    if not compounds:
        raise InputDataError(
            str(path),
            "no compound of the database is in it",
            "point to the folder with fluorides/, chlorides/, …, to one of these, or to a store",
        )
    labels = read_labels(options.database or find_database(path))
    return [_entry(uid, paths, labels, options.frames) for uid, paths in compounds.items()]


def _entry(uid: str, paths: tuple[Path, ...], labels: LabelTable, frames: FrameChoice) -> MaterialEntry:
    runs = RunsLoader(partial(collect, uid, paths), frames, check_units)
    return MaterialEntry(
        name=uid,
        source=source_fingerprint(paths),
        loader=partial(load, uid, paths),
        trajectory_loader=runs if any(has_runs(path) for path in paths) else None,
        tags=labels.tags(uid),
        choice=frames.mark,
        place=str(paths[0]),
    )


def _crystal(files: Files) -> CrystalFiles:
    """From CONTCAR and SPOSCAR, with force constants where they are there."""
    unitcell = parse_poscar(files.text("CONTCAR"), files.subject("CONTCAR"))
    subject, constants = files.subject("SPOSCAR"), files.subject(_CONSTANTS)
    supercell = parse_poscar(files.text("SPOSCAR"), subject)
    reference = None
    if _CONSTANTS in files.names:
        reference = FileForceConstants(*read_force_constants_hdf5(files.data(_CONSTANTS), constants))
    return CrystalFiles(
        unitcell=unitcell,
        supercell_matrix=supercell_matrix_between(unitcell, supercell, subject),
        primitive_matrix=np.eye(3),
        supercell=supercell,
        reference=reference,
        supercell_source=subject,
        reference_source=constants,
    )


def _material(uid: str, files: Files, crystal: CrystalFiles) -> tuple[Material, ForceConstants]:
    """The material and its force constants, their unit checked."""
    files.require(_CONSTANTS)
    material = assemble(uid, files.source, crystal, {"level_of_theory": LEVEL_OF_THEORY})
    assert isinstance(material.reference, ForceConstants)
    check_force_constants(material.reference, files.subject(_CONSTANTS))
    return material, material.reference


def load(uid: str, paths: tuple[Path, ...]) -> Material:
    """Read the material of a compound; what is missing of its runs is in its tag ``problems``.

    Parameters
    ----------
    uid : str
        Its name, ``dpv_<formula>``.
    paths : tuple of Path
        Its folder or archive; several are one too many.

    Raises
    ------
    InputDataError
        If something is missing, damaged, inconsistent or in another unit; the file is named.
    """
    files = open_compound(uid, paths, with_runs=False)
    material, _ = _material(uid, files, _crystal(files))
    missing = missing_runs(files.names)
    return replace(material, tags={**material.tags, "problems": "; ".join(missing)}) if missing else material


def collect(uid: str, paths: tuple[Path, ...], collector: FrameCollector) -> RunContext:
    """Hand over the frames of all runs of a compound.

    Raises
    ------
    NoTrajectoryError
        If there is no run.
    InputDataError
        If a run is damaged other than by being cut short, or the crystal is.
    """
    files = open_compound(uid, paths, with_runs=True)
    runs = md_runs(files.names).values()
    if not runs:
        raise NoTrajectoryError(files.source, "it has no MD run", "add MD/vasprun_prod_1.xml and _2.xml")
    for run in runs:
        read_vasprun(files.stream(run), collector)
    crystal, constants = _crystal(files), None
    if crystal.reference is None:
        supercell, _ = matched_supercell(crystal)
    else:
        material, constants = _material(uid, files, crystal)
        supercell = supercell_of(material)
    return RunContext(
        runs=f"{uid}: {', '.join(Path(run).name for run in runs)}",
        subject=f"{files.source}/MD",
        supercell=supercell,
        notes=tuple(f"{files.source}: {problem}" for problem in missing_runs(files.names)),
        force_constants=constants,
    )


def check_units(trajectory: Trajectory, context: RunContext) -> tuple[str, ...]:
    """Refuse a trajectory in units that thermal motion rules out; notes on one that is unusual.

    Raises
    ------
    InputDataError
        With the units that forces or force constants may be in.
    """
    assert context.supercell is not None
    rest = context.supercell.scaled_positions @ context.supercell.lattice
    return check_trajectory(trajectory, rest, context.force_constants, context.subject)


def remote_files(dois: Sequence[str] | None, server: str | None = None) -> list[RemoteFile]:
    """Files of the database on its Dataverse.

    Raises
    ------
    SettingsError
        If no DOI, or several, are given.
    """
    if not dois or len(dois) > 1:
        raise SettingsError(
            "DOI", f"{len(dois or ())} are given", "give the one of the database (10.7910/DVN/…)"
        )
    return dataverse_files(dois[0], server)


HDP = DatasetKind(
    name="hdp",
    title="Halide double perovskites at room temperature",
    holds="force constants and MD runs at 300 K of some 2,000 cubic A2BB'X6: the raw tree (folders or "
    "archives dpv_<formula>)",
    citation="J. Yang and S. Li, Chem. Mater. (2022), 10.1021/acs.chemmater.2c01779; Harvard Dataverse",
    licence="as stated on Harvard Dataverse",
    entries=entries,
    options=HDPOptions,
    recognises=lambda path: bool(find_compounds(path)),
    remote=Remote(remote_files, "the DOI of the database (10.7910/DVN/…)", all_at_once=False),
    check_trajectory=check_units,
)
