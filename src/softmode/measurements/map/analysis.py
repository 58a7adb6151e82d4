"""What a kernel matrix of several clouds of frames says: coordinates, overlap, foreign frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from softmode.configurations import (
    Foreignness,
    Overlap,
    foreignness,
    kernel_map,
    overlap,
)
from softmode.crystal import Trajectory
from softmode.crystal.arrays import FloatArray, IntArray
from softmode.statistics.rank_correlation import RankCorrelation, rank_correlation


@dataclass(frozen=True, eq=False)
class Cloud:
    """The frames of one side.

    Parameters
    ----------
    label : str
        Its name in figures and tables.
    trajectory : Trajectory
        Its frames.
    sigma_t : (n_frames,) array, optional
        σ(t), where it is known.
    """

    label: str
    trajectory: Trajectory
    sigma_t: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class MapPoints:
    """The frames of all clouds as points, cloud after cloud.

    Parameters
    ----------
    labels : tuple of str
        The clouds.
    cloud : (n_frames,) int array
        Which cloud each frame is of.
    run, frame : (n_frames,) int arrays
        Number of the run in its cloud, and of the frame in its run, from 0.
    coordinates : (n_frames, 2) array
        Kernel principal components.
    explained : (2,) array
        Share of the variance along each.
    sigma_t : (n_frames,) array
        σ(t); NaN where it is not known.
    foreign : (n_frames,) array
        How foreign each frame is to the first cloud (for the first cloud's own frames: 1 is usual); NaN
        where there is only one cloud.
    """

    labels: tuple[str, ...]
    cloud: IntArray
    run: IntArray
    frame: IntArray
    coordinates: FloatArray
    explained: FloatArray
    sigma_t: FloatArray
    foreign: FloatArray

    @property
    def has_sigma(self) -> bool:
        """Whether σ(t) of any frame is known."""
        return bool(np.isfinite(self.sigma_t).any())


@dataclass(frozen=True, eq=False)
class Strangers:
    """Frames of a cloud that the first does not visit, and their σ.

    Parameters
    ----------
    label : str
        The cloud.
    foreignness : Foreignness
        How foreign its frames are.
    correlation : RankCorrelation, optional
        Between how foreign a frame is and its σ(t); None where σ(t) is not known.
    sigma_foreign, sigma_shared : float or None
        Mean σ(t) of foreign frames and of the others.
    """

    label: str
    foreignness: Foreignness
    correlation: RankCorrelation | None = None
    sigma_foreign: float | None = None
    sigma_shared: float | None = None


@dataclass(frozen=True, eq=False)
class MapAnalysis:
    """All that is drawn and told of a map.

    Parameters
    ----------
    points : MapPoints
        The frames.
    overlaps : dict of (str, str) to Overlap
        Of each pair of clouds.
    strangers : tuple of Strangers
        Of each cloud after the first.
    notes : tuple of str
        What a reader should know.
    """

    points: MapPoints
    overlaps: dict[tuple[str, str], Overlap]
    strangers: tuple[Strangers, ...]
    notes: tuple[str, ...] = field(default=())


def analyse(
    clouds: Sequence[Cloud],
    dissimilarities: FloatArray,
    *,
    n_neighbours: int = 5,
    n_permutations: int = 2000,
    seed: int = 0,
) -> MapAnalysis:
    """Coordinates, overlaps and foreign frames.

    Parameters
    ----------
    clouds : sequence of Cloud
        In the order of the matrix; the first is what the others are foreign to.
    dissimilarities : (n_frames, n_frames) array
        ``1 - K`` of all frames.
    n_neighbours, n_permutations : int
        As for :func:`softmode.configurations.overlap`.
    seed : int
        Of everything random.

    Raises
    ------
    InputDataError
        If frames do not differ, or a cloud is a single frame.
    """
    result = kernel_map(dissimilarities)
    runs = [cloud.trajectory.run_lengths for cloud in clouds]
    ends = np.cumsum([cloud.trajectory.n_frames for cloud in clouds])
    spans = [np.arange(end - cloud.trajectory.n_frames, end) for cloud, end in zip(clouds, ends, strict=True)]
    overlaps = {}
    for first, second in combinations(range(len(clouds)), 2):
        chosen = np.concatenate([spans[first], spans[second]])
        overlaps[clouds[first].label, clouds[second].label] = overlap(
            dissimilarities[np.ix_(chosen, chosen)],
            clouds[first].trajectory.run_lengths,
            clouds[second].trajectory.run_lengths,
            n_neighbours=n_neighbours,
            n_permutations=n_permutations,
            seed=seed,
        )
    strangers = []
    for cloud, span in zip(clouds[1:], spans[1:], strict=True):
        chosen = np.concatenate([spans[0], span])
        found = foreignness(
            dissimilarities[np.ix_(chosen, chosen)],
            clouds[0].trajectory.run_lengths,
            n_neighbours=n_neighbours,
        )
        strangers.append(_strangers(cloud, found, seed))
    return MapAnalysis(
        points=MapPoints(
            labels=tuple(cloud.label for cloud in clouds),
            cloud=np.repeat(np.arange(len(clouds)), [len(span) for span in spans]),
            run=np.concatenate([np.repeat(np.arange(len(of_cloud)), of_cloud) for of_cloud in runs]),
            frame=np.concatenate([np.arange(run) for of_cloud in runs for run in of_cloud]),
            coordinates=result.coordinates,
            explained=result.explained,
            sigma_t=np.concatenate([_sigma(cloud) for cloud in clouds]),
            foreign=_foreign(clouds[0], strangers),
        ),
        overlaps=overlaps,
        strangers=tuple(strangers),
        notes=tuple(_notes(overlaps, strangers)),
    )


def _sigma(cloud: Cloud) -> FloatArray:
    return np.full(cloud.trajectory.n_frames, np.nan) if cloud.sigma_t is None else cloud.sigma_t


def _foreign(first: Cloud, strangers: Sequence[Strangers]) -> FloatArray:
    if not strangers:
        return np.full(first.trajectory.n_frames, np.nan)
    own = strangers[0].foreignness.reference
    return np.concatenate([own, *(one.foreignness.other for one in strangers)])


def _strangers(cloud: Cloud, found: Foreignness, seed: int) -> Strangers:
    if cloud.sigma_t is None:
        return Strangers(cloud.label, found)
    foreign = found.foreign
    return Strangers(
        label=cloud.label,
        foreignness=found,
        correlation=rank_correlation(
            found.other, cloud.sigma_t, cloud.trajectory.run_lengths, seed=seed, subject="map"
        ),
        sigma_foreign=float(cloud.sigma_t[foreign].mean()) if foreign.any() else None,
        sigma_shared=float(cloud.sigma_t[~foreign].mean()) if not foreign.all() else None,
    )


def _notes(overlaps: dict[tuple[str, str], Overlap], strangers: Sequence[Strangers]) -> list[str]:
    notes = [
        f"{first}, {second}: {min(found.n_blocks)} blocks of {found.block_length} frames in the shorter: "
        "too few for the significance to mean much"
        for (first, second), found in overlaps.items()
        if not found.reliable
    ]
    if strangers and not strangers[0].foreignness.independent:
        notes.append(
            "the first cloud is too short to tell neighbours in time from neighbours: "
            "others look more foreign than they are"
        )
    return notes


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def overlap_values(found: Overlap) -> dict[str, Any]:
    """An overlap as JSON has it; what is not defined is null."""
    mmd, near = found.discrepancy, found.neighbours
    return {
        "mmd2": _number(mmd.unbiased),
        "mmd2_biased": _number(mmd.biased),
        "mmd2_relative": _number(mmd.relative),
        "mmd2_p": _number(mmd.p_value),
        "variance_within": _number(mmd.within),
        "neighbour_separation": _number(near.separation),
        "neighbour_share": _number(near.share),
        "neighbour_share_by_chance": _number(near.by_chance),
        "neighbour_p": _number(near.p_value),
        "n_neighbours": near.n_neighbours,
        "block_length": found.block_length,
        "n_blocks": list(found.n_blocks),
        "n_frames": list(found.n_frames),
        "smallest_p": _number(found.smallest_p_value),
        "reliable": found.reliable,
    }


def stranger_values(found: Strangers) -> dict[str, Any]:
    """How foreign a cloud is, as JSON has it."""
    foreign, tie = found.foreignness, found.correlation
    return {
        "foreign_share": foreign.share,
        "foreign_median": float(np.median(foreign.other)),
        "foreign_threshold": foreign.threshold,
        "foreign_unit": foreign.unit,
        "foreign_independent": foreign.independent,
        "sigma_foreign": _number(found.sigma_foreign),
        "sigma_shared": _number(found.sigma_shared),
        "spearman": None if tie is None else _number(tie.value),
        "spearman_low": None if tie is None else _number(tie.low),
        "spearman_high": None if tie is None else _number(tie.high),
        "spearman_p": None if tie is None else _number(tie.p_value),
        "spearman_blocks": None if tie is None else tie.n_blocks,
    }
