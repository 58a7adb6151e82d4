"""Charts drawn by matplotlib, for export: what a page draws itself, as figures for papers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from softmode.charts import (
    CellDistribution,
    CellMatrix,
    CellPoints,
    Chart,
    Frames,
    Guide,
    Heat,
    Intervals,
    Lines,
    Points,
)
from softmode.panel import Panel, Picture
from softmode.study.results import numbers_in
from softmode.style import (
    MEDIAN_COLOUR,
    REFERENCE_COLOUR,
    colours,
    distinct,
    dots,
    error_bars,
    figure_style,
    group_name,
    legend_below,
    marker_handles,
    markers,
    order_groups,
    panel_grid,
    patch_handles,
    plain,
    plain_log,
    side_by_side,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: From so many values on a distribution has quartiles.
_BOX_FROM = 5


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells that charts are of, and the colours of their potentials.

    Parameters
    ----------
    table : pandas.DataFrame
        ``material``, ``group``, ``potential`` and the columns that charts name.
    labels : mapping of str to str
        What columns are called, with their units.
    """

    table: pd.DataFrame
    labels: Mapping[str, str]

    @cached_property
    def potentials(self) -> list[str]:
        """In the order of the table."""
        return distinct(self.table["potential"])

    @cached_property
    def colour(self) -> dict[str, str]:
        """Of each potential."""
        return colours(self.potentials)

    def label(self, column: str) -> str:
        """What a column is called, for matplotlib."""
        return plain(self.labels.get(column, column))

    def shade(self, potential: str | None) -> str:
        """Colour of a potential; ink for all else."""
        return self.colour.get(potential or "", REFERENCE_COLOUR)


def drawn_charts(panel: Panel, cells: Cells) -> list[Picture]:
    """Pictures of the charts of a panel, which are drawn when they are asked for."""

    def of(chart: Chart) -> Callable[[], Figure]:
        return lambda: figure_of(chart, cells)

    return [Picture(chart.name, chart.title, of(chart)) for chart in panel.charts]


def figure_of(chart: Chart, cells: Cells) -> Figure:
    """A chart as a figure."""
    with figure_style():
        figure = _figure(chart, cells)
        figure.suptitle(plain(chart.title), fontsize=10)
        return figure


@singledispatch
def _figure(chart: Chart, cells: Cells) -> Figure:  # noqa: ARG001  of the kinds below
    raise TypeError(f"there is no figure of a {type(chart).__name__}")


def _finish(axes: Axes, guides: Sequence[Guide], log: str = "", *, equality: bool = False) -> None:
    """Lines across the plot, and plain numbers on logarithmic axes."""
    if log:
        plain_log(axes, log)
    if equality:
        axes.axline((1.0, 1.0), (2.0, 2.0), color="0.5", linewidth=0.8)
    for guide in guides:
        line = axes.axvline if guide.axis == "x" else axes.axhline
        line(guide.value, color="0.6", linewidth=0.7, linestyle=":")


def _logged(chart: Any) -> str:
    return f"{'x' * chart.log_x}{'y' * chart.log_y}"


@_figure.register(CellPoints)
def _(chart: CellPoints, cells: Cells) -> Figure:
    table, groups = cells.table, order_groups(cells.table["group"])
    marker = markers(groups)
    figure, [axes] = panel_grid(1, 1, (5.4, 4.6))
    x, y = (numbers_in(table, name) for name in (chart.x, chart.y))
    for potential in cells.potentials:
        for group in groups:
            own = ((table["potential"] == potential) & (table["group"] == group)).to_numpy(bool)
            dots(axes, x[own], y[own], cells.colour[potential], marker[group], size=18, alpha=0.7)
    _finish(axes, chart.guides, _logged(chart), equality=chart.equality)
    axes.set(xlabel=cells.label(chart.x), ylabel=cells.label(chart.y))
    shapes = marker_handles(
        {each: plain(group_name(each)) for each in groups}, dict.fromkeys(groups, "0.3"), marker
    )
    legend_below(figure, [*patch_handles(_named(cells)), *shapes], 4)
    return figure


def _named(cells: Cells) -> dict[str, str]:
    return {plain(name): shade for name, shade in cells.colour.items()}


