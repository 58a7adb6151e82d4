"""Shares of independent materials, and how far they can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri


def wilson_interval(part: int, whole: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a share (E. B. Wilson, J. Am. Stat. Assoc. 22, 209 (1927)); NaN of nothing.

    Parameters
    ----------
    part, whole : int
        Materials counted, and among how many.
    level : float
        Nominal coverage.

    Raises
    ------
    ValueError
        If the part is larger than the whole, or below zero.
    """
    if not 0 <= part <= whole:
        raise ValueError(f"{part} of {whole} is no share")
    if whole == 0:
        return np.nan, np.nan
    z = float(ndtri(0.5 + 0.5 * level))
    middle = part + 0.5 * z**2
    half = z * np.sqrt(part * (whole - part) / whole + 0.25 * z**2)
    low = 0.0 if part == 0 else (middle - half) / (whole + z**2)
    high = 1.0 if part == whole else (middle + half) / (whole + z**2)
    return float(low), float(high)


@dataclass(frozen=True)
class Difference:
    """A figure of two sides and its difference, first minus second, with its interval.

    Attributes
    ----------
    first, second, value, low, high : float
        NaN where a side is not defined; the bounds of κ also where a side agrees completely.
    n : (int, int)
        Materials that the figure is of.
    """

    first: float
    second: float
    value: float
    low: float
    high: float
    n: tuple[int, int]


def share_difference(first: tuple[int, int], second: tuple[int, int], level: float = 0.95) -> Difference:
    """Difference of two independent shares (R. G. Newcombe, Stat. Med. 17, 873 (1998), method 10).

    Parameters
    ----------
    first, second : (int, int)
        Materials counted, and among how many.
    level : float
        Nominal coverage.
    """
    n = (first[1], second[1])
    p, q = (part / whole if whole else np.nan for part, whole in (first, second))
    (p_low, p_high), (q_low, q_high) = (wilson_interval(*side, level=level) for side in (first, second))
    return Difference(
        first=p,
        second=q,
        value=p - q,
        low=p - q - float(np.hypot(p - p_low, q_high - q)),
        high=p - q + float(np.hypot(p_high - p, q - q_low)),
        n=n,
    )
