"""Harmonic sampling against closed forms, phonopy and its own invariances."""

from __future__ import annotations

import numpy as np
import pytest
from ase import units
from pydantic import ValidationError
from spring_crystal import simple_cubic, spring_force_constants, spring_frequencies

from softmode import harmonic as hm
from softmode.anharmonic.modes import supercell_modes
from softmode.crystal import Cell, ForceConstants, Material
from softmode.dynamics import (
    NormalModes,
    ThermalSettings,
    mean_square_displacements,
    normal_modes,
    random_samples,
    sign_alternating_samples,
    supercell_normal_modes,
)
from softmode.dynamics.thermal import mean_square_amplitude, mode_amplitudes
from softmode.errors import InputDataError

MASSES = (20.0, 50.0, 30.0, 80.0, 10.0)


@pytest.fixture(scope="module")
def springs() -> NormalModes:
    """Springs between atoms of many masses: hardly any degeneracy is left."""
    return normal_modes(spring_force_constants(3), simple_cubic(3, masses=MASSES).get_masses())


@pytest.fixture(scope="module")
def perovskite(example: Material) -> tuple[Cell, NormalModes]:
    phonon = hm.build_phonopy(example)
    constants = hm.symmetrised(phonon, hm.reference_force_constants(phonon, example))
    return hm.reference_supercell(phonon), supercell_normal_modes(phonon, constants)


def test_frequencies_of_springs_in_closed_form() -> None:
    modes = normal_modes(spring_force_constants(4), np.full(64, 40.0))
    np.testing.assert_allclose(modes.frequencies, spring_frequencies(4, 40.0), rtol=1e-6)


def test_modes_are_orthonormal_and_leave_the_centre_of_mass_at_rest(springs: NormalModes) -> None:
    np.testing.assert_allclose(springs.vectors @ springs.vectors.T, np.eye(78), atol=1e-12)
    weighted = springs.vectors.reshape(78, 27, 3) * np.sqrt(springs.masses)[:, None]
    np.testing.assert_allclose(weighted.sum(axis=1), 0.0, atol=1e-12)


def test_frequencies_are_those_of_the_phonons(example: Material) -> None:
    phonon = hm.build_phonopy(example)
    constants = hm.symmetrised(phonon, hm.reference_force_constants(phonon, example))
    phonons = np.sort(supercell_modes(phonon, constants).frequencies.ravel())
    translations = np.argsort(np.abs(phonons))[:3]
    modes = supercell_normal_modes(phonon, constants)
    np.testing.assert_allclose(modes.frequencies, np.delete(phonons, translations), atol=1e-5)
    compact = ForceConstants(hm.full_force_constants(phonon, constants).values[phonon.primitive.p2s_map])
    np.testing.assert_allclose(
        supercell_normal_modes(phonon, compact).frequencies, modes.frequencies, atol=1e-6
    )


@pytest.mark.parametrize("statistics", ["classical", "quantum"])
def test_one_spring_in_closed_form(statistics: str) -> None:
    """Two atoms and one kind of spring: u of each follows from the reduced mass."""
    stiffness, masses = 3.0, np.array([20.0, 60.0])
    values = np.einsum("ij,ab->ijab", stiffness * np.array([[1.0, -1.0], [-1.0, 1.0]]), np.eye(3))
    modes = normal_modes(ForceConstants(values), masses)
    settings = ThermalSettings(temperature=150.0, statistics=statistics)
    reduced = masses.prod() / masses.sum()
    omega = np.sqrt(stiffness / reduced)  # 1/ASE time
    relative = units.kB * 150.0 / stiffness
    if statistics == "quantum":
        hbar = units._hbar * units.J * units.s
        relative = hbar / (2 * reduced * omega) / np.tanh(hbar * omega / (2 * units.kB * 150.0))
    expected = relative * (masses[::-1] / masses.sum()) ** 2
    np.testing.assert_allclose(
        mean_square_displacements(modes, settings), np.repeat(expected[:, None], 3, axis=1), rtol=1e-5
    )


