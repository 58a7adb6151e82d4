"""Ranks of the potentials of a board, with intervals over its materials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from softmode.crystal.arrays import FloatArray
from softmode.leaderboard.boards import Board, Figure
from softmode.statistics.bootstrap import (
    UNDEFINED,
    Estimate,
    sampled_means,
    sampled_medians,
    with_bounds,
)

#: Fewer materials carry no interval of a median.
ENOUGH = 10


def middle(errors: FloatArray, figure: Figure) -> FloatArray:
    """Median over materials (the last but one axis); of what is true or false the mean."""
    found: FloatArray = np.mean(errors, axis=-2) if figure.share else np.median(errors, axis=-2)
    return found


def sampled_middles(errors: FloatArray, figure: Figure, seed: int) -> FloatArray:
    """What :func:`middle` gives of each bootstrap sample of the materials, ``(n_samples, n_potentials)``."""
    return sampled_means(errors, seed) if figure.share else sampled_medians(errors, seed)


def places(scores: FloatArray) -> FloatArray:
    """Place of each score along the last axis, from 1 for the smallest; equal ones share the better place."""
    better: FloatArray = (scores[..., None, :] < scores[..., :, None]).sum(axis=-1, dtype=np.float64)
    return 1.0 + better


@dataclass(frozen=True)
class Place:
    """A potential on a board.

    Parameters
    ----------
    potential : str
        Its label.
    n, failed : int
        Materials, and on how many of them it failed; failures count as infinitely wrong.
    seen : int
        Materials whose phonons it was trained on.
    rank : Estimate
        By the figure that ranks, with the interval over materials.
    medians : mapping of str to Estimate
        Of each figure: median over materials, of what is true or false the share.
    """

    potential: str
    n: int
    failed: int
    seen: int
    rank: Estimate
    medians: Mapping[str, Estimate]


def ranked(board: Board, by: Figure, seed: int = 2026, *, in_full: bool = True) -> list[Place]:
    """Potentials of a board from the best to the worst.

    Parameters
    ----------
    board : Board
        With at least one material.
    by : Figure
        What ranks them: the median of its error.
    seed : int
        Of the bootstrap over materials, which all potentials and figures share.
    in_full : bool
        Whether figures besides `by` have intervals, too, which takes a while.
    """
    errors = board.counted(by).errors(by)
    n = len(board.potentials)

    def both(scores: FloatArray) -> FloatArray:
        return np.concatenate([places(scores), scores], axis=-1)

    values = both(middle(errors, by))
    found = tuple(Estimate(float(value)) for value in values)
    if len(errors) >= ENOUGH:
        found = with_bounds(values, both(sampled_middles(errors, by, seed)))
    figures = [figure for figure in board.figures if figure.measurement == by.measurement]
    shown = {f.name: _shown(board, f, seed, sure=in_full or f is by) for f in figures}
    failed = np.isnan(board.values[by.name]).sum(axis=0)
    order = sorted(range(n), key=lambda at: (found[n + at].value, board.potentials[at]))
    return [
        Place(
            board.potentials[at],
            len(board.materials),
            int(failed[at]),
            int(board.seen_counts[at]),
            found[at],
            {name: medians[at] for name, medians in shown.items()},
        )
        for at in order
    ]


def _shown(board: Board, figure: Figure, seed: int, *, sure: bool) -> tuple[Estimate, ...]:
    """Median of a figure: of its size where it is a difference, of itself where 1 is perfect."""
    board, of_itself = board.counted(figure), figure.perfect == 1.0
    if not board.materials:
        return (UNDEFINED,) * len(board.potentials)
    values = board.values[figure.name] if of_itself else board.errors(figure)
    if of_itself:
        wrong = 0.0 if figure.share else np.inf
        values = np.where(np.isnan(values), wrong, values)
    middles = middle(values, figure)
    found = tuple(Estimate(float(value)) for value in middles)
    if sure and len(values) >= ENOUGH:
        found = with_bounds(middles, sampled_middles(values, figure, seed))
    asked = zip(found, board.measured(figure), strict=True)
    return tuple(one if measured else UNDEFINED for one, measured in asked)
