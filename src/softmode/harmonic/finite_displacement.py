"""Finite displacements and force constants, through phonopy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from phonopy import Phonopy

from softmode.crystal import DisplacementForces, ForceConstants, Material
from softmode.crystal.arrays import FloatArray
from softmode.errors import InputDataError
from softmode.harmonic.displacement_solver import displacement_solver
from softmode.harmonic.lattice import (
    compact_force_constants,
    full_force_constants,
    independent,
    reference_supercell,
    with_force_constants,
)


@dataclass(frozen=True, eq=False)
class DisplacementPlan:
    """The supercells on which forces are needed.

    Parameters
    ----------
    perfect : ase.Atoms
        The undisplaced supercell, phonopy's atom order.
    displacements : (n_supercells, n_atoms, 3) array
        Displacements from it, Å.
    """

    perfect: Atoms
    displacements: FloatArray

    def supercells(self) -> list[Atoms]:
        """Displaced supercells, in the order of `displacements`."""
        supercells = []
        for displacement in self.displacements:
            atoms = self.perfect.copy()
            atoms.positions += displacement
            supercells.append(atoms)
        return supercells


def plan_displacements(phonon: Phonopy, distance: float) -> DisplacementPlan:
    """Symmetry-reduced displacements of single atoms (phonopy's choice of atoms and directions).

    Parameters
    ----------
    phonon : phonopy.Phonopy
        From :func:`softmode.harmonic.build_phonopy`; not modified.
    distance : float
        Length of each displacement, Å.
    """
    generator = independent(phonon)
    generator.generate_displacements(distance=distance)
    dataset = generator.dataset
    displacements = np.zeros((len(dataset["first_atoms"]), len(phonon.supercell), 3))
    for index, first_atom in enumerate(dataset["first_atoms"]):
        displacements[index, first_atom["number"]] = first_atom["displacement"]
    return DisplacementPlan(perfect=reference_supercell(phonon).to_atoms(), displacements=displacements)


def single_displacements(data: DisplacementForces) -> bool:
    """Whether one atom is displaced in each supercell, as phonopy's own solver wants it."""
    moved = np.linalg.norm(data.displacements, axis=2) > 0.0
    return bool((moved.sum(axis=1) == 1).all())


def force_constants_from_forces(phonon: Phonopy, data: DisplacementForces) -> ForceConstants:
    """Compact force constants from forces on displaced supercells, not symmetrised.

    One displaced atom per supercell: as phonopy's own solver. More: symfc's least squares.

    Parameters
    ----------
    phonon : phonopy.Phonopy
        Of the same supercell; not modified.
    data : DisplacementForces
        phonopy's supercell order.

    Returns
    -------
    ForceConstants
        (n_primitive, n_supercell, 3, 3), eV/Å².

    Raises
    ------
    InputDataError
        If single displaced atoms do not determine the force constants.
    """
    if single_displacements(data):
        return displacement_solver(phonon, data.displacements).solve(data.forces)
    solver = independent(phonon)
    solver.dataset = {"displacements": np.array(data.displacements), "forces": np.array(data.forces)}
    solver.produce_force_constants(
        fc_calculator="symfc", calculate_full_force_constants=False, show_drift=False
    )
    return ForceConstants(solver.force_constants)


def reference_force_constants(phonon: Phonopy, material: Material) -> ForceConstants:
    """Compact reference force constants of a material, not symmetrised.

    Raises
    ------
    InputDataError
        If the material comes without reference data.
    """
    if material.reference is None:
        raise InputDataError(
            material.name, "it comes without reference force constants", "compare only what the model gives"
        )
    if isinstance(material.reference, DisplacementForces):
        return force_constants_from_forces(phonon, material.reference)
    return compact_force_constants(phonon, material.reference)


def symmetrised(phonon: Phonopy, force_constants: ForceConstants) -> ForceConstants:
    """Force constants with translational invariance and index permutation symmetry imposed (phonopy)."""
    worker = with_force_constants(phonon, force_constants)
    worker.symmetrize_force_constants(show_drift=False)
    return ForceConstants(worker.force_constants)


def acoustic_sum_rule_violation(phonon: Phonopy, force_constants: ForceConstants) -> float:
    """Largest violation of translational invariance, eV/Å².

    ``max(|sum_j Phi_ij|, |sum_i Phi_ij|)`` over atoms and Cartesian components. The two sums differ before
    symmetrisation: one is the net force on a displaced supercell, the other the force on an atom when the
    whole crystal is shifted.
    """
    full = full_force_constants(phonon, force_constants).values
    return float(max(np.abs(full.sum(axis=0)).max(), np.abs(full.sum(axis=1)).max()))
