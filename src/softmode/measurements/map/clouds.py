"""Trajectories as the clouds of a map: from files and folders, thinned, with σ(t)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from softmode.anharmonic.displacements import displacements
from softmode.anharmonic.sigma import harmonic_forces, sigma
from softmode.configurations import check_frames
from softmode.crystal import Material, Trajectory
from softmode.datasets import align_trajectory, read_trajectory
from softmode.dynamics import joined_trajectory, read_md
from softmode.errors import InputDataError, SettingsError
from softmode.harmonic import (
    build_phonopy,
    full_force_constants,
    reference_force_constants,
    reference_supercell,
)
from softmode.measurements.frames import one_in
from softmode.measurements.map.analysis import Cloud


def read_clouds(
    paths: Sequence[Path], labels: Sequence[str] = (), *, skip: int = 0, every: int = 1
) -> tuple[Cloud, ...]:
    """Trajectories from files and from folders of ``softmode md``.

    Parameters
    ----------
    paths : sequence of Path
        Each is a cloud of its own, unless labels say otherwise.
    labels : sequence of str
        One for each path; equal labels make one cloud of several runs. File names by default.
    skip, every : int
        Frames left out at the start of each run, and one in so many kept of the others.

    Raises
    ------
    SettingsError
        If the number of labels is not that of the paths.
    InputDataError
        If a trajectory cannot be read, or they are not of one composition.
    """
    if labels and len(labels) != len(paths):
        raise SettingsError(
            "--labels",
            f"{len(labels)} labels for {len(paths)} trajectories",
            "Give one for each; equal ones make one cloud",
        )
    names = list(labels) or _names(paths)
    of_label: dict[str, list[Path]] = {name: [] for name in names}
    for name, path in zip(names, paths, strict=True):
        if path.resolve() in {other.resolve() for known in of_label.values() for other in known}:
            raise SettingsError(str(path), "it is given twice", "Give each trajectory once")
        of_label[name].append(path)
    clouds = tuple(Cloud(name, _read(given, skip, every)) for name, given in of_label.items())
    check_frames([cloud.trajectory for cloud in clouds])
    return clouds


def _names(paths: Sequence[Path]) -> list[str]:
    """Names of files without their endings; longer ones where these are the same."""
    stems = [path.name if path.is_dir() else path.name.split(".")[0] or path.name for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    whole = [f"{path.resolve().parent.name}/{path.name}" for path in paths]
    return whole if len(set(whole)) == len(whole) else [str(path) for path in paths]


def _read(paths: Sequence[Path], skip: int, every: int) -> Trajectory:
    """One trajectory of files and of folders of molecular dynamics."""
    parts = []
    files = [path for path in paths if not path.is_dir()]
    if files:
        parts.append(read_trajectory(files, skip=skip, every=every))
    for folder in (path for path in paths if path.is_dir()):
        replicas = sorted(folder.glob("replica_*"), key=lambda path: (len(path.name), path.name))
        runs = [read_md(replica) for replica in replicas or [folder]]
        parts.append(thinned(joined_trajectory(runs, skip), every))
    return parts[0] if len(parts) == 1 else _joined(parts)


def thinned(trajectory: Trajectory, every: int) -> Trajectory:
    """One frame in so many of each run."""
    if every == 1:
        return trajectory
    kept, runs = one_in(trajectory.run_lengths, every)
    return replace(
        trajectory, positions=trajectory.positions[kept], forces=trajectory.forces[kept], run_lengths=runs
    )


def _joined(parts: Sequence[Trajectory]) -> Trajectory:
    first = parts[0]
    for other in parts[1:]:
        if not np.array_equal(other.numbers, first.numbers) or not np.allclose(other.lattice, first.lattice):
            raise InputDataError(
                other.source,
                f"its atoms or lattice are not those of {first.source}",
                "Give runs of one label in one atom order and lattice, or labels of their own",
            )
    return replace(
        first,
        positions=np.concatenate([part.positions for part in parts]),
        forces=np.concatenate([part.forces for part in parts]),
        run_lengths=tuple(run for part in parts for run in part.run_lengths),
        notes=tuple(note for part in parts for note in part.notes),
        source=", ".join(part.source for part in parts),
    )


def with_sigma(clouds: Sequence[Cloud], material: Material) -> tuple[Cloud, ...]:
    """Clouds in the atom order of a supercell, with σ(t) by its force constants as they come.

    Parameters
    ----------
    clouds : sequence of Cloud
        In any atom order.
    material : Material
        Supercell and force constants.

    Raises
    ------
    InputDataError
        If a trajectory is not of this supercell, or a frame has no forces.
    """
    phonon = build_phonopy(material)
    constants = full_force_constants(phonon, reference_force_constants(phonon, material))
    cell = reference_supercell(phonon)
    found = []
    for cloud in clouds:
        aligned = align_trajectory(cloud.trajectory, cell, cloud.trajectory.source)
        harmonic = harmonic_forces(constants, displacements(aligned, cell))
        of_frames = sigma(aligned.forces, harmonic, subject=aligned.source).per_frame
        found.append(Cloud(cloud.label, aligned, of_frames))
    return tuple(found)
