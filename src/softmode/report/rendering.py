"""A figure as the contents of its files."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import Collection, LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

#: A figure with more marks than this is slow to open as vectors.
_MANY_MARKS = 3000


def png_and_pdf(figure: Figure) -> tuple[bytes, bytes]:
    """PNG and PDF of a figure; what it holds by the thousand is a picture in the PDF, too."""
    png, pdf = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png")
    figure.set_layout_engine("none")  # it is laid out now: finding the same places again takes as long
    for axes in figure.axes:
        if sum(map(_n_marks, axes.get_children())) > _MANY_MARKS:
            axes.set_rasterization_zorder(2.4)  # below the frame of the axes and the text
    figure.savefig(pdf, format="pdf", metadata={"CreationDate": None})
    return png.getvalue(), pdf.getvalue()


def _n_marks(artist: Artist) -> int:
    """How many points or lines something on a figure has."""
    if isinstance(artist, Line2D):
        return len(np.asarray(artist.get_xdata()))
    if isinstance(artist, LineCollection):
        return len(artist.get_segments())
    return len(np.asarray(artist.get_offsets())) if isinstance(artist, Collection) else 0
