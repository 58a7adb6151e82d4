"""The kernel matrix of many frames, tile by tile.

What is computed and handed on is ``d_ij = 1 - K_ij / sqrt(K_ii K_jj)``, the dissimilarity: for thermal frames
of one crystal it is some 1e-5, and ``K`` itself would leave five digits of a double for it, one of a float.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import threadpool_limits

from softmode.configurations.crystal_match import CrystalMatcher
from softmode.configurations.descriptors import FrameFeatures
from softmode.configurations.reduction import ReducedFrames, reduce_frames
from softmode.crystal.arrays import FloatArray, IntArray
from softmode.errors import InputDataError

#: Called with the pairs done and the pairs in all.
Progress = Callable[[int, int], None]

_GIB = 2**30
#: Frames along a side of a tile: a tile is what an interruption can cost.
_TILE = 400


class KernelSettings(BaseModel):
    """How the kernel is computed; frozen, so that a record can state exactly what was done.

    Attributes
    ----------
    alpha : float
        Weight of the entropy in the match; 1 in Yang et al. (2026).
    mode : {"fast", "exact"}
        ``fast``: single precision, and as few directions as keep the error of ``1 - K`` below a hundredth of
        its spread, see :func:`fast_mode_error`. ``exact``: double precision, K to 1e-9.
    tolerance : float, optional
        Of the projection, see :func:`~softmode.configurations.reduction.reduce_frames`.
    memory : float
        Memory that may be used, GiB, the kernel matrix included: more frames than fit are refused. It changes
        no bit of a result.
    seed : int
        Of the sample that the projection is made from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    alpha: float = Field(default=1.0, gt=0)
    mode: Literal["fast", "exact"] = "fast"
    tolerance: float | None = Field(default=None, gt=0)
    memory: float = Field(default=4.0, gt=0)
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class Tile:
    """A rectangle of the upper triangle of the kernel matrix; frames counted from 0, ends excluded."""

    index: int
    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def diagonal(self) -> bool:
        """Whether rows and columns are the same frames."""
        return self.rows == self.columns

    @property
    def n_pairs(self) -> int:
        """Pairs that are computed: of a tile on the diagonal those above it."""
        n_rows, n_columns = self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]
        return n_rows * (n_rows - 1) // 2 if self.diagonal else n_rows * n_columns


@dataclass(frozen=True, eq=False)
class TileResult:
    """A computed tile.

    Parameters
    ----------
    tile : Tile
        Which one.
    dissimilarities : (n_rows, n_columns) array
        ``1 - K``, normalised; a tile on the diagonal is symmetric with zeros on its diagonal.
    sweeps : int
        Iterations of the slowest pair.
    violation : float
        Largest violation of a marginal.
    n_fallback : int
        Pairs left to the general solver.
    seconds : float
        Wall time.
    """

    tile: Tile
    dissimilarities: FloatArray
    sweeps: int
    violation: float
    n_fallback: int
    seconds: float


@dataclass(frozen=True)
class CostModel:
    """What kernels of other sizes will take, from what was measured.

    Parameters
    ----------
    seconds_per_pair : float
        Wall time of a pair, all threads at work.
    seconds_per_frame : float
        Wall time of what is done once per frame: descriptor and projection.
    """

    seconds_per_pair: float
    seconds_per_frame: float = 0.0

    def seconds(self, n_frames: int) -> float:
        """Wall time for a number of frames."""
        return self.seconds_per_frame * n_frames + self.seconds_per_pair * n_frames * (n_frames - 1) / 2


@dataclass(frozen=True, eq=False)
class KernelMatrix:
    """A whole kernel matrix with what is known of its quality.

    Parameters
    ----------
    dissimilarities : (n_frames, n_frames) array
        ``1 - K``: symmetric, zero on the diagonal.
    sweeps : int
        Iterations of the slowest pair.
    violation : float
        Largest violation of a marginal.
    n_fallback : int
        Pairs left to the general solver.
    seconds : float
        Wall time of the pairs.
    """

    dissimilarities: FloatArray
    sweeps: int
    violation: float
    n_fallback: int
    seconds: float

    @property
    def values(self) -> FloatArray:
        """K."""
        return np.asarray(1.0 - self.dissimilarities)

    @property
    def spread(self) -> float:
        """Standard deviation of ``1 - K`` over different frames: the scale that errors are judged by."""
        return float(np.std(self.dissimilarities[np.triu_indices(len(self.dissimilarities), 1)]))


