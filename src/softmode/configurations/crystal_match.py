"""Regularised entropy matches of frames of one crystal, by the thousand a second.

In such frames ``C_ij = S_ab + δ_ij``: a table over elements, the same for all pairs, and small deviations
(:mod:`softmode.configurations.reduction`). Everything below keeps the two apart.

1. The match of the table alone is solved once: scaling factors per element, and ``K_0``.
2. ``exp(C/α)`` is ``exp(S_ab/α) (1 + expm1(δ_ij/α))``: sums over the first part are sums over elements in
   double precision, the second part is small, and single precision is enough for it.
3. Sinkhorn's sweeps start from the factors of the table. Within an element they converge at once; what is
   slow is the exchange of weight between elements. How much of it a sweep leaves undone is a matrix over
   elements, known from the table, and is made up for after each sweep. Three sweeps are left, also where
   elements hardly exchange weight (α = 0.1) and plain sweeps go on for thousands.
4. ``K - K_0`` is summed from small numbers, so that ``1 - K`` (some 1e-5 after normalisation) does not suffer
   from cancellation.

Pairs that do not converge, and weights α so small that the deviations are not small against them, are left to
:func:`softmode.configurations.rematch.rematch`.

What is found for a pair depends on its two frames alone, to the last bit, and not on the pairs it is worked
on with: a product of matrices is made for each pair by itself, for a row of a larger product is rounded
differently with the number of rows; and no pair is swept on because another one needs it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmode.configurations.reduction import ReducedFrames
from softmode.configurations.rematch import rematch
from softmode.crystal.arrays import FloatArray, IntArray

#: Memory of one of the arrays that a batch of pairs works on, bytes; it should stay in a core's own cache.
_BATCH_BYTES = 800_000
#: Sweeps after which a pair is left to the general solver.
MAX_SWEEPS = 200
#: Deviations larger than this many α are left to the general solver.
_LARGEST_EXPONENT = 12.0


@dataclass(frozen=True, eq=False)
class BaseMatch:
    """The match of the table of element similarities alone.

    Parameters
    ----------
    weights : (n_elements, n_elements) array
        ``exp((S_ab - 1)/α)``.
    factors : (n_elements,) array
        Scaling factors; rows and columns alike, for the table is symmetric.
    value : float
        ``K_0``.
    undone : (n_elements, n_elements) array
        What is still to come, in later sweeps, of the change that one sweep makes to the logarithms of the
        column factors.
    """

    weights: FloatArray
    factors: FloatArray
    value: float
    undone: FloatArray


def base_match(table: FloatArray, counts: IntArray, alpha: float, *, cut: float = 1e-12) -> BaseMatch:
    """Solve the match of the table: all atoms of an element alike.

    Parameters
    ----------
    table : (n_elements, n_elements) array
        Similarities S of the elements' mean environments.
    counts : (n_elements,) int array
        Atoms of each element.
    alpha : float
        Weight of the entropy.
    cut : float
        Exchange between elements that proceeds by less than this share in a sweep is taken for none: it is of
        weights of that order, and making up for it would multiply rounding errors.
    """
    n = counts.sum()
    weights = np.exp((table - 1.0) / alpha)
    factors = np.full(len(counts), 1.0 / n)
    for _ in range(2000):
        sums = weights @ (counts * factors)
        new = np.sqrt(factors / (n * sums))
        change = np.max(np.abs(new / factors - 1.0))
        factors = new
        if change < 1e-15:
            break
    plan = factors[:, None] * weights * factors * counts  # weight of one row on all atoms of an element
    step = n * plan
    values, vectors = np.linalg.eigh(np.sqrt(counts)[:, None] * (step / counts) * np.sqrt(counts))
    squared = values**2
    rest = np.where(squared < 1.0 - cut, squared / np.maximum(1.0 - squared, cut), 0.0)
    scale = np.sqrt(counts)
    undone = (vectors * rest) @ vectors.T * scale / scale[:, None]
    return BaseMatch(weights, factors, float(np.sum(counts[:, None] * plan * table)), undone)


@dataclass(frozen=True, eq=False)
class Matches:
    """What became of a batch of pairs.

    Parameters
    ----------
    values : (n_pairs,) array
        ``K - K_0``, not normalised.
    sweeps : int
        Sweeps of the slowest pair.
    violation : float
        Largest relative violation of a marginal.
    n_fallback : int
        Pairs that were left to the general solver.
    """

    values: FloatArray
    sweeps: int
    violation: float
    n_fallback: int


class CrystalMatcher:
    """Matches between reduced frames of one crystal.

    Parameters
    ----------
    frames : ReducedFrames
        Single or double precision; the arithmetic follows.
    alpha : float
        Weight of the entropy.
    tolerance : float, optional
        Largest relative violation of a marginal; by default what the precision allows.
    """

    def __init__(self, frames: ReducedFrames, alpha: float = 1.0, tolerance: float | None = None) -> None:
        if not alpha > 0.0:
            raise ValueError(f"the weight of the entropy is positive, not {alpha}")
        if alpha < frames.alpha * (1.0 - 1e-12):
            raise ValueError(f"the frames were reduced for weights from {frames.alpha:g}, not for {alpha:g}")
        self.frames = frames
        self.alpha = alpha
        self.dtype = frames.coordinates.dtype
        single = self.dtype == np.float32
        self.base = base_match(frames.table, frames.counts, alpha, cut=1e-6 if single else 1e-12)
        n_elements = len(frames.counts)
        self._element = np.repeat(np.arange(n_elements), frames.counts)
        self._indicator = np.eye(n_elements)[self._element]
        self._starts = np.cumsum(frames.counts) - frames.counts
        self._weights = self.base.weights[np.ix_(self._element, self._element)]
        self._small_weights = self._weights.astype(self.dtype)
        scaled_table = (frames.table / alpha)[np.ix_(self._element, self._element)]
        self._small_table = scaled_table.astype(self.dtype)
        self.largest_exponent = self._deviation_bound() / alpha
        self.tolerance = tolerance or (max(1e-9, 2e-4 * frames.deviations) if single else 1e-12)
        self._local = threading.local()
        indicator = np.broadcast_to(
            self._indicator.astype(self.dtype), (frames.n_frames, frames.n_atoms, n_elements)
        )
        self._right = np.concatenate([frames.coordinates, indicator, frames.mean_products], axis=2)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.frames.n_frames

    @property
    def nbytes(self) -> int:
        """Memory held besides that of the frames, bytes."""
        return int(self._right.nbytes)

    @property
    def batch(self) -> int:
        """Pairs worked on at a time."""
        return max(1, _BATCH_BYTES // (self.frames.n_atoms**2 * self.dtype.itemsize))

    def _deviation_bound(self) -> float:
        length = float(np.sqrt(np.max(np.sum(self.frames.coordinates.astype(self.dtype) ** 2, axis=2))))
        lost = float(np.max(np.sum(self.frames.element_means.astype(np.float64) ** 2, axis=2), initial=0.0))
        return 2.0 * float(np.max(np.abs(self.frames.mean_products))) + length**2 + lost

    def match(self, row: int, columns: IntArray) -> Matches:
        """Match one frame with several others.

        Parameters
        ----------
        row : int
            Number of the frame.
        columns : (n_pairs,) int array
            Numbers of the others.

        Returns
        -------
        Matches
        """
        if self.largest_exponent > _LARGEST_EXPONENT:
            values, sweeps, violation = self._general(row, columns)
            return Matches(values, sweeps, violation, len(columns))
        parts = [
            self._batch(row, columns[start : start + self.batch])
            for start in range(0, len(columns), self.batch)
        ]
        return Matches(
            values=np.concatenate([part.values for part in parts]),
            sweeps=max(part.sweeps for part in parts),
            violation=max(part.violation for part in parts),
            n_fallback=sum(part.n_fallback for part in parts),
        )

    def _general(self, row: int, columns: IntArray) -> tuple[FloatArray, int, float]:
        similarities = self.frames.similarities(np.full(len(columns), row), columns)
        result = rematch(similarities, self.alpha)
        return (
            result.values - self.base.value,
            int(result.iterations.max()),
            float(result.violations.max()),
        )

    def _workspace(self, n_pairs: int) -> list[NDArray[Any]]:
        """Arrays (n_pairs, n_atoms, n_atoms) of the calling thread, used over and over."""
        n = self.frames.n_atoms
        buffers = getattr(self._local, "buffers", None)
        if buffers is None:
            size = n * self.batch * n
            buffers = self._local.buffers = [np.empty(size, self.dtype) for _ in range(3)]
        return [buffer[: n_pairs * n * n].reshape(n_pairs, n, n) for buffer in buffers]

    def _exponents(self, row: int, columns: slice | IntArray, out: NDArray[Any]) -> None:
        """``δ_ij/α`` as (n_pairs, j, i): products of a tall matrix with a small one, pair by pair."""
        frames = self.frames
        left = np.concatenate(
            [frames.coordinates[row], frames.mean_products[row], self._indicator.astype(self.dtype)], axis=1
        )
        left *= self.dtype.type(1.0 / self.alpha)
        right = self._right[columns].copy()
        # The table of lost means goes with the products of the other frame's atoms, numbers per element too.
        right[:, :, -len(frames.counts) :] += frames.lost_products(row, columns)[:, self._element]
        np.matmul(right, left.T, out=out)

    def _sums(self, values: FloatArray) -> FloatArray:
        """Sums over the atoms of each element, (n_pairs, n_elements)."""
        return np.add.reduceat(values, self._starts, axis=1)

    def _batch(self, row: int, columns: IntArray) -> Matches:
        n, base, dtype = self.frames.n_atoms, self.base, self.dtype
        exponents, small, rest = self._workspace(len(columns))
        contiguous = bool(np.all(np.diff(columns) == 1))
        chosen = slice(int(columns[0]), int(columns[-1]) + 1) if contiguous else columns
        self._exponents(row, chosen, exponents)
        np.expm1(exponents, out=small)
        small *= self._small_weights
        by_pair = small.transpose(0, 2, 1)
        v = np.repeat(base.factors[self._element][None], len(columns), axis=0)
        sweeps = 0
        while True:
            u = 1.0 / (n * (self._by_table(v) + _times(by_pair, v.astype(dtype))))
            column_sums = n * (self._by_table(u) + _times(small, u.astype(dtype)))
            # The rows are met, so this is all that is missing. Its sum over an element is what the element
            # lacks in weight, exactly: no other average would do, for it may be multiplied by thousands.
            met = v * column_sums
            violation = np.max(np.abs(met - 1.0), axis=1)
            sweeps += 1
            going_on = violation > self.tolerance
            if sweeps >= MAX_SWEEPS or not going_on.any():
                break
            change = -np.log(self._sums(met) / self.frames.counts)
            mended = np.exp(_mixed(change, base.undone.T))[:, self._element] / column_sums
            v = np.where(going_on[:, None], mended, v)
        values = self._value(u, v, exponents, small, rest)
        failed = np.flatnonzero(~(violation <= self.tolerance))
        if len(failed):
            values[failed], more, left = self._general(row, columns[failed])
            sweeps += more
            violation[failed] = left
        return Matches(values, sweeps, float(violation.max()), len(failed))

    def _by_table(self, factors: FloatArray) -> FloatArray:
        """Products of the table's weights with factors of all atoms, (n_pairs, n_atoms)."""
        return _mixed(self._sums(factors), self.base.weights)[:, self._element]

    def _value(
        self,
        u: FloatArray,
        v: FloatArray,
        exponents: NDArray[Any],
        small: NDArray[Any],
        rest: NDArray[Any],
    ) -> FloatArray:
        """``Σ P_ij C_ij - K_0`` from ``P = u (G + H) v``, ``C = S + α ε``: S G apart, the rest is small."""
        base, table, counts = self.base, self.frames.table, self.frames.counts
        np.add(exponents, self._small_table, out=rest)
        rest *= small
        exponents *= self._small_weights
        rest += exponents
        weighted = _times(rest.transpose(0, 2, 1), v.astype(self.dtype))
        deviation = self.alpha * (u * weighted).sum(axis=1)
        # With U = U_0 (1 + x), V = V_0 (1 + y) the table's share is K_0 + Σ (x + y + x y): nothing cancels.
        share = counts * base.factors
        x = self._sums(u - base.factors[self._element]) / share
        y = self._sums(v - base.factors[self._element]) / share
        values = share[:, None] * base.weights * table * share
        total = x * values.sum(axis=1) + y * values.sum(axis=0) + _mixed(x, values) * y
        return np.asarray(deviation + total.sum(axis=1))


def _times(matrices: NDArray[Any], vectors: NDArray[Any]) -> NDArray[Any]:
    """Products of a batch of matrices with a batch of vectors, pair by pair."""
    return np.asarray((matrices @ vectors[:, :, None])[:, :, 0])


def _mixed(vectors: FloatArray, matrix: FloatArray) -> FloatArray:
    """Products of a batch of vectors with one matrix, pair by pair."""
    return np.asarray((vectors[:, None, :] @ matrix)[:, 0])
