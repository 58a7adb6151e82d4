"""Crystals with the structure of halide double perovskites, bound by springs that soften or stiffen.

The potential is that of bonds between neighbouring sites (B–X, B'–X, A–X, X–X), which resist relative
displacements ``d`` along and across the bond::

    E = κ Σ_bonds φ(e),   e = ½ dᵀ K d,   φ'(e) = w + (1 - w) / (1 + e / e0) + e / e1

A small ``e0`` makes springs that give way (σ up to 2 and more), a small ``e1`` quartic ones. ``κ`` is chosen
so that the virial theorem, ⟨-u·F⟩ = 3 (N - 1) k_B T, holds at 300 K for displacements drawn from the
harmonic distribution of κ = 1: thermal motion needs no molecular dynamics. Everything follows from the
chemical formula. ``hdp_potential:cheap`` is the same as an ASE calculator, with errors as wanted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, ClassVar

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.data import atomic_numbers
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

TEMPERATURE = 300.0
KT = units.kB * TEMPERATURE

#: Ionic radii (Shannon 1976, octahedral), Å.
MONOVALENT = {"Na": 1.02, "K": 1.38, "Rb": 1.52, "Cs": 1.67, "Ag": 1.15, "Tl": 1.50, "Li": 0.76, "Cu": 0.77}
TRIVALENT = {
    "Al": 0.535, "Ga": 0.62, "In": 0.80, "Tl": 0.885, "Sc": 0.745, "Y": 0.90, "La": 1.032, "Ce": 1.01,
    "Pr": 0.99, "Nd": 0.983, "Sm": 0.958, "Eu": 0.947, "Gd": 0.938, "Tb": 0.923, "Dy": 0.912, "Ho": 0.901,
    "Er": 0.89, "Tm": 0.88, "Yb": 0.868, "Lu": 0.861, "Bi": 1.03, "Sb": 0.76, "Cr": 0.615, "Fe": 0.645,
    "Co": 0.61, "V": 0.64, "Ti": 0.67, "Mn": 0.645, "Rh": 0.665, "Ir": 0.68, "Mo": 0.69, "Ru": 0.68,
}  # fmt: skip
HALIDES = {"F": 1.33, "Cl": 1.81, "Br": 1.96, "I": 2.20}
LARGE = ("Cs", "Rb", "K", "Tl")


@dataclass(frozen=True)
class Compound:
    """A2BB'X6; A and B may be the same element (A3B'X6)."""

    a: str
    b: str
    b2: str
    x: str

    @property
    def formula(self) -> str:
        return f"{self.a}2{self.b}{self.b2}{self.x}6"

    @property
    def lattice_constant(self) -> float:
        """Edge of the cubic cell from the ionic radii, Å."""
        return 2.0 * (MONOVALENT[self.b] + TRIVALENT[self.b2] + 2.0 * HALIDES[self.x])

    @property
    def x_parameter(self) -> float:
        """Position of X between B (0) and B' (1/2), kept near the middle, cubic cell edges."""
        ratio = (MONOVALENT[self.b] + HALIDES[self.x]) / self.lattice_constant
        return float(0.25 + np.clip(ratio - 0.25, -0.012, 0.012))

    @property
    def primitive(self) -> Atoms:
        """Ten atoms, Fm-3m, in the order A A B B' X6."""
        x = self.x_parameter
        along = x * np.concatenate([np.eye(3), -np.eye(3)])
        sites = np.concatenate([[[0.25] * 3, [0.75] * 3, [0.0] * 3, [0.5] * 3], along])
        edge = self.lattice_constant
        atoms = Atoms(
            f"{self.a}2{self.b}{self.b2}{self.x}6",
            positions=sites * edge,
            cell=0.5 * edge * (np.ones((3, 3)) - np.eye(3)),
            pbc=True,
        )
        atoms.wrap()
        return atoms

    def number(self, purpose: str) -> float:
        """A number in [0, 1) that depends on the formula and a purpose only."""
        digest = hashlib.sha256(f"{self.formula}:{purpose}".encode()).digest()
        return int.from_bytes(digest[:6], "big") / 2**48


def compounds(n: int) -> list[Compound]:
    """The first `n` of some 3,800 A2BB'X6, well mixed, always the same."""
    every = [
        Compound(a, b, b2, x)
        for x in HALIDES
        for a in LARGE
        for b in MONOVALENT
        for b2 in TRIVALENT
        if b2 not in (a, b) and MONOVALENT[b] <= MONOVALENT[a]
    ]
    return sorted(every, key=lambda compound: compound.number("order"))[:n]


