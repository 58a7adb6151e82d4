"""What a study says of phonons: who leads, which way they err, stability, and where the leader is off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from softmode.crystal.arrays import FloatArray
from softmode.panel import number
from softmode.potentials.leakage import SEEN
from softmode.statistics.matrix_tests import holm
from softmode.statistics.paired import compare_paired, median_by_order, sign_test
from softmode.statistics.two_samples import rank_sum_test
from softmode.structures.formulas import elements_of
from softmode.study.field_metrics import STABLE
from softmode.study.paired import COMPARED_ERRORS, ComparedError, failed_by_potential, other_tests
from softmode.study.results import FAILED, OK, SEEN_COLUMN, done, numbers_in
from softmode.study.verdict.contest import Contest, contest, seen_counts
from softmode.study.verdict.leads import at_own_lattice, by_group, called, lead
from softmode.study.verdict.statement import (
    FEWEST,
    LEVEL,
    Statement,
    chance,
    counted,
    in_brackets,
    listed,
    measured,
    share,
    some,
)
from softmode.style import distinct, group_name, order_groups

_W2 = COMPARED_ERRORS["w2"]
#: How far from 1 a slope of ω² may be to be called right.
_RIGHT = 0.02
_SOFT, _STIFF = "too soft", "too stiff"
_WRONG = "stability_wrong"
#: Columns that statements are made from.
_NEEDED = {
    *("material", "formula", "group", "potential", "state", SEEN_COLUMN, "failure_kind"),
    *("harmonic_state", "lattice_state", "path_softening", "path_largest_reference_THz", *STABLE),
    *(error.column for error in COMPARED_ERRORS.values()),
}


def of_phonons(cells: pd.DataFrame) -> Iterator[Statement]:
    """Statements on phonons beside those of the reference.

    Parameters
    ----------
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    """
    tests = other_tests(cells)
    cells = cells[[name for name in cells if name in _NEEDED]]  # of many columns few are wanted, often
    names = called(cells)
    found = contest(cells, _W2, tests.get("w2", ()))
    if found is None:
        return
    yield lead(found, "lead", "paired" if found.pairs else "ranking", names)
    yield from _elsewhere(cells, found, tests)
    if found.n >= FEWEST and (own := at_own_lattice(cells, found, tests.get("w2_own", ()))):
        yield Statement("lead", own, panel="lattice")
    if found.pairs:
        yield from by_group(cells, _W2, "lead", "paired", names)
    yield from _unseen(cells, found)
    yield from _bias(cells, found)
    yield from _stability(cells, names)
    yield from _worst(cells, found, names)


def _elsewhere(cells: pd.DataFrame, found: Contest, tests: Mapping[str, FloatArray]) -> Iterator[Statement]:
    """Who has the smallest median by the other errors of phonons."""
    if len(found.order) < 2 or found.n < FEWEST:
        return
    by_leader: dict[str, list[str]] = {}
    for name, error in COMPARED_ERRORS.items():
        if name in ("w2", "w2_own") or error.stable or error.measured_by not in ("harmonic", "lattice"):
            continue
        other = contest(cells, error, tests.get(name, ()))
        if other is not None and other.n >= FEWEST and len(other.order) > 1:
            sure = other.leader != found.leader and found.leader in other.beaten
            label = in_brackets(error.label) + (f" on {other.n}" if other.n < found.n else "")
            who = listed(map(found.marked, other.first))
            by_leader.setdefault(who, []).append(label + (" *" if sure else ""))
    said = "; ".join(f"{name} by {listed(labels)}" for name, labels in by_leader.items())
    if list(by_leader) == [found.marked(found.leader)]:
        text = f"{found.marked(found.leader)} has the smallest median by all other errors of phonons, too."
        yield Statement("lead", text, panel="paired")
    elif said:
        note = f" (*: beyond chance ahead of {found.marked(found.leader)})" if "*" in said else ""
        yield Statement("lead", f"Smallest median by other errors: {said}{note}.", panel="paired")


def _unseen(cells: pd.DataFrame, found: Contest) -> Iterator[Statement]:
    """Who leads on crystals whose phonons no potential was trained on."""
    if SEEN_COLUMN not in cells:
        return
    taught, of_each = cells[cells[SEEN_COLUMN].isin(SEEN)], seen_counts(cells)
    if taught.empty:
        return
    by_number: dict[int, list[str]] = {}
    for name, n in of_each.items():
        by_number.setdefault(n, []).append(f"{name}†")
    n_all = cells["material"].nunique()
    who = "; ".join(f"{listed(each)} on those of {n}" for n, each in by_number.items())
    unseen = contest(cells[~cells["material"].isin(set(taught["material"]))], _W2)
    left = _without(found, unseen, list(of_each))
    text = f"Trained on phonons of these very crystals, or chosen by them: {who} of {n_all}. {left}"
    yield Statement("sample", text.strip(), panel="paired")


def _without(found: Contest, unseen: Contest | None, taught: Sequence[str]) -> str:
    """What is left of the lead on crystals that none of them has seen."""
    if unseen is None:
        return "No crystal is left that none of them has seen: their lead is no test of them."
    if len(unseen.order) < 2:
        return ""
    over = f"On the {unseen.n} that none has seen"
    if unseen.n < FEWEST:
        return f"{over} nothing can be tested."
    median = measured(unseen.medians[unseen.leader], unseen.error.unit)
    if unseen.leader != found.leader:
        return f"{over}, {unseen.leader} has the smallest median, {median}, not {found.leader}."
    untaught = [name for name in unseen.order if name not in taught]
    if found.leader not in taught or not untaught:
        return f"{over}, {found.leader} still has the smallest median, {median}."
    pair = unseen.pairs[untaught[0]]
    return (
        f"{over}, {found.leader} still has the smallest median, {median}; the best of the others, "
        f"{untaught[0]}, has {measured(pair.ratio)} times its error ({chance(unseen.p_values[untaught[0]])})."
    )


# Bias


def _bias(cells: pd.DataFrame, found: Contest) -> Iterator[Statement]:
    """Which way frequencies err, by the slope of ω² on the reference's."""
    slopes = {
        name: numbers_in(done(cells[cells["potential"] == name], "harmonic"), "path_softening")
        for name in found.order
    }
    slopes = {name: values for name, values in slopes.items() if len(values)}
    if not slopes:
        return
    if max(map(len, slopes.values())) < FEWEST:
        shown = [f"{number(float(np.median(values)))} by {name}" for name, values in slopes.items()]
        text = f"Slope of the potential's ω² on the reference's, below 1 where too soft: {some(shown, 4)}."
        yield Statement("bias", text, materials=found.materials, panel="ranking")
        return
    said = []
    for side, names in _sides(slopes).items():
        figures = [
            f"{found.marked(name)} {_slope(slopes[name], side, in_full=name in (names[0], found.leader))}"
            for name in names
        ]
        said += [f"{side}: {', '.join(figures)}"] if figures else []
    what = "Slope of the potential's ω² on the reference's, 1 if right, median of the materials"
    text = f"{what}: {'; '.join(said)}."
    yield Statement("bias", text, panel="ranking")


