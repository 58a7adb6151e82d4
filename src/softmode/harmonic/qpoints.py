"""Where phonons are compared: the band path (seekpath) and a Γ-centred mesh with symmetry weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import seekpath
import spglib
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.harmonic.dynmat_to_fc import get_commensurate_points
from phonopy.structure.atoms import PhonopyAtoms

from softmode.crystal.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class BandPath:
    """A path through the Brillouin zone.

    Parameters
    ----------
    points : (n_q, 3) array
        Fractional coordinates in the reciprocal basis of the primitive cell; segment after segment,
        `points_per_segment` each, both ends included.
    distances : (n_q,) array
        Position along the path, 1/Å (without 2π).
    segments : tuple of (str, str)
        Labels of the ends of each segment.
    points_per_segment : int
        Points on each segment.
    """

    points: FloatArray
    distances: FloatArray
    segments: tuple[tuple[str, str], ...]
    points_per_segment: int

    def special_points(self) -> dict[str, int]:
        """Index of each high-symmetry point, at its first appearance."""
        n = self.points_per_segment
        found: dict[str, int] = {}
        for index, (start, end) in enumerate(self.segments):
            found.setdefault(start, index * n)
            found.setdefault(end, (index + 1) * n - 1)
        return found

    def name_at(self, index: int) -> str:
        """What a point is called: ``X``, or between two such points ``Γ–X``."""
        segment, place = divmod(index, self.points_per_segment)
        start, end = self.segments[segment]
        return start if place == 0 else end if place == self.points_per_segment - 1 else f"{start}–{end}"

    def breaks(self) -> list[int]:
        """First point of each segment that does not begin where the one before ends."""
        pairs = zip(self.segments, self.segments[1:], strict=False)
        return [
            place * self.points_per_segment
            for place, (before, after) in enumerate(pairs, 1)
            if after[0] != before[1]
        ]

    def ticks(self) -> list[tuple[float, str]]:
        """Positions (1/Å) and labels of the high-symmetry points, breaks as ``U|K``."""
        n = self.points_per_segment
        ticks: list[tuple[float, str]] = []
        for index, (start, end) in enumerate(self.segments):
            first, last = float(self.distances[index * n]), float(self.distances[(index + 1) * n - 1])
            if not ticks:
                ticks.append((first, start))
            elif ticks[-1][1] != start:
                ticks[-1] = (first, f"{ticks[-1][1]}|{start}")
            ticks.append((last, end))
        return ticks


@dataclass(frozen=True, eq=False)
class QMesh:
    """A Γ-centred mesh reduced by symmetry.

    Parameters
    ----------
    points : (n_irreducible, 3) array
        Fractional coordinates in the reciprocal basis of the primitive cell.
    weights : (n_irreducible,) array
        Number of mesh points each stands for.
    divisions : (3,) tuple of int
        Divisions along the reciprocal vectors.
    """

    points: FloatArray
    weights: FloatArray
    divisions: tuple[int, int, int]


def _spglib_cell(primitive: PhonopyAtoms) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    return (primitive.cell, primitive.scaled_positions, primitive.numbers)


def band_path(phonon: Phonopy, points_per_segment: int = 50) -> BandPath:
    """Return the band path of the primitive cell after Hinuma et al. (seekpath).

    Parameters
    ----------
    phonon : phonopy.Phonopy
        Its primitive cell is used as it stands, in its own basis.
    points_per_segment : int
        Points on each segment, ends included.
    """
    primitive = phonon.primitive
    found = seekpath.get_path_orig_cell(_spglib_cell(primitive))
    reciprocal = np.linalg.inv(primitive.cell).T
    fractions = np.linspace(0.0, 1.0, points_per_segment)[:, None]
    points, distances, offset = [], [], 0.0
    for start_label, end_label in found["path"]:
        start = np.array(found["point_coords"][start_label], dtype=float)
        end = np.array(found["point_coords"][end_label], dtype=float)
        points.append(start + fractions * (end - start))
        length = float(np.linalg.norm((end - start) @ reciprocal))
        distances.append(offset + fractions[:, 0] * length)
        offset += length
    return BandPath(
        points=np.concatenate(points),
        distances=np.concatenate(distances),
        segments=tuple((_pretty(a), _pretty(b)) for a, b in found["path"]),
        points_per_segment=points_per_segment,
    )


def commensurate_points(phonon: Phonopy) -> FloatArray:
    """q-points whose modes fit into the supercell, (n, 3) in the reciprocal basis of the primitive cell."""
    multiples = np.rint(np.linalg.inv(phonon.primitive_matrix) @ phonon.supercell_matrix)
    found: FloatArray = get_commensurate_points(multiples.astype(int))
    return found


def _pretty(label: str) -> str:
    return "Γ" if label == "GAMMA" else label.replace("_", "")


def q_mesh(phonon: Phonopy, length: float) -> QMesh:
    """Γ-centred mesh with about ``length * |b_i|`` divisions along each reciprocal vector.

    The divisions are even, so that the points at the zone boundary, where the softest modes of perovskites
    are, belong to the mesh.

    Parameters
    ----------
    phonon : phonopy.Phonopy
        Its primitive cell and the symmetry of it (with time reversal) are used.
    length : float
        Å; larger means denser.
    """
    primitive = phonon.primitive
    reciprocal = np.linalg.inv(primitive.cell)
    halves = np.rint(0.5 * length * np.linalg.norm(reciprocal, axis=0)).astype(int)
    divisions = 2 * np.maximum(1, halves)
    rotations = phonon.primitive_symmetry.pointgroup_operations
    mapping, grid = spglib.get_stabilized_reciprocal_mesh(divisions, rotations, is_shift=[0, 0, 0])
    irreducible, counts = np.unique(mapping, return_counts=True)
    return QMesh(
        points=grid[irreducible] / divisions,
        weights=counts.astype(np.float64),
        divisions=(int(divisions[0]), int(divisions[1]), int(divisions[2])),
    )