@dataclass(frozen=True)
class Springs:
    """Parameters of the potential.

    Parameters
    ----------
    stiffness : dict
        Along and across a bond, by kind of site pair, eV/Å².
    e0, e1, w : float
        Of ``φ'`` above, eV (`w` without unit).
    kappa : float
        Factor of the whole.
    """

    stiffness: dict[tuple[str, str], tuple[float, float]]
    e0: float
    e1: float
    w: float = 0.05
    kappa: float = 1.0


@dataclass(frozen=True, eq=False)
class Network:
    """Bonds of a periodic cell: atoms, unit vectors, and kind of site pair."""

    first: IntArray
    second: IntArray
    direction: FloatArray
    kinds: tuple[tuple[str, str], ...]
    n_atoms: int

    @cached_property
    def incidence(self) -> FloatArray:
        """(n_bonds, n_atoms): differences of displacements, second minus first."""
        matrix = np.zeros((len(self.first), self.n_atoms))
        rows = np.arange(len(self.first))
        np.add.at(matrix, (rows, self.second), 1.0)
        np.add.at(matrix, (rows, self.first), -1.0)
        return matrix

    def matrices(self, springs: Springs) -> FloatArray:
        """Stiffness of each bond, (n_bonds, 3, 3), eV/Å²."""
        along, across = np.array([springs.stiffness[kind] for kind in self.kinds]).T
        outer = self.direction[:, :, None] * self.direction[:, None, :]
        return np.asarray(across[:, None, None] * np.eye(3) + (along - across)[:, None, None] * outer)

    def force_constants(self, springs: Springs) -> FloatArray:
        """(n_atoms, n_atoms, 3, 3), eV/Å²: second derivatives at the ideal sites."""
        bonds = springs.kappa * self.matrices(springs)
        values = np.zeros((self.n_atoms, self.n_atoms, 3, 3))
        np.add.at(values, (self.first, self.first), bonds)
        np.add.at(values, (self.second, self.second), bonds)
        np.add.at(values, (self.first, self.second), -bonds)
        np.add.at(values, (self.second, self.first), -bonds)
        return values

    def evaluate(self, displacements: FloatArray, springs: Springs) -> tuple[FloatArray, FloatArray]:
        """Energies (n,) and forces (n, n_atoms, 3) of displacements (n, n_atoms, 3)."""
        difference = displacements[:, self.second] - displacements[:, self.first]
        along, across = np.array([springs.stiffness[kind] for kind in self.kinds]).T
        stretch = np.einsum("bi,nbi->nb", self.direction, difference)
        pull = across[:, None] * difference + ((along - across) * stretch)[:, :, None] * self.direction
        e = 0.5 * np.einsum("nbi,nbi->nb", difference, pull)
        w, e0, e1 = springs.w, springs.e0, springs.e1
        slope = w + (1.0 - w) / (1.0 + e / e0) + e / e1
        giving = e if np.isinf(e0) else e0 * np.log1p(e / e0)
        energy = w * e + (1.0 - w) * giving + 0.5 * e**2 / e1
        forces = -(self.incidence.T @ (slope[:, :, None] * pull))
        return springs.kappa * energy.sum(axis=1), springs.kappa * forces


@dataclass(frozen=True, eq=False)
class Sites:
    """What each atom of a configuration is, and how far it is from its ideal site."""

    compound: Compound
    kinds: list[str]
    grid: IntArray
    edge: float
    displacements: FloatArray


