"""A map of configuration space without a study: trajectories in, a folder of results out."""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from softmode import __version__
from softmode.configurations import check_frames
from softmode.errors import InputDataError, MissingExtraError, StorageError
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


def map_trajectories(
    clouds: Sequence[Cloud],
    settings: MapSettings,
    folder: Path,
    *,
    threads: int = 1,
    device: str | None = None,
    seed: int = 2026,
    advance: Advance = lambda what, done, total: None,
    predicted: Predicted = lambda what, amount, seconds: None,
) -> MapOneOff:
    """Map trajectories into a folder; goes on where it was stopped.

    Parameters
    ----------
    clouds : sequence of Cloud
        From :func:`softmode.study.map_clouds.read_clouds`; the first is the reference.
    settings : MapSettings
        SOAP, kernel, neighbours; frames have been thinned already.
    folder : Path
        Receives ``kernel.h5``, ``coordinates.csv`` and ``overlap.json``.
    threads : int
        Threads.
    device : str, optional
        Device that torch computes the pairs on; by default numpy does.
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
            device=device,
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
