"""Anharmonicity measurements in a cell: the reference trajectory under the potential, and σ⁽²⁾."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmode.anharmonic.classes import NO_INTERVAL
from softmode.anharmonic.score import score_of_part
from softmode.anharmonic.sigma import harmonic_forces, sigma, sigma_std_by
from softmode.crystal.arrays import FloatArray, IntArray
from softmode.measurements.conditions import Conditions
from softmode.measurements.declaration import Column, Facts, Given, Measurement, Result, SettingsTable, Use
from softmode.measurements.evaluation import forces_on, forces_until
from softmode.measurements.frames import REASONS, USUAL, Frames, Until, lengths_of, one_in
from softmode.measurements.functionals import LEVELS_OF_THEORY, functional_values
from softmode.measurements.sampled import sigma_columns
from softmode.measurements.scoring import Part, Scored, mode_results, scored
from softmode.measurements.shared import ModelCrystal, Side, labels, moved, phonon, reference_side, supercell
from softmode.measurements.sigma_details import FORCE_PARTS, sigma_details
from softmode.measurements.sigma_panels import panels
from softmode.measurements.view import View
from softmode.statistics.autocorrelation import correlation_times
from softmode.statistics.sequential import StopRule, covering_order, judge, looks

#: Ways of combining force constants and forces on the reference's configurations: both of the reference;
#: forces of the potential; both of the potential; force constants of the potential, forces of the reference.
APPROACHES = ("reference", "phi_ref", "phi_model", "phi_model_ref_forces")

_HISTOGRAM_BINS = 121


class SigmaSettings(SettingsTable):
    """σ⁽²⁾ on the reference trajectory, ``[sigma]`` in a study file.

    Attributes
    ----------
    frames : Frames
        On which the potential is evaluated: ``"all"``, ``{every = 5}`` or ``"adaptive"``. The reference has
        its forces on all of them.
    """

    frames: Frames = Frames()


def trajectory_forces(view: View) -> Result:
    """Forces of the potential on frames of the reference trajectory; goes on where it was stopped.

    Raises
    ------
    NonFiniteForcesError
        Naming every frame on which the potential fails.
    """
    template, positions = supercell(view).to_atoms(), view.trajectory.positions
    if "every" in view.inputs():
        frames = np.flatnonzero(one_in(view.trajectory.run_lengths, view.given("every"))[0])
        result = forces_on(view, template, positions[frames], "reference frames")
        return Result(result.values, {"frames": frames, **result.arrays})
    if "until" in view.inputs():
        order, rule = (
            covering_order(len(positions), view.seed),
            Until.model_validate(view.given("until")).rule,
        )
        enough = _Enough(view, rule)
        result = forces_until(view, template, positions, order, enough, "reference frames")
        n_looks = enough.rule.paid_looks(len(positions))
        return Result({**result.values, "n_looks": n_looks, "worth": enough.worth}, result.arrays)
    return forces_on(view, template, positions, "reference frames")


@dataclass(frozen=True, eq=False)
class _Enough:
    """Whether forces on some frames settle what is asked for, with force constants of both sides."""

    view: View
    rule: StopRule

    @cached_property
    def _harmonic(self) -> tuple[FloatArray, FloatArray]:
        crystal = ModelCrystal(self.view, self.view.records["displaced_forces_for_sigma"])
        of_model = harmonic_forces(crystal.full_force_constants, moved(self.view))
        return reference_side(self.view).harmonic, of_model

    @cached_property
    def worth(self) -> float:
        """Independent frames that the trajectory is worth: the reference's σ(t) is known on all of them."""
        side, trajectory = reference_side(self.view), self.view.trajectory
        series = sigma(side.forces, side.harmonic, subject=trajectory.source).per_frame
        time = correlation_times(series, trajectory.run_lengths, subject=trajectory.source).integrated
        return trajectory.n_frames / (2.0 * time)

    def __call__(self, frames: IntArray, forces: FloatArray) -> str:
        """Why the frames are enough; an empty text when they are not."""
        trajectory = self.view.trajectory
        verdicts = [
            judge(
                sigma(forces, harmonic[frames], subject=trajectory.source).per_frame,
                lengths_of(frames, trajectory.run_lengths),
                self.rule,
                self.rule.paid_looks(trajectory.n_frames),
                population=trajectory.n_frames,
                worth=self.worth,
                subject=trajectory.source,
            )
            for harmonic in self._harmonic
        ]
        reasons = [verdict.reason for verdict in verdicts]
        # the weaker of two reasons is the one that is given
        return max(reasons, key=list(REASONS).index) if all(reasons) else ""


