"""How figures, plots and templates become the contents of files; what all pages share."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader
from matplotlib.artist import Artist
from matplotlib.collections import Collection, LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softmode import __version__
from softmode.panel import estimate, number, percent
from softmode.style import group_name

#: A figure with more marks than this is slow to open as vectors.
_MANY_MARKS = 3000
_PLOTLY = {"displaylogo": False, "responsive": True, "toImageButtonOptions": {"format": "svg"}}


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


def add_figure(files: dict[str, bytes], name: str, figure: Figure) -> bytes:
    """Draw a figure as ``figures/NAME.png`` and ``.pdf`` among the files of a page; its PNG.

    Raises
    ------
    ValueError
        If the page has a figure of that name.
    """
    if f"figures/{name}.png" in files:
        raise ValueError(f"two figures of the page are called {name!r}")
    png, pdf = png_and_pdf(figure)
    files |= {f"figures/{name}.png": png, f"figures/{name}.pdf": pdf}
    return png


def _n_marks(artist: Artist) -> int:
    """How many points or lines something on a figure has."""
    if isinstance(artist, Line2D):
        return len(np.asarray(artist.get_xdata()))
    if isinstance(artist, LineCollection):
        return len(artist.get_segments())
    return len(np.asarray(artist.get_offsets())) if isinstance(artist, Collection) else 0


def plot_html(figure: go.Figure, identifier: str) -> str:
    """An interactive figure as part of a page that has plotly."""
    html: str = figure.to_html(full_html=False, include_plotlyjs=False, config=_PLOTLY, div_id=identifier)
    return html


def render(template: str, **context: Any) -> str:
    """A template of this package with its context, the version and the time.

    Templates write numbers themselves: with `number`, `estimate`, `percent` of :mod:`softmode.panel`.
    """
    environment = Environment(loader=PackageLoader("softmode.report"), autoescape=True, trim_blocks=True)
    environment.globals |= {written.__name__: written for written in (number, estimate, percent, group_name)}
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return environment.get_template(template).render(version=__version__, date=now, **context)


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as templates read them."""
    rows: list[dict[str, Any]] = table.to_dict("records")
    return rows


def inline(png: bytes) -> str:
    """A picture as part of a page."""
    return base64.b64encode(png).decode()


def embedded(
    pictures: Mapping[str, tuple[str, bytes]], beginnings: str | tuple[str, ...]
) -> list[dict[str, str]]:
    """Pictures for a page, inline: those whose name begins with one of `beginnings`.

    Parameters
    ----------
    pictures : mapping of str to (str, bytes)
        Title and PNG by name.
    beginnings : str or tuple of str
        Of the names.
    """
    return [
        {"title": title, "data": inline(png)}
        for name, (title, png) in pictures.items()
        if name.startswith(beginnings)
    ]
