"""What every measurement of σ⁽²⁾ shares: scores as named values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from phonopy import Phonopy

from softmode.anharmonic.classes import CLASSES, classify
from softmode.anharmonic.modes import mode_sigma, supercell_modes
from softmode.anharmonic.score import Score, score, score_of_part
from softmode.anharmonic.sigma import Sigma, sigma
from softmode.crystal.arrays import FloatArray
from softmode.measurements.declaration import Result
from softmode.measurements.shared import Side
from softmode.measurements.view import View


@dataclass(frozen=True)
class Part:
    """Of what the configurations are those that a sequential rule stopped at.

    Parameters
    ----------
    population : int or None
        Frames of the trajectory; None for independent samples.
    n_looks : int
        Among how many looks the chance of an error is divided.
    worth : float or None
        Independent frames that all of these are worth, by the reference's σ(t).
    stopped : str
        Why no more were evaluated, see :data:`softmode.measurements.frames.REASONS`.
    """

    population: int | None
    n_looks: int
    worth: float | None
    stopped: str


@dataclass(frozen=True, eq=False)
class Scored:
    """Values of an approach, σ(t), and why there is no interval.

    Parameters
    ----------
    values : dict of str to object
        Named ``sigma_<approach>_…``.
    per_frame : (n_frames,) array
        σ(t).
    note : str
        Empty when there is an interval.
    """

    values: dict[str, Any]
    per_frame: FloatArray
    note: str


def scored(
    view: View,
    approach: str,
    forces: FloatArray,
    harmonic: FloatArray,
    *,
    labels: Mapping[str, tuple[str, ...]],
    run_lengths: Sequence[int],
    subject: str,
    no_interval: str = "",
    independent: bool = False,
    part: Part | None = None,
) -> Scored:
    """σ⁽²⁾ of forces against their harmonic part, with everything resolved and an interval.

    Parameters
    ----------
    view : View
        Of a measurement that uses the seed.
    approach : str
        What is combined with what; part of every name.
    forces, harmonic : (n_frames, n_atoms, 3) arrays
        eV/Å.
    labels : mapping of str to tuple of str
        ``element`` and ``site`` of each atom.
    run_lengths : sequence of int
        Frames of each run.
    subject : str
        For messages.
    no_interval : str
        Why the frames, which are not random, can have no interval; empty when they are.
    independent : bool
        Whether they are known to be independent.
    part : Part, optional
        What a sequential rule left them of.
    """
    result = sigma(forces, harmonic, subject=subject)
    if no_interval:
        mean = float(result.per_frame.mean())
        given = Score(mean, None, None, None, classify(mean), None, note=no_interval)
    elif part is not None and len(forces) != part.population:
        given = score_of_part(
            result.per_frame,
            run_lengths,
            part.n_looks,
            population=part.population,
            worth=part.worth,
            subject=view.name,
        )
    else:
        given = score(
            result.per_frame, run_lengths, seed=view.seed, subject=view.name, independent=independent
        )
    values = _sigma_values(approach, result, given, labels)
    return Scored(values, result.per_frame, given.note)


def mode_results(phonon: Phonopy, name: str, side: Side) -> Result:
    """σ⁽²⁾ by set of degenerate phonon modes, named after the side."""
    modes = mode_sigma(supercell_modes(phonon, side.force_constants), side.forces, side.harmonic)
    return Result(
        values={f"sigma_{name}_mass_weighted": modes.mass_weighted},
        arrays={
            f"mode_frequencies_{name}": modes.frequencies,
            f"mode_multiplicities_{name}": modes.multiplicities,
            f"mode_qpoints_{name}": modes.qpoints,
            f"mode_sigma_{name}": modes.sigma,
            f"mode_imaginary_{name}": modes.imaginary,
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
        f"{prefix}_autocorrelation_time_frames": given.autocorrelation_time,
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
