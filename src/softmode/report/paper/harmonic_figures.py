"""Figures of the harmonic panels: Figs. 1a–c and S1, S3–S6 of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from softmode.anharmonic.classes import EDGES
from softmode.report.figures import VG, W2
from softmode.report.paper.harmonic_data import SIGMA_REFERENCE
from softmode.style import (
    MEDIAN_COLOUR,
    VG_LABEL,
    W2_LABEL,
    colours,
    figure_style,
    group_name,
    plain,
    plain_log,
    pretty_formula,
)

FloatArray = NDArray[np.float64]

_MAP = "viridis"
_SIGMA_LABEL = r"$\langle\sigma(t)\rangle_t$ of the reference"
_UNKNOWN_COLOUR = "0.5"
_OUTLIER_COLOUR = "#56B4E9"
_MOST_DOTS = 60  # of a box, that are told apart


def sigma_scale(values: FloatArray) -> Normalize:
    """Colour scale of σ: from 0 to the largest but for a few outliers, at least to the edge of unstable."""
    known = values[np.isfinite(values)]
    top = float(np.quantile(known, 0.98)) if len(known) else 0.0
    return Normalize(0.0, max(top, 1.2 * EDGES[-1]))


def highlighted_scatter(errors: pd.DataFrame, marks: Mapping[str, str], title: str) -> Figure:
    """RMSE(v_g) against RMSE(ω²), coloured by σ of the reference; some materials ringed and named (Fig. 1a).

    Parameters
    ----------
    errors : pandas.DataFrame
        From :func:`~softmode.report.paper.harmonic_data.harmonic_errors`.
    marks : mapping of str to str
        Material to what it is named.
    title : str
        Above.
    """
    with figure_style():
        figure = Figure(figsize=(6.2, 4.6))
        axes = figure.subplots()
        scale = sigma_scale(errors[SIGMA_REFERENCE].to_numpy(float))
        points = _points(axes, errors, scale, _size(len(errors)))
        axes.set_xlabel(W2_LABEL)
        axes.set_ylabel(VG_LABEL)
        axes.set_title(plain(title))
        plain_log(axes, "xy")
        _name(axes, errors, marks)
        _colour_bar(figure, points, [axes])
        return figure


def scatter_by_potential(
    errors: Mapping[str, pd.DataFrame], notes: Mapping[str, str], titles: Mapping[str, str]
) -> Figure:
    """As Fig. 1a, a panel per potential on common axes and colours (Figs. S3–S6).

    Parameters
    ----------
    errors : mapping of str to pandas.DataFrame
        By label of the potential.
    notes, titles : mapping of str to str
        What stands in and above each panel.
    """
    every = np.concatenate([rows[SIGMA_REFERENCE].to_numpy(float) for rows in errors.values()])
    scale = sigma_scale(every)
    columns = min(2, len(errors))
    rows = -(-len(errors) // columns)
    with figure_style():
        figure = Figure(figsize=(3.6 * columns + 0.9, 3.1 * rows + 0.3))
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        points: PathCollection | None = None
        for axes, (label, part) in zip(grid, errors.items(), strict=False):
            points = _points(axes, part, scale, 0.7 * _size(len(part))) or points
            plain_log(axes, "xy")
            axes.set_title(plain(titles[label]))
            axes.text(0.03, 0.97, notes[label], transform=axes.transAxes, va="top", fontsize=8)
        for spare in grid[len(errors) :]:
            spare.set_visible(False)
        for place, axes in enumerate(grid[: len(errors)]):
            if place % columns == 0:
                axes.set_ylabel(VG_LABEL)
            if place + columns >= len(errors):
                axes.set_xlabel(W2_LABEL)
                axes.tick_params(labelbottom=True)
        _colour_bar(figure, points, list(grid))
        return figure


def _size(n: int) -> float:
    """Area of a point, pt², where there are so many."""
    return 28.0 if n <= 100 else 16.0


def _points(axes: Axes, errors: pd.DataFrame, scale: Normalize, size: float) -> PathCollection | None:
    """Points coloured by σ, the larger above; grey crosses where it is not known. None when it never is."""
    known = errors[errors[SIGMA_REFERENCE].notna()].sort_values(SIGMA_REFERENCE)
    unknown = errors[errors[SIGMA_REFERENCE].isna()]
    axes.scatter(unknown[W2], unknown[VG], s=size, color=_UNKNOWN_COLOUR, marker="x", linewidths=1.0)
    if known.empty:
        return None
    return axes.scatter(
        known[W2],
        known[VG],
        s=size,
        c=known[SIGMA_REFERENCE],
        cmap=_MAP,
        norm=scale,
        linewidths=0.25,
        edgecolors="white",
    )


def _colour_bar(figure: Figure, points: PathCollection | None, panels: list[Axes]) -> None:
    if points is None:
        return
    bar = figure.colorbar(points, ax=panels, extend="max", aspect=32, pad=0.02)
    bar.set_label(_SIGMA_LABEL)
    for edge in EDGES:
        bar.ax.axhline(edge, color="white", linewidth=1.2)


def _name(axes: Axes, errors: pd.DataFrame, marks: Mapping[str, str]) -> None:
    x_middle = float(np.sqrt(np.prod(axes.get_xlim())))
    for material, name in marks.items():
        row = errors[errors["material"] == material].iloc[0]
        axes.scatter(row[W2], row[VG], s=110, facecolors="none", edgecolors="#D55E00", linewidths=1.5)
        left = row[W2] < x_middle
        axes.annotate(
            pretty_formula(name),
            (row[W2], row[VG]),
            xytext=(8 if left else -8, 9),
            textcoords="offset points",
            ha="left" if left else "right",
            fontsize=9,
            color="#8A3A00",
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def error_box_figure(
    values: Mapping[tuple[str, str], FloatArray],
    titles: Mapping[str, str],
    label: str,
    title: str,
) -> Figure:
    """Box plots by halide and potential: quartiles, median, whiskers to 1.5 IQR, outliers (Figs. 1b, 1c).

    Parameters
    ----------
    values : mapping of (group, potential) to array
        Errors of the materials.
    titles : mapping of str to str
        How each potential is called in the legend, in order.
    label, title : str
        Of the axis, with its unit, and above.
    """
    groups = list(dict.fromkeys(group for group, _ in values))
    colour = colours(list(titles))
    width = 0.8 / len(titles)
    with figure_style():
        figure = Figure(figsize=(6.6, 3.9))
        axes = figure.subplots()
        for shift, potential in enumerate(titles):
            for place, group in enumerate(groups):
                x = place + (shift - (len(titles) - 1) / 2) * width
                box(axes, values.get((group, potential), np.empty(0)), x, 0.84 * width, colour[potential])
        axes.set_xticks(range(len(groups)), [plain(group_name(group)) for group in groups])
        axes.set_xlim(-0.55, len(groups) - 0.45)
        axes.grid(axis="x", visible=False)
        axes.set_ylabel(label)
        axes.set_title(title)
        plain_log(axes, "y")
        handles = [Patch(facecolor=colour[p], alpha=0.5, label=plain(titles[p])) for p in titles]
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4))
        return figure


def box(
    axes: Axes, values: FloatArray, x: float, width: float, colour: str, *, outliers: bool = True
) -> None:
    """One box as in the paper: median orange, whiskers within 1.5 IQR of the box, outliers as plus signs.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Drawn on.
    values : (n,) array
        None: nothing is drawn.
    x, width : float
        Place and width of the box.
    colour : str
        Of the box.
    outliers : bool
        Whether they are drawn.
    """
    if not len(values):
        return
    axes.boxplot(
        values,
        positions=[x],
        widths=width,
        whis=1.5,
        patch_artist=True,
        boxprops={"facecolor": colour, "alpha": 0.5, "linewidth": 0.8},
        medianprops={"color": MEDIAN_COLOUR, "linewidth": 1.8},
        whiskerprops={"linewidth": 0.8},
        capprops={"linewidth": 0.8},
        showfliers=outliers,
        flierprops={"marker": "+", "markersize": 4, "markeredgecolor": _OUTLIER_COLOUR},
        manage_ticks=False,
    )


def halide_boxes(values: Sequence[Mapping[str, FloatArray]], labels: Sequence[str]) -> Figure:
    """Quantities by halide, a panel each (Fig. S1).

    Parameters
    ----------
    values : sequence of mapping of str to array
        By group; a quantity without values has no panel.
    labels : sequence of str
        Of the axes, with units.
    """
    given = [item for item in zip("abcd", values, labels, strict=False) if item[1]]
    with figure_style():
        figure = Figure(figsize=(3.7 * max(len(given), 1), 3.6))
        grid = figure.subplots(1, max(len(given), 1), squeeze=False)[0]
        for axes, (letter, parts, label) in zip(grid, given, strict=False):
            for place, (group, numbers) in enumerate(parts.items()):
                dots = len(numbers) <= _MOST_DOTS
                box(axes, numbers, place, 0.5, colours(list(parts))[group], outliers=not dots)
                if dots:
                    spread = np.random.default_rng(0).uniform(-0.17, 0.17, len(numbers))
                    axes.plot(place + spread, numbers, ".", color="0.25", markersize=2.5, alpha=0.6)
            names = [f"{group_name(group)}\n(n = {len(numbers)})" for group, numbers in parts.items()]
            axes.set_xticks(range(len(parts)), names)
            axes.set_xlim(-0.6, max(len(parts), 1) - 0.4)
            axes.set_ylabel(label)
            axes.set_title(f"({letter})", loc="left")
            axes.grid(axis="x", visible=False)
        return figure
