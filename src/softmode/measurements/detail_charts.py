"""What panels of one material have in common: thinned series, gaps, σ with its interval, guides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softmode.charts import Gaps, Guide, IntervalRow, LineSeries, Numbers
from softmode.files import file_name
from softmode.measurements.results import MaterialResults
from softmode.measurements.sigma_panels import class_guides
from softmode.panel import NOTHING, Table, number

#: Digits behind the point of numbers on pages that are of the order of one.
_DIGITS = 4

#: Boundaries of the classes of anharmonicity, of plots whose σ is upwards, and to the right.
CLASS_GUIDES = tuple(guide for guide in class_guides() if guide.axis == "y")
CLASS_GUIDES_X = tuple(guide for guide in class_guides() if guide.axis == "x")


def named(name: str, results: MaterialResults) -> str:
    """Name of a chart or table of a material; unique on the page."""
    return f"{name}_{file_name(results.material)}"


def numbers(values: ArrayLike, digits: int = _DIGITS) -> Numbers:
    """Finite numbers, rounded."""
    return tuple(np.asarray(values, dtype=np.float64).round(digits).tolist())


def gaps(values: ArrayLike, digits: int = _DIGITS) -> Gaps:
    """Numbers, rounded; None where there is none."""
    found = np.asarray(values, dtype=np.float64).round(digits).tolist()
    return tuple(value if value == value else None for value in found)  # NaN differs from itself


def thinned(n: int, most: int) -> NDArray[np.int64]:
    """Places of at most so many of `n` values, evenly spaced, the last one included."""
    step = max(1, -(-n // max(most - 1, 1)))
    return np.unique(np.append(np.arange(0, n, step), n - 1)) if n else np.arange(0)


def line(
    name: str,
    x: ArrayLike,
    y: ArrayLike,
    most: int,
    *,
    potential: str | None = None,
    facet: str = "",
    **more: Any,
) -> LineSeries:
    """A series of at most so many points."""
    x, y = np.asarray(x), np.asarray(y)
    kept = thinned(len(x), most)
    return LineSeries(name, numbers(x[kept]), gaps(y[kept]), potential=potential, facet=facet, **more)


def run_guides(lengths: Sequence[int]) -> tuple[Guide, ...]:
    """Where one run of a trajectory ends and the next begins, by frames."""
    return tuple(Guide("x", float(end) - 0.5, "next run") for end in np.cumsum(lengths)[:-1])


def sigma_row(
    values: Mapping[str, Any], approach: str, label: str, potential: str | None = None, facet: str = ""
) -> IntervalRow | None:
    """⟨σ(t)⟩ of an approach with its interval; None where it has none."""
    mean, low, high = (values.get(f"sigma_{approach}_mean_t{end}") for end in ("", "_low", "_high"))
    if mean is None:
        return None
    known = low is not None and high is not None
    return IntervalRow(label, mean, low if known else None, high if known else None, potential, facet=facet)


def sigma_by(
    title: str, name: str, results: MaterialResults, sides: Iterable[tuple[str, Mapping[str, Any], str]]
) -> Table:
    """σ by element and by site, a row for each side.

    Parameters
    ----------
    title, name : str
        Of the table.
    results : MaterialResults
        Of the material.
    sides : iterable of (str, mapping, str)
        What a row is called, values of its record, and the approach.
    """
    rows = [
        (label, _parts(values, approach, "element"), _parts(values, approach, "site"))
        for label, values, approach in sides
    ]
    elements = dict.fromkeys(key for _, of_element, _ in rows for key in of_element)
    sites = dict.fromkeys(key for _, _, of_site in rows for key in of_site)
    by_site = () if list(elements) == list(sites) else tuple(sites)  # where each element has one site
    return Table(
        named(name, results),
        title,
        ("", *elements, *(f"site {site}" for site in by_site)),
        tuple(
            (
                label,
                *(_entry(of_element.get(key)) for key in elements),
                *(_entry(of_site.get(key)) for key in by_site),
            )
            for label, of_element, of_site in rows
        ),
    )


def _parts(values: Mapping[str, Any], approach: str, of: str) -> Mapping[str, float | None]:
    found: Mapping[str, float | None] | None = values.get(f"sigma_{approach}_per_{of}")
    return found or {}


def _entry(value: float | None) -> str:
    return NOTHING if value is None else number(value)
