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
from numpy.typing import NDArray

from softmode.crystal import Cell
from softmode.datasets.ionic_radii import ANION_CHARGES, balanced_charges, ionic_radius
from softmode.datasets.site_assignment import BuildablePrototype, SiteAssignment, assign_sites
from softmode.errors import InputDataError

FloatArray = NDArray[np.float64]

_FCC = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]])
_CUBIC = np.eye(3)
#: Times each site occurs in the formula unit, in the order of the sites.
_TIMES: Mapping[BuildablePrototype, tuple[int, ...]] = MappingProxyType(
    {"elpasolite": (2, 1, 1, 6), "perovskite": (1, 1, 3), "k2ptcl6": (2, 1, 6), "rock_salt": (1, 1)}
)


@dataclass(frozen=True, eq=False)
class PrototypeStructure:
    """A structure built from a formula.

    Parameters
    ----------
    cell : Cell
        The primitive cell (10 atoms of an elpasolite, 9 of K2PtCl6, 5 of a perovskite, 2 of rock salt), or
        the conventional cube.
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


class _Guess(NamedTuple):
    lattice_constant: float
    x: float | None = None


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


def build_structure(formula: str, prototype: str, *, conventional: bool = False) -> PrototypeStructure:
    """A structure from formula and prototype.

    Lattice constants, from radii r (Shannon 1976, six-fold where not said otherwise):

    - ``perovskite`` (Pm-3m): R. Ubic, J. Am. Ceram. Soc. 90, 3326 (2007):
      a = 0.05444 + 0.467282 (r_A + r_X) + 1.308770 (r_B + r_X), fitted by its author to measured oxides and
      halides.
    - ``elpasolite`` (Fm-3m): twice that with the mean radius of B and B'; X divides the edge between them as
      their radii do.
    - ``k2ptcl6`` (Fm-3m): B-X and A-X at contact, A in twelve-fold coordination.
    - ``rock_salt`` (Fm-3m): contact.

    Parameters
    ----------
    formula : str
        In any order; see `softmode.datasets.site_assignment.assign_sites`.
    prototype : str
        ``elpasolite``, ``perovskite``, ``k2ptcl6`` (or ``antifluorite``), ``rock_salt``.
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
    if assignment.prototype == "elpasolite" and assignment.sites["B"] == assignment.sites["B'"]:
        _require_two_charges(formula, assignment.sites["B"], charges)
    radii = _Radii(assignment.sites, charges)
    guess = _GUESSES[assignment.prototype](radii)
    return PrototypeStructure(
        cell=_cell(assignment, guess, conventional),
        assignment=assignment,
        charges=MappingProxyType(charges),
        lattice_constant=guess.lattice_constant,
        x=guess.x,
        notes=(*notes, *radii.notes),
    )


def _charges(assignment: SiteAssignment) -> tuple[dict[str, int], list[str]]:
    sites, times = assignment.sites, _TIMES[assignment.prototype]
    anion = sites["X"]
    needed = -ANION_CHARGES[anion] * times[-1]
    cations = [site for site in sites if site != "X"]
    found = balanced_charges([(sites[site], n) for site, n in zip(cations, times, strict=False)], needed)
    notes: list[str] = []
    if found is None:
        found = {"elpasolite": (1, 1, 3), "perovskite": (1, 2), "k2ptcl6": (1, 4), "rock_salt": (needed,)}[
            assignment.prototype
        ]
        shown = ", ".join(f"{sites[s]}{q:+d}" for s, q in zip(cations, found, strict=True))
        notes.append(f"no common charges balance; taken as {shown}")
    return dict(zip(cations, found, strict=True)) | {"X": ANION_CHARGES[anion]}, notes


def _require_two_charges(formula: str, element: str, charges: Mapping[str, int]) -> None:
    if charges["B"] == charges["B'"]:
        raise InputDataError(
            f"formula {formula!r}",
            f"{element} is on both octahedral sites and has no two charges that differ there",
            "both sites are the same: take the prototype perovskite",
        )


def _ubic(r_a: float, r_b: float, r_x: float) -> float:
    return 0.05444 + 0.467282 * (r_a + r_x) + 1.308770 * (r_b + r_x)


def _perovskite(r: _Radii) -> _Guess:
    return _Guess(_ubic(r("A"), r("B"), r("X")))


def _elpasolite(r: _Radii) -> _Guess:
    long, short = r("B") + r("X"), r("B'") + r("X")
    a = 2.0 * _ubic(r("A"), 0.5 * (r("B") + r("B'")), r("X"))
    return _Guess(a, 0.5 * long / (long + short))


def _k2ptcl6(r: _Radii) -> _Guess:
    """Solve d_BX = x a and d_AX² = a² ((x - 1/4)² + 1/8) for a."""
    d_ax, d_bx = r("A", 12) + r("X"), r("B") + r("X")
    root = 0.25 * d_bx**2 - 0.75 * (d_bx**2 - d_ax**2)
    a = (0.5 * d_bx + math.sqrt(max(root, 0.0))) / 0.375
    return _Guess(a, d_bx / a)


def _rock_salt(r: _Radii) -> _Guess:
    return _Guess(2.0 * (r("A") + r("X")))


_GUESSES: Mapping[BuildablePrototype, Callable[[_Radii], _Guess]] = MappingProxyType(
    {"elpasolite": _elpasolite, "perovskite": _perovskite, "k2ptcl6": _k2ptcl6, "rock_salt": _rock_salt}
)


def _positions(prototype: BuildablePrototype, x: float | None) -> dict[str, list[tuple[float, float, float]]]:
    """Sites in units of the conventional cube, without its centring."""
    quarter, half = (0.25, 0.25, 0.25), (0.5, 0.5, 0.5)
    if prototype == "rock_salt":
        return {"A": [(0.0, 0.0, 0.0)], "X": [half]}
    if prototype == "perovskite":
        return {"A": [half], "B": [(0.0, 0.0, 0.0)], "X": [(0.5, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.5)]}
    at = 0.25 if x is None else x
    octahedron = [
        (sign * at * (axis == 0), sign * at * (axis == 1), sign * at * (axis == 2))
        for axis in range(3)
        for sign in (1, -1)
    ]
    sites = {"A": [quarter, (0.75, 0.75, 0.75)], "B": [(0.0, 0.0, 0.0)], "B'": [half], "X": octahedron}
    if prototype == "k2ptcl6":
        del sites["B'"]
    return sites


def _cell(assignment: SiteAssignment, guess: _Guess, conventional: bool) -> Cell:
    centred = assignment.prototype != "perovskite"
    shifts = np.vstack([np.zeros(3), _FCC]) if centred and conventional else np.zeros((1, 3))
    basis = _FCC if centred and not conventional else _CUBIC
    numbers, positions = [], []
    for site, places in _positions(assignment.prototype, guess.x).items():
        moved = (np.array(places)[:, None, :] + shifts).reshape(-1, 3)
        positions.append(moved)
        numbers += [atomic_numbers[assignment.sites[site]]] * len(moved)
    scaled = np.vstack(positions) @ np.linalg.inv(basis)
    scaled -= np.floor(scaled + 1e-9)
    return Cell(
        lattice=guess.lattice_constant * basis,
        scaled_positions=scaled,
        numbers=np.array(numbers, dtype=np.int64),
    )
