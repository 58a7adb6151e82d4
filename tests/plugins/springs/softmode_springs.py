"""Simple cubic crystals of springs, one ``<name>.springs.json`` each, as a dataset."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers
from pydantic import Field

from softmode.crystal import Cell, ForceConstants, Material, Trajectory
from softmode.datasets import (
    DatasetKind,
    DatasetOptions,
    FromPaths,
    MaterialEntry,
    Remote,
    classify,
    fingerprint,
    reading,
    supercell_of,
)
from softmode.downloads import RemoteFile, get_bytes

SUFFIX = ".springs.json"


class SpringOptions(DatasetOptions):
    """What the files do not say."""

    repeat: int = Field(
        default=2, ge=2, le=4, description="cells along each axis of the supercell (default 2)"
    )


def recognises(path: Path) -> bool:
    """A file of springs, or a folder of such."""
    return path.name.endswith(SUFFIX) if path.is_file() else any(path.glob(f"*{SUFFIX}"))


def sources(path: Path) -> list[Path]:
    """The crystals at a path."""
    return [path] if path.is_file() else sorted(path.glob(f"*{SUFFIX}"))


def name_of(path: Path) -> str:
    """``Cu`` of ``Cu.springs.json``."""
    return path.name.removesuffix(SUFFIX)


def entry(path: Path, options: SpringOptions) -> MaterialEntry:
    """One crystal, with a trajectory."""
    source, repeat = f"{fingerprint([path], path.parent)}:{options.repeat}", options.repeat
    load_material, frames = partial(load, path, repeat), partial(load_trajectory, path, repeat)
    return MaterialEntry(name_of(path), source, load_material, frames, tags={"joined_by": "springs"})


def load(path: Path, repeat: int) -> Material:
    """A crystal with its force constants."""
    with reading(str(path), "this is no crystal of springs", "give element, a and k"):
        said = json.loads(path.read_text(encoding="utf-8"))
        element, a, k = atomic_numbers[said["element"]], float(said["a"]), float(said["k"])
    cell = Cell(a * np.eye(3), np.zeros((1, 3)), np.array([element]))
    bare = Material(name_of(path), said["element"], cell, repeat * np.eye(3, dtype=int), np.eye(3))
    tags = classify(cell).tags() | {"level_of_theory": "springs"}
    reference = ForceConstants(_force_constants(supercell_of(bare), a, k))
    return Material(
        bare.name, bare.formula, cell, bare.supercell_matrix, np.eye(3), reference=reference, tags=tags
    )


def _force_constants(supercell: Cell, a: float, k: float) -> np.ndarray:
    """Springs of stiffness k along each bond and k/4 across it, eV/Å²."""
    places = supercell.scaled_positions
    values = np.zeros((len(places), len(places), 3, 3))
    for axis in np.vstack([np.eye(3), -np.eye(3)]):
        bond = k * (np.outer(axis, axis) + 0.25 * (np.eye(3) - np.outer(axis, axis)))
        for i, place in enumerate(places):
            away = (places - place) @ supercell.lattice - a * axis
            away = np.linalg.norm(
                away - np.rint(away @ np.linalg.inv(supercell.lattice)) @ supercell.lattice, axis=1
            )
            values[i, int(away.argmin())] -= bond
            values[i, i] += bond
    return values


def load_trajectory(path: Path, repeat: int) -> Trajectory:
    """Two runs of harmonic configurations."""
    material = load(path, repeat)
    assert isinstance(material.reference, ForceConstants)
    supercell = supercell_of(material)
    moved = np.random.default_rng(len(path.name)).normal(scale=0.05, size=(5, supercell.n_atoms, 3))
    return Trajectory(
        lattice=supercell.lattice,
        numbers=supercell.numbers,
        positions=supercell.scaled_positions @ supercell.lattice + moved,
        forces=-np.einsum("iajb,fjb->fia", material.reference.values.transpose(0, 2, 1, 3), moved),
        run_lengths=(2, 3),
        notes=(f"{path}: made up",),
        source=path.name,
    )


def remote_files(names: Sequence[str] | None, server: str | None) -> list[RemoteFile]:
    """Files of a server that lists them with their SHA-256 under ``/index.json``."""
    base = server or "https://springs.example"
    index: dict[str, str] = json.loads(get_bytes(f"{base}/index.json"))
    return [
        RemoteFile(f"{base}/{name}{SUFFIX}", f"{name}{SUFFIX}", checksum=f"sha256:{index[name]}")
        for name in (index if names is None else names)
    ]


SPRINGS = DatasetKind(
    name="springs",
    title="Crystals of springs",
    holds=f"files *{SUFFIX}, with force constants and frames",
    citation="R. Hooke, De potentia restitutiva (1678)",
    licence="MIT",
    entries=FromPaths(sources, entry, nothing=("no springs are in it", f"point to files *{SUFFIX}")),
    options=SpringOptions,
    recognises=recognises,
    aliases=("hooke",),
    remote=Remote(remote_files, "names of crystals"),
)
