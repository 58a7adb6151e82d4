"""The smallest frequency that a potential allows one to believe in a crystal, told from its own forces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from softmode import harmonic as hm
from softmode.crystal import DisplacementForces
from softmode.crystal.arrays import FloatArray
from softmode.measurements.declaration import Column, Measurement, Result
from softmode.measurements.detail_charts import named
from softmode.measurements.results import MaterialResults
from softmode.measurements.shared import ModelCrystal, plan
from softmode.measurements.view import View
from softmode.panel import Panel, Table, number

#: How the floors of a record are called.
FLOORS = {
    "sum_rule": "sum rule",
    "antisymmetry": "antisymmetry of Φ",
    "translation": "translation of the crystal",
    "displacement": "twice the displacement",
    "analytic": "analytic second derivatives",
}
NOISE_FLOOR = "noise_floor_THz"
#: Fractions of the supercell by which crystals are moved: irrational, so that no grid meets itself.
_SHIFTS = np.sqrt([2.0, 3.0, 5.0])
#: Forces are made again with this many times the displacement.
STRETCH = 2.0


def noise_floor(view: View) -> Result:
    """Force constants made in ways that should not matter, and what that moves of the softest modes.

    Returns
    -------
    Result
        ``noise_floors_THz`` by what was done (:data:`FLOORS`), the largest of them ``noise_floor_THz`` and
        which that is; the forces: ``forces_translated``, ``forces_stretched``, ``forces_analytic``.
    """
    crystal = ModelCrystal(view, view.records["displaced_forces"])
    displacements = view.records["displaced_forces"].arrays["displacements"]
    made = _forces(view, hm.DisplacementPlan(crystal.supercell.to_atoms(), displacements))
    points = hm.q_mesh(crystal.phonon, view.protocol.mesh_length).points
    floors = hm.own_floors(crystal.phonon, crystal.raw, points)
    vectors = hm.soft_mode_vectors(crystal.phonon, crystal.raw, points)
    for name, forces in made.items():
        scale = STRETCH if name == "displacement" else 1.0
        other = hm.force_constants_from_forces(
            crystal.phonon, DisplacementForces(scale * displacements, forces)
        )
        change = hm.difference(crystal.phonon, other, crystal.raw)
        floors[name] = hm.frequency_floor(crystal.phonon, change, points, vectors)
    largest = max(floors, key=lambda name: floors[name])
    values: dict[str, Any] = {
        NOISE_FLOOR: floors[largest],
        "noise_floor_from": FLOORS[largest],
        "noise_floors_THz": floors,
    }
    return Result(values, {f"forces_{name}": forces for name, forces in made.items()})


def _forces(view: View, displaced: hm.DisplacementPlan) -> dict[str, FloatArray]:
    """Forces on the displaced supercells made in other ways, as far as the potential has them."""
    potential, perfect = view.potential, displaced.perfect
    number = len(displaced.displacements)
    shifts = (np.outer(np.arange(1, number + 1), _SHIFTS) % 1.0) @ perfect.cell.array
    if view.protocol.force_constants == "analytic":
        moved = perfect.copy()
        moved.positions += shifts[0]
        return {"translation": -potential.hessian_products(moved, displaced.displacements)}
    translated = displaced.supercells()
    for atoms, shift in zip(translated, shifts, strict=True):
        atoms.positions += shift
    stretched = hm.DisplacementPlan(perfect, STRETCH * displaced.displacements).supercells()
    forces = potential.evaluate([*translated, *stretched]).stacked_forces()
    found = {"translation": forces[:number], "displacement": forces[number:]}
    if potential.twice_differentiable:
        found["analytic"] = -potential.hessian_products(perfect, displaced.displacements)
    return found


def _calls(view: View) -> int:
    """Two for each displaced supercell; how many second derivatives there are is known when it is loaded."""
    return 2 * len(plan(view, view.protocol.dispersion_displacement).displacements)


def details(results: MaterialResults) -> Iterator[Panel]:
    """Below which frequency each potential's modes are noise, and what that is told from."""
    records = {label: record.values for label, record in results.results("noise_floor").items()}
    if not records:
        return
    heads = ("potential", "noise floor, THz", *(f"{name}, THz" for name in FLOORS.values()))
    rows = tuple(
        (
            label,
            number(own[NOISE_FLOOR], 2),
            *(number(own["noise_floors_THz"].get(name), 2) for name in FLOORS),
        )
        for label, own in records.items()
    )
    yield Panel(
        "noise_of_material",
        "Noise: the smallest frequency one may believe",
        "Force constants made in ways that should not matter, and what that moves of the softest modes; the "
        "largest counts.",
        tables=(Table(named("noise_floors", results), "Noise floors", heads, rows),),
    )


MEASUREMENTS = (
    Measurement(
        "noise_floor",
        version=1,
        function=noise_floor,
        uses=(
            "structure",
            "potential",
            "protocol.mesh_length",
            "protocol.force_constants",
            "protocol.dispersion_displacement",
        ),
        requires=("displaced_forces",),
        details=details,
        title="smallest frequency that the potential's own forces allow one to believe",
        columns=(
            Column(NOISE_FLOOR, "noise floor, THz"),
            Column("noise_floor_from", "from", "noise floor, from"),
        ),
        chapter="Phonons",
        calls=_calls,
    ),
)
