"""Force constants of each way of a passport; only forces that no record has are asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from phonopy import Phonopy

from softmode import harmonic as hm
from softmode.crystal import Cell, DisplacementForces, ForceConstants, Material
from softmode.crystal.arrays import FloatArray, IntArray
from softmode.errors import InputDataError, SoftmodeError
from softmode.measurements.displaced_forces import relaxed_crystal
from softmode.measurements.noise_floor import STRETCH
from softmode.measurements.passport.ways import ONE_SIDED, TOLERANCE, Way, other_supercell
from softmode.measurements.shared import ModelCrystal
from softmode.measurements.view import View
from softmode.potentials.base import Potential

#: Å: displacements that differ by less are the same.
_SAME = 1e-9


@dataclass(frozen=True, eq=False)
class _Known:
    """Forces that a record has."""

    displacements: FloatArray
    forces: FloatArray
    analytic: bool


class ForceSets:
    """Forces by which the ways of a passport differ, each made once.

    Parameters
    ----------
    view : View
        Of a measurement that requires ``displaced_forces`` and ``noise_floor``.
    own : Way
        Of the protocol.
    largest_supercell : int
        Atoms another supercell may have.

    Attributes
    ----------
    reused : int
        Displaced supercells whose forces records had.
    """

    def __init__(self, view: View, own: Way, largest_supercell: int) -> None:
        self._view, self._own, self._largest = view, own, largest_supercell
        self._crystal = ModelCrystal(view, view.records["displaced_forces"])
        self._phonons: dict[tuple[str, float, bool], Phonopy | SoftmodeError] = {}
        self._forces: dict[tuple[object, ...], _Known | SoftmodeError] = {}
        self._rest: dict[tuple[str, str, bool], FloatArray] = {}
        self._potentials: dict[str, Potential] = {}
        self.reused = 0

    def close(self) -> None:
        """Give back potentials that were loaded in another precision."""
        for potential in self._potentials.values():
            potential.close()

    def of(self, way: Way) -> tuple[Phonopy, ForceConstants]:
        """phonopy's view of the crystal and its force constants as they come.

        Raises
        ------
        SoftmodeError
            If the potential cannot be asked in this way.
        """
        phonon = self._phonon(way)
        # the same operations, the same displacements, the same forces
        tolerance = way.tolerance if self._lowered(way) else TOLERANCE
        key = (way.displacement, way.precision, way.structure, tolerance, way.supercell)
        if key not in self._forces:
            try:
                self._forces[key] = self._made(way, phonon)
            except SoftmodeError as error:
                self._forces[key] = error
        found = self._forces[key]
        if isinstance(found, SoftmodeError):
            raise found
        displacements, forces = found.displacements, found.forces
        if way.sides == ONE_SIDED:
            kept = _one_side(displacements)
            # of both signs forces at rest cancel; of one they would be taken for those of the displacement
            displacements, forces = displacements[kept], forces[kept] - self._at_rest(way, phonon)
        return phonon, hm.force_constants_from_forces(phonon, DisplacementForces(displacements, forces))

    def _at_rest(self, way: Way, phonon: Phonopy) -> FloatArray:
        """Forces on the supercell at rest."""
        own = self._own
        if (way.structure, way.precision, way.supercell) == (own.structure, own.precision, False):
            return self._view.records["displaced_forces"].arrays["perfect_forces"]
        key = (way.structure, way.precision, way.supercell)
        if key not in self._rest:
            perfect = hm.reference_supercell(phonon).to_atoms()
            self._rest[key] = self._potential(way.precision).evaluate([perfect]).forces[0]
        return self._rest[key]

    def one_sided(self, way: Way) -> bool:
        """Whether leaving out one sign of displacements leaves anything out."""
        displacements = hm.plan_displacements(self._phonon(way), 0.01).displacements
        return len(_one_side(displacements)) < len(displacements)

    def _phonon(self, way: Way) -> Phonopy:
        key = (way.structure, way.tolerance, way.supercell)
        if key not in self._phonons:
            try:
                self._phonons[key] = self._built(way)
            except SoftmodeError as error:
                self._phonons[key] = error
        found = self._phonons[key]
        if isinstance(found, SoftmodeError):
            raise found
        return found

    def _built(self, way: Way) -> Phonopy:
        if way.tolerance != TOLERANCE:
            return hm.build_phonopy(self._material(way.structure), tolerance=way.tolerance)
        if not way.supercell:
            if way.structure == self._own.structure:
                return self._crystal.phonon
            return hm.build_phonopy(self._material(way.structure))
        phonon = self._phonon(replace(way, supercell=False))
        primitive = Cell.from_phonopy(phonon.primitive)
        matrix = other_supercell(primitive.lattice, primitive.n_atoms, len(phonon.supercell), self._largest)
        if matrix is None:
            raise InputDataError(
                f"supercells of up to {self._largest} atoms", "there is no other", "Raise largest_supercell"
            )
        return hm.build_phonopy(
            replace(
                self._material(way.structure),
                unitcell=primitive,
                supercell_matrix=matrix,
                primitive_matrix=np.eye(3),
                reference=None,
                nac=None,
            )
        )

    def _material(self, structure: str) -> Material:
        if structure == self._own.structure:
            return self._crystal.material
        return self._relaxed if structure == "relaxed" else self._view.structure

    @cached_property
    def _relaxed(self) -> Material:
        relaxed = relaxed_crystal(self._view, self._view.protocol.relax_fmax)
        return hm.with_cell(self._view.structure, relaxed.cell)

    def _lowered(self, way: Way) -> bool:
        """Whether a looser tolerance finds other operations."""
        if way.tolerance == TOLERANCE:
            return False
        here, own = (
            self._phonon(one).symmetry.symmetry_operations for one in (way, replace(way, tolerance=TOLERANCE))
        )
        return len(here["rotations"]) != len(own["rotations"])

    def _made(self, way: Way, phonon: Phonopy) -> _Known:
        length = 0.01 if way.displacement is None else way.displacement
        plan = hm.plan_displacements(phonon, length)
        analytic = way.displacement is None
        if not way.supercell and (way.precision, way.structure) == (self._own.precision, self._own.structure):
            for known in self._known:
                same = known.analytic == analytic and known.displacements.shape == plan.displacements.shape
                if same and np.allclose(known.displacements, plan.displacements, rtol=0.0, atol=_SAME):
                    self.reused += len(known.forces)
                    return known
        potential = self._potential(way.precision)
        if analytic:
            forces = -potential.hessian_products(plan.perfect, plan.displacements)
        else:
            forces = potential.evaluate(plan.supercells()).stacked_forces()
        return _Known(plan.displacements, forces, analytic)

    @cached_property
    def _known(self) -> list[_Known]:
        displaced, noise = (self._view.records[name].arrays for name in ("displaced_forces", "noise_floor"))
        given = displaced["displacements"]
        found = [_Known(given, displaced["forces"], self._own.displacement is None)]
        if "forces_displacement" in noise:
            found.append(_Known(STRETCH * given, noise["forces_displacement"], False))
        if "forces_analytic" in noise:
            scale = 0.01 / np.linalg.norm(given, axis=2).max()
            found.append(_Known(scale * given, scale * noise["forces_analytic"], True))
        return found

    def _potential(self, precision: str) -> Potential:
        if precision == self._own.precision:
            return self._view.potential
        if precision not in self._potentials:
            other = self._view.potential.in_precision(precision)
            if other is None:
                raise InputDataError(
                    self._view.potential_name, f"does not run in {precision}", "Leave it out"
                )
            self._potentials[precision] = other
        return self._potentials[precision]


def _one_side(displacements: FloatArray) -> IntArray:
    """Places of displacements but for those that are the opposite of an earlier one."""
    flat = displacements.reshape(len(displacements), -1)
    opposite = np.abs(flat[:, None] + flat[None]).max(axis=2) < _SAME
    places: IntArray = np.flatnonzero(~np.tril(opposite, -1).any(axis=1))
    return places
