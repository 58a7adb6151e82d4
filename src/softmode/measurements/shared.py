"""What measurements of one material have in common: made once for all potentials that follow each other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from phonopy import Phonopy

from softmode import harmonic as hm
from softmode.anharmonic.displacements import displacements
from softmode.anharmonic.sigma import harmonic_forces
from softmode.anharmonic.sites import site_labels
from softmode.crystal import Cell, DisplacementForces, ForceConstants, Material, NonAnalyticalCorrection
from softmode.crystal.arrays import FloatArray
from softmode.harmonic.displacement_solver import DisplacementSolver, displacement_solver
from softmode.harmonic.finite_displacement import single_displacements
from softmode.measurements.view import View, derived
from softmode.records import Record


@dataclass(frozen=True, eq=False)
class Crystal:
    """One side of a comparison of phonons.

    Parameters
    ----------
    phonon : phonopy.Phonopy
        Of its structure.
    raw, force_constants : ForceConstants
        Compact: as they come, and symmetrised or not as the protocol says.
    nac : NonAnalyticalCorrection or None
        Taken into account where it is given.
    """

    phonon: Phonopy
    raw: ForceConstants
    force_constants: ForceConstants
    nac: NonAnalyticalCorrection | None

    @cached_property
    def matrix(self) -> hm.RealSpaceDynamicalMatrix:
        """Force constants sorted by lattice vector."""
        return hm.real_space_dynamical_matrix(self.phonon, self.force_constants)

    @cached_property
    def sum_rule_violation(self) -> float:
        """Of the force constants as they come, eV/Å²."""
        return hm.acoustic_sum_rule_violation(self.phonon, self.raw)

    def noise_floor(self, grid: hm.QMesh) -> float:
        """What the force constants tell of themselves: the smallest frequency one may believe, THz."""
        return max(hm.own_floors(self.phonon, self.raw, grid.points).values())

    def at(self, where: hm.BandPath | hm.QMesh | FloatArray) -> hm.Dispersion:
        """Phonons on a path or mesh, or at q-points."""
        points = where if isinstance(where, np.ndarray) else where.points
        if self.nac is not None:
            along = where if isinstance(where, hm.BandPath) else points
            return hm.dispersion_with_nac(self.phonon, self.force_constants, self.nac, along)
        return hm.compute_dispersion(self.matrix, points)

    def modes_at(self, q: FloatArray, direction: FloatArray) -> hm.PointModes:
        """Modes at a q-point; at Γ with long-range forces those of the limit from a direction."""
        if self.nac is not None:
            return hm.modes_with_nac(self.phonon, self.force_constants, self.nac, q, direction)
        return hm.modes_at(self.phonon, self.matrix, q)

    def phonopy_velocities(self, path: hm.BandPath) -> FloatArray:
        """Group velocities on a path as phonopy gives them, THz·Å."""
        return hm.phonopy_velocities(self.phonon, self.force_constants, self.nac, path)


@dataclass(frozen=True, eq=False)
class Side:
    """Forces of one side on some configurations, their harmonic part, and the force constants of it.

    Parameters
    ----------
    forces, harmonic : (n_frames, n_atoms, 3) arrays
        eV/Å.
    force_constants : ForceConstants
        Full.
    """

    forces: FloatArray
    force_constants: ForceConstants
    harmonic: FloatArray


@derived("structure")
def phonon(view: View) -> Phonopy:
    """phonopy's view of the reference structure."""
    return hm.build_phonopy(view.structure)


@derived("structure")
def supercell(view: View) -> Cell:
    """The reference supercell."""
    return hm.reference_supercell(phonon(view))


@derived("structure")
def labels(view: View) -> dict[str, tuple[str, ...]]:
    """``element`` and ``site`` of each atom of the reference supercell."""
    return cell_labels(supercell(view))


def cell_labels(cell: Cell) -> dict[str, tuple[str, ...]]:
    """``element`` and ``site`` of each atom of a supercell."""
    return {"element": cell.symbols, "site": site_labels(cell)}


@derived("structure")
def plan(view: View, distance: float) -> hm.DisplacementPlan:
    """Displaced supercells of the reference structure, `distance` in Å."""
    return hm.plan_displacements(phonon(view), distance)


@derived("structure", "protocol.points_per_segment")
def path(view: View) -> hm.BandPath:
    """The band path of the reference structure."""
    return hm.band_path(phonon(view), view.protocol.points_per_segment)


@derived("structure", "protocol.mesh_length")
def mesh(view: View) -> hm.QMesh:
    """The mesh of the reference structure."""
    return hm.q_mesh(phonon(view), view.protocol.mesh_length)


@derived("reference", "protocol.nac")
def correction(view: View) -> NonAnalyticalCorrection | None:
    """Long-range forces, as the protocol says."""
    return view.reference.nac if view.protocol.nac == "reference" else None


