"""Modes worth looking at, with their eigenvectors: the one that is most wrong, and the softest ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from softmode import harmonic as hm
from softmode.crystal.arrays import FloatArray
from softmode.harmonic.mode_vectors import PointModes
from softmode.measurements.declaration import Column, Measurement, Result
from softmode.measurements.shared import Crystal, ModelCrystal, correction, path, reference_crystal
from softmode.measurements.view import View

#: Why modes are kept, in the order of the record's arrays; not every record has all.
ROLES = {
    "worst": "largest error of ω²",
    "softest": "softest mode of the potential",
    "reference": "softest mode of the reference",
}
#: Values that are equal but for rounding, as a share, and THz: the first on the path counts.
_EQUAL_SHARE, _EQUAL_THZ = 1e-6, 1e-4


@dataclass(frozen=True, eq=False)
class _Chosen:
    """A mode that is kept: why, and where on the path it is."""

    role: str
    index: int
    band: int


def modes(view: View) -> Result:
    """Modes on the band path that are worth looking at, with their eigenvectors.

    Modes of both sides are matched by their rank in frequency, as in all comparisons of phonons.

    Returns
    -------
    Result
        Of each mode, by its name in :data:`ROLES`: ``…_label`` on the path, both frequencies, ``…_alike``
        (how much of the mode lies in the other side's modes of the same rank, 0 to 1) and
        ``…_most_alike_THz`` (the frequency of the other side's mode that is most like it). Arrays ``roles``
        (places in :data:`ROLES`), ``qpoints``, ``ranks`` (band, counted from 0), ``displacements`` (modes,
        atoms, 6) (real and imaginary parts of x, y, z; the largest of an atom 1; phases of atomic positions)
        and ``degenerate`` (how many modes of that frequency there are, of which one is kept; see
        :meth:`softmode.harmonic.PointModes.shown`), and the primitive cell of either side.
    """
    found = ModelCrystal(view, view.records["displaced_forces"])
    model = Crystal(found.phonon, found.raw, found.force_constants, correction(view))
    reference, points = reference_crystal(view), path(view)
    bands = {side: view.records["harmonic"].arrays[f"frequencies_{side}"] for side in ("model", "reference")}
    chosen = list(_chosen(points, bands, view.protocol.imaginary_tolerance))
    values: dict[str, Any] = {}
    kept: dict[str, list[Any]] = {"displacements": [], "degenerate": []}
    for one in chosen:
        q, direction = points.points[one.index], _direction(points, one.index)
        sides = model.modes_at(q, direction), reference.modes_at(q, direction)
        own, other = sides[::-1] if one.role == "reference" else sides
        vector = own.shown(one.band)
        moved = own.displacements(vector)
        kept["displacements"].append(np.concatenate([moved.real, moved.imag], axis=1))
        kept["degenerate"].append(len(own.set_of(one.band)))
        values |= {
            f"{one.role}_mode_label": points.name_at(one.index),
            f"{one.role}_mode_model_THz": float(bands["model"][one.index, one.band]),
            f"{one.role}_mode_reference_THz": float(bands["reference"][one.index, one.band]),
            **{f"{one.role}_mode_{name}": value for name, value in _likeness(vector, own, other, one.band)},
        }
    index = [one.index for one in chosen]
    return Result(
        values=values,
        arrays={
            "roles": np.array([list(ROLES).index(one.role) for one in chosen]),
            "qpoints": points.points[index],
            "ranks": np.array([one.band for one in chosen]),
            **{name: np.array(own) for name, own in kept.items()},
            **_cell("model", model),
            **_cell("reference", reference),
        },
    )


def _chosen(points: hm.BandPath, bands: dict[str, FloatArray], tolerance: float) -> Iterator[_Chosen]:
    squared = {side: hm.signed_square(own) for side, own in bands.items()}
    error = np.abs(squared["model"] - squared["reference"])
    equal = error.ravel() >= (1.0 - _EQUAL_SHARE) * error.max()
    worst = int(np.flatnonzero(equal)[0])
    yield _Chosen("worst", *divmod(worst, error.shape[1]))
    yield _softest("softest", points, bands["model"], tolerance)
    if bands["reference"].min() < -tolerance:
        yield _softest("reference", points, bands["reference"], tolerance)


def _softest(role: str, points: hm.BandPath, bands: FloatArray, tolerance: float) -> _Chosen:
    """The lowest mode, where it is imaginary; else the lowest of the high-symmetry points.

    Between them the lowest mode of a stable crystal is the beginning of an acoustic branch.
    """
    lowest = hm.lowest_optical(points.points, bands)
    imaginary = bands.min() < -tolerance
    where = np.arange(len(lowest)) if imaginary else np.array(sorted(points.special_points().values()))
    index = int(where[np.flatnonzero(lowest[where] <= lowest[where].min() + _EQUAL_THZ)[0]])
    return _Chosen(role, index, int(np.flatnonzero(bands[index] == lowest[index])[0]))


def _direction(points: hm.BandPath, index: int) -> FloatArray:
    """Along the segment of a point, fractional."""
    start = index - index % points.points_per_segment
    along: FloatArray = points.points[start + points.points_per_segment - 1] - points.points[start]
    return along


def _likeness(vector: Any, own: PointModes, other: PointModes, band: int) -> Iterator[tuple[str, float]]:
    """How much of a mode lies in the other side's of the same rank, and which of these is most like it."""
    same = np.unique(np.concatenate([other.set_of(rank) for rank in own.set_of(band)]))
    yield "alike", other.overlap(vector, same)
    shares: dict[int, float] = {}
    for rank in range(len(other.frequencies)):
        of_set = other.set_of(rank)
        shares.setdefault(int(of_set[0]), other.overlap(vector, of_set))
    yield "most_alike_THz", float(other.frequencies[max(shares, key=lambda rank: shares[rank])])


def _cell(side: str, crystal: Crystal) -> dict[str, Any]:
    primitive = crystal.phonon.primitive
    return {
        f"{side}_lattice": np.array(primitive.cell),
        f"{side}_positions": np.array(primitive.scaled_positions),
        f"{side}_numbers": np.array(primitive.numbers),
    }


MEASUREMENTS = (
    Measurement(
        "modes",
        version=1,
        function=modes,
        uses=(
            "reference",
            "protocol.symmetrise",
            "protocol.points_per_segment",
            "protocol.imaginary_tolerance",
            "protocol.nac",
        ),
        requires=("displaced_forces", "harmonic"),
        chapter="Phonons",
        title="modes that are most wrong and softest, with their eigenvectors",
        columns=tuple(
            Column(f"{role}_mode_{name}", f"{title}: {shown}")
            for role, title in ROLES.items()
            for name, shown in (
                ("label", "name of q"),
                ("model_THz", "potential, THz"),
                ("reference_THz", "reference, THz"),
                ("alike", "share in the other side's mode of its rank"),
            )
        ),
    ),
)
