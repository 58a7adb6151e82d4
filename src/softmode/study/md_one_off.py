"""Molecular dynamics of one material without a study: the same measurements, its trajectories kept."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softmode.crystal import Material, Trajectory
from softmode.dynamics import MDRun, read_md
from softmode.errors import InputDataError
from softmode.harmonic.protocol import HarmonicProtocol
from softmode.potentials.resolution import ResolvedPotential
from softmode.study.context import CellContext
from softmode.study.plan import MEASUREMENTS, CellIdentity, record_inputs
from softmode.study.records import Partial, Record, RecordStore, digest_of, write_atomically
from softmode.study.sampling_settings import DynamicsSettings

_RUN_FILE = "run.json"


@dataclass(frozen=True, eq=False)
class MDOneOff:
    """Result of :func:`run_dynamics`.

    Parameters
    ----------
    material : Material
        The crystal.
    potential : str
        Its name.
    settings : DynamicsSettings
        How the runs were made.
    md, model_only : Record
        Records of the measurements.
    runs : tuple of MDRun
        The replicas, as they are on disk.
    """

    material: Material
    potential: str
    settings: DynamicsSettings
    md: Record
    model_only: Record
    runs: tuple[MDRun, ...]


def run_dynamics(
    material: Material,
    potential: ResolvedPotential,
    settings: DynamicsSettings,
    folder: Path,
    *,
    protocol: HarmonicProtocol | None = None,
    trajectory: Trajectory | None = None,
    seed: int = 2026,
    advance: Callable[[int, int], None] = lambda replica, step: None,
) -> MDOneOff:
    """Run molecular dynamics of a material into a folder, and score it; goes on where it was stopped.

    Parameters
    ----------
    material : Material
        With or without reference data, of which nothing is used.
    potential : ResolvedPotential
        The potential.
    settings : DynamicsSettings
        How the runs are made.
    folder : Path
        Where trajectories go: ``replica_0/piece_000000.h5`` and so on.
    protocol : HarmonicProtocol, optional
        For the force constants.
    trajectory : Trajectory, optional
        Aligned to the material's supercell; random frames of it are the starts.
    seed : int
        Of starts, velocities and thermostats.
    advance : callable
        Told of each step: replica, and number of the step.

    Raises
    ------
    InputDataError
        If the folder holds runs of something else.
    """
    protocol = protocol or HarmonicProtocol()
    identity = CellIdentity(
        structure=material.structure_digest,
        reference="",
        trajectory="" if trajectory is None else trajectory.digest,
        potential=potential.digest,
        protocol=protocol,
        seed=seed,
        md=settings,
    )
    inputs = record_inputs(("model_only",), identity)
    _claim(folder, inputs["md"], material, potential)
    context = CellContext(
        material,
        potential.load,
        protocol,
        load_trajectory=None if trajectory is None else lambda: trajectory,
        partial=Partial(folder),
        seed=seed,
        md=settings,
        advance=advance,
    )
    store = RecordStore(folder / "records")
    for name, content in inputs.items():
        known = store.find(digest_of(content)) if name == "displaced_forces_for_dynamics" else None
        context.records[name] = known or _made(name, content, context)
        if known is None and name == "displaced_forces_for_dynamics":
            store.write(context.records[name])
    return MDOneOff(
        material=material,
        potential=potential.info.name,
        settings=settings,
        md=context.records["md"],
        model_only=context.records["model_only"],
        runs=tuple(read_md(folder / f"replica_{index}") for index in range(settings.replicas)),
    )


def _made(name: str, inputs: dict[str, Any], context: CellContext) -> Record:
    started = time.perf_counter()
    result = MEASUREMENTS[name].run(context)
    return Record(
        key=digest_of(inputs),
        measurement=inputs["measurement"],
        inputs=inputs,
        values=result.values,
        arrays=result.arrays,
        seconds=time.perf_counter() - started,
    )


def _claim(folder: Path, inputs: dict[str, Any], material: Material, potential: ResolvedPotential) -> None:
    """Write down what the folder is for; refuse one that is for something else.

    More steps and more replicas go on with what is there.
    """
    settings = {key: value for key, value in inputs["md"].items() if key not in ("steps", "replicas")}
    digest = digest_of({**inputs, "md": settings})
    path = folder / _RUN_FILE
    if path.exists():
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            known = {}  # damaged; the trajectories themselves say what they are
        if known.get("digest", digest) != digest:
            raise InputDataError(
                str(folder),
                f"holds molecular dynamics of {known.get('material')} with {known.get('potential')}, "
                "or with other settings",
                "give another --output, or repeat the command it was made with",
            )
    text = {
        "material": material.name,
        "potential": potential.info.name,
        "digest": digest,
        "md": inputs["md"],
        "seed": inputs["seed"],
    }
    write_atomically(path, json.dumps(text, indent=1).encode())