def _sides(slopes: Mapping[str, FloatArray]) -> dict[str, list[str]]:
    """Potentials that are too soft or too stiff beyond chance, each from the worst, and the others."""
    sides: dict[str, list[str]] = {side: [] for side in (_SOFT, _STIFF, "right within 2 %", "no clear side")}
    p_values = holm([_uneven(values) for values in slopes.values()])
    medians = {name: float(np.median(values)) for name, values in slopes.items()}
    for name, p_value in sorted(zip(slopes, p_values, strict=True), key=lambda each: medians[each[0]]):
        if abs(medians[name] - 1.0) < _RIGHT:
            sides["right within 2 %"].append(name)
        elif not p_value < LEVEL:
            sides["no clear side"].append(name)
        else:
            sides[_SOFT if medians[name] < 1.0 else _STIFF].append(name)
    sides[_STIFF].reverse()
    return sides


def _uneven(slopes: FloatArray) -> float:
    """Sign test of how many are below 1."""
    return sign_test(int((slopes < 1.0).sum()), int((slopes > 1.0).sum()))


def _slope(slopes: FloatArray, side: str, *, in_full: bool) -> str:
    """The median, in full with its interval and on how many materials the side is that."""
    found, n = median_by_order(slopes), len(slopes)
    if not in_full:
        return number(found.value)
    part = int((slopes > 1.0).sum()) if side == _STIFF else int((slopes < 1.0).sum())
    return f"{measured(found)} ({'above' if side == _STIFF else 'below'} 1 on {part} of {n})"


# Stability


