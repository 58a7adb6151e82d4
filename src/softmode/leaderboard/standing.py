"""Ranks of potentials over materials, and where another one stands among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from softmode.crystal.arrays import FloatArray
from softmode.leaderboard.boards import Board, Figure
from softmode.panel import number
from softmode.statistics.bootstrap import Estimate, bootstrap_over

#: Fewer materials carry no interval of a median.
ENOUGH = 10


def middle(errors: FloatArray, figure: Figure) -> FloatArray:
    """Median over materials (the last but one axis); of what is true or false the mean."""
    found: FloatArray = np.mean(errors, axis=-2) if figure.share else np.median(errors, axis=-2)
    return found


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
    errors = board.errors(by)
    n = len(board.potentials)

    def both(drawn: FloatArray) -> FloatArray:
        scores = middle(drawn, by)
        return np.concatenate([places(scores), scores], axis=-1)

    found = _with_enough(errors, bootstrap_over(errors, both, seed))
    figures = [figure for figure in board.figures if figure.measurement == by.measurement]
    shown = {f.name: _shown(board, f, seed, sure=in_full or f is by) for f in figures}
    failed = np.isnan(board.values[by.name]).sum(axis=0)
    seen = np.isin(board.seen, ("train", "val")).sum(axis=0)
    order = sorted(range(n), key=lambda at: (found[n + at].value, board.potentials[at]))
    return [
        Place(
            board.potentials[at],
            len(board.materials),
            int(failed[at]),
            int(seen[at]),
            found[at],
            {name: medians[at] for name, medians in shown.items()},
        )
        for at in order
    ]


def _shown(board: Board, figure: Figure, seed: int, *, sure: bool) -> tuple[Estimate, ...]:
    """Median of a figure: of its size where it is a difference, of itself where 1 is perfect."""
    of_itself = figure.perfect == 1.0
    values = board.values[figure.name] if of_itself else board.errors(figure)
    if of_itself:
        wrong = 0.0 if figure.share else np.inf
        values = np.where(np.isnan(values), wrong, values)
    if not sure:
        return tuple(Estimate(float(value)) for value in middle(values, figure))
    return _with_enough(values, bootstrap_over(values, lambda drawn: middle(drawn, figure), seed))


def _with_enough(rows: FloatArray, found: tuple[Estimate, ...]) -> tuple[Estimate, ...]:
    return found if len(rows) >= ENOUGH else tuple(Estimate(one.value) for one in found)


@dataclass(frozen=True)
class Against:
    """A potential against one of a board on the same materials.

    Parameters
    ----------
    potential : str
        The packaged one.
    difference : Estimate
        Median over materials of its error less the packaged one's: below 0 is better; with an interval where
        there are materials enough.
    better_on : int
        Materials on which it is better.
    """

    potential: str
    difference: Estimate
    better_on: int


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
    against : tuple of Against
        Each of the packaged ones, from the best to the worst.
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
    against: tuple[Against, ...]


def standing(
    own: FloatArray, board: Board, figure: Figure, *, group: str = "all", without: str = "", seed: int = 2026
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
    others = [at for at, name in enumerate(board.potentials) if name != without]
    if not len(own) or not others or figure.name not in board.values:
        return None
    of_own = figure.error(own - board.reference_values(figure))
    errors = np.column_stack([of_own, board.errors(figure)[:, others]])
    n = errors.shape[1]

    def all_of_it(drawn: FloatArray) -> FloatArray:
        scores = middle(drawn, figure)
        with np.errstate(invalid="ignore"):  # both failed: no difference
            differences = np.nan_to_num(
                drawn[..., :1] - drawn[..., 1:], nan=0.0, posinf=np.inf, neginf=-np.inf
            )
        return np.concatenate([places(scores)[..., :1], scores, middle(differences, figure)], axis=-1)

    found = _with_enough(errors, bootstrap_over(errors, all_of_it, seed))
    scores = np.array([one.value for one in found[1 : 1 + n]])
    better_on = (errors[:, :1] < errors[:, 1:]).sum(axis=0)
    against = [
        Against(board.potentials[at], found[1 + n + place], int(better_on[place]))
        for place, at in enumerate(others)
    ]
    order = np.argsort(scores[1:], kind="stable")
    worse = (scores[1:] > scores[0]).sum() + 0.5 * (scores[1:] == scores[0]).sum()
    return Standing(
        figure,
        group,
        len(own),
        found[1],
        found[0],
        n,
        float(100.0 * worse / len(others)),
        float(scores[1:].min()),
        float(np.median(scores[1:])),
        tuple(against[place] for place in order),
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
    who = f"the {'other ' if itself else ''}packaged potentials"
    said = (
        f"{potential}: {what} {number(first.median.value)}{unit} on {over}, rank "
        f"{first.rank.value:.0f}{sure} of {first.of} with {who} "
        f"(best of these {number(first.best)}, median {number(first.typical)})"
    )
    better, worse = _ends([stand for stand in others if stand.group == "all"])
    said += f"; among the best third by {', '.join(better)}" if better else ""
    return said + (f"; among the worst third by {', '.join(worse)}" if worse else "")


def _ends(stands: Sequence[Standing]) -> tuple[list[str], list[str]]:
    """Figures by which a potential is among the best, and among the worst third."""
    better = [stand.figure.short for stand in stands if stand.percentile >= 100 * 2 / 3]
    worse = [stand.figure.short for stand in stands if stand.percentile <= 100 / 3]
    return better, worse
