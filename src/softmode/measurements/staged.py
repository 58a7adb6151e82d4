"""Is a crystal dynamically stable at a temperature? Asked in stages, each dearer than the one before it.

Harmonic modes, self-consistent samples, short dynamics: the next is asked only where the last cannot tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from softmode import dynamics as dy
from softmode.anharmonic.classes import CLASSES, EDGES, classify
from softmode.anharmonic.displacements import displacements
from softmode.anharmonic.sigma import harmonic_forces, sigma
from softmode.crystal import Trajectory
from softmode.crystal.arrays import FloatArray
from softmode.errors import InputDataError
from softmode.measurements.declaration import Column, Measurement, Result, SettingsTable
from softmode.measurements.md.leaving import left_for, said_of_leaving
from softmode.measurements.md.replicas import (
    Start,
    Steps,
    drop_damaged_beginning,
    moved_to,
    remembered_starts,
    replica_seed,
    running_folder,
    sites,
)
from softmode.measurements.sampled_details import sampled_details
from softmode.measurements.self_consistent import SelfConsistentSampling
from softmode.measurements.shared import ModelCrystal
from softmode.measurements.view import View
from softmode.statistics.sequential import StopRule, Verdict, judge

_CHECKPOINT, _SAMPLE_EVERY = 50, 2  # steps
#: Steps at the beginning that are left out: the start is a sample of Gaussian modes, which a crystal has not.
_DISCARD = 50


class StagedSettings(SettingsTable):
    """Stages, ``[staged]`` in a study file; temperature and samples are those of ``[self_consistent]``.

    Attributes
    ----------
    certainty : float
        Probability with which the class is to be right before a stage decides.
    steps : int
        Steps of dynamics at most.
    timestep : float
        fs.
    friction : float
        Of the Langevin thermostat, 1/fs. Small enough for an instability of 0.3 THz to grow within 1.5 ps,
        large enough for modes to forget within 0.5 ps where they were.
    seed : int
        Of the start, velocities and thermostat.
    """

    certainty: float = Field(default=0.95, gt=0.5, lt=1)
    steps: int = Field(default=1000, ge=2 * _DISCARD)
    timestep: float = Field(default=4.0, gt=0, le=20)
    friction: float = Field(default=0.004, gt=0)
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What one look at a run says."""

    frozen: dy.FrozenDisplacement
    per_frame: FloatArray
    verdict: Verdict


def looks(steps: int) -> tuple[int, ...]:
    """Steps after which a run is looked at: 100, 150, 200, 300, 400, 600, 800, … and the last."""
    marks = {100 * 2**k for k in range(32)} | {150 * 2**k for k in range(32)}
    return (*sorted(mark for mark in marks if mark < steps), steps)


def staged(view: View) -> Result:
    """Whether the crystal is dynamically stable, and which stage said so.

    Returns
    -------
    Result
        ``staged_decided_by`` is ``samples``, ``dynamics`` or, where all steps allowed are made and the class
        is still not certain, ``nothing``; ``staged_reason`` says it in words.
    """
    settings = view.settings(StagedSettings)
    phonons, sampled = (view.records[name].values for name in ("model_phonons", "self_consistent"))
    margin = phonons["model_stability_margin_THz"]
    name, chance = _likeliest(sampled)
    values: dict[str, Any] = {"staged_margin_THz": margin, "staged_samples_p": chance, "staged_left": False}
    # between minus and plus the tolerance the sign of a frequency is not known; what is imaginary between the
    # modes of the supercell, samples and dynamics in it do not see
    real = phonons["model_lowest_of_supercell_THz"] >= view.protocol.imaginary_tolerance
    if real and chance is not None and chance >= settings.certainty:
        mode = f"lowest mode {phonons['model_lowest_of_supercell_THz']:.2f} THz"
        return Result(
            values={
                **values,
                **{
                    f"sigma_staged_{end}": sampled[f"sigma_self_consistent_{end}"]
                    for end in (
                        "mean_t",
                        "mean_t_low",
                        "mean_t_high",
                        "class",
                        *(f"p_{one}" for one in CLASSES),
                    )
                },
                "staged_decided_by": "samples",
                "staged_reason": f"{mode}; {name} by samples, {100 * chance:.0f} %",
                "staged_md_steps": 0,
            }
        )
    why = "the class by samples is not certain" if real else "modes are imaginary or near it"
    dynamics = _dynamics(view, settings)
    return Result(values={**values, **dynamics.values, "staged_asked_dynamics": why}, arrays=dynamics.arrays)


