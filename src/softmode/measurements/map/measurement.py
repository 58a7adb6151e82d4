"""The map of a material: reference trajectory against the potential's own dynamics, with σ(t) of both."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import squareform

from softmode.crystal import Trajectory
from softmode.measurements.declaration import Column, Measurement, Result
from softmode.measurements.frames import one_in
from softmode.measurements.map.analysis import (
    Cloud,
    MapAnalysis,
    MapPoints,
    Strangers,
    analyse,
    overlap_values,
    stranger_values,
)
from softmode.measurements.map.clouds import thinned
from softmode.measurements.map.details import map_details
from softmode.measurements.map.kernel import MadeKernel, make_kernel
from softmode.measurements.map.panels import panels
from softmode.measurements.map.settings import MapSettings
from softmode.measurements.md.model_only import kept_frames
from softmode.measurements.md.settings import DynamicsSettings
from softmode.measurements.shared import supercell
from softmode.measurements.view import View
from softmode.records import Record

#: Names of the two clouds in a record; the second is replaced by the potential's where it is shown.
REFERENCE, MODEL = "reference", "potential"


def configuration_map(view: View) -> Result:
    """Map of the reference's frames and the potential's own; goes on where it was stopped.

    Returns
    -------
    Result
        Values: overlap, how foreign the potential's frames are, and whether those carry the error in σ.
        Arrays: the points, the structures (single precision), and the upper triangle of ``1 - K`` row by row,
        in single precision: its relative error of 6e-8 is far below that of either mode. A crystal lost
        before a frame was recorded has no map, which is a result.
    """
    reference = _reference_cloud(view)
    model = _model_cloud(view)
    if model is None:
        return Result(values={"map_drawn": False, "map_notes": ["the potential's dynamics has no frames"]})
    settings = view.settings(MapSettings)
    kernel = make_kernel(
        [reference.trajectory, model.trajectory],
        settings.soap,
        settings.kernel,
        partial=view.partial,
        threads=view.threads,
    )
    analysis = analyse(
        (reference, model),
        kernel.dissimilarities,
        n_neighbours=settings.n_neighbours,
        n_permutations=settings.n_permutations,
        seed=view.seed,
    )
    return Result(
        values=_values(view, reference, kernel, analysis),
        arrays={**_point_arrays(analysis.points), **_frame_arrays(reference, model, kernel)},
    )


def _reference_cloud(view: View) -> Cloud:
    whole, every = view.trajectory, view.settings(MapSettings).reference_every
    kept, _ = one_in(whole.run_lengths, every)
    return Cloud(REFERENCE, thinned(whole, every), view.records["sigma"].arrays["sigma_t_reference"][kept])


def _model_cloud(view: View) -> Cloud | None:
    """The frames that σ of the model alone is taken from, thinned; None where there are none."""
    run = view.records["md"]
    chosen, lengths = kept_frames(run, view.settings(DynamicsSettings).discard)
    if not chosen.any():
        return None
    kept, runs = one_in(lengths, view.settings(MapSettings).model_every)
    frames = Trajectory(
        lattice=run.arrays["supercell_lattice"],
        numbers=supercell(view).numbers,
        positions=run.arrays["positions"][chosen][kept],
        forces=run.arrays["forces"][chosen][kept],
        run_lengths=runs,
        source=f"molecular dynamics of {view.name}",
    )
    return Cloud(MODEL, frames, view.records["model_only"].arrays["sigma_t_model_only"][kept])


def _values(view: View, reference: Cloud, kernel: MadeKernel, analysis: MapAnalysis) -> dict[str, Any]:
    """Numbers of the map, named ``map_…``."""
    [found] = analysis.strangers
    phi_model = view.records["sigma"].arrays["sigma_t_phi_model"]
    kept, _ = one_in(view.trajectory.run_lengths, view.settings(MapSettings).reference_every)
    evaluated = phi_model[kept & np.isfinite(phi_model)]
    named = {
        "drawn": True,
        **overlap_values(analysis.overlaps[REFERENCE, MODEL]),
        **stranger_values(found),
        "sigma_reference": None if reference.sigma_t is None else float(reference.sigma_t.mean()),
        "sigma_on_reference": float(evaluated.mean()) if evaluated.size else None,
        **_error_in_foreign(found, analysis.points),
        "explained": analysis.points.explained.tolist(),
        **{f"kernel_{name}": value for name, value in kernel.diagnostics.items()},
        "notes": list(analysis.notes),
    }
    return {f"map_{name}": value for name, value in named.items()}


def _error_in_foreign(found: Strangers, points: MapPoints) -> dict[str, float | None]:
    """σ of the potential alone minus the reference's: of all frames, and without the foreign ones.

    If only foreign frames carried the error, leaving them out would take it away.
    """
    of_reference = float(points.sigma_t[points.cloud == 0].mean())
    alone = float(points.sigma_t[points.cloud == 1].mean())
    return {
        "sigma_error": alone - of_reference,
        "sigma_error_without_foreign": None
        if found.sigma_shared is None
        else found.sigma_shared - of_reference,
    }


def _point_arrays(points: MapPoints) -> dict[str, NDArray[Any]]:
    return {
        "map_cloud": points.cloud.astype(np.int8),
        "map_run": points.run.astype(np.int32),
        "map_frame": points.frame.astype(np.int32),
        "map_coordinates": points.coordinates,
        "map_sigma_t": points.sigma_t,
        "map_foreignness": points.foreign,
    }


def _frame_arrays(reference: Cloud, model: Cloud, kernel: MadeKernel) -> dict[str, NDArray[Any]]:
    sides = (reference.trajectory, model.trajectory)
    return {
        "map_dissimilarities": squareform(kernel.dissimilarities, checks=False).astype(np.float32),
        "map_positions": np.concatenate([side.positions for side in sides]).astype(np.float32),
        "map_lattice": np.array(sides[0].lattice),
        "map_numbers": np.array(sides[0].numbers),
    }


MAP = Measurement(
    "map",
    version=2,
    function=configuration_map,
    uses=("structure", "trajectory", "map", "md.discard", "seed"),
    requires=("sigma", "md", "model_only"),
    title="configurations of the reference and of the potential's own dynamics compared",
    settings=MapSettings,
    columns=(
        Column(
            "map_mmd2_relative",
            "overlap: MMD² relative to the spread",
            "MMD², relative",
            better="low",
            main=True,
        ),
        Column("map_mmd2_p", "p", "p of MMD²"),
        Column("map_sigma_error", "error in σ", "error in σ, potential alone, of the map"),
        Column("map_foreign_share", "share of foreign frames", better="low", main=True),
        Column(
            "map_sigma_error_without_foreign", "error in σ without them", "error in σ without foreign frames"
        ),
    ),
    chapter="Configuration space",
    panels=panels,
    details=map_details,
)


def map_points(record: Record, label: str) -> MapPoints:
    """The points of a record of this measurement.

    Parameters
    ----------
    record : Record
        With its arrays; one that has a map.
    label : str
        The potential's name.
    """
    arrays = record.arrays
    return MapPoints(
        labels=(REFERENCE, label),
        cloud=arrays["map_cloud"].astype(np.int64),
        run=arrays["map_run"].astype(np.int64),
        frame=arrays["map_frame"].astype(np.int64),
        coordinates=arrays["map_coordinates"],
        explained=np.array(record.values["map_explained"]),
        sigma_t=arrays["map_sigma_t"],
        foreign=arrays["map_foreignness"],
    )


def map_structures(record: Record) -> tuple[Trajectory, ...]:
    """The structures of a record of this measurement, without their forces: reference, potential."""
    arrays = record.arrays
    positions = arrays["map_positions"].astype(np.float64)
    return tuple(
        Trajectory(
            lattice=arrays["map_lattice"],
            numbers=arrays["map_numbers"],
            positions=positions[arrays["map_cloud"] == side],
            forces=np.zeros_like(positions[arrays["map_cloud"] == side]),
            source=name,
        )
        for side, name in enumerate((REFERENCE, MODEL))
    )
