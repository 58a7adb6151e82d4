"""Adaptive frames on molecular dynamics: is the class that of all frames, and at how many calls?

    python benchmarks/adaptive_dynamics.py make nequix-mp-1 nequix-oam-1-pft example example.npz
    python benchmarks/adaptive_dynamics.py make nequix-mp-1 nequix-oam-1-pft kcl.xz k.npz --supercell "2 2 2"
    python benchmarks/adaptive_dynamics.py decide example.npz k.npz

`make` runs Langevin dynamics of a crystal at 300 K with the first potential, 1,600 frames 1 fs apart,
evaluates the second on all of them, and keeps σ(t) with the force constants of either. `decide` takes frames
adaptively, with 200 seeds, from what is kept: as it is, and with σ scaled to lie near a boundary.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ase import units
from ase.constraints import FixCom
from ase.md.langevin import Langevin
from numpy.typing import NDArray

import softmode as sm
from adaptive_frames import decided
from softmode import harmonic as hm
from softmode.anharmonic.classes import class_indices
from softmode.anharmonic.sigma import harmonic_forces, sigma
from softmode.crystal import DisplacementForces, ForceConstants
from softmode.dynamics.thermostats import start_velocities
from softmode.potentials import Potential
from softmode.statistics.autocorrelation import correlation_times

N_FRAMES, SEEDS, TEMPERATURE = 1600, 200, 300.0


def force_constants(potential: Potential, phonon: object) -> ForceConstants:
    """Full force constants from displacements of 0.01 Å."""
    plan = hm.plan_displacements(phonon, 0.01)
    forces = potential.evaluate([plan.perfect, *plan.supercells()]).stacked_forces()
    raw = hm.force_constants_from_forces(
        phonon, DisplacementForces(plan.displacements, forces[1:] - forces[0])
    )
    return hm.full_force_constants(phonon, hm.symmetrised(phonon, raw))


def make(arguments: argparse.Namespace) -> None:
    """A trajectory of one potential and σ(t) of another on it."""
    material = sm.load(arguments.crystal, arguments.supercell).material
    driver, other = (sm.potential(name).potential for name in (arguments.driver, arguments.other))
    phonon = hm.build_phonopy(material)
    rest = hm.reference_supercell(phonon).to_atoms()
    constants = {"ref": force_constants(driver, phonon), "model": force_constants(other, phonon)}
    atoms, rng = rest.copy(), np.random.default_rng(7)
    atoms.calc = driver.calculator()
    atoms.set_constraint(FixCom())
    start_velocities(atoms, 2 * TEMPERATURE, rng)  # half of it becomes potential energy
    dynamics = Langevin(
        atoms, units.fs, temperature_K=TEMPERATURE, friction=0.005 / units.fs, fixcm=False, rng=rng
    )
    dynamics.run(arguments.equilibration)
    moved, forces, answers = [], [], []
    for _ in range(N_FRAMES):
        dynamics.run(1)
        frame = atoms.copy()
        moved.append(atoms.positions - rest.positions)
        forces.append(atoms.get_forces())
        answers.append(other.evaluate([frame]).stacked_forces()[0])
    displacements, of_driver, of_other = (np.array(part) for part in (moved, forces, answers))
    found = {"reference": sigma(of_driver, harmonic_forces(constants["ref"], displacements)).per_frame}
    for name, own in constants.items():
        found[f"phi_{name}"] = sigma(of_other, harmonic_forces(own, displacements)).per_frame
    title = f"{material.formula}, {len(rest)} atoms, {arguments.other} on {arguments.driver}"
    np.savez(arguments.output, title=np.array(title), **found)


def row(title: str, series: NDArray[np.float64], worth: float) -> str:
    """How adaptive frames did on a series, over seeds."""
    all_frames = class_indices(series.mean())
    found = [decided(series, [len(series)], seed, worth) for seed in range(SEEDS)]
    same = np.mean([class_indices(verdict.mean) == all_frames for verdict, _ in found])
    frames = [n for _, n in found]
    certain = np.mean([verdict.reason == "class" for verdict, _ in found])
    shown = [title, f"{series.mean():.3f} ± {series.std():.3f}", f"{worth:.0f}", f"{same:.1%}"]
    return "| " + " | ".join([*shown, f"{np.median(frames):.0f}", f"{max(frames)}", f"{certain:.0%}"]) + " |"


def decide(arguments: argparse.Namespace) -> None:
    """The table over trajectories, as they are and with σ scaled towards a boundary."""
    print("| trajectory | σ(t) | worth | class of all frames | frames, median | most | called certain |")
    print("|---|---|---|---|---|---|---|")
    for path in arguments.files:
        kept = np.load(path)
        worth = N_FRAMES / (2 * correlation_times(kept["reference"]).integrated)
        for name in ("phi_ref", "phi_model"):
            series = kept[name]
            print(row(f"{kept['title']}, {name}", series, worth), flush=True)
            for target in (0.48, 0.52, 0.97, 1.03):
                print(
                    row(f"the same, scaled to {target}", series * target / series.mean(), worth), flush=True
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("make")
    for name in ("driver", "other", "crystal", "output"):
        making.add_argument(name)
    making.add_argument("--supercell")
    making.add_argument("--equilibration", type=int, default=300)
    making.set_defaults(run=make)
    deciding = commands.add_parser("decide")
    deciding.add_argument("files", nargs="+", type=Path)
    deciding.set_defaults(run=decide)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
