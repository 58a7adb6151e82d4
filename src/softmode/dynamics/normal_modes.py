"""Normal modes of the supercell: real, orthonormal, free of translations.

The mass-weighted force constants are diagonalised in the space orthogonal to the three translations, which
are thus left out exactly, also when raw force constants violate the acoustic sum rule. The frequencies are
those of the phonons at the q-points commensurate with the supercell; of each pair ±q the real combinations
appear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from phonopy import Phonopy

from softmode.crystal import ForceConstants
from softmode.crystal.arrays import FloatArray
from softmode.errors import InputDataError
from softmode.harmonic.dispersion import DEGENERACY_TOLERANCE, frequency_factor
from softmode.harmonic.lattice import full_force_constants


@dataclass(frozen=True, eq=False)
class NormalModes:
    """Normal modes of a supercell, its three translations left out.

    Parameters
    ----------
    frequencies : (n_modes,) array
        Ascending, THz, imaginary modes negative; ``n_modes = 3 n_atoms - 3``.
    vectors : (n_modes, 3 * n_atoms) array
        Real orthonormal vectors in mass-weighted coordinates. Within a degenerate set the basis is fixed by a
        rule (see :func:`normal_modes`), so that it does not depend on the eigensolver.
    masses : (n_atoms,) array
        u.
    """

    frequencies: FloatArray
    vectors: FloatArray
    masses: FloatArray

    @property
    def n_atoms(self) -> int:
        """Number of atoms of the supercell."""
        return len(self.masses)

    @property
    def eigenvalues(self) -> FloatArray:
        """Squared angular frequencies, eV/(Å² u), negative for imaginary modes, (n_modes,)."""
        scaled = self.frequencies / frequency_factor()
        values: FloatArray = np.sign(scaled) * scaled**2
        return values

    def coordinates(self, displacements: FloatArray) -> FloatArray:
        """Mode coordinates of displacements.

        Parameters
        ----------
        displacements : (n, n_atoms, 3) array
            Å.

        Returns
        -------
        (n, n_modes) array
            √u Å.
        """
        weighted = displacements * np.sqrt(self.masses)[:, None]
        return np.asarray(weighted.reshape(len(displacements), -1) @ self.vectors.T)

    def displacements(self, coordinates: FloatArray) -> FloatArray:
        """Displacements of given mode coordinates; the inverse of :meth:`coordinates`.

        Parameters
        ----------
        coordinates : (n, n_modes) array
            √u Å.

        Returns
        -------
        (n, n_atoms, 3) array
            Å.
        """
        weighted = (coordinates @ self.vectors).reshape(len(coordinates), -1, 3)
        return np.asarray(weighted / np.sqrt(self.masses)[:, None])


def normal_modes(force_constants: ForceConstants, masses: FloatArray) -> NormalModes:
    """Diagonalise the mass-weighted force constants of a supercell.

    Parameters
    ----------
    force_constants : ForceConstants
        Full, eV/Å²; made symmetric under exchange of the two atoms.
    masses : (n_atoms,) array
        u.

    Notes
    -----
    In a degenerate set the eigensolver's choice of basis is arbitrary. It is replaced by the eigenvectors of
    a fixed diagonal operator within the set, and each vector's sign by that of its overlap with a fixed
    vector: the sign-alternating configurations would differ from one linear-algebra library to the next.

    Raises
    ------
    InputDataError
        If the force constants are not those of this many atoms, or there is only one atom.
    """
    n_atoms = len(masses)
    if force_constants.values.shape[:2] != (n_atoms, n_atoms):
        raise InputDataError(
            "force constants",
            f"are of {force_constants.values.shape[:2]} atoms, but the supercell has {n_atoms}",
            "give the full force constants of this supercell, or the phonopy object with compact ones",
        )
    if n_atoms < 2:
        raise InputDataError(
            "force constants", "are of a single atom, which has no vibrations", "use a larger supercell"
        )
    root = np.repeat(np.sqrt(np.asarray(masses, dtype=np.float64)), 3)
    matrix = force_constants.matrix / np.outer(root, root)
    translations = np.tile(np.eye(3), (n_atoms, 1)) * root[:, None]
    basis = np.linalg.qr(translations, mode="complete")[0][:, 3:]
    values, inner = np.linalg.eigh(basis.T @ (0.5 * (matrix + matrix.T)) @ basis)
    frequencies = np.sign(values) * np.sqrt(np.abs(values)) * frequency_factor()
    return NormalModes(
        frequencies=frequencies,
        vectors=_fixed_basis(frequencies, (basis @ inner).T),
        masses=np.array(masses, dtype=np.float64),
    )


def supercell_normal_modes(phonon: Phonopy, force_constants: ForceConstants) -> NormalModes:
    """Normal modes of phonopy's supercell from compact or full force constants.

    Parameters
    ----------
    phonon : phonopy.Phonopy
        Supercell and primitive cell.
    force_constants : ForceConstants
        Compact or full, eV/Å².
    """
    full = full_force_constants(phonon, force_constants)
    return normal_modes(full, np.array(phonon.supercell.masses, dtype=np.float64))


def _fixed_basis(frequencies: FloatArray, vectors: FloatArray) -> FloatArray:
    """Replace each degenerate set's basis, and all signs, by ones that only the set itself determines."""
    weights = np.modf(np.arange(1, vectors.shape[1] + 1) * (np.sqrt(5.0) - 1.0) / 2.0)[0]
    fixed = vectors.copy()
    starts = np.flatnonzero(np.diff(frequencies, prepend=-np.inf) >= DEGENERACY_TOLERANCE)
    for start, end in zip(starts, [*starts[1:], len(frequencies)], strict=True):
        if end - start > 1:
            members = vectors[start:end]
            _, rotation = np.linalg.eigh((members * weights) @ members.T)
            fixed[start:end] = rotation.T @ members
    signs = np.where(fixed @ weights < 0.0, -1.0, 1.0)
    return np.asarray(fixed * signs[:, None])
