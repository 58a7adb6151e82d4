"""Anharmonicity measurements in a cell: the reference trajectory under the potential, and σ⁽²⁾."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from phonopy import Phonopy

from softmode import harmonic as hm
from softmode.anharmonic.classes import CLASSES
from softmode.anharmonic.displacements import displacements
from softmode.anharmonic.modes import mode_sigma, supercell_modes
from softmode.anharmonic.score import Score, score
from softmode.anharmonic.sigma import Sigma, harmonic_forces, sigma
from softmode.anharmonic.sites import site_labels
from softmode.errors import NonFiniteForcesError
from softmode.material import DisplacementForces, ForceConstants
from softmode.study.context import CellContext, Result

FloatArray = NDArray[np.float64]

#: Ways of combining force constants and forces on the reference's configurations: both of the reference;
#: forces of the potential; both of the potential; force constants of the potential, forces of the reference.
APPROACHES = ("reference", "phi_ref", "phi_model", "phi_model_ref_forces")

_BATCH = 8  # frames per call of the potential; fixed, so that an interruption does not change batches
_SAVE_EVERY = 10.0  # seconds between saving what has been evaluated
_HISTOGRAM_BINS = 121


def trajectory_forces(context: CellContext) -> Result:
    """Forces of the potential on every frame of the reference trajectory; goes on where it was stopped.

    Raises
    ------
    NonFiniteForcesError
        Naming every frame on which the potential fails.
    """
    trajectory = context.trajectory
    atoms = hm.reference_supercell(context.phonon).to_atoms()
    context.potential.check_elements([atoms])
    forces, energies, bad = [], [], []
    pieces = _Pieces(context)
    for start in range(0, trajectory.n_frames, _BATCH):
        known = pieces.known(start)
        if known is None:
            batch = []
            for positions in trajectory.positions[start : start + _BATCH]:
                frame = atoms.copy()
                frame.positions = positions
                batch.append(frame)
            try:
                evaluation = context.potential.evaluate(batch)
            except NonFiniteForcesError as error:
                bad += [start + index for index in error.configurations]
                continue
            known = {"forces": evaluation.stacked_forces(), "energies": evaluation.energies}
            pieces.add(start, known)
        forces.append(known["forces"])
        energies.append(known["energies"])
    if bad:
        raise NonFiniteForcesError(
            f"{context.material.name} with {context.potential.info.name}",
            f"NaN or infinite forces on {len(bad)} of {trajectory.n_frames} reference frames: "
            f"{_listed(bad)} (counted from 0)",
            "look at those frames; the potential cannot be trusted there",
            configurations=tuple(bad),
        )
    return Result(
        values={"n_frames": trajectory.n_frames},
        arrays={"forces": np.concatenate(forces), "energies": np.concatenate(energies)},
    )


def _listed(frames: list[int]) -> str:
    """Ascending frame numbers, all of them, consecutive ones drawn together: ``3, 7-9, 12``."""
    edges = np.flatnonzero(np.diff(frames, prepend=-2, append=frames[-1] + 2) > 1)
    runs = [(frames[first], frames[after - 1]) for first, after in pairwise(edges)]
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


class _Pieces:
    """Evaluated batches, saved every few seconds and found again after an interruption."""

    def __init__(self, context: CellContext) -> None:
        self._partial = context.partial
        self._known: dict[int, dict[str, NDArray[Any]]] = {}
        self._unsaved: dict[int, dict[str, NDArray[Any]]] = {}
        self._number = 0
        self._saved_at = time.monotonic()
        while self._partial is not None and (piece := self._partial.load(self._number)) is not None:
            for start in piece.get("starts", np.empty(0, int)).tolist():
                self._known[start] = {
                    "forces": piece[f"forces_{start}"],
                    "energies": piece[f"energies_{start}"],
                }
            self._number += 1

    def known(self, start: int) -> dict[str, NDArray[Any]] | None:
        """Return the batch that begins with this frame, if it has been evaluated."""
        return self._known.get(start)

    def add(self, start: int, batch: dict[str, NDArray[Any]]) -> None:
        """Keep a batch; save those not saved yet when enough time has passed."""
        self._unsaved[start] = batch
        if self._partial is None or time.monotonic() - self._saved_at < _SAVE_EVERY:
            return
        arrays = {
            f"{name}_{start}": array for start, part in self._unsaved.items() for name, array in part.items()
        }
        self._partial.save(self._number, {"starts": np.array(list(self._unsaved)), **arrays})
        self._number += 1
        self._unsaved = {}
        self._saved_at = time.monotonic()


@dataclass(frozen=True, eq=False)
class _Side:
    """Forces of one side on the trajectory, their harmonic part, and the force constants it is made with."""

    forces: FloatArray
    force_constants: ForceConstants
    harmonic: FloatArray


def _full(context: CellContext, phonon: Phonopy, force_constants: ForceConstants) -> ForceConstants:
    """Full force constants, symmetrised or not as the protocol says."""
    if context.protocol.symmetrise:
        force_constants = hm.symmetrised(phonon, force_constants)
    return hm.full_force_constants(phonon, force_constants)


def _moved(context: CellContext) -> FloatArray:
    return displacements(context.trajectory, hm.reference_supercell(context.phonon))


def _reference(context: CellContext) -> _Side:
    phonon = context.phonon
    constants = _full(context, phonon, hm.reference_force_constants(phonon, context.material))
    return _Side(context.trajectory.forces, constants, harmonic_forces(constants, _moved(context)))


def _model(context: CellContext) -> _Side:
    arrays = context.records["displaced_forces_for_sigma"].arrays
    phonon = context.phonon
    data = DisplacementForces(arrays["displacements"], arrays["forces"])
    constants = _full(context, phonon, hm.force_constants_from_forces(phonon, data))
    forces = context.records["trajectory_forces"].arrays["forces"]
    return _Side(forces, constants, harmonic_forces(constants, _moved(context)))


def reference_sigma(context: CellContext) -> Result:
    """σ⁽²⁾ of the reference alone; it needs no potential, so that it is known where potentials fail."""
    side = _reference(context)
    scored = _scored(context, "reference", side.forces, side.harmonic, context.trajectory.source)
    modes = _mode_results(context, "reference", side)
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
    reference, model = _reference(context), _model(context)
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
    modes = _mode_results(context, "model", model)
    parts = _parts(reference, model)
    values |= {**modes.values, **_force_errors(parts), **_attribution(values)}
    return Result(values=values, arrays={**arrays, **modes.arrays, **_parity(parts)})


@dataclass(frozen=True, eq=False)
class _Scored:
    """Values of an approach, σ(t), and why there is no interval."""

    values: dict[str, Any]
    per_frame: FloatArray
    note: str


def _scored(
    context: CellContext, approach: str, forces: FloatArray, harmonic: FloatArray, subject: str
) -> _Scored:
    result = sigma(forces, harmonic, subject=subject)
    run_lengths = context.trajectory.run_lengths
    given = score(result.per_frame, run_lengths, seed=context.seed, subject=context.material.name)
    cell = hm.reference_supercell(context.phonon)
    labels = {"element": cell.symbols, "site": site_labels(cell)}
    return _Scored(_sigma_values(approach, result, given, labels), result.per_frame, given.note)


def _mode_results(context: CellContext, name: str, side: _Side) -> Result:
    modes = mode_sigma(supercell_modes(context.phonon, side.force_constants), side.forces, side.harmonic)
    return Result(
        values={f"sigma_{name}_mass_weighted": modes.mass_weighted},
        arrays={
            f"mode_frequencies_{name}": modes.frequencies,
            f"mode_multiplicities_{name}": modes.multiplicities,
            f"mode_qpoints_{name}": modes.qpoints,
            f"mode_sigma_{name}": modes.sigma,
        },
    )


def _sigma_values(
    approach: str, result: Sigma, given: Score, labels: Mapping[str, tuple[str, ...]]
) -> dict[str, Any]:
    prefix = f"sigma_{approach}"
    low, high = given.interval or (None, None)
    probabilities = given.probabilities or dict.fromkeys(CLASSES)
    return {
        f"{prefix}_overall": result.overall,
        f"{prefix}_overall_std": result.overall_std,
        f"{prefix}_mean_t": given.mean_t,
        f"{prefix}_mean_t_low": low,
        f"{prefix}_mean_t_high": high,
        f"{prefix}_n_effective": given.n_effective,
        f"{prefix}_interval_reliable": given.reliable,
        f"{prefix}_class": given.class_name,
        **{f"{prefix}_p_{name}": chance for name, chance in probabilities.items()},
        **{
            f"{prefix}_per_{kind}": {
                name: None if np.isnan(value) else value for name, value in result.by(names).items()
            }
            for kind, names in labels.items()
        },
    }


def _parts(reference: _Side, model: _Side) -> dict[str, tuple[FloatArray, FloatArray]]:
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
