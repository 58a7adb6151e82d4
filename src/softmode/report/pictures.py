"""Matplotlib's figures as the contents of files."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

#: Formats that figures are exported in.
EXPORTED = ("png", "svg", "pdf")
#: A figure with more marks than this is slow to open as vectors.
_MANY_MARKS = 3000


def drawn(figure: Figure, formats: Iterable[str] = EXPORTED) -> dict[str, bytes]:
    """A figure in some formats; what it holds by the thousand is a picture in PDF and SVG, too.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What is drawn.
    formats : iterable of str
        Of :data:`EXPORTED`.
    """
    files = {}
    for place, kind in enumerate(formats):
        content = io.BytesIO()
        if place:
            figure.set_layout_engine(
                "none"
            )  # it is laid out now: finding the same places again takes as long
        if kind != "png":
            for axes in figure.axes:
                if sum(map(_n_marks, axes.get_children())) > _MANY_MARKS:
                    axes.set_rasterization_zorder(2.4)  # below the frame of the axes and the text
        undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind)
        figure.savefig(content, format=kind, metadata=undated)
        files[kind] = content.getvalue()
    return files


def _n_marks(artist: Artist) -> int:
    """How many points or lines something on a figure has."""
    from matplotlib.collections import Collection, LineCollection
    from matplotlib.lines import Line2D

    if isinstance(artist, Line2D):
        return len(np.asarray(artist.get_xdata()))
    if isinstance(artist, LineCollection):
        return len(artist.get_segments())
    return len(np.asarray(artist.get_offsets())) if isinstance(artist, Collection) else 0
