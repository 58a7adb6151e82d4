"""Phonons with the non-analytical term correction of polar crystals, through phonopy."""

from __future__ import annotations

import numpy as np
from phonopy import Phonopy

from softmode.crystal import ForceConstants, NonAnalyticalCorrection
from softmode.crystal.arrays import FloatArray
from softmode.harmonic.dispersion import Dispersion, degenerate_set_starts, set_means
from softmode.harmonic.lattice import with_force_constants
from softmode.harmonic.qpoints import BandPath


def _in_order(qpoints: FloatArray, frequencies: FloatArray, velocities: FloatArray) -> Dispersion:
    order = np.argsort(frequencies, axis=1, kind="stable")
    frequencies = np.take_along_axis(frequencies, order, axis=1)
    velocities = np.take_along_axis(velocities, order[:, :, None], axis=1)
    return Dispersion(qpoints, frequencies, set_means(velocities, degenerate_set_starts(frequencies)))


def dispersion_with_nac(
    phonon: Phonopy,
    force_constants: ForceConstants,
    nac: NonAnalyticalCorrection,
    qpoints: FloatArray | BandPath,
) -> Dispersion:
    """Frequencies and group velocities with the dipole-dipole term (Gonze and Lee, as in phonopy).

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
    if isinstance(qpoints, BandPath):
        segments = qpoints.points.reshape(len(qpoints.segments), qpoints.points_per_segment, 3)
        worker.run_band_structure(list(segments), with_group_velocities=True)
        bands = worker.band_structure
        return _in_order(
            qpoints.points, np.concatenate(bands.frequencies), np.concatenate(bands.group_velocities)
        )
    worker.run_qpoints(qpoints, with_group_velocities=True)
    return _in_order(qpoints, worker.qpoints.frequencies, worker.qpoints.group_velocities)
