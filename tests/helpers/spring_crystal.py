"""A crystal of springs whose truth is known: harmonic, with as much of a quartic term as wanted."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from numpy.typing import NDArray

from softmode.crystal import ForceConstants

FloatArray = NDArray[np.float64]

#: sqrt(eV/(Å² u)) in THz, from ASE's constants alone.
THZ = 1e-12 * np.sqrt(units._e / (units._amu * 1e-20)) / (2.0 * np.pi)


def simple_cubic(n: int = 3, *, spacing: float = 3.0, masses: Sequence[float] = (40.0,)) -> Atoms:
    """n x n x n atoms of a simple cubic crystal; the masses are given to the atoms in turn."""
    sites = np.indices((n, n, n)).reshape(3, -1).T * spacing
    atoms = Atoms(f"Ar{n**3}", positions=sites, cell=np.eye(3) * n * spacing, pbc=True)
    atoms.set_masses(np.resize(masses, n**3))
    return atoms


def neighbours(n: int) -> NDArray[np.int64]:
    """Pairs of nearest neighbours in :func:`simple_cubic`, (3 n³, 2)."""
    sites = np.indices((n, n, n)).reshape(3, -1).T
    pairs = []
    for axis in range(3):
        other = sites.copy()
        other[:, axis] = (other[:, axis] + 1) % n
        pairs.append(np.stack([np.arange(n**3), np.ravel_multi_index(tuple(other.T), (n, n, n))], axis=1))
    return np.concatenate(pairs)


def spring_force_constants(n: int, stiffness: float = 2.0) -> ForceConstants:
    """Force constants of springs that resist relative displacements in all directions alike, eV/Å²."""
    laplacian = np.zeros((n**3, n**3))
    for first, second in neighbours(n):
        laplacian[first, first] += stiffness
        laplacian[second, second] += stiffness
        laplacian[first, second] -= stiffness
        laplacian[second, first] -= stiffness
    return ForceConstants(laplacian[:, :, None, None] * np.eye(3))


def spring_frequencies(n: int, mass: float, stiffness: float = 2.0) -> FloatArray:
    """Frequencies of the crystal of one mass in closed form, ascending, translations left out, THz."""
    waves = 2.0 * np.pi * np.indices((n, n, n)).reshape(3, -1).T / n
    squared = 2.0 * stiffness / mass * (1.0 - np.cos(waves)).sum(axis=1)
    return np.sort(np.repeat(THZ * np.sqrt(squared[1:]), 3))


class SpringCrystal(Calculator):
    """``E = Σ_pairs k |Δu|²/2 + c |Δu|⁴/4`` over nearest neighbours of :func:`simple_cubic`.

    Parameters
    ----------
    sites : (n³, 3) array
        Å.
    stiffness, quartic : float
        eV/Å², eV/Å⁴.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(self, sites: FloatArray, stiffness: float = 2.0, quartic: float = 0.0) -> None:
        super().__init__()
        self._sites = np.array(sites)
        self._pairs = neighbours(round(len(sites) ** (1 / 3)))
        self._stiffness, self._quartic = stiffness, quartic

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        moved = self.atoms.positions - self._sites
        first, second = self._pairs.T
        difference = moved[first] - moved[second]
        squared = (difference**2).sum(axis=1)
        pull = (self._stiffness + self._quartic * squared)[:, None] * difference
        forces = np.zeros_like(moved)
        np.add.at(forces, first, -pull)
        np.add.at(forces, second, pull)
        energy = float((0.5 * self._stiffness * squared + 0.25 * self._quartic * squared**2).sum())
        self.results = {"energy": energy, "forces": forces}


class TroublesomeSprings(SpringCrystal):
    """Springs with the vices of real potentials.

    The order of summation, and with it the last bits, depends on the positions at the last reset, as with
    neighbour lists that are kept; and the first evaluation ever is off in the last digits, as with models
    that are compiled when first used.

    Parameters
    ----------
    sites : (n³, 3) array
        Å.
    fail_at : int, optional
        Evaluation, counted from 1, that ends in :class:`InterruptedError`.
    seconds : float
        Time each evaluation takes at least.
    """

    def __init__(self, sites: FloatArray, *, fail_at: int | None = None, seconds: float = 0.0) -> None:
        super().__init__(sites, quartic=5.0)
        self.count = 0
        self._fail_at, self._seconds = fail_at, seconds

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        self.count += 1
        time.sleep(self._seconds)
        if self.count == self._fail_at:
            raise InterruptedError("the plug was pulled")
        if "numbers" in system_changes:
            seed = int.from_bytes(hashlib.sha256(atoms.positions.tobytes()).digest()[:4], "big")
            self._pairs = np.random.default_rng(seed).permutation(neighbours(round(len(atoms) ** (1 / 3))))
        super().calculate(atoms, properties, system_changes)
        if self.count == 1:
            self.results["forces"] = self.results["forces"] * (1.0 + 1e-7)
