"""Phonons of potential and reference, compared on the band path and on a mesh (paper §3.1)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from softmode import harmonic as hm
from softmode.measurements.conditions import Conditions
from softmode.measurements.declaration import Column, Facts, Given, Measurement, Result
from softmode.measurements.field_metrics import (
    DOS_DISTANCE,
    DOS_DISTANCE_TITLE,
    NOTE,
    SIDED_FIGURES,
    field_metrics,
)
from softmode.measurements.functionals import LEVELS_OF_THEORY, functional_values
from softmode.measurements.harmonic_panels import panels
from softmode.measurements.shared import (
    Crystal,
    ModelCrystal,
    correction,
    mesh,
    path,
    reference_crystal,
    reference_noise_floor,
    reference_on_mesh,
    reference_on_path,
    reference_phonopy_velocities,
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
    "largest_reference": "THz",
    "largest_model": "THz",
}


#: Whether group velocities are compared by the paper's own arithmetic, too.
_AS_PUBLISHED = "velocities_as_published"
#: Figures on the path that are shown where they are there.
PUBLISHED_FIGURES = {
    "rmse_vg_as_published_THzA": "RMSE(v), paper's, THz·Å",
    "mae_vg_as_published_THzA": "MAE(v), paper's, THz·Å",
}
#: Of both sides' force constants before they are symmetrised, ``{}`` being ``reference`` or ``model``.
RAW_FIGURES = {
    "asr_{}_eV_per_A2": "violation of the sum rule, eV/Å²",
    "noise_floor_{}_THz": "noise of frequencies, THz",
}
#: What is best of the figures below: those that are no errors, and those shown first of the path or the mesh.
_TARGETS = {"softening": 1.0}
_MAIN = {
    *("path_rmse_w2_THz2", "path_rmse_vg_THzA", "path_softening"),
    *("mesh_lowest_reference_THz", "mesh_lowest_model_THz", "mesh_stability_agrees"),
}
#: Figures that are shown of each comparison, as they are called.
FIGURES = {
    "rmse_w2_THz2": "RMSE(ω²), THz²",
    "mae_w2_THz2": "MAE(ω²), THz²",
    "rmse_vg_THzA": "RMSE(v), THz·Å",
    "mae_vg_THzA": "MAE(v), THz·Å",
    "rmse_slope_THz2A": "RMSE(dω²/dq), THz²·Å",
    "mae_slope_THz2A": "MAE(dω²/dq), THz²·Å",
    "rmse_frequency_THz": "RMSE(ν), THz",
    "mae_frequency_THz": "MAE(ν), THz",
    "lowest_reference_THz": "lowest mode, reference, THz",
    "lowest_model_THz": "lowest mode, potential, THz",
    "largest_reference_THz": "largest mode, reference, THz",
    "largest_model_THz": "largest mode, potential, THz",
    "mean_frequency_reference_THz": "mean frequency, reference, THz",
    "mean_frequency_model_THz": "mean frequency, potential, THz",
    "softening": "slope of ω²",
    "rmse_w2_rest_THz2": "RMSE(ω²), slope removed, THz²",
    "imaginary_share_reference": "q with imaginary modes, reference",
    "imaginary_share_model": "q with imaginary modes, potential",
    "stability_agrees": "agree on harmonic stability",
}


def _column(name: str, title: str, where: str) -> Column:
    """The column of one of :data:`FIGURES` on the path or the mesh."""
    error = name.startswith(("rmse", "mae"))
    better = (
        "low" if error else "target" if name in _TARGETS else "high" if name == "stability_agrees" else ""
    )
    column = f"{where}_{name}"
    return Column(column, f"{title}, {where}", better=better, target=_TARGETS.get(name), main=column in _MAIN)


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
    mesh_reference, mesh_model = reference_on_mesh(view), model.at(grid)
    on_mesh = hm.compare(mesh_reference, mesh_model, weights=grid.weights, imaginary_tolerance=tolerance)
    field = field_metrics(on_mesh, mesh_reference, mesh_model, grid, model.phonon.primitive.Z)
    return Result(
        values={
            **named_values(on_path, "path"),
            **named_values(on_mesh, "mesh"),
            **field.values,
            **_published_arithmetic(view, model),
            "mesh_divisions": list(grid.divisions),
            "asr_reference_eV_per_A2": reference_crystal(view).sum_rule_violation,
            "asr_model_eV_per_A2": model.sum_rule_violation,
            "noise_floor_reference_THz": reference_noise_floor(view),
            "noise_floor_model_THz": model.noise_floor(grid),
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
            **field.arrays,
        },
    )


def _published_arithmetic(view: View, model: Crystal) -> dict[str, float]:
    """Errors of group velocities as the paper's authors work them out, where the protocol is theirs.

    phonopy's velocities of both sides are subtracted as they come: in a degenerate set each has an order of
    its own.
    """
    if not view.given(_AS_PUBLISHED):
        return {}
    error = model.phonopy_velocities(path(view)) - reference_phonopy_velocities(view)
    return {
        "path_rmse_vg_as_published_THzA": float(np.sqrt(np.mean(error**2))),
        "path_mae_vg_as_published_THzA": float(np.mean(np.abs(error))),
    }


#: What every comparison of phonons uses.
COMPARISON_USES: tuple[str | Given, ...] = (
    "reference",
    "protocol.symmetrise",
    "protocol.points_per_segment",
    "protocol.mesh_length",
    "protocol.imaginary_tolerance",
    "protocol.nac",
    LEVELS_OF_THEORY,
)


def _uses(conditions: Conditions, facts: Facts) -> tuple[str | Given, ...]:  # noqa: ARG001
    published = conditions.protocol.name.removesuffix("+") == "yang2026"
    return (*COMPARISON_USES, Given(_AS_PUBLISHED, lambda conditions, facts: published))


def _nac_statement(view: View) -> str:
    if view.reference.nac is None:
        return "none"
    used = correction(view) is not None
    return "reference Born charges on both sides" if used else "available, not used"


MEASUREMENTS = (
    Measurement(
        "harmonic",
        version=5,
        function=harmonic,
        uses=_uses,
        requires=("displaced_forces",),
        title="phonons of potential and reference compared: RMSE(ω²), RMSE(v), lowest modes, stability",
        columns=(
            *(_column(name, title, where) for name, title in FIGURES.items() for where in ("path", "mesh")),
            *(
                Column(f"mesh_{name.format(side)}", f"{title}, {shown}")
                for name, title in SIDED_FIGURES.items()
                for side, shown in (("reference", "reference"), ("model", "potential"))
            ),
            Column(f"mesh_{DOS_DISTANCE}", DOS_DISTANCE_TITLE, better="low"),
            *(
                Column(name.format(side), f"{title}, {shown}")
                for name, title in RAW_FIGURES.items()
                for side, shown in (("reference", "reference"), ("model", "potential"))
            ),
            Column(f"mesh_{NOTE}", "thermodynamics left out"),
        ),
        chapter="Phonons",
        panels=panels,
    ),
)
