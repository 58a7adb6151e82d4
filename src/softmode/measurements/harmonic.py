"""Phonons of potential and reference, compared on the band path and on a mesh (paper §3.1)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from softmode import harmonic as hm
from softmode.measurements.declaration import Column, Measurement, Result
from softmode.measurements.functionals import LEVELS_OF_THEORY, functional_values
from softmode.measurements.shared import (
    Crystal,
    ModelCrystal,
    correction,
    mesh,
    path,
    reference_crystal,
    reference_on_mesh,
    reference_on_path,
)
from softmode.measurements.view import View

#: Path and mesh figures kept from each comparison, with the unit in the name of the column.
COMPARISON_UNITS = {
    "rmse_w2": "THz2",
    "mae_w2": "THz2",
    "rmse_w2_rest": "THz2",
    "rmse_vg": "THzA",
    "mae_vg": "THzA",
    "rmse_slope": "THz2A",
    "mae_slope": "THz2A",
    "rmse_frequency": "THz",
    "mae_frequency": "THz",
    "mean_frequency_reference": "THz",
    "mean_frequency_model": "THz",
    "bandwidth_reference": "THz",
    "bandwidth_model": "THz",
    "lowest_reference": "THz",
    "lowest_model": "THz",
}


#: Figures that are shown of each comparison, as they are called.
FIGURES = {
    "rmse_w2_THz2": "RMSE(ω²), THz²",
    "mae_w2_THz2": "MAE(ω²), THz²",
    "rmse_vg_THzA": "RMSE(v_g), THz·Å",
    "mae_vg_THzA": "MAE(v_g), THz·Å",
    "rmse_slope_THz2A": "RMSE(dω²/dq), THz²·Å",
    "mae_slope_THz2A": "MAE(dω²/dq), THz²·Å",
    "rmse_frequency_THz": "RMSE(ν), THz",
    "mae_frequency_THz": "MAE(ν), THz",
    "lowest_reference_THz": "lowest mode, reference, THz",
    "lowest_model_THz": "lowest mode, potential, THz",
    "mean_frequency_reference_THz": "mean frequency, reference, THz",
    "mean_frequency_model_THz": "mean frequency, potential, THz",
    "softening": "softening (slope of ω²)",
    "rmse_w2_rest_THz2": "RMSE(ω²) beside it, THz²",
    "imaginary_share_reference": "q with imaginary modes, reference",
    "imaginary_share_model": "q with imaginary modes, potential",
    "stability_agrees": "agree on harmonic stability",
}


def named_values(comparison: hm.HarmonicComparison, where: str) -> dict[str, Any]:
    """Scalars of a comparison, named with where they were taken and their unit."""
    named: dict[str, Any] = {}
    for name, value in asdict(comparison).items():
        if isinstance(value, np.ndarray):
            continue
        unit = COMPARISON_UNITS.get(name)
        named[f"{where}_{name}_{unit}" if unit else f"{where}_{name}"] = value
    named[f"{where}_stability_agrees"] = comparison.stability_agrees
    return named


def harmonic(view: View) -> Result:
    """Phonons of potential and reference on the band path and on a mesh, compared."""
    found = ModelCrystal(view, view.records["displaced_forces"])
    model = Crystal(found.phonon, found.raw, found.force_constants, correction(view))
    points, grid, tolerance = path(view), mesh(view), view.protocol.imaginary_tolerance
    bands_reference, bands_model = reference_on_path(view), model.at(points)
    on_path = hm.compare(bands_reference, bands_model, imaginary_tolerance=tolerance)
    on_mesh = hm.compare(
        reference_on_mesh(view), model.at(grid), weights=grid.weights, imaginary_tolerance=tolerance
    )
    return Result(
        values={
            **named_values(on_path, "path"),
            **named_values(on_mesh, "mesh"),
            "mesh_divisions": list(grid.divisions),
            "asr_reference_eV_per_A2": reference_crystal(view).sum_rule_violation,
            "asr_model_eV_per_A2": model.sum_rule_violation,
            "path_segments": [list(segment) for segment in points.segments],
            "points_per_segment": points.points_per_segment,
            "nac": _nac_statement(view),
            **functional_values(view),
        },
        arrays={
            "qpoints": points.points,
            "distances": points.distances,
            "frequencies_reference": bands_reference.frequencies,
            "frequencies_model": bands_model.frequencies,
            "band_rmse_w2_path": on_path.band_rmse_w2,
            "band_rmse_w2_mesh": on_mesh.band_rmse_w2,
        },
    )


def _nac_statement(view: View) -> str:
    if view.reference.nac is None:
        return "none"
    used = correction(view) is not None
    return "reference Born charges on both sides" if used else "available, not used"


MEASUREMENTS = (
    Measurement(
        "harmonic",
        version=3,
        function=harmonic,
        uses=(
            "reference",
            "protocol.symmetrise",
            "protocol.points_per_segment",
            "protocol.mesh_length",
            "protocol.imaginary_tolerance",
            "protocol.nac",
            LEVELS_OF_THEORY,
        ),
        requires=("displaced_forces",),
        title="phonons of potential and reference compared: RMSE(ω²), RMSE(v_g), lowest modes, stability",
        columns=tuple(
            Column(f"{where}_{name}", f"{title}, {where}")
            for name, title in FIGURES.items()
            for where in ("path", "mesh")
        ),
    ),
)
