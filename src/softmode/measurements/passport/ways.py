"""The ways in which a passport makes the same phonons: what is varied, and from what to what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from pydantic import Field, field_validator

from softmode.crystal.arrays import FloatArray, IntArray
from softmode.harmonic.protocol import HarmonicProtocol
from softmode.measurements.declaration import SettingsTable

#: What is varied, as it is called.
FACTORS = {
    "displacement": "displacement",
    "sides": "one- or two-sided",
    "precision": "precision",
    "structure": "structure",
    "symmetrise": "symmetrisation of Φ",
    "tolerance": "symmetry tolerance",
    "supercell": "supercell",
    "path": "points of the path",
    "mesh": "density of the mesh",
}
ANALYTIC = "analytic"
TWO_SIDED, ONE_SIDED = "two-sided", "one-sided"
RAW, SYMMETRISED = "raw", "symmetrised"
#: Å: phonopy's own, and looser ones.
TOLERANCE, LOOSER_TOLERANCES = 1e-5, (1e-3, 1e-2)
#: By how much the density of q-points is changed.
_DENSITIES = (0.5, 2.0)


class PassportSettings(SettingsTable):
    """What a passport varies, ``[passport]`` in a study file.

    Attributes
    ----------
    displacements : list of float
        Lengths of finite displacements, Å; that of the protocol is added.
    structures : bool
        Whether the crystal relaxed by the potential, and as the reference has it, are both taken.
    precisions : bool
        Whether float32 and float64 are both taken, where the potential has both.
    largest_supercell : int
        Atoms of another supercell, in which the potential alone is judged; 0: none.
    sigma : bool
        Whether σ⁽²⁾ on the reference trajectory, and the class, are made with each way's force constants; it
        needs a trajectory, and the potential's forces on it.
    """

    displacements: list[float] = Field(default=[0.003, 0.01, 0.02, 0.05])
    structures: bool = True
    precisions: bool = True
    largest_supercell: int = Field(default=300, ge=0)
    sigma: bool = False

    @field_validator("displacements")
    @classmethod
    def _lengths(cls, value: list[float]) -> list[float]:
        if not all(0.0 < length <= 0.2 for length in value):
            raise ValueError("displacements are lengths in Å, above 0 and up to 0.2")
        return value


@dataclass(frozen=True)
class Way:
    """One way to make the phonons.

    Parameters
    ----------
    displacement : float or None
        Å; None: analytic second derivatives.
    sides : str
        Whether both signs of a displacement are taken where symmetry does not make them equal.
    precision, structure : str
        Of the potential; ``reference`` or ``relaxed``.
    symmetrise : bool
        Force constants of both sides.
    tolerance : float
        Of symmetry, Å.
    supercell : bool
        Whether it is another one.
    points : int
        q-points of a segment of the path.
    mesh_length : float
        Å.
    """

    displacement: float | None
    sides: str
    precision: str
    structure: str
    symmetrise: bool
    tolerance: float
    supercell: bool
    points: int
    mesh_length: float

    def labels(self) -> dict[str, str]:
        """What is chosen of each of :data:`FACTORS`, in words."""
        chosen = (
            ANALYTIC if self.displacement is None else f"{self.displacement:g} Å",
            self.sides,
            self.precision,
            self.structure,
            SYMMETRISED if self.symmetrise else RAW,
            f"{self.tolerance:g} Å",
            "another" if self.supercell else "the reference's",
            f"{self.points}",
            f"{self.mesh_length:g} Å",
        )
        return dict(zip(FACTORS, chosen, strict=True))


def protocol_way(protocol: HarmonicProtocol, precision: str) -> Way:
    """The way of a protocol."""
    return Way(
        None if protocol.force_constants == "analytic" else protocol.dispersion_displacement,
        TWO_SIDED,
        precision,
        "relaxed" if protocol.structure == "relaxed" else "reference",
        protocol.symmetrise,
        TOLERANCE,
        False,
        protocol.points_per_segment,
        protocol.mesh_length,
    )


def grid(own: Way, settings: PassportSettings, precisions: Sequence[str], *, analytic: bool) -> list[Way]:
    """All ways, that of the protocol first, each once.

    Displacements, sides, structures and symmetrisation are combined with each other, displacements and
    symmetrisation with another precision; all else is varied alone.

    Parameters
    ----------
    own : Way
        Of the protocol.
    settings : PassportSettings
        What is varied.
    precisions : sequence of str
        Those of the potential.
    analytic : bool
        Whether the potential has analytic second derivatives.
    """
    lengths: dict[float | None, None] = dict.fromkeys([own.displacement, *settings.displacements])
    if analytic:
        lengths[None] = None
    structures = ("reference", "relaxed") if settings.structures else (own.structure,)
    found = [own]
    for length, sides, structure, symmetrise in product(
        lengths, (TWO_SIDED, ONE_SIDED), structures, (own.symmetrise, not own.symmetrise)
    ):
        if length is not None or sides == TWO_SIDED:
            changes = {"displacement": length, "sides": sides, "structure": structure}
            found.append(replace(own, **changes, symmetrise=symmetrise))  # type: ignore[arg-type]
    for precision, length, symmetrise in product(
        precisions if settings.precisions else (), lengths, (own.symmetrise, not own.symmetrise)
    ):
        # second derivatives have a precision of their own
        if length is not None or precision == own.precision:
            found.append(replace(own, precision=precision, displacement=length, symmetrise=symmetrise))
    found += (replace(own, tolerance=tolerance) for tolerance in LOOSER_TOLERANCES)
    if settings.largest_supercell:
        found.append(replace(own, supercell=True))
    found += (replace(own, points=max(2, round(factor * own.points))) for factor in _DENSITIES)
    found += (replace(own, mesh_length=factor * own.mesh_length) for factor in _DENSITIES)
    return list(dict.fromkeys(found))


def choices_of(ways: Sequence[Way]) -> tuple[dict[str, list[str]], IntArray]:
    """Choices there are of each factor, and which of them each way is, (n_ways, n_factors)."""
    labels = [way.labels() for way in ways]
    choices = {name: list(dict.fromkeys(own[name] for own in labels)) for name in FACTORS}
    return choices, np.array([[choices[name].index(own[name]) for name in FACTORS] for own in labels])


def chosen_labels(choices: Mapping[str, Sequence[str]], ways: IntArray) -> list[dict[str, str]]:
    """What is chosen in each way, in words; of a record ``passport``."""
    return [{name: choices[name][place] for name, place in zip(FACTORS, way, strict=True)} for way in ways]


def alone(ways: Sequence[Way], factor: str) -> Iterator[int]:
    """Places of the first way, and of those that differ from it in nothing but one factor."""
    labels = [way.labels() for way in ways]
    for place, own in enumerate(labels):
        if all(own[other] == labels[0][other] for other in FACTORS if other != factor):
            yield place


def other_supercell(lattice: FloatArray, n_primitive: int, n_atoms: int, most: int) -> IntArray | None:
    """Another supercell of a primitive cell, about as long in all directions.

    Parameters
    ----------
    lattice : (3, 3) array
        Primitive lattice vectors as rows, Å.
    n_primitive, n_atoms : int
        Atoms of the primitive cell and of the supercell there is.
    most : int
        Atoms it may have.

    Returns
    -------
    (3, 3) int array or None
        The next larger one, or the next smaller one where that has too many atoms; None where there is none.
    """
    lengths = np.linalg.norm(lattice, axis=1)
    smaller = None
    for length in np.arange(1, 200) * lengths.min() / 2.0:
        times = np.maximum(1, np.rint(length / lengths)).astype(np.int64)
        size = int(times.prod()) * n_primitive
        if size > n_atoms:
            return np.diag(times) if size <= most else smaller
        if n_primitive < size < n_atoms and size <= most:
            smaller = np.diag(times)
    return None
