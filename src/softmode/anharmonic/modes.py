"""σ⁽²⁾ by phonon mode: forces projected on the modes at the q-points commensurate with the supercell.

These modes are a complete orthonormal set of the supercell in mass-weighted coordinates, so their squared
projections add up to ``Σ |F_i|²/m_i`` exactly: recombined, they give the mass-weighted σ, not σ itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.harmonic.dynmat_to_fc import get_commensurate_points

from softmode.crystal import ForceConstants
from softmode.crystal.arrays import FloatArray
from softmode.harmonic.dispersion import (
    DEGENERACY_TOLERANCE,
    real_space_dynamical_matrix,
    solve_modes,
)
from softmode.harmonic.lattice import primitive_atoms

ComplexArray = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class SupercellModes:
    """Phonon modes that the supercell can hold.

    Parameters
    ----------
    qpoints : (n_q, 3) array
        Commensurate q-points, fractional coordinates in the reciprocal basis of the primitive cell.
    frequencies : (n_q, n_bands) array
        THz, imaginary modes negative.
    vectors : (n_q * n_bands, 3 * n_atoms) array
        Complex orthonormal mode vectors in mass-weighted coordinates, supercell atom order.
    sets : (n_q * n_bands,) array
        Modes of the same number have the same frequency and equivalent q-points: nothing tells them apart.
    masses : (n_atoms,) array
        Masses of the supercell's atoms, u.
    translation : (n_q * n_bands,) array
        How much of each mode is a shift of the whole crystal, 0 to 1.
    """

    qpoints: FloatArray
    frequencies: FloatArray
    vectors: ComplexArray
    sets: NDArray[np.int64]
    masses: FloatArray
    translation: FloatArray


@dataclass(frozen=True, eq=False)
class ModeSigma:
    """σ⁽²⁾ of each set of degenerate modes.

    Parameters
    ----------
    qpoints : (n_sets, 3) array
        One q-point of each set's star.
    frequencies : (n_sets,) array
        THz, imaginary modes negative.
    multiplicities : (n_sets,) array
        Number of modes in the set.
    squared_force, squared_anharmonic : (n_sets,) arrays
        Mean squared projections of the mass-weighted forces and anharmonic forces, (eV/Å)²/u.
    translation : (n_sets,) bool array
        The set of the three translations.
    """

    qpoints: FloatArray
    frequencies: FloatArray
    multiplicities: NDArray[np.int64]
    squared_force: FloatArray
    squared_anharmonic: FloatArray
    translation: NDArray[np.bool_]

    @property
    def sigma(self) -> FloatArray:
        """σ of each set; NaN for the three translations, on which there is no force but noise."""
        present = ~self.translation & (self.squared_force > 1e-12 * self.squared_force.sum())
        values = np.full(len(self.frequencies), np.nan)
        values[present] = np.sqrt(self.squared_anharmonic[present] / self.squared_force[present])
        return values

    @property
    def imaginary(self) -> NDArray[np.bool_]:
        """Which sets are imaginary; translations never, whatever a broken sum rule makes of them."""
        return (self.frequencies < -DEGENERACY_TOLERANCE) & ~self.translation

    @property
    def mass_weighted(self) -> float:
        """Mass-weighted overall σ, recombined from the modes."""
        return float(np.sqrt(self.squared_anharmonic.sum() / self.squared_force.sum()))


def _lattice_points(phonon: Phonopy) -> tuple[NDArray[np.int64], FloatArray]:
    """Primitive-cell atom and lattice vector (fractional, primitive basis) of each supercell atom."""
    primitive = phonon.primitive
    position = phonon.supercell.positions @ np.linalg.inv(primitive.cell)
    return primitive_atoms(phonon), np.rint(position - position[primitive.s2p_map])


def _stars(phonon: Phonopy, qpoints: FloatArray) -> NDArray[np.int64]:
    """Number of the star (orbit under the point group and time reversal) of each q-point."""
    rotations = phonon.primitive_symmetry.reciprocal_operations
    star = np.full(len(qpoints), -1)
    for index in range(len(qpoints)):
        if star[index] >= 0:
            continue
        images = np.concatenate([rotations @ qpoints[index], -(rotations @ qpoints[index])])
        difference = qpoints[:, None, :] - images[None, :, :]
        same = (np.abs(difference - np.rint(difference)) < 1e-6).all(axis=2).any(axis=1)
        star[same] = index
    return star


def _degenerate_sets(frequencies: FloatArray, star: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the sets of modes of equal frequency within each star."""
    n_q, n_bands = frequencies.shape
    sets = np.empty(n_q * n_bands, dtype=np.int64)
    mode_star = np.repeat(star, n_bands)
    flat = frequencies.ravel()
    count = 0
    for label in np.unique(star):
        members = np.flatnonzero(mode_star == label)
        members = members[np.argsort(flat[members], kind="stable")]
        new = np.diff(flat[members], prepend=-np.inf) >= DEGENERACY_TOLERANCE
        sets[members] = count + np.cumsum(new) - 1
        count += int(new.sum())
    return sets


