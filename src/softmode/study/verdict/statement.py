"""A sentence of the verdict, and the words that sentences share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from softmode.panel import interval, number, percent, probability
from softmode.statistics.bootstrap import Estimate
from softmode.statistics.shares import wilson_interval

#: Fewer materials carry neither interval nor test: a sign test of five cannot be below 0.05.
FEWEST = 6
#: Corrected p-values below this are beyond chance.
LEVEL = 0.05
#: Topics in the order of a verdict.
_ORDER = (
    *("lead", "stability", "base_rate", "bias", "anharmonicity", "dynamics", "failures"),
    *("functional", "sample", "reference"),
)
#: Names that a sentence has at most; the others are counted.
_NAMED = 3


@dataclass(frozen=True)
class Statement:
    """A sentence of the verdict, made from the numbers; ``Statement`` of ``web/src/contract.ts``.

    Parameters
    ----------
    topic : str
        What it is of: lead, bias, stability, base_rate, anharmonicity, dynamics, failures, reference,
        functional, sample.
    text : str
        The sentence, or a few.
    group : str or None
        The group of materials it is restricted to; None: all.
    materials : tuple of str
        Names of the materials it names or counts; empty where it is of all.
    panel : str
        Key of the panel with its figures; empty where there is none.
    """

    topic: str
    text: str
    group: str | None = None
    materials: tuple[str, ...] = ()
    panel: str = ""


def in_order(statements: Iterable[Statement]) -> list[Statement]:
    """Statements by their topics, otherwise as they come."""
    return sorted(statements, key=lambda one: _ORDER.index(one.topic))


def listed(texts: Iterable[object], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *most, end = [str(text) for text in texts] or [""]
    return f"{', '.join(most)} {last} {end}" if most else end


def some(texts: Sequence[str], most: int = _NAMED) -> str:
    """The first few, and how many more there are."""
    rest = len(texts) - most
    return listed(texts) if rest <= 1 else f"{', '.join(texts[:most])} and {rest} more"


def counted(n: int, thing: str = "material") -> str:
    """``1 material``, ``2 materials``, ``1,573 cells``."""
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def measured(found: Estimate, unit: str = "", *, bounds: bool = True) -> str:
    """A figure with its unit, and its interval where it has one and may say so."""
    shown = interval(*found) if bounds else number(found.value)
    return f"{shown} {unit}" if unit and not math.isinf(found.value) else shown


def share(part: int, whole: int) -> str:
    """``128 of 143 (90 %)``, with the interval of the share where there are enough for one."""
    if whole < FEWEST:
        return f"{part} of {whole}"
    low, high = wilson_interval(part, whole)
    return f"{part} of {whole} ({percent(part / whole)} [{100 * low:.0f}, {100 * high:.0f}])"


def chance(p_value: float) -> str:
    """A significance in a sentence: ``p = 0.03``, ``p < 0.001``."""
    shown = probability(p_value)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


def in_brackets(label: str) -> str:
    """``RMSE(ω²) (own lattice)``: without a comma, to stand in a list."""
    what, _, more = label.partition(", ")
    return f"{what} ({more})" if more else what
