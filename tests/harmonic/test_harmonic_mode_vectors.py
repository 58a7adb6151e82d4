"""Eigenvectors at a q-point: phonopy's, and the one that is shown the same whatever the solver."""

from __future__ import annotations

import numpy as np
import pytest
from phonopy import Phonopy

from softmode import harmonic as hm
from softmode.crystal import ForceConstants, NonAnalyticalCorrection
from softmode.datasets import example
from softmode.harmonic.mode_vectors import PointModes

Crystal = tuple[Phonopy, ForceConstants]
POINTS = {
    "Γ": [0, 0, 0],
    "X": [0.5, 0, 0.5],
    "L": [0.5, 0.5, 0.5],
    "Γ–X": [0.2, 0, 0.2],
    "Δ": [0.11, 0.23, 0.37],
}


@pytest.fixture(scope="module")
def crystal() -> Crystal:
    material = example.load()
    phonon = hm.build_phonopy(material)
    return phonon, hm.symmetrised(phonon, hm.reference_force_constants(phonon, material))


def ours(crystal: Crystal, q: np.ndarray) -> PointModes:
    return hm.modes_at(crystal[0], hm.real_space_dynamical_matrix(*crystal), q)


def phonopys(crystal: Crystal, q: np.ndarray) -> PointModes:
    worker = crystal[0].replicate()
    worker.force_constants = np.array(crystal[1].values)
    worker.run_qpoints([q], with_eigenvectors=True)
    found = worker.qpoints
    return PointModes(found.frequencies[0], found.eigenvectors[0], worker.primitive.masses)


@pytest.mark.parametrize("name", POINTS)
def test_they_are_phonopys(crystal: Crystal, name: str) -> None:
    q = np.array(POINTS[name])
    own, other = ours(crystal, q), phonopys(crystal, q)
    assert np.allclose(hm.signed_square(own.frequencies), hm.signed_square(other.frequencies), atol=1e-6)
    for band in range(30):
        bands = own.set_of(band)
        assert bands.tolist() == other.set_of(band).tolist()
        assert other.overlap(own.vectors[:, band], bands) == pytest.approx(1.0, abs=1e-6)  # of subspaces
        assert np.allclose(own.shown(band), other.shown(band), atol=1e-5)


def test_the_mode_that_is_shown_does_not_depend_on_the_solvers_choice(crystal: Crystal) -> None:
    modes = ours(crystal, np.array(POINTS["Γ"]))
    sizes = [len(modes.set_of(band)) for band in range(30)]
    assert set(sizes) >= {1, 2, 3}  # cubic
    turned = modes.vectors.copy()
    for band in range(30):
        bands = modes.set_of(band)
        if band == bands[0]:
            turned[:, bands] = turned[:, bands] @ rotation(len(bands), band)
    other = PointModes(modes.frequencies, turned, modes.masses)
    for band in range(30):
        shown = modes.shown(band)
        assert np.allclose(other.shown(band), shown, atol=1e-9)
        assert np.linalg.norm(shown) == pytest.approx(1.0)
        moved = modes.displacements(shown)
        assert np.linalg.norm(moved, axis=1).max() == pytest.approx(1.0)
        assert abs(moved.imag).max() < 1e-9  # q and -q are the same point


def rotation(size: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.linalg.qr(rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size)))[0]


def test_the_tilts_of_octahedra_are_about_an_axis(crystal: Crystal) -> None:
    """The soft mode of a cubic double perovskite at Γ: a set of three, of which one axis is shown."""
    phonon = crystal[0]
    modes = ours(crystal, np.zeros(3))
    moved = modes.displacements(modes.shown(0)).real
    halides = np.array(phonon.primitive.symbols) == "Br"
    assert len(modes.set_of(0)) == 3
    assert np.linalg.norm(moved[~halides], axis=1).max() < 0.05
    axis = np.abs(moved[halides]).max(axis=0).argmin()  # nothing moves along the axis of rotation
    assert np.abs(moved[halides][:, axis]).max() < 1e-6
    assert (np.linalg.norm(moved[halides], axis=1) > 0.99).sum() == 4  # two halides lie on it


def test_a_mode_at_the_edge_of_the_zone_is_the_same_in_each_cell_but_for_its_sign(crystal: Crystal) -> None:
    q = np.array(POINTS["X"])
    modes = ours(crystal, q)
    positions = crystal[0].primitive.scaled_positions
    for band in range(0, 30, 4):
        wave = modes.displacements(modes.shown(band)) * np.exp(2j * np.pi * positions @ q)[:, None]
        phases = np.angle(wave[np.abs(wave) > 1e-3])
        assert np.abs(np.sin(phases - phases[0])).max() < 1e-6  # a standing wave


def test_long_range_forces_are_phonopys(crystal: Crystal) -> None:
    phonon, constants = crystal
    born = np.einsum("i,xy->ixy", [1.0 if s == "Cs" else 0.0 for s in phonon.primitive.symbols], np.eye(3))
    born -= born.mean(axis=0)
    nac = NonAnalyticalCorrection(born, 5.0 * np.eye(3), 14.4)
    direction = np.array([0.5, 0.0, 0.5])
    worker = hm.with_force_constants(phonon, constants, nac)
    worker.run_band_structure([[np.zeros(3), direction]], with_eigenvectors=True)
    found = worker.band_structure
    for place, q in enumerate((np.zeros(3), direction)):
        own = hm.modes_with_nac(phonon, constants, nac, q, direction)
        other = PointModes(found.frequencies[0][place], found.eigenvectors[0][place], own.masses)
        assert np.allclose(hm.signed_square(own.frequencies), hm.signed_square(other.frequencies), atol=1e-6)
        assert np.allclose(own.shown(29), other.shown(29), atol=1e-6)
