"""Crystal prototypes and site names, from space group and Wyckoff positions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
import spglib
from ase.data import atomic_numbers
from ase.formula import Formula

from softmode.crystal import Cell
from softmode.crystal.periodic_images import minimum_image_distances
from softmode.crystal.supercell_symmetry import SYMPREC, symmetry_dataset
from softmode.datasets.elements import electronegativity
from softmode.errors import InputDataError, SettingsError, did_you_mean

PrototypeName = Literal[
    "halide_double_perovskite", "a2bx6", "abx3", "rock_salt", "cscl", "zincblende", "other"
]
PROTOTYPES: tuple[str, ...] = get_args(PrototypeName)
#: Other names of prototypes, understood wherever one is named and never written.
ALIASES: Mapping[str, PrototypeName] = MappingProxyType(
    {
        "elpasolite": "halide_double_perovskite",
        "double_perovskite": "halide_double_perovskite",
        "a2bbx6": "halide_double_perovskite",
        "k2ptcl6": "a2bx6",
        "antifluorite": "a2bx6",
        "vacancy_ordered_double_perovskite": "a2bx6",
        "perovskite": "abx3",
        "rocksalt": "rock_salt",
        "halite": "rock_salt",
    }
)
HALIDES = ("F", "Cl", "Br", "I")


def prototype_named(name: str) -> PrototypeName:
    """A prototype by its name or one of its other names (``perovskite``, ``antifluorite``, …), in any case.

    Raises
    ------
    SettingsError
        If there is none; names that look like it are given.
    """
    key = name.strip().lower().replace("-", "_").replace(" ", "_")
    names: tuple[PrototypeName, ...] = get_args(PrototypeName)
    known = {prototype: prototype for prototype in names} | dict(ALIASES)
    if key not in known:
        raise SettingsError(
            f"prototype {name!r}", "there is no prototype of that name", did_you_mean(key, list(known))
        )
    return known[key]


@dataclass(frozen=True)
class Classification:
    """What a structure is.

    Parameters
    ----------
    prototype : str
        One of `PROTOTYPES`.
    formula : str
        A2BB'X6 (A3BX6 where A sits on an octahedral site too) for halide double perovskites, A2BX6 and ABX3
        for those; otherwise reduced, cations first.
    sites : mapping of str to str
        Element on each named site (``A``, ``B``, ``B'``, ``X``); empty for ``other``.
    labels : tuple of str
        Site of every atom of the cell; for ``other`` the element, numbered where it sits on several orbits.
    halide : str or None
        The halide on site X.
    spacegroup : str
        ``Fm-3m (225)``.
    """

    prototype: PrototypeName
    formula: str
    sites: Mapping[str, str]
    labels: tuple[str, ...]
    halide: str | None
    spacegroup: str

    def tags(self) -> dict[str, str]:
        """The tags of a `Material`."""
        tags = {"prototype": str(self.prototype), "spacegroup": self.spacegroup}
        if self.halide is not None:
            tags["halide"] = self.halide
        return tags | {f"site_{site}": element for site, element in self.sites.items()}


@dataclass(frozen=True)
class _Orbit:
    """Symmetry-equivalent atoms; `multiplicity` counts those of the primitive cell, `atoms` those given."""

    element: str
    wyckoff: str
    multiplicity: int
    atoms: tuple[int, ...]


def classify(cell: Cell, symprec: float = SYMPREC) -> Classification:
    """Prototype, site names and formula of a (primitive or conventional) cell.

    Parameters
    ----------
    cell : Cell
        The structure.
    symprec : float
        Tolerance of the symmetry search, Å.

    Returns
    -------
    Classification
        Which of the known prototypes this is, and what sits where.

    Raises
    ------
    InputDataError
        If no symmetry can be found, as when two atoms coincide.
    """
    dataset = symmetry_dataset(cell, symprec)
    if dataset is None:
        raise InputDataError(
            "cell", "no symmetry was found: do two atoms coincide?", "check the structure file"
        )
    orbits = _orbits(cell, dataset)
    spacegroup = f"{dataset.international} ({dataset.number})"
    prototype, sites = _match(int(dataset.number), orbits, cell)
    elements = {site: orbit.element for site, orbit in sites.items()}
    anion = elements.get("X")
    return Classification(
        prototype=prototype,
        formula=_formula(prototype, elements, cell),
        sites=MappingProxyType(elements),
        labels=_labels(cell, sites, orbits),
        halide=anion if anion in HALIDES else None,
        spacegroup=spacegroup,
    )


def _orbits(cell: Cell, dataset: spglib.SpglibDataset) -> list[_Orbit]:
    orbit_of_atom = np.asarray(dataset.crystallographic_orbits)
    copies = cell.n_atoms // len(np.unique(dataset.mapping_to_primitive))
    orbits = []
    for first in np.unique(orbit_of_atom):
        atoms = np.flatnonzero(orbit_of_atom == first)
        orbits.append(
            _Orbit(
                element=cell.symbols[atoms[0]],
                wyckoff=str(dataset.wyckoffs[atoms[0]]),
                multiplicity=len(atoms) // copies,
                atoms=tuple(int(i) for i in atoms),
            )
        )
    return orbits


def _match(number: int, orbits: list[_Orbit], cell: Cell) -> tuple[PrototypeName, dict[str, _Orbit]]:
    letters = "".join(sorted(orbit.wyckoff for orbit in orbits))
    by_letter = {orbit.wyckoff: orbit for orbit in orbits}
    n_primitive = sum(orbit.multiplicity for orbit in orbits)
    distinct = len(by_letter) == len(orbits)
    if not distinct:
        return "other", {}
    if number == 225 and n_primitive in (9, 10) and by_letter.get("e") and by_letter["e"].element in HALIDES:
        if letters == "abce":
            b, b_prime = _order_octahedral(by_letter["a"], by_letter["b"], by_letter["e"], cell)
            return "halide_double_perovskite", {
                "A": by_letter["c"],
                "B": b,
                "B'": b_prime,
                "X": by_letter["e"],
            }
        if letters in ("ace", "bce"):
            return "a2bx6", {"A": by_letter["c"], "B": by_letter[letters[0]], "X": by_letter["e"]}
    if number == 221 and n_primitive == 5 and letters in ("abc", "abd"):
        x = by_letter[letters[2]]
        # X lies half an edge from B: on 3d (1/2, 0, 0) B is 1a, on 3c (0, 1/2, 1/2) B is 1b.
        b, a = (by_letter["a"], by_letter["b"]) if letters[2] == "d" else (by_letter["b"], by_letter["a"])
        if x.element in HALIDES:
            return "abx3", {"A": a, "B": b, "X": x}
    if n_primitive == 2 and len(orbits) == 2 and orbits[0].element != orbits[1].element:
        simple: dict[int, PrototypeName] = {225: "rock_salt", 221: "cscl", 216: "zincblende"}
        if number in simple:
            a, x = sorted(orbits, key=lambda orbit: electronegativity(orbit.element))
            return simple[number], {"A": a, "X": x}
    return "other", {}


def _order_octahedral(first: _Orbit, second: _Orbit, halide: _Orbit, cell: Cell) -> tuple[_Orbit, _Orbit]:
    """B is the more electropositive; then the lower atomic number; then the one with the longer bond."""

    def key(orbit: _Orbit) -> tuple[float, int, float]:
        bonds = minimum_image_distances(
            cell.lattice, cell.scaled_positions[[orbit.atoms[0]]], cell.scaled_positions[list(halide.atoms)]
        )
        return electronegativity(orbit.element), atomic_numbers[orbit.element], -float(bonds.min())

    b, b_prime = sorted((first, second), key=key)
    return b, b_prime


def _formula(prototype: str, elements: Mapping[str, str], cell: Cell) -> str:
    if prototype == "halide_double_perovskite":
        a, b, b_prime, x = (elements[site] for site in ("A", "B", "B'", "X"))
        if a in (b, b_prime):
            return f"{a}3{b_prime if a == b else b}{x}6"
        return f"{a}2{b}2{x}6" if b == b_prime else f"{a}2{b}{b_prime}{x}6"
    if prototype == "a2bx6":
        return f"{elements['A']}2{elements['B']}{elements['X']}6"
    if prototype == "abx3" and elements["A"] != elements["B"]:
        return f"{elements['A']}{elements['B']}{elements['X']}3"
    counts = Counter(cell.symbols)
    ordered = dict(sorted(counts.items(), key=lambda item: (electronegativity(item[0]), item[0])))
    reduced, _ = Formula.from_dict(ordered).reduce()
    return str(reduced)


def _labels(cell: Cell, sites: Mapping[str, _Orbit], orbits: list[_Orbit]) -> tuple[str, ...]:
    labels = [""] * cell.n_atoms
    named = dict(sites)
    if not named:
        n_orbits = Counter(orbit.element for orbit in orbits)
        seen: Counter[str] = Counter()
        for orbit in orbits:
            seen[orbit.element] += 1
            several = n_orbits[orbit.element] > 1
            named[f"{orbit.element}{seen[orbit.element]}" if several else orbit.element] = orbit
    for label, orbit in named.items():
        for atom in orbit.atoms:
            labels[atom] = label
    return tuple(labels)
