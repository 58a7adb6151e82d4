"""Two independent samples: whether one tends to be larger than the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr


def rank_sum_test(first: ArrayLike, second: ArrayLike) -> float:
    """P-value of the two-sided rank-sum test (H. B. Mann and D. R. Whitney, Ann. Math. Stat. 18, 50 (1947)).

    The normal approximation with corrections for ties and continuity, good from about six values a side.

    Parameters
    ----------
    first, second : (n,) and (m,) arrays
        At least one value each, none NaN.

    Returns
    -------
    float
        1 where all values are equal.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    n, m = len(one), len(other)
    _, place, counts = np.unique(np.concatenate([one, other]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - 0.5 * (counts - 1))[place]
    excess = ranks[:n].sum() - 0.5 * n * (n + m + 1)
    ties = float(np.sum(counts.astype(float) ** 3 - counts)) / ((n + m) * (n + m - 1))
    variance = n * m * ((n + m + 1) - ties) / 12.0
    if variance <= 0.0:
        return 1.0
    return min(1.0, 2.0 * float(ndtr(-max(abs(excess) - 0.5, 0.0) / np.sqrt(variance))))
