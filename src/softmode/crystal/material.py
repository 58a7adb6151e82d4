"""The vocabulary: materials, their reference data and trajectories, frozen and checked on creation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from softmode.crystal.cell import Cell, FloatArray, IntArray, array_digest, frozen, require

__all__ = [
    "Cell",
    "DisplacementForces",
    "ForceConstants",
    "Material",
    "NonAnalyticalCorrection",
    "Trajectory",
]


@dataclass(frozen=True, eq=False)
class DisplacementForces:
    """Forces on displaced supercells: what force constants are made from.

    Parameters
    ----------
    displacements : (n_supercells, n_atoms, 3) array
        Displacements from the reference supercell, Å, in phonopy's supercell order.
    forces : (n_supercells, n_atoms, 3) array
        Forces, eV/Å, same order.

    Raises
    ------
    InputDataError
        If shapes differ, a value is not finite, or nothing is displaced.
    """

    displacements: FloatArray
    forces: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "displacements", frozen(self.displacements))
        object.__setattr__(self, "forces", frozen(self.forces))
        shape = self.displacements.shape
        require(
            len(shape) == 3 and shape[2] == 3 and shape == self.forces.shape and shape[0] > 0,
            "displaced supercells",
            f"displacements of shape {shape} but forces of shape {self.forces.shape}",
            "give one force per atom and displaced supercell",
        )
        bad = np.flatnonzero(~np.isfinite(self.forces).all(axis=(1, 2)))
        require(
            bad.size == 0,
            "displaced supercells",
            "a force is missing or not finite (NaN) in displaced supercell "
            + ", ".join(str(index + 1) for index in bad),
            "repeat that force calculation",
        )
        require(
            bool(np.isfinite(self.displacements).all()) and bool(np.any(self.displacements != 0.0)),
            "displaced supercells",
            "displacements are not finite or all zero",
            "check the displacement file",
        )

    @cached_property
    def digest(self) -> str:
        """Content digest."""
        return array_digest(self.displacements, self.forces)


@dataclass(frozen=True, eq=False)
class ForceConstants:
    """Harmonic force constants.

    Parameters
    ----------
    values : (n_primitive, n_supercell, 3, 3) or (n_supercell, n_supercell, 3, 3) array
        Compact (first index: the atoms of the primitive cell, phonopy's order) or full force constants,
        eV/Å², second index in phonopy's supercell order.

    Raises
    ------
    InputDataError
        If the shape is not that of force constants or a value is not finite.
    """

    values: FloatArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", frozen(self.values))
        shape = self.values.shape
        require(
            len(shape) == 4 and shape[2:] == (3, 3) and 0 < shape[0] <= shape[1],
            "force constants",
            f"an array of shape {shape} is not (n, n_supercell, 3, 3)",
            "give full or compact force constants as phonopy writes them",
        )
        require(
            bool(np.isfinite(self.values).all()),
            "force constants",
            "some values are not finite (NaN)",
            "make the force constants again",
        )

    @cached_property
    def digest(self) -> str:
        """Content digest."""
        return array_digest(self.values)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Configurations of a supercell with their forces: molecular dynamics, or samples of it.

    Parameters
    ----------
    lattice : (3, 3) array
        Lattice vectors of the (constant) supercell as rows, Å.
    numbers : (n_atoms,) array
        Atomic numbers.
    positions : (n_frames, n_atoms, 3) array
        Cartesian positions, Å, wrapped into the cell or not.
    forces : (n_frames, n_atoms, 3) array
        Forces, eV/Å, same atom order.
    run_lengths : tuple of int
        Frames of each independent run, in order; their sum is n_frames. One run when not given.
    notes : tuple of str
        What a reader had to say: a run cut short, frames skipped.
    source : str
        Files it came from, for messages.

    Raises
    ------
    InputDataError
        If shapes do not match or a frame holds a value that is not finite; the frames are named.
    """

    lattice: FloatArray
    numbers: IntArray
    positions: FloatArray
    forces: FloatArray
    run_lengths: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = "trajectory"

    def __post_init__(self) -> None:
        for name in ("lattice", "positions", "forces"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        object.__setattr__(self, "numbers", frozen(self.numbers, np.int64))
        shape = self.positions.shape
        require(
            len(shape) == 3
            and shape[0] > 0
            and shape[1:] == (len(self.numbers), 3)
            and self.forces.shape == shape
            and self.lattice.shape == (3, 3),
            self.source,
            f"{len(self.numbers)} atoms, positions of shape {shape}, forces of shape {self.forces.shape}",
            "give at least one frame, with one position and one force per atom",
        )
        finite = np.isfinite(self.positions).all(axis=(1, 2)) & np.isfinite(self.forces).all(axis=(1, 2))
        bad = np.flatnonzero(~finite)
        require(
            bad.size == 0,
            self.source,
            f"a position or force is missing or not finite (NaN) in frame {_listed(bad)} (counted from 0)",
            "leave those frames out, or repeat the calculation",
        )
        lengths = self.run_lengths or (shape[0],)
        object.__setattr__(self, "run_lengths", tuple(int(length) for length in lengths))
        require(
            sum(self.run_lengths) == shape[0] and min(self.run_lengths) > 0,
            self.source,
            f"runs of {self.run_lengths} frames do not add up to {shape[0]}",
            "give the number of frames of each run",
        )

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.positions)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.numbers)

    @cached_property
    def digest(self) -> str:
        """Content digest."""
        return array_digest(self.lattice, self.numbers, self.positions, self.forces, self.run_lengths)


