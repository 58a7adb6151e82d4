"""Colours (safe for colour-blind readers), order of groups, and what figures share.

Matplotlib is imported where something is drawn, so that a measurement can be declared without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

FloatArray = NDArray[np.float64]

#: Okabe and Ito's palette, without yellow and black, and colours of P. Tol's "muted" that differ from them.
PALETTE = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F"),
    *("#332288", "#882255", "#999933", "#44AA99", "#661100"),
)
REFERENCE_COLOUR = "#222222"
MEDIAN_COLOUR = "#E69F00"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

_GROUP_ORDER = ("F", "Cl", "Br", "I")
_GROUP_NAMES = {
    **{"F": "fluorides", "Cl": "chlorides", "Br": "bromides", "I": "iodides"},
    "other": "other prototypes",
}

W2_LABEL = "RMSE(ω²) (THz²)"
VG_LABEL = "RMSE($v_g$) (THz·Å)"
SIGMA = r"$\langle\sigma(t)\rangle_t$"


def order_groups(groups: Iterable[str]) -> list[str]:
    """Halides from light to heavy, then everything else by name."""
    present = set(groups)
    known = [group for group in _GROUP_ORDER if group in present]
    return known + sorted(present - set(known))


def distinct(names: Iterable[str]) -> list[str]:
    """Each name once, in the order in which they first come."""
    return list(dict.fromkeys(names))


def group_name(group: str) -> str:
    """Readable name of a group: ``F`` → fluorides, ``rock_salt`` → rock salt."""
    return _GROUP_NAMES.get(group, group.replace("_", " "))


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name, in order; they repeat after twelve."""
    return {name: PALETTE[index % len(PALETTE)] for index, name in enumerate(names)}


def markers(names: Sequence[str], kinds: Sequence[str] = MARKERS) -> dict[str, str]:
    """A marker for each name, so that colour is never the only difference; they repeat after seven."""
    return {name: kinds[index % len(kinds)] for index, name in enumerate(names)}


def plain(text: str) -> str:
    """Text that matplotlib draws as it stands (a dollar sign would begin a formula)."""
    return text.replace("$", r"\$")


def pretty_formula(formula: str) -> str:
    """Formula with subscripts, for matplotlib."""
    if not formula.isalnum():
        return plain(formula)
    out, digits = "", ""
    for character in [*formula, ""]:
        if character.isdigit():
            digits += character
            continue
        if digits:
            out += f"$_{{{digits}}}$"
            digits = ""
        out += character
    return out


def _numbered_at(decades: float) -> tuple[float, ...]:
    """Where a logarithmic axis that long has numbers in each decade."""
    if decades < 0.8:
        return (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)
    return (1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)