def find_sites(atoms: Atoms) -> Sites:
    """Sites of a configuration whose cubic axes are x, y and z, with B at the origin.

    The sites lie on (A, B, B') or near (X) a grid of a quarter of the cubic cell.
    """
    edge = float((atoms.get_volume() / len(atoms) * 40.0) ** (1.0 / 3.0))
    grid = np.rint(atoms.positions / (edge / 4.0)).astype(np.int64)
    odd = grid % 2
    names = {0: "b", 1: "x", 3: "a"}
    if not np.isin(odd.sum(axis=1), list(names)).all():
        raise ValueError("an atom is far from every site of a double perovskite")
    kinds = [names[n] for n in odd.sum(axis=1)]
    first = (grid.sum(axis=1) // 2) % 2 == 0
    kinds = [("b" if one else "b2") if kind == "b" else kind for kind, one in zip(kinds, first, strict=True)]
    symbols = dict(zip(kinds, atoms.get_chemical_symbols(), strict=True))
    compound = Compound(**symbols)
    # an X at +1 from a B is pushed away from it by the internal parameter, one at -1 the other way
    towards = grid - odd
    from_b = (towards.sum(axis=1) // 2) % 2 == 0
    offset = odd * (np.where(from_b, 1.0, -1.0) * (compound.x_parameter - 0.25))[:, None]
    offset[np.array(kinds) != "x"] = 0.0
    ideal = (grid / 4.0 + offset) * edge
    return Sites(compound, kinds, grid, edge, atoms.positions - ideal)


def build_network(atoms: Atoms) -> Network:
    """Bonds between the sites of a configuration, whatever the cell."""
    sites = find_sites(atoms)
    lattice = np.rint(atoms.cell.array / (sites.edge / 4.0))
    at = {key: atom for atom, key in enumerate(_places(sites.grid, lattice))}
    ideal = (atoms.positions - sites.displacements) - sites.grid * (sites.edge / 4.0)
    found = []
    for step in _STEPS:
        for atom, key in enumerate(_places(sites.grid + step, lattice)):
            other = at.get(key)  # not every point of the grid is a site
            kind = None if other is None else tuple(sorted((sites.kinds[atom], sites.kinds[other])))
            if kind in BONDS:
                vector = step * (sites.edge / 4.0) + ideal[other] - ideal[atom]
                found.append((atom, other, vector, kind))
    first, second, vectors, kinds = zip(*found, strict=True)
    directions = np.array(vectors)
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    return Network(np.array(first), np.array(second), directions, kinds, len(atoms))


#: Half of the steps on the grid from a site to those it is bound to; the other half goes back.
_STEPS = np.array(
    [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, -1, 0), (1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1)]
)


def _places(grid: IntArray, lattice: FloatArray) -> list[tuple[int, ...]]:
    """The same for equivalent sites of a periodic cell."""
    scaled = np.rint(grid @ np.linalg.inv(lattice) * 5040).astype(np.int64) % 5040
    return list(map(tuple, scaled.tolist()))


#: Stiffness along and across each kind of bond for a chloride, eV/Å².
BONDS = {
    ("b", "x"): (2.0, 0.35),
    ("b2", "x"): (3.6, 0.45),
    ("a", "x"): (0.12, 0.05),
    ("x", "x"): (0.10, 0.04),
}
_SCALE = {"F": 1.5, "Cl": 1.1, "Br": 1.0, "I": 0.9}


def uncalibrated(compound: Compound, anharmonicity: float = 1.0) -> Springs:
    """Springs of a compound with κ = 1.

    Three quarters of all compounds have springs that give way, the others quartic ones; how much depends on
    the formula. `anharmonicity` multiplies the strength of both, 0 is harmonic.
    """
    stiffness = {
        kind: tuple(
            _SCALE[compound.x] * (0.8 + 0.4 * compound.number(f"{kind}{i}")) * k for i, k in enumerate(pair)
        )
        for kind, pair in BONDS.items()
    }
    share = compound.number("anharmonicity")
    if anharmonicity == 0.0:
        return Springs(stiffness, e0=np.inf, e1=np.inf)  # type: ignore[arg-type]
    if compound.number("sort") < 0.25:
        return Springs(stiffness, e0=np.inf, e1=KT * 8.0 * 0.1**share / anharmonicity)  # type: ignore[arg-type]
    return Springs(stiffness, e0=KT * 6.0 * 0.035**share / anharmonicity, e1=np.inf)  # type: ignore[arg-type]


def thermal_displacements(
    network: Network, springs: Springs, n_frames: int, rng: np.random.Generator, memory: float = 0.0
) -> FloatArray:
    """Displacements (n_frames, n_atoms, 3) from the harmonic distribution at 300 K, Å; no net translation.

    Parameters
    ----------
    network, springs : Network, Springs
        Their force constants with κ = 1 are taken.
    n_frames : int
        Number of frames.
    rng : numpy Generator
        Source of randomness.
    memory : float
        Correlation of a frame with the next (an Ornstein–Uhlenbeck process).
    """
    n = 3 * network.n_atoms
    matrix = network.force_constants(replace(springs, kappa=1.0)).transpose(0, 2, 1, 3).reshape(n, n)
    shift = np.tile(np.eye(3), (network.n_atoms, 1)) / np.sqrt(network.n_atoms)
    lower = cholesky(matrix + shift @ shift.T, lower=True, check_finite=False)
    white = rng.normal(size=(n_frames, n))
    for frame in range(1, n_frames if memory else 0):
        white[frame] = memory * white[frame - 1] + np.sqrt(1.0 - memory**2) * white[frame]
    drawn = np.sqrt(KT) * solve_triangular(lower, white.T, lower=True, trans="T", check_finite=False).T
    displacements = drawn.reshape(n_frames, -1, 3)
    return np.asarray(displacements - displacements.mean(axis=1, keepdims=True))


@cache
def springs_of(compound: Compound, anharmonicity: float = 1.0) -> Springs:
    """Springs that obey the virial theorem at 300 K."""
    supercell = compound.primitive.repeat(2)
    network, springs = build_network(supercell), uncalibrated(compound, anharmonicity)
    moved = thermal_displacements(network, springs, 24, np.random.default_rng(1))
    _, forces = network.evaluate(moved, springs)
    virial = -np.einsum("nai,nai->n", moved, forces).mean()
    return replace(springs, kappa=3.0 * (network.n_atoms - 1) * KT / virial)


class CheapPotential(Calculator):
    """The potential of the stand-in compounds with errors.

    Parameters
    ----------
    stiffness : float
        Factor of energies and forces.
    scatter : float
        Relative deviation of that factor from one compound to the next.
    give : float
        Factor of the energies at which springs give way or stiffen.
    noise : float
        Random part of each force component, eV/Å; the same for the same configuration.
    anharmonicity : float
        As in :func:`uncalibrated`.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "forces"]

    def __init__(
        self,
        stiffness: float = 1.0,
        scatter: float = 0.0,
        give: float = 1.0,
        noise: float = 0.0,
        anharmonicity: float = 1.0,
    ) -> None:
        super().__init__()
        self._errors = (stiffness, scatter, give, noise)
        self._anharmonicity = anharmonicity
        self._networks: dict[bytes, tuple[Network, Springs]] = {}

    def calculate(
        self, atoms: Any = None, properties: Sequence[str] = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        sites = find_sites(self.atoms)
        network, springs = self._known(sites)
        energies, forces = network.evaluate(sites.displacements[None], springs)
        noise = self._errors[3]
        if noise:
            seed = hashlib.sha256(np.round(self.atoms.positions, 6).tobytes()).digest()
            random = np.random.default_rng(int.from_bytes(seed[:8], "big"))
            forces = forces + noise * random.normal(size=forces.shape)
        self.results = {"energy": float(energies[0]), "forces": forces[0]}

    def _known(self, sites: Sites) -> tuple[Network, Springs]:
        places = _places(sites.grid, np.rint(self.atoms.cell.array / (sites.edge / 4.0)))
        key = self.atoms.numbers.tobytes() + self.atoms.cell.array.tobytes() + repr(places).encode()
        if key not in self._networks:
            stiffness, scatter, give, _ = self._errors
            springs = springs_of(sites.compound, self._anharmonicity)
            wanted = stiffness * (1.0 + scatter * (2.0 * sites.compound.number("error") - 1.0))
            changed = replace(
                springs, kappa=wanted * springs.kappa, e0=give * springs.e0, e1=give * springs.e1
            )
            self._networks = {key: (build_network(self.atoms), changed)}
        return self._networks[key]


def cheap(**errors: float) -> CheapPotential:
    """A calculator for studies: ``name = "hdp_potential:cheap"`` with ``kwargs``."""
    return CheapPotential(**errors)


#: Four potentials as different as published ones: ``kwargs`` of :func:`cheap`.
VARIANTS: dict[str, dict[str, float]] = {
    "close": {"scatter": 0.05, "give": 1.05},
    "soft": {"stiffness": 0.8, "scatter": 0.15},
    "blunt": {"give": 2.5, "scatter": 0.1},
    "rough": {"stiffness": 0.9, "noise": 0.05, "give": 0.7},
}

assert all(symbol in atomic_numbers for symbol in (*MONOVALENT, *TRIVALENT, *HALIDES))