class FrameKernel:
    """The kernel of frames that have been reduced.

    Parameters
    ----------
    frames : ReducedFrames
        From :func:`~softmode.configurations.reduction.reduce_frames`.
    settings : KernelSettings
        Weight of the entropy and memory.
    threads : int
        Threads; linear algebra is kept to one thread in each.
    device : str, optional
        Device that torch computes the pairs on, such as ``cuda``; by default numpy does.

    Raises
    ------
    InputDataError
        If the frames and their kernel matrix do not fit into the memory allowed.
    """

    def __init__(
        self,
        frames: ReducedFrames,
        settings: KernelSettings | None = None,
        *,
        threads: int = 1,
        device: str | None = None,
    ) -> None:
        self.frames = frames
        self.settings = settings or KernelSettings()
        self.threads = threads
        check_memory(frames.n_frames, 2 * frames.nbytes, self.settings.memory)
        self.matcher = _matcher(frames, self.settings.alpha, device)
        with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
            own = pool.map(
                lambda frame: self.matcher.match(frame, np.array([frame])).values[0], range(frames.n_frames)
            )
            #: ln(K_ii / K_0) of each frame.
            self.own: FloatArray = np.log1p(np.fromiter(own, np.float64) / self.matcher.base.value)

    def tiles(self) -> list[Tile]:
        """Plan of the matrix, row by row of the upper triangle."""
        return plan_tiles(self.frames.n_frames)

    def dissimilarity(self, rows: IntArray, columns: IntArray) -> FloatArray:
        """``1 - K`` of pairs of frames, (n_pairs,)."""
        values = np.empty(len(rows))
        with threadpool_limits(1):
            for row in np.unique(rows):
                chosen = np.flatnonzero(rows == row)
                values[chosen] = self._row(int(row), columns[chosen])[0]
        return values

    def _row(self, row: int, columns: IntArray) -> tuple[FloatArray, int, float, int]:
        matches = self.matcher.match(row, columns)
        logarithm = np.log1p(matches.values / self.matcher.base.value)
        values = -np.expm1(logarithm - 0.5 * (self.own[row] + self.own[columns]))
        values[columns == row] = 0.0
        return values, matches.sweeps, matches.violation, matches.n_fallback

    def compute(
        self,
        tiles: Iterable[Tile] | None = None,
        *,
        done: Collection[int] = (),
        progress: Progress | None = None,
    ) -> Iterator[TileResult]:
        """Compute tiles one after the other, each with all threads.

        Parameters
        ----------
        tiles : iterable of Tile, optional
            All of :meth:`tiles` unless given.
        done : collection of int
            Indices of tiles that are there already and are left out.
        progress : callable, optional
            Called with the pairs done and the pairs in all, after every few rows.

        Yields
        ------
        TileResult
            To be stored, or put into a matrix; a computation that ended goes on with the others.
        """
        plan = self.tiles() if tiles is None else list(tiles)
        total = sum(tile.n_pairs for tile in plan)
        n_done = sum(tile.n_pairs for tile in plan if tile.index in set(done))
        with threadpool_limits(1), ThreadPoolExecutor(self.threads) as pool:
            for tile in plan:
                if tile.index in set(done):
                    continue
                result = self._tile(tile, pool, n_done, total, progress)
                n_done += tile.n_pairs
                yield result

    def _tile(
        self, tile: Tile, pool: ThreadPoolExecutor, n_before: int, total: int, progress: Progress | None
    ) -> TileResult:
        start = time.perf_counter()
        rows, columns = np.arange(*tile.rows), np.arange(*tile.columns)
        values = np.zeros((len(rows), len(columns)))

        def work(position: int) -> tuple[int, float, int, int]:
            first = position + 1 if tile.diagonal else 0
            if first >= len(columns):
                return 0, 0.0, 0, 0
            row, sweeps, violation, n_fallback = self._row(int(rows[position]), columns[first:])
            values[position, first:] = row
            return sweeps, violation, n_fallback, len(columns) - first

        sweeps, violation, n_fallback, n_done = 0, 0.0, 0, 0
        for more, worse, fallen, pairs in pool.map(work, range(len(rows))):
            sweeps, violation = max(sweeps, more), max(violation, worse)
            n_fallback += fallen
            n_done += pairs
            if progress is not None:
                progress(n_before + n_done, total)
        if tile.diagonal:
            values += values.T
        return TileResult(tile, values, sweeps, violation, n_fallback, time.perf_counter() - start)

    def matrix(self, *, progress: Progress | None = None) -> KernelMatrix:
        """The whole matrix at once."""
        assembled = np.zeros((self.frames.n_frames,) * 2)
        results = []
        for result in self.compute(progress=progress):
            place_tile(assembled, result.tile, result.dissimilarities)
            results.append((result.sweeps, result.violation, result.n_fallback, result.seconds))
        sweeps, violations, fallbacks, seconds = zip(*results, strict=True)
        return KernelMatrix(assembled, max(sweeps), max(violations), sum(fallbacks), sum(seconds))

    def cost(self, n_pairs: int = 2000, *, seconds_per_frame: float = 0.0) -> CostModel:
        """Time a few pairs.

        Parameters
        ----------
        n_pairs : int
            Pairs to compute, at least.
        seconds_per_frame : float
            What was measured for descriptor and projection.
        """
        n = self.frames.n_frames
        width = min(n, 200)
        height = min(n, max(2 * self.threads, -(-n_pairs // width)))
        tile = Tile(0, (0, height), (n - width, n))
        next(self.compute([Tile(0, (0, min(height, self.threads)), (n - width, n))]))
        result = next(self.compute([tile]))
        return CostModel(result.seconds / tile.n_pairs, seconds_per_frame)


def frame_kernel(
    features: FrameFeatures,
    settings: KernelSettings | None = None,
    *,
    threads: int = 1,
    device: str | None = None,
) -> FrameKernel:
    """Reduce frames and make their kernel ready to be computed; see :class:`FrameKernel`."""
    chosen = settings or KernelSettings()
    reduced = reduce_frames(
        features,
        alpha=chosen.alpha,
        exact=chosen.mode == "exact",
        tolerance=chosen.tolerance,
        seed=chosen.seed,
        threads=threads,
    )
    return FrameKernel(reduced, chosen, threads=threads, device=device)


def _matcher(frames: ReducedFrames, alpha: float, device: str | None) -> CrystalMatcher:
    if device is None:
        return CrystalMatcher(frames, alpha)
    from softmode.configurations.torch_match import TorchMatcher

    return TorchMatcher(frames, alpha, device=device)


def check_memory(n_frames: int, frame_bytes: int, memory: float) -> None:
    """Refuse what does not fit: three matrices (the kernel, a copy, a tile) and the frames.

    Raises
    ------
    InputDataError
        Naming how many frames would fit.
    """
    needed = 3 * 8 * n_frames**2 + frame_bytes
    if needed > memory * _GIB:
        each = frame_bytes / n_frames
        fitting = int((-each + np.sqrt(each**2 + 4 * 24 * memory * _GIB)) / 48)
        raise InputDataError(
            "map",
            f"{n_frames} frames need {needed / _GIB:.1f} GiB, {memory:g} GiB are allowed",
            f"Take every n-th frame, at most {fitting} in all, or allow more memory",
        )


def plan_tiles(n_frames: int, *, largest: int = _TILE) -> list[Tile]:
    """Cover the upper triangle with tiles of equal height and width.

    Parameters
    ----------
    n_frames : int
        Rows and columns of the matrix.
    largest : int
        Width of a tile, but for those at the edge.
    """
    edges = [(start, min(start + largest, n_frames)) for start in range(0, n_frames, largest)]
    pairs = [(i, j) for i in range(len(edges)) for j in range(i, len(edges))]
    return [Tile(index, edges[i], edges[j]) for index, (i, j) in enumerate(pairs)]


def place_tile(matrix: NDArray[Any], tile: Tile, values: FloatArray) -> None:
    """Put a tile into a symmetric matrix, twice unless it lies on the diagonal."""
    matrix[slice(*tile.rows), slice(*tile.columns)] = values
    if not tile.diagonal:
        matrix[slice(*tile.columns), slice(*tile.rows)] = values.T