@dataclass(frozen=True, eq=False)
class _Evaluated:
    """The frames that the potential was evaluated on, with both sides' forces on these."""

    frames: IntArray
    run_lengths: tuple[int, ...]
    reference: Side
    model: Side
    part: Part | None

    @classmethod
    def of(cls, view: View) -> _Evaluated:
        """From the record of the potential's forces."""
        found, trajectory = view.records["trajectory_forces"], view.trajectory
        constants = ModelCrystal(view, view.records["displaced_forces_for_sigma"]).full_force_constants
        reference, displaced, forces = reference_side(view), moved(view), found.arrays["forces"]
        frames = found.arrays.get("frames")
        if frames is None:
            model = Side(forces, constants, harmonic_forces(constants, displaced))
            return cls(np.arange(len(forces)), trajectory.run_lengths, reference, model, None)
        own, n = found.values, trajectory.n_frames
        return cls(
            frames,
            lengths_of(frames, trajectory.run_lengths),
            Side(reference.forces[frames], reference.force_constants, reference.harmonic[frames]),
            Side(forces, constants, harmonic_forces(constants, displaced[frames])),
            Part(n, own["n_looks"], own["worth"], own["stopped"]) if "stopped" in own else None,
        )


def _scored(
    view: View,
    approach: str,
    side: tuple[FloatArray, FloatArray],
    run_lengths: Sequence[int],
    subject: str,
    part: Part | None = None,
) -> Scored:
    """Score of forces and their harmonic part on frames of the reference trajectory."""
    return scored(
        view, approach, *side, labels=labels(view), run_lengths=run_lengths, subject=subject, part=part
    )


def reference_sigma(view: View) -> Result:
    """σ⁽²⁾ of the reference alone; it needs no potential, so that it is known where potentials fail."""
    side = reference_side(view)
    source, lengths = view.trajectory.source, view.trajectory.run_lengths
    scored = _scored(view, "reference", (side.forces, side.harmonic), lengths, source)
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
    of_reference, evaluated = view.records["reference_sigma"], _Evaluated.of(view)
    reference, model, n_frames = evaluated.reference, evaluated.model, view.trajectory.n_frames
    values: dict[str, Any] = dict(of_reference.values)
    arrays: dict[str, NDArray[Any]] = dict(of_reference.arrays)
    subject = f"{view.potential_name} on the trajectory of {view.name}"
    means = {"reference": float(of_reference.arrays["sigma_t_reference"][evaluated.frames].mean())}
    for approach, side in (
        ("phi_ref", (model.forces, reference.harmonic)),
        ("phi_model", (model.forces, model.harmonic)),
        ("phi_model_ref_forces", (reference.forces, model.harmonic)),
    ):
        scored = _scored(view, approach, side, evaluated.run_lengths, subject, evaluated.part)
        values |= scored.values
        means[approach] = float(values[f"sigma_{approach}_mean_t"])
        arrays[f"sigma_t_{approach}"] = np.full(n_frames, np.nan)
        arrays[f"sigma_t_{approach}"][evaluated.frames] = scored.per_frame
        if evaluated.part is not None:
            arrays |= _course(view, evaluated.part, approach, arrays[f"sigma_t_{approach}"])
    modes = mode_results(phonon(view), "model", model)
    parts = _parts(reference, model)
    values |= {**modes.values, **_force_errors(parts), **_attribution(means)}
    values |= {**functional_values(view), **_extent(evaluated, n_frames, values)}
    return Result(values=values, arrays={**arrays, **modes.arrays, **_parity(parts)})


def _course(view: View, part: Part, approach: str, per_frame: FloatArray) -> dict[str, NDArray[Any]]:
    """Mean and interval at each look, for the picture of how they came to be known."""
    order = covering_order(part.population or 0, view.seed)
    schedule = [n for n in looks(len(order)) if np.isfinite(per_frame[order[:n]]).all()]
    rows = []
    for n in schedule:
        seen = np.sort(order[:n])
        lengths = lengths_of(seen, view.trajectory.run_lengths)
        found = score_of_part(
            per_frame[seen],
            lengths,
            part.n_looks,
            population=part.population,
            worth=part.worth,
            subject=view.name,
        )
        rows.append((found.mean_t, *(found.interval or (np.nan, np.nan))))
    return {"looks": np.array(schedule), f"looks_{approach}": np.array(rows)}


