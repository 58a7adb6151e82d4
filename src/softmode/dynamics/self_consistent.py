"""Self-consistent harmonic sampling: amplitudes from the forces that the moving crystal feels.

Force constants at rest say nothing of how far an imaginary mode moves, and too much where springs stiffen.
Among all Gaussian distributions of the mode coordinates, the one of lowest free energy has in each mode the
stiffness averaged over the distribution itself (D. J. Hooton, Philos. Mag. 46, 422 (1955); I. Errea,
M. Calandra and F. Mauri, Phys. Rev. B 89, 064302 (2014)). For Gaussian Q this is, by partial integration,

    λ = -<F_Q Q> / <Q²>

which forces on samples give. Here the modes keep their patterns, and modes degenerate at rest share λ, so
that few samples suffice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from softmode.crystal.arrays import FloatArray
from softmode.dynamics.normal_modes import NormalModes
from softmode.dynamics.thermal import (
    ThermalSettings,
    mean_square_amplitude,
    mode_amplitudes,
)
from softmode.harmonic.dispersion import DEGENERACY_TOLERANCE, frequency_factor

#: A stiffness falls at most by this factor in an iteration: where λ comes out negative, modes move further.
_LARGEST_FALL = 4.0


class SelfConsistentSettings(ThermalSettings):
    """Settings of self-consistent sampling; those of :class:`ThermalSettings` say how it begins.

    Attributes
    ----------
    iterations : int
        Updates of the frequencies.
    samples_per_iteration : int
        Configurations on which each update is based.
    """

    iterations: int = Field(default=5, ge=1)
    samples_per_iteration: int = Field(default=4, ge=1)


@dataclass(frozen=True, eq=False)
class EffectiveModes:
    """Modes at a temperature.

    Parameters
    ----------
    modes : NormalModes
        The patterns at rest with effective frequencies, all above zero.
    frequencies_at_rest : (n_modes,) array
        THz, imaginary ones negative.
    history : (n_iterations + 1, n_modes) array
        Effective frequencies before the first and after each iteration, THz.
    """

    modes: NormalModes
    frequencies_at_rest: FloatArray
    history: FloatArray

    @property
    def last_change(self) -> float:
        """Root mean square relative change of the frequencies in the last iteration."""
        return float(np.sqrt(np.mean((self.history[-1] / self.history[-2] - 1.0) ** 2)))


def mode_stiffness(
    modes: NormalModes, displacements: FloatArray, forces: FloatArray, sets: NDArray[np.int64]
) -> FloatArray:
    """Average stiffness of each set of modes over configurations.

    Parameters
    ----------
    modes : NormalModes
        Patterns.
    displacements, forces : (n, n_atoms, 3) arrays
        Å and eV/Å.
    sets : (n_modes,) int array
        Set of each mode, from 0.

    Returns
    -------
    (n_modes,) array
        ``-<F_Q Q> / <Q²>``, eV/(Å² u), equal within a set.
    """
    coordinates = modes.coordinates(displacements)
    weighted = forces / np.sqrt(modes.masses)[:, None]
    mode_forces = weighted.reshape(len(forces), -1) @ modes.vectors.T
    work = np.bincount(sets, weights=-(mode_forces * coordinates).sum(axis=0))
    square = np.bincount(sets, weights=(coordinates**2).sum(axis=0))
    return np.asarray((work / square)[sets])


def self_consistent_modes(
    modes: NormalModes,
    forces: Callable[[FloatArray], FloatArray],
    settings: SelfConsistentSettings,
    seed: int,
) -> EffectiveModes:
    """Frequencies of the Gaussian distribution of lowest free energy, for fixed mode patterns.

    Parameters
    ----------
    modes : NormalModes
        At rest.
    forces : callable
        Forces (n, n_atoms, 3), eV/Å, on displacements (n, n_atoms, 3), Å.
    settings : SelfConsistentSettings
        Temperature, statistics, how imaginary modes begin, how long to iterate.
    seed : int
        Of the samples; those of each iteration are new.

    Notes
    -----
    Stiffness is mixed geometrically, half old and half new. The result is the geometric mean of the last half
    of the iterations: with few samples single iterations scatter.
    """
    starts = np.diff(modes.frequencies, prepend=-np.inf) >= DEGENERACY_TOLERANCE
    sets = np.cumsum(starts) - 1
    begin = mode_amplitudes(modes.frequencies, settings).frequencies_used
    begin = np.where(np.isnan(begin), settings.floor, begin)
    logarithm = 2.0 * np.log(begin / frequency_factor())
    logarithms = [logarithm]
    for iteration in range(settings.iterations):
        frequencies = np.exp(0.5 * logarithm) * frequency_factor()
        amplitudes = np.sqrt(mean_square_amplitude(frequencies, settings.temperature, settings.statistics))
        rng = np.random.default_rng([seed, iteration])
        deviates = rng.standard_normal((settings.samples_per_iteration, 3 * modes.n_atoms))
        displacements = modes.displacements(deviates @ modes.vectors.T * amplitudes)
        stiffness = mode_stiffness(modes, displacements, forces(displacements), sets)
        least = np.exp(logarithm) / _LARGEST_FALL
        logarithm = 0.5 * (logarithm + np.log(np.maximum(stiffness, least)))
        logarithms.append(logarithm)
    last_half = logarithms[len(logarithms) // 2 :]
    effective = np.exp(0.5 * np.mean(last_half, axis=0)) * frequency_factor()
    return EffectiveModes(
        modes=replace(modes, frequencies=effective),
        frequencies_at_rest=modes.frequencies,
        history=np.exp(0.5 * np.array(logarithms)) * frequency_factor(),
    )
