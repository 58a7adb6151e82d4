"""Anharmonicity measurements in a cell: the reference trajectory under the potential, and σ⁽²⁾."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmode.anharmonic.sigma import harmonic_forces
from softmode.study.context import CellContext, Result
from softmode.study.evaluation import forces_on
from softmode.study.material_work import Side
from softmode.study.scoring import Scored, force_constants_of, mode_results, prepared, scored

FloatArray = NDArray[np.float64]

#: Ways of combining force constants and forces on the reference's configurations: both of the reference;
#: forces of the potential; both of the potential; force constants of the potential, forces of the reference.
APPROACHES = ("reference", "phi_ref", "phi_model", "phi_model_ref_forces")

_HISTOGRAM_BINS = 121


def trajectory_forces(context: CellContext) -> Result:
    """Forces of the potential on every frame of the reference trajectory; goes on where it was stopped.

    Raises
    ------
    NonFiniteForcesError
        Naming every frame on which the potential fails.
    """
    atoms = context.work.supercell.to_atoms()
    return forces_on(context, atoms, context.trajectory.positions, "reference frames")


def _model(context: CellContext) -> Side:
    phonon = context.phonon
    raw = force_constants_of(context, phonon, context.records["displaced_forces_for_sigma"])
    constants = prepared(context, phonon, raw)
    forces = context.records["trajectory_forces"].arrays["forces"]
    return Side(forces, constants, harmonic_forces(constants, context.work.moved))


def _scored(
    context: CellContext, approach: str, forces: FloatArray, harmonic: FloatArray, subject: str
) -> Scored:
    return scored(
        context,
        approach,
        forces,
        harmonic,
        cell=context.work.supercell,
        run_lengths=context.trajectory.run_lengths,
        subject=subject,
    )


def reference_sigma(context: CellContext) -> Result:
    """σ⁽²⁾ of the reference alone; it needs no potential, so that it is known where potentials fail."""
    side = context.work.reference_side
    scored = _scored(context, "reference", side.forces, side.harmonic, context.trajectory.source)
    modes = mode_results(context.phonon, "reference", side)
    notes = [*context.trajectory.notes, *([scored.note] if scored.note else [])]
    return Result(
        values={
            "sigma_n_frames": context.trajectory.n_frames,
            **scored.values,
            **modes.values,
            "sigma_notes": notes,
        },
        arrays={
            "run_lengths": np.array(context.trajectory.run_lengths),
            "sigma_t_reference": scored.per_frame,
            **modes.arrays,
        },
    )


def sigma_comparison(context: CellContext) -> Result:
    """σ⁽²⁾ of the potential on the reference's configurations, beside the reference's own."""
    of_reference = context.records["reference_sigma"]
    reference, model = context.work.reference_side, _model(context)
    values: dict[str, Any] = dict(of_reference.values)
    arrays: dict[str, NDArray[Any]] = dict(of_reference.arrays)
    subject = f"{context.potential.info.name} on the trajectory of {context.material.name}"
    for approach, forces, harmonic in (
        ("phi_ref", model.forces, reference.harmonic),
        ("phi_model", model.forces, model.harmonic),
        ("phi_model_ref_forces", reference.forces, model.harmonic),
    ):
        scored = _scored(context, approach, forces, harmonic, subject)
        values |= scored.values
        arrays[f"sigma_t_{approach}"] = scored.per_frame
    modes = mode_results(context.phonon, "model", model)
    parts = _parts(reference, model)
    values |= {**modes.values, **_force_errors(parts), **_attribution(values)}
    return Result(values=values, arrays={**arrays, **modes.arrays, **_parity(parts)})


def _parts(reference: Side, model: Side) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Whole, harmonic and anharmonic forces of both sides."""
    return {
        "force": (reference.forces, model.forces),
        "harmonic_force": (reference.harmonic, model.harmonic),
        "anharmonic_force": (reference.forces - reference.harmonic, model.forces - model.harmonic),
    }


def _force_errors(parts: Mapping[str, tuple[FloatArray, FloatArray]]) -> dict[str, float]:
    """MAE and RMSE of force components on the frames, eV/Å."""
    rms = float(np.sqrt(np.mean(parts["force"][0] ** 2)))
    errors: dict[str, float] = {"force_rms_reference_eV_per_A": rms}
    for part, (reference, model) in parts.items():
        difference = model - reference
        errors[f"{part}_mae_eV_per_A"] = float(np.abs(difference).mean())
        errors[f"{part}_rmse_eV_per_A"] = float(np.sqrt(np.mean(difference**2)))
    return errors


def _parity(parts: Mapping[str, tuple[FloatArray, FloatArray]]) -> dict[str, NDArray[Any]]:
    """Two-dimensional histograms of force components, reference against potential, on common axes."""
    limit = max(float(np.abs(side).max()) for pair in parts.values() for side in pair) * 1.0001
    edges = np.linspace(-limit, limit, _HISTOGRAM_BINS + 1)
    counts = {
        f"parity_{part}": np.histogram2d(reference.ravel(), model.ravel(), bins=(edges, edges))[0]
        for part, (reference, model) in parts.items()
    }
    return {"parity_edges": edges, **{name: values.astype(np.int64) for name, values in counts.items()}}


def _attribution(values: Mapping[str, Any]) -> dict[str, float]:
    """Shares of forces and Hessian in σ_phi_model - σ_reference, averaged over both orders (Shapley)."""
    mean = {approach: float(values[f"sigma_{approach}_mean_t"]) for approach in APPROACHES}
    return {
        "sigma_force_error": 0.5
        * (mean["phi_ref"] - mean["reference"] + mean["phi_model"] - mean["phi_model_ref_forces"]),
        "sigma_hessian_error": 0.5
        * (mean["phi_model_ref_forces"] - mean["reference"] + mean["phi_model"] - mean["phi_ref"]),
    }
