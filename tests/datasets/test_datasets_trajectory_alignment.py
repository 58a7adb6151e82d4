"""Which atom of a trajectory sits on which site of a supercell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.spacegroup import crystal
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from trajectory_cases import UNITCELL, make_case, springs

from softmode.crystal import Cell, ForceConstants, Material, Trajectory
from softmode.datasets import align_trajectory, supercell_of
from softmode.errors import InputDataError

MATERIAL = Material(
    "CsCl", "CsCl", UNITCELL, np.diag([2, 1, 2]), np.eye(3), ForceConstants(springs(make_case().supercell))
)
SUPERCELL = supercell_of(MATERIAL)
SPRINGS = springs(SUPERCELL)


def trajectory_of(n_frames: int = 8, amplitude: float = 0.15, seed: int = 0) -> Trajectory:
    """Frames in the order of the supercell, forces that tell atoms apart."""
    rng = np.random.default_rng(seed)
    positions = SUPERCELL.scaled_positions @ SUPERCELL.lattice
    positions = positions + amplitude * rng.normal(size=(n_frames, SUPERCELL.n_atoms, 3))
    return Trajectory(SUPERCELL.lattice, SUPERCELL.numbers, positions, rng.normal(size=positions.shape))


def displacements(trajectory: Trajectory, supercell: Cell = SUPERCELL) -> NDArray[np.float64]:
    scaled = trajectory.positions @ np.linalg.inv(supercell.lattice) - supercell.scaled_positions
    return np.asarray((scaled - np.rint(scaled)) @ supercell.lattice)


def energies(trajectory: Trajectory) -> NDArray[np.float64]:
    """Harmonic energy of each frame, which no translation changes."""
    u = displacements(trajectory)
    return np.asarray(0.5 * np.einsum("tia,ijab,tjb->t", u, SPRINGS, u))


def test_identity() -> None:
    trajectory = trajectory_of()
    aligned = align_trajectory(trajectory, SUPERCELL, "run")
    np.testing.assert_array_equal(aligned.positions, trajectory.positions)
    np.testing.assert_array_equal(aligned.forces, trajectory.forces)
    assert aligned.notes == ()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_frames=st.integers(1, 5))
def test_permuted_and_wrapped(seed: int, n_frames: int) -> None:
    rng = np.random.default_rng(seed)
    trajectory = trajectory_of(n_frames, amplitude=0.12, seed=seed)
    order = rng.permutation(SUPERCELL.n_atoms)
    images = rng.integers(-2, 3, size=trajectory.positions.shape) @ SUPERCELL.lattice
    shuffled = replace(
        trajectory,
        numbers=trajectory.numbers[order],
        positions=(trajectory.positions + images)[:, order],
        forces=trajectory.forces[:, order],
    )
    aligned = align_trajectory(shuffled, SUPERCELL, "run")
    np.testing.assert_array_equal(aligned.numbers, SUPERCELL.numbers)
    np.testing.assert_array_equal(aligned.forces, trajectory.forces)
    np.testing.assert_allclose(displacements(aligned), displacements(trajectory), atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), drifting=st.booleans())
def test_moved_as_a_whole(seed: int, drifting: bool) -> None:
    """Any origin, the same in all frames or not: the same vibrations, up to a translation of the crystal."""
    rng = np.random.default_rng(seed)
    trajectory = trajectory_of(4, amplitude=0.12, seed=seed)
    shift = rng.uniform(-8, 8, size=(4 if drifting else 1, 1, 3))
    aligned = align_trajectory(replace(trajectory, positions=trajectory.positions + shift), SUPERCELL, "run")
    np.testing.assert_allclose(energies(aligned), energies(trajectory), atol=1e-9)
    assert np.abs(displacements(aligned)).max() < 1.2
    sites = np.argsort(aligned.forces[0, :, 0])  # the same atoms, on sites a translation away
    np.testing.assert_array_equal(
        aligned.numbers[sites], trajectory.numbers[np.argsort(trajectory.forces[0, :, 0])]
    )


def test_shifts_are_noted() -> None:
    trajectory = trajectory_of()
    for shift, removed in ((0.3, False), (1.9, True)):
        moved = replace(
            trajectory, positions=trajectory.positions + np.array([shift, 0, 0]), source="run.xml"
        )
        aligned = align_trajectory(moved, SUPERCELL, "run")
        (note,) = aligned.notes
        assert note.startswith("run.xml: the crystal is moved as a whole by up to")
        assert note.endswith("taken away in every frame") == removed
        mean = displacements(aligned).mean(axis=(0, 1))
        np.testing.assert_allclose(mean, 0 if removed else displacements(moved).mean(axis=(0, 1)), atol=1e-12)


def test_sublattices_of_one_element_are_not_mixed() -> None:
    """Perovskite moved by (a/4, a/4, 0): halides are as near to other sublattices as to their own."""
    unit = crystal(
        ["Cs", "Pb", "I"],
        [(0, 0, 0), (0.5, 0.5, 0.5), (0, 0.5, 0.5)],
        spacegroup=221,
        cellpar=[6.2] * 3 + [90] * 3,
    )
    supercell = Cell.from_atoms(unit.repeat((2, 2, 2)))
    rest = supercell.scaled_positions @ supercell.lattice
    rng = np.random.default_rng(1)
    u = 0.2 * rng.normal(size=(5, supercell.n_atoms, 3))
    shift = np.array([0.26, 0.255, 0.0]) * 6.2
    trajectory = Trajectory(supercell.lattice, supercell.numbers, rest + u + shift, u)
    aligned = align_trajectory(trajectory, supercell, "run")
    mean_free = u - u.mean(axis=1, keepdims=True)
    found = displacements(aligned, supercell)
    np.testing.assert_allclose(
        np.sort((found**2).sum(axis=2)), np.sort((mean_free**2).sum(axis=2)), atol=1e-9
    )


@pytest.mark.parametrize(
    "change",
    [
        [[1, 0, 0], [0, 1, 0], [0, 1, 1]],
        [[0, 1, 0], [0, 0, 1], [1, 0, 0]],
        [[-1, 0, 0], [0, -1, 0], [0, 0, 1]],
    ],
)
def test_other_vectors_of_the_same_lattice(change: ArrayLike) -> None:
    trajectory = trajectory_of()
    lattice = np.array(change) @ SUPERCELL.lattice
    wrapped = (trajectory.positions @ np.linalg.inv(lattice) % 1.0) @ lattice
    aligned = align_trajectory(replace(trajectory, lattice=lattice, positions=wrapped), SUPERCELL, "run")
    np.testing.assert_allclose(displacements(aligned), displacements(trajectory), atol=1e-9)
    np.testing.assert_array_equal(aligned.lattice, SUPERCELL.lattice)


def test_a_slightly_different_lattice_keeps_fractions() -> None:
    trajectory = trajectory_of()
    strained = replace(
        trajectory, lattice=1.0005 * trajectory.lattice, positions=1.0005 * trajectory.positions
    )
    aligned = align_trajectory(strained, SUPERCELL, "run")
    np.testing.assert_allclose(aligned.positions, trajectory.positions, atol=1e-9)
    assert "differs from the supercell's by 5.0e-04 (relative)" in aligned.notes[0]


def refused(trajectory: Trajectory, problem: str, remedy: str, supercell: Cell = SUPERCELL) -> None:
    with pytest.raises(InputDataError) as caught:
        align_trajectory(trajectory, supercell, "run.xml")
    assert caught.value.subject == "run.xml"
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


def test_other_composition() -> None:
    trajectory = trajectory_of()
    numbers = trajectory.numbers.copy()
    numbers[0] = 37
    refused(
        replace(trajectory, numbers=numbers),
        "the trajectory holds Cl4 Rb1 Cs3, but the supercell Cl4 Cs4",
        "give the supercell of this trajectory",
    )


def test_other_lattice() -> None:
    trajectory = trajectory_of()
    larger = replace(trajectory, lattice=1.002 * trajectory.lattice, positions=1.002 * trajectory.positions)
    refused(larger, "(8.2164, 0.0000, 0.0000)", "at the same lattice constants")
    refused(larger, "(8.2000, 0.0000, 0.0000)", "at the same lattice constants")
    refused(larger, "they differ by 0.002 (relative; allowed 0.001)", "at the same lattice constants")
    sheared = trajectory.lattice + np.array([[0, 0.02, 0], [0, 0, 0], [0, 0, 0]])
    refused(replace(trajectory, lattice=sheared), "by 0.0024 (relative", "at the same lattice constants")
    angle = 0.3
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    turned = replace(trajectory, lattice=trajectory.lattice @ turn, positions=trajectory.positions @ turn)
    refused(turned, "lengths and angles agree: one looks rotated", "rotate cell, positions and forces")


def test_two_atoms_on_one_site() -> None:
    trajectory = trajectory_of(amplitude=0.05)
    positions = trajectory.positions.copy()
    positions[:, 2] = positions[:, 1] + [0.4, 0.0, 0.0]
    refused(
        replace(trajectory, positions=positions),
        "atoms 2 and 3 (Cs) of the trajectory both fall on site 2 of the supercell,",
        "undisplaced supercell",
    )


def test_another_structure_of_the_same_composition() -> None:
    """Zincblende on the sites of rock salt: the map is one to one, and wrong."""
    cells = [
        crystal(["K", "Cl"], [(0, 0, 0), basis], spacegroup=number, cellpar=[6.29] * 3 + [90] * 3).repeat(2)
        for number, basis in ((225, (0.5, 0.5, 0.5)), (216, (0.25, 0.25, 0.25)))
    ]
    rock_salt, zincblende = (Cell.from_atoms(cell[np.argsort(cell.numbers, kind="stable")]) for cell in cells)
    positions = (zincblende.scaled_positions @ zincblende.lattice)[None]
    trajectory = Trajectory(zincblende.lattice, zincblende.numbers, positions, np.zeros_like(positions))
    refused(trajectory, "Å from the nearest site of its element; all atoms are", "undisplaced", rock_salt)


def test_run_lengths_notes_and_source_stay() -> None:
    trajectory = replace(trajectory_of(), run_lengths=(3, 5), notes=("cut",), source="a, b")
    aligned = align_trajectory(trajectory, SUPERCELL, "run")
    assert (aligned.run_lengths, aligned.notes, aligned.source) == ((3, 5), ("cut",), "a, b")
