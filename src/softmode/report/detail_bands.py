"""Bands and densities of states of one material, of all potentials over the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmode.crystal.arrays import FloatArray
from softmode.harmonic.qpoints import BandPath
from softmode.measurements.noise_floor import NOISE_FLOOR
from softmode.measurements.results import MaterialResults
from softmode.packed_matrices import pack
from softmode.records import RecordFile
from softmode.report.detail import Bands, Dos, DosCurve, PotentialBands, Tick

#: How far frequencies of a page may be from those of the record, THz, where 16 bits allow more.
TOLERANCE = 5e-4
#: About so many q points of a path are kept; bands are lines between them.
_SHOWN = 100
#: How far a density of states may be off, as a share of its largest value.
_DOS_TOLERANCE = 1e-3

#: Records with bands, the better first: how names of the path begin, and what the noise is called.
_NAMES = {
    "harmonic": ("", "noise_floor_model_THz"),
    "model_phonons": ("model_", "model_noise_floor_THz"),
}


def bands_of(results: MaterialResults) -> Bands | None:
    """Bands of a material; None where there are none.

    Potentials alone are drawn on the path of the first of them; those that have another one, in a crystal
    that they relaxed to another symmetry, are left out.
    """
    for measurement in _NAMES:
        found = results.results(measurement)
        if found:
            return _bands(results, measurement, found)
    return None


def _bands(results: MaterialResults, measurement: str, found: Mapping[str, RecordFile]) -> Bands:
    prefix, floor = _NAMES[measurement]
    first = next(iter(found.values()))
    path = _path(first, prefix)
    frequencies = {
        label: record["frequencies_model"]
        for label, record in found.items()
        if record is first or _path_names(record, prefix) == _path_names(first, prefix)
    }
    reference = first["frequencies_reference"] if measurement == "harmonic" else None
    kept = shown_points(path, reference, frequencies)

    def packed(values: FloatArray) -> Any:
        return pack(values[kept].T, TOLERANCE)

    def noise(label: str) -> float:
        measured = results.result(label, "noise_floor")
        return float(found[label].values[floor] if measured is None else measured.values[NOISE_FLOOR])

    return Bands(
        x=tuple(path.distances[kept].round(6).tolist()),
        ticks=tuple(Tick(round(at, 6), label) for at, label in path.ticks()),
        breaks=tuple(int(np.searchsorted(kept, place)) for place in path.breaks()),
        reference=None if reference is None else packed(reference),
        reference_noise=None if reference is None else float(first.values["noise_floor_reference_THz"]),
        potentials=tuple(
            PotentialBands(label, packed(values), noise(label)) for label, values in frequencies.items()
        ),
    )


def _path_names(record: RecordFile, prefix: str) -> tuple[Any, int]:
    values = record.values
    return values[f"{prefix}path_segments"], int(values[f"{prefix}points_per_segment"])


def _path(record: RecordFile, prefix: str) -> BandPath:
    segments, points = _path_names(record, prefix)
    distances = record["distances"]
    # where the points are is not needed to draw them
    return BandPath(np.empty((len(distances), 0)), distances, tuple((a, b) for a, b in segments), points)


def shown_points(
    path: BandPath, reference: FloatArray | None, potentials: Mapping[str, FloatArray]
) -> NDArray[np.int64]:
    """q points that are drawn: both ends of all segments, every so many, and all extremes.

    Extremes are where a side has its lowest or its highest frequency, and where a potential is furthest from
    the reference.
    """
    n, step = path.points_per_segment, max(1, round(len(path.distances) / _SHOWN))
    of_segment = np.unique([*range(0, n, step), n - 1])
    kept = [start + of_segment for start in range(0, len(path.distances), n)]
    for values in [*([] if reference is None else [reference]), *potentials.values()]:
        kept.append(np.array([values[:, 0].argmin(), values[:, -1].argmax()]))
    if reference is not None:
        squared = reference * np.abs(reference)
        for values in potentials.values():
            error = np.abs(values * np.abs(values) - squared).max(axis=1)
            kept.append(np.array([error.argmax()]))
    return np.unique(np.concatenate(kept))


def dos_of(results: MaterialResults) -> Dos | None:
    """Densities of states of a material; None where there are none."""
    curves: list[DosCurve] = []
    for label, record in results.results("harmonic").items():
        if "dos_model" not in record:
            continue
        at = record["dos_frequencies"]
        if not curves:
            curves.append(_curve(None, at, record["dos_reference"]))
        curves.append(_curve(label, at, record["dos_model"]))
    return Dos(tuple(curves)) if curves else None


def _curve(potential: str | None, at: FloatArray, density: FloatArray) -> DosCurve:
    packed = pack(density, _DOS_TOLERANCE * float(density.max()))
    return DosCurve(potential, float(at[0]), float(at[1] - at[0]), packed)