def _listed(indices: IntArray, limit: int = 10) -> str:
    shown = ", ".join(str(index) for index in indices[:limit])
    return f"{shown}, … ({len(indices)} in all)" if len(indices) > limit else shown


@dataclass(frozen=True, eq=False)
class NonAnalyticalCorrection:
    """Born effective charges and dielectric constant of the primitive cell.

    Parameters
    ----------
    born_charges : (n_primitive, 3, 3) array
        Born effective charges, e.
    dielectric : (3, 3) array
        High-frequency dielectric tensor.
    unit_factor : float
        phonopy's unit conversion factor (14.399652 eV·Å for VASP units).
    """

    born_charges: FloatArray
    dielectric: FloatArray
    unit_factor: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "born_charges", frozen(self.born_charges))
        object.__setattr__(self, "dielectric", frozen(self.dielectric))
        require(
            self.born_charges.ndim == 3
            and self.born_charges.shape[1:] == (3, 3)
            and self.dielectric.shape == (3, 3)
            and bool(np.isfinite(self.born_charges).all() and np.isfinite(self.dielectric).all()),
            "Born effective charges",
            f"charges of shape {self.born_charges.shape} and "
            f"dielectric tensor of shape {self.dielectric.shape}",
            "give finite (n_primitive, 3, 3) charges and a (3, 3) tensor",
        )

    @cached_property
    def digest(self) -> str:
        """Content digest."""
        return array_digest(self.born_charges, self.dielectric, float(self.unit_factor))


@dataclass(frozen=True, eq=False)
class Material:
    """A crystal, as a rule with the reference data its phonons are made from.

    Parameters
    ----------
    name : str
        Identifier, unique in its dataset (``mp-989571``).
    formula : str
        Reduced chemical formula; halide double perovskites as A2BB'X6.
    unitcell : Cell
        Reference (DFT) structure.
    supercell_matrix : (3, 3) int array
        phonopy's supercell matrix with respect to `unitcell`.
    primitive_matrix : (3, 3) array
        phonopy's primitive matrix with respect to `unitcell`.
    reference : DisplacementForces or ForceConstants
        What the reference force constants are made from, or they themselves; None for a structure of which
        nothing else is known (as in screening).
    nac : NonAnalyticalCorrection, optional
        Present when the reference has Born effective charges.
    tags : mapping of str to str
        What is known about the material: ``prototype``, ``halide``, ``site_A`` …, ``level_of_theory``.

    Raises
    ------
    InputDataError
        If the reference does not belong to the supercell.
    """

    name: str
    formula: str
    unitcell: Cell
    supercell_matrix: IntArray
    primitive_matrix: FloatArray
    reference: DisplacementForces | ForceConstants | None = None
    nac: NonAnalyticalCorrection | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "supercell_matrix", frozen(self.supercell_matrix, np.int64))
        object.__setattr__(self, "primitive_matrix", frozen(self.primitive_matrix))
        object.__setattr__(self, "tags", MappingProxyType(dict(self.tags)))
        n_supercell = self.n_supercell_atoms
        require(n_supercell > 0, self.name, "the supercell matrix is singular", "check DIM")
        if self.reference is None:
            return
        if isinstance(self.reference, DisplacementForces):
            n_given = self.reference.forces.shape[1]
            what = "forces on"
        else:
            n_given = self.reference.values.shape[1]
            what = "force constants of"
        require(
            n_given == n_supercell,
            self.name,
            f"{what} {n_given} atoms, but the supercell has {n_supercell}",
            "check that structure, supercell matrix (DIM) and forces belong together",
        )

    def __getstate__(self) -> dict[str, Any]:
        """Mapping proxies do not pickle; worker processes receive a plain dict."""
        state = {key: value for key, value in self.__dict__.items() if not key.endswith("digest")}
        state["tags"] = dict(self.tags)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__["tags"] = MappingProxyType(state["tags"])

    @property
    def n_supercell_atoms(self) -> int:
        """Number of atoms of the reference supercell."""
        return round(abs(float(np.linalg.det(self.supercell_matrix)))) * self.unitcell.n_atoms

    @property
    def elements(self) -> tuple[str, ...]:
        """Distinct chemical symbols."""
        return self.unitcell.elements

    @property
    def group(self) -> str:
        """The key results are grouped by: the halide where there is one, else the prototype."""
        return self.tags.get("halide") or self.tags.get("prototype") or "ungrouped"

    @cached_property
    def structure_digest(self) -> str:
        """Digest of what a potential is evaluated on: cell, supercell and primitive cell."""
        return array_digest(self.unitcell.digest, self.supercell_matrix, self.primitive_matrix)

    @cached_property
    def reference_digest(self) -> str:
        """Digest of the structure together with the reference data; empty when there are none."""
        if self.reference is None:
            return ""
        nac = self.nac.digest if self.nac is not None else "none"
        return array_digest(self.structure_digest, self.reference.digest, nac)
