"""What goes through phonopy: phonons with the non-analytical term correction, velocities as it gives them."""

from __future__ import annotations

import numpy as np
from phonopy import Phonopy
from phonopy.phonon.band_structure import BandStructure
from phonopy.phonon.group_velocity import GroupVelocity
from phonopy.phonon.qpoints import QpointsPhonon

from softmode.crystal import ForceConstants, NonAnalyticalCorrection
from softmode.crystal.arrays import FloatArray
from softmode.harmonic.dispersion import FREQUENCY_CUTOFF, Dispersion, degenerate_set_starts, set_means
from softmode.harmonic.lattice import with_force_constants
from softmode.harmonic.qpoints import BandPath


def _in_order(qpoints: FloatArray, frequencies: FloatArray, velocities: FloatArray) -> Dispersion:
    """Bands in ascending order; `velocities` are wanted of imaginary modes, too: ``2 ν v_g`` is the slope."""
    order = np.argsort(frequencies, axis=1, kind="stable")
    frequencies = np.take_along_axis(frequencies, order, axis=1)
    velocities = np.take_along_axis(velocities, order[:, :, None], axis=1)
    starts = degenerate_set_starts(frequencies)
    slopes = np.where(frequencies[:, :, None] == 0.0, 0.0, 2.0 * frequencies[:, :, None] * velocities)
    velocities = np.where(frequencies[:, :, None] > FREQUENCY_CUTOFF, velocities, 0.0)
    return Dispersion(qpoints, frequencies, set_means(velocities, starts), set_means(slopes, starts))


def dispersion_with_nac(
    phonon: Phonopy,
    force_constants: ForceConstants,
    nac: NonAnalyticalCorrection,
    qpoints: FloatArray | BandPath,
) -> Dispersion:
    """Frequencies, group velocities and slopes with the dipole-dipole term (Gonze and Lee, as in phonopy).

    Parameters
    ----------
    phonon : phonopy.Phonopy
        Supercell and primitive cell; not modified.
    force_constants : ForceConstants
        Compact or full.
    nac : NonAnalyticalCorrection
        Born effective charges and dielectric tensor.
    qpoints : (n_q, 3) array or BandPath
        On a path the limit at Γ is taken along each segment; on a list of q-points Γ has no direction and
        is left uncorrected, as in phonopy.
    """
    worker = with_force_constants(phonon, force_constants, nac)
    matrix = worker.dynamical_matrix
    # without a cut-off: an imaginary mode has a slope
    moving = GroupVelocity(matrix, symmetry=worker.primitive_symmetry, cutoff_frequency=-np.inf)
    if isinstance(qpoints, BandPath):
        segments = qpoints.points.reshape(len(qpoints.segments), qpoints.points_per_segment, 3)
        bands = BandStructure(list(segments), matrix, group_velocity=moving)
        return _in_order(
            qpoints.points, np.concatenate(bands.frequencies), np.concatenate(bands.group_velocities)
        )
    found = QpointsPhonon(qpoints, matrix, group_velocity=moving)
    return _in_order(qpoints, found.frequencies, found.group_velocities)


def phonopy_velocities(
    phonon: Phonopy,
    force_constants: ForceConstants,
    nac: NonAnalyticalCorrection | None,
    path: BandPath,
) -> FloatArray:
    """Group velocities on a path as phonopy gives them: within a degenerate set in its own order.

    Returns
    -------
    (n_q, n_bands, 3) array
        ``band_structure.group_velocities``, THz·Å.
    """
    worker = with_force_constants(phonon, force_constants, nac)
    moving = GroupVelocity(worker.dynamical_matrix, symmetry=worker.primitive_symmetry)
    moving.run(path.points)
    velocities: FloatArray = moving.group_velocities
    return velocities
