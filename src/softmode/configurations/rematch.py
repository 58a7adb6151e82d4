"""The regularised entropy match of two sets of atomic environments.

S. De, A. P. Bartók, G. Csányi and M. Ceriotti, Phys. Chem. Chem. Phys. 18, 13754 (2016): for similarities
``C_ij`` of environment `i` of one configuration and `j` of the other,

    K = Σ_ij P_ij C_ij,   P = argmax Σ_ij P_ij (C_ij - α ln P_ij)   over  Σ_j P_ij = 1/n, Σ_i P_ij = 1/m,

so ``P = diag(u) exp(-(1 - C)/α) diag(v)``. The scaling vectors come from Sinkhorn's iteration (M. Cuturi,
NIPS 26, 2292 (2013)), kept in range by absorbing them into the exponent (B. Schmitzer, SIAM J. Sci. Comput.
41, A1443 (2019)). Where that converges slowly - small α, or groups of environments that are far from each
other - Newton steps on the concave dual function finish the work; where they do not, α is lowered to the
wanted value by halves.

This is the solver for any similarities. :mod:`softmode.configurations.crystal_match` does frames of one
crystal much faster, and falls back on this one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from softmode.crystal.arrays import FloatArray

#: Scaling factors beyond exp(±this) are absorbed into the exponent.
_ABSORB = 50.0
#: Sweeps before Newton's method is tried.
_SWEEPS_FIRST = 40
_NEWTON_STEPS = 60
#: Marginals cannot be met better than this in double precision.
_ROUNDING = 2e-14


@dataclass(frozen=True, eq=False)
class Match:
    """Regularised matches of a batch of pairs.

    Attributes
    ----------
    values : (n_pairs,) array
        K, not normalised.
    iterations : (n_pairs,) int array
        Sinkhorn sweeps and Newton steps taken.
    violations : (n_pairs,) array
        Σ_i |Σ_j P_ij - 1/n|; the columns are met exactly.
    converged : (n_pairs,) bool array
        Whether the tolerance was reached.
    """

    values: FloatArray
    iterations: NDArray[np.int64]
    violations: FloatArray
    converged: NDArray[np.bool_]


def rematch(
    similarities: ArrayLike, alpha: float = 1.0, *, tolerance: float = 1e-12, max_iterations: int = 20_000
) -> Match:
    """Regularised matches of a batch of pairs, in double precision.

    What is found for a pair does not depend on the others, to the last bit.

    Parameters
    ----------
    similarities : (n_pairs, n, m) or (n, m) array
        C of each pair.
    alpha : float
        Weight of the entropy. Towards infinity K becomes the mean of C, towards zero the best assignment.
    tolerance : float
        Largest violation of the marginals, summed over atoms, divided by what one more sweep mends.
    max_iterations : int
        Sweeps and steps after which a pair is given back as it is, marked as not converged.

    Returns
    -------
    Match
    """
    c = np.atleast_3d(np.asarray(similarities, dtype=np.float64))
    if np.ndim(similarities) == 2:
        c = np.asarray(similarities, dtype=np.float64)[None]
    if not alpha > 0.0:
        raise ValueError(f"the weight of the entropy is positive, not {alpha}")
    if not np.isfinite(c).all():
        raise ValueError("some similarities are not finite")
    n_pairs = len(c)
    state = _Potentials(c / alpha)
    iterations = np.zeros(n_pairs, dtype=np.int64)
    violations = np.full(n_pairs, np.inf)
    active = np.arange(n_pairs)
    first = True
    while len(active):
        done, used, left = state.solve(active, tolerance)
        iterations[active] += used
        violations[active] = left
        active = active[~done & (iterations[active] < max_iterations)]
        if first and len(active):
            iterations[active] += state.anneal(active, tolerance)
        first = False
    plans = state.plans(np.arange(n_pairs))
    return Match(
        values=np.einsum("bij,bij->b", plans, c),
        iterations=iterations,
        violations=violations,
        converged=violations <= max(tolerance, _ROUNDING),
    )


class _Potentials:
    """Exponents with their potentials absorbed: ``P = exp(a_ij + f_i + g_j)``."""

    def __init__(self, scaled: FloatArray) -> None:
        self.scaled = scaled
        _, self.n, self.m = scaled.shape
        self.f = -scaled.max(axis=2) - np.log(self.n)
        self.g = np.zeros((len(scaled), self.m))
        self._match_columns(np.arange(len(scaled)))

    def _match_columns(self, pairs: NDArray[np.int64]) -> None:
        exponent = self.scaled[pairs] + self.f[pairs][:, :, None]
        top = exponent.max(axis=1)
        total = np.exp(exponent - top[:, None, :]).sum(axis=1)
        self.g[pairs] = -top - np.log(total) - np.log(self.m)

    def plans(self, pairs: NDArray[np.int64]) -> FloatArray:
        """Plans whose columns are met exactly."""
        exponent = self.scaled[pairs] + self.f[pairs][:, :, None] + self.g[pairs][:, None, :]
        return np.asarray(np.exp(exponent))

    def _violations(self, plans: FloatArray) -> FloatArray:
        return np.asarray(np.abs(plans.sum(axis=2) - 1.0 / self.n).sum(axis=1))

    def solve(
        self, pairs: NDArray[np.int64], tolerance: float
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64], FloatArray]:
        """Some sweeps, then Newton steps for the pairs that need them."""
        done, used, left = self.sweep(pairs, _SWEEPS_FIRST, tolerance)
        rest = np.flatnonzero(~done)
        if len(rest):
            done[rest], steps, left[rest] = self.newton(pairs[rest], tolerance)
            used[rest] += steps
        return done, used, left

    def anneal(self, pairs: NDArray[np.int64], tolerance: float) -> NDArray[np.int64]:
        """Start again from a larger weight of the entropy, halved until it is the wanted one."""
        ranges = np.ptp(self.scaled[pairs], axis=(1, 2))
        halvings = np.ceil(np.log2(np.maximum(1.0, ranges / 10.0))).astype(np.int64)
        used = np.zeros(len(pairs), dtype=np.int64)
        for number in np.unique(halvings):
            alike = np.flatnonzero(halvings == number)
            used[alike] = self._anneal(pairs[alike], int(number), tolerance)
        return used

    def _anneal(self, pairs: NDArray[np.int64], halvings: int, tolerance: float) -> NDArray[np.int64]:
        scaled = self.scaled[pairs]
        used = np.zeros(len(pairs), dtype=np.int64)
        warm = _Potentials(scaled / 2.0**halvings)
        for level in range(halvings, 0, -1):
            used += warm.solve(np.arange(len(pairs)), tolerance)[1]
            potentials = 2.0 * warm.f
            warm = _Potentials(scaled / 2.0 ** (level - 1))
            warm.f = potentials
            warm._match_columns(np.arange(len(pairs)))
        self.f[pairs] = warm.f
        self._match_columns(pairs)
        return used

    def sweep(
        self, pairs: NDArray[np.int64], n_sweeps: int, tolerance: float
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64], FloatArray]:
        """Sinkhorn sweeps; which pairs are done, the sweeps taken, and what is left of the violation.

        A pair that is done is left as it is, so that it does not depend on the others.
        """
        plans = self.plans(pairs)
        u, v = np.ones((len(pairs), self.n)), np.ones((len(pairs), self.m))
        before, left = np.full(len(pairs), np.inf), np.full(len(pairs), np.inf)
        done = np.zeros(len(pairs), dtype=bool)
        used = np.zeros(len(pairs), dtype=np.int64)
        for _ in range(n_sweeps):
            working = ~done
            if not working.any():
                break
            rows = u * np.einsum("bij,bj->bi", plans, v)
            left = np.where(working, np.abs(rows - 1.0 / self.n).sum(axis=1), left)
            rate = np.where(before < np.inf, np.minimum(left / np.maximum(before, 1e-300), 1.0), 0.0)
            done |= working & ((left <= tolerance * np.maximum(1.0 - rate, 0.0)) | (left <= _ROUNDING))
            before = left.copy()
            with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
                u = np.where(working[:, None], u / (rows * self.n), u)
                new = 1.0 / (self.m * np.einsum("bij,bi->bj", plans, u))
                v = np.where(working[:, None], new, v)
                extreme = np.maximum(np.abs(np.log(u)).max(axis=1), np.abs(np.log(v)).max(axis=1))
            used += working
            large = np.flatnonzero(~(extreme < _ABSORB))
            if len(large):
                self._absorb(pairs[large], v[large])
                plans[large] = self.plans(pairs[large])
                u[large], v[large], before[large] = 1.0, 1.0, np.inf
        with np.errstate(divide="ignore"):
            self.f[pairs] += np.log(u)
        self._match_columns(pairs)
        return done, used, left

    def _absorb(self, pairs: NDArray[np.int64], v: FloatArray) -> None:
        """Absorb the column factors, then sweep once by logarithms of sums: all factors are one again."""
        usable = np.isfinite(v).all(axis=1) & (v > 0.0).all(axis=1)
        self.g[pairs[usable]] += np.log(v[usable])
        exponent = self.scaled[pairs] + self.g[pairs][:, None, :]
        top = exponent.max(axis=2)
        self.f[pairs] = -top - np.log(np.exp(exponent - top[:, :, None]).sum(axis=2)) - np.log(self.n)
        self._match_columns(pairs)

    def newton(
        self, pairs: NDArray[np.int64], tolerance: float
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64], FloatArray]:
        """Newton steps on the dual function of the row potentials, the columns always met."""
        used = np.zeros(len(pairs), dtype=np.int64)
        left = self._violations(self.plans(pairs))
        working = np.arange(len(pairs))
        for _ in range(_NEWTON_STEPS):
            working = working[left[working] > max(0.1 * tolerance, _ROUNDING)]
            if len(working) == 0:
                break
            better = self._newton_step(pairs[working])
            used[working] += 1
            fell = better < left[working]
            left[working] = np.where(fell, better, left[working])
            working = working[fell]
        return left <= max(tolerance, _ROUNDING), used, left

    def _newton_step(self, pairs: NDArray[np.int64]) -> FloatArray:
        plans = self.plans(pairs)
        rows = plans.sum(axis=2)
        start = np.abs(rows - 1.0 / self.n).sum(axis=1)
        hessian = -self.m * plans @ plans.transpose(0, 2, 1)
        diagonal = np.arange(self.n)
        hessian[:, diagonal, diagonal] += rows
        # A constant added to all row potentials changes nothing; this fixes it.
        hessian += 1.0 / self.n**2
        hessian[:, diagonal, diagonal] += 1e-15
        step = np.linalg.solve(hessian, (1.0 / self.n - rows)[:, :, None])[:, :, 0]
        old = self.f[pairs]
        best, length = start.copy(), np.ones(len(pairs))
        accepted = np.zeros(len(pairs), dtype=bool)
        for _ in range(12):
            trial = np.flatnonzero(~accepted)
            if len(trial) == 0:
                break
            self.f[pairs[trial]] = old[trial] + length[trial, None] * step[trial]
            self._match_columns(pairs[trial])
            reached = self._violations(self.plans(pairs[trial]))
            good = reached < start[trial]
            best[trial[good]] = reached[good]
            accepted[trial[good]] = True
            length[trial[~good]] *= 0.5
        rejected = pairs[~accepted]
        if len(rejected):
            self.f[rejected] = old[~accepted]
            self._match_columns(rejected)
        return np.asarray(best)
