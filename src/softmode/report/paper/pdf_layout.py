"""A4 sheets filled from top to bottom with text, pictures and tables (matplotlib, no other program)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import matplotlib as mpl
import matplotlib.image as mpimg
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

WIDTH, HEIGHT = 595.3, 841.9  # A4, pt
MARGIN = 46.0
TEXT_WIDTH = WIDTH - 2 * MARGIN
_BOTTOM = MARGIN + 14.0
_LEADING = 1.38
_GAP = 9.0  # between columns, pt
_SMALLEST = 5.9  # letters, pt
_SOFT = "#555555"
_FINE = 8  # widths are measured in large letters, free of the rounding to pixels
_EMBEDDED: Any = {"pdf.fonttype": 42}  # whole letters, which can be searched and copied


@dataclass(frozen=True)
class Words:
    """A text that may lead somewhere.

    Parameters
    ----------
    text : str
        As shown.
    url : str
        Where it leads; empty for nowhere.
    colour : str
        Of the text.
    """

    text: str
    url: str = ""
    colour: str = "#222222"


@lru_cache(maxsize=1)
def _ruler() -> Any:
    make: Any = RendererAgg
    return make(10, 10, 72 * _FINE)


@lru_cache(maxsize=20000)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Width of a text on paper, pt."""
    font = FontProperties(size=size, weight=weight)
    return float(_ruler().get_text_width_height_descent(text, font, ismath=False)[0]) / _FINE


