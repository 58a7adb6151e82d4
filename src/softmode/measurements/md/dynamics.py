"""Molecular dynamics of the potential alone, in several replicas."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from softmode import dynamics as dy
from softmode.errors import InputDataError
from softmode.measurements.conditions import Conditions
from softmode.measurements.declaration import Facts, Measurement, Result, Use
from softmode.measurements.md.replicas import Start, run_replicas
from softmode.measurements.md.settings import DynamicsSettings
from softmode.measurements.shared import ModelCrystal
from softmode.measurements.view import View

_TRACES = (
    "steps",
    "positions",
    "forces",
    "potential_energy",
    "kinetic_energy",
    "temperature",
    "conserved_energy",
)


def md(view: View) -> Result:
    """Molecular dynamics of the potential, several replicas; goes on where it was stopped.

    A run that loses the crystal is a result; what it recorded before is kept.

    Returns
    -------
    Result
        Arrays: recorded frames of all replicas, one after the other (``run_lengths``). Values: how each
        replica ended, and how it stands with equilibrium.
    """
    crystal = ModelCrystal(view, view.records["displaced_forces_for_dynamics"])
    begun, runs = run_replicas(view, crystal)
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
            "md_sampled_temperature_K": dy.sampled_temperature(view.settings(DynamicsSettings)),
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


def _uses(conditions: Conditions, facts: Facts) -> tuple[Use, ...]:  # noqa: ARG001
    """All settings but the steps that σ leaves out; what the replicas start from."""
    own = tuple(f"md.{name}" for name in DynamicsSettings.model_fields if name != "discard")
    # without a trajectory runs start from thermal samples of the force constants
    start = "trajectory" if facts.trajectory else "protocol.symmetrise"
    return ("structure", "potential", "seed", *own, start)


def _calls(view: View) -> int:
    settings = view.settings(DynamicsSettings)
    return settings.replicas * (settings.steps + 1)


MD = Measurement(
    "md",
    version=1,
    function=md,
    uses=_uses,
    requires=("displaced_forces_for_dynamics",),
    settings=DynamicsSettings,
    calls=_calls,
)
