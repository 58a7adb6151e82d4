"""At which temperature ASE's Andersen thermostat samples positions: independent oscillators in ASE.

    python benchmarks/andersen_temperature.py [--steps 20000]

Three hundred atoms, each bound to its site by a spring (three oscillators of 5 THz an atom), so that both
temperatures are known exactly: the kinetic one from the velocities, the configurational one from the
positions, ``k <x²> / k_B``. Beside ASE's order of steps (velocities are redrawn between the half kick
and the drift) one that redraws them after the step is complete.
"""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.md.andersen import Andersen
from ase.md.langevin import Langevin
from ase.md.verlet import VelocityVerlet

TEMPERATURE = 300.0  # K
FREQUENCY = 5.0  # THz
TIMESTEP = 1.0  # fs
N_ATOMS = 300
PROBABILITIES = (0.01, 0.1, 0.2, 0.5)
SEED = 2026


class Springs(Calculator):
    """Each atom on a spring of its own."""

    implemented_properties: ClassVar = ["energy", "forces"]

    def __init__(self, sites: np.ndarray, constant: float) -> None:
        super().__init__()
        self.sites, self.constant = sites, constant

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = None, system_changes: Any = all_changes
    ) -> None:
        """Energy and forces."""
        super().calculate(atoms, properties, system_changes)
        moved = self.atoms.positions - self.sites
        self.results = {
            "energy": 0.5 * self.constant * float((moved**2).sum()),
            "forces": -self.constant * moved,
        }


class RedrawnAfterwards(VelocityVerlet):
    """Velocity Verlet; velocities are redrawn when the step is complete."""

    def __init__(self, atoms: Atoms, timestep: float, probability: float, rng: np.random.Generator) -> None:
        super().__init__(atoms, timestep)
        self.probability, self.rng = probability, rng

    def step(self, forces: np.ndarray | None = None) -> np.ndarray:
        """Make one step, then collide."""
        forces = super().step(forces)
        velocities = self.atoms.get_velocities()
        width = np.sqrt(units.kB * TEMPERATURE / self.masses)
        hit = self.rng.random(velocities.shape) < self.probability
        redrawn = width * self.rng.standard_normal(velocities.shape)
        self.atoms.set_velocities(np.where(hit, redrawn, velocities))
        return forces


def temperatures(kind: str, probability: float, steps: int) -> tuple[float, float, float]:
    """Kinetic and configurational temperature, K, and the standard error of the latter."""
    rng = np.random.default_rng(SEED)
    sites = 4.0 * np.arange(N_ATOMS)[:, None] * np.array([[1.0, 0.0, 0.0]])
    atoms = Atoms(f"Ar{N_ATOMS}", positions=sites)
    mass = float(atoms.get_masses()[0])
    constant = mass * (2 * np.pi * FREQUENCY * 1e-3 / units.fs) ** 2
    spread = np.sqrt(units.kB * TEMPERATURE / constant)
    atoms.positions += spread * rng.standard_normal(sites.shape)
    atoms.set_velocities(np.sqrt(units.kB * TEMPERATURE / mass) * rng.standard_normal(sites.shape))
    atoms.calc = Springs(sites, constant)
    timestep = TIMESTEP * units.fs
    common: dict[str, Any] = {"temperature_K": TEMPERATURE, "rng": rng, "fixcm": False}
    dynamics = {
        "andersen": lambda: Andersen(atoms, timestep, andersen_prob=probability, **common),
        "afterwards": lambda: RedrawnAfterwards(atoms, timestep, probability, rng),
        "langevin": lambda: Langevin(atoms, timestep, friction=probability / units.fs, **common),
    }[kind]()
    kinetic, configurational = [], []

    def look() -> None:
        kinetic.append(mass * float((atoms.get_velocities() ** 2).mean()) / units.kB)
        configurational.append(constant * ((atoms.positions - sites) ** 2).mean(axis=1) / units.kB)

    dynamics.run(steps // 4)
    dynamics.attach(look, interval=10)
    dynamics.run(steps)
    by_atom = np.mean(configurational, axis=0)  # independent of each other
    return float(np.mean(kinetic)), float(by_atom.mean()), float(by_atom.std(ddof=1) / np.sqrt(N_ATOMS))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=20000)
    steps = parser.parse_args().steps
    print(f"{'':32} p     kinetic, K   of the positions, K   T (1 - p/2)/(1 - p)")
    for kind, title in (("andersen", "ase.md.andersen.Andersen"), ("afterwards", "redrawn after the step")):
        for probability in PROBABILITIES:
            kinetic, positions, error = temperatures(kind, probability, steps)
            formula = (
                f"{TEMPERATURE * (1 - probability / 2) / (1 - probability):.1f}" if kind == "andersen" else ""
            )
            print(
                f"{title:32} {probability:<5} {kinetic:8.1f}     {positions:8.1f} ± {error:.1f}     {formula}"
            )
    kinetic, positions, error = temperatures("langevin", 0.01, steps)
    print(f"{'ase.md.langevin.Langevin':32} {'':5} {kinetic:8.1f}     {positions:8.1f} ± {error:.1f}")


if __name__ == "__main__":
    main()
