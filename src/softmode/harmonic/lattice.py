"""From a material to phonopy's view of it: unit cell, supercell, primitive cell."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.harmonic.force_constants import compact_fc_to_full_fc

from softmode.crystal import Cell, ForceConstants, Material, NonAnalyticalCorrection


def build_phonopy(material: Material, *, tolerance: float = 1e-5) -> Phonopy:
    """Phonopy object of a material, without force constants.

    Parameters
    ----------
    material : Material
        Its supercell and primitive matrices are passed on as they are; nothing is guessed.
    tolerance : float
        Of symmetry, Å; phonopy's own unless given.

    Returns
    -------
    phonopy.Phonopy
        Units: Å, eV/Å², THz.
    """
    return Phonopy(
        material.unitcell.to_phonopy(),
        supercell_matrix=np.array(material.supercell_matrix),
        primitive_matrix=np.array(material.primitive_matrix),
        symprec=tolerance,
        log_level=0,
    )


def independent(phonon: Phonopy) -> Phonopy:
    """Return a phonopy object of the same crystal whose displacements and force constants are its own.

    Cells and symmetry, which are not modified, are shared: ``replicate`` would search the symmetry again.
    """
    return copy.copy(phonon)


def with_cell(material: Material, cell: Cell) -> Material:
    """Return the same material in another (relaxed) unit cell; atom order and reference data are kept."""
    return replace(material, unitcell=cell)


def primitive_atoms(phonon: Phonopy) -> NDArray[np.int64]:
    """Which atom of the primitive cell each atom of the supercell is an image of, (n_supercell,)."""
    primitive = phonon.primitive
    return np.array([primitive.p2p_map[atom] for atom in primitive.s2p_map], dtype=np.int64)


def compact_force_constants(phonon: Phonopy, force_constants: ForceConstants) -> ForceConstants:
    """First index reduced to the atoms of the primitive cell (phonopy's ``p2s_map``)."""
    values = force_constants.values
    if values.shape[0] == len(phonon.primitive):
        return force_constants
    return ForceConstants(values[phonon.primitive.p2s_map])


def with_force_constants(
    phonon: Phonopy, force_constants: ForceConstants, nac: NonAnalyticalCorrection | None = None
) -> Phonopy:
    """A phonopy object of the same crystal that has compact force constants, and Born charges where given."""
    worker = independent(phonon)
    worker.force_constants = np.array(compact_force_constants(phonon, force_constants).values)
    if nac is not None:
        worker.nac_params = {
            "born": np.array(nac.born_charges),
            "dielectric": np.array(nac.dielectric),
            "factor": nac.unit_factor,
        }
    return worker


def full_force_constants(phonon: Phonopy, force_constants: ForceConstants) -> ForceConstants:
    """Force constants with a first index over all atoms of the supercell."""
    values = force_constants.values
    if values.shape[0] == values.shape[1]:
        return force_constants
    return ForceConstants(compact_fc_to_full_fc(phonon.primitive, np.array(values)))


def reference_supercell(phonon: Phonopy) -> Cell:
    """Return the reference supercell in phonopy's atom order."""
    return Cell.from_phonopy(phonon.supercell)
