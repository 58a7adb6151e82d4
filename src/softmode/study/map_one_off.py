"""A map of configuration space without a study: trajectories in, a folder of results out."""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from softmode import __version__
from softmode.anharmonic.displacements import displacements
from softmode.anharmonic.sigma import harmonic_forces, sigma
from softmode.configurations import check_frames
from softmode.datasets import align_trajectory, read_trajectory
from softmode.dynamics import joined_trajectory, read_md
from softmode.errors import InputDataError, MissingExtraError, SettingsError, StorageError
from softmode.harmonic import (
    build_phonopy,
    full_force_constants,
    reference_force_constants,
    reference_supercell,
)
from softmode.material import Material, Trajectory
from softmode.study.map_analysis import Cloud, MapAnalysis, analyse, overlap_values, stranger_values
from softmode.study.map_kernel import PIECES_VERSION, Advance, MadeKernel, Predicted, make_kernel
from softmode.study.map_settings import MapSettings
from softmode.study.records import Partial, digest_of, write_atomically

FloatArray = NDArray[np.float64]

_RUN_FILE, _KERNEL_FILE, _PIECES = "run.json", "kernel.h5", "pieces"
_PACKAGES = {"dscribe": "dscribe", "sklearn": "scikit-learn", "chemiscope": "chemiscope"}


@dataclass(frozen=True, eq=False)
class MapOneOff:
    """Result of :func:`map_trajectories`.

    Parameters
    ----------
    clouds : tuple of Cloud
        What was mapped.
    kernel : MadeKernel
        The kernel matrix.
    analysis : MapAnalysis
        Coordinates, overlaps, foreign frames.
    settings : MapSettings
        How it was made.
    folder : Path
        Where the files are.
    """

    clouds: tuple[Cloud, ...]
    kernel: MadeKernel
    analysis: MapAnalysis
    settings: MapSettings
    folder: Path


