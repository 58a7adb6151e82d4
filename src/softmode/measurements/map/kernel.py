"""A kernel matrix computed in pieces that are stored, so that it goes on where it was stopped.

Piece 0 are the frames in few dimensions, piece ``i + 1`` is tile `i` of the matrix. What comes from pieces is
bit for bit what was computed: a matrix put together after an interruption is the one that would have been.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softmode.configurations import (
    Definiteness,
    FrameKernel,
    KernelSettings,
    ModeError,
    ReducedFrames,
    SoapFeatures,
    SoapSettings,
    Tile,
    TileResult,
    definiteness,
    fast_mode_error,
    place_tile,
    reduce_frames,
)
from softmode.configurations.reduction import SAMPLE_FRAMES
from softmode.crystal import Trajectory
from softmode.crystal.arrays import FloatArray
from softmode.deadlines import pause_where_asked
from softmode.errors import InputDataError
from softmode.records import Partial

#: Called with what is done (``"frames"``, ``"pairs"``), how much of it, and how much there is.
Advance = Callable[[str, int, int], None]
#: Called with what is about to be done, how much of it, and the seconds it will take.
Predicted = Callable[[str, int, float], None]

#: Raised when pieces of an older version cannot be gone on with.
PIECES_VERSION = 3
#: Frames described to predict the cost of all.
_PROBE_FRAMES = 2
_SAMPLE_OF_ERRORS = 16
#: Matrices of the size of the kernel that are needed at once, eigenvalues and overlaps included.
_MATRICES = 6
#: What is a number of :class:`ReducedFrames`.
_FRAME_NUMBERS = ("deviations", "alpha")


@dataclass(frozen=True, eq=False)
class MadeKernel:
    """A kernel matrix with what is known of it.

    Parameters
    ----------
    dissimilarities : (n_frames, n_frames) array
        ``1 - K``.
    diagnostics : dict of str to object
        JSON-able: iterations, what is left of the marginals, fallbacks, rank, error, negative part.
    seconds : float
        Wall time of frames and pairs, whichever run they were made in.
    predicted_seconds : float or None
        What was said before; None when there was nothing left to do.
    """

    dissimilarities: FloatArray
    diagnostics: dict[str, Any]
    seconds: float
    predicted_seconds: float | None


def _nothing(what: str, done: int, total: int) -> None:
    """Tell nobody."""


def make_kernel(
    trajectories: Sequence[Trajectory],
    soap: SoapSettings,
    settings: KernelSettings,
    *,
    partial: Partial | None = None,
    threads: int = 1,
    device: str | None = None,
    advance: Advance = _nothing,
    predicted: Predicted = _nothing,  # type: ignore[assignment]
) -> MadeKernel:
    """The kernel matrix of all frames of some trajectories, one after the other.

    Parameters
    ----------
    trajectories : sequence of Trajectory
        Of one composition.
    soap : SoapSettings
        How environments are described.
    settings : KernelSettings
        How similar frames are.
    partial : Partial, optional
        Where finished pieces are kept and found again. The caller sees to it that they are of the same frames
        and settings.
    threads : int
        Threads.
    device : str, optional
        Device that torch computes the pairs on; by default numpy does.
    advance, predicted : callable
        Told of progress, and of what it will cost.

    Raises
    ------
    InputDataError
        If compositions differ, there is a single frame, or more frames than fit into the memory allowed.
    MissingExtraError
        If dscribe is not installed.
    """
    features = SoapFeatures(trajectories, soap)
    check_room(features.n_frames, settings.memory)
    frames, seconds, expected = _frames(features, settings, partial, threads, advance, predicted)
    kernel = FrameKernel(frames, settings, threads=threads, device=device)
    tiles = kernel.tiles()
    known = {tile.index: found for tile in tiles if (found := _load(partial, tile)) is not None}
    n_left = sum(tile.n_pairs for tile in tiles if tile.index not in known)
    if n_left:
        pairs = n_left * kernel.cost(max(20, min(2000, n_left // 20))).seconds_per_pair
        predicted("pairs", n_left, pairs)
        expected = (expected or 0.0) + pairs
    matrix = np.zeros((features.n_frames,) * 2)
    results = list(known.values())
    for found in known.values():
        place_tile(matrix, found.tile, found.dissimilarities)
    for result in kernel.compute(
        tiles, done=known, progress=lambda done, total: advance("pairs", done, total)
    ):
        _save(partial, result)
        place_tile(matrix, result.tile, result.dissimilarities)
        results.append(result)
        if partial is not None:
            pause_where_asked()
    return MadeKernel(
        dissimilarities=matrix,
        diagnostics={
            "n_pairs": sum(result.tile.n_pairs for result in results),
            "sweeps": max(result.sweeps for result in results),
            "violation": max(result.violation for result in results),
            "n_fallback": sum(result.n_fallback for result in results),
            "rank": frames.rank,
            "lost_share": frames.lost,
            **_quality(kernel, features, matrix),
        },
        seconds=seconds + sum(result.seconds for result in results),
        predicted_seconds=expected,
    )


def check_room(n_frames: int, memory: float) -> None:
    """Refuse more frames than the memory allowed holds, before anything is computed.

    Parameters
    ----------
    n_frames : int
        Of all trajectories.
    memory : float
        GiB.

    Raises
    ------
    InputDataError
        Naming how many frames would fit.
    """
    needed = _MATRICES * 8 * n_frames**2 / 2**30
    if needed > memory:
        fitting = int(np.sqrt(memory * 2**30 / (_MATRICES * 8)))
        raise InputDataError(
            "map",
            f"{n_frames} frames need {needed:.2g} GiB, {memory:g} GiB are allowed",
            f"Take every n-th frame, at most {fitting} in all, or allow more memory",
        )


@dataclass(frozen=True, eq=False)
class _Counted:
    """Feature vectors whose making is told; further rounds are not counted."""

    features: SoapFeatures
    advance: Advance
    total: int
    made: list[int]

    @property
    def numbers(self) -> NDArray[np.int64]:
        return self.features.numbers

    @property
    def n_frames(self) -> int:
        return self.features.n_frames

    def __call__(self, frames: ArrayLike) -> NDArray[Any]:
        values = self.features(frames)
        self.made.append(len(values))
        self.advance("frames", min(sum(self.made), self.total), self.total)
        return values


def _frames(
    features: SoapFeatures,
    settings: KernelSettings,
    partial: Partial | None,
    threads: int,
    advance: Advance,
    predicted: Predicted,
) -> tuple[ReducedFrames, float, float | None]:
    """Frames in few dimensions, the seconds they took, and the seconds that were foreseen."""
    piece = partial.load(0) if partial is not None else None
    if piece is not None:
        seconds = float(piece.pop("seconds"))
        numbers: dict[str, Any] = {name: float(piece.pop(name)) for name in _FRAME_NUMBERS}
        return ReducedFrames(**numbers | piece), seconds, None
    expected = _foreseen(features, settings, threads)
    predicted("frames", features.n_frames, expected)
    start = time.perf_counter()
    frames = reduce_frames(
        _Counted(features, advance, features.n_frames + _sample(features, settings), []),
        alpha=settings.alpha,
        exact=settings.mode == "exact",
        tolerance=settings.tolerance,
        seed=settings.seed,
        threads=threads,
    )
    seconds = time.perf_counter() - start
    if partial is not None:
        arrays = {field.name: np.asarray(getattr(frames, field.name)) for field in fields(frames)}
        partial.save(0, {**arrays, "seconds": np.array(seconds)})
    return frames, seconds, expected


def _foreseen(features: SoapFeatures, settings: KernelSettings, threads: int) -> float:
    """Seconds that all frames and the sample that the projection is made from will take."""
    features(0)  # loads the library
    start = time.perf_counter()
    features(np.arange(_PROBE_FRAMES))
    each = (time.perf_counter() - start) / _PROBE_FRAMES
    return each * (features.n_frames / threads + _sample(features, settings))


def _sample(features: SoapFeatures, settings: KernelSettings) -> int:
    """Frames that are described once more, for the projection."""
    return min(features.n_frames, SAMPLE_FRAMES[settings.mode == "exact"])


def _save(partial: Partial | None, result: TileResult) -> None:
    if partial is None:
        return
    tile = result.tile
    partial.save(
        tile.index + 1,
        {
            "place": np.array([tile.rows, tile.columns]),
            "dissimilarities": result.dissimilarities,
            "report": np.array([result.sweeps, result.violation, result.n_fallback, result.seconds]),
        },
    )


def _load(partial: Partial | None, tile: Tile) -> TileResult | None:
    """A tile that is there, unless tiles were cut otherwise."""
    piece = partial.load(tile.index + 1) if partial is not None else None
    if piece is None or not np.array_equal(piece["place"], [tile.rows, tile.columns]):
        return None
    sweeps, violation, n_fallback, seconds = piece["report"].tolist()
    return TileResult(tile, piece["dissimilarities"], int(sweeps), violation, int(n_fallback), seconds)


def _quality(kernel: FrameKernel, features: SoapFeatures, matrix: FloatArray) -> dict[str, Any]:
    """Error against exact matches in a sample, spread, and the negative part of the matrix."""
    upper = matrix[np.triu_indices(len(matrix), 1)]
    error: ModeError = fast_mode_error(kernel, features, n_sample=_SAMPLE_OF_ERRORS)
    negative: Definiteness = definiteness(matrix)
    return {
        "median": float(np.median(upper)),
        "spread": float(upper.std()),
        "largest_error": error.largest,
        "error_pairs": error.n_pairs,
        "lowest_eigenvalue": negative.lowest,
        "negative_share": negative.negative_share,
    }
