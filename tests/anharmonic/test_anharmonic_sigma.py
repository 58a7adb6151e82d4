"""σ against FHI-vibes' own figures, by construction, and its invariances as properties."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from softmode import harmonic as hm
from softmode.anharmonic.displacements import displacements
from softmode.anharmonic.modes import mode_sigma, supercell_modes
from softmode.anharmonic.sigma import harmonic_forces, sigma, sigma_std_by
from softmode.anharmonic.sites import orbits, site_labels
from softmode.crystal import Cell, ForceConstants, Material, Trajectory
from softmode.errors import InputDataError


@pytest.fixture(scope="module")
def crystal(example: Material) -> tuple[Cell, ForceConstants]:
    """Supercell and full symmetrised force constants of the example."""
    phonon = hm.build_phonopy(example)
    constants = hm.symmetrised(phonon, hm.reference_force_constants(phonon, example))
    return hm.reference_supercell(phonon), hm.full_force_constants(phonon, constants)


def made_up(crystal: tuple[Cell, ForceConstants], seed: int = 0, n_frames: int = 5) -> Trajectory:
    """Frames around the crystal with harmonic forces and something on top."""
    cell, constants = crystal
    rng = np.random.default_rng(seed)
    moved = rng.normal(0.0, 0.1, (n_frames, cell.n_atoms, 3))
    moved -= np.average(moved, axis=1, weights=cell.masses)[:, None, :]
    forces = harmonic_forces(constants, moved) + rng.normal(0.0, 0.1, moved.shape)
    positions = cell.scaled_positions @ cell.lattice + moved
    return Trajectory(cell.lattice, cell.numbers, positions, forces)


def sigma_of(trajectory: Trajectory, cell: Cell, constants: ForceConstants) -> np.ndarray:
    """Overall, mean over frames, by element and by site, in one array."""
    result = sigma(trajectory.forces, harmonic_forces(constants, displacements(trajectory, cell)))
    by_element = result.by(cell.symbols)
    return np.array([result.overall, result.mean_t, *(by_element[key] for key in sorted(by_element))])


@pytest.mark.shared_data
def test_figures_of_fhi_vibes_for_cspbi3(shared_data: Path) -> None:
    with h5py.File(shared_data / "cspbi3_vibes" / "trajectory.nc") as file:
        n = 135
        moved, forces = (file[name][()].astype(float) for name in ("displacements", "forces"))
        constants = file["force_constants_remapped"][()].astype(float).reshape(n, 3, n, 3)
        symbols = [str(symbol) for symbol in file.attrs["symbols"]]
        published, per_sample = float(file.attrs["sigma"][0]), file["sigma_per_sample"][()]
    harmonic = harmonic_forces(ForceConstants(constants.transpose(0, 2, 1, 3)), moved)
    result = sigma(forces, harmonic)
    assert result.overall_std == pytest.approx(published, abs=1e-7)
    assert result.overall == pytest.approx(0.6594159, abs=1e-6)
    np.testing.assert_allclose(result.per_frame, per_sample, atol=1e-6)
    by_std = sigma_std_by(forces, harmonic, symbols)
    assert by_std == pytest.approx({"Cs": 0.826162, "Pb": 0.674311, "I": 0.647513}, abs=1e-6)
    # root mean square, from its definition
    anharmonic = forces - harmonic
    for element, value in result.by(symbols).items():
        mask = np.array(symbols) == element
        expected = np.sqrt((anharmonic[:, mask] ** 2).sum() / (forces[:, mask] ** 2).sum())
        assert value == pytest.approx(expected, rel=1e-12)
    assert result.by(symbols)["Cs"] == pytest.approx(0.8265, abs=5e-5)  # not 0.8262, SPEC §3


def test_mean_over_frames_and_overall_are_different_things() -> None:
    forces = np.zeros((2, 1, 3))
    forces[0, 0, 0], forces[1, 0, 0] = 1.0, 3.0
    harmonic = np.zeros((2, 1, 3))
    harmonic[1, 0, 0] = 3.0  # the second frame is harmonic
    result = sigma(forces, harmonic)
    assert result.per_frame == pytest.approx([1.0, 0.0])
    assert result.mean_t == pytest.approx(0.5)
    assert result.overall == pytest.approx(np.sqrt(1 / 10))


def test_harmonic_forces_give_zero_and_no_force_constants_give_one(crystal) -> None:
    cell, constants = crystal
    trajectory = made_up(crystal)
    moved = displacements(trajectory, cell)
    harmonic = harmonic_forces(constants, moved)
    assert sigma(harmonic, harmonic).overall == 0.0
    nothing = harmonic_forces(ForceConstants(np.zeros_like(constants.values)), moved)
    result = sigma(trajectory.forces, nothing)
    assert result.overall == result.overall_std == 1.0
    np.testing.assert_array_equal(result.per_frame, 1.0)


def test_harmonic_force_is_minus_force_constants_times_displacement(crystal) -> None:
    _, constants = crystal
    moved = np.zeros((1, len(constants.values), 3))
    moved[0, 7] = [0.1, 0.0, -0.2]
    expected = -(0.1 * constants.values[:, 7, :, 0] - 0.2 * constants.values[:, 7, :, 2])
    np.testing.assert_allclose(harmonic_forces(constants, moved)[0], expected, atol=1e-14)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_permuting_atoms_consistently_changes_nothing(crystal, seed: int) -> None:
    cell, constants = crystal
    order = np.random.default_rng(seed).permutation(cell.n_atoms)
    trajectory = made_up(crystal)
    permuted_cell = Cell(cell.lattice, cell.scaled_positions[order], cell.numbers[order], cell.masses[order])
    permuted = Trajectory(
        cell.lattice, cell.numbers[order], trajectory.positions[:, order], trajectory.forces[:, order]
    )
    permuted_constants = ForceConstants(constants.values[np.ix_(order, order)])
    np.testing.assert_allclose(
        sigma_of(permuted, permuted_cell, permuted_constants),
        sigma_of(trajectory, cell, constants),
        rtol=1e-10,
    )


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_wrapping_atoms_by_lattice_vectors_changes_nothing(crystal, seed: int) -> None:
    cell, constants = crystal
    trajectory = made_up(crystal)
    shifts = np.random.default_rng(seed).integers(-3, 4, trajectory.positions.shape) @ cell.lattice
    wrapped = Trajectory(cell.lattice, cell.numbers, trajectory.positions + shifts, trajectory.forces)
    np.testing.assert_allclose(
        sigma_of(wrapped, cell, constants), sigma_of(trajectory, cell, constants), rtol=1e-9
    )


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_rotating_the_crystal_changes_nothing(crystal, seed: int) -> None:
    cell, constants = crystal
    trajectory = made_up(crystal)
    rotation = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    turned_cell = Cell(cell.lattice @ rotation.T, cell.scaled_positions, cell.numbers, cell.masses)
    turned = Trajectory(
        turned_cell.lattice, cell.numbers, trajectory.positions @ rotation.T, trajectory.forces @ rotation.T
    )
    turned_constants = ForceConstants(rotation @ constants.values @ rotation.T)
    np.testing.assert_allclose(
        sigma_of(turned, turned_cell, turned_constants), sigma_of(trajectory, cell, constants), rtol=1e-9
    )


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), remove_drift=st.booleans())
def test_shifting_every_frame_rigidly_changes_nothing(crystal, seed: int, remove_drift: bool) -> None:
    cell, constants = crystal
    trajectory = made_up(crystal)
    shift = np.random.default_rng(seed).normal(0.0, 0.3, (trajectory.n_frames, 1, 3))
    drifted = Trajectory(cell.lattice, cell.numbers, trajectory.positions + shift, trajectory.forces)
    values = []
    for frames in (trajectory, drifted):
        moved = displacements(frames, cell, remove_drift=remove_drift)
        values.append(sigma(frames.forces, harmonic_forces(constants, moved)).per_frame)
    np.testing.assert_allclose(values[1], values[0], rtol=1e-9)


def test_zero_forces_are_refused_with_the_frames(crystal) -> None:
    forces = np.ones((4, 2, 3))
    forces[2] = 0.0
    with pytest.raises(InputDataError, match="all forces are zero, or next to it, in frame 2"):
        sigma(forces, np.zeros_like(forces))
    forces[2] = 1e-6  # the perfect crystal, with the noise of a calculation
    with pytest.raises(InputDataError, match="in frame 2"):
        sigma(forces, np.zeros_like(forces))


def test_force_constants_of_another_size_are_refused(crystal) -> None:
    _, constants = crystal
    with pytest.raises(InputDataError, match=r"of \(80, 80\) atoms, but the configurations have 40"):
        harmonic_forces(constants, np.zeros((1, 40, 3)))


def test_sites_are_orbits_not_elements(crystal) -> None:
    cell, _ = crystal
    assert set(site_labels(cell)) == {"Cs", "Ag", "Bi", "Br"}  # one orbit each in Fm-3m
    # CaTiO3-like Pbnm-ish distortion: make two kinds of the same element by a longer cell
    two = Cell(
        np.diag([4.0, 4.0, 9.0]),
        np.array([[0, 0, 0.0], [0, 0, 0.3], [0.5, 0.5, 0.7], [0, 0, 0.7], [0.5, 0.5, 0.3]]),
        np.array([11, 17, 17, 17, 17]),
    )
    labels = site_labels(two)
    assert labels == ("Na", "Cl1", "Cl2", "Cl1", "Cl2")
    assert orbits(two).tolist() == [0, 1, 2, 1, 2]


def test_modes_are_a_complete_orthonormal_set_of_eigenvectors(example: Material, crystal) -> None:
    phonon = hm.build_phonopy(example)
    _, full = crystal
    modes = supercell_modes(phonon, full)
    n = 3 * len(modes.masses)
    np.testing.assert_allclose(modes.vectors @ modes.vectors.conj().T, np.eye(n), atol=1e-12)
    weights = np.sqrt(np.repeat(modes.masses, 3))
    dynamical = full.values.transpose(0, 2, 1, 3).reshape(n, n) / np.outer(weights, weights)
    # the same eigenvalues as the supercell's own dynamical matrix
    from softmode.harmonic.dispersion import frequency_factor

    eigenvalues = np.sort(np.linalg.eigvalsh(dynamical)) * frequency_factor() ** 2
    ours = np.sort(hm.signed_square(modes.frequencies).ravel())
    np.testing.assert_allclose(ours, eigenvalues, atol=1e-8)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_mode_figures_recombine_to_the_mass_weighted_sigma(example: Material, crystal, seed: int) -> None:
    cell, constants = crystal
    modes = supercell_modes(hm.build_phonopy(example), constants)
    trajectory = made_up(crystal, seed)
    harmonic = harmonic_forces(constants, displacements(trajectory, cell))
    result = mode_sigma(modes, trajectory.forces, harmonic)
    weight = 1.0 / cell.masses[:, None]
    expected = np.sqrt(
        ((trajectory.forces - harmonic) ** 2 * weight).sum() / (trajectory.forces**2 * weight).sum()
    )
    assert result.mass_weighted == pytest.approx(expected, rel=1e-12)
    assert result.multiplicities.sum() == 3 * cell.n_atoms


def test_translations_have_no_sigma_and_are_never_imaginary(example: Material) -> None:
    phonon = hm.build_phonopy(example)
    raw = hm.full_force_constants(phonon, hm.reference_force_constants(phonon, example))
    assert hm.acoustic_sum_rule_violation(phonon, raw) > 1e-3  # so the translations are not at zero frequency
    modes = supercell_modes(phonon, raw)
    forces = np.random.default_rng(2).normal(0.0, 0.3, (10, len(modes.masses), 3))
    result = mode_sigma(modes, forces, 0.5 * forces)
    assert result.multiplicities[result.translation].sum() == 3
    assert np.isnan(result.sigma[result.translation]).all()
    assert not result.imaginary[result.translation].any()
    np.testing.assert_allclose(result.sigma[~result.translation], 0.5, rtol=1e-12)


def test_anharmonic_force_along_one_mode_shows_in_that_mode_alone(example: Material, crystal) -> None:
    cell, constants = crystal
    modes = supercell_modes(hm.build_phonopy(example), constants)
    rng = np.random.default_rng(4)
    moved = rng.normal(0.0, 0.1, (20, cell.n_atoms, 3))
    harmonic = harmonic_forces(constants, moved)
    target = int(np.argmax(modes.frequencies.ravel()))
    direction = modes.vectors[target].reshape(cell.n_atoms, 3) * np.sqrt(cell.masses)[:, None]
    extra = (rng.normal(size=(20, 1, 1)) * direction).real
    result = mode_sigma(modes, harmonic + extra, harmonic)
    hit = result.sigma > 1e-6
    assert hit.sum() == 1
    assert result.frequencies[hit][0] == pytest.approx(modes.frequencies.max(), abs=1e-4)
    assert result.imaginary.sum() == (result.frequencies < -1e-4).sum() > 0