@pytest.mark.parametrize("temperature", [20.0, 300.0])
def test_quantum_displacements_are_those_of_phonopy(example: Material, temperature: float) -> None:
    phonon = hm.build_phonopy(example)
    full = hm.full_force_constants(phonon, hm.reference_force_constants(phonon, example))
    phonon.force_constants = np.array(full.values)
    phonon.symmetrize_force_constants()
    constants = ForceConstants(phonon.force_constants)
    mesh = np.rint(np.diag(np.linalg.inv(phonon.primitive_matrix) @ phonon.supercell_matrix)).astype(int)
    multiples = np.linalg.inv(phonon.primitive.cell.T) @ phonon.supercell.cell.T
    assert np.allclose(multiples, np.diag(mesh)), (
        "commensurate points are a mesh for diagonal supercells only"
    )
    phonon.run_mesh(mesh, with_eigenvectors=True, is_mesh_symmetry=False, is_gamma_center=True)
    phonon.run_thermal_displacements(temperatures=[temperature], freq_min=0.1, exclude_gamma_acoustic=True)
    theirs = phonon.thermal_displacements.thermal_displacements[0].reshape(-1, 3)
    settings = ThermalSettings(temperature=temperature, statistics="quantum", imaginary="drop", tolerance=0.1)
    modes = supercell_normal_modes(phonon, constants)
    ours = mean_square_displacements(modes, settings)[phonon.primitive.p2s_map]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_random_samples_have_the_mean_squares_they_should(perovskite: tuple[Cell, NormalModes]) -> None:
    cell, modes = perovskite
    settings = ThermalSettings(temperature=300.0, statistics="quantum")
    samples = random_samples(modes, settings, 400, seed=1)
    measured = (samples.displacements**2).mean(axis=0)
    expected = mean_square_displacements(modes, settings)
    assert measured.sum() == pytest.approx(expected.sum(), rel=0.06)
    for symbol in cell.elements:
        atoms = np.array(cell.symbols) == symbol
        assert measured[atoms].mean() == pytest.approx(expected[atoms].mean(), rel=0.1)
    drift = np.einsum("a,nax->nx", cell.masses, samples.displacements)
    np.testing.assert_allclose(drift, 0.0, atol=1e-9)


def test_energy_is_shared_equally_among_modes(springs: NormalModes) -> None:
    samples = random_samples(springs, ThermalSettings(temperature=300.0), 4000, seed=2)
    energy = 0.5 * springs.eigenvalues * springs.coordinates(samples.displacements) ** 2
    half = 0.5 * units.kB * 300.0
    assert energy.mean() == pytest.approx(half, rel=4 * np.sqrt(2 / energy.size))
    np.testing.assert_allclose(energy.mean(axis=0), half, rtol=5 * np.sqrt(2 / 4000))
    # and the deviates of different modes are independent
    scaled = springs.coordinates(samples.displacements) / samples.amplitudes.values
    correlation = scaled.T @ scaled / len(scaled) - np.eye(scaled.shape[1])
    assert np.abs(correlation).max() < 6 * np.sqrt(2 / 4000)


def test_quantum_becomes_classical_when_hot_and_stays_in_motion_when_cold(springs: NormalModes) -> None:
    def squares(temperature: float, statistics: str) -> np.ndarray:
        return mean_square_amplitude(springs.frequencies, temperature, statistics)

    np.testing.assert_allclose(squares(1e5, "quantum"), squares(1e5, "classical"), rtol=1e-5)
    assert (squares(300.0, "quantum") > squares(300.0, "classical")).all()
    zero_point = 4.135667696e-3 * springs.frequencies / (2 * springs.eigenvalues)  # ħω/2 = λ<Q²>
    np.testing.assert_allclose(squares(0.0, "quantum"), zero_point, rtol=1e-6)
    np.testing.assert_allclose(squares(1e-3, "quantum"), zero_point, rtol=1e-6)


def test_sign_alternating_pair(perovskite: tuple[Cell, NormalModes]) -> None:
    cell, modes = perovskite
    samples = sign_alternating_samples(modes, ThermalSettings(temperature=300.0))
    assert samples.n_samples == 2
    np.testing.assert_array_equal(samples.displacements[1], -samples.displacements[0])
    coordinates = modes.coordinates(samples.displacements)
    np.testing.assert_allclose(
        coordinates**2, samples.amplitudes.values[None] ** 2 * np.ones((2, 1)), rtol=1e-6
    )
    assert (np.sign(coordinates[0, :-1]) == -np.sign(coordinates[0, 1:])).all()
    weighted = (cell.masses[:, None] * samples.displacements[0] ** 2).sum()
    assert weighted == pytest.approx((samples.amplitudes.values**2).sum(), rel=1e-9)


