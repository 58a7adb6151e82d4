"""A measurement of another package: heat capacity at constant volume, of potential and reference."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from softmode import harmonic as hm
from softmode.charts import CellPoints
from softmode.harmonic.thermodynamics import thermodynamics
from softmode.measurements import Column, Measurement, Result, Results, SettingsTable, View
from softmode.measurements.shared import ModelCrystal, mesh, reference_on_mesh
from softmode.panel import Panel


class HeatCapacitySettings(SettingsTable):
    """Heat capacity, ``[heat_capacity]`` in a study file.

    Attributes
    ----------
    temperature : float
        K.
    """

    temperature: float = Field(default=300.0, gt=0)


def heat_capacity(view: View) -> Result:
    """Heat capacity of the primitive cell on the mesh of the harmonic comparison."""
    temperature, grid = view.settings(HeatCapacitySettings).temperature, mesh(view)
    crystal = ModelCrystal(view, view.records["displaced_forces"])
    matrix = hm.real_space_dynamical_matrix(crystal.phonon, crystal.force_constants)
    model = hm.compute_dispersion(matrix, grid.points)
    sides = {"model": model, "reference": reference_on_mesh(view)}
    return Result(
        values={
            f"heat_capacity_{side}_J_per_molK": thermodynamics(found, grid.weights, temperature).heat_capacity
            for side, found in sides.items()
        }
    )


def panels(results: Results) -> Iterable[Panel]:
    """Potential against reference."""
    temperature = results.conditions.of(HeatCapacitySettings).temperature
    yield Panel(
        key="heat_capacity",
        title=f"Heat capacity at {temperature:g} K",
        caption="Of the primitive cell at constant volume, harmonic, imaginary modes left out.",
        charts=(
            CellPoints(
                name="heat_capacity",
                title="Heat capacity of potential and reference",
                x="heat_capacity_reference_J_per_molK",
                y="heat_capacity_model_J_per_molK",
                equality=True,
            ),
        ),
        chapter=results.measurement.chapter,
    )


HEAT_CAPACITY = Measurement(
    "heat_capacity",
    version=1,
    function=heat_capacity,
    uses=("reference", "heat_capacity", "protocol.symmetrise", "protocol.nac", "protocol.mesh_length"),
    requires=("displaced_forces",),
    title="heat capacity at constant volume of potential and reference",
    settings=HeatCapacitySettings,
    columns=(
        Column("heat_capacity_model_J_per_molK", "C_V, potential, J/(mol K)"),
        Column("heat_capacity_reference_J_per_molK", "C_V, reference, J/(mol K)"),
    ),
    chapter="Phonons",
    panels=panels,
)