def plain_log(axes: Axes, which: str) -> None:
    """Logarithmic axes (``x``, ``y``, ``xy``) with plain numbers; call it when everything is drawn."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis in which:
        getattr(axes, f"set_{axis}scale")("log")
        numbered = axes.xaxis if axis == "x" else axes.yaxis
        low, high = numbered.get_view_interval()
        decades = np.log10(high / low) if 0.0 < low < high else 1.0
        numbered.set_major_locator(LogLocator(subs=_numbered_at(decades)))
        numbered.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        numbered.set_minor_formatter(NullFormatter())


@contextmanager
def figure_style() -> Iterator[None]:
    """Matplotlib settings of all figures."""
    import matplotlib as mpl

    settings: Any = {
        "figure.dpi": 110,
        "savefig.dpi": 200,
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.8,
        "axes.grid": True,
        "grid.linewidth": 0.4,
        "grid.alpha": 0.35,
        "axes.axisbelow": True,
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
        "pdf.fonttype": 42,
    }
    with mpl.rc_context(settings):
        yield


def panel_grid(
    n: int,
    columns: int,
    size: tuple[float, float],
    margin: tuple[float, float] = (0.0, 0.0),
    *,
    sharex: bool = False,
    sharey: bool = False,
) -> tuple[Figure, list[Axes]]:
    """A figure with `n` panels, row by row.

    Parameters
    ----------
    n, columns : int
        Panels, and at most so many in a row.
    size, margin : (float, float)
        Of each panel, and what is added for the whole figure, inches.
    sharex, sharey : bool
        Whether the panels have common axes.
    """
    from matplotlib.figure import Figure

    columns = max(1, min(columns, n))
    rows = -(-n // columns)
    figure = Figure(figsize=(size[0] * columns + margin[0], size[1] * rows + margin[1]))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey).ravel().tolist()
    for spare in grid[n:]:
        spare.set_visible(False)
    for lowest in grid[max(0, n - columns) : n]:
        lowest.tick_params(labelbottom=True)  # also where the panel below is a spare one
    return figure, grid[:n]


def dots(
    axes: Axes, x: ArrayLike, y: ArrayLike, colour: str, marker: str, *, size: float, **style: Any
) -> None:
    """Points without edges; `size` is their area in pt²."""
    axes.scatter(x, y, s=size, color=colour, marker=marker, linewidths=0, **style)


def guides(axes: Axes, values: Iterable[float], which: str = "xy") -> None:
    """Thin dotted lines at some values of the axes (``x``, ``y``, ``xy``), such as the edges of classes."""
    style: Any = {"color": "0.7", "linewidth": 0.7, "linestyle": ":"}
    for value in values:
        if "y" in which:
            axes.axhline(value, **style)
        if "x" in which:
            axes.axvline(value, **style)


def square_from_zero(axes: Axes, limit: float, edges: Iterable[float]) -> None:
    """Equal axes from 0 to `limit`, with the line of equality and guides at `edges`."""
    axes.plot([0, limit], [0, limit], color="0.5", linewidth=0.8)
    guides(axes, edges)
    axes.set(xlim=(0, limit), ylim=(0, limit), aspect="equal")


def error_bars(value: ArrayLike, low: ArrayLike, high: ArrayLike) -> FloatArray:
    """Distances to the bounds, (2, n); zero where there is no interval."""
    of, below, above = (np.asarray(part, dtype=float) for part in (value, low, high))
    distances = np.array([of - below, above - of])
    bars: FloatArray = np.where(np.isfinite(distances), np.maximum(distances, 0.0), 0.0)
    return bars


def name_point(
    axes: Axes, text: str, place: tuple[float, float], shift: tuple[float, float], align: str, **style: Any
) -> None:
    """A text beside a point, `shift` (pt) away from it."""
    axes.annotate(text, place, xytext=shift, textcoords="offset points", ha=align, **style)


def marker_handles(
    labels: Mapping[str, str], colour: Mapping[str, str], marker: Mapping[str, str]
) -> list[Line2D]:
    """Points for a legend, by name: what each is called, its colour and its marker."""
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], linestyle="", marker=marker[name], color=colour[name], label=label)
        for name, label in labels.items()
    ]


def patch_handles(colour: Mapping[str, str], alpha: float | None = None) -> list[Patch]:
    """Patches for a legend: their colour by what they are called."""
    from matplotlib.patches import Patch

    return [Patch(facecolor=shade, alpha=alpha, label=label) for label, shade in colour.items()]


#: Inches that a legend takes for the sign of an entry, a letter of its name, and a row.
_LEGEND_ENTRY, _LEGEND_LETTER, _LEGEND_ROW = 0.5, 0.068, 0.17


def legend_below(figure: Figure, handles: Sequence[Artist], most: int = 6) -> None:
    """Legend below the panels, at most so many entries in a row, and as many as find room there.

    The figure becomes higher where more than two rows are needed.
    """
    longest = max((len(str(handle.get_label())) for handle in handles), default=0)
    room = int(figure.get_figwidth() / (_LEGEND_ENTRY + longest * _LEGEND_LETTER))
    columns = max(1, min(len(handles), most, room))
    more = max(0, -(-len(handles) // columns) - 2)
    figure.set_figheight(figure.get_figheight() + more * _LEGEND_ROW)
    figure.legend(handles=list(handles), loc="outside lower center", ncols=columns)


def potential_legend(figure: Figure, potentials: Sequence[str], most: int = 6) -> None:
    """Legend of potentials that are told apart by :func:`colours` and :func:`markers`."""
    labels = {potential: plain(potential) for potential in potentials}
    legend_below(figure, marker_handles(labels, colours(potentials), markers(potentials)), most)


def box(
    axes: Axes,
    values: FloatArray,
    x: float,
    width: float,
    colour: str,
    *,
    alpha: float = 0.5,
    outliers: bool = True,
) -> None:
    """One box: quartiles, median orange, whiskers within 1.5 IQR, outliers as plus signs; none: nothing.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Drawn on.
    values : (n,) array
        Of which.
    x, width : float
        Place and width of the box.
    colour, alpha : str, float
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
        boxprops={"facecolor": colour, "alpha": alpha, "linewidth": 0.8},
        medianprops={"color": MEDIAN_COLOUR, "linewidth": 1.8},
        whiskerprops={"linewidth": 0.8},
        capprops={"linewidth": 0.8},
        showfliers=outliers,
        flierprops={"marker": "+", "markersize": 4, "markeredgecolor": PALETTE[4]},
        manage_ticks=False,
    )


def side_by_side(place: int, index: int, n: int) -> float:
    """Where the one of `n` boxes with this index stands that share a place of the axis 0.8 wide."""
    return place + (index - (n - 1) / 2) * (0.8 / n)
