"""A calculator that watches over the crystal, and forgets its history when told to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from softmode.crystal.arrays import FloatArray
from softmode.crystal.periodic_images import rounded_image
from softmode.errors import NonFiniteForcesError


class CrystalLostError(Exception):
    """The crystal is lost: a result of molecular dynamics, caught there."""


def closest_pair(positions: FloatArray, lattice: FloatArray) -> tuple[int, int, float]:
    """Closest pair of atoms.

    Fractional coordinates are rounded to the nearest image, which is exact for distances below half the
    smallest height of the cell.

    Parameters
    ----------
    positions : (n_atoms, 3) array
        Å.
    lattice : (3, 3) array
        Lattice vectors as rows, Å.

    Returns
    -------
    first, second : int
        The two atoms.
    distance : float
        Å.
    """
    vectors = rounded_image(positions[:, None, :] - positions[None, :, :], lattice)
    squared = np.einsum("ijk,ijk->ij", vectors, vectors)
    np.fill_diagonal(squared, np.inf)
    first, second = np.unravel_index(int(np.argmin(squared)), squared.shape)
    return int(first), int(second), float(np.sqrt(squared[first, second]))


class WatchedCalculator(Calculator):  # type: ignore[misc]
    """Energies and forces of another calculator, refused where the crystal is lost.

    Positions are looked at before the potential sees them: neighbour searches hang on positions that are not
    finite or far away.

    Parameters
    ----------
    calculator : ase.calculators.calculator.Calculator
        The potential.
    template : ase.Atoms
        What the potential is given, with other positions.
    reference : (n_atoms, 3) array
        Sites, in the images nearest to the start, Å.
    closest, largest : float
        Smallest distance of two atoms and largest displacement from a site, Å.

    Attributes
    ----------
    renew : bool
        Before the next evaluation the potential is reset. Neighbour lists that are kept from step to step
        make the last bits of the forces depend on the past; a run that is resumed has none.
    n_evaluations : int
        How many there were.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]
    results: dict[str, Any]

    def __init__(
        self, calculator: Any, template: Atoms, reference: FloatArray, *, closest: float, largest: float
    ) -> None:
        super().__init__()
        self.renew = False
        self.n_evaluations = 0
        self._inner = calculator
        self._template = template
        self._lattice = np.array(template.cell.array)
        self._masses = template.get_masses()
        self._reference = reference
        self._closest = closest
        self._largest = largest

    @property
    def energy(self) -> float:
        """Energy of the last evaluation, eV."""
        return float(self.results["energy"])

    @property
    def forces(self) -> FloatArray:
        """Forces of the last evaluation, (n_atoms, 3), eV/Å."""
        return np.array(self.results["forces"], dtype=np.float64)

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:  # noqa: ARG002
        """Whether positions changed, to the last bit; nothing else does (ASE compares everything, slowly)."""
        known = self.atoms is not None and np.array_equal(self.atoms.positions, atoms.positions)
        return [] if known else ["positions"]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Check the positions, evaluate, check the result."""
        super().calculate(atoms, properties, system_changes)
        self._check(self.atoms.positions)
        if self.renew and hasattr(self._inner, "reset"):
            self._inner.reset()
        self.renew = False
        self.n_evaluations += 1
        configuration = self._template.copy()
        configuration.positions = self.atoms.positions
        configuration.calc = self._inner
        try:
            forces = np.array(configuration.get_forces(apply_constraint=False), dtype=np.float64)
            energy = float(configuration.get_potential_energy())
        except NonFiniteForcesError as error:
            raise CrystalLostError("the potential returned forces that are not finite") from error
        if not (np.isfinite(forces).all() and np.isfinite(energy)):
            raise CrystalLostError("the potential returned an energy or forces that are not finite")
        self.results = {"energy": energy, "forces": forces}

    def _check(self, positions: FloatArray) -> None:
        if not np.isfinite(positions).all():
            raise CrystalLostError("positions are not finite")
        moved = positions - self._reference
        moved -= np.average(moved, axis=0, weights=self._masses)
        lengths = np.linalg.norm(moved, axis=1)
        farthest = int(np.argmax(lengths))
        symbols = self._template.symbols
        if not lengths[farthest] <= self._largest:  # also where the sums overflowed
            raise CrystalLostError(
                f"atom {farthest} ({symbols[farthest]}) is {lengths[farthest]:.2f} Å from its site, "
                f"more than {self._largest:.2f} Å"
            )
        first, second, distance = closest_pair(positions, self._lattice)
        if distance < self._closest:
            raise CrystalLostError(
                f"atoms {first} ({symbols[first]}) and {second} ({symbols[second]}) are {distance:.2f} Å "
                f"apart, less than {self._closest:.2f} Å"
            )
