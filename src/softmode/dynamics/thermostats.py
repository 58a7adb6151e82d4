"""ASE's thermostats with a state that can be stored and restored exactly.

All three keep the centre of mass at rest, so that ``3 N - 3`` degrees of freedom carry the temperature.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from ase import Atoms, units
from ase.constraints import FixCom
from ase.md.andersen import Andersen
from ase.md.langevin import Langevin
from ase.md.md import MolecularDynamics
from ase.md.nose_hoover_chain import NoseHooverChainNVT, NoseHooverChainThermostat

from softmode.crystal.arrays import FloatArray
from softmode.dynamics.md_settings import MDSettings

_PROBE = 1.0  # THz, a soft mode of a halide perovskite
_NOTABLE = 1.02  # of the temperature that is set: Andersen collisions of probability 0.04


def degrees_of_freedom(n_atoms: int) -> int:
    """Degrees of freedom that carry the temperature: all but the three of the centre of mass."""
    return 3 * n_atoms - 3


class _NoseHooverChain(NoseHooverChainNVT):  # type: ignore[misc]
    """Nosé–Hoover chain for ``3 N - 3`` degrees of freedom.

    ASE counts ``3 N``, also when the total momentum is zero: temperatures would be ``N / (N - 1)`` too high.
    """

    def __init__(self, atoms: Atoms, settings: MDSettings) -> None:
        options = {
            "temperature_K": settings.temperature,
            "tdamp": settings.thermostat_time * units.fs,
            "tchain": settings.chain_length,
        }
        super().__init__(atoms, timestep=settings.timestep * units.fs, **options)
        self._thermostat = NoseHooverChainThermostat(
            num_atoms_global=len(atoms) - 1, masses=self.masses, **options
        )

    @property
    def state(self) -> dict[str, FloatArray]:
        """Positions and momenta of the thermostats."""
        return {"eta": self._thermostat._eta.copy(), "p_eta": self._thermostat._p_eta.copy()}

    @state.setter
    def state(self, state: Mapping[str, FloatArray]) -> None:
        self._thermostat._eta = np.array(state["eta"])
        self._thermostat._p_eta = np.array(state["p_eta"])

    @property
    def energy(self) -> float:
        """Energy of the thermostats, eV: with that of the atoms it is conserved."""
        return float(self._thermostat.get_thermostat_energy())


def start_velocities(atoms: Atoms, temperature: float, rng: np.random.Generator) -> None:
    """Give the atoms Maxwell–Boltzmann momenta without total momentum.

    The kinetic energy is not rescaled: it fluctuates about ``(3 N - 3) kT / 2`` as it should.
    """
    masses = atoms.get_masses()[:, None]
    momenta = rng.standard_normal((len(atoms), 3)) * np.sqrt(masses * units.kB * temperature)
    momenta -= masses * (momenta.sum(axis=0) / masses.sum())
    atoms.set_momenta(momenta)


def make_dynamics(atoms: Atoms, settings: MDSettings, rng: np.random.Generator) -> MolecularDynamics:
    """ASE dynamics of `atoms`, which it moves in place.

    Parameters
    ----------
    atoms : ase.Atoms
        With calculator and momenta; a constraint on the centre of mass may be added.
    settings : MDSettings
        Thermostat and its options.
    rng : numpy.random.Generator
        The one source of everything random.
    """
    timestep = settings.timestep * units.fs
    if settings.thermostat == "nose-hoover":
        return _NoseHooverChain(atoms, settings)
    if settings.thermostat == "andersen":
        return Andersen(
            atoms,
            timestep,
            temperature_K=settings.temperature,
            andersen_prob=settings.collision_probability,
            rng=rng,
        )
    atoms.set_constraint(FixCom())  # ASE's own `fixcm` distorts the distribution in small cells
    return Langevin(
        atoms,
        timestep,
        temperature_K=settings.temperature,
        friction=settings.friction / units.fs,
        fixcm=False,
        rng=rng,
    )


def thermostat_state(dynamics: MolecularDynamics) -> dict[str, FloatArray]:
    """Variables of the thermostat, beside atoms and random numbers; empty for all but Nosé–Hoover chains."""
    return dynamics.state if isinstance(dynamics, _NoseHooverChain) else {}


def restore_thermostat(dynamics: MolecularDynamics, state: Mapping[str, FloatArray]) -> None:
    """Set what :func:`thermostat_state` returned."""
    if isinstance(dynamics, _NoseHooverChain):
        dynamics.state = dict(state)


def thermostat_energy(dynamics: MolecularDynamics) -> float:
    """Energy of the thermostat, eV; NaN where nothing is conserved."""
    return dynamics.energy if isinstance(dynamics, _NoseHooverChain) else math.nan


def sampled_temperature(settings: MDSettings) -> float:
    """Temperature that the positions have in a long run, K; the velocities always have the one that was set.

    Parameters
    ----------
    settings : MDSettings
        Thermostat and its options.

    Notes
    -----
    ASE's Andersen thermostat replaces velocities between the half kick and the drift. A component that is
    redrawn thus loses the pull of its force. With a collision probability ``p`` per step, velocities diffuse
    with ``(kT/m) Δt (1/p - 1/2)`` but answer a force ``F`` with ``(F/m) Δt (1/p - 1)`` only, and the
    positions reach ``T (1 - p/2) / (1 - p)``, whatever the time step: 450 K instead of 300 K for ``p = 1/2``.
    The formula holds for modes whose period is long against the time step.
    """
    if settings.thermostat != "andersen":
        return settings.temperature
    probability = settings.collision_probability
    return settings.temperature * (1.0 - 0.5 * probability) / (1.0 - probability)


def friction(settings: MDSettings) -> float:
    """Friction that atoms feel, 1/fs; none of Nosé–Hoover chains."""
    if settings.thermostat == "nose-hoover":
        return 0.0
    if settings.thermostat == "andersen":
        probability = settings.collision_probability
        return probability / ((1.0 - probability) * settings.timestep)
    return settings.friction


def relaxation_time(settings: MDSettings, frequency: float) -> float | None:
    """Time in which the thermostat lets a harmonic mode forget where it was.

    A run that is not long against it for the softest modes stays where it started.

    Parameters
    ----------
    settings : MDSettings
        Thermostat and its options.
    frequency : float
        THz, positive.

    Returns
    -------
    float or None
        ps; None for Nosé–Hoover chains, which have no friction.

    Notes
    -----
    Slowest decay of an oscillator with friction ``γ``: ``2/γ`` below critical damping, about ``γ/ω²`` above.
    Andersen collisions of probability ``p`` act as the friction ``p / ((1 - p) Δt)`` (see
    :func:`sampled_temperature`): with ``p = 1/2`` and 1 fs a mode of 1 THz takes 25 ps.
    """
    if settings.thermostat == "nose-hoover":
        return None
    half, omega = 0.5 * friction(settings), 2e-3 * math.pi * frequency
    # half - sqrt(half² - ω²) without cancellation
    rate = half if half <= omega else omega**2 / (half + math.sqrt(half**2 - omega**2))
    return 1e-3 / rate


def thermostat_warning(settings: MDSettings) -> str:
    """What one must know of Andersen collisions as frequent as these; empty otherwise.

    Parameters
    ----------
    settings : MDSettings
        Thermostat and its options.
    """
    sampled = sampled_temperature(settings)
    if sampled <= _NOTABLE * settings.temperature:
        return ""
    time = relaxation_time(settings, _PROBE)
    return (
        f"Andersen collisions with probability {settings.collision_probability:g} a step bring the positions "
        f"to {sampled:.0f} K, not {settings.temperature:g} K, and slowly: a mode of {_PROBE:g} THz forgets "
        f"where it was in {time:.0f} ps. σ is that of a hotter crystal for stiff modes, of the start for "
        f'soft ones. Thermostat "langevin" keeps to {settings.temperature:g} K'
    )
