"""Frequencies and analytic group velocities at all q-points at once.

The dynamical matrix is written as a lattice Fourier series ``D(q) = sum_R W_R exp(2πi q·R)`` over the few
lattice vectors ``R`` that the supercell resolves, so that assembling it, and its derivative, for any number
of q-points is a matrix product. Phases of the atomic positions are left out: they change ``D`` by a unitary
transformation and neither eigenvalues nor the expectation values of ``dD/dq`` in its eigenvectors.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.physical_units import get_physical_units
from threadpoolctl import ThreadpoolController

from softmode.crystal import ForceConstants
from softmode.crystal.arrays import FloatArray
from softmode.harmonic.lattice import compact_force_constants, primitive_atoms

ComplexArray = NDArray[np.complex128]

#: phonopy's cut-off (THz): bands closer than this are degenerate, and modes below it have no group velocity.
DEGENERACY_TOLERANCE = 1e-4
FREQUENCY_CUTOFF = 1e-4

#: q-points per block, however many are asked for and on however many threads: a product of matrices rounds a
#: row differently in a block of another height and, with many heights, in another place of the block. With 24
#: rows no kernel of OpenBLAS in use does, and work arrays of (rows, bands, bands)
#: stay in cache.
_ROWS = 24
_blas = ThreadpoolController()


@dataclass(frozen=True, eq=False)
class RealSpaceDynamicalMatrix:
    """Mass-weighted force constants by lattice vector, Hermitian by construction.

    Parameters
    ----------
    lattice_points : (n_lattice, 3) array
        Half of the lattice vectors ``R`` (one of each pair ±R, the origin first), fractional coordinates.
    even, odd : (n_lattice, n_bands * n_bands) arrays
        ``W_R + W_R^T`` and ``W_R - W_R^T`` (``W_0`` and 0 for the origin), eV/(Å² u).
    lattice : (3, 3) array
        Primitive lattice vectors as rows, Å.
    n_bands : int
        Three times the number of atoms of the primitive cell.
    """

    lattice_points: FloatArray
    even: FloatArray
    odd: FloatArray
    lattice: FloatArray
    n_bands: int


@dataclass(frozen=True, eq=False)
class Dispersion:
    """Phonons at a list of q-points.

    Parameters
    ----------
    qpoints : (n_q, 3) array
        Fractional coordinates in the reciprocal basis of the primitive cell.
    frequencies : (n_q, n_bands) array
        Ordinary frequencies in ascending order, THz; imaginary modes negative.
    group_velocities : (n_q, n_bands, 3) array or None
        Cartesian, THz·Å, as phonopy's ``group_velocities``. Every band of a degenerate set carries the mean
        over the set, which is what no choice of eigenvectors within the set can change. Zero for modes at or
        below :data:`FREQUENCY_CUTOFF` (imaginary ones among them), as in phonopy.
    slopes : (n_q, n_bands, 3) array or None
        Gradient of the signed squares along q, ``d(ω²)/dq = 2 ν v_g``, Cartesian, THz²·Å: the expectation
        value of ``dD/dq``, not divided by ν. Finite where a branch passes through zero, defined for imaginary
        modes, and the mean over the set in a degenerate set.
    """

    qpoints: FloatArray
    frequencies: FloatArray
    group_velocities: FloatArray | None = None
    slopes: FloatArray | None = None

    @property
    def squared(self) -> FloatArray:
        """Signed squares ``sign(ν) ν²``, THz²."""
        return signed_square(self.frequencies)


def signed_square(frequencies: FloatArray) -> FloatArray:
    """``sign(ν) ν²``: the eigenvalues of the dynamical matrix in THz², negative for imaginary modes."""
    return np.sign(frequencies) * frequencies**2


def frequency_factor() -> float:
    """Conversion of ``sqrt(eV/(Å² u))`` to THz."""
    return float(get_physical_units().DefaultToTHz)


def real_space_dynamical_matrix(
    phonon: Phonopy, force_constants: ForceConstants, *, antisymmetric: bool = False
) -> RealSpaceDynamicalMatrix:
    """Sort force constants by lattice vector.

    Parameters
    ----------
    phonon : phonopy.Phonopy
        Supercell and primitive cell the force constants belong to.
    force_constants : ForceConstants
        Compact or full. A pair of atoms whose shortest distance is realised by several images is shared
        equally among them, as in phonopy (Parlinski's convention).
    antisymmetric : bool
        The part ``(Phi_ij - Phi_ji^T) / 2`` that phonons do not contain, in place of the one they do.
    """
    primitive = phonon.primitive
    values = compact_force_constants(phonon, force_constants).values
    n_primitive = values.shape[0]
    n_bands = 3 * n_primitive
    vectors, multiplicities = primitive.get_smallest_vectors()
    counts = multiplicities[:, :, 0].ravel()  # (supercell atom, primitive atom), row-major
    addresses = multiplicities[:, :, 1].ravel()
    pair = np.repeat(np.arange(counts.size), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    vector = vectors[np.repeat(addresses, counts) + within]
    supercell_atom, row = np.divmod(pair, n_primitive)
    column = primitive_atoms(phonon)[supercell_atom]
    positions = primitive.scaled_positions
    points = np.rint(vector - (positions[column] - positions[row])).astype(int)
    weight = np.sqrt(primitive.masses[row] * primitive.masses[column]) * counts[pair]
    blocks = values[row, supercell_atom] / weight[:, None, None]

    unique, index = np.unique(np.vstack([points, -points]), axis=0, return_inverse=True)
    series = np.zeros((len(unique), n_primitive, n_primitive, 3, 3))
    np.add.at(series, (index[: len(points)], row, column), blocks)
    matrices = series.transpose(0, 1, 3, 2, 4).reshape(len(unique), n_bands, n_bands)
    # `unique` is sorted and closed under negation, so R and -R stand at mirrored places.
    sign = -1.0 if antisymmetric else 1.0
    origin = len(unique) // 2
    half = 0.5 * (matrices[origin:] + sign * matrices[origin::-1].transpose(0, 2, 1))
    even = half + sign * half.transpose(0, 2, 1)
    even[0] *= 0.5
    odd = half - sign * half.transpose(0, 2, 1)
    return RealSpaceDynamicalMatrix(
        lattice_points=unique[origin:].astype(np.float64),
        even=even.reshape(len(half), -1),
        odd=odd.reshape(len(half), -1),
        lattice=np.array(primitive.cell, dtype=np.float64),
        n_bands=n_bands,
    )


def _complex(real: FloatArray, imaginary: FloatArray, n_bands: int) -> ComplexArray:
    out = np.empty(real.shape, dtype=np.complex128)
    out.real = real
    out.imag = imaginary
    return out.reshape(-1, n_bands, n_bands)


def _phases(matrix: RealSpaceDynamicalMatrix, qpoints: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cosines and sines of ``2π q·R`` of up to :data:`_ROWS` q-points; rows at Γ fill the block up."""
    full = np.zeros((_ROWS, 3))
    full[: len(qpoints)] = qpoints
    phases = 2.0 * np.pi * (full @ matrix.lattice_points.T)
    return np.cos(phases), np.sin(phases)


def frequencies_of(eigenvalues: NDArray[np.floating[Any]]) -> FloatArray:
    """Frequencies of eigenvalues of the dynamical matrix, eV/(Å² u), in THz; imaginary ones negative."""
    frequencies: FloatArray = np.sign(eigenvalues) * np.sqrt(np.abs(eigenvalues)) * frequency_factor()
    return frequencies


def lowest_optical(qpoints: FloatArray, frequencies: FloatArray) -> FloatArray:
    """Lowest frequency at each q-point; at Γ without the three modes nearest to zero, the translations.

    Parameters
    ----------
    qpoints : (n_q, 3) array
        Fractional coordinates.
    frequencies : (n_q, n_bands) array
        THz.

    Returns
    -------
    (n_q,) array
        Infinity where there is no other mode.
    """
    at_gamma = np.abs(qpoints - np.rint(qpoints)).max(axis=1) < 1e-4
    nearest = np.argsort(np.argsort(np.abs(frequencies), axis=1), axis=1) < 3
    found: FloatArray = np.where(at_gamma[:, None] & nearest, np.inf, frequencies).min(axis=1)
    return found


def degenerate_set_starts(
    frequencies: FloatArray, tolerance: float = DEGENERACY_TOLERANCE
) -> NDArray[np.bool_]:
    """Mark the first band of each degenerate set.

    Parameters
    ----------
    frequencies : (n_q, n_bands) array
        Ascending, THz.
    tolerance : float
        Neighbours closer than this belong together, THz.

    Returns
    -------
    (n_q, n_bands) bool array
        True where a new set begins.
    """
    starts = np.ones(frequencies.shape, dtype=bool)
    starts[:, 1:] = np.diff(frequencies, axis=1) >= tolerance
    return starts


def set_means(values: FloatArray, starts: NDArray[np.bool_]) -> FloatArray:
    """Replace each band's value by the mean over its set.

    Parameters
    ----------
    values : (n_q, n_bands, ...) array
        Any per-band quantity.
    starts : (n_q, n_bands) bool array
        As :func:`degenerate_set_starts` gives them.
    """
    flat_starts = np.flatnonzero(starts.ravel())
    if len(flat_starts) == starts.size:
        return values
    flat = values.reshape(starts.size, -1)
    sizes = np.diff(np.append(flat_starts, starts.size))
    means = np.add.reduceat(flat, flat_starts, axis=0) / sizes[:, None]
    return np.repeat(means, sizes, axis=0).reshape(values.shape)


def _solve(
    matrix: RealSpaceDynamicalMatrix, derivative: FloatArray, qpoints: FloatArray, with_velocities: bool
) -> tuple[FloatArray, ...]:
    """Frequencies and, `with_velocities`, group velocities and slopes of one block of q-points."""
    cosines, sines = _phases(matrix, qpoints)
    n_q, n_bands = len(qpoints), matrix.n_bands
    dynamical = _complex(cosines @ matrix.even, sines @ matrix.odd, n_bands)[:n_q]
    if not with_velocities:
        return (frequencies_of(np.linalg.eigvalsh(dynamical)),)
    eigenvalues, eigenvectors = np.linalg.eigh(dynamical)
    frequencies = frequencies_of(eigenvalues)
    gradients = np.empty((*frequencies.shape, 3))
    for axis in range(3):
        gradient = _complex(-(sines @ derivative[axis, 0]), cosines @ derivative[axis, 1], n_bands)
        moved = gradient[:n_q] @ eigenvectors
        # <e|dD/dq|e> is real: sum the products of real and of imaginary parts.
        gradients[:, :, axis] = np.einsum("qib,qib->qb", eigenvectors.real, moved.real)
        gradients[:, :, axis] += np.einsum("qib,qib->qb", eigenvectors.imag, moved.imag)
    factor = np.zeros_like(frequencies)
    real_modes = frequencies > FREQUENCY_CUTOFF
    factor[real_modes] = frequency_factor() ** 2 / (2.0 * frequencies[real_modes])
    starts = degenerate_set_starts(frequencies)
    velocities = set_means(gradients * factor[:, :, None], starts)
    return frequencies, velocities, set_means(gradients * frequency_factor() ** 2, starts)


def solve_modes(matrix: RealSpaceDynamicalMatrix, qpoints: FloatArray) -> tuple[FloatArray, ComplexArray]:
    """Frequencies and eigenvectors at a few q-points.

    Parameters
    ----------
    matrix : RealSpaceDynamicalMatrix
        From :func:`real_space_dynamical_matrix`.
    qpoints : (n_q, 3) array
        Fractional coordinates in the reciprocal basis of the primitive cell.

    Returns
    -------
    frequencies : (n_q, n_bands) array
        THz, imaginary modes negative.
    eigenvectors : (n_q, n_bands, n_bands) array
        Columns, for Bloch waves with phases of lattice vectors alone (not of atomic positions).
    """
    dynamical = dynamical_matrices(matrix, qpoints)
    with _blas.limit(limits=1):
        eigenvalues, eigenvectors = np.linalg.eigh(dynamical)
    return frequencies_of(eigenvalues), eigenvectors


def dynamical_matrices(matrix: RealSpaceDynamicalMatrix, qpoints: FloatArray) -> ComplexArray:
    """``D(q)`` at a few q-points, (n_q, n_bands, n_bands), eV/(Å² u); phases of lattice vectors alone."""
    found = []
    with _blas.limit(limits=1):
        for block in _blocks(qpoints):
            cosines, sines = _phases(matrix, block)
            both = _complex(cosines @ matrix.even, sines @ matrix.odd, matrix.n_bands)
            found.append(both[: len(block)])
    return np.concatenate(found)


def _threads(requested: int | None) -> int:
    if requested is not None:
        return max(1, requested)
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available, int(os.environ.get("OMP_NUM_THREADS", available)))


