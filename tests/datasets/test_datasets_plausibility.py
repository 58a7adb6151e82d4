"""What is not plausible is refused with figure and limit, or accepted and named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.emt import EMT
from ase.collections import g2
from ase.md.verlet import VelocityVerlet
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from tiny_study import metal_phonopy
from trajectory_cases import UNITCELL, springs

from softmode.crystal import (
    Cell,
    DisplacementForces,
    ForceConstants,
    Material,
    NonAnalyticalCorrection,
    Trajectory,
)
from softmode.crystal.periodic_images import minimum_image
from softmode.datasets import open_dataset, open_reference, supercell_of
from softmode.datasets.plausibility import ACCEPTED, CHECKS, doubts, plausible
from softmode.datasets.plausibility_figures import bond_ratio, material_figures, trajectory_figures
from softmode.errors import InputDataError, SettingsError
from softmode.harmonic import build_phonopy, full_force_constants, reference_force_constants
from softmode.measurements.measure import facts_of

RY_BOHR = 25.711  # eV/Å


def with_forces(material: Material, change: Callable[[np.ndarray, np.ndarray], tuple]) -> Material:  # type: ignore[type-arg]
    assert isinstance(material.reference, DisplacementForces)
    u, f = change(np.array(material.reference.displacements), np.array(material.reference.forces))
    return replace(material, reference=DisplacementForces(u, f))


def one_sign(u: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    supercell, atom, axis = np.unravel_index(np.abs(f).argmax(), f.shape)
    f[supercell, atom, axis] *= -1
    return u, f


def one_doubled(u: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    f[np.abs(f).max(axis=(1, 2)).argmax()] *= 2
    return u, f


def swapped_atoms(u: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return u, f[:, np.random.default_rng(3).permutation(f.shape[1])]


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("stiffness", lambda u, f: (u, -f)),
        ("stiffness", lambda u, f: (u, f / RY_BOHR)),
        ("stiffness", lambda u, f: (u, f * 97.2)),
        ("displacement", lambda u, f: (u / 1000, f / 1000)),
        ("displacement", lambda u, f: (u * 10, f * 10)),
        ("net_force", one_sign),
        ("net_force", lambda u, f: (u, np.maximum(f, 0))),
        ("site_symmetry", swapped_atoms),
        ("site_symmetry", lambda u, f: (u, f[::-1])),
        ("sum_rule", one_doubled),
    ],
)
def test_damaged_forces_are_doubted(example: Material, check: str, change: Callable) -> None:  # type: ignore[type-arg]
    assert not doubts(material_figures(example))
    damaged = with_forces(example, change)
    assert check in {doubt.check for doubt in doubts(material_figures(damaged))}
    with pytest.raises(InputDataError) as caught:
        plausible(damaged, (), "here/FORCE_SETS")
    assert caught.value.subject == "here/FORCE_SETS"
    assert "\n" not in str(caught.value)
    assert f"--accept {check}" in caught.value.remedy or f"--accept {check} " in caught.value.remedy
    names = {doubt.check for doubt in doubts(material_figures(damaged))}
    accepted = plausible(damaged, tuple(names), "here")
    assert accepted.tags[ACCEPTED] == ", ".join(sorted(names))
    assert accepted.reference_digest == damaged.reference_digest


def test_force_constants_are_looked_at_too(example: Material) -> None:
    phonon = build_phonopy(example)
    compact = reference_force_constants(phonon, example)
    for factor, beyond in ((1.0, set()), (-1.0, {"stiffness"}), (1 / 48.6, {"stiffness"})):
        material = replace(example, reference=ForceConstants(factor * compact.values))
        assert {doubt.check for doubt in doubts(material_figures(material))} == beyond


def test_one_wrong_row_of_full_force_constants_is_found(example: Material) -> None:
    phonon = build_phonopy(example)
    full = np.array(full_force_constants(phonon, reference_force_constants(phonon, example)).values)
    assert not doubts(material_figures(replace(example, reference=ForceConstants(full))))
    full[5] = full[5, ::-1]
    (doubt,) = doubts(material_figures(replace(example, reference=ForceConstants(full))))
    assert doubt.check == "site_symmetry"


@pytest.mark.parametrize("factor", [0.529177, 1 / 0.529177])
def test_a_lattice_in_another_unit(example: Material, factor: float) -> None:
    cell = example.unitcell
    scaled = replace(example, unitcell=Cell(factor * cell.lattice, cell.scaled_positions, cell.numbers))
    assert "shortest_bond" in {doubt.check for doubt in doubts(material_figures(scaled))}


def test_bonds_of_molecules_are_plausible() -> None:
    for name in g2.names:
        molecule = g2[name]
        if len(molecule) > 1:
            molecule.center(vacuum=4.0)
            assert not CHECKS["shortest_bond"].said(bond_ratio(Cell.from_atoms(molecule))), name


def test_masses_of_another_element(example: Material) -> None:
    cell = example.unitcell
    masses = np.array(cell.masses)
    masses[[0, -1]] = masses[[-1, 0]]
    swapped = replace(example, unitcell=Cell(cell.lattice, cell.scaled_positions, cell.numbers, masses))
    assert "mass" in {doubt.check for doubt in doubts(material_figures(swapped))}
    heavy = Cell(cell.lattice, cell.scaled_positions, np.where(cell.numbers == 35, 1, cell.numbers))
    masses = np.array(heavy.masses)
    masses[heavy.numbers == 1] = 2.014
    deuterium = Cell(heavy.lattice, heavy.scaled_positions, heavy.numbers, masses)
    assert "mass" not in {
        doubt.check
        for doubt in doubts(material_figures(replace(example, unitcell=deuterium, reference=None)))
    }


def born(example: Material) -> NonAnalyticalCorrection:
    """Isotropic charges, neutral together."""
    elements = build_phonopy(example).primitive.symbols
    charges = {"Cs": 1.3, "Ag": 1.5, "Bi": 4.7, "Br": -(2 * 1.3 + 1.5 + 4.7) / 6}
    tensors = [charges[symbol] * np.eye(3) for symbol in elements]
    return NonAnalyticalCorrection(np.array(tensors), 4.9 * np.eye(3), 14.4)


@pytest.mark.parametrize(
    ("check", "charges", "dielectric"),
    [
        ("born", lambda z: z + 0.6 * np.eye(3), lambda e: e),
        ("born", lambda z: z[::-1], lambda e: e),
        ("born", lambda z: z, lambda e: e + np.diag([2.0, 0.0, 0.0])),
        ("born", lambda z: z, lambda e: e + 0.7 * np.eye(3, k=1)),
        ("dielectric", lambda z: z, lambda e: -e),
        ("dielectric", lambda z: z, lambda e: e / 14.4),
        ("dielectric", lambda z: z, lambda e: 100.0 * e),
    ],
)
def test_born_charges_that_cannot_be(
    example: Material, check: str, charges: Callable[..., np.ndarray], dielectric: Callable[..., np.ndarray]
) -> None:
    whole = born(example)
    assert not doubts(material_figures(replace(example, nac=whole)))
    wrong = replace(
        whole, born_charges=charges(whole.born_charges), dielectric=dielectric(np.array(whole.dielectric))
    )
    assert check in {doubt.check for doubt in doubts(material_figures(replace(example, nac=wrong)))}


def test_a_link_to_nothing_is_refused(cscl_like: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(cscl_like, tmp_path / cscl_like.name))
    (folder / "BORN").unlink(missing_ok=True)
    (folder / "BORN").symlink_to("../moved/BORN")
    with pytest.raises(InputDataError, match=r"BORN: "):
        open_reference(folder)


def test_refused_and_accepted_from_files(cscl_like: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(cscl_like, tmp_path / cscl_like.name))
    good = open_reference(folder)
    text = (folder / "FORCE_SETS").read_text()
    (folder / "FORCE_SETS").write_text(text.replace("0.01 0 0", "-0.01 0 0"))
    with pytest.raises(InputDataError, match=r"the stiffest atom sits is -") as caught:
        open_reference(folder)
    assert caught.value.subject == str(folder)
    assert 'accept = ["stiffness"] in [dataset]' in caught.value.remedy
    accepted = open_reference(folder, accept=["stiffness", "net_force"])
    assert accepted.tags[ACCEPTED] == "stiffness"
    assert accepted.structure_digest == good.structure_digest
    with pytest.raises(SettingsError, match=r"no check 'stifness' to accept.*did you mean stiffness"):
        open_reference(folder, accept=["stifness"])
    (entry,) = open_dataset("phonondb", tmp_path).entries()
    assert replace(entry, accept=("stiffness",)).fingerprint != entry.fingerprint
    assert ACCEPTED not in good.tags


def in_frames(trajectory: Trajectory, change: Callable) -> Trajectory:  # type: ignore[type-arg]
    positions, forces = change(np.array(trajectory.positions), np.array(trajectory.forces))
    return replace(trajectory, positions=positions, forces=forces, run_lengths=(len(positions),))


def far_away(x: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x[3, 7] += 4.0
    return x, f


def filled(x: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    f[4, 9, 1] = 999.0
    return x, f


def stuck(x: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    f[6] = f[5]
    return x, f


@pytest.mark.parametrize(
    ("check", "change"),
    [
        ("force_correlation", lambda x, f: (x, -f)),
        ("force_correlation", lambda x, f: (x, np.roll(f, 1, axis=0))),
        ("force_correlation", lambda x, f: (x, f[:, ::-1])),
        ("force_slope", lambda x, f: (x, f / RY_BOHR)),
        ("force_slope", lambda x, f: (x, f * RY_BOHR)),
        ("copies", lambda x, f: (x[[4] * 15], f[[4] * 15])),
        ("net_force", lambda x, f: (x, f + 0.1)),
        ("jump", far_away),
        ("largest_force", filled),
        ("repeated_forces", stuck),
        ("repeated_forces", lambda x, f: (x, np.where(np.arange(80)[:, None] > 70, 0.0, f))),
    ],
)
def test_damaged_frames_are_doubted(check: str, change: Callable) -> None:  # type: ignore[type-arg]
    (entry,) = open_dataset("example").entries()
    material, trajectory = entry.load(), entry.load_trajectory()
    assert not doubts(trajectory_figures(trajectory, material))
    damaged = in_frames(trajectory, change)
    names = {doubt.check for doubt in doubts(trajectory_figures(damaged, material))}
    assert check in names
    with pytest.raises(InputDataError, match="this is not plausible"):
        replace(entry, trajectory_loader=lambda: damaged).load_trajectory()
    accepted = replace(entry, trajectory_loader=lambda: damaged, accept=tuple(names)).load_trajectory()
    assert accepted.accepted[ACCEPTED] == ", ".join(sorted(names))
    assert "accepted though" in accepted.notes[-1]
    assert accepted.digest == damaged.digest
    tags = facts_of(material, None, accepted).tags
    assert tags[ACCEPTED] == ", ".join(sorted(names))


def newtonian(n_frames: int, step: float) -> tuple[Material, Trajectory]:
    """EMT's CuAu without a thermostat, `step` in fs."""
    phonon = metal_phonopy("CuAu")
    phonon.generate_displacements(distance=0.01)
    atoms = Atoms(
        phonon.supercell.symbols, cell=phonon.supercell.cell, positions=phonon.supercell.positions, pbc=True
    )
    atoms.calc = EMT()
    given = []
    for cell in phonon.supercells_with_displacements:
        displaced = atoms.copy()
        displaced.positions[:] = cell.positions
        displaced.calc = EMT()
        given.append(displaced.get_forces())
    moved = np.array([cell.positions for cell in phonon.supercells_with_displacements])
    unitcell = Cell.from_phonopy(phonon.unitcell)
    reference = DisplacementForces(moved - atoms.positions, np.array(given))
    material = Material("CuAu", "CuAu", unitcell, np.diag([2, 2, 2]), np.eye(3), reference)
    velocities = np.random.default_rng(3).normal(size=(len(atoms), 3)) * 0.02
    atoms.set_velocities(velocities - velocities.mean(axis=0))
    dynamics, positions, forces = VelocityVerlet(atoms, step * units.fs), [], []
    dynamics.run(50)
    for _ in range(n_frames):
        dynamics.run(1)
        positions.append(atoms.positions.copy())
        forces.append(atoms.get_forces())
    return material, Trajectory(
        atoms.cell.array, atoms.numbers, np.round(np.array(positions), 7), np.array(forces)
    )


