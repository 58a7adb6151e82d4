"""Anharmonicity measurements in a cell: the reference trajectory under the potential, and σ⁽²⁾."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmode.anharmonic.sigma import harmonic_forces, sigma_std_by
from softmode.crystal.arrays import FloatArray
from softmode.measurements.declaration import Column, Measurement, Result
from softmode.measurements.evaluation import forces_on
from softmode.measurements.functionals import LEVELS_OF_THEORY, functional_values
from softmode.measurements.sampled import sigma_columns
from softmode.measurements.scoring import Scored, mode_results, scored
from softmode.measurements.shared import ModelCrystal, Side, labels, moved, phonon, reference_side, supercell
from softmode.measurements.view import View

#: Ways of combining force constants and forces on the reference's configurations: both of the reference;
#: forces of the potential; both of the potential; force constants of the potential, forces of the reference.
APPROACHES = ("reference", "phi_ref", "phi_model", "phi_model_ref_forces")

#: Parts of the forces that are compared, as they are called.
FORCE_PARTS = {"force": "forces", "harmonic_force": "harmonic part", "anharmonic_force": "anharmonic part"}

_HISTOGRAM_BINS = 121


def trajectory_forces(view: View) -> Result:
    """Forces of the potential on every frame of the reference trajectory; goes on where it was stopped.

    Raises
    ------
    NonFiniteForcesError
        Naming every frame on which the potential fails.
    """
    return forces_on(view, supercell(view).to_atoms(), view.trajectory.positions, "reference frames")


def _model(view: View) -> Side:
    constants = ModelCrystal(view, view.records["displaced_forces_for_sigma"]).full_force_constants
    forces = view.records["trajectory_forces"].arrays["forces"]
    return Side(forces, constants, harmonic_forces(constants, moved(view)))


def _scored(view: View, approach: str, forces: FloatArray, harmonic: FloatArray, subject: str) -> Scored:
    return scored(
        view,
        approach,
        forces,
        harmonic,
        labels=labels(view),
        run_lengths=view.trajectory.run_lengths,
        subject=subject,
    )


def reference_sigma(view: View) -> Result:
    """σ⁽²⁾ of the reference alone; it needs no potential, so that it is known where potentials fail."""
    side = reference_side(view)
    scored = _scored(view, "reference", side.forces, side.harmonic, view.trajectory.source)
    modes = mode_results(phonon(view), "reference", side)
    notes = [*view.trajectory.notes, *([scored.note] if scored.note else [])]
    return Result(
        values={
            "sigma_n_frames": view.trajectory.n_frames,
            **scored.values,
            **modes.values,
            "sigma_reference_per_element_std": sigma_std_by(
                side.forces, side.harmonic, labels(view)["element"]
            ),
            "sigma_notes": notes,
        },
        arrays={
            "run_lengths": np.array(view.trajectory.run_lengths),
            "sigma_t_reference": scored.per_frame,
            **modes.arrays,
        },
    )


def sigma_comparison(view: View) -> Result:
    """σ⁽²⁾ of the potential on the reference's configurations, beside the reference's own."""
    of_reference = view.records["reference_sigma"]
    reference, model = reference_side(view), _model(view)
    values: dict[str, Any] = dict(of_reference.values)
    arrays: dict[str, NDArray[Any]] = dict(of_reference.arrays)
    subject = f"{view.potential_name} on the trajectory of {view.name}"
    for approach, forces, harmonic in (
        ("phi_ref", model.forces, reference.harmonic),
        ("phi_model", model.forces, model.harmonic),
        ("phi_model_ref_forces", reference.forces, model.harmonic),
    ):
        scored = _scored(view, approach, forces, harmonic, subject)
        values |= scored.values
        arrays[f"sigma_t_{approach}"] = scored.per_frame
    modes = mode_results(phonon(view), "model", model)
    parts = _parts(reference, model)
    values |= {**modes.values, **_force_errors(parts), **_attribution(values), **functional_values(view)}
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


def _calls(view: View) -> int:
    return view.trajectory.n_frames


MEASUREMENTS = (
    Measurement(
        "reference_sigma",
        version=1,
        function=reference_sigma,
        uses=("reference", "trajectory", "protocol.symmetrise", "seed"),
        title="σ⁽²⁾ of the reference on its own trajectory",
        columns=sigma_columns("reference"),
    ),
    Measurement(
        "trajectory_forces",
        version=1,
        function=trajectory_forces,
        uses=("structure", "trajectory", "potential"),
        calls=_calls,
    ),
    Measurement(
        "sigma",
        version=2,
        function=sigma_comparison,
        uses=("reference", "trajectory", "protocol.symmetrise", "seed", LEVELS_OF_THEORY),
        requires=("reference_sigma", "displaced_forces_for_sigma", "trajectory_forces"),
        title="σ⁽²⁾ of the potential on the reference's configurations, and what its error comes from",
        columns=(
            *sigma_columns("phi_ref"),
            *sigma_columns("phi_model"),
            *(Column(f"{part}_mae_eV_per_A", f"MAE({name}), eV/Å") for part, name in FORCE_PARTS.items()),
            Column("sigma_force_error", "force error in σ"),
            Column("sigma_hessian_error", "Hessian error in σ"),
        ),
    ),
)