def require_maps_extra() -> None:
    """Say what has to be installed before anything is computed.

    Raises
    ------
    MissingExtraError
        If a package of the extra ``maps`` is not there.
    """
    missing = [name for module, name in _PACKAGES.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise MissingExtraError(
            "softmode map",
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            "Install with: pip install 'softmode[maps]'",
        )


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
    kept = np.concatenate([np.arange(run) % every == 0 for run in trajectory.run_lengths])
    return replace(
        trajectory,
        positions=trajectory.positions[kept],
        forces=trajectory.forces[kept],
        run_lengths=tuple(-(-run // every) for run in trajectory.run_lengths),
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


def map_trajectories(
    clouds: Sequence[Cloud],
    settings: MapSettings,
    folder: Path,
    *,
    threads: int = 1,
    seed: int = 2026,
    advance: Advance = lambda what, done, total: None,
    predicted: Predicted = lambda what, amount, seconds: None,
) -> MapOneOff:
    """Map trajectories into a folder; goes on where it was stopped.

    Parameters
    ----------
    clouds : sequence of Cloud
        From :func:`read_clouds`; the first is the reference.
    settings : MapSettings
        SOAP, kernel, neighbours; frames have been thinned already.
    folder : Path
        Receives ``kernel.h5``, ``coordinates.csv`` and ``overlap.json``.
    threads : int
        Threads.
    seed : int
        Of significances.
    advance, predicted : callable
        Told of progress, and of what it will cost.

    Raises
    ------
    InputDataError
        If the folder holds a map of something else, or there is nothing to draw.
    StorageError
        If something cannot be written.
    """
    require_maps_extra()
    trajectories = [cloud.trajectory for cloud in clouds]
    check_frames(trajectories)
    digest = digest_of(
        {
            "pieces": PIECES_VERSION,
            "settings": {key: settings.identity[key] for key in ("soap", "kernel")},
            "frames": [trajectory.digest for trajectory in trajectories],
        }
    )
    _claim(folder, digest, clouds, settings)
    kernel = _known_kernel(folder / _KERNEL_FILE, digest)
    if kernel is None:
        pieces = Partial(folder / _PIECES)
        kernel = make_kernel(
            trajectories,
            settings.soap,
            settings.kernel,
            partial=pieces,
            threads=threads,
            advance=advance,
            predicted=predicted,
        )
        write_atomically(folder / _KERNEL_FILE, _kernel_file(clouds, kernel, settings, digest))
        pieces.clear()
    analysis = analyse(
        clouds,
        kernel.dissimilarities,
        n_neighbours=settings.n_neighbours,
        n_permutations=settings.n_permutations,
        seed=seed,
    )
    result = MapOneOff(tuple(clouds), kernel, analysis, settings, folder)
    write_atomically(folder / "coordinates.csv", coordinates_csv(analysis).encode())
    write_atomically(folder / "overlap.json", json.dumps(map_values(result), indent=1).encode())
    return result


def _claim(folder: Path, digest: str, clouds: Sequence[Cloud], settings: MapSettings) -> None:
    """Write down what the folder is for; refuse one that is for something else."""
    path = folder / _RUN_FILE
    if path.exists():
        try:
            known = json.loads(path.read_text(encoding="utf-8")).get("digest")
        except (ValueError, AttributeError):
            known = None  # damaged: its pieces may be of anything
            Partial(folder / _PIECES).clear()
        if known not in (None, digest):
            raise InputDataError(
                str(folder),
                "holds a map of other frames, or with other settings",
                "Give another --output, or repeat the command it was made with",
            )
    text = {
        "digest": digest,
        "clouds": {cloud.label: cloud.trajectory.source for cloud in clouds},
        "settings": settings.model_dump(mode="json"),
    }
    write_atomically(path, json.dumps(text, indent=1).encode())


def _kernel_file(clouds: Sequence[Cloud], kernel: MadeKernel, settings: MapSettings, digest: str) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["softmode_map"] = PIECES_VERSION
        file.attrs["digest"] = digest
        file.attrs["software"] = f"softmode {__version__}"
        file.attrs["settings"] = settings.model_dump_json()
        file.attrs["diagnostics"] = json.dumps(kernel.diagnostics)
        file.attrs["seconds"] = kernel.seconds
        data = file.create_dataset(
            "dissimilarities",
            data=kernel.dissimilarities,
            compression="gzip",
            compression_opts=1,
            shuffle=True,
            fletcher32=True,
        )
        data.attrs["meaning"] = "1 - K, normalised so that K_ii = 1; frames cloud after cloud, run after run"
        file["labels"] = np.array([cloud.label for cloud in clouds], dtype=h5py.string_dtype())
        file["n_frames"] = np.array([cloud.trajectory.n_frames for cloud in clouds])
        for index, cloud in enumerate(clouds):
            file[f"run_lengths/{index}"] = np.array(cloud.trajectory.run_lengths)
            if cloud.sigma_t is not None:
                file[f"sigma_t/{index}"] = cloud.sigma_t
    return buffer.getvalue()


def _known_kernel(path: Path, digest: str) -> MadeKernel | None:
    """The kernel of an earlier, finished run; None if there is none, or it is damaged."""
    if not path.exists():
        return None
    try:
        with h5py.File(path, "r") as file:
            if file.attrs["digest"] != digest:
                return None
            return MadeKernel(
                dissimilarities=np.asarray(file["dissimilarities"][()]),
                diagnostics=json.loads(file.attrs["diagnostics"]),
                seconds=float(file.attrs["seconds"]),
                predicted_seconds=None,
            )
    except (OSError, KeyError, ValueError):
        return None


def read_kernel(path: Path) -> tuple[FloatArray, tuple[str, ...], tuple[int, ...]]:
    """The matrix of a ``kernel.h5``, with the clouds it is of.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dissimilarities : (n_frames, n_frames) array
        ``1 - K``.
    labels : tuple of str
        The clouds.
    n_frames : tuple of int
        Frames of each.

    Raises
    ------
    StorageError
        If it is not there or damaged.
    """
    try:
        with h5py.File(path, "r") as file:
            return (
                np.asarray(file["dissimilarities"][()]),
                tuple(label.decode() for label in file["labels"][()]),
                tuple(int(n) for n in file["n_frames"][()]),
            )
    except (OSError, KeyError, ValueError) as error:
        raise StorageError(str(path), "is not a readable kernel", "Run `softmode map` again") from error


def coordinates_csv(analysis: MapAnalysis) -> str:
    """One line for each frame: cloud, run, frame, coordinates, how foreign it is, σ(t)."""
    points = analysis.points
    lines = ["label,run,frame,component_1,component_2,foreignness,sigma_t"]
    for index in range(len(points.cloud)):
        numbers = (*points.coordinates[index], points.foreign[index], points.sigma_t[index])
        shown = ["" if np.isnan(number) else f"{number:.9g}" for number in numbers]
        label = points.labels[points.cloud[index]].replace('"', '""')
        lines.append(f'"{label}",{points.run[index]},{points.frame[index]},{",".join(shown)}')
    return "\n".join(lines) + "\n"


def map_values(result: MapOneOff) -> dict[str, Any]:
    """Everything that is told of a map, JSON-able."""
    analysis = result.analysis
    return {
        "clouds": [
            {
                "label": cloud.label,
                "source": cloud.trajectory.source,
                "n_frames": cloud.trajectory.n_frames,
                "run_lengths": list(cloud.trajectory.run_lengths),
                "sigma_mean_t": None if cloud.sigma_t is None else float(cloud.sigma_t.mean()),
            }
            for cloud in result.clouds
        ],
        "n_atoms": result.clouds[0].trajectory.n_atoms,
        "settings": result.settings.model_dump(mode="json"),
        "explained": analysis.points.explained.tolist(),
        "kernel": result.kernel.diagnostics,
        "overlaps": [
            {"first": first, "second": second, **overlap_values(found)}
            for (first, second), found in analysis.overlaps.items()
        ],
        "foreign_to_first": [
            {"label": found.label, **stranger_values(found)} for found in analysis.strangers
        ],
        "notes": [
            *(note for cloud in result.clouds for note in cloud.trajectory.notes),
            *analysis.notes,
        ],
    }
