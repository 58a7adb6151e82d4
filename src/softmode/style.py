"""Colours (safe for colour-blind readers), order of groups, and what figures share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:  # heavy; what draws needs it anyway
    from matplotlib.axes import Axes

#: Okabe and Ito's palette, without yellow and black.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F7F7F")
REFERENCE_COLOUR = "#222222"
MEDIAN_COLOUR = "#E69F00"
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
PLOTLY_MARKERS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x")

_GROUP_ORDER = ("F", "Cl", "Br", "I")
_GROUP_NAMES = {"F": "fluorides", "Cl": "chlorides", "Br": "bromides", "I": "iodides"}

W2_LABEL = "RMSE(ω²) (THz²)"
VG_LABEL = "RMSE($v_g$) (THz·Å)"


def order_groups(groups: Iterable[str]) -> list[str]:
    """Halides from light to heavy, then everything else by name."""
    present = set(groups)
    known = [group for group in _GROUP_ORDER if group in present]
    return known + sorted(present - set(known))


def group_name(group: str) -> str:
    """Readable name of a group: ``F`` → fluorides, ``rock_salt`` → rock salt."""
    return _GROUP_NAMES.get(group, group.replace("_", " "))


def colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each name, in order; they repeat after seven."""
    return {name: PALETTE[index % len(PALETTE)] for index, name in enumerate(names)}


def markers(names: Sequence[str], kinds: Sequence[str] = MARKERS) -> dict[str, str]:
    """A marker for each name, so that colour is never the only difference."""
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
