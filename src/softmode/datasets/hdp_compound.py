"""One compound of the halide double perovskite database: its crystal, force constants and trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from softmode.crystal import Cell, ForceConstants, Material, Trajectory
from softmode.crystal.atom_order import map_atoms
from softmode.datasets.assemble import (
    make_material,
    order_force_constants,
    phonopy_primitive,
    phonopy_supercell,
    supercell_matrix_between,
)
from softmode.datasets.formats import from_phonopy, parse_poscar, read_force_constants_hdf5
from softmode.datasets.hdp_tree import CompoundFiles, only_source, open_compound
from softmode.datasets.hdp_units import check_force_constants, check_trajectory
from softmode.datasets.trajectory_alignment import align_trajectory
from softmode.datasets.trajectory_frames import FrameCollector
from softmode.datasets.trajectory_source import FrameChoice
from softmode.datasets.vasprun import read_vasprun
from softmode.errors import InputDataError

IntArray = NDArray[np.int64]

LEVEL_OF_THEORY = "DFT (VASP, PAW), 10.1021/acs.chemmater.2c01779"
#: Equilibration at the start of each run, frames.
EQUILIBRATION = 100
_PRIMITIVE = np.eye(3)


@dataclass(frozen=True)
class Crystal:
    """The crystal of a compound, from CONTCAR and SPOSCAR.

    Parameters
    ----------
    unitcell : Cell
        The primitive cell.
    supercell_matrix : (3, 3) int array
        phonopy's.
    supercell : Cell
        The supercell in phonopy's order.
    order : (n_atoms,) int array
        Index in SPOSCAR of each atom of `supercell`.
    """

    unitcell: Cell
    supercell_matrix: IntArray
    supercell: Cell
    order: IntArray


@dataclass(frozen=True)
class Compound:
    """A compound of the raw tree, read when asked for. Picklable.

    Parameters
    ----------
    uid : str
        Its name, ``dpv_<formula>``.
    paths : tuple of Path
        Its folder or archive; several are one too many.
    """

    uid: str
    paths: tuple[Path, ...]

    def open(self, *, with_runs: bool = False) -> OpenCompound:
        """Look at its files.

        Raises
        ------
        InputDataError
            If there are several sources, or an archive is damaged.
        """
        return OpenCompound(self.uid, open_compound(only_source(self.uid, self.paths), with_runs=with_runs))


@dataclass(frozen=True)
class OpenCompound:
    """The files of a compound, and what they say.

    Parameters
    ----------
    uid : str
        Its name.
    content : CompoundFiles
        Its files.
    """

    uid: str
    content: CompoundFiles

    @cached_property
    def crystal(self) -> Crystal:
        """The crystal.

        Raises
        ------
        InputDataError
            If CONTCAR or SPOSCAR is missing, damaged, or they do not belong together.
        """
        files = self.content.files
        unitcell = parse_poscar(files.text("CONTCAR"), files.subject("CONTCAR"))
        subject = files.subject("SPOSCAR")
        given = parse_poscar(files.text("SPOSCAR"), subject)
        matrix = supercell_matrix_between(unitcell, given, subject)
        supercell = from_phonopy(phonopy_supercell(unitcell, matrix, subject))
        return Crystal(unitcell, matrix, supercell, map_atoms(supercell, given, subject=subject))

    @cached_property
    def force_constants(self) -> ForceConstants:
        """Force constants in phonopy's order, their unit checked.

        Raises
        ------
        InputDataError
            If they are missing, damaged, of another supercell or in another unit.
        """
        files, crystal = self.content.files, self.crystal
        subject = files.subject("force_constants.hdf5")
        values, rows = read_force_constants_hdf5(files.data("force_constants.hdf5"), subject)
        primitive = phonopy_primitive(crystal.unitcell, crystal.supercell_matrix, _PRIMITIVE, subject)
        if len(values) == values.shape[1]:
            rows = None  # rows of full force constants are the atoms; phonopy writes p2s_map all the same
        in_place = np.array_equal(crystal.order, np.arange(len(crystal.order)))
        ordered = order_force_constants(values, rows, None if in_place else crystal.order, primitive, subject)
        check_force_constants(ordered, subject)
        return ordered

    @property
    def problems(self) -> tuple[str, ...]:
        """What is missing of its runs."""
        if not self.content.runs:
            return ("it has no MD run",)
        return tuple(f"{name} is missing" for name in self.content.missing_runs)

    def material(self) -> Material:
        """The material, without what the database says of it.

        Raises
        ------
        InputDataError
            As `crystal` and `force_constants`.
        """
        crystal = self.crystal
        return make_material(
            self.uid,
            self.content.files.source,
            crystal.unitcell,
            crystal.supercell_matrix,
            _PRIMITIVE,
            self.force_constants,
            None,
            {"level_of_theory": LEVEL_OF_THEORY},
        )

    def collect(self, collector: FrameCollector) -> None:
        """Hand over the frames of all runs.

        Raises
        ------
        InputDataError
            If there is no run, or one is damaged other than by being cut short.
        """
        if not self.content.runs:
            raise InputDataError(
                self.content.files.source, "it has no MD run", "add MD/vasprun_prod_1.xml and _2.xml"
            )
        for run in self.content.runs:
            read_vasprun(self.content.stream(run), collector)

    @property
    def run_names(self) -> str:
        """Names of its runs, for messages."""
        return f"{self.uid}: {', '.join(Path(run).name for run in self.content.runs)}"


def load(compound: Compound, label_tags: Sequence[tuple[str, str]], label_problem: str) -> Material:
    """Read the material of a compound of the raw tree.

    Parameters
    ----------
    compound : Compound
        The compound.
    label_tags : sequence of (str, str)
        What the database says of it.
    label_problem : str
        What is wrong with its labels; else empty.

    Raises
    ------
    InputDataError
        If something is missing, damaged, inconsistent or in another unit; the file is named.
    """
    opened = compound.open()
    return with_labels(opened.material(), label_tags, (*opened.problems, label_problem))


def load_trajectory(compound: Compound, frames: FrameChoice) -> Trajectory:
    """Read the trajectory of a compound of the raw tree, in phonopy's supercell order.

    Raises
    ------
    InputDataError
        If there is none, it is damaged, or its forces do not go with the crystal.
    """
    opened = compound.open(with_runs=True)
    collector = FrameCollector(frames.skip, frames.every)
    opened.collect(collector)
    has_constants = "force_constants.hdf5" in opened.content.files.names
    return finish_trajectory(
        collector,
        opened.run_names,
        opened.crystal.supercell,
        opened.force_constants if has_constants else None,
        opened.content.files.source,
        opened.content.run_notes,
    )


def with_labels(
    material: Material, label_tags: Sequence[tuple[str, str]], problems: Sequence[str]
) -> Material:
    """The material with what the database says of it, and with what is wrong with it, as tags."""
    said = "; ".join(problem for problem in problems if problem)
    return replace(
        material, tags={**material.tags, **dict(label_tags), **({"problems": said} if said else {})}
    )


def finish_trajectory(
    collector: FrameCollector,
    run_names: str,
    supercell: Cell,
    force_constants: ForceConstants | None,
    subject: str,
    notes: Sequence[str],
) -> Trajectory:
    """The trajectory of collected frames: in phonopy's order, its units checked.

    Parameters
    ----------
    collector : FrameCollector
        Holds the frames.
    run_names : str
        Where they come from.
    supercell : Cell
        In phonopy's order.
    force_constants : ForceConstants or None
        In the same order.
    subject : str
        Folder or archive of the compound.
    notes : sequence of str
        What is to be said about its runs.

    Raises
    ------
    InputDataError
        If no frame is left, or the frames do not belong to the crystal.
    """
    aligned = align_trajectory(collector.trajectory(run_names), supercell, f"{subject}/MD")
    rest = supercell.scaled_positions @ supercell.lattice
    said = check_trajectory(aligned, rest, force_constants, f"{subject}/MD")
    return replace(aligned, notes=(*notes, *aligned.notes, *said))
