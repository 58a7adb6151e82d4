"""Whether a crystal has left its phase: modes whose truth is known, tilts and shifts by construction."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import expm

from softmode import harmonic as hm
from softmode.crystal import Cell
from softmode.datasets import open_dataset
from softmode.dynamics import (
    MDSettings,
    NormalModes,
    average_space_group,
    frozen_displacement,
    octahedra,
)
from softmode.dynamics.phase_change import thermal_share
from softmode.errors import InputDataError

FRICTION, EVERY = 0.004, 0.008  # 1/fs; ps from frame to frame
SETTINGS = MDSettings(thermostat="langevin", timestep=4.0, sample_every=2, friction=FRICTION, steps=1000)
N_MODES = 9


def modes(imaginary: int = 3) -> NormalModes:
    """Of three atoms, each direction its own mode; some are imaginary."""
    frequencies = np.where(np.arange(N_MODES) < imaginary, -0.6, 2.0)
    return NormalModes(frequencies, np.eye(N_MODES), np.ones(3))


def motion(frequency: float, n_frames: int, seed: int, n: int = N_MODES) -> NDArray[np.float64]:
    """Langevin oscillators of unit variance in equilibrium, exact at any step: (n_frames, n)."""
    omega, gamma = 2.0 * np.pi * frequency, 1e3 * FRICTION
    step = expm(np.array([[0.0, 1.0], [-(omega**2), -gamma]]) * EVERY)
    equilibrium = np.diag([1.0, omega**2])
    noise = np.linalg.cholesky(equilibrium - step @ equilibrium @ step.T)
    rng = np.random.default_rng(seed)
    state = rng.standard_normal((n, 2)) * [1.0, omega]
    frames = []
    for _ in range(n_frames):
        state = state @ step.T + rng.standard_normal((n, 2)) @ noise.T
        frames.append(state[:, 0])
    return np.array(frames)


def as_atoms(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    return coordinates.reshape(len(coordinates), 3, 3)


def test_thermal_motion_is_not_taken_for_another_phase() -> None:
    # 2.4 ps: two windows of 1.2 ps, long for modes of 0.6 THz; the share of false alarms is given as 2 %
    alarms = [frozen_displacement(as_atoms(motion(0.6, 300, seed)), modes(), SETTINGS) for seed in range(100)]
    assert all(found.left is not None for found in alarms)
    assert sum(bool(found.left) for found in alarms) <= 6
    assert np.mean([found.share for found in alarms]) < alarms[0].expected


def test_a_displacement_that_stays_is_found_and_when_it_began() -> None:
    shift = np.zeros(N_MODES)
    shift[:3] = 4.0
    for seed in range(20):
        moved = motion(0.6, 400, seed)
        moved[60:] += shift
        found = frozen_displacement(as_atoms(moved), modes(), SETTINGS)
        assert found.left
        assert found.share > 0.75
        assert 50 <= found.since <= 70
        np.testing.assert_allclose(found.mean[0], moved[200:, :3].mean(axis=0), rtol=1e-12)


def test_hopping_between_two_wells_is_cubic_on_average() -> None:
    rng = np.random.default_rng(3)
    sides = np.repeat(rng.choice([-3.0, 3.0], size=(25, 3)), 16, axis=0)  # a well for 0.13 ps at a time
    moved = motion(0.6, 400, 4)
    moved[:, :3] += sides
    assert frozen_displacement(as_atoms(moved), modes(), SETTINGS).left is False


def test_stable_crystals_are_tested_along_all_modes() -> None:
    moved = motion(1.0, 300, 5)
    assert frozen_displacement(as_atoms(moved), modes(0), SETTINGS).left is False
    moved[:, 7] += 20.0
    assert frozen_displacement(as_atoms(moved), modes(0), SETTINGS).left
    assert not frozen_displacement(as_atoms(moved), modes(3), SETTINGS).left  # not along imaginary ones


def test_runs_too_short_to_tell_say_nothing() -> None:
    moved = motion(0.6, 60, 6)
    moved[:, :3] += 5.0
    assert frozen_displacement(as_atoms(moved), modes(), SETTINGS).left is None
    slow = SETTINGS.model_copy(update={"thermostat": "andersen", "collision_probability": 0.5})
    long = np.repeat(moved, 7, axis=0)
    assert frozen_displacement(as_atoms(long), modes(), SETTINGS).left is not None
    assert frozen_displacement(as_atoms(long), modes(), slow).left is None  # overdamped: nothing is forgotten
    with pytest.raises(InputDataError, match="15 are too few"):
        frozen_displacement(as_atoms(moved[:15]), modes(), SETTINGS)


@pytest.mark.parametrize(("window", "memory"), [(0.5, 0.5), (2.0, 0.3), (0.1, 1.0)])
def test_the_share_of_thermal_motion_is_the_integral_of_its_correlation(window: float, memory: float) -> None:
    times = (np.arange(400) + 0.5) / 400 * window
    within = np.exp(-np.abs(times[:, None] - times) / memory).mean()
    between = np.exp(-(times[:, None] + window - times) / memory).mean()
    expected = between**2 / within + within / 5
    assert thermal_share(window, memory, 5) == pytest.approx(min(1.0, expected), rel=1e-4)


def supercell(formula: str, prototype: str) -> Cell:
    material = open_dataset("structures", formulas=[formula], prototype=prototype).entries()[0].load()
    return hm.reference_supercell(hm.build_phonopy(material))


@pytest.fixture(scope="module")
def perovskite() -> Cell:
    """CsPbBr3, 2 x 2 x 2 of the cubic cell, 40 atoms."""
    return supercell("CsPbBr3", "abx3")


def tilted(cell: Cell, angle: float, *, in_phase: bool) -> NDArray[np.float64]:
    """Displacements that turn the octahedra about z, neighbours in opposite senses."""
    found = octahedra(cell)
    assert found is not None
    moved = np.zeros((cell.n_atoms, 3))
    a = cell.lattice[0, 0] / 2.0
    for centre, ligands, bonds in zip(found.centres, found.ligands, found.bonds, strict=True):
        place = np.rint((cell.scaled_positions @ cell.lattice)[centre] / a - 0.5 + 1e-6).astype(int)
        sense = (-1.0) ** (place[0] + place[1] + (0 if in_phase else place[2]))
        moved[ligands] = np.cross([0.0, 0.0, sense * np.radians(angle)], bonds)
    return moved


def test_tilts_and_their_space_groups_are_those_of_glazer(perovskite: Cell) -> None:
    found = octahedra(perovskite)
    assert found is not None
    assert sorted(perovskite.numbers[found.centres]) == [82] * 8
    for in_phase, group in ((True, "P4/mbm (127)"), (False, "I4/mcm (140)")):  # a0a0c+, a0a0c-
        moved = tilted(perovskite, 8.0, in_phase=in_phase)
        assert found.tilt(moved) == pytest.approx(8.0, abs=1e-9)
        assert found.off_centring(moved) == pytest.approx(0.0, abs=1e-9)
        noise = np.random.default_rng(1).normal(scale=0.03, size=moved.shape)
        assert average_space_group(perovskite, moved + noise) == group
    assert average_space_group(perovskite, np.zeros_like(moved)) == "Pm-3m (221)"


def test_off_centring_is_that_of_the_centres(perovskite: Cell) -> None:
    found = octahedra(perovskite)
    assert found is not None
    moved = np.zeros((40, 3))
    moved[found.centres, 2] = 0.3
    assert found.off_centring(moved) == pytest.approx(0.3)
    assert found.tilt(moved) == pytest.approx(0.0, abs=1e-9)
    assert average_space_group(perovskite, moved) == "P4mm (99)"


def test_octahedra_are_those_that_share_corners() -> None:
    elpasolite = octahedra(supercell("Cs2AgBiBr6", "halide_double_perovskite"))
    assert elpasolite is not None
    assert len(elpasolite.centres) == 16
    antifluorite = octahedra(supercell("K2PtCl6", "a2bx6"))
    assert antifluorite is not None
    assert len(antifluorite.centres) == 8
    assert octahedra(supercell("NaCl", "rock_salt")) is None