@_figure.register(CellDistribution)
def _(chart: CellDistribution, cells: Cells) -> Figure:
    table, groups, n = cells.table, order_groups(cells.table["group"]), max(1, len(cells.potentials))
    values = numbers_in(table, chart.value)
    figure, [axes] = panel_grid(1, 1, (max(5.4, 0.16 * n * len(groups) + 2.0), 4.2))
    for index, potential in enumerate(cells.potentials):
        for place, group in enumerate(groups):
            own = values[((table["potential"] == potential) & (table["group"] == group)).to_numpy(bool)]
            own = own[np.isfinite(own)]
            x, shade = side_by_side(place, index, n), cells.colour[potential]
            spread = np.random.default_rng(0).uniform(-0.25, 0.25, len(own)) * 0.8 / n
            axes.plot(x + spread, own, ".", color=shade, markersize=3, alpha=0.6)
            if len(own) >= _BOX_FROM:
                low, middle, high = np.quantile(own, [0.25, 0.5, 0.75])
                axes.plot([x, x], [low, high], color=shade, linewidth=2.4, alpha=0.5)
                axes.plot([x - 0.3 / n, x + 0.3 / n], [middle] * 2, color=MEDIAN_COLOUR, linewidth=2)
    axes.set_xticks(range(len(groups)), [plain(group_name(each)) for each in groups])
    axes.set_ylabel(cells.label(chart.value))
    _finish(axes, chart.guides, "y" if chart.log else "")
    legend_below(figure, patch_handles(_named(cells)), 4)
    return figure


@_figure.register(CellMatrix)
def _(chart: CellMatrix, cells: Cells) -> Figure:
    figure, grid = panel_grid(len(cells.potentials), 4, (2.5, 2.6))
    for axes, potential in zip(grid, cells.potentials, strict=True):
        own = cells.table[cells.table["potential"] == potential]
        counts = np.array(
            [
                [
                    int(((own[chart.row] == of) & (own[chart.column] == called)).sum())
                    for called in chart.classes
                ]
                for of in chart.classes
            ]
        )
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        _matrix(
            axes, shares, [[str(count) for count in line] for line in counts], (chart.classes, chart.classes)
        )
        axes.set(title=plain(potential), xlabel="potential", ylabel="reference")
    return figure