def _likeliest(sampled: Any) -> tuple[str, float | None]:
    chances = {name: sampled[f"sigma_self_consistent_p_{name}"] for name in CLASSES}
    if None in chances.values():
        return sampled["sigma_self_consistent_class"], None
    name = max(chances, key=lambda one: float(chances[one]))
    return name, float(chances[name])


def _dynamics(view: View, settings: StagedSettings) -> Result:
    """Dynamics until the crystal has left, its class is certain, or all steps are made."""
    temperature = view.settings(SelfConsistentSampling).temperature
    if temperature == 0.0:
        raise InputDataError(
            view.name,
            "samples at 0 K do not decide, and dynamics, which are classical, do not move there",
            "give a temperature above zero, or ask for self_consistent alone",
        )
    crystal = ModelCrystal(view, view.records["displaced_forces_for_dynamics"])
    modes = dy.supercell_normal_modes(crystal.phonon, crystal.full_force_constants)
    marks = looks(settings.steps)
    with running_folder(view) as folder:
        [start] = remembered_starts(view, [_start(view, crystal, modes, settings)])
        own = folder / "replica_0"
        drop_damaged_beginning(own)
        steps = Steps(view, _CHECKPOINT)
        record = partial(
            dy.record_md,
            own,
            moved_to(crystal.supercell, start),
            view.potential.calculator(),
            reference=sites(crystal.supercell),
            advance=partial(steps, 0),
        )
        seen, reason = None, "steps"
        for mark in marks:
            run = _until(own, record, _md_settings(settings, mark, temperature, start.seed))
            steps.count([run])
            if run.collapsed:
                seen, reason = None, "lost"
                break
            seen = _look(view, crystal, modes, run, settings, len(marks))
            if seen.frozen.left:
                reason = "left"
                break
            # what has not had the time to leave may still do so; a class beyond the others cannot change
            stays = seen.frozen.left is False or seen.verdict.mean > EDGES[-1]
            if seen.verdict.reason == "class" and stays:
                reason = "class"
                break
    return Result(
        values=_values(crystal, run, seen, reason),
        arrays={
            "steps": run.frames.steps,
            "positions": run.frames.positions,
            "forces": run.frames.forces,
            "potential_energy": run.frames.potential_energy,
            "temperature": run.frames.temperature,
            "sigma_t_staged": np.empty(0) if seen is None else seen.per_frame,
        },
    )


def _start(view: View, crystal: ModelCrystal, modes: dy.NormalModes, settings: StagedSettings) -> Start:
    """A sample of the self-consistent crystal: its real modes are in equilibrium from the first step on."""
    effective = view.records["self_consistent_forces"].arrays["frequencies_effective"]
    thermal = dy.ThermalSettings(temperature=view.settings(SelfConsistentSampling).temperature)
    seed = replica_seed(view.seed, settings.seed, 0)
    sample = dy.random_samples(replace(modes, frequencies=effective), thermal, 1, seed).displacements[0]
    return Start(sites(crystal.supercell) + sample, "self-consistent sample", None, seed)


def _md_settings(settings: StagedSettings, steps: int, temperature: float, seed: int) -> dy.MDSettings:
    return dy.MDSettings(
        thermostat="langevin",
        temperature=temperature,
        timestep=settings.timestep,
        friction=settings.friction,
        steps=steps,
        sample_every=_SAMPLE_EVERY,
        checkpoint_every=_CHECKPOINT,
        seed=seed,
    )


def _until(folder: Path, record: Callable[..., dy.MDRun], settings: dy.MDSettings) -> dy.MDRun:
    """The run as it is after so many steps, though more may have been made before an interruption."""
    known = dy.read_md(folder) if dy.TrajectoryWriter(folder).path(0).exists() else None
    if known is None or (known.last_step < settings.steps and not known.collapsed):
        return record(settings=settings)
    if known.last_step <= settings.steps:
        return known
    frames = known.frames.until(settings.steps)
    return replace(known, frames=frames, status="completed", last_step=settings.steps, reason="")


