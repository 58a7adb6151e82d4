"""Whether two clouds of frames are of one distribution: two numbers, each with a significance.

*Squared maximum mean discrepancy* (A. Gretton et al., J. Mach. Learn. Res. 13, 723 (2012)): the squared
distance of the clouds' centres in feature space. With ``d = 1 - K`` and ``K_ii = 1``

    MMD² = 2 <d_xy> - <d_xx'> - <d_yy'>,

which is linear in the kernel, so that the one of K drops out and nothing cancels. ``<d_xx'>`` is the variance
of a cloud in feature space; MMD² is given relative to that, too.

*Nearest-neighbour score* (M. F. Schilling, J. Am. Stat. Assoc. 81, 799 (1986); N. Henze, Ann. Stat. 16, 772
(1988)): the share of frames' nearest neighbours that are of the frame's own cloud, from 0 (as often as by
chance) to 1 (always).

Frames of a run are correlated: neighbours in time are neighbours in feature space, whatever the distribution.
Runs are therefore cut into blocks of several correlation times. Pairs within a block or in blocks next to
each other are not counted, and for the significance whole blocks are relabelled, all frames of a block
together. The true labelling counts as one of them, so that no p-value is zero (B. Phipson & G. K. Smyth,
Stat. Appl. Genet. Mol. Biol. 9, 39 (2010)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from softmode.configurations.kernel_checks import centred
from softmode.crystal.arrays import FloatArray, IntArray
from softmode.errors import InputDataError
from softmode.statistics.autocorrelation import correlation_times

#: Leading components of each cloud whose correlation times are looked at.
_N_COMPONENTS = 4
#: So many ways to relabel blocks, or fewer, are all gone through.
_ENUMERATE = 5000
#: With fewer blocks of a cloud there may be no two that are not next to each other.
_FEWEST_BLOCKS = 3
#: Fewer blocks of a cloud than this cannot tell much.
RELIABLE_BLOCKS = 4


@dataclass(frozen=True)
class Discrepancy:
    """Squared maximum mean discrepancy.

    Attributes
    ----------
    unbiased : float
        Estimate from pairs of frames that are far apart in time; scatters about zero for equal
        distributions, and may be negative.
    biased : float
        The same with all pairs, never negative: the squared distance between the centres of the frames as
        they are.
    within : float
        Mean variance of the two clouds in feature space, from the same pairs.
    p_value : float
        Probability of an `unbiased` as large if the blocks were of one distribution; NaN where there are too
        few blocks to relabel.
    """

    unbiased: float
    biased: float
    within: float
    p_value: float

    @property
    def relative(self) -> float:
        """`unbiased` over `within`: the squared distance of the centres in units of the clouds' variance."""
        return self.unbiased / self.within if self.within > 0.0 else math.nan


@dataclass(frozen=True)
class NeighbourScore:
    """Nearest-neighbour two-sample score.

    Attributes
    ----------
    share : float
        Share of the neighbours that are of the frame's own cloud.
    by_chance : float
        What is expected of it for equal distributions.
    p_value : float
        Probability of a share as large if the blocks were of one distribution; NaN as above.
    n_neighbours : int
        Neighbours of each frame that were looked at.
    """

    share: float
    by_chance: float
    p_value: float
    n_neighbours: int

    @property
    def separation(self) -> float:
        """0: neighbours are mixed as by chance; 1: all neighbours are of the own cloud."""
        return (self.share - self.by_chance) / (1.0 - self.by_chance)


@dataclass(frozen=True)
class Overlap:
    """How two clouds of frames overlap.

    Attributes
    ----------
    discrepancy : Discrepancy
        Of the means in feature space.
    neighbours : NeighbourScore
        Of the neighbourhoods.
    block_length : int
        Frames of a block.
    n_blocks : tuple of int
        Blocks of each cloud.
    smallest_p_value : float
        The least that these blocks allow.
    n_frames : tuple of int
        Frames of each cloud.
    """

    discrepancy: Discrepancy
    neighbours: NeighbourScore
    block_length: int
    n_blocks: tuple[int, int]
    smallest_p_value: float
    n_frames: tuple[int, int]

    @property
    def reliable(self) -> bool:
        """Whether both clouds hold enough blocks for the significance to mean much."""
        return min(self.n_blocks) >= RELIABLE_BLOCKS


