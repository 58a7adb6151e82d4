"""Thermodynamics and densities of states: phonopy's, scipy's and the textbook's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import units
from phonopy import Phonopy
from scipy.stats import wasserstein_distance as scipy_distance

from softmode import harmonic as hm
from softmode.crystal import Material
from softmode.datasets.base import Selection
from softmode.datasets.catalog import open_dataset, open_reference
from softmode.harmonic.dispersion import Dispersion
from softmode.harmonic.thermodynamics import (
    density_of_states,
    imaginary_mode_share,
    kelvin,
    thermodynamics,
    wasserstein_distance,
)


def on_mesh(material: Material, length: float = 40.0) -> tuple[Dispersion, hm.QMesh, Phonopy]:
    """Ours, and phonopy's object of the same crystal with its own mesh."""
    phonon = hm.build_phonopy(material)
    constants = hm.symmetrised(phonon, hm.reference_force_constants(phonon, material))
    mesh = hm.q_mesh(phonon, length)
    ours = hm.compute_dispersion(hm.real_space_dynamical_matrix(phonon, constants), mesh.points)
    worker = phonon.replicate()
    worker.force_constants = np.array(constants.values)
    worker.run_mesh(mesh.divisions, is_gamma_center=True)
    return ours, mesh, worker


def check_against_phonopy(material: Material) -> float:
    """Entropy, free energy, heat capacity, density of states; the share of imaginary modes."""
    ours, mesh, worker = on_mesh(material)
    worker.run_thermal_properties(temperatures=[300.0], cutoff_frequency=1e-4, exclude_gamma_acoustic=True)
    theirs, units_of = worker.thermal_properties, worker.primitive.Z
    found = thermodynamics(ours, mesh.weights, 300.0, units_of)
    assert found.entropy == pytest.approx(theirs.entropy[0] / units_of, rel=1e-8)
    assert found.free_energy == pytest.approx(theirs.free_energy[0] / units_of, rel=1e-8)
    assert found.heat_capacity == pytest.approx(theirs.heat_capacity[0] / units_of, rel=1e-8)
    left_out = theirs.number_of_modes - theirs.number_of_integrated_modes
    share = imaginary_mode_share(ours, mesh.weights)
    assert share == pytest.approx((left_out - 3) / theirs.number_of_modes)  # the three translations at Γ
    at = np.linspace(-3.0, 12.0, 151)
    worker.run_total_dos(
        sigma=0.2, freq_min=-3.0, freq_max=12.0, freq_pitch=0.1, use_tetrahedron_method=False
    )
    density = density_of_states(ours.frequencies, mesh.weights, at, 0.2)
    np.testing.assert_allclose(density, worker.total_dos.dos, atol=1e-8 * density.max())
    return share


def test_the_example_has_the_thermodynamics_that_phonopy_gives() -> None:
    assert check_against_phonopy(open_reference("example")) > 0.05


@pytest.mark.shared_data
def test_so_have_materials_with_one_and_with_several_formula_units(phonondb: Path) -> None:
    dataset = open_dataset("phonondb", phonondb).entries()
    potassium, tin = (Selection(ids=[name]).pick(dataset)[0].load() for name in ("mp-463", "mp-8289"))
    assert [hm.build_phonopy(material).primitive.Z for material in (potassium, tin)] == [1, 2]
    assert check_against_phonopy(potassium) == 0.0
    check_against_phonopy(tin)


def single(*frequencies: float) -> Dispersion:
    """Modes at a q-point that is not Γ."""
    return Dispersion(np.full((1, 3), 0.25), np.array([frequencies]))


def test_an_oscillator_is_that_of_the_textbook() -> None:
    frequency, temperature, one = 5.0, 300.0, np.ones(1)
    quantum = units._hplanck * 1e12 * frequency  # J
    x = quantum / (units._k * temperature)
    found = thermodynamics(single(frequency), one, temperature)
    assert found.heat_capacity == pytest.approx(
        units._Nav * units._k * (x / 2 / np.sinh(x / 2)) ** 2, rel=1e-5
    )
    free = units._k * temperature * np.log(2 * np.sinh(x / 2))
    assert found.free_energy == pytest.approx(units._Nav * free / 1000, rel=1e-5)
    energy = quantum / 2 / np.tanh(x / 2)
    assert found.entropy == pytest.approx(units._Nav * (energy - free) / temperature, rel=1e-5)
    assert kelvin(frequency) == pytest.approx(quantum / units._k, rel=1e-5)
    assert kelvin(1.0) == pytest.approx(47.9924, abs=1e-4)
    halved = thermodynamics(single(frequency), one, temperature, formula_units=2)
    assert halved.entropy == pytest.approx(found.entropy / 2)


def test_imaginary_modes_and_translations_are_left_out_and_the_former_counted() -> None:
    alone = thermodynamics(single(5.0), np.ones(1), 300.0)
    assert thermodynamics(single(-3.0, 5.0), np.ones(1), 300.0) == alone
    assert imaginary_mode_share(single(-3.0, 5.0), np.ones(1)) == 0.5
    # at Γ the three modes nearest to zero are translations, whatever their sign; the first is an optical one
    gamma = Dispersion(np.zeros((1, 3)), np.array([[-2.0, -0.05, 1e-6, 0.05, 5.0]]))
    assert thermodynamics(gamma, np.ones(1), 300.0) == alone
    assert imaginary_mode_share(gamma, np.ones(1)) == pytest.approx(0.2)


def test_the_distance_of_two_densities_is_how_far_modes_have_to_be_moved() -> None:
    rng = np.random.default_rng(3)
    first, weights = np.sort(rng.uniform(-2.0, 9.0, (20, 6)), axis=1), rng.integers(1, 48, 20).astype(float)
    assert wasserstein_distance(first, first, weights) == 0.0
    assert wasserstein_distance(first, first + 0.3, weights) == pytest.approx(0.3)
    second = first + rng.normal(0.0, 1.0, first.shape)
    each = np.repeat(weights, 6)
    expected = scipy_distance(first.ravel(), second.ravel(), each, each)
    assert wasserstein_distance(first, second, weights) == pytest.approx(expected, rel=1e-10)
