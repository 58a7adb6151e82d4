"""σ⁽²⁾ of the potential on its own dynamics (``model_only``, paper Fig. 4)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmode import dynamics as dy
from softmode.anharmonic.classes import CLASSES
from softmode.anharmonic.displacements import displacements
from softmode.anharmonic.sigma import harmonic_forces, sigma
from softmode.crystal import Trajectory
from softmode.crystal.arrays import FloatArray
from softmode.measurements.declaration import Column, Measurement, Result
from softmode.measurements.md.details import md_details
from softmode.measurements.md.leaving import left_for, said_of_leaving
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

    Frames of the first ``discard`` steps of each replica are left out. Where a replica lost the crystal, or
    left the phase for another, σ of the frames before is given all the same, but the class is that of an
    unstable crystal, for certain: σ is measured from the sites of the phase that was left.
    """
    run, settings = view.records["md"], view.settings(DynamicsSettings)
    discard = settings.discard
    crystal = ModelCrystal(view, view.records["displaced_forces_for_dynamics"])
    collapsed = bool(run.values["md_collapsed"])
    kept, lengths = kept_frames(run, discard)
    moved, harmonic = _moved(view, crystal, run)
    frames, left = _before_leaving(view, crystal, run, moved, kept)
    notes = _notes(run, discard)
    if left is not None:
        notes.append(said_of_leaving(left))
        after = sigma(run.arrays["forces"][kept & ~frames], harmonic[kept & ~frames], subject=view.name)
        left["sigma_after_leaving"] = float(after.per_frame.mean())
        lengths = _lengths(frames, run)
    common = {
        "model_only_left": left is not None,
        **{f"model_only_{name}": value for name, value in (left or {}).items()},
        "model_only_n_frames": int(frames.sum()),
        "model_only_discarded_frames": int((~frames).sum()),
    }
    if not frames.any():
        notes.append(f"no frames after step {discard}" if left is None else "no frames before it left")
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
    side = Side(run.arrays["forces"][frames], crystal.full_force_constants, harmonic[frames])
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
            **(_UNSTABLE_VALUES if collapsed or left is not None else {}),
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
    return kept, _lengths(kept, run)


def _lengths(kept: NDArray[np.bool_], run: Record) -> tuple[int, ...]:
    """How many of the frames there are of each replica that has any."""
    return tuple(int(part.sum()) for part in _by_replica(kept, run) if part.any())


def _by_replica(frames: NDArray[Any], run: Record) -> list[NDArray[Any]]:
    return np.split(frames, np.cumsum(run.arrays["run_lengths"])[:-1])


def _before_leaving(
    view: View, crystal: ModelCrystal, run: Record, moved: FloatArray, kept: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], dict[str, Any] | None]:
    """Frames before a replica left the phase, and of the first replica that did, when and for what."""
    settings, tolerance = view.settings(DynamicsSettings), view.protocol.imaginary_tolerance
    modes = dy.supercell_normal_modes(crystal.phonon, crystal.full_force_constants)
    frames, found = kept.copy(), None
    for own in _by_replica(np.arange(len(kept)), run):
        shown = own[kept[own]]
        if len(shown) < dy.FEWEST_FRAMES:
            continue
        frozen = dy.frozen_displacement(moved[shown], modes, settings, tolerance=tolerance)
        if frozen.left:
            gone = shown[frozen.since :]
            frames[gone] = False
            time = 1e-3 * settings.timestep * float(run.arrays["steps"][gone[0]])
            found = found or left_for(crystal, frozen, time)
    return frames, found


def _moved(view: View, crystal: ModelCrystal, run: Record) -> tuple[FloatArray, FloatArray]:
    """Displacements and harmonic forces of all frames."""
    if not len(run.arrays["positions"]):
        return run.arrays["positions"], run.arrays["forces"]
    trajectory = Trajectory(
        lattice=crystal.supercell.lattice,
        numbers=crystal.supercell.numbers,
        positions=run.arrays["positions"],
        forces=run.arrays["forces"],
        source=f"molecular dynamics of {view.name}",
    )
    moved = displacements(trajectory, crystal.supercell)
    return moved, harmonic_forces(crystal.full_force_constants, moved)


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
    uses=("structure", "protocol.symmetrise", "protocol.imaginary_tolerance", "md", "seed"),
    requires=("displaced_forces_for_dynamics", "md"),
    title="σ⁽²⁾ of the potential alone in its own molecular dynamics, and whether the crystal survives",
    details=md_details,
    columns=(
        Column("md_status", "dynamics", main=True),
        Column("md_temperature_K", "temperature, K", "temperature of the dynamics, K"),
        Column("model_only_left_at_ps", "left its phase, ps"),
        Column("model_only_left_for", "for", "left its phase for"),
        *sigma_columns("model_only"),
    ),
    chapter="Dynamics",
)
