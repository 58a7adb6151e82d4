"""A rock-salt crystal whose atoms wander about their sites by Ornstein-Uhlenbeck processes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from softmode.crystal import Trajectory

FloatArray = NDArray[np.float64]


def ornstein_uhlenbeck(n_frames: int, n: int, time: float, rng: np.random.Generator) -> FloatArray:
    """n independent processes of variance one with correlation time `time` (frames), (n_frames, n)."""
    keep = np.exp(-1.0 / time)
    series = np.empty((n_frames, n))
    series[0] = rng.standard_normal(n)
    for frame in range(1, n_frames):
        series[frame] = keep * series[frame - 1] + np.sqrt(1 - keep**2) * rng.standard_normal(n)
    return series


def wandering_crystal(
    n_frames: int, seed: int, *, amplitude: float = 0.1, time: float = 3.0, runs: int = 1
) -> Trajectory:
    """Eight atoms of NaCl, displaced by `amplitude` Å in root mean square along each axis."""
    rng = np.random.default_rng(seed)
    spacing = 2.8
    sites = np.indices((2, 2, 2)).reshape(3, -1).T
    numbers = np.where(sites.sum(axis=1) % 2 == 0, 11, 17)
    length = n_frames // runs
    moves = [ornstein_uhlenbeck(length, 24, time, rng).reshape(length, 8, 3) for _ in range(runs)]
    positions = sites * spacing + amplitude * np.concatenate(moves)
    return Trajectory(
        lattice=np.eye(3) * 2 * spacing,
        numbers=numbers,
        positions=positions,
        forces=np.zeros_like(positions),
        run_lengths=(length,) * runs,
        source=f"NaCl, seed {seed}",
    )
