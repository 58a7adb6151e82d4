"""What every σ⁽²⁾ measurement shares: force constants as the protocol says, scores as named values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from phonopy import Phonopy

from softmode import harmonic as hm
from softmode.anharmonic.classes import CLASSES, classify
from softmode.anharmonic.modes import mode_sigma, supercell_modes
from softmode.anharmonic.score import Score, score
from softmode.anharmonic.sigma import Sigma, sigma
from softmode.crystal import Cell, DisplacementForces, ForceConstants
from softmode.study.context import CellContext, Result
from softmode.study.material_work import Side
from softmode.study.records import Record

FloatArray = NDArray[np.float64]


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


def prepared(context: CellContext, phonon: Phonopy, force_constants: ForceConstants) -> ForceConstants:
    """Full force constants, symmetrised or not as the protocol says."""
    if context.protocol.symmetrise:
        force_constants = hm.symmetrised(phonon, force_constants)
    return hm.full_force_constants(phonon, force_constants)


def force_constants_of(context: CellContext, phonon: Phonopy, forces: Record) -> ForceConstants:
    """Compact force constants of the potential from a record of displaced forces, as they come.

    Parameters
    ----------
    context : CellContext
        For what is shared with other potentials.
    phonon : phonopy.Phonopy
        Of the structure the forces belong to.
    forces : Record
        Of a measurement ``displaced_forces``.
    """
    data = DisplacementForces(forces.arrays["displacements"], forces.arrays["forces"])
    if phonon is context.phonon:
        return context.work.force_constants(data)
    return hm.force_constants_from_forces(phonon, data)


def scored(
    context: CellContext,
    approach: str,
    forces: FloatArray,
    harmonic: FloatArray,
    *,
    cell: Cell,
    run_lengths: Sequence[int],
    subject: str,
    no_interval: str = "",
) -> Scored:
    """σ⁽²⁾ of forces against their harmonic part, with everything resolved and an interval.

    Parameters
    ----------
    context : CellContext
        For the seed and the material's name.
    approach : str
        What is combined with what; part of every name.
    forces, harmonic : (n_frames, n_atoms, 3) arrays
        eV/Å.
    cell : Cell
        The supercell, for elements and sites.
    run_lengths : sequence of int
        Frames of each run.
    subject : str
        For messages.
    no_interval : str
        Why the frames, which are not random, can have no interval; empty when they are.
    """
    result = sigma(forces, harmonic, subject=subject)
    if no_interval:
        mean = float(result.per_frame.mean())
        given = Score(mean, None, None, None, classify(mean), None, note=no_interval)
    else:
        given = score(result.per_frame, run_lengths, seed=context.seed, subject=context.material.name)
    values = _sigma_values(approach, result, given, context.work.labels(cell))
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