def supercell_modes(phonon: Phonopy, force_constants: ForceConstants) -> SupercellModes:
    """Modes at the q-points commensurate with the supercell.

    Parameters
    ----------
    phonon : phonopy.Phonopy
        Supercell and primitive cell.
    force_constants : ForceConstants
        Compact or full, eV/Å².
    """
    multiples = np.rint(np.linalg.inv(phonon.primitive_matrix) @ phonon.supercell_matrix).astype(int)
    qpoints = get_commensurate_points(multiples)
    frequencies, eigenvectors = solve_modes(real_space_dynamical_matrix(phonon, force_constants), qpoints)
    atom, points = _lattice_points(phonon)
    phases = np.exp(2j * np.pi * (qpoints @ points.T)) / np.sqrt(len(qpoints))  # (n_q, n_atoms)
    n_q, n_bands = frequencies.shape
    by_atom = eigenvectors.reshape(n_q, -1, 3, n_bands)[:, atom]  # (n_q, n_atoms, 3, n_bands)
    vectors = (by_atom * phases[:, :, None, None]).transpose(0, 3, 1, 2).reshape(n_q * n_bands, -1)
    masses = np.array(phonon.supercell.masses, dtype=np.float64)
    shift = np.kron(np.sqrt(masses / masses.sum())[:, None], np.eye(3))  # (3 n_atoms, 3), orthonormal
    return SupercellModes(
        qpoints=qpoints,
        frequencies=frequencies,
        vectors=vectors,
        sets=_degenerate_sets(frequencies, _stars(phonon, qpoints)),
        masses=masses,
        translation=(np.abs(vectors.conj() @ shift) ** 2).sum(axis=1),
    )


def _power(modes: SupercellModes, forces: FloatArray) -> FloatArray:
    """Mean squared projection of mass-weighted forces on each mode, (eV/Å)²/u."""
    weighted = (forces / np.sqrt(modes.masses)[:, None]).reshape(len(forces), -1)
    real = weighted @ modes.vectors.real.T
    imaginary = weighted @ modes.vectors.imag.T
    mean: FloatArray = (real**2 + imaginary**2).mean(axis=0)
    return mean


def mode_sigma(modes: SupercellModes, forces: FloatArray, harmonic: FloatArray) -> ModeSigma:
    """σ⁽²⁾ by set of degenerate modes, in ascending order of frequency.

    Parameters
    ----------
    modes : SupercellModes
        From :func:`supercell_modes`.
    forces, harmonic : (n_frames, n_atoms, 3) arrays
        Forces and their harmonic part, eV/Å, supercell atom order.
    """
    total, anharmonic = _power(modes, forces), _power(modes, forces - harmonic)
    n_sets = int(modes.sets.max()) + 1
    counts = np.bincount(modes.sets, minlength=n_sets)
    flat = modes.frequencies.ravel()
    frequencies = np.bincount(modes.sets, weights=flat, minlength=n_sets) / counts
    _, first = np.unique(modes.sets, return_index=True)
    order = np.argsort(frequencies, kind="stable")

    def summed(power: FloatArray) -> FloatArray:
        return np.bincount(modes.sets, weights=power, minlength=n_sets).astype(np.float64)[order]

    return ModeSigma(
        qpoints=modes.qpoints[first // modes.frequencies.shape[1]][order],
        frequencies=frequencies[order],
        multiplicities=counts[order],
        squared_force=summed(total),
        squared_anharmonic=summed(anharmonic),
        translation=summed(modes.translation) > 0.5 * counts[order],
    )
