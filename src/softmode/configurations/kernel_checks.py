"""What is checked of a kernel matrix: the error of the fast mode, and whether it is positive definite."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from softmode.configurations.descriptors import FrameFeatures
from softmode.configurations.kernel import FrameKernel
from softmode.configurations.rematch import rematch
from softmode.crystal.arrays import FloatArray


@dataclass(frozen=True)
class ModeError:
    """Errors of ``1 - K`` found in a sample of pairs.

    Parameters
    ----------
    n_pairs : int
        Size of the sample.
    largest, root_mean_square : float
        Errors of ``1 - K``.
    spread : float
        Standard deviation of the exact ``1 - K`` over the sample.
    """

    n_pairs: int
    largest: float
    root_mean_square: float
    spread: float

    @property
    def relative(self) -> float:
        """Largest error divided by the spread."""
        return self.largest / self.spread if self.spread > 0.0 else float("inf")


def fast_mode_error(
    kernel: FrameKernel, features: FrameFeatures, *, n_sample: int = 24, seed: int = 0
) -> ModeError:
    """Compare the kernel with exact matches of the full feature vectors, in a random sample of frames.

    Parameters
    ----------
    kernel : FrameKernel
        Of all frames.
    features : FrameFeatures
        The vectors it was made from.
    n_sample : int
        Frames drawn; all their pairs are compared.
    seed : int
        Of the sample.
    """
    n = kernel.frames.n_frames
    chosen = np.sort(np.random.default_rng(seed).choice(n, min(n_sample, n), replace=False))
    vectors = features(chosen).astype(np.float64, copy=False)
    exact = exact_dissimilarities(vectors, kernel.settings.alpha)
    first, second = np.triu_indices(len(chosen), 1)
    errors = kernel.dissimilarity(chosen[first], chosen[second]) - exact[first, second]
    return ModeError(
        n_pairs=len(first),
        largest=float(np.abs(errors).max()),
        root_mean_square=float(np.sqrt(np.mean(errors**2))),
        spread=float(np.std(exact[first, second])),
    )


def exact_dissimilarities(vectors: FloatArray, alpha: float = 1.0) -> FloatArray:
    """``1 - K`` of a few frames from their full vectors and the general solver, nothing reduced.

    Parameters
    ----------
    vectors : (n_frames, n_atoms, n_features) array
        Unit vectors.
    alpha : float
        Weight of the entropy.
    """
    n = len(vectors)
    values = np.zeros((n, n))
    for row in range(n):
        similarities = vectors[row] @ vectors[row:].transpose(0, 2, 1)
        values[row, row:] = rematch(similarities, alpha).values
    values = np.triu(values) + np.triu(values, 1).T
    own = np.sqrt(np.diag(values))
    result: FloatArray = 1.0 - values / own[:, None] / own
    np.fill_diagonal(result, 0.0)
    return result


@dataclass(frozen=True)
class Definiteness:
    """How far a kernel matrix, centred, is from being positive semidefinite.

    Parameters
    ----------
    lowest : float
        Lowest eigenvalue.
    negative_share : float
        Sum of the negative eigenvalues' absolute values over that of all.
    """

    lowest: float
    negative_share: float


def definiteness(dissimilarities: FloatArray) -> Definiteness:
    """Eigenvalues of the centred kernel: the regularised match is not a positive definite kernel by proof."""
    eigenvalues = np.linalg.eigvalsh(centred(dissimilarities))
    total = float(np.abs(eigenvalues).sum())
    negative = float(np.maximum(-eigenvalues, 0.0).sum())
    return Definiteness(float(eigenvalues[0]), negative / total if total > 0.0 else 0.0)


def centred(dissimilarities: FloatArray) -> FloatArray:
    """Kernel matrix of frames centred in feature space: the one of K drops out, so nothing cancels."""
    means = dissimilarities.mean(axis=0)
    return np.asarray(means[:, None] + means - dissimilarities - means.mean())
