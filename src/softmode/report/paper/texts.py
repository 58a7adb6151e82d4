"""Numbers of the page as text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from softmode.report.paper.panel import Link, PaperCell

#: Where there is no number.
NOTHING = "–"

_NUMBER = re.compile(r"^[-+−<>≤≥≈\[]*\s?[\d∞]")


def number(value: float | None, digits: int = 3) -> str:
    """Number with so many significant digits; a dash where there is none."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    rounded = f"{value:.{digits}g}"
    if "e" not in rounded:
        return rounded
    return f"{float(rounded):.0f}" if abs(value) >= 1 and abs(value) < 1e7 else rounded


def interval(value: float, low: float, high: float, digits: int = 3) -> str:
    """Number with its 95 % interval where it has one."""
    if math.isnan(low) or math.isnan(high):
        return number(value, digits)
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"


def cell(value: float | int | None, link: Link | None, digits: int = 3) -> PaperCell:
    """Entry of a table: a number with its source; a dash without a source where there is none."""
    text = str(value) if isinstance(value, int) else number(value, digits)
    return PaperCell(text, None if text == NOTHING else link)


def probability(value: float | None) -> str:
    """A significance."""
    if value is None or math.isnan(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def is_text_column(texts: Sequence[str]) -> bool:
    """Whether a column of a table is to be aligned as text: something in it does not begin as a number."""
    said = [text for text in texts if text and text != NOTHING]
    return not said or not all(_NUMBER.match(text) for text in said)
