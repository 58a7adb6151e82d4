"""What the ways to σ⁽²⁾ of a potential alone share: forces on samples, and their score."""

from __future__ import annotations

from softmode import dynamics as dy
from softmode.anharmonic.sigma import harmonic_forces
from softmode.measurements.declaration import Column, Result
from softmode.measurements.evaluation import forces_on
from softmode.measurements.scoring import mode_results, scored
from softmode.measurements.shared import ModelCrystal, Side, cell_labels
from softmode.measurements.view import View
from softmode.records import Record


def sigma_columns(approach: str) -> tuple[Column, ...]:
    """Columns of a way to σ⁽²⁾."""
    prefix = f"sigma_{approach}"
    return (
        Column(f"{prefix}_mean_t", "⟨σ(t)⟩"),
        Column(f"{prefix}_mean_t_low", "95 %, low"),
        Column(f"{prefix}_mean_t_high", "95 %, high"),
        Column(f"{prefix}_overall", "σ overall"),
        Column(f"{prefix}_class", "class"),
    )


def forces_on_samples(
    view: View,
    crystal: ModelCrystal,
    samples: dy.ThermalSamples,
    name: str,
    of_modes: dy.ThermalSamples,
) -> Result:
    """Forces on samples; `of_modes` says which modes had no amplitude of their own."""
    positions = samples.positions(crystal.supercell)
    result = forces_on(view, crystal.supercell.to_atoms(), positions, "thermal samples")
    return Result(
        values={
            **{f"{name}_{key}": value for key, value in result.values.items()},
            f"{name}_n_imaginary": of_modes.n_imaginary,
            f"{name}_n_treated": of_modes.n_treated,
            f"{name}_notes": list(of_modes.notes),
        },
        arrays={**result.arrays, "displacements": samples.displacements},
    )


def sampled_sigma(view: View, approach: str, sampled: Record, no_interval: str = "") -> Result:
    """σ⁽²⁾ on independent samples with the potential's own force constants at rest."""
    crystal = ModelCrystal(view, view.records["displaced_forces_for_dynamics"])
    harmonic = harmonic_forces(crystal.full_force_constants, sampled.arrays["displacements"])
    side = Side(sampled.arrays["forces"], crystal.full_force_constants, harmonic)
    result = scored(
        view,
        approach,
        side.forces,
        side.harmonic,
        labels=cell_labels(crystal.supercell),
        run_lengths=(len(side.forces),),
        subject=f"{view.potential_name} on thermal samples of {view.name}",
        no_interval=no_interval,
    )
    modes = mode_results(crystal.phonon, approach, side)
    return Result(
        values={**result.values, **modes.values, f"{approach}_interval_note": result.note},
        arrays={f"sigma_t_{approach}": result.per_frame, **modes.arrays},
    )
