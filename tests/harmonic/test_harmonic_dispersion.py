"""Vectorised dispersion against phonopy, against analytic chains and against numerical derivatives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from phonopy import Phonopy
from phonopy.phonon.degeneracy import degenerate_sets

from softmode import harmonic as hm
from softmode.crystal import Cell, ForceConstants, Material
from softmode.datasets.catalog import open_dataset, open_reference
from softmode.harmonic.dispersion import frequency_factor, set_means
from softmode.harmonic.finite_displacement import symmetrised

#: Every prototype of the database, every 2nd to 6th archive: 27 materials, drawn before looking at them.
STRIDE = 5


def high_symmetry_and_random_q(n_random: int = 12) -> np.ndarray:
    special = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0.5], [0.5, 0.25, 0.75], [0.5, 0, 0], [0.25, 0.25, 0.5]]
    random = np.random.default_rng(7).uniform(-0.5, 0.5, (n_random, 3))
    return np.vstack([special, random])


def phonopy_phonons(
    phonon: Phonopy, force_constants: ForceConstants, q: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    worker = phonon.replicate()
    worker.force_constants = np.array(force_constants.values)
    worker.run_qpoints(q, with_group_velocities=True)
    return worker.qpoints.frequencies, worker.qpoints.group_velocities


def check_against_phonopy(material: Material, *, symmetrise: bool) -> None:
    """Squared frequencies, frequencies away from zero and group velocities are phonopy's.

    A frequency is the square root of an eigenvalue: where it is zero but for rounding (Γ), no two routines,
    kernels or processors agree to better than some 1e-6 THz, but in the squares there they do.
    """
    phonon = hm.build_phonopy(material)
    force_constants = hm.reference_force_constants(phonon, material)
    if symmetrise:
        force_constants = symmetrised(phonon, force_constants)
    q = high_symmetry_and_random_q()
    ours = hm.compute_dispersion(hm.real_space_dynamical_matrix(phonon, force_constants), q)
    frequencies, velocities = phonopy_phonons(phonon, force_constants, q)
    squared = hm.signed_square(frequencies)
    assert np.abs(ours.squared - squared).max() < 1e-12 * np.abs(squared).max(), material.name
    moving = np.abs(frequencies) > 0.01
    assert np.abs(ours.frequencies - frequencies)[moving].max() < 1e-9, material.name
    worst = 0.0
    for at_q in range(len(q)):
        for bands in degenerate_sets(frequencies[at_q]):
            # the sum over a degenerate set does not depend on the choice of eigenvectors within it
            error = np.abs(
                ours.group_velocities[at_q, bands].sum(axis=0) - velocities[at_q, bands].sum(axis=0)
            ).max()
            worst = max(worst, float(error) / len(bands))
    assert worst < 1e-5, material.name


def check_slopes(material: Material) -> None:
    """Slopes are the differences of ω² between neighbouring q-points, in groups of bands that may cross."""
    phonon = hm.build_phonopy(material)
    matrix = hm.real_space_dynamical_matrix(phonon, hm.reference_force_constants(phonon, material))
    q = high_symmetry_and_random_q()
    found = hm.compute_dispersion(matrix, q)
    starts = np.ones(found.squared.shape, dtype=bool)
    starts[:, 1:] = np.diff(found.squared, axis=1) > 0.2  # THz²
    step, direction = 1e-6, np.array([0.36, -0.48, 0.8])  # 1/Å; no symmetry
    shift = step * direction @ matrix.lattice.T
    above, below = (
        hm.compute_dispersion(matrix, q + sign * shift, group_velocities=False).squared for sign in (1, -1)
    )
    numerical = set_means((above - below) / (2.0 * step), starts)
    analytical = set_means(found.slopes @ direction, starts)
    assert np.abs(analytical - numerical).max() < 1e-6 * np.abs(found.squared).max(), material.name


@pytest.mark.shared_data
def test_agrees_with_phonopy_on_every_kind_of_material_in_the_database(phonondb: Path) -> None:
    entries = open_dataset("phonondb", phonondb).entries()[::STRIDE]
    assert len(entries) >= 20
    for entry in entries:
        material = entry.load()
        check_against_phonopy(material, symmetrise=True)
        check_slopes(material)


@pytest.mark.parametrize("symmetrise", [True, False])
def test_agrees_with_phonopy_on_the_example(symmetrise: bool) -> None:
    check_against_phonopy(open_reference("example"), symmetrise=symmetrise)


def test_slopes_of_the_example_are_differences_of_squared_frequencies() -> None:
    check_slopes(open_reference("example"))


def simple_cubic(
    longitudinal: float, transverse: float, mass: float, size: int = 4, a: float = 3.0
) -> Material:
    """One atom per cell, springs to its six neighbours: solvable on paper."""
    cell = Cell(np.eye(3) * a, np.zeros((1, 3)), np.array([29]), masses=np.array([mass]))
    material = Material(
        name="springs",
        formula="Cu",
        unitcell=cell,
        supercell_matrix=np.eye(3, dtype=int) * size,
        primitive_matrix=np.eye(3),
        reference=ForceConstants(np.zeros((1, size**3, 3, 3))),
    )
    phonon = hm.build_phonopy(material)
    positions = phonon.supercell.scaled_positions * size
    origin = positions[phonon.primitive.p2s_map[0]]
    values = np.zeros((1, size**3, 3, 3))
    for axis in range(3):
        for step in (-1, 1):
            neighbour = np.mod(origin + step * np.eye(3)[axis], size)
            index = int(np.argmin(np.linalg.norm(positions - neighbour, axis=1)))
            block = -transverse * np.eye(3)
            block[axis, axis] = -longitudinal
            values[0, index] += block
    values[0, phonon.primitive.p2s_map[0]] = -values[0].sum(axis=0)
    return Material(
        name="springs",
        formula="Cu",
        unitcell=cell,
        supercell_matrix=material.supercell_matrix,
        primitive_matrix=material.primitive_matrix,
        reference=ForceConstants(values),
    )


def test_springs_on_a_simple_cubic_lattice_have_the_frequencies_and_velocities_of_the_textbook() -> None:
    longitudinal, transverse, mass, a = 3.0, 0.7, 40.0, 3.0
    material = simple_cubic(longitudinal, transverse, mass, a=a)
    phonon = hm.build_phonopy(material)
    q = np.random.default_rng(3).uniform(-0.5, 0.5, (50, 3))
    result = hm.compute_dispersion(hm.real_space_dynamical_matrix(phonon, material.reference), q)
    springs = np.where(np.eye(3, dtype=bool), longitudinal, transverse)  # [polarisation, direction]
    sines = np.sin(np.pi * q)
    w2 = 4.0 / mass * (sines**2) @ springs.T * frequency_factor() ** 2
    order = np.argsort(w2, axis=1)
    np.testing.assert_allclose(result.squared, np.take_along_axis(w2, order, axis=1), rtol=1e-9)
    # dω/dk = (dω²/dk) / 2ω with ω = 2πν, k = 2πq/a and ω² = 4/m Σ C sin²(ka/2)
    slope = 4.0 / mass * (a * sines * np.cos(np.pi * q))[:, None, :] * springs * frequency_factor() ** 2
    velocity = 2.0 * np.pi * slope / (2.0 * np.sqrt(w2))[:, :, None]
    velocity = np.take_along_axis(velocity, order[:, :, None], axis=1)
    np.testing.assert_allclose(result.group_velocities, velocity, rtol=1e-7, atol=1e-9)


def test_group_velocity_is_the_derivative_of_the_frequency() -> None:
    material = open_reference("example")
    phonon = hm.build_phonopy(material)
    matrix = hm.real_space_dynamical_matrix(phonon, hm.reference_force_constants(phonon, material))
    q = np.random.default_rng(5).uniform(-0.5, 0.5, (20, 3))
    result = hm.compute_dispersion(matrix, q)
    step = 1e-5  # 1/Å
    isolated = np.diff(result.frequencies, axis=1, prepend=-99.0, append=99.0)
    isolated = (np.minimum(isolated[:, :-1], isolated[:, 1:]) > 0.02) & (result.frequencies > 0.1)
    assert isolated.sum() > 100
    for axis in range(3):
        shift = step * np.eye(3)[axis] @ matrix.lattice.T
        above = hm.compute_dispersion(matrix, q + shift, group_velocities=False).frequencies
        below = hm.compute_dispersion(matrix, q - shift, group_velocities=False).frequencies
        numerical = (above - below) / (2.0 * step)
        np.testing.assert_allclose(
            result.group_velocities[..., axis][isolated], numerical[isolated], rtol=1e-4, atol=2e-4
        )


def test_a_q_point_has_the_same_bits_in_any_company_order_and_on_any_number_of_threads() -> None:
    material = open_reference("example")
    phonon = hm.build_phonopy(material)
    matrix = hm.real_space_dynamical_matrix(phonon, hm.reference_force_constants(phonon, material))
    q = hm.band_path(phonon, 20).points
    all_at_once = hm.compute_dispersion(matrix, q, threads=1)
    near = np.flatnonzero(np.abs(q).sum(axis=1) < 0.1)
    assert len(near) >= 4, "near Γ a square root makes 1e-8 THz of the last bit of the matrix"
    rng = np.random.default_rng(0)
    choices = [np.arange(len(q))[::-1], rng.permutation(len(q)), np.sort(rng.permutation(len(q))[:31]), near]
    choices += [np.array([index]) for index in (*near, 17, len(q) - 1)]
    for chosen in choices:
        for threads in (1, 2, 5):
            some = hm.compute_dispersion(matrix, q[chosen], threads=threads)
            np.testing.assert_array_equal(some.frequencies, all_at_once.frequencies[chosen])
            np.testing.assert_array_equal(some.group_velocities, all_at_once.group_velocities[chosen])
        frequencies, vectors = hm.solve_modes(matrix, q[chosen])
        np.testing.assert_array_equal(frequencies, all_at_once.frequencies[chosen])
        np.testing.assert_array_equal(vectors[:1], hm.solve_modes(matrix, q[chosen[:1]])[1])


def test_full_and_compact_force_constants_give_the_same_phonons() -> None:
    from phonopy.harmonic.force_constants import compact_fc_to_full_fc

    material = open_reference("example")
    phonon = hm.build_phonopy(material)
    compact = hm.reference_force_constants(phonon, material)
    full = ForceConstants(compact_fc_to_full_fc(phonon.primitive, np.array(compact.values)))
    q = high_symmetry_and_random_q()
    a = hm.compute_dispersion(hm.real_space_dynamical_matrix(phonon, compact), q)
    b = hm.compute_dispersion(hm.real_space_dynamical_matrix(phonon, full), q)
    np.testing.assert_array_equal(a.frequencies, b.frequencies)


def test_imaginary_modes_are_negative_and_have_no_group_velocity() -> None:
    material = simple_cubic(-3.0, -0.7, 40.0)
    phonon = hm.build_phonopy(material)
    q = np.array([[0.3, 0.1, 0.2]])
    result = hm.compute_dispersion(hm.real_space_dynamical_matrix(phonon, material.reference), q)
    assert (result.frequencies < -1.0).all()
    assert (result.group_velocities == 0.0).all()
    opposite = simple_cubic(3.0, 0.7, 40.0)
    stable = hm.compute_dispersion(hm.real_space_dynamical_matrix(phonon, opposite.reference), q)
    assert np.abs(stable.slopes).max() > 10.0
    np.testing.assert_allclose(result.slopes[:, ::-1], -stable.slopes, rtol=1e-9, atol=1e-9)
