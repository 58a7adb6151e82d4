"""Figures of merit: known by construction."""

from __future__ import annotations

import numpy as np
import pytest

from softmode import harmonic as hm
from softmode.crystal import ForceConstants, Material
from softmode.harmonic.dispersion import Dispersion
from softmode.harmonic.finite_displacement import symmetrised


@pytest.fixture(scope="module")
def lattice(example: Material):
    phonon = hm.build_phonopy(example)
    return phonon, symmetrised(phonon, hm.reference_force_constants(phonon, example))


def phonons(lattice, factor: float = 1.0, q: np.ndarray | None = None) -> Dispersion:
    phonon, force_constants = lattice
    scaled = ForceConstants(factor * force_constants.values)
    points = hm.band_path(phonon, 15).points if q is None else q
    return hm.compute_dispersion(hm.real_space_dynamical_matrix(phonon, scaled), points)


def test_a_potential_compared_with_itself_has_no_error(lattice) -> None:
    reference = phonons(lattice)
    result = hm.compare(reference, reference)
    assert result.rmse_w2 == result.rmse_vg == result.mae_vg == result.rmse_frequency == 0.0
    assert result.mae_w2 == result.mae_frequency == result.rmse_slope == result.mae_slope == 0.0
    assert result.softening == pytest.approx(1.0)
    assert result.stability_agrees


def test_scaled_force_constants_have_the_errors_of_the_scaling(lattice) -> None:
    factor = 0.81
    reference, model = phonons(lattice), phonons(lattice, factor)
    result = hm.compare(reference, model)
    rms_w2 = np.sqrt(np.mean(reference.frequencies**4))
    assert result.rmse_w2 == pytest.approx((1 - factor) * rms_w2, rel=1e-9)
    mean_w2, mean_frequency = np.mean(reference.frequencies**2), np.mean(np.abs(reference.frequencies))
    assert result.mae_w2 == pytest.approx((1 - factor) * mean_w2, rel=1e-9)
    assert result.mae_frequency == pytest.approx((1 - np.sqrt(factor)) * mean_frequency, rel=1e-9)
    assert result.softening == pytest.approx(factor, rel=1e-9)
    assert result.lowest_model == pytest.approx(np.sqrt(factor) * result.lowest_reference, rel=1e-9)
    assert result.mean_frequency_model == pytest.approx(0.9 * reference.frequencies.mean(), rel=1e-9)
    assert result.bandwidth_model == pytest.approx(0.9 * np.ptp(reference.frequencies), rel=1e-9)
    rms_vg = np.sqrt(np.mean(reference.group_velocities**2))
    assert result.rmse_vg == pytest.approx(0.1 * rms_vg, rel=1e-3)
    assert result.rmse_slope == pytest.approx((1 - factor) * np.sqrt(np.mean(reference.slopes**2)), rel=1e-9)
    assert result.mae_slope == pytest.approx((1 - factor) * np.mean(np.abs(reference.slopes)), rel=1e-9)


def test_slope_is_that_of_the_velocity_and_goes_through_zero_without_a_jump(lattice) -> None:
    found = phonons(lattice)
    alone = np.diff(found.frequencies, axis=1, prepend=-99.0, append=99.0)
    alone = (np.minimum(alone[:, :-1], alone[:, 1:]) > 0.01) & (found.frequencies > 0.1)
    assert alone.sum() > 1000
    slopes = 2.0 * found.frequencies[:, :, None] * found.group_velocities
    np.testing.assert_allclose(found.slopes[alone], slopes[alone], rtol=1e-9, atol=1e-9)
    # negative force constants: imaginary modes, which have no velocity, but the slope with the other sign;
    # bands come in the opposite order
    turned = phonons(lattice, -1.0)
    assert (turned.group_velocities[turned.frequencies < -0.1] == 0.0).all()
    opposite = -turned.slopes[:, ::-1]
    np.testing.assert_allclose(opposite[alone], found.slopes[alone], rtol=1e-6, atol=1e-6)


def with_slopes(frequencies: np.ndarray, velocities: np.ndarray) -> Dispersion:
    """At one q-point."""
    slopes = 2.0 * frequencies[:, :, None] * velocities
    return Dispersion(np.zeros((1, 3)), frequencies, velocities, slopes)


