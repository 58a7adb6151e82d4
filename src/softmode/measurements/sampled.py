"""What the ways to σ⁽²⁾ of a potential alone share: forces on samples, and their score."""

from __future__ import annotations

import numpy as np

from softmode import dynamics as dy
from softmode.anharmonic.sigma import harmonic_forces, sigma
from softmode.crystal.arrays import FloatArray, IntArray
from softmode.measurements.declaration import Column, Result
from softmode.measurements.evaluation import forces_on, forces_until
from softmode.measurements.frames import REASONS, Until
from softmode.measurements.scoring import Part, mode_results, scored
from softmode.measurements.shared import ModelCrystal, Side, cell_labels
from softmode.measurements.view import View
from softmode.records import Record
from softmode.statistics.sequential import judge

#: Ways to σ⁽²⁾, as they are called.
WAYS = {
    "reference": "reference",
    "phi_ref": "Φ of the reference",
    "phi_model": "Φ of the potential",
    "model_only": "dynamics",
    "staged": "staged",
    "self_consistent": "self-consistent",
    "one_shot": "one-shot",
}


def sigma_columns(approach: str) -> tuple[Column, ...]:
    """Columns of a way to σ⁽²⁾."""
    prefix, way, main = f"sigma_{approach}", WAYS[approach], approach != "phi_ref"
    return (
        Column(f"{prefix}_mean_t", "⟨σ(t)⟩", f"⟨σ(t)⟩, {way}", main=main),
        Column(f"{prefix}_mean_t_low", "95 %, low", f"⟨σ(t)⟩, {way}, 95 %, low"),
        Column(f"{prefix}_mean_t_high", "95 %, high", f"⟨σ(t)⟩, {way}, 95 %, high"),
        Column(f"{prefix}_overall", "σ overall", f"σ overall, {way}"),
        Column(f"{prefix}_class", "class", f"class, {way}", main=main),
    )


def forces_on_samples(
    view: View,
    crystal: ModelCrystal,
    samples: dy.ThermalSamples,
    name: str,
    of_modes: dy.ThermalSamples,
    until: Until,
) -> Result:
    """Forces on samples, on as many as it takes where that is asked for.

    `of_modes` says which modes had no amplitude of their own.
    """
    positions, template = samples.positions(crystal.supercell), crystal.supercell.to_atoms()
    what, displacements = "thermal samples", samples.displacements
    if not until.adaptive:
        result = forces_on(view, template, positions, what)
    else:
        rule, n_looks = until.rule, until.rule.paid_looks(len(positions))

        def enough(frames: IntArray, forces: FloatArray) -> str:
            harmonic = harmonic_forces(crystal.full_force_constants, displacements[frames])
            per_frame = sigma(forces, harmonic, subject=f"{what} of {view.name}").per_frame
            return judge(per_frame, None, rule, n_looks, independent=True, subject=view.name).reason

        result = forces_until(view, template, positions, np.arange(len(positions)), enough, what)
        result = Result({**result.values, "n_looks": n_looks}, result.arrays)
    return Result(
        values={
            **{f"{name}_{key}": value for key, value in result.values.items()},
            f"{name}_n_imaginary": of_modes.n_imaginary,
            f"{name}_n_treated": of_modes.n_treated,
            f"{name}_notes": list(of_modes.notes),
        },
        arrays={**result.arrays, "displacements": displacements[: len(result.arrays["forces"])]},
    )


def sampled_sigma(view: View, approach: str, sampled: Record, no_interval: str = "") -> Result:
    """σ⁽²⁾ on independent samples with the potential's own force constants at rest."""
    crystal = ModelCrystal(view, view.records["displaced_forces_for_dynamics"])
    harmonic = harmonic_forces(crystal.full_force_constants, sampled.arrays["displacements"])
    side = Side(sampled.arrays["forces"], crystal.full_force_constants, harmonic)
    stopped = sampled.values.get(f"{approach}_stopped")
    result = scored(
        view,
        approach,
        side.forces,
        side.harmonic,
        labels=cell_labels(crystal.supercell),
        run_lengths=(len(side.forces),),
        subject=f"{view.potential_name} on thermal samples of {view.name}",
        no_interval=no_interval,
        independent=True,
        part=None if stopped is None else Part(None, sampled.values[f"{approach}_n_looks"], None, stopped),
    )
    modes = mode_results(crystal.phonon, approach, side)
    extent = {} if stopped is None else {f"{approach}_extent_note": _extent(len(side.forces), stopped)}
    return Result(
        values={**result.values, **modes.values, f"{approach}_interval_note": result.note, **extent},
        arrays={f"sigma_t_{approach}": result.per_frame, **modes.arrays},
    )


def _extent(n: int, stopped: str) -> str:
    return (
        f"{n} samples: {REASONS.get(stopped, 'no more are allowed, and what was asked for is not reached')}"
    )
