"""The arithmetic of :mod:`softmode.configurations.crystal_match` in torch, for accelerators.

Everything that is large stays on the device, and batches are large; what comes back is a number per pair.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmode.configurations.crystal_match import MAX_SWEEPS, CrystalMatcher, Matches
from softmode.configurations.reduction import ReducedFrames
from softmode.crystal.arrays import FloatArray, IntArray
from softmode.errors import InputDataError, MissingExtraError

#: Memory of one of the arrays that a batch of pairs works on, bytes.
_BATCH_BYTES = 64_000_000


class TorchMatcher(CrystalMatcher):
    """Matches between reduced frames of one crystal, computed by torch.

    Values are those of :class:`~softmode.configurations.crystal_match.CrystalMatcher` but for rounding, which
    may depend on the pairs of a batch.

    Parameters
    ----------
    frames : ReducedFrames
        Single or double precision; the arithmetic follows.
    alpha : float
        Weight of the entropy.
    tolerance : float, optional
        Largest relative violation of a marginal; by default what the precision allows.
    device : str
        As torch names it: ``cpu``, ``cuda``, ``cuda:1``, ``xpu``. It must know double precision.

    Raises
    ------
    MissingExtraError
        If torch is not installed.
    InputDataError
        If there is no such device.
    """

    def __init__(
        self,
        frames: ReducedFrames,
        alpha: float = 1.0,
        tolerance: float | None = None,
        *,
        device: str = "cpu",
    ) -> None:
        super().__init__(frames, alpha, tolerance)
        self._torch = torch = _torch()
        try:
            self.device = torch.device(device)
            torch.zeros(1, dtype=torch.float64, device=self.device)
        except (RuntimeError, AssertionError, TypeError) as problem:
            raise InputDataError(
                "map",
                f"the device {device!r} cannot be used ({str(problem).splitlines()[0]})",
                "Name one that torch knows and that has double precision, as cpu or cuda",
            ) from problem

        def on_device(array: NDArray[Any]) -> Any:
            return torch.as_tensor(np.ascontiguousarray(array), device=self.device)

        indicator = np.broadcast_to(
            self._indicator.astype(self.dtype), (*frames.coordinates.shape[:2], len(frames.counts))
        )
        self._columns = on_device(
            np.concatenate([frames.coordinates, indicator, frames.mean_products], axis=2)
        )
        self._rows = on_device(np.concatenate([frames.coordinates, frames.mean_products, indicator], axis=2))
        self._means = on_device(frames.element_means)
        self._all_weights, self._few_weights = on_device(self._weights), on_device(self._small_weights)
        self._all_table, self._one_hot = on_device(self._small_table), on_device(self._indicator)
        self._factors, self._undone = on_device(self.base.factors), on_device(self.base.undone)
        self._counts, self._elements = on_device(frames.counts), on_device(self._element)
        share = frames.counts * self.base.factors
        self._share = on_device(share)
        self._values = on_device(share[:, None] * self.base.weights * frames.table * share)

    @property
    def nbytes(self) -> int:
        """Memory held in the machine itself, besides that of the frames, bytes."""
        return super().nbytes + (self._columns.nbytes * 2 if self.device.type == "cpu" else 0)

    @property
    def batch(self) -> int:
        """Pairs worked on at a time."""
        return max(1, _BATCH_BYTES // (self.frames.n_atoms**2 * self.dtype.itemsize))

    def _batch(self, row: int, columns: IntArray) -> Matches:
        torch, n, counts = self._torch, self.frames.n_atoms, self._counts
        chosen = torch.as_tensor(columns, device=self.device)
        exponents = self._exponents_on_device(row, chosen)
        small = torch.expm1(exponents) * self._few_weights
        by_pair = small.transpose(1, 2)
        v = self._factors[self._elements].repeat(len(columns), 1)
        for sweep in range(1, MAX_SWEEPS + 1):
            u = 1.0 / (n * (v @ self._all_weights + _times(by_pair, v)))
            column_sums = n * (u @ self._all_weights + _times(small, u))
            met = v * column_sums
            violation = (met - 1.0).abs().amax(dim=1)
            going_on = violation > self.tolerance
            if sweep == MAX_SWEEPS or not bool(going_on.any()):
                break
            change = -torch.log(met @ self._one_hot / counts)
            mended = torch.exp(change @ self._undone.T)[:, self._elements] / column_sums
            v = torch.where(going_on[:, None], mended, v)
        # ``Σ P_ij C_ij - K_0`` from ``P = u (G + H) v``, ``C = S + α ε``, as in `CrystalMatcher`.
        rest = (exponents + self._all_table) * small + exponents * self._few_weights
        deviation = self.alpha * (u * _times(rest.transpose(1, 2), v)).sum(dim=1)
        x = (u - self._factors[self._elements]) @ self._one_hot / self._share
        y = (v - self._factors[self._elements]) @ self._one_hot / self._share
        table = (
            x @ self._values.sum(dim=1) + y @ self._values.sum(dim=0) + ((x @ self._values) * y).sum(dim=1)
        )
        values: FloatArray = (deviation + table).cpu().numpy()
        violations: FloatArray = violation.cpu().numpy()
        failed = np.flatnonzero(~(violations <= self.tolerance))
        if len(failed):
            values[failed], more, left = self._general(row, columns[failed])
            sweep += more
            violations[failed] = left
        return Matches(values, sweep, float(violations.max()), len(failed))

    def _exponents_on_device(self, row: int, chosen: Any) -> Any:
        """``δ_ij/α`` as (n_pairs, j, i)."""
        right = self._columns[chosen]
        lost = self._means[chosen] @ self._means[row].T
        right[:, :, -len(self.frames.counts) :] += lost[:, self._elements]
        return right @ (self._rows[row] / self.alpha).T


def _times(matrices: Any, vectors: Any) -> Any:
    """Products of a batch of matrices with a batch of vectors, in double precision."""
    return (matrices @ vectors.to(matrices.dtype)[:, :, None])[:, :, 0].double()


def _torch() -> Any:
    try:
        import torch
    except ImportError as problem:
        raise MissingExtraError(
            "map", "torch is not installed", "Install it, or leave out the device"
        ) from problem
    return torch