def overlap(
    dissimilarities: FloatArray,
    first_runs: Sequence[int],
    second_runs: Sequence[int],
    *,
    block_length: int | None = None,
    n_neighbours: int = 5,
    n_permutations: int = 2000,
    seed: int = 0,
) -> Overlap:
    """Overlap of two clouds of frames.

    Parameters
    ----------
    dissimilarities : (n_frames, n_frames) array
        ``1 - K``, the frames of the first cloud first, each cloud's runs one after the other.
    first_runs, second_runs : sequence of int
        Frames of each run of the two clouds.
    block_length : int, optional
        Frames of a block; from the correlation times of both clouds unless given.
    n_neighbours : int
        Neighbours looked at in the score.
    n_permutations : int
        Relabellings drawn; where there are few, each is gone through once.
    seed : int
        Of the relabellings.

    Raises
    ------
    InputDataError
        If a cloud has fewer than two frames or all frames are the same.
    ValueError
        If the runs do not add up to the frames.
    """
    runs = [*first_runs, *second_runs]
    n = (sum(first_runs), sum(second_runs))
    if min(runs, default=0) < 1 or dissimilarities.shape != (sum(n),) * 2:
        raise ValueError(f"runs of {runs} frames do not make a matrix of shape {dissimilarities.shape}")
    if min(n) < 2:
        raise InputDataError(
            "overlap", "one of the clouds is a single frame", "Give two frames or more of each"
        )
    if float(np.max(dissimilarities)) <= 1e-13:
        raise InputDataError(
            "overlap", "all frames are the same configuration", "Give frames that differ from each other"
        )
    length = block_length or max(
        correlation_block_length(dissimilarities[: n[0], : n[0]], first_runs),
        correlation_block_length(dissimilarities[n[0] :, n[0] :], second_runs),
    )
    blocks = block_numbers(runs, length)
    n_first = int(blocks[n[0] - 1]) + 1
    n_blocks = (n_first, int(blocks[-1]) + 1 - n_first)
    labels = relabellings(n_blocks, n_permutations, np.random.default_rng(seed))
    usable = min(n_blocks) >= _FEWEST_BLOCKS
    near = near_blocks(blocks, runs, length)
    discrepancy = _discrepancy(dissimilarities, blocks, near, labels, usable)
    neighbours = _neighbour_score(dissimilarities, blocks, near, labels, n_neighbours, usable)
    return Overlap(
        discrepancy=discrepancy,
        neighbours=neighbours,
        block_length=length,
        n_blocks=n_blocks,
        smallest_p_value=_smallest(n_blocks, len(labels)) if usable else math.nan,
        n_frames=n,
    )


def correlation_block_length(dissimilarities: FloatArray, runs: Sequence[int]) -> int:
    """Length of nearly independent blocks: the longest that the leading components of a cloud ask for.

    Parameters
    ----------
    dissimilarities : (n_frames, n_frames) array
        ``1 - K`` of the cloud's frames.
    runs : sequence of int
        Frames of each run.
    """
    matrix = centred(dissimilarities)
    n = len(matrix)
    values, vectors = np.linalg.eigh(matrix)
    if values[-1] <= 1e-13:
        return 1
    leading = [vectors[:, k] for k in range(n - 1, max(n - 1 - _N_COMPONENTS, 0), -1) if values[k] > 0.0]
    lengths = [correlation_times(series, runs).block_length for series in leading]
    return max(1, min(max(lengths), max(runs)))


