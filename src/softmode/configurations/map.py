"""Two coordinates for each frame: kernel principal components.

B. Schölkopf, A. Smola & K.-R. Müller, Neural Comput. 10, 1299 (1998), as scikit-learn does it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from softmode.configurations.kernel_checks import centred
from softmode.crystal.arrays import FloatArray
from softmode.errors import InputDataError, MissingExtraError

#: A variance per frame below this is rounding: features are given to 1e-16, and single precision to 1e-10.
_NO_VARIANCE = 1e-13


@dataclass(frozen=True, eq=False)
class ConfigurationMap:
    """Kernel principal components of frames.

    Parameters
    ----------
    coordinates : (n_frames, n_components) array
        Of unit-free feature space; the frame farthest from the centre along a component has a positive sign.
    explained : (n_components,) array
        Share of the variance in feature space along each component.
    variance : float
        Variance in feature space, the mean of the centred kernel's diagonal.
    """

    coordinates: FloatArray
    explained: FloatArray
    variance: float


def kernel_map(dissimilarities: FloatArray, *, n_components: int = 2) -> ConfigurationMap:
    """Principal components of a kernel matrix.

    Parameters
    ----------
    dissimilarities : (n_frames, n_frames) array
        ``1 - K``.
    n_components : int
        Number of coordinates.

    Raises
    ------
    InputDataError
        If there are too few frames, or they do not differ: then there is nothing to draw.
    """
    n = len(dissimilarities)
    if not np.isfinite(dissimilarities).all():
        raise InputDataError("map", "the kernel is not finite (NaN)", "Compute it again")
    if n <= n_components:
        raise InputDataError(
            "map", f"{n} frames cannot be spread over {n_components} coordinates", "Give more frames"
        )
    matrix = centred(dissimilarities)
    variance = float(np.trace(matrix)) / n
    if variance <= _NO_VARIANCE:
        raise InputDataError(
            "map",
            f"all {n} frames are the same configuration (the kernel has rank one)",
            "Give frames that differ: check that the trajectory moves",
        )
    try:
        from sklearn.decomposition import KernelPCA
    except ImportError as problem:
        raise MissingExtraError(
            "map", "scikit-learn is not installed", "Install it with: pip install 'softmode[maps]'"
        ) from problem
    solver = "dense" if n <= 1000 else "arpack"
    # Scaled to a variance of one: scikit-learn takes eigenvalues near its thresholds for zeros.
    model = KernelPCA(n_components, kernel="precomputed", eigen_solver=solver, random_state=0)
    coordinates = np.zeros((n, n_components))
    found = model.fit_transform(matrix / variance) * np.sqrt(variance)
    coordinates[:, : found.shape[1]] = found
    farthest = np.argmax(np.abs(coordinates), axis=0)
    signs = np.where(coordinates[farthest, np.arange(n_components)] < 0.0, -1.0, 1.0)
    coordinates *= signs
    return ConfigurationMap(
        coordinates=coordinates,
        explained=np.sum(coordinates**2, axis=0) / (n * variance),
        variance=variance,
    )
