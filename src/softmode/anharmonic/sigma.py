"""The anharmonicity score σ⁽²⁾ and its resolved forms.

Knoop, Purcell, Scheffler and Carbogno, Phys. Rev. Mater. 4, 083809 (2020); eq. 1 of Yang et al., PCCP 2026.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from softmode.crystal import ForceConstants
from softmode.crystal.arrays import FloatArray
from softmode.errors import InputDataError

_NO_FORCE = 1e-3


def harmonic_forces(force_constants: ForceConstants, displacements: FloatArray) -> FloatArray:
    """Forces of the harmonic crystal, ``F_i = -Σ_j Φ_ij u_j``.

    Parameters
    ----------
    force_constants : ForceConstants
        Full, (n_atoms, n_atoms, 3, 3), eV/Å².
    displacements : (n_frames, n_atoms, 3) array
        Å.

    Returns
    -------
    (n_frames, n_atoms, 3) array
        eV/Å.

    Raises
    ------
    InputDataError
        If the force constants are not those of this many atoms.
    """
    n_frames, n_atoms, _ = displacements.shape
    if force_constants.values.shape[:2] != (n_atoms, n_atoms):
        raise InputDataError(
            "force constants",
            f"are of {force_constants.values.shape[:2]} atoms, but the configurations have {n_atoms}",
            "give the full force constants of the supercell the trajectory was run in",
        )
    return -(displacements.reshape(n_frames, -1) @ force_constants.matrix.T).reshape(displacements.shape)


@dataclass(frozen=True, eq=False)
class Sigma:
    """σ⁽²⁾ of a set of configurations, kept so that every resolved form follows.

    Parameters
    ----------
    squared_force, squared_anharmonic : (n_frames, n_atoms) arrays
        ``|F_i|²`` and ``|F_i - F⁽²⁾_i|²``, (eV/Å)².
    overall_std : float
        The overall value with mean forces removed (numpy ``std``), as FHI-vibes prints it.
    """

    squared_force: FloatArray
    squared_anharmonic: FloatArray
    overall_std: float

    @property
    def overall(self) -> float:
        """``sqrt(Σ⟨F_A²⟩ / Σ⟨F²⟩)`` over all frames and atoms (eq. 1)."""
        return float(np.sqrt(self.squared_anharmonic.sum() / self.squared_force.sum()))

    @property
    def per_frame(self) -> FloatArray:
        """σ(t): the same over one frame at a time, (n_frames,)."""
        ratio: FloatArray = self.squared_anharmonic.sum(axis=1) / self.squared_force.sum(axis=1)
        return np.sqrt(ratio)

    @property
    def mean_t(self) -> float:
        """⟨σ(t)⟩_t, the score the paper classifies. Not the overall value."""
        return float(self.per_frame.mean())

    def by(self, labels: Sequence[str]) -> dict[str, float]:
        """σ over the atoms of each label (element, site).

        Parameters
        ----------
        labels : sequence of str
            One for each atom. A label whose atoms feel no force at all gets NaN.
        """
        force, anharmonic = self.squared_force.sum(axis=0), self.squared_anharmonic.sum(axis=0)
        names, index = np.unique(np.asarray(labels), return_inverse=True)
        total = np.bincount(index, weights=force)
        part = np.bincount(index, weights=anharmonic)
        ratio = np.divide(part, total, out=np.full(len(names), np.nan), where=total > 0.0)
        first = {name: list(labels).index(name) for name in names}
        ordered = sorted(range(len(names)), key=lambda k: first[names[k]])
        return {str(names[k]): float(np.sqrt(ratio[k])) for k in ordered}


def sigma(forces: FloatArray, harmonic: FloatArray, *, subject: str = "trajectory") -> Sigma:
    """σ⁽²⁾ from forces and their harmonic part.

    Parameters
    ----------
    forces, harmonic : (n_frames, n_atoms, 3) arrays
        eV/Å.
    subject : str
        Whose forces these are, for the error.

    Raises
    ------
    InputDataError
        If a frame has no forces, or less than a thousandth of what is usual in the trajectory: the perfect
        crystal, whose σ is noise over noise.
    """
    anharmonic = forces - harmonic
    squared = np.einsum("fai,fai->fa", forces, forces)
    of_frame = squared.sum(axis=1)
    usual = np.quantile(of_frame, 0.75)  # not the mean: one frame in which atoms collide would be all of it
    without = np.flatnonzero(of_frame <= _NO_FORCE**2 * usual)
    if without.size:
        raise InputDataError(
            subject,
            "all forces are zero, or next to it, in frame "
            f"{', '.join(str(frame) for frame in without[:10])} (counted from 0)",
            "check that the forces were read, and leave out the perfect crystal (--skip 1)",
        )
    return Sigma(
        squared_force=squared,
        squared_anharmonic=np.einsum("fai,fai->fa", anharmonic, anharmonic),
        overall_std=float(anharmonic.std() / forces.std()),
    )


def sigma_std_by(forces: FloatArray, harmonic: FloatArray, labels: Sequence[str]) -> dict[str, float]:
    """σ by label with mean forces removed (numpy ``std`` over the label's atoms), as FHI-vibes prints it."""
    names = list(dict.fromkeys(labels))
    chosen = {name: np.asarray([label == name for label in labels]) for name in names}
    return {
        name: float((forces[:, mask] - harmonic[:, mask]).std() / forces[:, mask].std())
        for name, mask in chosen.items()
    }
