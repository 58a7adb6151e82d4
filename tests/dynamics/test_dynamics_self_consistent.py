from __future__ import annotations

import numpy as np
import pytest
from ase import units
from numpy.typing import NDArray
from spring_crystal import THZ, SpringCrystal, simple_cubic, spring_force_constants

from softmode.dynamics import (
    NormalModes,
    SelfConsistentSettings,
    normal_modes,
    random_samples,
    self_consistent_modes,
)
from softmode.dynamics.self_consistent import mode_stiffness

FloatArray = NDArray[np.float64]
KT = units.kB * 300.0


def crystal(n: int = 3) -> NormalModes:
    atoms = simple_cubic(n, masses=(40.0, 100.0))
    return normal_modes(spring_force_constants(n), atoms.get_masses())


def in_modes(modes: NormalModes, stiffness: FloatArray, quartic: float):  # type: ignore[no-untyped-def]
    """Forces of independent oscillators ``λ Q²/2 + c Q⁴/4`` in the mode coordinates."""

    def forces(displacements: FloatArray) -> FloatArray:
        q = modes.coordinates(displacements)
        mode_forces = -(stiffness * q + quartic * q**3)
        return (mode_forces @ modes.vectors).reshape(displacements.shape) * np.sqrt(modes.masses)[:, None]

    return forces


def with_frequencies(modes: NormalModes, eigenvalues: FloatArray) -> NormalModes:
    frequencies = np.sign(eigenvalues) * np.sqrt(np.abs(eigenvalues)) * THZ
    return NormalModes(frequencies=frequencies, vectors=modes.vectors, masses=modes.masses)


def exact(stiffness: float, quartic: float) -> float:
    """Root of λ' = λ + 3 c kT/λ': the classical self-consistent frequency of a quartic oscillator."""
    return 0.5 * (stiffness + np.sqrt(stiffness**2 + 12.0 * quartic * KT))


@pytest.mark.parametrize("stiffness", [0.05, -0.02, 0.001])
def test_quartic_oscillators_have_the_frequency_of_the_gap_equation(stiffness: float) -> None:
    """All modes degenerate: even the double well, which has no harmonic amplitude at all."""
    modes = crystal()
    same = np.full(len(modes.frequencies), stiffness)
    quartic = 0.02
    settings = SelfConsistentSettings(iterations=16, samples_per_iteration=60)
    found = self_consistent_modes(
        with_frequencies(modes, same), in_modes(modes, same, quartic), settings, seed=3
    )
    expected = np.sqrt(exact(stiffness, quartic)) * THZ
    assert found.modes.frequencies == pytest.approx(expected, rel=0.02)
    assert found.last_change < 0.02


def test_a_harmonic_crystal_keeps_its_frequencies() -> None:
    """F = -λ Q for every sample, so that no statistics enter."""
    modes = crystal()
    forces = in_modes(modes, modes.eigenvalues, 0.0)
    found = self_consistent_modes(
        modes, forces, SelfConsistentSettings(iterations=3, samples_per_iteration=1), 0
    )
    assert np.allclose(found.modes.frequencies, modes.frequencies, rtol=1e-9)
    assert np.array_equal(found.frequencies_at_rest, modes.frequencies)
    assert found.history.shape == (4, len(modes.frequencies))


def test_quantum_amplitudes_stiffen_more_than_classical_ones() -> None:
    """Zero-point motion at low temperature: a quartic oscillator feels it, a classical one is at rest."""
    modes = crystal()
    same = np.full(len(modes.frequencies), 0.05)
    cold = {"temperature": 5.0, "iterations": 6, "samples_per_iteration": 20}
    found = {
        statistics: self_consistent_modes(
            with_frequencies(modes, same),
            in_modes(modes, same, 0.05),
            SelfConsistentSettings.model_validate({**cold, "statistics": statistics}),
            seed=1,
        ).modes.frequencies.mean()
        for statistics in ("classical", "quantum")
    }
    assert found["quantum"] > 1.02 * found["classical"]


def test_coupled_springs_fulfil_the_gap_equation_on_new_samples() -> None:
    n = 3
    atoms = simple_cubic(n)
    modes = normal_modes(spring_force_constants(n), atoms.get_masses())
    atoms.calc = SpringCrystal(atoms.positions, quartic=40.0)
    sites = atoms.positions.copy()

    def forces(displacements: FloatArray) -> FloatArray:
        found = []
        for shift in displacements:
            atoms.positions = sites + shift
            found.append(atoms.get_forces())
        return np.array(found)

    settings = SelfConsistentSettings(iterations=10, samples_per_iteration=12)
    effective = self_consistent_modes(modes, forces, settings, seed=5).modes
    assert (effective.frequencies > 1.02 * modes.frequencies).all()  # the springs stiffen
    fresh = random_samples(effective, settings, 150, seed=99)
    sets = np.cumsum(np.diff(modes.frequencies, prepend=-np.inf) >= 1e-4) - 1
    stiffness = mode_stiffness(effective, fresh.displacements, forces(fresh.displacements), sets)
    assert np.sqrt(stiffness) * THZ == pytest.approx(effective.frequencies, rel=0.04)


def test_the_same_seed_gives_the_same_frequencies() -> None:
    modes = crystal()
    same = np.full(len(modes.frequencies), 0.05)
    settings = SelfConsistentSettings(iterations=2, samples_per_iteration=2)
    runs = [
        self_consistent_modes(
            with_frequencies(modes, same), in_modes(modes, same, 0.02), settings, seed
        ).modes.frequencies
        for seed in (1, 1, 2)
    ]
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])
