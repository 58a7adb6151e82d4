"""A measurement of another package: heat capacity at constant volume, of potential and reference."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from softmode import harmonic as hm
from softmode.harmonic.thermodynamics import thermodynamics
from softmode.measurements import Column, Measurement, Result, Results, SettingsTable, View
from softmode.measurements.shared import ModelCrystal, mesh, reference_on_mesh
from softmode.panel import Panel, Picture
from softmode.style import colours, distinct, figure_style


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
    from matplotlib.figure import Figure

    temperature = results.conditions.of(HeatCapacitySettings).temperature
    sides = [
        results.rows[f"heat_capacity_{side}_J_per_molK"].astype(float) for side in ("reference", "model")
    ]
    potentials = distinct(results.rows["potential"])
    colour = colours(potentials)
    with figure_style():
        figure = Figure(figsize=(4.2, 3.6), layout="constrained")
        axes = figure.add_subplot()
        for potential in potentials:
            own = results.rows["potential"] == potential
            axes.scatter(*(side[own] for side in sides), color=colour[potential], label=potential)
        axes.axline((sides[0].iloc[0],) * 2, slope=1.0, color="0.6", linewidth=0.8, zorder=0)
        axes.set_xlabel("$C_V$ of the reference, J/(mol K)")
        axes.set_ylabel("$C_V$ of the potential, J/(mol K)")
        axes.legend()
    yield Panel(
        key="heat_capacity",
        title=f"Heat capacity at {temperature:g} K",
        caption="Of the primitive cell at constant volume, harmonic, imaginary modes left out.",
        pictures=(Picture("heat_capacity", "Heat capacity of potential and reference", figure),),
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
    panels=panels,
)
