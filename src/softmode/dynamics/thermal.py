"""Configurations of the harmonic crystal at a temperature, without molecular dynamics.

Random samples are drawn from the exact harmonic distribution (classical or quantum). The sign-alternating
configuration of M. Zacharias and F. Giustino, Phys. Rev. B 94, 075125 (2016), displaces every mode by its
root mean square amplitude, with signs that alternate in the order of frequency; its partner has all signs
reversed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from phonopy.physical_units import get_physical_units
from pydantic import BaseModel, ConfigDict, Field, model_validator

from softmode.crystal import Cell, Trajectory
from softmode.crystal.arrays import FloatArray
from softmode.dynamics.normal_modes import NormalModes
from softmode.harmonic.dispersion import frequency_factor


class ThermalSettings(BaseModel):
    """How harmonic configurations are drawn; frozen, so that a record can state exactly what was done.

    Attributes
    ----------
    temperature : float
        K, above zero; zero is allowed with quantum statistics (zero-point motion).
    statistics : {"classical", "quantum"}
        Mean square amplitude ``kT/ω²`` or ``ħ/(2ω) coth(ħω/2kT)``. Molecular dynamics is classical.
    imaginary : {"absolute", "drop", "floor"}
        What stands in for the frequency of an imaginary mode, for which there is no harmonic amplitude:
        ``absolute``: the absolute value, but not less than `floor`; ``drop``: the mode is not displaced;
        ``floor``: always `floor`.
    floor : float
        Lowest frequency that stands in for an imaginary one, THz. At 0.5 THz and 300 K a mode spread over
        16 atoms of 80 u displaces each by 0.14 Å: visible, yet well within the sites. At 0.1 THz it would be
        0.7 Å, more than any thermal motion seen in a halide perovskite.
    tolerance : float
        Modes below this frequency (THz) are treated as imaginary ones: force constants from finite
        displacements do not determine the sign of so small a frequency. All others are taken as they are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    temperature: float = Field(default=300.0, ge=0)
    statistics: Literal["classical", "quantum"] = "classical"
    imaginary: Literal["absolute", "drop", "floor"] = "absolute"
    floor: float = Field(default=0.5, gt=0)
    tolerance: float = Field(default=0.1, ge=0)

    @model_validator(mode="after")
    def _something_moves(self) -> ThermalSettings:
        if self.temperature == 0.0 and self.statistics == "classical":
            raise ValueError("a classical crystal does not move at 0 K: give a temperature above zero")
        return self


@dataclass(frozen=True, eq=False)
class ModeAmplitudes:
    """Root mean square amplitudes of the modes at a temperature.

    Parameters
    ----------
    frequencies_used : (n_modes,) array
        What the amplitudes were computed from, THz; NaN for modes that were dropped.
    values : (n_modes,) array
        √u Å; zero for modes that were dropped.
    treated : (n_modes,) bool array
        Modes whose own frequency was not used.
    n_imaginary : int
        Number of imaginary modes, below minus the tolerance; the other treated ones are undecided.
    """

    frequencies_used: FloatArray
    values: FloatArray
    treated: NDArray[np.bool_]
    n_imaginary: int