def _stability(cells: pd.DataFrame, names: dict[str, str]) -> Iterator[Statement]:
    """Who agrees with the reference on harmonic stability, and what always saying the same would score."""
    if STABLE[0] not in cells:
        return
    of_reference = cells.dropna(subset=STABLE[0]).drop_duplicates("material").set_index("material")[STABLE[0]]
    rows = cells[cells["material"].isin(of_reference.index)]
    rows = rows[(rows["harmonic_state"] == OK) | failed_by_potential(rows, "harmonic")]
    truth = rows["material"].map(of_reference).astype(bool).to_numpy()
    wrong = np.where(rows["harmonic_state"] == FAILED, 1.0, 0.0)
    given = rows["harmonic_state"].to_numpy() == OK
    wrong[given] = rows[STABLE[1]].to_numpy()[given].astype(bool) != truth[given]
    error = ComparedError("stability", _WRONG)
    found = contest(rows.assign(**{_WRONG: wrong}), error)
    if found is None:
        return
    stable = of_reference.loc[list(found.materials)].to_numpy(bool)
    always = "stable" if 2 * stable.sum() >= len(stable) else "unstable"
    base = np.where(stable, 0.0, 1.0) if always == "stable" else np.where(stable, 1.0, 0.0)
    wrongs = sorted(found.order, key=lambda name: (_sum(found.of(name)), name in found.seen))
    best = wrongs[0]
    right = {name: found.n - _sum(found.of(name)) for name in wrongs}
    if found.n < FEWEST:
        yield _few_verdicts(found, stable, names)
        return
    first = [name for name in wrongs if right[name] == right[best]]
    both = {1: "", 2: "both "}.get(len(first), "each ")
    figures = [f"{found.marked(name)} on {share(right[name], found.n)}" for name in wrongs]
    who = listed(map(found.marked, first))
    text = f"Harmonic stability as the reference's: {who} {both}on {share(right[best], found.n)}"
    tests = {name: compare_paired(found.of(best), found.of(name)) for name in wrongs if name not in first}
    behind = [
        name
        for name, p in zip(tests, holm([each.p_value for each in tests.values()]), strict=True)
        if p < LEVEL
    ]
    alike = [name for name in tests if name not in behind]
    if alike:
        shown = [f"{found.marked(name)} ({right[name]})" for name in alike]
        text += f", not to be told apart from {'it' if len(first) == 1 else 'them'}: {some(shown)}"
    if behind:
        text += f"; last {figures[-1]}" if wrongs[-1] in behind and len(wrongs) > 2 else f"; {figures[-1]}"
    if taught := [name for name in first if name in found.seen]:
        trained = [f"{name}† was trained on {found.seen[name]} of these {found.n}" for name in taught]
        text += f". {listed(trained)}"
    wrong_on = [name for name, missed in zip(found.materials, found.of(best), strict=True) if missed]
    n_soft = int((found.of(best)[stable] > 0).sum())
    if wrong_on:
        text += (
            f". {found.marked(best)} is wrong on {counted(len(wrong_on))}: {n_soft} stable called unstable, "
            f"{len(wrong_on) - n_soft} the other way round"
        )
    yield Statement("stability", f"{text}.", materials=tuple(wrong_on), panel="field_metrics")
    yield _base_rate(found, base, always, wrongs)


def _base_rate(found: Contest, base: FloatArray, always: str, order: Sequence[str]) -> Statement:
    """What always saying the same would score, and who is better than that beyond chance."""
    right = found.n - _sum(base)
    text = f"Always saying “{always}” would be right on {share(right, found.n)}"
    if right == found.n:
        text += ": these materials cannot show whether a potential finds an unstable crystal"
        return Statement("base_rate", f"{text}.", panel="field_metrics")
    tests = {name: compare_paired(base, found.of(name)) for name in order}
    p_values = dict(
        zip(tests, holm([np.nan_to_num(each.p_value, nan=1.0) for each in tests.values()]), strict=True)
    )
    better = [name for name, each in tests.items() if p_values[name] < LEVEL and each.better > each.worse]
    if len(better) == len(order):
        text += (
            "; every potential is better than that beyond chance"
            if len(order) > 1
            else (f"; {order[0]} is better than that beyond chance ({chance(p_values[order[0]])})")
        )
    elif better:
        text += f"; better than that beyond chance: {some([*map(found.marked, better)])}; not: "
        text += some([found.marked(name) for name in order if name not in better])
    else:
        text += "; no potential is better than that beyond chance"
    return Statement("base_rate", f"{text}.", panel="field_metrics")


