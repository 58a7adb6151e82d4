"""A starting structure from a formula and a prototype, its lattice constant guessed from ionic radii.

A guess to begin a relaxation from, not a result: how far it is off is written in ``docs/screening.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from ase.data import atomic_numbers

from softmode.crystal import Cell
from softmode.errors import InputDataError
from softmode.structures.formulas import BuildablePrototype, SiteAssignment, assign_sites
from softmode.structures.ionic_radii import ANION_CHARGES, balanced_charges, ionic_radius

_Point = tuple[float, float, float]

_FCC = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
_CUBIC = np.eye(3)


@dataclass(frozen=True, eq=False)
class PrototypeStructure:
    """A structure built from a formula.

    Parameters
    ----------
    cell : Cell
        The primitive cell (10 atoms of a double perovskite, 9 of K2PtCl6, 5 of a perovskite, 2 of rock salt),
        or the conventional cube.
    assignment : SiteAssignment
        Prototype, formula and what sits where.
    charges : mapping of str to int
        Charge assumed on each site, e.
    lattice_constant : float
        Edge of the conventional cube, Å.
    x : float or None
        Coordinate of X on 24e, with B at the origin; None where the prototype has none.
    notes : tuple of str
        Radii that are not Shannon's own, and charges that do not balance.
    """

    cell: Cell
    assignment: SiteAssignment
    charges: Mapping[str, int]
    lattice_constant: float
    x: float | None
    notes: tuple[str, ...]


class _Radii:
    """Radii of the ions of one compound; remembers where those came from that are not tabulated."""

    def __init__(self, sites: Mapping[str, str], charges: Mapping[str, int]) -> None:
        self._sites, self._charges = sites, charges
        self.notes: list[str] = []

    def __call__(self, site: str, coordination: int = 6) -> float:
        radius = ionic_radius(self._sites[site], self._charges[site], coordination)
        if radius.note and radius.note not in self.notes:
            self.notes.append(radius.note)
        return radius.value


class _Recipe(NamedTuple):
    """How a prototype is built.

    Attributes
    ----------
    times : tuple of int
        How often each site occurs in the formula unit, in the order of the sites.
    charges : tuple of int
        Charges of the cations where no common ones balance; of rock salt that of the anion decides.
    guess : callable
        From radii, the edge of the conventional cube (Å) and the coordinate of X on 24e (None without one).
    positions : mapping of str to list
        Sites in units of the conventional cube, without its centring; X on 24e is added.
    """

    times: tuple[int, ...]
    charges: tuple[int, ...]
    guess: Callable[[_Radii], tuple[float, float | None]]
    positions: Mapping[str, list[_Point]]


def build_structure(formula: str, prototype: str, *, conventional: bool = False) -> PrototypeStructure:
    """A structure from formula and prototype.

    Lattice constants, from radii r (Shannon 1976, six-fold where not said otherwise):

    - ``abx3`` (Pm-3m): R. Ubic, J. Am. Ceram. Soc. 90, 3326 (2007):
      a = 0.05444 + 0.467282 (r_A + r_X) + 1.308770 (r_B + r_X), fitted by its author to measured oxides and
      halides.
    - ``halide_double_perovskite`` (Fm-3m): twice that with the mean radius of B and B'; X divides the edge
      between them as their radii do.
    - ``a2bx6`` (Fm-3m, K2PtCl6): B-X and A-X at contact, A in twelve-fold coordination.
    - ``rock_salt`` (Fm-3m): contact.

    Parameters
    ----------
    formula : str
        In any order; see `softmode.structures.formulas.assign_sites`.
    prototype : str
        ``halide_double_perovskite``, ``abx3``, ``a2bx6``, ``rock_salt``, or another name of one.
    conventional : bool
        The conventional cube in place of the primitive cell (40, 5, 36 or 8 atoms).

    Raises
    ------
    InputDataError
        If the formula is no compound of the prototype.
    SettingsError
        If there is no such prototype.
    """
    assignment = assign_sites(formula, prototype)
    charges, notes = _charges(assignment)
    sites = assignment.sites
    if sites.get("B") == sites.get("B'", "") and charges["B"] == charges["B'"]:
        raise InputDataError(
            f"formula {formula!r}",
            f"{sites['B']} is on both octahedral sites and has no two charges that differ there",
            "both sites are the same: take the prototype abx3",
        )
    radii = _Radii(sites, charges)
    a, x = _RECIPES[assignment.prototype].guess(radii)
    return PrototypeStructure(
        cell=_cell(assignment, a, x, conventional),
        assignment=assignment,
        charges=MappingProxyType(charges),
        lattice_constant=a,
        x=x,
        notes=(*notes, *radii.notes),
    )


def _charges(assignment: SiteAssignment) -> tuple[dict[str, int], list[str]]:
    sites, recipe = assignment.sites, _RECIPES[assignment.prototype]
    anion = ANION_CHARGES[sites["X"]]
    needed = -anion * recipe.times[-1]
    cations = [site for site in sites if site != "X"]
    found = balanced_charges(
        [(sites[site], n) for site, n in zip(cations, recipe.times, strict=False)], needed
    )
    notes: list[str] = []
    if found is None:
        found = recipe.charges or (needed,)
        shown = ", ".join(f"{sites[s]}{q:+d}" for s, q in zip(cations, found, strict=True))
        notes.append(f"no common charges balance; taken as {shown}")
    return dict(zip(cations, found, strict=True)) | {"X": anion}, notes


def _ubic(r_a: float, r_b: float, r_x: float) -> float:
    return 0.05444 + 0.467282 * (r_a + r_x) + 1.308770 * (r_b + r_x)


def _double_perovskite(r: _Radii) -> tuple[float, float]:
    long, short = r("B") + r("X"), r("B'") + r("X")
    a = 2.0 * _ubic(r("A"), 0.5 * (r("B") + r("B'")), r("X"))
    return a, 0.5 * long / (long + short)


def _k2ptcl6(r: _Radii) -> tuple[float, float]:
    """Solve d_BX = x a and d_AX² = a² ((x - 1/4)² + 1/8) for a."""
    d_ax, d_bx = r("A", 12) + r("X"), r("B") + r("X")
    root = 0.25 * d_bx**2 - 0.75 * (d_bx**2 - d_ax**2)
    a = (0.5 * d_bx + math.sqrt(max(root, 0.0))) / 0.375
    return a, d_bx / a


_CORNER, _CENTRE, _QUARTERS = (0.0, 0.0, 0.0), (0.5, 0.5, 0.5), [(0.25, 0.25, 0.25), (0.75, 0.75, 0.75)]
_EDGES = [(0.5, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.5)]
_RECIPES: Mapping[BuildablePrototype, _Recipe] = MappingProxyType(
    {
        "halide_double_perovskite": _Recipe(
            (2, 1, 1, 6), (1, 1, 3), _double_perovskite, {"A": _QUARTERS, "B": [_CORNER], "B'": [_CENTRE]}
        ),
        "abx3": _Recipe(
            (1, 1, 3),
            (1, 2),
            lambda r: (_ubic(r("A"), r("B"), r("X")), None),
            {"A": [_CENTRE], "B": [_CORNER], "X": _EDGES},
        ),
        "a2bx6": _Recipe((2, 1, 6), (1, 4), _k2ptcl6, {"A": _QUARTERS, "B": [_CORNER]}),
        "rock_salt": _Recipe(
            (1, 1), (), lambda r: (2.0 * (r("A") + r("X")), None), {"A": [_CORNER], "X": [_CENTRE]}
        ),
    }
)


def _cell(assignment: SiteAssignment, a: float, x: float | None, conventional: bool) -> Cell:
    centred = assignment.prototype != "abx3"
    shifts = np.vstack([np.zeros(3), _FCC]) if centred and conventional else np.zeros((1, 3))
    basis = _FCC if centred and not conventional else _CUBIC
    sites = dict(_RECIPES[assignment.prototype].positions)
    if x is not None:
        axes = [(sign * x * axis).tolist() for axis in _CUBIC for sign in (1, -1)]
        sites["X"] = axes
    numbers, positions = [], []
    for site, places in sites.items():
        moved = (np.array(places)[:, None, :] + shifts).reshape(-1, 3)
        positions.append(moved)
        numbers += [atomic_numbers[assignment.sites[site]]] * len(moved)
    scaled = np.vstack(positions) @ np.linalg.inv(basis)
    scaled -= np.floor(scaled + 1e-9)
    return Cell(lattice=a * basis, scaled_positions=scaled, numbers=np.array(numbers, dtype=np.int64))
