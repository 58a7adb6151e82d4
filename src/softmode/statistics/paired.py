"""Errors of two potentials on the same materials: which is better, by how much, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr

from softmode.crystal.arrays import FloatArray
from softmode.statistics.bootstrap import Estimate


@dataclass(frozen=True)
class PairedComparison:
    """Errors of a second potential beside those of a first, material by material.

    Attributes
    ----------
    n : int
        Materials of which both are known.
    difference : Estimate
        Median of second less first: below zero, the second is better.
    ratio : Estimate
        Median of second over first: below one, the second is better.
    better, worse : int
        On how many the second's error is the smaller, or the larger; the others are equal.
    p_value : float
        Sign test: the probability of counts at least as uneven if either were as likely. NaN without any.
    """

    n: int
    difference: Estimate
    ratio: Estimate
    better: int
    worse: int
    p_value: float


def compare_paired(first: ArrayLike, second: ArrayLike) -> PairedComparison:
    """Compare errors of the same materials.

    Materials scatter far more than potentials differ, and their differences are skewed. Therefore medians of
    differences within a material, with intervals that hold for any distribution, and the test that belongs to
    them: they leave out "no difference" where the sign test has p < 0.05.

    Parameters
    ----------
    first, second : (n,) arrays
        Errors, not negative; infinite for a failure, NaN where not known (the material is left out, and so is
        one on which both failed).

    Raises
    ------
    ValueError
        If they are not of the same materials, or one is negative.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.ndim != 1 or one.shape != other.shape:
        raise ValueError(f"errors of shapes {one.shape} and {other.shape} are not of the same materials")
    if (one < 0.0).any() or (other < 0.0).any():
        raise ValueError("an error is negative")
    known = ~(np.isnan(one) | np.isnan(other)) & ~(np.isinf(one) & np.isinf(other))
    one, other = one[known], other[known]
    equal = np.where(one == other, 1.0, np.inf)  # 0/0: as good as each other
    ratios = np.divide(other, one, out=equal, where=one > 0.0)
    better, worse = int(np.sum(other < one)), int(np.sum(other > one))
    return PairedComparison(
        len(one),
        median_by_order(other - one),
        median_by_order(ratios),
        better,
        worse,
        sign_test(better, worse),
    )


def sign_test(better: int, worse: int) -> float:
    """Probability of counts at least as uneven if either side were as likely; NaN without any.

    Parameters
    ----------
    better, worse : int
        Of what differs, how many are on either side.
    """
    n = better + worse
    if n == 0:
        return np.nan
    return min(1.0, 2.0 * float(bdtr(min(better, worse), n, 0.5)))


def median_by_order(values: FloatArray, level: float = 0.95) -> Estimate:
    """Median with the interval that order statistics give it, the sign test turned round.

    Parameters
    ----------
    values : (n,) array
        One for each material; may be infinite.
    level : float
        Coverage of the interval at least, whatever the distribution of the values.

    Returns
    -------
    Estimate
        NaN without values; no bounds where they are too few (five, for 95 %).
    """
    n = len(values)
    if n == 0:
        return Estimate(np.nan)
    ordered, rank = np.sort(values), _outer_rank(n, level)
    bounds = (ordered[rank - 1], ordered[n - rank]) if rank else (np.nan, np.nan)
    return Estimate(float(np.median(values)), *map(float, bounds))


@lru_cache(maxsize=4096)
def _outer_rank(n: int, level: float) -> int:
    """Smallest number of materials on one side that is not less likely than the tail."""
    tail = 0.5 - 0.5 * level
    return int(np.argmax(bdtr(np.arange(n + 1), n, 0.5) >= tail))