def _blocks(qpoints: FloatArray) -> list[FloatArray]:
    return [qpoints[start : start + _ROWS] for start in range(0, len(qpoints), _ROWS)]


def compute_dispersion(
    matrix: RealSpaceDynamicalMatrix,
    qpoints: FloatArray,
    *,
    group_velocities: bool = True,
    threads: int | None = None,
) -> Dispersion:
    """Frequencies and group velocities at all `qpoints`.

    What is found at a q-point depends on that q-point alone, to the last bit: not on the others asked for, on
    their order or on the number of threads.

    Parameters
    ----------
    matrix : RealSpaceDynamicalMatrix
        From :func:`real_space_dynamical_matrix`. No non-analytical correction is made here; see
        :func:`softmode.harmonic.dispersion_with_nac`.
    qpoints : (n_q, 3) array
        Fractional coordinates in the reciprocal basis of the primitive cell.
    group_velocities : bool
        Whether to compute ``dω/dk`` and ``d(ω²)/dq`` as well.
    threads : int, optional
        Blocks of q-points solved at a time; by default one per core, or ``OMP_NUM_THREADS`` if smaller.

    Returns
    -------
    Dispersion
    """
    qpoints = np.ascontiguousarray(qpoints, dtype=np.float64).reshape(-1, 3)
    cartesian = 2.0 * np.pi * (matrix.lattice_points @ matrix.lattice)
    series = np.stack([matrix.even, matrix.odd])
    derivative = cartesian.T[:, None, :, None] * series  # (axis, even or odd, lattice vector, element)
    n_threads = _threads(threads)
    blocks = _blocks(qpoints)

    def solve(block: FloatArray) -> tuple[FloatArray, ...]:
        return _solve(matrix, derivative, block, group_velocities)

    with _blas.limit(limits=1):
        if n_threads == 1:
            solved = [solve(block) for block in blocks]
        else:
            with ThreadPoolExecutor(n_threads) as pool:
                solved = list(pool.map(solve, blocks))
    return Dispersion(qpoints, *(np.concatenate(parts) for parts in zip(*solved, strict=True)))
