"""The field's metrics of one material, on the mesh: extreme frequencies, thermodynamics, density of states.

They can be set beside those of other benchmarks; docs/harmonic.md says which is which there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from softmode import harmonic as hm
from softmode.harmonic.thermodynamics import (
    density_of_states,
    imaginary_mode_share,
    kelvin,
    thermodynamics,
    wasserstein_distance,
)
from softmode.measurements.declaration import Result

#: K; entropy, free energy and heat capacity are those at this temperature.
TEMPERATURE = 300.0
#: With a larger share of imaginary modes there is no thermodynamics.
MOSTLY = 0.5

#: Figures of each side, ``{}`` being ``reference``, ``model`` or ``difference`` (model less reference).
THERMODYNAMIC_FIGURES = {
    "entropy_{}_J_per_molK": "entropy, J/(mol K)",
    "free_energy_{}_kJ_per_mol": "free energy, kJ/mol",
    "heat_capacity_{}_J_per_molK": "heat capacity, J/(mol K)",
}
FREQUENCY_FIGURES = {
    "lowest_{}_THz": "lowest mode, THz",
    "mean_frequency_{}_THz": "mean frequency, THz",
    "largest_{}_THz": "largest mode, THz",
}
KELVIN_FIGURES = {name.replace("THz", "K"): label[:-3] + "K" for name, label in FREQUENCY_FIGURES.items()}
#: What ``softmode phonons`` and notebooks show of each side beside the figures of path and mesh.
SIDED_FIGURES = {
    **KELVIN_FIGURES,
    **THERMODYNAMIC_FIGURES,
    "imaginary_modes_{}": "share of imaginary modes",
}
DOS_DISTANCE = "dos_distance_THz"
DOS_DISTANCE_TITLE = "distance of the DOS, THz"
NOTE = "thermodynamics_note"

_SIDES = {"reference": "reference", "model": "potential"}
_DOS_POINTS = 221


def field_metrics(
    comparison: hm.HarmonicComparison,
    reference: hm.Dispersion,
    model: hm.Dispersion,
    grid: hm.QMesh,
    formula_units: int,
) -> Result:
    """Thermodynamics and densities of states of both sides on a mesh, and how far they are apart.

    Parameters
    ----------
    comparison : HarmonicComparison
        Of the two on this mesh.
    reference, model : Dispersion
        On this mesh.
    grid : QMesh
        The mesh.
    formula_units : int
        Of the primitive cell.

    Returns
    -------
    Result
        Values ``mesh_…`` of both sides (:data:`SIDED_FIGURES`) and their differences; of a side that is
        mostly imaginary the thermodynamics is None, and ``mesh_thermodynamics_note`` says so. Arrays
        ``dos_frequencies`` (THz), ``dos_reference``, ``dos_model`` (states per THz and primitive cell).
    """
    found: dict[str, Any] = {}
    frequencies: dict[tuple[str, str], float] = {}
    notes = []
    for side, dispersion in (("reference", reference), ("model", model)):
        for name in FREQUENCY_FIGURES:
            in_terahertz = getattr(comparison, name.format(side).removesuffix("_THz"))
            if abs(in_terahertz) < hm.FREQUENCY_CUTOFF:  # a translation: zero but for rounding
                in_terahertz = 0.0
            frequencies[name, side] = in_terahertz
            found[name.format(side).replace("THz", "K")] = kelvin(in_terahertz)
        share = found[f"imaginary_modes_{side}"] = imaginary_mode_share(dispersion, grid.weights)
        thermal: tuple[float | None, ...] = (None,) * len(THERMODYNAMIC_FIGURES)
        if share > MOSTLY:
            notes.append(f"{share:.0%} of the modes of the {_SIDES[side]} are imaginary: no thermodynamics")
        else:
            own = thermodynamics(dispersion, grid.weights, TEMPERATURE, formula_units)
            thermal = own.entropy, own.free_energy, own.heat_capacity
        found |= zip((name.format(side) for name in THERMODYNAMIC_FIGURES), thermal, strict=True)
    for name in FREQUENCY_FIGURES:
        found[name.format("difference")] = frequencies[name, "model"] - frequencies[name, "reference"]
    for name in (*KELVIN_FIGURES, *THERMODYNAMIC_FIGURES):
        both = found[name.format("model")], found[name.format("reference")]
        found[name.format("difference")] = None if None in both else both[0] - both[1]
    found[DOS_DISTANCE] = wasserstein_distance(reference.frequencies, model.frequencies, grid.weights)
    found[NOTE] = "; ".join(notes)
    lowest = min(comparison.lowest_reference, comparison.lowest_model)
    highest = max(comparison.largest_reference, comparison.largest_model)
    smearing = max((highest - lowest) / 100.0, 0.01)
    at = np.linspace(lowest - 5.0 * smearing, highest + 5.0 * smearing, _DOS_POINTS)
    return Result(
        values={
            **{f"mesh_{name}": value for name, value in found.items()},
            "mesh_temperature_K": TEMPERATURE,
            "mesh_formula_units": formula_units,
            "mesh_dos_smearing_THz": smearing,
        },
        arrays={
            "dos_frequencies": at,
            "dos_reference": density_of_states(reference.frequencies, grid.weights, at, smearing),
            "dos_model": density_of_states(model.frequencies, grid.weights, at, smearing),
        },
    )
