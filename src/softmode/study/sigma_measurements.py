"""Anharmonicity measurements in a cell: the reference trajectory under the potential, and σ⁽²⁾."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from softmode.study.measurements import evaluated_material

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


def _force_constants(context: CellContext) -> tuple[ForceConstants, ForceConstants]:
    """Full force constants of reference and potential, symmetrised or not as the protocol says."""
    phonon = context.phonon
    arrays = context.records["displaced_forces_for_sigma"].arrays
    model = evaluated_material(context, arrays)
    model_phonon = phonon if model is context.material else hm.build_phonopy(model)
    of_reference = hm.reference_force_constants(phonon, context.material)
    of_model = hm.force_constants_from_forces(
        model_phonon, DisplacementForces(arrays["displacements"], arrays["forces"])
    )
    if context.protocol.symmetrise:
        of_reference = hm.symmetrised(phonon, of_reference)
        of_model = hm.symmetrised(model_phonon, of_model)
    return hm.full_force_constants(phonon, of_reference), hm.full_force_constants(model_phonon, of_model)


def sigma_comparison(context: CellContext) -> Result:
    """σ⁽²⁾ of reference and potential on the same configurations, resolved, with intervals and classes."""
    trajectory, phonon = context.trajectory, context.phonon
    cell = hm.reference_supercell(phonon)
    moved = displacements(trajectory, cell)
    constants = dict(zip(("reference", "model"), _force_constants(context), strict=True))
    harmonic = {name: harmonic_forces(values, moved) for name, values in constants.items()}
    forces = {"reference": trajectory.forces, "model": context.records["trajectory_forces"].arrays["forces"]}
    combined = {
        "reference": ("reference", "reference"),
        "phi_ref": ("reference", "model"),
        "phi_model": ("model", "model"),
        "phi_model_ref_forces": ("model", "reference"),
    }
    values: dict[str, Any] = {
        "sigma_n_frames": trajectory.n_frames,
    }
    arrays: dict[str, NDArray[Any]] = {"run_lengths": np.array(trajectory.run_lengths)}
    notes: list[str] = list(trajectory.notes)
    labels = {"element": cell.symbols, "site": site_labels(cell)}
    for approach, (phi, force) in combined.items():
        result = sigma(forces[force], harmonic[phi])
        given = score(
            result.per_frame, trajectory.run_lengths, seed=context.seed, subject=context.material.name
        )
        values |= _sigma_values(approach, result, given, labels)
        if given.note and approach == "reference":
            notes.append(given.note)
        arrays[f"sigma_t_{approach}"] = result.per_frame
    for side in ("reference", "model"):
        modes = mode_sigma(supercell_modes(phonon, constants[side]), forces[side], harmonic[side])
        arrays[f"mode_frequencies_{side}"] = modes.frequencies
        arrays[f"mode_multiplicities_{side}"] = modes.multiplicities
        arrays[f"mode_qpoints_{side}"] = modes.qpoints
        arrays[f"mode_sigma_{side}"] = modes.sigma
        values[f"sigma_{side}_mass_weighted"] = modes.mass_weighted
    values |= _force_errors(forces, harmonic) | _attribution(values) | {"sigma_notes": notes}
    return Result(values=values, arrays=arrays | _parity(forces, harmonic))


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


def _force_errors(forces: Mapping[str, FloatArray], harmonic: Mapping[str, FloatArray]) -> dict[str, float]:
    """MAE and RMSE of force components on the frames, split into harmonic and anharmonic parts, eV/Å."""
    errors: dict[str, float] = {
        "force_rms_reference_eV_per_A": float(np.sqrt(np.mean(forces["reference"] ** 2)))
    }
    for part, (reference, model) in _parts(forces, harmonic).items():
        difference = model - reference
        errors[f"{part}_mae_eV_per_A"] = float(np.abs(difference).mean())
        errors[f"{part}_rmse_eV_per_A"] = float(np.sqrt(np.mean(difference**2)))
    return errors


def _parts(
    forces: Mapping[str, FloatArray], harmonic: Mapping[str, FloatArray]
) -> dict[str, tuple[FloatArray, FloatArray]]:
    return {
        "force": (forces["reference"], forces["model"]),
        "harmonic_force": (harmonic["reference"], harmonic["model"]),
        "anharmonic_force": (
            forces["reference"] - harmonic["reference"],
            forces["model"] - harmonic["model"],
        ),
    }


def _parity(forces: Mapping[str, FloatArray], harmonic: Mapping[str, FloatArray]) -> dict[str, NDArray[Any]]:
    """Two-dimensional histograms of force components, reference against potential, on common axes."""
    parts = _parts(forces, harmonic)
    limit = max(float(np.abs(side).max()) for pair in parts.values() for side in pair) * 1.0001
    edges = np.linspace(-limit, limit, _HISTOGRAM_BINS + 1)
    histograms = {
        f"parity_{part}": np.histogram2d(reference.ravel(), model.ravel(), bins=(edges, edges))[0].astype(
            np.int64
        )
        for part, (reference, model) in parts.items()
    }
    return {"parity_edges": edges, **histograms}


def _attribution(values: Mapping[str, Any]) -> dict[str, float]:
    """Shares of forces and Hessian in σ_phi_model - σ_reference, averaged over both orders (Shapley)."""
    mean = {approach: float(values[f"sigma_{approach}_mean_t"]) for approach in APPROACHES}
    return {
        "sigma_force_error": 0.5
        * (mean["phi_ref"] - mean["reference"] + mean["phi_model"] - mean["phi_model_ref_forces"]),
        "sigma_hessian_error": 0.5
        * (mean["phi_model_ref_forces"] - mean["reference"] + mean["phi_model"] - mean["phi_ref"]),
    }
