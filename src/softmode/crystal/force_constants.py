"""What phonons are made from: forces on displaced supercells, or force constants, and Born charges."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from softmode.crystal.arrays import LARGEST, FloatArray, array_digest, frozen, require, usable


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
        bad = np.flatnonzero(~usable(self.forces).all(axis=(1, 2)))
        require(
            bad.size == 0,
            "displaced supercells",
            "a force is missing, over 1e50 or not finite (NaN) in displaced supercell "
            + ", ".join(str(index + 1) for index in bad),
            "repeat that force calculation",
        )
        sizes = np.abs(self.displacements).max(axis=(1, 2))
        require(
            bool(usable(sizes).all() and np.any(sizes) and (sizes[sizes > 0.0] > 1.0 / LARGEST).all()),
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
            bool(usable(self.values).all()),
            "force constants",
            "some values are over 1e50 or not finite (NaN)",
            "make the force constants again",
        )

    @property
    def matrix(self) -> FloatArray:
        """Rows and columns by atom, then direction: (3 n, 3 n_supercell), eV/Å²; ``F = -matrix @ u``."""
        n_rows, n_columns = self.values.shape[:2]
        return self.values.transpose(0, 2, 1, 3).reshape(3 * n_rows, 3 * n_columns)

    @cached_property
    def digest(self) -> str:
        """Content digest."""
        return array_digest(self.values)


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
            and bool(usable(self.born_charges).all() and usable(self.dielectric).all()),
            "Born effective charges",
            f"charges of shape {self.born_charges.shape} and "
            f"dielectric tensor of shape {self.dielectric.shape}",
            "give finite (n_primitive, 3, 3) charges and a (3, 3) tensor",
        )

    @cached_property
    def digest(self) -> str:
        """Content digest."""
        return array_digest(self.born_charges, self.dielectric, float(self.unit_factor))