@pytest.mark.parametrize("step", [1.0, 4.0])
def test_forces_that_are_a_step_late_or_early(step: float) -> None:
    material, trajectory = newtonian(40, step)
    assert not doubts(trajectory_figures(trajectory, material))
    for late in (1, -1):
        wrong = replace(
            trajectory,
            forces=np.roll(trajectory.forces, late, axis=0)[2:-2],
            positions=trajectory.positions[2:-2],
            run_lengths=(),
        )
        assert {doubt.check for doubt in doubts(trajectory_figures(wrong, material))} == {"out_of_step"}


@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    angles=st.tuples(*[st.floats(0.0, 2.0 * np.pi)] * 3),
    shift=st.tuples(*[st.floats(-1.0, 1.0)] * 3),
    matrix=st.sampled_from([(2, 2, 2), (3, 2, 2), (2, 2, 4), (4, 4, 3)]),
    amplitude=st.floats(0.005, 0.3),
    anharmonicity=st.floats(0.0, 0.5),
    seed=st.integers(0, 10**6),
)
def test_no_false_alarm_however_a_crystal_lies(
    angles: tuple[float, ...],
    shift: tuple[float, ...],
    matrix: tuple[int, ...],
    amplitude: float,
    anharmonicity: float,
    seed: int,
) -> None:
    """Turned, moved, in any supercell, atoms in other images, and with 1 % noise on all that is measured."""
    rng = np.random.default_rng(seed)

    def noisy(values: np.ndarray) -> np.ndarray:
        return values * (1.0 + 0.01 * rng.normal(size=values.shape))

    turn = Rotation.from_euler("xyz", angles).as_matrix()
    unitcell = Cell(UNITCELL.lattice @ turn.T, UNITCELL.scaled_positions + shift, UNITCELL.numbers)
    material = Material("CsCl", "CsCl", unitcell, np.diag(matrix), np.eye(3))
    supercell = supercell_of(material)
    constants = springs(supercell)
    constants *= 3.0 / constants[0, 0, 0, 0]  # eV/Å²
    first = [0, supercell.n_atoms // 2]
    displaced = np.zeros((6, supercell.n_atoms, 3))
    displaced[np.arange(6), np.repeat(first, 3)] = 0.01 * np.tile(turn.T, (2, 1))
    reference = DisplacementForces(displaced, noisy(-np.einsum("ijab,fjb->fia", constants, displaced)))
    material = replace(material, reference=reference)
    assert not doubts(material_figures(material))

    moved = amplitude * rng.normal(size=(25, supercell.n_atoms, 3))
    moved -= moved.mean(axis=1, keepdims=True)
    harmonic = -np.einsum("ijab,fjb->fia", constants, moved)
    other = anharmonicity * harmonic.std() * rng.normal(size=moved.shape)
    forces = noisy(harmonic + other - other.mean(axis=1, keepdims=True))
    images = rng.integers(-1, 2, size=moved.shape) @ supercell.lattice
    positions = supercell.scaled_positions @ supercell.lattice + noisy(moved) + images
    trajectory = Trajectory(supercell.lattice, supercell.numbers, positions, forces)
    assert not doubts(trajectory_figures(trajectory, material))


def test_random_displacements_whose_forces_are_of_other_atoms(example: Material) -> None:
    (entry,) = open_dataset("example").entries()
    trajectory, cell = entry.load_trajectory(), supercell_of(example)
    moved = trajectory.positions - cell.scaled_positions @ cell.lattice
    moved = minimum_image(moved, cell.lattice)
    good = replace(example, reference=DisplacementForces(moved, trajectory.forces))
    assert not doubts(material_figures(good))
    bad = replace(example, reference=DisplacementForces(moved, trajectory.forces[:, ::-1]))
    assert {doubt.check for doubt in doubts(material_figures(bad))} == {"force_correlation"}


@pytest.mark.shared_data
def test_no_false_alarm_on_real_data(shared_data: Path) -> None:
    """What opens at all has passed; the rest of the database stands in benchmarks/plausibility.py."""
    for entry in open_dataset("phonondb", shared_data / "phonondb").entries()[::9]:
        assert ACCEPTED not in entry.load().tags
    for source in sorted((shared_data / "kcl_phonopy").iterdir())[:1]:
        assert ACCEPTED not in open_reference(source).tags