@derived("reference", "protocol.symmetrise", "protocol.nac")
def reference_crystal(view: View) -> Crystal:
    """The reference's phonons; long-range forces as the protocol says."""
    raw = hm.reference_force_constants(phonon(view), view.reference)
    return Crystal(phonon(view), raw, symmetrised(view, phonon(view), raw), correction(view))


@derived("reference", "protocol.symmetrise", "protocol.nac", "protocol.mesh_length")
def reference_noise_floor(view: View) -> float:
    """Smallest frequency one may believe of the reference, THz."""
    return reference_crystal(view).noise_floor(mesh(view))


@derived("reference", "protocol.symmetrise")
def full_reference_force_constants(view: View) -> ForceConstants:
    """Full force constants of the reference, symmetrised or not as the protocol says."""
    raw = hm.reference_force_constants(phonon(view), view.reference)
    return hm.full_force_constants(phonon(view), symmetrised(view, phonon(view), raw))


@derived("reference", "protocol.symmetrise", "protocol.nac", "protocol.points_per_segment")
def reference_on_path(view: View) -> hm.Dispersion:
    """Phonons of the reference on the path."""
    return reference_crystal(view).at(path(view))


@derived("reference", "protocol.symmetrise", "protocol.nac", "protocol.points_per_segment")
def reference_phonopy_velocities(view: View) -> FloatArray:
    """Group velocities of the reference on the path as phonopy gives them, THz·Å."""
    return reference_crystal(view).phonopy_velocities(path(view))


@derived("reference", "protocol.symmetrise", "protocol.nac", "protocol.mesh_length")
def reference_on_mesh(view: View) -> hm.Dispersion:
    """Phonons of the reference on the mesh."""
    return reference_crystal(view).at(mesh(view))


@derived("structure", "trajectory")
def moved(view: View) -> FloatArray:
    """Displacements of the reference trajectory, Å."""
    return displacements(view.trajectory, supercell(view))


@derived("reference", "trajectory", "protocol.symmetrise")
def reference_side(view: View) -> Side:
    """The reference's forces on its own trajectory."""
    constants = full_reference_force_constants(view)
    return Side(view.trajectory.forces, constants, harmonic_forces(constants, moved(view)))


@derived("structure")
def _solver(view: View, shape: tuple[int, ...], displaced: bytes) -> DisplacementSolver:
    """What makes force constants from forces on given displacements of the reference structure."""
    return displacement_solver(phonon(view), np.frombuffer(displaced).reshape(shape))


def symmetrised(view: View, crystal: Phonopy, force_constants: ForceConstants) -> ForceConstants:
    """Force constants, symmetrised or not as the protocol says."""
    return hm.symmetrised(crystal, force_constants) if view.protocol.symmetrise else force_constants


class ModelCrystal:
    """The crystal as the potential sees it, made as far as it is asked for.

    Parameters
    ----------
    view : View
        Of a measurement that uses the structure, and ``protocol.symmetrise`` where force constants are read.
    forces : Record
        Of a measurement ``displaced_forces…``.
    """

    def __init__(self, view: View, forces: Record) -> None:
        self._view = view
        self._forces = forces.arrays

    @cached_property
    def material(self) -> Material:
        """In the structure the forces belong to (relaxed, where the protocol says so)."""
        cell = self._view.structure.unitcell
        lattice, positions = self._forces["unitcell_lattice"], self._forces["unitcell_scaled_positions"]
        if np.array_equal(lattice, cell.lattice) and np.array_equal(positions, cell.scaled_positions):
            return self._view.structure
        return hm.with_cell(self._view.structure, Cell(lattice, positions, cell.numbers, cell.masses))

    @cached_property
    def phonon(self) -> Phonopy:
        """phonopy's view of that structure."""
        same = self.material is self._view.structure
        return phonon(self._view) if same else hm.build_phonopy(self.material)

    @cached_property
    def supercell(self) -> Cell:
        """The supercell at rest."""
        return hm.reference_supercell(self.phonon)

    @cached_property
    def raw(self) -> ForceConstants:
        """Compact force constants, as they come."""
        data = DisplacementForces(self._forces["displacements"], self._forces["forces"])
        if self.material is self._view.structure and single_displacements(data):
            shape, displaced = data.displacements.shape, data.displacements.tobytes()
            return _solver(self._view, shape, displaced).solve(data.forces)
        return hm.force_constants_from_forces(self.phonon, data)

    @cached_property
    def force_constants(self) -> ForceConstants:
        """Compact, symmetrised or not as the protocol says."""
        return symmetrised(self._view, self.phonon, self.raw)

    @cached_property
    def full_force_constants(self) -> ForceConstants:
        """Full, symmetrised or not as the protocol says."""
        return hm.full_force_constants(self.phonon, self.force_constants)