def _sum(values: FloatArray) -> int:
    return int(np.minimum(values, 1.0).sum())


def _few_verdicts(found: Contest, stable: NDArray[np.bool_], names: dict[str, str]) -> Statement:
    """Verdicts on materials that are too few for shares."""
    said = []
    for at, name in enumerate(found.materials):
        others = [potential for potential in found.order if found.of(potential)[at] > 0]
        verdict = "stable" if stable[at] else "unstable"
        one = len(found.order) == 1
        who = (
            f"{'so does' if not others else 'not so'} {found.order[0]}"
            if one
            else "so does every potential"
            if not others
            else "no potential does"
            if len(others) == len(found.order)
            else f"so do all but {some(others)}"
        )
        said.append(f"{names.get(name, name)} {verdict} ({who})")
    text = f"Harmonically, the reference finds {listed(said)}."
    return Statement("stability", text, materials=found.materials, panel="field_metrics")


# Where


def _worst(cells: pd.DataFrame, found: Contest, names: dict[str, str]) -> Iterator[Statement]:
    """Materials that the leader is farthest off, and elements and groups with which it is clearly worse."""
    if found.n < FEWEST:
        return
    errors = found.of(found.leader)
    finite = np.flatnonzero(np.isfinite(errors))
    first = finite[np.argsort(-errors[finite], kind="stable")][:3]
    worst = [found.materials[at] for at in first]
    figures = [f"{number(errors[at])} THz² on {names[name]}" for name, at in zip(worst, first, strict=True)]
    text = f"Largest RMSE(ω²) of {found.marked(found.leader)}: {listed(figures)}."
    yield Statement("failures", text, materials=tuple(worst), panel="errors")
    where, of_these = _clearly_worse(cells, found)
    if where:
        yield Statement("failures", where, materials=tuple(of_these), panel="errors")


def _clearly_worse(cells: pd.DataFrame, found: Contest) -> tuple[str, list[str]]:
    """Elements and groups with which the leader's error relative to the highest ω² is larger, corrected."""
    rows = done(cells[cells["potential"] == found.leader], "harmonic").set_index("material")
    rows = rows.loc[[name for name in found.materials if name in rows.index]]
    highest = numbers_in(rows, "path_largest_reference_THz") ** 2
    relative = np.divide(
        numbers_in(rows, _W2.column), highest, out=np.full(len(rows), np.nan), where=highest > 0.0
    )
    kept = np.isfinite(relative)
    rows, relative = rows[kept], relative[kept]
    elements = [elements_of(str(formula)) for formula in rows["formula"]]
    inside = {
        f"crystals with {element}": np.array([element in each for each in elements])
        for element in distinct(e for each in elements for e in each)
        if element not in set(rows["group"])
    } | {group_name(group): (rows["group"] == group).to_numpy() for group in order_groups(rows["group"])}
    inside = {own.tobytes(): (name, own) for name, own in inside.items()}  # of the same materials only once
    tested = {name: own for name, own in inside.values() if own.sum() >= FEWEST and (~own).sum() >= FEWEST}
    if not tested:
        return "", []
    p_values = holm([rank_sum_test(relative[own], relative[~own]) for own in tested.values()])
    said, of_these = [], []
    for (name, own), p in sorted(zip(tested.items(), p_values, strict=True), key=lambda each: each[1]):
        ratio = float(np.median(relative[own]) / np.median(relative[~own]))
        if p < LEVEL and ratio > 1.0:
            said.append(f"{int(own.sum())} {name} ({number(ratio, 2)} times that of the others, {chance(p)})")
            of_these += list(rows.index[own])
    if not said:
        return (
            f"{_relative(found, relative)} is clearly larger for none of the {len(tested)} elements and "
            f"groups with {FEWEST} materials or more.",
            [],
        )
    return (
        f"{_relative(found, relative)} is clearly larger for {some(said)}; rank-sum tests corrected for "
        f"{len(tested)} elements and groups."
    ), of_these


def _relative(found: Contest, values: FloatArray) -> str:
    median = f"{number(100 * float(np.median(values)), 2)} %"
    return (
        f"In per cent of a crystal's highest ω² (median {median}), the error of {found.marked(found.leader)}"
    )