def _look(
    view: View,
    crystal: ModelCrystal,
    modes: dy.NormalModes,
    run: dy.MDRun,
    settings: StagedSettings,
    n_looks: int,
) -> _Seen:
    """What the frames so far say; those at the beginning are left out."""
    trajectory = Trajectory(
        lattice=crystal.supercell.lattice,
        numbers=crystal.supercell.numbers,
        positions=run.frames.positions,
        forces=run.frames.forces,
        source=f"dynamics of {view.name}",
    )
    moved = displacements(trajectory, crystal.supercell)
    subject = f"{view.potential_name} in dynamics of {view.name}"
    harmonic = harmonic_forces(crystal.full_force_constants, moved)
    per_frame = sigma(run.frames.forces, harmonic, subject=subject).per_frame
    first = int(np.searchsorted(run.frames.steps, _DISCARD, side="right"))
    tolerance = view.protocol.imaginary_tolerance
    frozen = dy.frozen_displacement(moved[first:], modes, run.settings, tolerance=tolerance)
    rule = StopRule(settings.certainty, edges=EDGES)
    return _Seen(frozen, per_frame, judge(per_frame[first:], None, rule, n_looks, subject=subject))


def _values(crystal: ModelCrystal, run: dy.MDRun, seen: _Seen | None, reason: str) -> dict[str, Any]:
    """What was decided, by what, and σ."""
    values: dict[str, Any] = {
        "staged_md_steps": run.last_step,
        "staged_decided_by": "nothing" if reason == "steps" else "dynamics",
    }
    unstable = {
        "staged_left": True,
        "sigma_staged_class": CLASSES[-1],
        **{f"sigma_staged_p_{name}": float(name == CLASSES[-1]) for name in CLASSES},
    }
    if seen is None:
        return {**values, **unstable, "sigma_staged_mean_t": None, "staged_reason": run.summary}
    values |= {"staged_frozen_share": seen.frozen.share, "staged_frozen_expected": seen.frozen.expected}
    if reason == "left":
        first = len(seen.per_frame) - seen.frozen.n_frames
        since = first + seen.frozen.since
        left = left_for(crystal, seen.frozen, float(run.times[since]))
        before = seen.per_frame[first:since]
        return {
            **values,
            **unstable,
            **{f"staged_{name}": value for name, value in left.items()},
            "sigma_staged_mean_t": float(before.mean()) if len(before) else None,
            "staged_sigma_after_leaving": float(seen.per_frame[since:].mean()),
            "staged_reason": said_of_leaving(left),
        }
    verdict = seen.verdict
    chances = verdict.probabilities or (None,) * len(CLASSES)
    name = classify(verdict.mean)
    said = f"{name} after" if reason == "class" else f"no class certain, {name} by the mean, after"
    return {
        **values,
        "sigma_staged_mean_t": verdict.mean,
        "sigma_staged_mean_t_low": verdict.low,
        "sigma_staged_mean_t_high": verdict.high,
        "sigma_staged_class": name,
        **{f"sigma_staged_p_{one}": chance for one, chance in zip(CLASSES, chances, strict=True)},
        "staged_reason": f"{said} {run.times[-1]:.1f} ps of dynamics",
    }


def _calls(view: View) -> int:
    """All steps; before the first after each look the potential is evaluated three times."""
    steps = view.settings(StagedSettings).steps
    return steps + 3 * len(looks(steps))


MEASUREMENTS = (
    Measurement(
        "staged",
        version=1,
        function=staged,
        uses=(
            "structure",
            "potential",
            "seed",
            "staged",
            "self_consistent.temperature",
            "protocol.symmetrise",
            "protocol.imaginary_tolerance",
        ),
        requires=(
            "displaced_forces_for_dynamics",
            "model_phonons",
            "self_consistent_forces",
            "self_consistent",
        ),
        title="dynamic stability of the potential alone in stages: modes, samples, short dynamics",
        details=sampled_details("staged"),
        settings=StagedSettings,
        columns=(
            Column("sigma_staged_class", "class", "class, staged", main=True),
            Column("staged_decided_by", "decided by", "class decided by", main=True),
            Column("staged_reason", "because", "class decided because"),
            Column("sigma_staged_mean_t", "⟨σ(t)⟩", "⟨σ(t)⟩, staged", main=True),
            Column("staged_md_steps", "steps of dynamics"),
        ),
        chapter="Anharmonicity",
        calls=_calls,
    ),
)
