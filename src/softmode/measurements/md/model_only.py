"""σ⁽²⁾ of the potential on its own dynamics (``model_only``, paper Fig. 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmode.anharmonic.classes import CLASSES
from softmode.anharmonic.displacements import displacements
from softmode.anharmonic.sigma import harmonic_forces
from softmode.crystal import Trajectory
from softmode.measurements.declaration import Column, Measurement, Result
from softmode.measurements.md.settings import DynamicsSettings
from softmode.measurements.sampled import sigma_columns
from softmode.measurements.scoring import mode_results, scored
from softmode.measurements.shared import ModelCrystal, Side, cell_labels
from softmode.measurements.view import View
from softmode.records import Record

#: Class of a crystal that its own dynamics does not keep.
_UNSTABLE_VALUES: dict[str, Any] = {
    "sigma_model_only_class": CLASSES[-1],
    **{f"sigma_model_only_p_{name}": float(name == CLASSES[-1]) for name in CLASSES},
}


def model_only(view: View) -> Result:
    """σ⁽²⁾ of the potential on its own dynamics, with its own force constants.

    Frames of the first ``discard`` steps of each replica are left out. Where a replica lost the crystal, σ of
    the frames before is given all the same, but the class is that of an unstable crystal, for certain.
    """
    run, discard = view.records["md"], view.settings(DynamicsSettings).discard
    crystal = ModelCrystal(view, view.records["displaced_forces_for_dynamics"])
    collapsed = bool(run.values["md_collapsed"])
    frames, lengths = kept_frames(run, discard)
    notes = _notes(run, discard)
    common = {
        "model_only_n_frames": int(frames.sum()),
        "model_only_discarded_frames": int((~frames).sum()),
    }
    if not frames.any():
        notes.append(f"no frames after step {discard}")
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
    side = _side(view, crystal, run, frames, lengths)
    subject = f"{view.potential_name} in its own dynamics of {view.name}"
    result = scored(
        view,
        "model_only",
        side.forces,
        side.harmonic,
        labels=cell_labels(crystal.supercell),
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
    view: View,
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
        source=f"molecular dynamics of {view.name}",
    )
    moved = displacements(trajectory, crystal.supercell)
    return Side(forces, crystal.full_force_constants, harmonic_forces(crystal.full_force_constants, moved))


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


MODEL_ONLY = Measurement(
    "model_only",
    version=2,
    function=model_only,
    uses=("structure", "protocol.symmetrise", "md.discard", "seed"),
    requires=("displaced_forces_for_dynamics", "md"),
    title="σ⁽²⁾ of the potential alone in its own molecular dynamics, and whether the crystal survives",
    columns=(
        Column("md_status", "dynamics"),
        Column("md_temperature_K", "temperature, K"),
        *sigma_columns("model_only"),
    ),
)
