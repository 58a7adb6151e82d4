"""What a page shows of compared phonons: errors, by group and potential; lowest modes; the slope of ω²."""

from __future__ import annotations

from collections.abc import Iterator

from softmode.charts import CellDistribution, CellPoints, Guide
from softmode.measurements.one_material import by_potential
from softmode.measurements.results import Results
from softmode.panel import Panel

W2, VG = "path_rmse_w2_THz2", "path_rmse_vg_THzA"
LOWEST_REFERENCE, LOWEST = "mesh_lowest_reference_THz", "mesh_lowest_model_THz"


def panels(results: Results) -> Iterator[Panel]:
    """Errors cell by cell, and what sign they have."""
    tolerance = results.conditions.protocol.imaginary_tolerance
    chapter = results.measurement.chapter
    each = "potential" if results.rows["material"].nunique() == 1 else "group and potential"
    yield Panel(
        "errors",
        "Errors per material",
        "Each point is a material with a potential, on the band path; low and left is good. ω²: squared "
        "frequencies; v: group velocity.",
        charts=(
            CellPoints(
                name="errors",
                title="Errors of squared frequencies and of group velocities",
                x=W2,
                y=VG,
                log_x=True,
                log_y=True,
            ),
            CellDistribution(name="errors_w2", title=f"RMSE(ω²) by {each}", value=W2, log=True),
            CellDistribution(name="errors_vg", title=f"RMSE(v) by {each}", value=VG, log=True),
        ),
        chapter=chapter,
    )
    yield Panel(
        "modes",
        "Lowest modes and slope of ω²",
        "Imaginary modes are negative. Below the line of equality the potential finds the material softer "
        "than the reference does; in the upper left and the lower right the two disagree on harmonic "
        "stability. Slope of ω²: of the potential's on the reference's, by least squares; below 1 it is too "
        "soft.",
        charts=(
            by_potential(
                results.rows,
                CellPoints(
                    name="lowest_modes",
                    title="Lowest mode on the mesh",
                    x=LOWEST_REFERENCE,
                    y=LOWEST,
                    equality=True,
                    guides=(Guide("x", -tolerance, "imaginary"), Guide("y", -tolerance, "imaginary")),
                ),
                "lowest mode, THz; imaginary below 0",
            ),
            CellDistribution(
                name="softening",
                title=f"Slope of ω² by {each}",
                value="path_softening",
                guides=(Guide("y", 1.0, "neither too soft nor too stiff"),),
            ),
        ),
        chapter=chapter,
    )
