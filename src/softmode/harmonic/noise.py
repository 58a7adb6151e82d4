"""The smallest frequency that force constants allow one to believe.

Two sets of force constants that should be equal differ by ``dPhi``. To first order that moves the squared
frequencies of the three softest modes at q by the eigenvalues of ``P* dD(q) P``, where ``P`` holds their
eigenvectors and ``dD`` is the mass-weighted Fourier transform of ``dPhi`` (degenerate perturbation theory).
A mode whose squared frequency is within the largest of these can be told neither from zero nor from an
imaginary one; its root is the floor. The softest three are taken because they are the ones whose sign is in
question, and at Γ they are the translations, whose frequency should be zero.
"""

from __future__ import annotations

import numpy as np
from phonopy import Phonopy

from softmode.crystal import ForceConstants
from softmode.crystal.arrays import FloatArray
from softmode.harmonic.dispersion import (
    ComplexArray,
    dynamical_matrices,
    frequency_factor,
    real_space_dynamical_matrix,
    solve_modes,
)
from softmode.harmonic.finite_displacement import symmetrised
from softmode.harmonic.lattice import compact_force_constants

_SOFTEST = 3


def soft_mode_vectors(phonon: Phonopy, force_constants: ForceConstants, qpoints: FloatArray) -> ComplexArray:
    """Eigenvectors of the three softest modes at some q-points, (n_q, n_bands, 3).

    Parameters
    ----------
    phonon : phonopy.Phonopy
        Of the crystal.
    force_constants : ForceConstants
        Compact or full.
    qpoints : (n_q, 3) array
        Fractional coordinates in the reciprocal basis of the primitive cell.
    """
    _, vectors = solve_modes(real_space_dynamical_matrix(phonon, force_constants), qpoints)
    return vectors[:, :, :_SOFTEST]


def frequency_floor(
    phonon: Phonopy,
    change: ForceConstants,
    qpoints: FloatArray,
    vectors: ComplexArray,
    *,
    antisymmetric: bool = False,
) -> float:
    """Root of the largest shift of squared frequencies of the softest modes by a change of force constants.

    Parameters
    ----------
    phonon : phonopy.Phonopy
        Of the crystal.
    change : ForceConstants
        By how much force constants that should be equal differ, eV/Å².
    qpoints, vectors
        Where, and the modes: from :func:`soft_mode_vectors`.
    antisymmetric : bool
        Take the part of `change` that phonons do not contain. Where ``Phi_ij`` and ``Phi_ji^T`` are wrong
        independently of each other, it is as large as the error of their mean, which they contain.

    Returns
    -------
    float
        THz.
    """
    series = real_space_dynamical_matrix(phonon, change, antisymmetric=antisymmetric)
    moved = vectors.conj().transpose(0, 2, 1) @ dynamical_matrices(series, qpoints) @ vectors
    largest = float(np.linalg.norm(moved, ord=2, axis=(1, 2)).max())
    return float(frequency_factor() * np.sqrt(largest))


def own_floors(phonon: Phonopy, raw: ForceConstants, qpoints: FloatArray) -> dict[str, float]:
    """Floors that force constants tell of themselves, without another force.

    Parameters
    ----------
    phonon : phonopy.Phonopy
        Of the crystal.
    raw : ForceConstants
        As they come, not symmetrised.
    qpoints : (n_q, 3) array
        Where.

    Returns
    -------
    dict of str to float
        THz. ``sum_rule``: what imposing translational invariance and ``Phi_ij = Phi_ji^T`` moves;
        ``antisymmetry``: what is dropped by the latter.
    """
    vectors = soft_mode_vectors(phonon, raw, qpoints)
    imposed = difference(phonon, symmetrised(phonon, raw), raw)
    return {
        "sum_rule": frequency_floor(phonon, imposed, qpoints, vectors),
        "antisymmetry": frequency_floor(phonon, raw, qpoints, vectors, antisymmetric=True),
    }


def difference(phonon: Phonopy, one: ForceConstants, other: ForceConstants) -> ForceConstants:
    """Force constants less others of the same crystal, compact."""
    values = (compact_force_constants(phonon, each).values for each in (one, other))
    return ForceConstants(np.subtract(*values))
