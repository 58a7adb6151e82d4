"""Tables of confusion matrices: counts, effect sizes against published ones, tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from softmode.anharmonic.classes import CLASSES
from softmode.measurements.sampled import WAYS
from softmode.panel import NOTHING, PUBLISHED, Entry, Link, Row, Table, interval, linked, number, probability
from softmode.report.paper.classes import FAILED_CLASS, Classified
from softmode.statistics.bootstrap import Estimate
from softmode.statistics.confusion import ConfusionEstimate, ConfusionMatrix, with_intervals
from softmode.statistics.matrix_tests import Homogeneity, MatrixComparison, compare_matrices, holm
from softmode.statistics.shares import Difference

_FIGURES = {
    "accuracy": "same class (%)",
    "kappa": "Cohen's κ",
    "called_more_stable": "called more stable (%)",
    "called_less_stable": "called less stable (%)",
}


@dataclass(frozen=True, eq=False)
class Beside:
    """A matrix of the run, a published one, or both of the same model.

    Parameters
    ----------
    approach, label : str
        The approach, and the potential's label (the paper's name of a model that the run does not hold).
    shown : str
        The potential as shown.
    run, published : ConfusionMatrix or None
        What there is.
    """

    approach: str
    label: str
    shown: str
    run: ConfusionMatrix | None
    published: ConfusionMatrix | None


def compared(sides: Sequence[Beside], seed: int) -> dict[int, MatrixComparison]:
    """Comparisons of all that have both sides, by place in `sides`.

    Parameters
    ----------
    sides : sequence of Beside
        All matrices.
    seed : int
        Of tables drawn and bootstrap.
    """
    return {
        place: compare_matrices(side.run, side.published, seed)
        for place, side in enumerate(sides)
        if side.run is not None and side.published is not None and side.run.counts.sum()
    }


def _link(found: Classified, side: Beside) -> Link | None:
    return found.wholes.get((side.approach, side.label, ""))


def _points(difference: Difference, factor: float = 100.0) -> str:
    """A difference with its sign and interval; shares in per cent points."""
    return signed_interval(factor * difference.value, factor * difference.low, factor * difference.high)


def signed_interval(value: float, low: float, high: float) -> str:
    """A difference with its sign, and its interval where there is one.

    Parameters
    ----------
    value, low, high : float
        NaN where there is none.
    """
    if np.isnan(value):
        return NOTHING
    signs = [f"{bound:+.2g}" if abs(bound) < 1 else f"{bound:+.1f}" for bound in (value, low, high)]
    return signs[0] if np.isnan(low) else f"{signs[0]} [{signs[1]}, {signs[2]}]"


def per_cent(estimate: Estimate) -> str:
    """A share with its interval, in per cent."""
    return interval(100 * estimate.value, 100 * estimate.low, 100 * estimate.high)


def counts_table(name: str, found: Classified, sides: Sequence[Beside]) -> Table:
    """All counts, row by row of the matrices, run beside published."""
    return Table(
        name=name,
        title="Counts: this run, and published",
        columns=(
            "potential",
            "force constants",
            "reference class",
            *(f"called {given}" for given in CLASSES),
            "failed",
            *(f"published: {given}" for given in CLASSES),
        ),
        rows=tuple(_counts_row(found, side, index) for side in sides for index in range(len(CLASSES))),
        note="A count of this run leads to the materials in that cell.",
    )


def _counts_row(found: Classified, side: Beside, index: int) -> Row:
    reference = CLASSES[index]
    row: list[Entry | str] = [side.shown, WAYS[side.approach], reference]
    counts = [NOTHING] * 4
    if side.run is not None:
        counts = [str(count) for count in (*side.run.counts[index], side.run.failed[index])]
    for given, count in zip((*CLASSES, FAILED_CLASS), counts, strict=True):
        row += linked([count], found.cells.get((side.approach, side.label, "", reference, given)))
    printed = [NOTHING] * 3 if side.published is None else map(str, side.published.counts[index])
    return (*row, *linked(printed, PUBLISHED))


def rows_table(
    name: str, found: Classified, sides: Sequence[Beside], comparisons: Mapping[int, MatrixComparison]
) -> Table:
    """Reference class by reference class: the share called right, and whether the errors are alike."""
    rows = []
    for place, comparison in comparisons.items():
        side = sides[place]
        for index, reference in enumerate(CLASSES):
            link = found.row(side.approach, side.label, "", reference)
            share, test = comparison.row_shares[index], comparison.rows[index]
            row: Row = (
                side.shown,
                WAYS[side.approach],
                reference,
                *linked([f"{share.n[0]} / {share.n[1]}", _right(side.run, index)], link),
                *linked([_right(side.published, index)], PUBLISHED),
                *linked([_points(share), _distance(test), _chance(test)], link),
            )
            rows.append(row)
    return Table(
        name=name,
        title="Class by class of the reference",
        columns=(
            "potential",
            "force constants",
            "reference class",
            "n, run / published",
            "same class (%)",
            "published (%)",
            "difference (% points)",
            "distance (%)",
            "p",
        ),
        rows=tuple(rows),
        note="Distance, χ² and MC: as in the table of tests. These p are not corrected for their number.",
    )


def _right(matrix: ConfusionMatrix | None, index: int) -> str:
    return NOTHING if matrix is None else number(100 * matrix.rates()[index, index])


def _distance(test: Homogeneity) -> str:
    if np.isnan(test.distance):
        return NOTHING
    return f"{number(100 * test.distance, 2)} ({number(100 * test.distance_by_chance, 2)})"


def _chance(test: Homogeneity) -> str:
    """Its probability, and how it was had, for a narrow column."""
    if np.isnan(test.p_value):
        return NOTHING
    how = {"chi-square": " (χ²)", "Monte Carlo": " (MC)"}.get(test.method, "")
    return f"{probability(test.p_value)}{how}"


def effects_table(
    name: str,
    found: Classified,
    sides: Sequence[Beside],
    comparisons: Mapping[int, MatrixComparison],
    seed: int,
) -> Table:
    """Summary figures of all matrices, run beside published, with differences."""
    rows: list[Row] = []
    for place, side in enumerate(sides):
        rows += _effects_rows(found, side, comparisons.get(place), seed, as_wrong=False)
        if side.run is not None and side.run.n_failed:
            again = (
                compare_matrices(side.run, side.published, seed, failures_as_wrong=True)
                if side.published is not None
                else None
            )
            rows += _effects_rows(found, side, again, seed, as_wrong=True)
    return Table(
        name=name,
        title="How large the differences are",
        columns=(
            "potential",
            "force constants",
            "figure",
            "n, run",
            "n, published",
            "run",
            "published",
            "run − published",
        ),
        rows=tuple(rows),
        note=(
            "95 % intervals: of figures by bootstrap over materials, of differences of shares Newcombe's "
            "(in per cent points), of κ bootstrap (none where all agree)."
        ),
    )


def _effects_rows(
    found: Classified, side: Beside, comparison: MatrixComparison | None, seed: int, *, as_wrong: bool
) -> list[Row]:
    run, published = (
        None if matrix is None else with_intervals(matrix, seed, failures_as_wrong=as_wrong)
        for matrix in (side.run, side.published)
    )
    link = _link(found, side)
    n = 0 if side.run is None else side.run.n_materials - (0 if as_wrong else side.run.n_failed)
    rows: list[Row] = []
    for name, title in _FIGURES.items():
        difference = NOTHING
        if comparison is not None:
            difference = _points(getattr(comparison, name), 1.0 if name == "kappa" else 100.0)
        n_published = NOTHING if side.published is None else str(side.published.n_materials)
        rows.append(
            (
                f"{side.shown}, failures counted as wrong" if as_wrong else side.shown,
                WAYS[side.approach],
                title,
                *linked([NOTHING if side.run is None else str(n)], link),
                *linked([n_published], PUBLISHED),
                *linked([_figure(run, name)], link),
                *linked([_figure(published, name)], PUBLISHED),
                *linked([difference], link),
            )
        )
    return rows


def _figure(estimate: ConfusionEstimate | None, name: str) -> str:
    if estimate is None:
        return NOTHING
    value: Estimate = getattr(estimate, name)
    if name != "kappa":
        return per_cent(value)
    bounds = (np.nan, np.nan) if value.value == 1.0 else (value.low, value.high)
    return interval(value.value, *bounds, 2)


def tests_table(
    name: str, found: Classified, sides: Sequence[Beside], comparisons: Mapping[int, MatrixComparison]
) -> Table:
    """Tests of all pairs of matrices, corrected for their number."""
    places = list(comparisons)
    errors = holm([comparisons[place].errors.p_value for place in places])
    wholes = holm([comparisons[place].whole.p_value for place in places])
    rows: list[Row] = []
    for place, of_errors, of_whole in zip(places, errors, wholes, strict=True):
        comparison, link = comparisons[place], _link(found, sides[place])
        test, whole = comparison.errors, comparison.whole
        texts = (
            f"{test.n[0]} / {test.n[1]}",
            _distance(test),
            f"{number(test.statistic)} ({test.degrees_of_freedom})",
            _chance(test),
            probability(of_errors),
            f"{number(whole.statistic)} ({whole.degrees_of_freedom})",
            _chance(whole),
            probability(of_whole),
            _chance(comparison.reference),
            str(comparison.fewest_moved),
        )
        rows.append((sides[place].shown, WAYS[sides[place].approach], *linked(texts, link)))
    return Table(
        name=name,
        title="Are they the same? Tests",
        columns=(
            "potential",
            "force constants",
            "n, run / published",
            "errors alike: distance (%)",
            "χ² (degrees of freedom)",
            "p",
            "p, Holm",
            "all nine cells: χ² (degrees of freedom)",
            "p",
            "p, Holm",
            "same mix of materials: p",
            "in another cell, at least",
        ),
        rows=tuple(rows),
        note=(
            "Errors alike: the shares within the rows, whatever the mix of materials; the whole matrix "
            "and the mix (sums of rows) are tested apart. Distance: share of materials that would have to "
            "be in another cell, in brackets what it is by chance. (χ²): asymptotic; (MC): tables drawn "
            "with the same margins, where an expected count is below five. Holm: corrected for the number "
            "of matrices. Last column: compounds in another cell than published, at least, if the smaller "
            "set is part of the other."
        ),
    )