def block_numbers(runs: Sequence[int], length: int) -> IntArray:
    """Number of the block of each frame; no block crosses the boundary of two runs.

    A run is cut into as many blocks of at least `length` frames as it holds, or left whole.
    """
    numbers, first = [], 0
    for run in runs:
        count = max(1, run // length)
        numbers.append(first + (np.arange(run) * count) // run)
        first += count
    return np.concatenate(numbers).astype(np.int64)


def relabellings(
    n_blocks: tuple[int, int], n_permutations: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Ways to call as many of all blocks the first cloud's as there are: all of them if they are few.

    Returns
    -------
    (n_labellings, n_blocks) bool array
        The labelling as it is comes first.
    """
    total, chosen = sum(n_blocks), n_blocks[0]
    if math.comb(total, chosen) <= min(_ENUMERATE, n_permutations):
        members = np.array(list(combinations(range(total), chosen)))
    else:
        drawn = np.argsort(rng.random((n_permutations, total)), axis=1)[:, :chosen]
        members = np.concatenate([np.arange(chosen)[None], drawn])
    labels = np.zeros((len(members), total), dtype=bool)
    np.put_along_axis(labels, members, True, axis=1)
    return labels


def _smallest(n_blocks: tuple[int, int], n_labellings: int) -> float:
    # Equal numbers of blocks: exchanging the clouds changes nothing, so at least two labellings are alike.
    ways = math.comb(sum(n_blocks), n_blocks[0]) / (2 if n_blocks[0] == n_blocks[1] else 1)
    return max(1.0 / ways, 1.0 / n_labellings)


def _p_value(statistics: FloatArray) -> float:
    """Share of the labellings, the true one (first) included, that reach the true one's statistic."""
    slack = 1e-9 * float(np.ptp(statistics))
    return float(np.mean(statistics >= statistics[0] - slack))


def _block_sums(values: FloatArray, blocks: IntArray) -> FloatArray:
    starts = np.flatnonzero(np.diff(blocks, prepend=-1))
    return np.asarray(np.add.reduceat(np.add.reduceat(values, starts, axis=0), starts, axis=1))


def near_blocks(blocks: IntArray, runs: Sequence[int], length: int) -> NDArray[np.bool_]:
    """Pairs of blocks whose frames remember each other: a block and itself, and its neighbours in the run.

    Means of neighbouring blocks of five correlation times still correlate by a tenth, which is enough to find
    differences that are none twice as often as it should be. Blocks of a single frame are independent.
    """
    run = np.repeat(np.arange(len(runs)), runs)[np.flatnonzero(np.diff(blocks, prepend=-1))]
    number = np.arange(len(run))
    apart = np.abs(number[:, None] - number)
    return np.asarray((apart == 0) | ((apart == 1) & (run[:, None] == run) & (length > 1)))


def _discrepancy(
    dissimilarities: FloatArray,
    blocks: IntArray,
    near: NDArray[np.bool_],
    labels: NDArray[np.bool_],
    usable: bool,
) -> Discrepancy:
    sums = _block_sums(dissimilarities, blocks)
    sizes = np.bincount(blocks).astype(np.float64)
    first = labels.astype(np.float64)
    second = 1.0 - first
    pairs = np.outer(sizes, sizes)
    biased = _mean_differences(sums, pairs, first[:1], second[:1])[0][0]
    if not usable:
        unbiased, within = _mean_differences(*_without_frames(dissimilarities, labels[0], blocks))
        return Discrepancy(float(unbiased[0]), float(biased), float(within[0]), math.nan)
    sums[near] = 0.0
    pairs[near] = 0.0
    statistic, within = _mean_differences(sums, pairs, first, second)
    return Discrepancy(float(statistic[0]), float(biased), float(within[0]), _p_value(statistic))


def _without_frames(
    dissimilarities: FloatArray, label: NDArray[np.bool_], blocks: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Arguments of :func:`_mean_differences` for frames one by one, where there are too few blocks."""
    first = label[blocks].astype(np.float64)[None]
    ones = np.ones((len(blocks),) * 2) - np.eye(len(blocks))
    return dissimilarities, ones, first, 1.0 - first


def _mean_differences(
    sums: FloatArray, pairs: FloatArray, first: FloatArray, second: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """MMD² and mean variance within, for each labelling (rows of `first`, `second`)."""

    def mean(a: FloatArray, b: FloatArray) -> FloatArray:
        return np.asarray(np.einsum("pi,pi->p", a @ sums, b) / np.einsum("pi,pi->p", a @ pairs, b))

    within = 0.5 * (mean(first, first) + mean(second, second))
    return 2.0 * (mean(first, second) - within), within


def _neighbour_score(
    dissimilarities: FloatArray,
    blocks: IntArray,
    near: NDArray[np.bool_],
    labels: NDArray[np.bool_],
    n_neighbours: int,
    usable: bool,
) -> NeighbourScore:
    n_frames, n_blocks = len(blocks), int(blocks[-1]) + 1
    sizes = np.bincount(blocks)
    foreign = n_frames - int((near @ sizes).max()) if usable else n_frames - 1
    k = max(1, min(n_neighbours, foreign))
    links = np.zeros((n_blocks, n_blocks))
    for frame in range(n_frames):
        others = ~near[blocks[frame], blocks] if usable else np.arange(n_frames) != frame
        candidates = np.flatnonzero(others)
        nearest = candidates[np.argpartition(dissimilarities[frame, candidates], k - 1)[:k]]
        np.add.at(links[blocks[frame]], blocks[nearest], 1.0)
    first = labels.astype(np.float64)
    second = 1.0 - first
    own = np.einsum("pi,pi->p", first @ links, first) + np.einsum("pi,pi->p", second @ links, second)
    shares = own / (n_frames * k)
    expected = _chance(sizes, near, first, second, usable)
    # Labellings differ in what is expected where blocks differ in length.
    p_value = _p_value(shares - expected) if usable else math.nan
    return NeighbourScore(float(shares[0]), float(expected[0]), p_value, k)


def _chance(
    sizes: IntArray, near: NDArray[np.bool_], first: FloatArray, second: FloatArray, usable: bool
) -> FloatArray:
    """Share of own neighbours if each were drawn at random from the frames that are looked at."""
    size = sizes.astype(np.float64)
    share = np.zeros(len(first))
    for label in (first, second):
        own = (label @ size)[:, None]
        if usable:
            own = own - (label * size) @ near
            all_ = size.sum() - near @ size
        else:
            own = own - 1.0
            all_ = size.sum() - 1.0
        share += np.einsum("pi,pi->p", label, size * own / all_)
    return np.asarray(share / size.sum())
