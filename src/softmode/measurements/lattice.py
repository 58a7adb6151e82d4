"""Phonons compared at the reference's lattice and at the potential's own: what the lattice does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from softmode import harmonic as hm
from softmode.charts import CellPoints, IntervalRow, Intervals
from softmode.measurements.declaration import Column, Measurement, Result
from softmode.measurements.detail_charts import named
from softmode.measurements.functionals import functional_values
from softmode.measurements.harmonic import COMPARISON_USES
from softmode.measurements.results import MaterialResults, Results
from softmode.measurements.shared import (
    Crystal,
    ModelCrystal,
    correction,
    mesh,
    path,
    reference_on_mesh,
    reference_on_path,
)
from softmode.measurements.view import View
from softmode.panel import Panel, Table, number

#: Crystals that the potential is compared in, and the measurement with its forces there.
_LATTICES = {"at_reference": "displaced_forces_unrelaxed", "at_own": "displaced_forces_relaxed"}

LATTICE_NAMES = {"at_reference": "at the reference's lattice", "at_own": "at its own lattice"}
LATTICE_RATIO = "own lattice constant / reference's"

#: Figures of each comparison, as they are called.
FIGURES = {
    "rmse_w2_THz2": "RMSE(ω²), THz²",
    "softening": "slope of ω²",
    "rmse_w2_scale_THz2": "of it the scale, THz²",
    "rmse_w2_rest_THz2": "of it the rest, THz²",
    "mae_w2_THz2": "MAE(ω²), THz²",
    "lowest_model_THz": "lowest mode, THz",
}


def lattice(view: View) -> Result:
    """Compare phonons at the reference's lattice and at the potential's own.

    Returns
    -------
    Result
        For path and mesh and both lattices: RMSE(ω²), the slope of ω² (least squares of the potential's ω²
        on the reference's) and what is left of it, in the sense of
        ``rmse² = (slope - 1)² mean(ω²_reference²) + rest²``; ``lattice_scale``: the potential's ω² at its own
        lattice on those at the reference's, and the RMS of their difference.
    """
    crystals = {name: ModelCrystal(view, view.records[forces]) for name, forces in _LATTICES.items()}
    sides = {
        name: Crystal(found.phonon, found.raw, found.force_constants, correction(view))
        for name, found in crystals.items()
    }
    grid = mesh(view)
    values: dict[str, Any] = {
        "lattice_ratio_own": view.records[_LATTICES["at_own"]].values["lattice_ratio"],
        **functional_values(view),
    }
    for where, points, reference, weights in (
        ("path", path(view), reference_on_path(view), None),
        ("mesh", grid, reference_on_mesh(view), grid.weights),
    ):
        found = {name: side.at(points) for name, side in sides.items()}
        for name, model in found.items():
            compared = hm.compare(
                reference, model, weights=weights, imaginary_tolerance=view.protocol.imaginary_tolerance
            )
            values |= {f"{where}_{key}_{name}": value for key, value in _figures(compared).items()}
        moved = hm.compare(found["at_reference"], found["at_own"], weights=weights)
        values[f"{where}_lattice_scale"] = moved.softening
        values[f"{where}_lattice_rms_w2_THz2"] = moved.rmse_w2
    return Result(values=values)


def _figures(compared: hm.HarmonicComparison) -> dict[str, float]:
    """Figures of :data:`FIGURES`."""
    scale = np.sqrt(max(compared.rmse_w2**2 - compared.rmse_w2_rest**2, 0.0))
    return {
        "rmse_w2_THz2": compared.rmse_w2,
        "softening": compared.softening,
        "rmse_w2_scale_THz2": float(scale),
        "rmse_w2_rest_THz2": compared.rmse_w2_rest,
        "mae_w2_THz2": compared.mae_w2,
        "lowest_model_THz": compared.lowest_model,
    }


def panels(results: Results) -> Iterator[Panel]:
    """Error and slope of ω² at both lattices, material by material, and their medians by potential."""
    rows = results.rows
    shown = {"lattice_ratio_own": LATTICE_RATIO} | {
        f"path_{name}_{at}": f"{title}, {LATTICE_NAMES[at]}"
        for name, title in FIGURES.items()
        for at in LATTICE_NAMES
        if name != "lowest_model_THz"
    }
    medians = rows.groupby("potential", sort=False)[list(shown)].median()
    numbers = rows["potential"].value_counts()
    table = Table(
        "lattice",
        "Medians over materials, band path",
        ("potential", "n", *shown.values()),
        tuple(
            (
                str(name),
                str(numbers[name]),
                *map(_shown, shown, line),
            )
            for name, line in zip(medians.index, medians.to_numpy(float), strict=True)
        ),
        "scale² + rest² = RMSE² of each material: the scale is what one factor on all ω² takes away.",
    )
    yield Panel(
        "lattice",
        "Whose lattice: the error at the reference's and at the potential's own",
        "A potential trained with one functional has another equilibrium lattice than a reference made with "
        "another. At the reference's lattice it is compressed or stretched, and its phonons too hard or too "
        "soft for that reason alone. Below the line of equality its error is smaller at its own lattice.",
        tables=(table,),
        charts=tuple(
            CellPoints(
                name=f"lattice_{name}",
                title=f"{title} at both lattices",
                x=f"path_{name}_at_reference",
                y=f"path_{name}_at_own",
                log_x=log,
                log_y=log,
                equality=True,
            )
            for name, title, log in (
                ("rmse_w2_THz2", "RMSE(ω²)", True),
                ("softening", "Slope of ω²", False),
            )
        ),
        chapter=results.measurement.chapter,
    )


def _shown(column: str, value: float) -> str:
    """A median; lattices differ in the third digit behind the point."""
    return number(value, form=".4f" if column == "lattice_ratio_own" else "")


def details(results: MaterialResults) -> Iterator[Panel]:
    """Errors of a material at both lattices."""
    records = {label: record.values for label, record in results.results("lattice").items()}
    if not records:
        return
    rows = tuple(
        (
            label,
            number(own["lattice_ratio_own"], form=".4f"),
            *(number(own[f"path_{name}_{at}"]) for name in FIGURES for at in LATTICE_NAMES),
        )
        for label, own in records.items()
    )
    heads = (f"{title}, {at}" for title in FIGURES.values() for at in LATTICE_NAMES.values())
    yield Panel(
        "lattice_of_material",
        "At the reference's lattice and at its own",
        "How much of a potential's error is that of its lattice constant; on the band path.",
        tables=(Table(named("lattices", results), "Errors", ("potential", LATTICE_RATIO, *heads), rows),),
        charts=(
            Intervals(
                name=named("lattice_errors", results),
                title="RMSE(ω²) at both lattices",
                axis="RMSE(ω²), THz²",
                rows=tuple(
                    IntervalRow(
                        label,
                        own[f"path_rmse_w2_THz2_{at}"],
                        potential=label,
                        facet=LATTICE_NAMES[at],
                    )
                    for at in LATTICE_NAMES
                    for label, own in records.items()
                ),
            ),
        ),
    )


MEASUREMENTS = (
    Measurement(
        "lattice",
        version=1,
        function=lattice,
        uses=COMPARISON_USES,
        requires=tuple(_LATTICES.values()),
        panels=panels,
        details=details,
        title="phonons compared at the reference's lattice and at the potential's own, its error split",
        columns=(
            Column("lattice_ratio_own", LATTICE_RATIO, better="target", target=1.0, main=True),
            *(
                Column(
                    f"{where}_{name}_{at}",
                    f"{title}, {LATTICE_NAMES[at]}, {where}",
                    # only at its own: at the reference's it is the error of the measurement before
                    better="low" if at == "at_own" and name.startswith(("rmse_w2_THz2", "mae")) else "",
                )
                for where in ("path", "mesh")
                for name, title in FIGURES.items()
                for at in LATTICE_NAMES
            ),
            Column("path_lattice_scale", "slope of ω² at its own lattice on that at the reference's, path"),
        ),
        chapter="Structure",
    ),
)