def test_basis_of_degenerate_modes_does_not_matter() -> None:
    """Samples and the deterministic configuration survive a rotation of what the eigensolver returns."""
    from softmode.dynamics.normal_modes import _fixed_basis

    modes = normal_modes(spring_force_constants(3), np.full(27, 40.0))
    rng = np.random.default_rng(0)
    rotated = modes.vectors.copy()
    starts = np.flatnonzero(np.diff(modes.frequencies, prepend=-np.inf) > 1e-4)
    for start, end in zip(starts, [*starts[1:], 78], strict=True):
        rotation = np.linalg.qr(rng.normal(size=(end - start, end - start)))[0]
        rotated[start:end] = rotation @ rotated[start:end]
    np.testing.assert_allclose(_fixed_basis(modes.frequencies, rotated), modes.vectors, atol=1e-9)
    other = NormalModes(modes.frequencies, rotated, modes.masses)
    settings = ThermalSettings()
    np.testing.assert_allclose(
        random_samples(other, settings, 2, seed=3).displacements,
        random_samples(modes, settings, 2, seed=3).displacements,
        atol=1e-9,
    )


def test_more_samples_can_be_added_later(springs: NormalModes) -> None:
    settings = ThermalSettings()
    whole = random_samples(springs, settings, 5, seed=4).displacements
    later = random_samples(springs, settings, 2, seed=4, first=3).displacements
    np.testing.assert_allclose(later, whole[3:], atol=1e-12)
    assert not np.allclose(random_samples(springs, settings, 1, seed=5).displacements, whole[:1])


class TestImaginaryModes:
    FREQUENCIES = np.array([-2.0, -0.2, -0.05, 0.05, 0.3, 4.0])

    @pytest.mark.parametrize(
        ("treatment", "used"),
        [
            ("absolute", [2.0, 0.5, 0.5, 0.5, 0.3, 4.0]),
            ("drop", [np.nan, np.nan, np.nan, np.nan, 0.3, 4.0]),
            ("floor", [0.5, 0.5, 0.5, 0.5, 0.3, 4.0]),
        ],
    )
    def test_what_stands_in(self, treatment: str, used: list[float]) -> None:
        amplitudes = mode_amplitudes(self.FREQUENCIES, ThermalSettings(imaginary=treatment))
        np.testing.assert_array_equal(amplitudes.frequencies_used, used)
        assert amplitudes.n_imaginary == 2
        assert amplitudes.treated.sum() == 4
        assert ((amplitudes.values == 0.0) == np.isnan(used)).all()

    def test_is_flagged(self) -> None:
        unstable = normal_modes(ForceConstants(-spring_force_constants(3).values), np.full(27, 40.0))
        samples = random_samples(unstable, ThermalSettings(), 1, seed=0)
        assert samples.flagged
        assert samples.n_imaginary == 78
        assert "78 of 78 modes, 78 of them imaginary" in samples.notes[0]
        dropped = random_samples(unstable, ThermalSettings(imaginary="drop"), 1, seed=0)
        assert not dropped.displacements.any()

    def test_stable_crystals_are_not_flagged(self, springs: NormalModes) -> None:
        samples = sign_alternating_samples(springs, ThermalSettings())
        assert not samples.flagged
        assert samples.notes == ()


def test_raw_force_constants_leave_translations_out_all_the_same() -> None:
    """A violated sum rule gives the translations a frequency; they are left out exactly, not by frequency."""
    values = spring_force_constants(3).values.copy()
    values[np.arange(27), np.arange(27)] += 0.05 * np.eye(3)
    masses = np.resize(MASSES, 27)
    samples = random_samples(normal_modes(ForceConstants(values), masses), ThermalSettings(), 3, seed=0)
    np.testing.assert_allclose(np.einsum("a,nax->nx", masses, samples.displacements), 0.0, atol=1e-10)


def test_samples_as_configurations_and_trajectory(perovskite: tuple[Cell, NormalModes]) -> None:
    cell, modes = perovskite
    samples = random_samples(modes, ThermalSettings(), 2, seed=0)
    configurations = samples.configurations(cell)
    np.testing.assert_allclose(
        configurations[1].positions - cell.to_atoms().positions, samples.displacements[1]
    )
    trajectory = samples.trajectory(cell, np.zeros_like(samples.displacements))
    assert trajectory.n_frames == 2
    assert trajectory.notes == samples.notes


@pytest.mark.parametrize("temperature", [0.0, -10.0, float("nan"), float("inf")])
def test_temperatures_that_make_no_sense(temperature: float) -> None:
    with pytest.raises(ValidationError):
        ThermalSettings(temperature=temperature)


def test_force_constants_of_another_supercell() -> None:
    with pytest.raises(InputDataError, match="27"):
        normal_modes(spring_force_constants(3), np.full(8, 40.0))
