"""What the cells of one material have in common: made once for all potentials that follow each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from phonopy import Phonopy

from softmode import harmonic as hm
from softmode.anharmonic.displacements import displacements
from softmode.anharmonic.sigma import harmonic_forces
from softmode.anharmonic.sites import site_labels
from softmode.crystal import (
    Cell,
    DisplacementForces,
    ForceConstants,
    Material,
    NonAnalyticalCorrection,
    Trajectory,
)
from softmode.harmonic.displacement_solver import DisplacementSolver, displacement_solver
from softmode.harmonic.finite_displacement import single_displacements

FloatArray = NDArray[np.float64]


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

    def at(self, where: hm.BandPath | hm.QMesh) -> hm.Dispersion:
        """Phonons on a path or mesh."""
        if self.nac is not None:
            points = where if isinstance(where, hm.BandPath) else where.points
            return hm.dispersion_with_nac(self.phonon, self.force_constants, self.nac, points)
        return hm.compute_dispersion(self.matrix, where.points)


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


class MaterialWork:
    """What depends on a material and a protocol alone, made when first asked for and then kept.

    Nothing of it is modified by those who use it.

    Parameters
    ----------
    material : Material
        The material with its reference data.
    protocol : HarmonicProtocol
        How force constants are prepared and where phonons are compared.
    load_trajectory : callable, optional
        Returns the reference trajectory in phonopy's supercell order, if the reference has one.
    """

    def __init__(
        self,
        material: Material,
        protocol: hm.HarmonicProtocol,
        load_trajectory: Callable[[], Trajectory] | None = None,
    ) -> None:
        self.material = material
        self.protocol = protocol
        self.load_trajectory = load_trajectory
        self._plans: dict[float, hm.DisplacementPlan] = {}
        self._labels: dict[str, dict[str, tuple[str, ...]]] = {}
        self._solvers: dict[bytes, DisplacementSolver] = {}

    @cached_property
    def phonon(self) -> Phonopy:
        """phonopy's view of the reference structure."""
        return hm.build_phonopy(self.material)

    @cached_property
    def supercell(self) -> Cell:
        """The reference supercell."""
        return hm.reference_supercell(self.phonon)

    @cached_property
    def trajectory(self) -> Trajectory:
        """The reference trajectory."""
        if self.load_trajectory is None:
            raise AssertionError("measurements of trajectories are planned only where there is one")
        return self.load_trajectory()

    @cached_property
    def moved(self) -> FloatArray:
        """Displacements of the reference trajectory, Å."""
        return displacements(self.trajectory, self.supercell)

    @cached_property
    def reference(self) -> Crystal:
        """The reference's phonons; long-range forces as the protocol says."""
        raw = hm.reference_force_constants(self.phonon, self.material)
        return self.crystal(self.phonon, raw)

    @cached_property
    def reference_side(self) -> Side:
        """The reference's forces on its own trajectory."""
        constants = hm.full_force_constants(self.phonon, self.reference.force_constants)
        return Side(self.trajectory.forces, constants, harmonic_forces(constants, self.moved))

    @cached_property
    def path(self) -> hm.BandPath:
        """The band path of the reference structure."""
        return hm.band_path(self.phonon, self.protocol.points_per_segment)

    @cached_property
    def mesh(self) -> hm.QMesh:
        """The mesh of the reference structure."""
        return hm.q_mesh(self.phonon, self.protocol.mesh_length)

    @cached_property
    def reference_on_path(self) -> hm.Dispersion:
        """Phonons of the reference on the path."""
        return self.reference.at(self.path)

    @cached_property
    def reference_on_mesh(self) -> hm.Dispersion:
        """Phonons of the reference on the mesh."""
        return self.reference.at(self.mesh)

    @property
    def size(self) -> int:
        """About how much memory it holds, bytes."""
        known = self.__dict__.get("trajectory")
        frames = 0 if known is None else 4 * known.positions.nbytes  # positions, forces, moved, harmonic
        return frames + 1000 * self.material.n_supercell_atoms**2 + (1 << 20)

    def labels(self, cell: Cell) -> dict[str, tuple[str, ...]]:
        """``element`` and ``site`` of each atom of a supercell."""
        if cell.digest not in self._labels:
            self._labels[cell.digest] = {"element": cell.symbols, "site": site_labels(cell)}
        return self._labels[cell.digest]

    def crystal(self, phonon: Phonopy, raw: ForceConstants) -> Crystal:
        """Force constants as a side of the comparison, prepared as the protocol says."""
        nac = self.material.nac if self.protocol.nac == "reference" else None
        prepared = hm.symmetrised(phonon, raw) if self.protocol.symmetrise else raw
        return Crystal(phonon, raw, prepared, nac)

    def plan(self, distance: float) -> hm.DisplacementPlan:
        """Displaced supercells of the reference structure, `distance` in Å."""
        if distance not in self._plans:
            self._plans[distance] = hm.plan_displacements(self.phonon, distance)
        return self._plans[distance]

    def force_constants(self, data: DisplacementForces) -> ForceConstants:
        """Compact force constants from forces on displaced supercells of the reference structure."""
        if not single_displacements(data):
            return hm.force_constants_from_forces(self.phonon, data)
        key = data.displacements.tobytes()
        if key not in self._solvers:
            self._solvers[key] = displacement_solver(self.phonon, data.displacements)
        return self._solvers[key].solve(data.forces)
