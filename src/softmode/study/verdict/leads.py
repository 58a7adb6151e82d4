"""Who leads by an error, in words: beyond chance, not to be told apart, or of one material alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from softmode.crystal.arrays import FloatArray
from softmode.panel import named, number
from softmode.study.paired import COMPARED_ERRORS, ComparedError
from softmode.study.verdict.contest import Contest, contest
from softmode.study.verdict.statement import FEWEST, Statement, chance, counted, listed, measured, some
from softmode.style import group_name, order_groups

#: Potentials of which figures are given where there is no test, and ties that are named.
_GIVEN, _TIED = 3, 6
#: What sentences begin with that do not begin with a name, which keeps its letters.
_OWN_WORDS = ("no single", "nobody", "on ")


def lead(
    found: Contest, topic: str, panel: str, names: dict[str, str], group: str | None = None
) -> Statement:
    """Which potential leads by an error.

    Parameters
    ----------
    found : Contest
        The potentials by it.
    topic, panel : str
        Of the statement.
    names : dict of str to str
        How materials are called, by name.
    group : str, optional
        The group that the materials are of.
    """
    few = found.n < FEWEST
    said = _few(found, names) if few else _only(found) if not found.pairs else _compared(found)
    said += "" if few else _taught(found)
    left_out = (
        ""
        if not found.left_out
        else (f" {counted(found.left_out)} that not all potentials have {_is(found.left_out)} left out.")
    )
    if group is not None:
        said = f"{group_name(group).capitalize()}: {said}"
    elif said.startswith(_OWN_WORDS):
        said = said[0].upper() + said[1:]
    return Statement(topic, said + left_out, group, found.materials if few or group else (), panel)


def by_group(
    cells: pd.DataFrame, error: ComparedError, topic: str, panel: str, names: dict[str, str]
) -> Iterator[Statement]:
    """Who leads in each group with enough materials; arguments as of :func:`lead` and :func:`contest`."""
    groups = order_groups(cells["group"])
    for group in groups if len(groups) > 1 else ():
        found = contest(cells[cells["group"] == group], error)
        if found is not None and found.n >= FEWEST and (found.pairs or found.left_out):
            said = lead(found, topic, panel, names, group)
            own = (
                at_own_lattice(cells[cells["group"] == group], found)
                if error == COMPARED_ERRORS["w2"]
                else ""
            )
            yield replace(said, text=f"{said.text} {own}".strip())


def _is(n: int) -> str:
    return "is" if n == 1 else "are"


def _only(found: Contest) -> str:
    value = measured(found.medians[found.leader], found.error.unit)
    over = f"median of {counted(found.n)}; no other potential."
    return f"{found.marked(found.leader)}: {found.error.label} {value}, {over}"


def _compared(found: Contest) -> str:
    """Who leads, beyond chance or not, and by how much."""
    what, over = found.error.label, counted(found.n)
    first, has = listed(map(found.marked, found.first)), "has" if len(found.first) == 1 else "have"
    value = measured(found.medians[found.leader], found.error.unit)
    smallest = f"{first} {has} the smallest median {what}, {value} over {over}"
    if found.better:
        others = listed(_ahead(found, name) for name in found.better[:2])
        return f"no single leader on {what}: {smallest}, but {others}."
    ahead = f"Beyond chance ahead of {_behind(found)}." if found.beaten else ""
    if not found.tied:
        return f"{first} leads on {what}: {value}, median of {over}. {ahead}"
    if not found.beaten:
        shown = f"smallest median {first}, {value} over {over}"
        return f"nobody leads on {what} beyond chance: {shown}; {_alike(found)}."
    return f"{smallest}; {_alike(found)}. {ahead}"


def _ahead(found: Contest, name: str) -> str:
    """One that is better than the leader on most materials, although its median is larger."""
    pair = found.pairs[name]
    return (
        f"{found.marked(name)} has the smaller error on {pair.better} of {pair.n} ({_times(found, name)} "
        f"that of {found.marked(found.leader)}; {_sure(found, name)})"
    )


def _alike(found: Contest) -> str:
    """Those that are not to be told apart from the leader; all by name, the first with figures."""
    first, *others = found.tied
    ratio = found.pairs[first].ratio
    apart = not ratio.low <= 1.0 <= ratio.high  # by itself, but not as one of many pairs
    sure = (
        f", {chance(found.p_values[first])} corrected for {counted(found.n_tests, 'test')}" if apart else ""
    )
    shown = f"{found.marked(first)} ({_times(found, first)} its error{sure})"
    return f"not to be told apart from it: {some([shown, *map(found.marked, others)], _TIED)}"


def _behind(found: Contest) -> str:
    """The nearest of those beaten in full, the farthest, and how many there are between."""
    first, *others = found.beaten
    pair = found.pairs[first]
    larger = f"{_times(found, first)} its error, larger on {pair.worse} of {pair.n}"
    if np.isinf(pair.ratio.value):
        larger = f"which fails on most, worse on {pair.worse} of {pair.n}"
    said = f"{found.marked(first)} ({larger}; {_sure(found, first)})"
    if not others:
        return said
    farthest = found.marked(others[-1])
    last = (
        f"{farthest} ({_times(found, others[-1])})"
        if np.isfinite(found.pairs[others[-1]].ratio.value)
        else (f"{farthest} (which fails on most)")
    )
    return f"{said} and {last}" if len(others) == 1 else f"{said}, {len(others) - 1} more, and {last}"


def _taught(found: Contest) -> str:
    """Of how many of these materials the leader has seen the phonons, and who is best of those without."""
    if found.leader not in found.seen:
        return ""
    n = found.seen[found.leader]
    these = f"all {n}" if n == found.n else f"{n} of these {found.n}"
    text = f" {found.leader}† was trained on the phonons of {these}, or chosen by them"
    if not found.unseen:
        return f"{text}; so was every other to some degree."
    best = found.unseen[0]
    value = measured(found.medians[best], found.error.unit)
    apart = _apart(found, best) or "beyond chance behind"
    tied = [*found.unseen_tied]
    beside = f"; level with it: {some(tied, _TIED)}" if tied else ""
    return f"{text}; the best of those that saw none is {best}, {value} ({apart}{beside})."


def _apart(found: Contest, name: str) -> str:
    """How one stands to the leader that is not beyond chance behind it; else empty."""
    if name in found.better:
        return "better on most"
    return "" if name in found.beaten else "not to be told apart"


def at_own_lattice(cells: pd.DataFrame, found: Contest, others: Sequence[float] | FloatArray = ()) -> str:
    """Who is best at the lattice that each potential relaxes a crystal to; empty where that is not known.

    Parameters
    ----------
    cells : pandas.DataFrame
        Of the same materials.
    found : Contest
        At the lattice of the reference.
    others : sequence of float
        As of :func:`contest`.
    """
    error = COMPARED_ERRORS["w2_own"]
    own = contest(cells, error, others) if error.column in cells else None
    if own is None or own.n < FEWEST or not own.pairs:
        return ""
    text = f"Relaxed, at its own lattice, {own.marked(own.leader)} has the smallest, "
    text += measured(own.medians[own.leader], error.unit)
    if found.leader in own.pairs:
        apart = _apart(own, found.leader)
        text += f"; {own.marked(found.leader)} {number(own.medians[found.leader].value)}"
        text += f" ({apart})" if apart else ""
    return f"{text}."


def _times(found: Contest, name: str) -> str:
    """How many times as large an error is, typically."""
    ratio = found.pairs[name].ratio
    return "infinitely many times" if np.isinf(ratio.value) else f"{measured(ratio)} times"


def _sure(found: Contest, name: str) -> str:
    corrected = f" corrected for {found.n_tests} tests" if found.n_tests > 1 else ""
    return f"sign test, {chance(found.p_values[name])}{corrected}"


def _few(found: Contest, names: dict[str, str]) -> str:
    """Plain figures of materials that are too few for anything else."""
    by_value = {name: found.medians[name].value for name in found.order}
    shown = [f"{number(value)} by {name}" for name, value in by_value.items() if np.isfinite(value)]
    failing = [name for name, value in by_value.items() if np.isinf(value)]
    if len(shown) > _GIVEN + 1:
        shown = [*shown[:_GIVEN], f"{counted(len(shown) - _GIVEN - 1, 'other')} up to {shown[-1]}"]
    where = some([names.get(name, name) for name in found.materials], FEWEST)
    unit = f", {found.error.unit}," if found.error.unit else ""
    median = "" if found.n == 1 else "median "
    caution = (
        "one crystal ranks no potentials" if found.n == 1 else f"{found.n} crystals are too few for a test"
    )
    if len(found.order) == 1:
        caution = "" if found.n == 1 else "too few for an interval"
    figures = f"{median}{found.error.label}{unit} {listed(shown)}"
    figures += f"; failed: {listed(failing)}" if failing else ""
    return f"on {where} alone: {figures}; {caution}." if caution else f"on {where} alone: {figures}."


def called(cells: pd.DataFrame) -> dict[str, str]:
    """How each material is called in a sentence."""
    rows = cells.drop_duplicates("material")
    return {
        str(name): named(str(name), str(formula))
        for name, formula in zip(rows["material"], rows["formula"], strict=True)
    }