@dataclass(frozen=True, eq=False)
class ThermalSamples:
    """Harmonic configurations at a temperature, and how they were made.

    Parameters
    ----------
    displacements : (n, n_atoms, 3) array
        Å, supercell atom order; the centre of mass rests.
    frequencies : (n_modes,) array
        Frequencies of the modes, THz, imaginary ones negative, translations left out.
    amplitudes : ModeAmplitudes
        What the modes were displaced by, and which were treated.
    settings : ThermalSettings
        Temperature, statistics and the treatment of imaginary modes.
    method : {"random", "sign-alternating"}
        How the modes were combined.
    seed : int or None
        Seed of random samples.
    """

    displacements: FloatArray
    frequencies: FloatArray
    amplitudes: ModeAmplitudes
    settings: ThermalSettings
    method: Literal["random", "sign-alternating"]
    seed: int | None

    @property
    def n_samples(self) -> int:
        """Number of configurations."""
        return len(self.displacements)

    @property
    def n_imaginary(self) -> int:
        """Number of imaginary modes."""
        return self.amplitudes.n_imaginary

    @property
    def n_treated(self) -> int:
        """Number of modes, imaginary or undecided, whose own frequency was not used."""
        return int(self.amplitudes.treated.sum())

    @property
    def flagged(self) -> bool:
        """Whether the samples rest on a choice for modes that have no harmonic amplitude."""
        return self.n_treated > 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know."""
        if not self.flagged:
            return ()
        how = {
            "absolute": f"sampled with |ν|, at least {self.settings.floor:g} THz",
            "drop": "not displaced",
            "floor": f"sampled with {self.settings.floor:g} THz",
        }[self.settings.imaginary]
        lowest = self.frequencies.min()
        text = f"{self.n_treated} of {len(self.frequencies)} modes, {self.n_imaginary} of them imaginary"
        return (f"{text} (lowest {lowest:.2f} THz), were {how}",)

    def positions(self, supercell: Cell) -> FloatArray:
        """Cartesian positions in the displaced `supercell`, (n, n_atoms, 3), Å."""
        rest = supercell.scaled_positions @ supercell.lattice
        return np.asarray(rest + self.displacements)

    def configurations(self, supercell: Cell) -> list[Atoms]:
        """Displaced supercells, for any potential."""
        rest = supercell.to_atoms()
        displaced = [rest.copy() for _ in range(self.n_samples)]
        for atoms, positions in zip(displaced, self.positions(supercell), strict=True):
            atoms.positions = positions
        return displaced

    def trajectory(self, supercell: Cell, forces: FloatArray) -> Trajectory:
        """Samples with their forces, as σ takes them.

        Parameters
        ----------
        supercell : Cell
            The supercell at rest.
        forces : (n, n_atoms, 3) array
            eV/Å.
        """
        return Trajectory(
            lattice=supercell.lattice,
            numbers=supercell.numbers,
            positions=self.positions(supercell),
            forces=forces,
            notes=self.notes,
            source=f"{self.method} harmonic samples at {self.settings.temperature:g} K",
        )


def mean_square_amplitude(frequencies: FloatArray, temperature: float, statistics: str) -> FloatArray:
    """Mean square mode coordinate of harmonic oscillators.

    Parameters
    ----------
    frequencies : (n_modes,) array
        THz, positive.
    temperature : float
        K.
    statistics : {"classical", "quantum"}
        ``kT/ω²`` or ``ħ/(2ω) coth(ħω/2kT)``.

    Returns
    -------
    (n_modes,) array
        u Å².
    """
    units = get_physical_units()
    eigenvalues = (frequencies / frequency_factor()) ** 2  # eV/(Å² u)
    thermal = units.KB * temperature
    if statistics == "classical":
        return np.asarray(thermal / eigenvalues)
    quantum = units.THzToEv * frequencies
    half = np.divide(0.5 * quantum, thermal) if thermal > 0.0 else np.full_like(frequencies, np.inf)
    return np.asarray(0.5 * quantum / (np.tanh(half) * eigenvalues))


def mode_amplitudes(frequencies: FloatArray, settings: ThermalSettings) -> ModeAmplitudes:
    """Root mean square amplitudes, with imaginary modes treated as `settings` say.

    Parameters
    ----------
    frequencies : (n_modes,) array
        THz, imaginary modes negative.
    settings : ThermalSettings
        Temperature, statistics, treatment.
    """
    treated = frequencies < settings.tolerance
    stand_in = {
        "absolute": np.maximum(np.abs(frequencies), settings.floor),
        "drop": np.full_like(frequencies, np.nan),
        "floor": np.full_like(frequencies, settings.floor),
    }[settings.imaginary]
    used = np.where(treated, stand_in, frequencies)
    values = np.zeros_like(used)
    moving = ~np.isnan(used)
    values[moving] = np.sqrt(mean_square_amplitude(used[moving], settings.temperature, settings.statistics))
    return ModeAmplitudes(
        frequencies_used=used,
        values=values,
        treated=treated,
        n_imaginary=int((frequencies < -settings.tolerance).sum()),
    )


def mean_square_displacements(modes: NormalModes, settings: ThermalSettings) -> FloatArray:
    """Mean square displacements of the atoms that random samples converge to.

    Returns
    -------
    (n_atoms, 3) array
        Å², along x, y and z.
    """
    squared = mode_amplitudes(modes.frequencies, settings).values ** 2
    weighted = (squared @ modes.vectors**2).reshape(-1, 3)
    return np.asarray(weighted / modes.masses[:, None])


def random_samples(
    modes: NormalModes, settings: ThermalSettings, n_samples: int, seed: int, *, first: int = 0
) -> ThermalSamples:
    """Draw independent configurations from the harmonic distribution.

    Parameters
    ----------
    modes : NormalModes
        From :func:`~softmode.dynamics.normal_modes.supercell_normal_modes`.
    settings : ThermalSettings
        Temperature, statistics and the treatment of imaginary modes.
    n_samples : int
        Number of configurations.
    seed : int
        Sample `i` depends on `seed` and `i` alone: more samples can be added later.
    first : int
        Index of the first sample.

    Notes
    -----
    Normal deviates are multiplied by the symmetric square root of the covariance matrix, which depends on the
    force constants alone and not on the basis that an eigensolver chose among degenerate modes.
    """
    if n_samples < 1:
        raise ValueError(f"at least one sample is needed, not {n_samples}")
    amplitudes = mode_amplitudes(modes.frequencies, settings)
    size = 3 * modes.n_atoms
    deviates = np.array(
        [
            np.random.default_rng([seed, index]).standard_normal(size)
            for index in range(first, first + n_samples)
        ]
    )
    return ThermalSamples(
        displacements=modes.displacements(deviates @ modes.vectors.T * amplitudes.values),
        frequencies=modes.frequencies,
        amplitudes=amplitudes,
        settings=settings,
        method="random",
        seed=seed,
    )


def sign_alternating_samples(modes: NormalModes, settings: ThermalSettings) -> ThermalSamples:
    """Build the deterministic configuration of Zacharias and Giustino, and its sign-reversed partner.

    Parameters
    ----------
    modes : NormalModes
        From :func:`~softmode.dynamics.normal_modes.supercell_normal_modes`.
    settings : ThermalSettings
        Temperature, statistics and the treatment of imaginary modes.

    Returns
    -------
    ThermalSamples
        Two configurations. In each, every mode has exactly its mean square amplitude; in their mean, terms
        odd in the displacements cancel.
    """
    amplitudes = mode_amplitudes(modes.frequencies, settings)
    signs = 1.0 - 2.0 * (np.arange(len(amplitudes.values)) % 2)
    coordinates = signs * amplitudes.values
    return ThermalSamples(
        displacements=modes.displacements(np.array([coordinates, -coordinates])),
        frequencies=modes.frequencies,
        amplitudes=amplitudes,
        settings=settings,
        method="sign-alternating",
        seed=None,
    )