def _extent(evaluated: _Evaluated, n_frames: int, values: Mapping[str, Any]) -> dict[str, Any]:
    """How many frames the potential was evaluated on, and why no more; nothing where it was on all."""
    n, part = len(evaluated.frames), evaluated.part
    if part is None and n == n_frames:
        return {}
    reason = "every" if part is None else part.stopped
    bounds = [
        [values[f"sigma_{approach}_mean_t_{side}"] for side in ("low", "high")]
        for approach in ("phi_ref", "phi_model")
    ]
    known = None if None in bounds[0] + bounds[1] else max(high - low for low, high in bounds) / 2
    reached = NO_INTERVAL if known is None else f"⟨σ(t)⟩ to ± {known:.2g}"
    return {
        "sigma_n_evaluated": n,
        "sigma_stopped": reason,
        "sigma_extent_note": f"{n} of {n_frames} frames: {REASONS[reason]}; {reached}",
    }


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


def _attribution(mean: Mapping[str, float]) -> dict[str, float]:
    """Shares of forces and Hessian in σ_phi_model - σ_reference, averaged over both orders (Shapley).

    On the same frames for all, so that the shares add up.
    """
    return {
        "sigma_force_error": 0.5
        * (mean["phi_ref"] - mean["reference"] + mean["phi_model"] - mean["phi_model_ref_forces"]),
        "sigma_hessian_error": 0.5
        * (mean["phi_model_ref_forces"] - mean["reference"] + mean["phi_model"] - mean["phi_ref"]),
    }


def _uses(conditions: Conditions, facts: Facts) -> tuple[Use, ...]:  # noqa: ARG001
    """All frames: nothing but them. Otherwise which, or what decides when there are enough."""
    own, frames = ("structure", "trajectory", "potential"), conditions.of(SigmaSettings).frames
    if frames.adaptive:
        until = Given("until", lambda conditions, facts: _until(conditions))
        return (*own, "reference", "protocol.symmetrise", "seed", until)
    if frames.every > 1:
        return (*own, Given("every", lambda conditions, facts: conditions.of(SigmaSettings).frames.every))
    return own


def _divides(inputs: Mapping[str, Any]) -> bool:
    """Whether it is known beforehand which frames."""
    return "until" not in inputs


def _until(conditions: Conditions) -> dict[str, float | None]:
    frames = conditions.of(SigmaSettings).frames
    return {"certainty": frames.certainty, "interval": frames.interval}


def _force_constants(conditions: Conditions) -> tuple[str, ...]:
    """What decides when there are enough frames."""
    return ("displaced_forces_for_sigma",) if conditions.of(SigmaSettings).frames.adaptive else ()


def _calls(view: View) -> int:
    n, inputs = view.trajectory.n_frames, view.inputs()
    return min(n, USUAL) if "until" in inputs else -(-n // inputs.get("every", 1))


MEASUREMENTS = (
    Measurement(
        "reference_sigma",
        version=2,
        function=reference_sigma,
        uses=("reference", "trajectory", "protocol.symmetrise", "seed"),
        title="σ⁽²⁾ of the reference on its own trajectory",
        columns=sigma_columns("reference"),
        chapter="Anharmonicity",
    ),
    Measurement(
        "trajectory_forces",
        version=1,
        function=trajectory_forces,
        uses=_uses,
        requires_also=_force_constants,
        stops=("until",),
        divides=_divides,
        calls=_calls,
    ),
    Measurement(
        "sigma",
        version=3,
        function=sigma_comparison,
        uses=("reference", "trajectory", "protocol.symmetrise", "seed", LEVELS_OF_THEORY),
        requires=("reference_sigma", "displaced_forces_for_sigma", "trajectory_forces"),
        title="σ⁽²⁾ of the potential on the reference's configurations, and what its error comes from",
        settings=SigmaSettings,
        columns=(
            *sigma_columns("phi_ref"),
            *sigma_columns("phi_model"),
            *(
                Column(f"{part}_mae_eV_per_A", f"MAE({name}), eV/Å", better="low", main=part == "force")
                for part, name in FORCE_PARTS.items()
            ),
            Column("sigma_force_error", "force error in σ", better="target", target=0.0),
            Column("sigma_hessian_error", "Hessian error in σ", better="target", target=0.0),
            Column("sigma_extent_note", "evaluated", "frames evaluated"),
        ),
        chapter="Anharmonicity",
        panels=panels,
        details=sigma_details,
    ),
)
