"""The model alone: molecular dynamics of a potential, and σ⁽²⁾ on its own configurations (``model_only``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmode import dynamics as dy
from softmode.anharmonic.classes import CLASSES
from softmode.anharmonic.displacements import displacements
from softmode.anharmonic.sigma import harmonic_forces
from softmode.crystal import Trajectory
from softmode.errors import InputDataError
from softmode.study.context import CellContext, Result
from softmode.study.material_work import Side
from softmode.study.model_measurements import ModelCrystal, model_crystal
from softmode.study.records import Record
from softmode.study.replicas import Start, run_replicas
from softmode.study.scoring import mode_results, scored

FloatArray = NDArray[np.float64]

#: Class of a crystal that its own dynamics does not keep.
_UNSTABLE_VALUES: dict[str, Any] = {
    "sigma_model_only_class": CLASSES[-1],
    **{f"sigma_model_only_p_{name}": float(name == CLASSES[-1]) for name in CLASSES},
}

_TRACES = (
    "steps",
    "positions",
    "forces",
    "potential_energy",
    "kinetic_energy",
    "temperature",
    "conserved_energy",
)


def md(context: CellContext) -> Result:
    """Molecular dynamics of the potential, several replicas; goes on where it was stopped.

    A run that loses the crystal is a result; what it recorded before is kept.

    Returns
    -------
    Result
        Arrays: recorded frames of all replicas, one after the other (``run_lengths``). Values: how each
        replica ended, and how it stands with equilibrium.
    """
    crystal = model_crystal(context, context.records["displaced_forces_for_dynamics"])
    begun, runs = run_replicas(context, crystal)
    replicas = [_replica_values(start, run) for start, run in zip(begun, runs, strict=True)]
    lost = [f"replica {index} {run.summary}" for index, run in enumerate(runs) if run.collapsed]
    temperatures = [one["temperature_K"] for one in replicas if one["temperature_K"] is not None]
    return Result(
        values={
            "md_status": "collapsed" if lost else "completed",
            "md_collapsed": bool(lost),
            "md_n_collapsed": len(lost),
            "md_n_replicas": len(runs),
            "md_reason": "; ".join(lost),
            "md_first_collapse_step": min((run.last_step for run in runs if run.collapsed), default=None),
            "md_n_frames": sum(run.n_frames for run in runs),
            "md_steps_made": sum(run.last_step for run in runs),
            "md_temperature_K": float(np.mean(temperatures)) if temperatures else None,
            "md_sampled_temperature_K": dy.sampled_temperature(context.md),
            "md_start": "reference frames" if begun[0].frame is not None else "thermal samples",
            "md_replicas": replicas,
            "md_warnings": [
                f"replica {index}: {text}" for index, one in enumerate(replicas) for text in one["warnings"]
            ],
        },
        arrays={
            **{name: np.concatenate([getattr(run.frames, name) for run in runs]) for name in _TRACES},
            "run_lengths": np.array([run.n_frames for run in runs]),
            "starts": np.array([start.positions for start in begun]),
            "supercell_lattice": np.array(crystal.supercell.lattice),
        },
    )


def _replica_values(start: Start, run: dy.MDRun) -> dict[str, Any]:
    """How a replica began, ended, and stands with equilibrium."""
    common: dict[str, Any] = {
        "start": start.origin,
        "start_frame": start.frame,
        "seed": start.seed,
        "status": run.status,
        "last_step": run.last_step,
        "reason": run.reason,
        "n_frames": run.n_frames,
        "notes": list(run.notes),
    }
    try:
        found = dy.diagnose(run)
    except InputDataError as error:
        nothing = dict.fromkeys(
            (
                "temperature_K",
                "temperature_error_K",
                "equilibration_steps",
                "n_effective",
                "energy_drift",
                "conserved_drift",
            )
        )
        warnings = [run.summary] if run.collapsed else []
        return {**common, **nothing, "warnings": [*warnings, str(error)]}
    return {
        **common,
        "temperature_K": found.temperature,
        "temperature_error_K": found.temperature_error,
        "temperature_std_K": found.temperature_std,
        "expected_std_K": found.expected_std,
        "equilibration_steps": found.suggested_skip * run.settings.sample_every,
        "n_effective": found.n_effective,
        "energy_drift": _drift_values(found.energy_drift),
        "conserved_drift": _drift_values(found.conserved_drift),
        "warnings": list(found.warnings),
    }


def _drift_values(drift: dy.Drift | None) -> dict[str, Any] | None:
    """Slope and standard error, meV per atom and ps."""
    return None if drift is None else {**asdict(drift), "significant": drift.significant()}


def model_only(context: CellContext) -> Result:
    """σ⁽²⁾ of the potential on its own dynamics, with its own force constants.

    Frames of the first ``discard`` steps of each replica are left out. Where a replica lost the crystal, σ of
    the frames before is given all the same, but the class is that of an unstable crystal, for certain.
    """
    run = context.records["md"]
    crystal = model_crystal(context, context.records["displaced_forces_for_dynamics"])
    collapsed = bool(run.values["md_collapsed"])
    frames, lengths = kept_frames(run, context.md.discard)
    notes = _notes(run, context.md.discard)
    common = {
        "model_only_n_frames": int(frames.sum()),
        "model_only_discarded_frames": int((~frames).sum()),
    }
    if not frames.any():
        notes.append(f"no frames after step {context.md.discard}")
        return Result(
            values={
                **common,
                "sigma_model_only_mean_t": None,
                "sigma_model_only_overall": None,
                **_UNSTABLE_VALUES,
                "model_only_notes": notes,
                "model_only_interval_note": "no frames",
            }
        )
    side = _side(context, crystal, run, frames, lengths)
    subject = f"{context.potential.info.name} in its own dynamics of {context.material.name}"
    result = scored(
        context,
        "model_only",
        side.forces,
        side.harmonic,
        cell=crystal.supercell,
        run_lengths=lengths,
        subject=subject,
    )
    modes = mode_results(crystal.phonon, "model_only", side)
    return Result(
        values={
            **common,
            **result.values,
            **modes.values,
            **(_UNSTABLE_VALUES if collapsed else {}),
            "model_only_notes": notes,
            "model_only_interval_note": result.note,
        },
        arrays={
            "model_only_run_lengths": np.array(lengths),
            "sigma_t_model_only": result.per_frame,
            **modes.arrays,
        },
    )


def kept_frames(run: Record, discard: int) -> tuple[NDArray[np.bool_], tuple[int, ...]]:
    """Frames after the first steps, and how many there are of each replica that has any."""
    kept = run.arrays["steps"] > discard
    ends = np.cumsum(run.arrays["run_lengths"])
    lengths = [int(part.sum()) for part in np.split(kept, ends[:-1])]
    return kept, tuple(length for length in lengths if length)


def _side(
    context: CellContext,
    crystal: ModelCrystal,
    run: Record,
    frames: NDArray[np.bool_],
    lengths: Sequence[int],
) -> Side:
    forces = run.arrays["forces"][frames]
    trajectory = Trajectory(
        lattice=crystal.supercell.lattice,
        numbers=crystal.supercell.numbers,
        positions=run.arrays["positions"][frames],
        forces=forces,
        run_lengths=tuple(lengths),
        source=f"molecular dynamics of {context.material.name}",
    )
    moved = displacements(trajectory, crystal.supercell)
    return Side(forces, crystal.force_constants, harmonic_forces(crystal.force_constants, moved))


def _notes(run: Record, discard: int) -> list[str]:
    """What a reader of σ should know of the runs."""
    notes = [run.values["md_reason"]] if run.values["md_collapsed"] else []
    for index, replica in enumerate(run.values["md_replicas"]):
        late = replica["equilibration_steps"]
        if late is not None and late > discard:
            notes.append(
                f"replica {index} may not be in equilibrium before step {late}; {discard} steps are left out"
            )
    return notes
