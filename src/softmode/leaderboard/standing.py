"""Where another potential stands among those of a board, on the materials that both have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from softmode.crystal.arrays import FloatArray
from softmode.leaderboard.boards import ALL, Board, Figure
from softmode.leaderboard.ranks import ENOUGH, middle, places, sampled_middles
from softmode.panel import number
from softmode.statistics.bootstrap import Estimate, with_bounds
from softmode.statistics.paired import PairedComparison, compare_paired
from softmode.style import group_name


@dataclass(frozen=True)
class Standing:
    """Where a potential stands among those of a board, on the materials that both have.

    Parameters
    ----------
    figure : Figure
        By which.
    group : str
        Of materials, or ``all``.
    n : int
        Materials.
    median : Estimate
        Of its error.
    rank : Estimate
        Among itself and the packaged ones.
    of : int
        How many these are together.
    percentile : float
        Share of the packaged ones that are worse, in per cent; those that are equal count half.
    best, typical : float
        Median of the best of the packaged ones, and the median of all their medians.
    against : tuple of (str, PairedComparison)
        Each of the packaged ones, from the best to the worst, as the first, and this potential as the second.
    """

    figure: Figure
    group: str
    n: int
    median: Estimate
    rank: Estimate
    of: int
    percentile: float
    best: float
    typical: float
    against: tuple[tuple[str, PairedComparison], ...]


def standing(
    own: FloatArray, board: Board, figure: Figure, *, group: str = ALL, without: str = "", seed: int = 2026
) -> Standing | None:
    """Where a potential stands by a figure.

    Parameters
    ----------
    own : (n,) array
        Its values on the materials of the board; NaN where it failed.
    board : Board
        Of these materials; none at all give None.
    figure : Figure
        By which.
    group : str
        How the materials are called.
    without : str
        One of the board's potentials that is this one itself.
    seed : int
        Of the bootstrap over materials.
    """
    counted = board.counts(figure)
    if not counted.any() or figure.name not in board.values:
        return None
    asked = zip(board.potentials, board.measured(figure), strict=True)
    others = [at for at, (name, measured) in enumerate(asked) if measured and name != without]
    if not others:
        return None
    board, own = board.part(np.flatnonzero(counted)), own[counted]
    of_own = figure.error(own - board.reference_values(figure))
    errors = np.column_stack([of_own, board.errors(figure)[:, others]])

    def both(scores: FloatArray) -> FloatArray:
        return np.stack([places(scores)[..., 0], scores[..., 0]], axis=-1)

    scores = middle(errors, figure)
    rank, median = (Estimate(float(value)) for value in both(scores))
    if len(errors) >= ENOUGH:
        rank, median = with_bounds(both(scores), both(sampled_middles(errors, figure, seed)))
    worse = (scores[1:] > scores[0]).sum() + 0.5 * (scores[1:] == scores[0]).sum()
    return Standing(
        figure,
        group,
        len(own),
        median,
        rank,
        errors.shape[1],
        float(100.0 * worse / len(others)),
        float(scores[1:].min()),
        float(np.median(scores[1:])),
        tuple(
            (board.potentials[others[at]], compare_paired(errors[:, 1 + at], of_own))
            for at in np.argsort(scores[1:], kind="stable")
        ),
    )


def standing_words(potential: str, stands: Sequence[Standing], itself: str = "") -> str:
    """Where a potential stands, in a sentence without its full stop.

    Parameters
    ----------
    potential : str
        How it is called.
    stands : sequence of Standing
        Overall by the figure that ranks, then others.
    itself : str
        The packaged potential that it is, left out of the comparison; empty where it is none.
    """
    first, *others = stands
    over = f"{first.n} materials" if first.n > 1 else "this material"
    sure = f" [{first.rank.low:.0f} to {first.rank.high:.0f}]" if np.isfinite(first.rank.low) else ""
    unit = f" {first.figure.unit}" if first.figure.unit else ""
    what = f"error of {first.figure.title}" if first.figure.of_reference else first.figure.title
    who = (
        f"the {'other ' if itself else ''}packaged potentials, better than {first.percentile:.0f} % of these"
    )
    said = (
        f"{potential}: {what} {number(first.median.value)}{unit} on {over}, rank "
        f"{first.rank.value:.0f}{sure} of {first.of} with {who} "
        f"(the best {number(first.best)}, their median {number(first.typical)})"
    )
    groups = [f"{group_name(one.group)} {one.rank.value:.0f}" for one in others if one.group != ALL]
    said += f"; rank among {', '.join(groups)}" if groups else ""
    better, worse = _ends([stand for stand in others if stand.group == ALL])
    said += f"; among the best third by {', '.join(better)}" if better else ""
    return said + (f"; among the worst third by {', '.join(worse)}" if worse else "")


def _ends(stands: Sequence[Standing]) -> tuple[list[str], list[str]]:
    """Figures by which a potential is among the best, and among the worst third."""
    better = [stand.figure.short for stand in stands if stand.percentile >= 100 * 2 / 3]
    worse = [stand.figure.short for stand in stands if stand.percentile <= 100 / 3]
    return better, worse