def wrapped(text: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """Break a text into lines no wider than `width` (pt); words that are wider themselves are cut."""
    lines, line = [], ""
    for word in text.split():
        joined = f"{line} {word}".strip()
        if text_width(joined, size, weight) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        while text_width(word, size, weight) > width and len(word) > 1:
            fits = next(
                (n for n in range(len(word) - 1, 0, -1) if text_width(word[:n], size, weight) <= width), 1
            )
            lines.append(word[:fits])
            word = word[fits:]
        line = word
    return [*lines, line] if line or not lines else lines


def column_widths(natural: Sequence[float], least: Sequence[float], room: float) -> list[float]:
    """Widths of columns that share a room: natural ones where they fit, else the widest give way.

    Parameters
    ----------
    natural, least : sequence of float
        Wanted width of each, and the width of its longest word, pt.
    room : float
        For all together, pt.
    """
    if sum(natural) <= room:
        return list(natural)
    low, high = 0.0, max(natural)
    for _ in range(60):
        cap = 0.5 * (low + high)
        low, high = (low, cap) if sum(_capped(natural, least, cap)) > room else (cap, high)
    found = _capped(natural, least, low)
    shrink = min(1.0, room / sum(found))
    return [width * shrink for width in found]


def _capped(natural: Sequence[float], least: Sequence[float], cap: float) -> list[float]:
    return [min(wanted, max(cap, word)) for wanted, word in zip(natural, least, strict=True)]


def _wanted(
    columns: Sequence[str], rows: Sequence[Sequence[Words]], size: float
) -> tuple[list[float], list[float]]:
    """Width of each column unbroken, and of its longest word, pt."""
    natural, least = [], []
    for place, head in enumerate(columns):
        texts = [row[place].text for row in rows]
        body = max((text_width(text, size) for text in texts), default=0.0)
        words = [text_width(word, size) for text in texts for word in text.split()]
        of_head = [text_width(word, size, "bold") for word in head.split()]
        least.append(max([*words, *of_head, 4.0]))
        natural.append(max(body, min(text_width(head, size, "bold"), max(body, 70.0)), least[-1]))
    return natural, least


def _fits(columns: Sequence[str], rows: Sequence[Sequence[Words]], size: float) -> bool:
    least = _wanted(columns, rows, size)[1]
    return sum(least) + _GAP * (len(columns) - 1) <= TEXT_WIDTH


def _column_blocks(columns: Sequence[str], rows: Sequence[Sequence[Words]], size: float) -> list[list[int]]:
    """Columns of the tables that a table is set in; each begins with the first column."""
    least = _wanted(columns, rows, size)[1]
    blocks = [[0]]
    for place in range(1, len(columns)):
        block = [*blocks[-1], place]
        wide = sum(least[column] for column in block) + _GAP * (len(block) - 1) > TEXT_WIDTH
        if wide and len(block) > 2:
            blocks.append([0, place])
        else:
            blocks[-1] = block
    return blocks


class Sheets:
    """Sheets of a PDF, filled from top to bottom; a new one begins where the room ends.

    Parameters
    ----------
    footer : str
        Bottom left of each sheet.
    """

    def __init__(self, footer: str) -> None:
        self._footer = footer
        self._buffer = io.BytesIO()
        self._pages: Any = PdfPages(self._buffer, metadata={"Title": footer, "CreationDate": None})
        self._figure: Figure | None = None
        self._number = 0
        self._y = 0.0

    def finish(self) -> bytes:
        """The PDF file."""
        self._close_sheet()
        with mpl.rc_context(_EMBEDDED):  # fonts are written here, in the format in which they were drawn
            self._pages.close()
        return self._buffer.getvalue()

    def new_sheet(self) -> None:
        """Begin a new sheet."""
        self._close_sheet()
        self._number += 1
        self._figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72))
        self._y = HEIGHT - MARGIN
        self._put(MARGIN, MARGIN - 10, Words(self._footer, colour=_SOFT), 7)
        self._put(WIDTH - MARGIN, MARGIN - 10, Words(str(self._number), colour=_SOFT), 7, align="right")

    def space(self, height: float) -> None:
        """Leave some room, pt."""
        self._y -= height

    def keep_together(self, height: float) -> None:
        """Begin a new sheet unless there is so much room left, pt."""
        self._need(height)

    def paragraph(
        self,
        text: str,
        size: float = 9.0,
        *,
        weight: str = "normal",
        colour: str = "#222222",
        indent: float = 0.0,
        url: str = "",
    ) -> None:
        """Text over the whole width, broken into lines."""
        for line in wrapped(text, TEXT_WIDTH - indent, size, weight):
            self._need(size * _LEADING)
            self._y -= size * _LEADING
            self._put(MARGIN + indent, self._y, Words(line, url, colour), size, weight=weight)

    def boxed(self, title: str, sentences: Sequence[str], colour: str, ground: str) -> None:
        """Sentences on a coloured ground with a bar at the left."""
        size, inset = 8.2, 10.0
        lines = [(title, "bold")]
        for sentence in sentences:
            broken = wrapped(sentence, TEXT_WIDTH - 2 * inset - 8, size)
            lines += [
                (f"{'• ' if place == 0 else '   '}{line}", "normal") for place, line in enumerate(broken)
            ]
        height = len(lines) * size * _LEADING + 9
        self._need(min(height, HEIGHT - 2 * _BOTTOM))
        top = self._y
        self._rectangle(MARGIN, top - height, TEXT_WIDTH, height, ground)
        self._rectangle(MARGIN, top - height, 3, height, colour)
        self._y -= 3
        for line, weight in lines:
            self._y -= size * _LEADING
            self._put(MARGIN + inset, self._y, Words(line), size, weight=weight)
        self._y = top - height - 6

    def picture(self, png: bytes, width: float, title: str) -> None:
        """Picture with its title below, at most as wide as the text and two thirds of a sheet high.

        Parameters
        ----------
        png : bytes
            The picture.
        width : float
            Wanted, pt.
        title : str
            Below it.
        """
        image = mpimg.imread(io.BytesIO(png))
        ratio = image.shape[0] / image.shape[1]
        width = min(width, TEXT_WIDTH, 0.66 * HEIGHT / ratio)
        height = width * ratio
        self._need(height + 24)
        self._y -= height
        box = ((WIDTH - width) / 2 / WIDTH, self._y / HEIGHT, width / WIDTH, height / HEIGHT)
        axes = self._sheet().add_axes(box)
        axes.imshow(image, interpolation="none", aspect="auto")
        axes.set_axis_off()
        if title:
            self._y -= 11
            self._put(WIDTH / 2, self._y, Words(title, colour=_SOFT), 7.5, align="center")
        self._y -= 8

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[Words]],
        is_text: Sequence[bool],
        *,
        size: float = 7.4,
    ) -> None:
        """Table whose columns share the width; long texts are broken, the head is repeated on each sheet.

        One that is too wide for its words is set in smaller letters, and what then is still too wide is set
        in several tables below each other, which all begin with the first column.
        """
        while size > _SMALLEST and not _fits(columns, rows, size):
            size -= 0.3
        for part in _column_blocks(columns, rows, size):
            self._block(
                [columns[place] for place in part],
                [[row[place] for place in part] for row in rows],
                [is_text[place] for place in part],
                size,
            )

    def _block(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[Words]],
        is_text: Sequence[bool],
        size: float,
    ) -> None:
        natural, least = _wanted(columns, rows, size)
        widths = column_widths(natural, least, TEXT_WIDTH - _GAP * (len(columns) - 1))
        heads = [
            wrapped(head, width + 0.5, size, "bold") for head, width in zip(columns, widths, strict=True)
        ]
        self._need(size * _LEADING * (max(map(len, heads)) + 2) + 8)
        self._head(heads, widths, is_text, size)
        for row in rows:
            broken = [
                wrapped(entry.text, width + 0.5, size) for entry, width in zip(row, widths, strict=True)
            ]
            height = size * _LEADING * max(map(len, broken)) + 2
            if self._y - height < _BOTTOM:
                self.new_sheet()
                self._head(heads, widths, is_text, size)
            self._row(row, broken, widths, is_text, size)
            self._y -= height
            self._line(MARGIN, MARGIN + sum(widths) + _GAP * (len(widths) - 1), self._y, "#dddddd", 0.4)
        self._y -= 6

    def _head(
        self, heads: Sequence[list[str]], widths: Sequence[float], is_text: Sequence[bool], size: float
    ) -> None:
        deepest = max(map(len, heads))
        padded = [[""] * (deepest - len(lines)) + lines for lines in heads]
        entries = [Words("") for _ in heads]
        self._row(entries, padded, widths, is_text, size, weight="bold")
        self._y -= size * _LEADING * deepest + 3
        self._line(MARGIN, MARGIN + sum(widths) + _GAP * (len(widths) - 1), self._y, "#555555", 0.7)

    def _row(
        self,
        entries: Sequence[Words],
        broken: Sequence[list[str]],
        widths: Sequence[float],
        is_text: Sequence[bool],
        size: float,
        weight: str = "normal",
    ) -> None:
        x = MARGIN
        for entry, lines, width, text in zip(entries, broken, widths, is_text, strict=True):
            at, align = (x, "left") if text else (x + width, "right")
            for place, line in enumerate(lines):
                y = self._y - size * _LEADING * (place + 0.85)
                self._put(at, y, Words(line, entry.url, entry.colour), size, weight=weight, align=align)
            x += width + _GAP

    def _sheet(self) -> Figure:
        if self._figure is None:
            self.new_sheet()
        assert self._figure is not None
        return self._figure

    def _need(self, height: float) -> None:
        if self._figure is None or self._y - height < _BOTTOM:
            self.new_sheet()

    def _close_sheet(self) -> None:
        if self._figure is not None:
            with mpl.rc_context(_EMBEDDED):
                self._pages.savefig(self._figure)
        self._figure = None

    def _put(
        self, x: float, y: float, entry: Words, size: float, *, weight: str = "normal", align: str = "left"
    ) -> None:
        if not entry.text:
            return
        text = self._sheet().text(
            x / WIDTH,
            y / HEIGHT,
            entry.text,
            fontsize=size,
            fontweight=weight,
            color=entry.colour,
            ha=align,
            va="baseline",
            parse_math=False,
        )
        if entry.url:
            text.set_url(entry.url)

    def _line(self, x: float, until: float, y: float, colour: str, width: float) -> None:
        line = Line2D([x / WIDTH, until / WIDTH], [y / HEIGHT] * 2, color=colour, linewidth=width)
        self._sheet().add_artist(line)

    def _rectangle(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        shape = Rectangle(
            (x / WIDTH, y / HEIGHT), width / WIDTH, height / HEIGHT, color=colour, linewidth=0, zorder=0
        )
        self._sheet().add_artist(shape)
