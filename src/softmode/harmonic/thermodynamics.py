"""What the field compares of harmonic phonons: thermodynamics and densities of states on a mesh.

Quantum statistics. Modes below zero have no thermodynamics: they are left out, and their share is given. The
three translations at Γ, whose frequency is zero but for rounding, are left out too, and not counted; this is
phonopy's convention with ``cutoff_frequency=FREQUENCY_CUTOFF, exclude_gamma_acoustic=True``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from phonopy.physical_units import get_physical_units

from softmode.crystal.arrays import FloatArray
from softmode.harmonic.dispersion import FREQUENCY_CUTOFF, Dispersion


@dataclass(frozen=True)
class Thermodynamics:
    """Harmonic thermodynamics per mole of formula units, imaginary modes left out.

    Attributes
    ----------
    entropy : float
        J/(mol K).
    free_energy : float
        Helmholtz free energy with zero-point energy, kJ/mol.
    heat_capacity : float
        At constant volume, J/(mol K).
    """

    entropy: float
    free_energy: float
    heat_capacity: float


def kelvin(frequency: float) -> float:
    """Frequency in THz as a temperature ``hν/k``, K (1 THz is 47.9924 K); negative where it is imaginary."""
    units = get_physical_units()
    return float(frequency * units.THzToEv / units.KB)


def translations(dispersion: Dispersion) -> NDArray[np.bool_]:
    """Mark the three modes nearest to zero frequency at Γ, (n_q, n_bands)."""
    marked = np.zeros(dispersion.frequencies.shape, dtype=bool)
    for gamma in np.flatnonzero((dispersion.qpoints == 0.0).all(axis=1)):
        marked[gamma, np.argsort(np.abs(dispersion.frequencies[gamma]), kind="stable")[:3]] = True
    return marked


def imaginary_mode_share(dispersion: Dispersion, weights: FloatArray) -> float:
    """Share of the modes, translations left out of the count of imaginary ones, that are imaginary.

    Parameters
    ----------
    dispersion : Dispersion
        On a mesh.
    weights : (n_q,) array
        Of the q-points.
    """
    imaginary = (dispersion.frequencies < -FREQUENCY_CUTOFF) & ~translations(dispersion)
    return float((imaginary.mean(axis=1) * weights).sum() / weights.sum())


def thermodynamics(
    dispersion: Dispersion, weights: FloatArray, temperature: float, formula_units: int = 1
) -> Thermodynamics:
    """Harmonic thermodynamics of the modes above zero.

    Parameters
    ----------
    dispersion : Dispersion
        On a mesh.
    weights : (n_q,) array
        Of the q-points.
    temperature : float
        K, above zero.
    formula_units : int
        Of the primitive cell.
    """
    units = get_physical_units()
    kept = (dispersion.frequencies > FREQUENCY_CUTOFF) & ~translations(dispersion)
    weight = np.broadcast_to(weights[:, None], kept.shape)[kept] / (weights.sum() * formula_units)
    thermal = units.KB * temperature
    x = dispersion.frequencies[kept] * units.THzToEv / thermal
    rest = -np.expm1(-x)  # 1 - exp(-x)
    occupation, logarithm = np.exp(-x) / rest, np.log(rest)
    per_kelvin = 1000.0 * units.EvTokJmol * units.KB
    return Thermodynamics(
        entropy=float(per_kelvin * np.sum(weight * (x * occupation - logarithm))),
        free_energy=float(units.EvTokJmol * thermal * np.sum(weight * (0.5 * x + logarithm))),
        heat_capacity=float(per_kelvin * np.sum(weight * x**2 * occupation / rest)),
    )


def density_of_states(
    frequencies: FloatArray, weights: FloatArray, at: FloatArray, smearing: float
) -> FloatArray:
    """Density of states with Gaussian smearing, states per THz and primitive cell.

    Parameters
    ----------
    frequencies : (n_q, n_bands) array
        On a mesh, THz.
    weights : (n_q,) array
        Of the q-points.
    at : (n,) array
        Frequencies at which it is wanted, THz.
    smearing : float
        Standard deviation of the Gaussians, THz.
    """
    density = np.zeros(len(at))
    for modes, weight in zip(frequencies, weights, strict=True):  # one q-point at a time: bounded memory
        density += weight * np.exp(-0.5 * ((at - modes[:, None]) / smearing) ** 2).sum(axis=0)
    density /= np.sqrt(2.0 * np.pi) * smearing * weights.sum()
    return density


def wasserstein_distance(first: FloatArray, second: FloatArray, weights: FloatArray) -> float:
    """First Wasserstein distance of two densities of states, each of integral 1, THz.

    How far, on average, a mode of one has to be moved to make the other. Of the frequencies themselves, so
    that it depends on no smearing; imaginary ones are negative.

    Parameters
    ----------
    first, second : (n_q, n_bands) arrays
        Frequencies of both on the same mesh, THz.
    weights : (n_q,) array
        Of the q-points.
    """
    share = np.repeat(weights / (weights.sum() * first.shape[1]), first.shape[1])
    frequencies = np.concatenate([first.ravel(), second.ravel()])
    order = np.argsort(frequencies, kind="stable")
    # difference of the two cumulative distributions between one frequency and the next
    difference = np.cumsum(np.concatenate([share, -share])[order])[:-1]
    return float(np.sum(np.abs(difference) * np.diff(frequencies[order])))
