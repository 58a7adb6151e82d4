"""Polar crystals: the non-analytical correction goes through phonopy and has the textbook LO-TO splitting."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from softmode import harmonic as hm
from softmode.crystal import ForceConstants, Material
from softmode.datasets.base import Selection
from softmode.datasets.catalog import open_dataset
from softmode.harmonic.dispersion import frequency_factor
from softmode.harmonic.finite_displacement import symmetrised


@pytest.fixture(scope="module")
def rubidium_bromide(phonondb: Path) -> Material:
    entries = open_dataset("phonondb", phonondb).entries()
    return Selection(ids=["mp-22867"]).pick(entries)[0].load()


@pytest.mark.shared_data
def test_splitting_at_gamma_is_that_of_the_macroscopic_field(rubidium_bromide: Material) -> None:
    material = rubidium_bromide
    assert material.nac is not None
    phonon = hm.build_phonopy(material)
    force_constants = symmetrised(phonon, hm.reference_force_constants(phonon, material))
    path = hm.band_path(phonon, 10)
    with_field = hm.dispersion_with_nac(phonon, force_constants, material.nac, path)
    at_gamma = with_field.frequencies[0]
    charge = material.nac.born_charges[0, 0, 0]
    permittivity = material.nac.dielectric[0, 0]
    masses = phonon.primitive.masses
    volume = abs(np.linalg.det(phonon.primitive.cell))
    # ω_LO² - ω_TO² = 4π e² Z² / (V ε μ), with e² = 14.3996 eV·Å
    reduced_mass = masses[0] * masses[1] / masses.sum()
    splitting = 4 * np.pi * 14.3996 * charge**2 / (volume * permittivity * reduced_mass)
    expected = splitting * frequency_factor() ** 2
    found = at_gamma[5] ** 2 - at_gamma[3] ** 2
    assert at_gamma[3] == pytest.approx(at_gamma[4], abs=1e-3)
    assert found == pytest.approx(expected, rel=2e-3)


@pytest.mark.shared_data
def test_without_correction_there_is_no_splitting_and_the_transverse_modes_are_the_same(
    rubidium_bromide: Material,
) -> None:
    material = rubidium_bromide
    phonon = hm.build_phonopy(material)
    force_constants = symmetrised(phonon, hm.reference_force_constants(phonon, material))
    plain = hm.compute_dispersion(hm.real_space_dynamical_matrix(phonon, force_constants), np.zeros((1, 3)))
    assert plain.frequencies[0, 5] == pytest.approx(plain.frequencies[0, 3], abs=1e-6)
    with_field = hm.dispersion_with_nac(phonon, force_constants, material.nac, hm.band_path(phonon, 10))
    assert with_field.frequencies[0, 3] == pytest.approx(plain.frequencies[0, 3], abs=1e-3)


@pytest.mark.shared_data
def test_slopes_with_the_correction_are_differences_of_squares(rubidium_bromide: Material) -> None:
    material = rubidium_bromide
    phonon = hm.build_phonopy(material)
    # hardly any forces but those of the field, which makes modes imaginary
    soft = ForceConstants(0.03 * hm.reference_force_constants(phonon, material).values)
    q, step = np.array([[0.31, 0.12, 0.05], [0.05, 0.4, 0.2]]), 1e-4  # 1/Å
    found = hm.dispersion_with_nac(phonon, soft, material.nac, q)
    assert (found.frequencies < -0.1).any()
    assert (found.group_velocities[found.frequencies < 0.0] == 0.0).all()
    for axis in range(3):
        shift = step * np.eye(3)[axis] @ phonon.primitive.cell.T
        above, below = (
            hm.dispersion_with_nac(phonon, soft, material.nac, q + sign * shift).squared for sign in (1, -1)
        )
        numerical = (above - below) / (2.0 * step)
        np.testing.assert_allclose(found.slopes[..., axis], numerical, rtol=1e-3, atol=1e-2)
