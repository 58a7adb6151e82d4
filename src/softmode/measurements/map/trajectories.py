"""Maps of any trajectories: a folder of results, gone on with where it was stopped."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from softmode.configurations import check_frames
from softmode.errors import MissingExtraError
from softmode.files import write_atomically
from softmode.measurements.map.analysis import Cloud, MapAnalysis, analyse, overlap_values, stranger_values
from softmode.measurements.map.kernel import PIECES_VERSION, Advance, MadeKernel, Predicted, make_kernel
from softmode.measurements.map.settings import MapSettings
from softmode.records import Record, RecordStore, claim_folder, digest_of

_PACKAGES = {"dscribe": "dscribe", "sklearn": "scikit-learn", "chemiscope": "chemiscope"}


@dataclass(frozen=True, eq=False)
class TrajectoryMap:
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
) -> TrajectoryMap:
    """Map trajectories into a folder; goes on where it was stopped.

    Parameters
    ----------
    clouds : sequence of Cloud
        From :func:`softmode.measurements.map.clouds.read_clouds`; the first is the reference.
    settings : MapSettings
        SOAP, kernel, neighbours; frames have been thinned already.
    folder : Path
        Receives ``coordinates.csv``, ``overlap.json``, and the kernel matrix in ``records/``.
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
    inputs = {
        "pieces": PIECES_VERSION,
        "settings": {key: settings.identity[key] for key in ("soap", "kernel")},
        "frames": [trajectory.digest for trajectory in trajectories],
    }
    claim_folder(
        folder,
        inputs,
        f"a map of {', '.join(cloud.label for cloud in clouds)}",
        {
            "clouds": {cloud.label: cloud.trajectory.source for cloud in clouds},
            "settings": settings.model_dump(mode="json"),
        },
    )
    store = RecordStore(folder / "records")
    record = store.find(digest_of(inputs))
    if record is None:
        made = make_kernel(
            trajectories,
            settings.soap,
            settings.kernel,
            partial=store.partial(digest_of(inputs)),
            threads=threads,
            device=device,
            advance=advance,
            predicted=predicted,
        )
        record = Record(
            digest_of(inputs),
            "kernel",
            inputs,
            values=made.diagnostics,
            arrays={"dissimilarities": made.dissimilarities},
            seconds=made.seconds,
        )
        store.write(record)
        expected = made.predicted_seconds
    else:
        expected = None
    kernel = MadeKernel(record.arrays["dissimilarities"], dict(record.values), record.seconds, expected)
    analysis = analyse(
        clouds,
        kernel.dissimilarities,
        n_neighbours=settings.n_neighbours,
        n_permutations=settings.n_permutations,
        seed=seed,
    )
    result = TrajectoryMap(tuple(clouds), kernel, analysis, settings, folder)
    write_atomically(folder / "coordinates.csv", coordinates_csv(analysis).encode())
    write_atomically(folder / "overlap.json", json.dumps(map_values(result), indent=1).encode())
    return result


def coordinates_csv(analysis: MapAnalysis) -> str:
    """One line for each frame: cloud, run, frame, coordinates, how foreign it is, σ(t)."""
    points = analysis.points
    columns = {
        "label": [points.labels[cloud] for cloud in points.cloud],
        "run": points.run,
        "frame": points.frame,
        "component_1": points.coordinates[:, 0],
        "component_2": points.coordinates[:, 1],
        "foreignness": points.foreign,
        "sigma_t": points.sigma_t,
    }
    return str(pd.DataFrame(columns).to_csv(index=False, float_format="%.9g"))


def map_values(result: TrajectoryMap) -> dict[str, Any]:
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
