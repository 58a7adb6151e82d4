"""The plan of a study: its cells, the measurements in each, and the key of every record."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from softmode.harmonic.protocol import HarmonicProtocol
from softmode.study import (
    map_measurements,
    md_measurements,
    measurements,
    model_measurements,
    sigma_measurements,
)
from softmode.study.context import CellContext, Result
from softmode.study.map_settings import MapSettings
from softmode.study.records import digest_of
from softmode.study.sampling_settings import DynamicsSettings, OneShotSettings, SelfConsistentSampling


@dataclass(frozen=True)
class CellIdentity:
    """What a cell is, by digest; enough to compute the keys of its records.

    Parameters
    ----------
    structure, reference : str
        Digests of the material: of its structure, and of structure and reference data together; the latter is
        empty when it comes without reference data.
    trajectory : str
        Digest of its reference trajectory; empty when it has none.
    potential : str
        Digest of the potential with its weights and precision.
    protocol : HarmonicProtocol
        The study's protocol.
    seed : int
        The study's seed.
    one_shot : OneShotSettings
        The study's way of drawing thermal samples.
    md : DynamicsSettings
        The study's molecular dynamics.
    self_consistent : SelfConsistentSampling
        How self-consistent samples are drawn.
    map : MapSettings
        The study's maps.
    """

    structure: str
    reference: str
    trajectory: str
    potential: str
    protocol: HarmonicProtocol
    seed: int
    one_shot: OneShotSettings = field(default_factory=OneShotSettings)
    md: DynamicsSettings = field(default_factory=DynamicsSettings)
    self_consistent: SelfConsistentSampling = field(default_factory=SelfConsistentSampling)
    map: MapSettings = field(default_factory=MapSettings)


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
    needs_reference : bool
        Whether it applies only to materials with reference force constants.
    needs_trajectory : bool
        Whether it applies only to materials with a reference trajectory.
    needs_potential : bool
        False when it is about the reference alone; its records then serve every potential.
    record_as : str
        Name under which its records are kept, when it shares them with another measurement: equal inputs
        then have equal keys. Empty: its own name.
    """

    name: str
    version: int
    inputs: Callable[[CellIdentity], dict[str, Any]]
    run: Callable[[CellContext], Result]
    requires: tuple[str, ...] = field(default=())
    needs_reference: bool = False
    needs_trajectory: bool = False
    needs_potential: bool = True
    record_as: str = ""


