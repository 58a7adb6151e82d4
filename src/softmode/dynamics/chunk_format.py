"""A piece of a run as the bytes of an HDF5 file, laid out after H5MD, sealed with its checksum.

Layout: ``particles/all/{position,velocity,force}/{value,step,time}``, ``particles/all/{species,mass}``,
``particles/all/box/edges`` and ``observables/…`` as in H5MD (P. de Buyl et al., Comput. Phys. Commun. 185,
1546 (2014)), units in the attribute ``unit``; ``run`` and ``checkpoint`` hold what a continuation needs.
Every piece says everything about its run and is readable without the others.
"""

from __future__ import annotations

import io
import json
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from softmode.dynamics.chunks import Checkpoint, Chunk, Frames, RunDescription
from softmode.dynamics.md_settings import MDSettings
from softmode.files import seal_holds, sealed

_FORMAT = 1

_PARTICLES = {
    "positions": ("position", "Angstrom"),
    "velocities": ("velocity", "Angstrom fs-1"),
    "forces": ("force", "eV Angstrom-1"),
}
_OBSERVABLES = {
    "potential_energy": "eV",
    "kinetic_energy": "eV",
    "temperature": "K",
    "conserved_energy": "eV",
}


class DamagedChunkError(Exception):
    """Bytes that are not a whole piece; the reason is its text."""


def encode(chunk: Chunk) -> bytes:
    """Bytes of a piece.

    Parameters
    ----------
    chunk : Chunk
        With any number of frames, none included.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["softmode_md"] = _FORMAT
        file.create_group("h5md").attrs["version"] = [1, 1]
        file.attrs["state"] = json.dumps(
            {
                "index": chunk.index,
                "status": chunk.status,
                "last_step": chunk.last_step,
                "reason": chunk.reason,
                "notes": chunk.notes,
            }
        )
        _write_run(file, chunk.run)
        _write_frames(file, chunk.frames, chunk.run.settings.timestep)
        if chunk.checkpoint is not None:
            _write_checkpoint(file.create_group("checkpoint"), chunk.checkpoint)
    return sealed(buffer.getvalue())


def decode(content: bytes) -> Chunk:
    """Piece from its bytes.

    Raises
    ------
    DamagedChunkError
        If they are not what :func:`encode` returned.
    """
    holds = seal_holds(content)
    if holds is None:
        raise DamagedChunkError("it is cut short or no piece of a trajectory")
    if not holds:
        raise DamagedChunkError("its checksum is wrong")
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            if file.attrs["softmode_md"] != _FORMAT:
                raise DamagedChunkError(f"its format {file.attrs['softmode_md']} is not known")
            state = json.loads(file.attrs["state"])
            checkpoint = _read_checkpoint(file["checkpoint"]) if "checkpoint" in file else None
            return Chunk(
                run=_read_run(file),
                frames=_read_frames(file),
                checkpoint=checkpoint,
                **{**state, "notes": tuple(state["notes"])},
            )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DamagedChunkError(f"it cannot be read ({error})") from error


def _write_run(file: Any, run: RunDescription) -> None:
    particles = file.create_group("particles/all")
    particles["species"] = run.numbers
    particles["mass"] = run.masses
    particles["mass"].attrs["unit"] = "u"
    box = particles.create_group("box")
    box.attrs["dimension"] = 3
    box.attrs["boundary"] = ["periodic"] * 3
    box["edges"] = run.lattice
    box["edges"].attrs["unit"] = "Angstrom"
    group = file.create_group("run")
    group.attrs["settings"] = run.settings.model_dump_json()
    group["start"] = run.start
    group["reference"] = run.reference


def _read_run(file: Any) -> RunDescription:
    particles, group = file["particles/all"], file["run"]
    return RunDescription(
        lattice=_array(particles["box/edges"]),
        numbers=_array(particles["species"]),
        masses=_array(particles["mass"]),
        start=_array(group["start"]),
        reference=_array(group["reference"]),
        settings=MDSettings.model_validate_json(group.attrs["settings"]),
    )


def _write_frames(file: Any, frames: Frames, timestep: float) -> None:
    file["run/step"] = frames.steps
    file["run/time"] = frames.steps * timestep
    file["run/time"].attrs["unit"] = "fs"
    names = {name: (f"particles/all/{h5md}", unit) for name, (h5md, unit) in _PARTICLES.items()}
    names |= {name: (f"observables/{name}", unit) for name, unit in _OBSERVABLES.items()}
    for name, (path, unit) in names.items():
        element = file.create_group(path)
        element["value"] = getattr(frames, name)
        element["value"].attrs["unit"] = unit
        element["step"], element["time"] = file["run/step"], file["run/time"]  # hard links, as H5MD has it


def _read_frames(file: Any) -> Frames:
    particles = {name: _array(file[f"particles/all/{h5md}/value"]) for name, (h5md, _) in _PARTICLES.items()}
    observables = {name: _array(file[f"observables/{name}/value"]) for name in _OBSERVABLES}
    return Frames(steps=_array(file["run/step"]), **particles, **observables)


def _write_checkpoint(group: Any, checkpoint: Checkpoint) -> None:
    group.attrs["identity"] = checkpoint.identity
    group.attrs["step"] = checkpoint.step
    group.attrs["random_state"] = json.dumps(checkpoint.random_state)
    for name in ("positions", "momenta", "forces"):
        group[name] = getattr(checkpoint, name)
    thermostat = group.create_group("thermostat")
    for name, values in checkpoint.thermostat.items():
        thermostat[name] = values


def _read_checkpoint(group: Any) -> Checkpoint:
    return Checkpoint(
        identity=str(group.attrs["identity"]),
        step=int(group.attrs["step"]),
        positions=_array(group["positions"]),
        momenta=_array(group["momenta"]),
        forces=_array(group["forces"]),
        thermostat={name: _array(values) for name, values in group["thermostat"].items()},
        random_state=json.loads(group.attrs["random_state"]),
    )


def _array(dataset: Any) -> NDArray[Any]:
    return np.asarray(dataset[()])