def _matrix(axes: Axes, shades: np.ndarray, texts: Sequence[Sequence[str]], names: Any, **style: Any) -> Any:
    look: Any = {"cmap": "Greys", "vmin": 0.0, "vmax": 1.0} | style
    image = axes.imshow(shades, **look)
    for i, line in enumerate(texts):
        for j, text in enumerate(line):
            dark = image.to_rgba(shades[i, j])[1] < 0.55
            axes.text(j, i, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
    axes.set_xticks(
        range(len(names[1])), [plain(name) for name in names[1]], rotation=40, ha="right", fontsize=7.5
    )
    axes.set_yticks(range(len(names[0])), [plain(name) for name in names[0]], fontsize=7.5)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    return image


@_figure.register(Heat)
def _(chart: Heat, cells: Cells) -> Figure:  # noqa: ARG001
    side = 0.42 * max(len(chart.rows), len(chart.columns))
    figure, [axes] = panel_grid(1, 1, (side + 2.6, side + 1.9))
    values = np.array(chart.values, dtype=float)
    reach = np.nanmax(np.abs(values - (chart.middle or 0.0)))
    scale: Any = {"cmap": "Greys", "vmin": 0.0, "vmax": reach}
    if chart.middle is not None:
        scale = {"cmap": "PuOr_r", "vmin": chart.middle - reach, "vmax": chart.middle + reach}
    image = _matrix(axes, values, chart.texts, (chart.rows, chart.columns), **scale)
    axes.set(xlabel=plain(chart.column_label), ylabel=plain(chart.row_label))
    figure.colorbar(image, label=plain(chart.label), shrink=0.8)
    return figure


@_figure.register(Intervals)
def _(chart: Intervals, cells: Cells) -> Figure:
    facets, labels = distinct(row.facet for row in chart.rows), distinct(row.label for row in chart.rows)
    height = 1.2 + 0.22 * len(labels)
    figure, grid = panel_grid(
        len(facets), 3, (5.4 if len(facets) == 1 else 2.6, height), (1.4, 0.2), sharey=True
    )
    for axes, facet in zip(grid, facets, strict=True):
        for row in (row for row in chart.rows if row.facet == facet):
            low, high = (np.nan if bound is None else bound for bound in (row.low, row.high))
            bars, shade = error_bars([row.value], [low], [high]), cells.shade(row.potential)
            look: Any = {"color": shade, "mfc": shade if row.strong else "white", "markersize": 4}
            axes.errorbar([row.value], [labels.index(row.label)], xerr=bars, fmt="o", linewidth=1.2, **look)
        _finish(axes, chart.guides, "x" if chart.log else "")
        axes.set_title(plain(facet), fontsize=8.5)
        axes.set_xlabel(plain(chart.axis), fontsize=8.5)
        axes.grid(axis="y", visible=False)
    grid[0].set_yticks(range(len(labels)), [plain(label) for label in labels])
    grid[0].set_ylim(len(labels) - 0.5, -0.5)
    return figure


@_figure.register(Lines)
def _(chart: Lines, cells: Cells) -> Figure:
    def draw(axes: Axes, series: Any) -> None:
        shade = cells.shade(series.potential)
        y = np.array(series.y, dtype=float)
        axes.plot(series.x, y, color=shade, linewidth=1.0, linestyle="--" if series.dashed else "-")
        if series.low is not None and series.high is not None:
            low, high = (np.array(bound, dtype=float) for bound in (series.low, series.high))
            axes.fill_between(series.x, low, high, color=shade, alpha=0.2, linewidth=0.0)

    return _in_facets(chart, cells, draw)


@_figure.register(Points)
def _(chart: Points, cells: Cells) -> Figure:
    marker = markers(distinct(series.name for series in chart.series))

    def draw(axes: Axes, series: Any) -> None:
        shade = cells.shade(series.potential)
        if series.low is not None and series.high is not None:
            low, high = (np.array(bound, dtype=float) for bound in (series.low, series.high))
            bars = error_bars(series.y, low, high)
            axes.errorbar(series.x, series.y, yerr=bars, fmt="none", ecolor=shade, elinewidth=0.8, alpha=0.6)
        dots(axes, series.x, series.y, shade, marker[series.name], size=22, alpha=0.8)

    figure = _in_facets(chart, cells, draw)
    named = {series.name: cells.shade(series.potential) for series in chart.series}
    legend_below(figure, marker_handles({name: plain(name) for name in named}, named, marker), 4)
    return figure


def _in_facets(chart: Lines | Points, cells: Cells, draw: Callable[[Axes, Any], None]) -> Figure:
    facets = distinct(series.facet for series in chart.series)
    figure, grid = panel_grid(len(facets), 3, (5.4, 4.2) if len(facets) == 1 else (3.4, 3.3))
    for axes, facet in zip(grid, facets, strict=True):
        for series in chart.series:
            if series.facet == facet:
                draw(axes, series)
        _finish(axes, chart.guides, _logged(chart), equality=getattr(chart, "equality", False))
        axes.set_title(plain(facet), fontsize=8.5)
        axes.set(xlabel=plain(chart.x_label), ylabel=plain(chart.y_label))
    if isinstance(chart, Lines):
        named = distinct(series.potential for series in chart.series if series.potential in cells.colour)
        if named:
            legend_below(figure, patch_handles({plain(str(name)): cells.shade(name) for name in named}), 4)
    return figure


@_figure.register(Frames)
def _(chart: Frames, cells: Cells) -> Figure:
    marker = markers(chart.clouds)
    figure, [axes] = panel_grid(1, 1, (5.2, 4.2))
    x, y, cloud = np.array(chart.x), np.array(chart.y), np.array(chart.cloud)
    shades = {name: cells.shade(of) for name, of in zip(chart.clouds, chart.potentials, strict=True)}
    for place, name in enumerate(chart.clouds):
        dots(axes, x[cloud == place], y[cloud == place], shades[name], marker[name], size=10, alpha=0.55)
    axes.set(xlabel=plain(chart.x_label), ylabel=plain(chart.y_label))
    legend_below(figure, marker_handles({name: plain(name) for name in chart.clouds}, shades, marker))
    return figure
