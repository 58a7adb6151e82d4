"""A periodic cell: lattice, positions, elements, masses; frozen and checked on creation."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, chemical_symbols

from softmode.crystal.arrays import FloatArray, IntArray, array_digest, frozen, require, usable

if TYPE_CHECKING:
    from phonopy.structure.atoms import PhonopyAtoms

#: Components of lattice vectors, Å: beyond that a search for periodic images or symmetries may never end.
_LONGEST = 1e5
#: Fractional coordinates: beyond that where an atom is in its cell is lost in rounding.
_FARTHEST = 1e6


@dataclass(frozen=True, eq=False)
class Cell:
    """A periodic cell.

    Parameters
    ----------
    lattice : (3, 3) array
        Lattice vectors as rows, Å.
    scaled_positions : (n_atoms, 3) array
        Fractional coordinates.
    numbers : (n_atoms,) array
        Atomic numbers.
    masses : (n_atoms,) array, optional
        Atomic masses, u; the common isotope-averaged values when not given.

    Raises
    ------
    InputDataError
        If shapes do not match, the lattice is singular or no lattice of a crystal, or a number is not finite.
    """

    lattice: FloatArray
    scaled_positions: FloatArray
    numbers: IntArray
    masses: FloatArray = field(default=None)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        numbers = frozen(self.numbers, np.int64)
        masses = atomic_masses[numbers] if self.masses is None else self.masses
        object.__setattr__(self, "lattice", frozen(self.lattice))
        object.__setattr__(self, "scaled_positions", frozen(self.scaled_positions))
        object.__setattr__(self, "numbers", numbers)
        object.__setattr__(self, "masses", frozen(masses))
        n_atoms = len(numbers)
        remedy = "check the structure file"
        require(self.lattice.shape == (3, 3), "cell", f"lattice has shape {self.lattice.shape}", remedy)
        require(
            self.scaled_positions.shape == (n_atoms, 3) and self.masses.shape == (n_atoms,),
            "cell",
            f"{n_atoms} atomic numbers but positions of shape {self.scaled_positions.shape} "
            f"and masses of shape {self.masses.shape}",
            remedy,
        )
        finite = usable(self.lattice).all() and usable(self.scaled_positions).all()
        require(bool(finite), "cell", "lattice or positions are not finite", remedy)
        longest = float(np.abs(self.lattice).max())
        require(longest <= _LONGEST, "cell", f"a lattice vector is {longest:.1e} Å long", remedy)
        farthest = float(np.abs(self.scaled_positions).max(initial=0.0))
        require(farthest <= _FARTHEST, "cell", f"an atom is {farthest:.1e} cells away", remedy)
        require(abs(np.linalg.det(self.lattice)) > 1e-6, "cell", "lattice vectors span no volume", remedy)

    @classmethod
    def from_atoms(cls, atoms: Atoms) -> Cell:
        """Cell of an ASE ``Atoms`` object (its masses are kept)."""
        return cls(
            lattice=atoms.cell.array,
            scaled_positions=atoms.get_scaled_positions(wrap=False),
            numbers=atoms.numbers,
            masses=atoms.get_masses(),
        )

    def to_atoms(self) -> Atoms:
        """Periodic ASE ``Atoms``."""
        return Atoms(
            numbers=self.numbers,
            scaled_positions=self.scaled_positions,
            cell=self.lattice,
            masses=self.masses,
            pbc=True,
        )

    @classmethod
    def from_phonopy(cls, atoms: PhonopyAtoms, length_unit: float = 1.0) -> Cell:
        """Cell of phonopy's atoms; `length_unit` is their unit of length in Å."""
        return cls(
            lattice=np.asarray(atoms.cell) * length_unit,
            scaled_positions=atoms.scaled_positions,
            numbers=atoms.numbers,
            masses=atoms.masses,
        )

    def to_phonopy(self) -> PhonopyAtoms:
        """Atoms for phonopy."""
        from phonopy.structure.atoms import PhonopyAtoms  # takes a third of a second

        return PhonopyAtoms(
            cell=self.lattice,
            scaled_positions=self.scaled_positions,
            numbers=self.numbers,
            masses=self.masses,
        )

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.numbers)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Chemical symbols in atom order."""
        return tuple(chemical_symbols[number] for number in self.numbers)

    @property
    def elements(self) -> tuple[str, ...]:
        """Distinct chemical symbols, by atomic number."""
        return tuple(chemical_symbols[number] for number in sorted(set(self.numbers.tolist())))

    @cached_property
    def digest(self) -> str:
        """Content digest."""
        return array_digest(self.lattice, self.scaled_positions, self.numbers, self.masses)
