"""Modes at a single q-point, and one of them to be looked at, chosen so that it can be had again.

What a solver returns of a mode is arbitrary: its phase, and within a degenerate set even which modes. Here
the set is projected on one displacement of one atom, that which moves most in it. That fixes both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from phonopy import Phonopy

from softmode.crystal import ForceConstants, NonAnalyticalCorrection
from softmode.crystal.arrays import FloatArray
from softmode.harmonic.dispersion import (
    ComplexArray,
    RealSpaceDynamicalMatrix,
    frequencies_of,
    solve_modes,
)
from softmode.harmonic.lattice import with_force_constants

#: Modes closer than this are one set, THz: forces with noise split what symmetry makes equal by less.
SET_TOLERANCE = 5e-3
#: Displacements that differ by less, as a share, are equal but for rounding: the first counts.
_EQUAL = 1e-6


@dataclass(frozen=True, eq=False)
class PointModes:
    """All modes at a q-point.

    Parameters
    ----------
    frequencies : (n_bands,) array
        Ascending, THz, imaginary modes negative.
    vectors : (n_bands, n_bands) array
        Columns: orthonormal mass-weighted eigenvectors ``e``, for displacements
        ``u(atom, R) = e exp(2πi q·(R + r)) / √m`` with phases of atomic positions, as in phonopy.
    masses : (n_atoms,) array
        u.
    """

    frequencies: FloatArray
    vectors: ComplexArray
    masses: FloatArray

    def set_of(self, band: int) -> NDArray[np.int64]:
        """Bands that are degenerate with one of them."""
        gaps = np.diff(self.frequencies) >= SET_TOLERANCE
        sets = np.concatenate([[0], np.cumsum(gaps)])
        return np.flatnonzero(sets == sets[band])

    def shown(self, band: int) -> ComplexArray:
        """The mode of the set of a band that is shown: orthonormal, (n_bands,).

        It is the projection on the set of that Cartesian displacement of one atom which is largest in it (the
        first of equal ones), and this displacement is real and positive. It does not depend on the solver; of
        a degenerate set it is one mode of many, and turned or shifted cells may choose another one.
        """
        basis = self.vectors[:, self.set_of(band)]
        weight = (np.abs(basis) ** 2).sum(axis=1)
        moved = weight / np.repeat(self.masses, 3)
        atom = int(np.flatnonzero(moved >= (1.0 - _EQUAL) * moved.max())[0])
        found: ComplexArray = basis @ basis[atom].conj() / np.sqrt(weight[atom])
        return found

    def displacements(self, vector: ComplexArray) -> ComplexArray:
        """Displacements of a mass-weighted vector, (n_atoms, 3); the atom that moves most moves by 1."""
        found = vector.reshape(-1, 3) / np.sqrt(self.masses)[:, None]
        return np.asarray(found / np.linalg.norm(found, axis=1).max())

    def overlap(self, vector: ComplexArray, bands: NDArray[np.int64]) -> float:
        """Share of a mass-weighted vector of length 1 that lies in some of these modes."""
        return float((np.abs(self.vectors[:, bands].conj().T @ vector) ** 2).sum())


def modes_at(phonon: Phonopy, matrix: RealSpaceDynamicalMatrix, q: FloatArray) -> PointModes:
    """Modes at a q-point, without non-analytical correction.

    Parameters
    ----------
    phonon : phonopy.Phonopy
        Of which the primitive cell counts.
    matrix : RealSpaceDynamicalMatrix
        Of the same primitive cell.
    q : (3,) array
        Fractional coordinates in the reciprocal basis of the primitive cell.
    """
    frequencies, vectors = solve_modes(matrix, q[None])
    phases = np.exp(-2j * np.pi * (phonon.primitive.scaled_positions @ q))
    return PointModes(frequencies[0], np.repeat(phases, 3)[:, None] * vectors[0], phonon.primitive.masses)


def modes_with_nac(
    phonon: Phonopy,
    force_constants: ForceConstants,
    nac: NonAnalyticalCorrection,
    q: FloatArray,
    direction: FloatArray,
) -> PointModes:
    """Modes at a q-point with the dipole-dipole term, as phonopy has it.

    Parameters
    ----------
    phonon : phonopy.Phonopy
        Supercell and primitive cell; not modified.
    force_constants : ForceConstants
        Compact or full.
    nac : NonAnalyticalCorrection
        Born effective charges and dielectric tensor.
    q, direction : (3,) arrays
        Fractional coordinates; where Γ is approached from.
    """
    dynamical = with_force_constants(phonon, force_constants, nac).dynamical_matrix
    at_gamma = np.abs(q).max() < 1e-5
    dynamical.run(q, q_direction=direction if at_gamma else None)
    eigenvalues, vectors = np.linalg.eigh(dynamical.dynamical_matrix)
    return PointModes(frequencies_of(eigenvalues), vectors, phonon.primitive.masses)
