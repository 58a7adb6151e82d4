"""Figures of configurations with forces: what a trajectory that was read as it was written obeys."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from softmode.crystal.arrays import FloatArray, IntArray

_MOVED = 1e-4  # Å: an atom that is displaced less sits on its site


def slope_and_correlation(forces: FloatArray, harmonic: FloatArray) -> tuple[float, float]:
    """Least-squares slope of forces on their harmonic part, and their correlation (means not taken away).

    Parameters
    ----------
    forces, harmonic : arrays of one shape
        eV/Å.
    """
    together, own, other = (
        float(np.vdot(forces, harmonic)),
        float(np.vdot(harmonic, harmonic)),
        float(np.vdot(forces, forces)),
    )
    if not own or not other:
        return 0.0, 0.0
    return together / own, together / float(np.sqrt(own * other))


def copied_share(positions: FloatArray) -> float:
    """Share of frames whose positions are those of an earlier one.

    Parameters
    ----------
    positions : (n_frames, n_atoms, 3) array
        Å.
    """
    distinct = len({frame.tobytes() for frame in np.round(positions, 7)})
    return 1.0 - distinct / len(positions)


def repeated_force_share(forces: FloatArray, displacements: FloatArray) -> float:
    """Share of the forces that are exactly those of the frame or atom before, or have three equal components.

    Frames in which an atom sits on its site, and copies of the frame before, are left out: there symmetry, or
    the copy, makes equal what is equal.

    Parameters
    ----------
    forces, displacements : (n_frames, n_atoms, 3) arrays
        eV/Å, Å.
    """
    thermal = np.linalg.norm(displacements, axis=2).min(axis=1) > _MOVED
    thermal[1:] &= (displacements[1:] != displacements[:-1]).any(axis=(1, 2))
    if not thermal.any():
        return 0.0
    repeated = (forces == forces[..., :1]).all(axis=2)
    repeated[1:] |= (forces[1:] == forces[:-1]).all(axis=2)
    repeated[:, 1:] |= (forces[:, 1:] == forces[:, :-1]).all(axis=2)
    return float(repeated[thermal].mean())


def largest_over_usual(vectors: FloatArray, numbers: IntArray) -> float:
    """Longest vector on an atom over that which 99 % of its element stay below; the largest of all elements.

    Parameters
    ----------
    vectors : (n_frames, n_atoms, 3) array
        Displacements or forces.
    numbers : (n_atoms,) int array
        Atomic numbers.
    """
    lengths = np.linalg.norm(vectors, axis=2)
    ratios = []
    for number in np.unique(numbers):
        own = lengths[:, numbers == number]
        usual = float(np.quantile(own, 0.99))
        ratios.append(float(own.max()) / usual if usual else 0.0)
    return max(ratios)


def largest_net_force(forces: FloatArray) -> float:
    """Largest sum of forces over a frame, over its largest force or 0.6 times the root of their squares.

    Independent noise of all forces adds up as that root, so that in large supercells 1 % of it is no mistake.

    Parameters
    ----------
    forces : (n_frames, n_atoms, 3) array
        eV/Å.
    """
    net = np.linalg.norm(forces.sum(axis=1), axis=1)
    lengths = np.linalg.norm(forces, axis=2)
    largest = np.maximum(lengths.max(axis=1), 0.6 * np.linalg.norm(lengths, axis=1))
    usual = float(np.median(largest))  # a frame next to rest has nothing but rounding
    return float((net / np.maximum(largest, 0.1 * usual)).max()) if usual else 0.0


def step_misfit(
    positions: FloatArray, forces: FloatArray, masses: FloatArray, run_lengths: Sequence[int]
) -> float:
    """How much better forces fit the accelerations of the frame before or after than those of their own.

    Newton's second law in a run whose frames follow each other: second differences of positions times masses
    are proportional to forces. Where frames are far apart, or a thermostat kicks, no frame fits and the
    figure is next to 1.

    Parameters
    ----------
    positions, forces : (n_frames, n_atoms, 3) arrays
        Å, eV/Å; positions without jumps between periodic images.
    masses : (n_atoms,) array
        u.
    run_lengths : sequence of int
        Frames of each run.

    Returns
    -------
    float
        Share of the forces that does not fit in their own frame over the smaller of the two others; 0 where
        no run has five frames.
    """
    own: list[FloatArray] = []
    shifted: list[list[FloatArray]] = [[], [], []]
    start = 0
    for length in run_lengths:
        run = slice(start, start + length)
        start += length
        if length >= 5:
            second = np.diff(positions[run], n=2, axis=0)[1:-1] * masses[:, None]
            own.append(second)
            for shift, kept in enumerate(shifted):
                kept.append(forces[run][1 + shift : length - 3 + shift])
    if not own:
        return 0.0
    accelerations = np.concatenate(own)
    before, same, after = (
        1.0 - slope_and_correlation(np.concatenate(kept), accelerations)[1] ** 2 for kept in shifted
    )
    return same / max(min(before, after), 1e-12)