def _forces_inputs(cell: CellIdentity, displacement: float, *, relax: bool) -> dict[str, Any]:
    return {
        "structure": cell.structure,
        "potential": cell.potential,
        "displacement": displacement,
        "relax_fmax": cell.protocol.relax_fmax if relax else None,
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


def _model_phonons_inputs(cell: CellIdentity) -> dict[str, Any]:
    protocol = cell.protocol
    return {
        "symmetrise": protocol.symmetrise,
        "points_per_segment": protocol.points_per_segment,
        "mesh_length": protocol.mesh_length,
        "imaginary_tolerance": protocol.imaginary_tolerance,
    }


def _dynamics_forces_inputs(cell: CellIdentity) -> dict[str, Any]:
    relax = cell.protocol.relax and not cell.trajectory
    return _forces_inputs(cell, cell.protocol.sigma_displacement, relax=relax)


def _thermal_inputs(cell: CellIdentity) -> dict[str, Any]:
    of_reference = cell.one_shot.force_constants == "reference"
    return {
        "one_shot": cell.one_shot.model_dump(mode="json"),
        "symmetrise": cell.protocol.symmetrise,
        "seed": cell.seed,
        **({"reference": cell.reference} if of_reference else {}),
    }


def _md_inputs(cell: CellIdentity) -> dict[str, Any]:
    # without a trajectory runs start from thermal samples of the force constants
    start = {"trajectory": cell.trajectory} if cell.trajectory else {"symmetrise": cell.protocol.symmetrise}
    return {"md": cell.md.model_dump(mode="json", exclude={"discard"}), "seed": cell.seed, **start}


def _model_only_inputs(cell: CellIdentity) -> dict[str, Any]:
    return {"symmetrise": cell.protocol.symmetrise, "discard": cell.md.discard, "seed": cell.seed}


def _map_inputs(cell: CellIdentity) -> dict[str, Any]:
    return {"trajectory": cell.trajectory, "map": cell.map.identity, "seed": cell.seed}


def _trajectory_inputs(cell: CellIdentity) -> dict[str, Any]:
    return {"structure": cell.structure, "trajectory": cell.trajectory, "potential": cell.potential}


def _reference_sigma_inputs(cell: CellIdentity) -> dict[str, Any]:
    return {**_sigma_inputs(cell), "trajectory": cell.trajectory}


def _sigma_inputs(cell: CellIdentity) -> dict[str, Any]:
    return {"reference": cell.reference, **_own_sigma_inputs(cell)}


def _own_sigma_inputs(cell: CellIdentity) -> dict[str, Any]:
    """Inputs of σ that needs no reference."""
    return {"symmetrise": cell.protocol.symmetrise, "seed": cell.seed}


#: Every measurement softmode knows, each after those it requires.
MEASUREMENTS: dict[str, Measurement] = {
    measurement.name: measurement
    for measurement in (
        Measurement(
            "displaced_forces",
            1,
            lambda cell: _forces_inputs(
                cell, cell.protocol.dispersion_displacement, relax=cell.protocol.relax
            ),
            measurements.displaced_forces,
        ),
        Measurement(
            "harmonic",
            1,
            _harmonic_inputs,
            measurements.harmonic,
            requires=("displaced_forces",),
            needs_reference=True,
        ),
        Measurement(
            "model_phonons",
            1,
            _model_phonons_inputs,
            model_measurements.model_phonons,
            requires=("displaced_forces",),
        ),
        Measurement(
            "reference_sigma",
            1,
            _reference_sigma_inputs,
            sigma_measurements.reference_sigma,
            needs_trajectory=True,
            needs_potential=False,
        ),
        Measurement(
            "displaced_forces_for_sigma",
            1,
            lambda cell: _forces_inputs(cell, cell.protocol.sigma_displacement, relax=False),
            measurements.displaced_forces_for_sigma,
            needs_trajectory=True,
            record_as="displaced_forces",
        ),
        Measurement(
            "trajectory_forces",
            1,
            _trajectory_inputs,
            sigma_measurements.trajectory_forces,
            needs_trajectory=True,
        ),
        Measurement(
            "sigma",
            1,
            _sigma_inputs,
            sigma_measurements.sigma_comparison,
            requires=("reference_sigma", "displaced_forces_for_sigma", "trajectory_forces"),
            needs_trajectory=True,
        ),
        Measurement(
            "displaced_forces_for_dynamics",
            1,
            _dynamics_forces_inputs,
            model_measurements.displaced_forces_for_dynamics,
            record_as="displaced_forces",
        ),
        Measurement(
            "thermal_forces",
            1,
            _thermal_inputs,
            model_measurements.thermal_forces,
            requires=("displaced_forces_for_dynamics",),
        ),
        Measurement(
            "one_shot",
            1,
            _own_sigma_inputs,
            model_measurements.one_shot,
            requires=("displaced_forces_for_dynamics", "thermal_forces"),
        ),
        Measurement(
            "self_consistent_forces",
            1,
            lambda cell: {
                "self_consistent": cell.self_consistent.model_dump(mode="json"),
                "symmetrise": cell.protocol.symmetrise,
                "seed": cell.seed,
            },
            model_measurements.self_consistent_forces,
            requires=("displaced_forces_for_dynamics",),
        ),
        Measurement(
            "self_consistent",
            1,
            _own_sigma_inputs,
            model_measurements.self_consistent,
            requires=("displaced_forces_for_dynamics", "self_consistent_forces"),
        ),
        Measurement(
            "md",
            1,
            _md_inputs,
            md_measurements.md,
            requires=("displaced_forces_for_dynamics",),
        ),
        Measurement(
            "model_only",
            2,
            _model_only_inputs,
            md_measurements.model_only,
            requires=("displaced_forces_for_dynamics", "md"),
        ),
        Measurement(
            "map",
            2,
            _map_inputs,
            map_measurements.configuration_map,
            requires=("sigma", "md", "model_only"),
            needs_trajectory=True,
        ),
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
    """Inputs of every measurement named that applies to the cell, requirements included, in running order."""
    inputs: dict[str, dict[str, Any]] = {}
    for name in with_requirements(names):
        measurement = MEASUREMENTS[name]
        if (measurement.needs_trajectory and not cell.trajectory) or (
            measurement.needs_reference and not cell.reference
        ):
            continue
        inputs[name] = {
            "measurement": measurement.record_as or name,
            "version": measurement.version,
            **measurement.inputs(cell),
            "requires": {other: digest_of(inputs[other]) for other in measurement.requires},
        }
    return inputs


def blocked(name: str, failed: Collection[str]) -> bool:
    """Whether a measurement cannot be made because one it requires has failed."""
    return any(requirement in failed for requirement in MEASUREMENTS[name].requires)
