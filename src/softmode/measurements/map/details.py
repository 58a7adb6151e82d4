"""The map of configurations on the page of a material: every frame a point, with its structure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase.data import chemical_symbols
from numpy.typing import NDArray

from softmode.charts import Frames, FrameStructures
from softmode.measurements.detail_charts import gaps, named, numbers, thinned
from softmode.measurements.results import MaterialResults
from softmode.packed_matrices import pack
from softmode.panel import NOTHING, Panel, Table, number, percent, probability
from softmode.records import RecordFile

_REFERENCE = "reference"
#: Fractional coordinates of a page may be off by so much: far less than an atom is wide.
_TOLERANCE = 5e-5
#: Fewer points than this a series: no structures.
_FEW = 200


def map_details(results: MaterialResults) -> Iterator[Panel]:
    """Frames of the reference and of each potential as points: near each other where they are alike."""
    records = {label: one for label, one in results.results("map").items() if one.values["map_drawn"]}
    if not records:
        return
    yield Panel(
        "map_of_material",
        "Map of configurations",
        "Do reference and potential visit the same configurations? Each point is a frame; the nearer two "
        "points, the more alike are the surroundings of their atoms (kernel principal components).",
        tables=(_table(results, records),),
        charts=tuple(_frames(results, label, record) for label, record in records.items()),
    )


def _frames(results: MaterialResults, label: str, record: RecordFile) -> Frames:
    cloud = record["map_cloud"].astype(int)
    chosen = np.concatenate(
        [own[thinned(len(own), results.points)] for side in (0, 1) for own in [np.flatnonzero(cloud == side)]]
    )
    explained = record.values["map_explained"]
    place = record["map_coordinates"][chosen]
    scale = 10.0 ** -np.floor(np.log10(np.abs(place).max() or 1.0))  # 4 digits, whatever the kernel's scale
    return Frames(
        name=f"{named('map', results)}_{results.potentials.index(label)}",
        title=f"Map of configurations: reference and {label}",
        note="" if len(chosen) == len(cloud) else "Not every frame is drawn.",
        x_label=f"component 1 ({percent(explained[0])})",
        y_label=f"component 2 ({percent(explained[1])})",
        clouds=(_REFERENCE, label),
        potentials=(None, label),
        x=tuple(x / scale for x in numbers(scale * place[:, 0])),
        y=tuple(y / scale for y in numbers(scale * place[:, 1])),
        cloud=tuple(cloud[chosen].tolist()),
        run=tuple(record["map_run"][chosen].tolist()),
        frame=tuple(record["map_frame"][chosen].tolist()),
        sigma=gaps(record["map_sigma_t"][chosen]),
        structures=_structures(record, cloud, chosen) if results.points >= _FEW else (),
    )


def _structures(
    record: RecordFile, cloud: NDArray[np.int64], chosen: NDArray[np.int64]
) -> tuple[FrameStructures, ...]:
    """Of each cloud, in the order of its points."""
    lattice, positions = record["map_lattice"], record["map_positions"]
    inverse = np.linalg.inv(lattice)
    symbols = tuple(chemical_symbols[number] for number in record["map_numbers"])
    found = []
    for side in (0, 1):
        fractional = positions[chosen[cloud[chosen] == side]].astype(np.float64) @ inverse
        packed = pack(fractional.reshape(len(fractional), -1), _TOLERANCE, delta=False)
        found.append(FrameStructures(symbols, tuple(map(tuple, lattice.round(5).tolist())), packed))
    return tuple(found)


def _table(results: MaterialResults, records: dict[str, RecordFile]) -> Table:
    rows = []
    for label, record in records.items():
        own = record.values
        within = own["map_sigma_error"], own["map_sigma_error_without_foreign"]
        rows.append(
            (
                label,
                " + ".join(map(str, own["map_n_frames"])),
                number(own["map_mmd2_relative"]),
                NOTHING if own["map_mmd2_p"] is None else probability(own["map_mmd2_p"]),
                percent(own["map_foreign_share"]),
                *(number(value) for value in within),
                "; ".join(own["map_notes"]) or NOTHING,
            )
        )
    return Table(
        named("map_overlap", results),
        "Overlap of reference and potential",
        (
            "potential",
            "frames",
            "MMD² / spread",
            "p",
            "foreign frames",
            "error of ⟨σ(t)⟩",
            "the same without foreign frames",
            "to be known",
        ),
        tuple(rows),
    )
