"""The plan of a study: its cells, the measurements in each, and the key of every record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from softmode.harmonic.protocol import HarmonicProtocol
from softmode.study import measurements
from softmode.study.measurements import CellContext, Result
from softmode.study.records import digest_of


@dataclass(frozen=True)
class CellIdentity:
    """What a cell is, by digest; enough to compute the keys of its records.

    Parameters
    ----------
    structure, reference : str
        Digests of the material: of its structure, and of structure and reference data together.
    potential : str
        Digest of the potential with its weights and precision.
    protocol : HarmonicProtocol
        The study's protocol.
    """

    structure: str
    reference: str
    potential: str
    protocol: HarmonicProtocol


@dataclass(frozen=True)
class Measurement:
    """A measurement: a function, and what its result depends on.

    Parameters
    ----------
    name : str
        Name in records and study files.
    version : int
        Raised when the code changes its results: older records are then computed anew.
    inputs : callable
        What determines the result besides the measurements it requires, JSON-able.
    run : callable
        The measurement itself.
    requires : tuple of str
        Measurements whose records it reads; their keys are part of its key.
    """

    name: str
    version: int
    inputs: Callable[[CellIdentity], dict[str, Any]]
    run: Callable[[CellContext], Result]
    requires: tuple[str, ...] = field(default=())


def _forces_inputs(cell: CellIdentity) -> dict[str, Any]:
    relax = cell.protocol.relax_fmax if cell.protocol.relax else None
    return {
        "structure": cell.structure,
        "potential": cell.potential,
        "displacement": cell.protocol.dispersion_displacement,
        "relax_fmax": relax,
    }


def _harmonic_inputs(cell: CellIdentity) -> dict[str, Any]:
    protocol = cell.protocol
    return {
        "reference": cell.reference,
        "symmetrise": protocol.symmetrise,
        "points_per_segment": protocol.points_per_segment,
        "mesh_length": protocol.mesh_length,
        "imaginary_tolerance": protocol.imaginary_tolerance,
        "nac": protocol.nac,
    }


#: Every measurement softmode knows, each after those it requires.
MEASUREMENTS: dict[str, Measurement] = {
    measurement.name: measurement
    for measurement in (
        Measurement("displaced_forces", 1, _forces_inputs, measurements.displaced_forces),
        Measurement("harmonic", 1, _harmonic_inputs, measurements.harmonic, requires=("displaced_forces",)),
    )
}


def with_requirements(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the measurements named and all they require, in an order in which they can run."""
    needed: set[str] = set()

    def visit(name: str) -> None:
        needed.add(name)
        for requirement in MEASUREMENTS[name].requires:
            visit(requirement)

    for name in names:
        visit(name)
    return tuple(name for name in MEASUREMENTS if name in needed)


def record_inputs(names: tuple[str, ...], cell: CellIdentity) -> dict[str, dict[str, Any]]:
    """Inputs of every measurement named (requirements included, in running order)."""
    inputs: dict[str, dict[str, Any]] = {}
    for name in with_requirements(names):
        measurement = MEASUREMENTS[name]
        inputs[name] = {
            "measurement": name,
            "version": measurement.version,
            **measurement.inputs(cell),
            "requires": {other: digest_of(inputs[other]) for other in measurement.requires},
        }
    return inputs


def record_keys(inputs: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """Key of each record: the digest of its inputs."""
    return {name: digest_of(content) for name, content in inputs.items()}
