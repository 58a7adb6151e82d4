"""How far the phonons of a model are from the reference (paper §3.1, eqs. 2 and 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from softmode.crystal.arrays import FloatArray
from softmode.harmonic.dispersion import Dispersion, degenerate_set_starts, set_means


@dataclass(frozen=True, eq=False)
class HarmonicComparison:
    """Comparison of two dispersions at the same q-points.

    Attributes
    ----------
    n_q, n_bands : int
        Number of (distinct) q-points and of bands.
    rmse_w2 : float
        Root mean square difference of the signed squared frequencies, THz² (eq. 2 with its inner square).
    mae_w2 : float
        Mean absolute difference of the same, THz².
    rmse_vg : float
        Root mean square difference of the group-velocity components, THz·Å (eq. 3).
    mae_vg : float
        Mean absolute difference of the group-velocity components, THz·Å. Where a branch passes through zero
        frequency ``v_g`` diverges as ``1/ν`` and its mean square does not converge with the density of
        q-points; its mean absolute value does.
    rmse_slope : float
        Root mean square difference of the components of the slope ``d(ω²)/dq = 2 ν v_g``, THz²·Å. Finite
        where a branch passes through zero frequency, so that it converges.
    mae_slope : float
        Mean absolute difference of the same, THz²·Å.
    rmse_frequency : float
        Root mean square difference of the signed frequencies, THz.
    mae_frequency : float
        Mean absolute difference of the same, THz.
    softening : float
        Least-squares slope through the origin of the model's squared frequencies on the reference's; below
        1 the potential is too soft.
    rmse_w2_rest : float
        What is left of `rmse_w2` when the reference's squared frequencies are scaled by `softening`, THz²:
        ``rmse_w2² = rmse_w2_rest² + (softening - 1)² mean(w2_reference²)``.
    mean_frequency_reference, mean_frequency_model : float
        Mean of the signed frequencies, THz (paper Fig. S1b).
    bandwidth_reference, bandwidth_model : float
        Highest minus lowest signed frequency, THz.
    lowest_reference, lowest_model : float
        Lowest signed frequency, THz.
    largest_reference, largest_model : float
        Largest frequency, THz.
    lowest_reference_q, lowest_model_q : tuple of float
        Where it is, fractional reciprocal coordinates.
    imaginary_share_reference, imaginary_share_model : float
        Share of q-points with an imaginary mode.
    stable_reference, stable_model : bool
        Whether no mode is imaginary.
    band_rmse_w2 : (n_bands,) array
        Root mean square difference band by band, THz².
    """

    n_q: int
    n_bands: int
    rmse_w2: float
    mae_w2: float
    rmse_vg: float
    mae_vg: float
    rmse_slope: float
    mae_slope: float
    rmse_frequency: float
    mae_frequency: float
    softening: float
    rmse_w2_rest: float
    mean_frequency_reference: float
    mean_frequency_model: float
    bandwidth_reference: float
    bandwidth_model: float
    lowest_reference: float
    lowest_model: float
    largest_reference: float
    largest_model: float
    lowest_reference_q: tuple[float, float, float]
    lowest_model_q: tuple[float, float, float]
    imaginary_share_reference: float
    imaginary_share_model: float
    stable_reference: bool
    stable_model: bool
    band_rmse_w2: FloatArray

    @property
    def stability_agrees(self) -> bool:
        """Whether both sides agree that the material is, or is not, harmonically stable."""
        return self.stable_reference == self.stable_model


def comparable(
    reference: Dispersion, model: Dispersion, quantity: Literal["group_velocities", "slopes"]
) -> tuple[FloatArray, FloatArray]:
    """Group velocities or slopes of both sides, independent of the order within degenerate sets.

    Bands are paired by ascending frequency. Where neighbouring bands are degenerate on either side the
    pairing within the set is arbitrary, so on both sides each band is given the mean over the set.
    """
    sides = getattr(reference, quantity), getattr(model, quantity)
    if sides[0] is None or sides[1] is None:
        raise ValueError(f"both dispersions need {quantity}")
    starts = degenerate_set_starts(reference.frequencies) & degenerate_set_starts(model.frequencies)
    return set_means(sides[0], starts), set_means(sides[1], starts)


def _lowest(dispersion: Dispersion) -> tuple[float, tuple[float, float, float]]:
    index = int(np.argmin(dispersion.frequencies[:, 0]))
    q = dispersion.qpoints[index]
    return float(dispersion.frequencies[index, 0]), (float(q[0]), float(q[1]), float(q[2]))


def compare(
    reference: Dispersion,
    model: Dispersion,
    *,
    weights: FloatArray | None = None,
    imaginary_tolerance: float = 0.1,
) -> HarmonicComparison:
    """Compare two dispersions at the same q-points.

    Parameters
    ----------
    reference, model : Dispersion
        With group velocities and slopes, at equal q-points in fractional coordinates.
    weights : (n_q,) array, optional
        Weights of the q-points (a symmetry-reduced mesh); equal when not given (a path).
    imaginary_tolerance : float
        A mode is imaginary below minus this, THz.

    Raises
    ------
    ValueError
        If the q-points or band numbers differ.
    """
    if reference.frequencies.shape != model.frequencies.shape or not np.allclose(
        reference.qpoints, model.qpoints, atol=1e-9
    ):
        raise ValueError("the dispersions are not at the same q-points")
    n_q, n_bands = reference.frequencies.shape
    weight = np.full(n_q, 1.0 / n_q) if weights is None else np.asarray(weights, float) / np.sum(weights)

    def mean(values: FloatArray) -> float:
        return float(weight @ values.reshape(n_q, -1).mean(axis=1))

    w2_reference, w2_model = reference.squared, model.squared
    w2_error = (w2_model - w2_reference) ** 2
    softening = mean(w2_model * w2_reference) / mean(w2_reference**2)
    frequency_error = model.frequencies - reference.frequencies
    vg_reference, vg_model = comparable(reference, model, "group_velocities")
    slope_reference, slope_model = comparable(reference, model, "slopes")
    lowest_reference, lowest_reference_q = _lowest(reference)
    lowest_model, lowest_model_q = _lowest(model)
    imaginary_reference = reference.frequencies[:, 0] < -imaginary_tolerance
    imaginary_model = model.frequencies[:, 0] < -imaginary_tolerance
    return HarmonicComparison(
        n_q=n_q,
        n_bands=n_bands,
        rmse_w2=float(np.sqrt(mean(w2_error))),
        mae_w2=mean(np.abs(w2_model - w2_reference)),
        rmse_vg=float(np.sqrt(mean((vg_model - vg_reference) ** 2))),
        mae_vg=mean(np.abs(vg_model - vg_reference)),
        rmse_slope=float(np.sqrt(mean((slope_model - slope_reference) ** 2))),
        mae_slope=mean(np.abs(slope_model - slope_reference)),
        rmse_frequency=float(np.sqrt(mean(frequency_error**2))),
        mae_frequency=mean(np.abs(frequency_error)),
        softening=softening,
        rmse_w2_rest=float(np.sqrt(mean((w2_model - softening * w2_reference) ** 2))),
        mean_frequency_reference=mean(reference.frequencies),
        mean_frequency_model=mean(model.frequencies),
        bandwidth_reference=float(np.ptp(reference.frequencies)),
        bandwidth_model=float(np.ptp(model.frequencies)),
        lowest_reference=lowest_reference,
        lowest_model=lowest_model,
        largest_reference=float(reference.frequencies.max()),
        largest_model=float(model.frequencies.max()),
        lowest_reference_q=lowest_reference_q,
        lowest_model_q=lowest_model_q,
        imaginary_share_reference=float(weight @ imaginary_reference),
        imaginary_share_model=float(weight @ imaginary_model),
        stable_reference=not bool(imaginary_reference.any()),
        stable_model=not bool(imaginary_model.any()),
        band_rmse_w2=np.sqrt(weight @ w2_error),
    )
