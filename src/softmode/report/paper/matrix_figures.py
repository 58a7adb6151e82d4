"""Confusion matrices in the colours of their blocks (paper Fig. 2), beside published ones; differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from softmode.anharmonic.classes import CLASSES, EDGES
from softmode.crystal.arrays import FloatArray
from softmode.statistics.confusion import ConfusionMatrix
from softmode.style import figure_style, legend_below, patch_handles, plain

#: Colour of each kind of block: on the diagonal, below it, above it.
BLOCK_COLOURS = {"agree": "#0072B2", "more stable": "#E69F00", "less stable": "#CC79A7"}
BLOCK_NAMES = {
    "agree": "same class",
    "more stable": "the potential calls it more stable",
    "less stable": "the potential calls it less stable",
}
#: Ranges of σ of the classes, as Fig. 2 of the paper has them.
RANGES = (f"σ < {EDGES[0]:g}", f"σ in [{EDGES[0]:g}, {EDGES[1]:g}]", f"σ > {EDGES[1]:g}")
_PALEST = 0.10
_DIFFERENCE_MAP = "BrBG"  # none of the colours of blocks


def block(reference: int, potential: int) -> str:
    """Kind of block of a matrix: ``agree``, ``more stable`` or ``less stable``.

    Parameters
    ----------
    reference, potential : int
        Indices of the classes, 0 the most stable.
    """
    return "agree" if reference == potential else "more stable" if potential < reference else "less stable"


def shade(kind: str, share: float) -> tuple[float, float, float]:
    """Colour of a block: white to the colour of its kind with the share of its row.

    Parameters
    ----------
    kind : str
        Of the block.
    share : float
        0 to 1.
    """
    full = np.array(to_rgb(BLOCK_COLOURS[kind]))
    weight = _PALEST + (1.0 - _PALEST) * float(np.clip(share, 0.0, 1.0))
    mixed = 1.0 - weight * (1.0 - full)
    return float(mixed[0]), float(mixed[1]), float(mixed[2])


def _text_colour(colour: FloatArray) -> str:
    return "black" if float(np.dot(colour, [0.299, 0.587, 0.114])) > 0.52 else "white"


def _frame(axes: Axes) -> None:
    axes.set_xticks(range(3), CLASSES, fontsize=7.5)
    axes.set_yticks(range(3), CLASSES, fontsize=7.5, rotation=90, va="center")
    axes.set(xlim=(-0.5, 2.5), ylim=(2.5, -0.5), aspect="equal")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for edge in (0.5, 1.5):
        axes.axhline(edge, color="white", linewidth=1.5)
        axes.axvline(edge, color="white", linewidth=1.5)


def _blocks(axes: Axes, shares: FloatArray, texts: Sequence[Sequence[str]], size: float = 9.0) -> None:
    colours = np.array([[shade(block(i, j), shares[i, j]) for j in range(3)] for i in range(3)])
    axes.imshow(colours)
    for i, j in np.ndindex(3, 3):
        colour = _text_colour(colours[i, j])
        axes.text(j, i, texts[i][j], ha="center", va="center", color=colour, fontsize=size)
    _frame(axes)


def draw_matrix(axes: Axes, matrix: ConfusionMatrix | None, without: str) -> None:
    """Counts, in the colour of their block, shaded by the share of their row; a text where there are none."""
    if matrix is None:
        draw_nothing(axes, without)
        return
    _blocks(axes, np.nan_to_num(matrix.rates()), [[str(count) for count in row] for row in matrix.counts])


def draw_difference(axes: Axes, first: ConfusionMatrix, second: ConfusionMatrix) -> None:
    """First minus second: differences of the shares of rows, in per cent points, signed."""
    difference = 100.0 * (first.rates() - second.rates())
    axes.imshow(np.nan_to_num(difference), cmap=_DIFFERENCE_MAP, vmin=-30.0, vmax=30.0)
    for (i, j), value in np.ndenumerate(difference):
        text = "–" if np.isnan(value) else "0" if round(value, 1) == 0 else f"{value:+.1f}"
        dark = abs(np.nan_to_num(value)) > 20.0
        axes.text(j, i, text, ha="center", va="center", color="white" if dark else "black")
    _frame(axes)


def draw_nothing(axes: Axes, text: str) -> None:
    """An empty place that says why."""
    axes.set(xlim=(-0.5, 2.5), ylim=(2.5, -0.5), aspect="equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color("0.8")
    axes.text(1, 1, text, ha="center", va="center", color="0.45", fontsize=8)


def _legend(figure: Figure, most: int = 3) -> None:
    """What the colours of blocks mean."""
    names = {BLOCK_NAMES[kind]: colour for kind, colour in BLOCK_COLOURS.items()}
    legend_below(figure, patch_handles(names), most)


def legend_figure() -> Figure:
    """What the blocks of a matrix mean (paper Fig. 2)."""
    texts = []
    for i, name in enumerate(CLASSES):
        row = []
        for j, other in enumerate(CLASSES):
            head = f"both {name}" if i == j else f"{name}, called\n{other}"
            row.append(f"{head}\n\nreference: {RANGES[i]}\npotential: {RANGES[j]}")
        texts.append(row)
    with figure_style():
        figure = Figure(figsize=(6.4, 6.2))
        axes = figure.subplots()
        _blocks(axes, np.where(np.eye(3) > 0, 0.75, 0.55), texts, size=8.5)
        axes.set_xlabel("class by the potential")
        axes.set_ylabel("class of the reference")
        _legend(figure)
        return figure


def comparison_figure(
    measured: Mapping[str, ConfusionMatrix],
    published: Mapping[str, ConfusionMatrix],
    columns: Mapping[str, str],
) -> Figure:
    """Measured matrices above published ones above their differences; a column per model.

    Parameters
    ----------
    measured, published : mapping of str to ConfusionMatrix
        By model; a place without one stays empty and says so.
    columns : mapping of str to str
        Models in order, and what stands above them.
    """
    with figure_style():
        figure = Figure(figsize=(2.35 * len(columns) + 1.1, 7.6))
        grid = figure.subplots(3, len(columns), squeeze=False)
        for place, (model, title) in enumerate(columns.items()):
            top, middle, bottom = grid[:, place]
            top.set_title(plain(title), fontsize=9)
            run, paper = measured.get(model), published.get(model)
            draw_matrix(top, run, "not in the run")
            draw_matrix(middle, paper, "not in the paper")
            if run is None or paper is None:
                draw_nothing(bottom, "nothing to compare")
            else:
                draw_difference(bottom, run, paper)
            bottom.set_xlabel("class by the potential")
        names = ("this run", "published", "run − published,\n% of the row")
        for axes, name in zip(grid[:, 0], names, strict=True):
            axes.set_ylabel(f"{name}\n\nreference class")
        _legend(figure)
        return figure


def grid_figure(rows: Mapping[str, Mapping[str, ConfusionMatrix]], columns: Mapping[str, str]) -> Figure:
    """Matrices in a grid (paper Fig. 4): rows such as halides, a column per potential.

    Parameters
    ----------
    rows : mapping of str to mapping of str to ConfusionMatrix
        By what stands beside the row, and by label of the potential.
    columns : mapping of str to str
        Labels in order, and what stands above them.
    """
    with figure_style():
        # few potentials: the rows become columns, which fills a page better
        turned = len(columns) < 3 and len(rows) > len(columns)
        shape = (len(columns), len(rows)) if turned else (len(rows), len(columns))
        figure = Figure(figsize=(2.35 * shape[1] + 0.9, 2.45 * shape[0] + 0.6))
        grid = figure.subplots(*shape, squeeze=False)
        for i, (name, matrices) in enumerate(rows.items()):
            for j, (label, title) in enumerate(columns.items()):
                axes = grid[j][i] if turned else grid[i][j]
                at = (j, i) if turned else (i, j)
                draw_matrix(axes, matrices.get(label), "none")
                above, beside = (name, title) if turned else (title, name)
                if at[0] == 0:
                    axes.set_title(plain(above), fontsize=9)
                if at[1] == 0:
                    axes.set_ylabel(f"{plain(beside)}\n\nreference class", fontsize=8.5)
                if at[0] == shape[0] - 1:
                    axes.set_xlabel("class by the potential")
        _legend(figure, 3 if shape[1] > 2 else 1)
        return figure