def test_imaginary_and_real_modes_are_compared_by_signed_squares() -> None:
    velocities = np.zeros((1, 2, 3))
    reference = with_slopes(np.array([[-1.0, 2.0]]), velocities)
    model = with_slopes(np.array([[1.0, 2.0]]), velocities)
    result = hm.compare(reference, model)
    assert result.rmse_w2 == pytest.approx(np.sqrt((1 - -1) ** 2 / 2))
    assert not result.stable_reference
    assert result.stable_model
    assert not result.stability_agrees
    assert result.softening == pytest.approx((-1 * 1 + 4 * 4) / (1 + 16))


def test_order_within_a_degenerate_set_does_not_matter() -> None:
    frequencies = np.array([[1.0, 1.0, 3.0]])
    velocities = np.array([[[1.0, 0, 0], [-2.0, 5, 0], [0, 0, 7]]])
    model = np.array([[[4.0, 0, 1], [0, 1, 0], [1, 1, 1]]])
    results, slopes = [], []
    for order in ([0, 1, 2], [1, 0, 2]):
        side = with_slopes(frequencies, velocities[:, order])
        found = hm.compare(side, with_slopes(frequencies, model))
        results.append(found.rmse_vg)
        slopes.append(found.rmse_slope)
    assert results[0] == results[1]
    assert slopes[0] == slopes[1]
    # by hand: set means (-0.5, 2.5, 0) and (2, 0.5, 0.5); single bands (0, 0, 7) and (1, 1, 1)
    expected = np.sqrt((2 * (2.5**2 + 2**2 + 0.5**2) + 1 + 1 + 36) / 9)
    assert results[0] == pytest.approx(expected)
    # slopes: twice the velocities in the set at 1 THz, six times at 3 THz
    expected = np.sqrt((4 * 2 * (2.5**2 + 2**2 + 0.5**2) + 36 * (1 + 1 + 36)) / 9)
    assert slopes[0] == pytest.approx(expected)


def test_a_set_that_is_degenerate_on_one_side_only_is_averaged_on_both() -> None:
    velocities = np.array([[[1.0, 0, 0], [3.0, 0, 0]]])
    reference = with_slopes(np.array([[1.0, 1.0]]), np.full((1, 2, 3), [2.0, 0, 0]))
    model = with_slopes(np.array([[1.0, 1.5]]), velocities)
    assert hm.compare(reference, model).rmse_vg == pytest.approx(0.0)


def test_weights_of_a_reduced_mesh_reproduce_the_full_mesh(lattice) -> None:
    phonon, _ = lattice
    mesh = hm.q_mesh(phonon, 30.0)
    axes = [np.arange(n) / n for n in mesh.divisions]
    full = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    assert len(full) == mesh.weights.sum()
    assert len(mesh.points) < len(full) / 4
    reduced = hm.compare(
        phonons(lattice, q=mesh.points), phonons(lattice, 0.7, q=mesh.points), weights=mesh.weights
    )
    whole = hm.compare(phonons(lattice, q=full), phonons(lattice, 0.7, q=full))
    figures = (
        "rmse_w2",
        "rmse_vg",
        "rmse_slope",
        "mean_frequency_model",
        "softening",
        "imaginary_share_model",
    )
    for name in figures:
        assert getattr(reduced, name) == pytest.approx(getattr(whole, name), rel=1e-6), name


def test_dispersions_at_different_q_are_refused(lattice) -> None:
    reference = phonons(lattice)
    with pytest.raises(ValueError, match="same q-points"):
        hm.compare(reference, phonons(lattice, q=reference.qpoints + 0.01))


def test_band_path_of_a_face_centred_crystal_is_the_published_one(lattice) -> None:
    phonon, _ = lattice
    path = hm.band_path(phonon, 50)
    # Hinuma et al., Comput. Mater. Sci. 128, 140 (2017), cF: Γ–X–U|K–Γ–L–W–X
    assert path.segments == (("Γ", "X"), ("X", "U"), ("K", "Γ"), ("Γ", "L"), ("L", "W"), ("W", "X"))
    assert len(path.points) == 300
    a = 11.46
    segment_lengths = [path.distances[(i + 1) * 50 - 1] - path.distances[i * 50] for i in range(6)]
    expected = np.array([1, np.sqrt(2) / 4, 3 * np.sqrt(2) / 4, np.sqrt(3) / 2, np.sqrt(2) / 2, 0.5]) / a
    np.testing.assert_allclose(segment_lengths, expected, rtol=1e-6)
    assert [label for _, label in path.ticks()] == ["Γ", "X", "U|K", "Γ", "L", "W", "X"]
