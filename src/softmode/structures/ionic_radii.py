"""Ionic radii: Shannon's (:mod:`softmode.datasets.elements`), or what stands in where he gives none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from ase.data import atomic_numbers, covalent_radii

from softmode.datasets.elements import CHARGES, SHANNON

ANION_CHARGES = {"F": -1, "Cl": -1, "Br": -1, "I": -1, "O": -2, "S": -2, "Se": -2, "Te": -2}


class IonicRadius(NamedTuple):
    """A radius in Å, and where it comes from when it is not Shannon's own (else empty)."""

    value: float
    note: str = ""


def _cation_charges(element: str) -> list[int]:
    return sorted(q for symbol, q, number in SHANNON if symbol == element and q > 0 and number == 6)


def _mean_step(coordination: int) -> float:
    """Mean of r(coordination) - r(6) over the ions for which both are tabulated."""
    steps = [
        radius - SHANNON[element, charge, 6]
        for (element, charge, number), radius in SHANNON.items()
        if number == coordination and (element, charge, 6) in SHANNON and charge > 0
    ]
    return float(np.mean(steps))


def _mean_charge_step() -> float:
    """Mean of r(q) - r(q + 1), six-fold, over the elements for which both are tabulated."""
    steps = [
        radius - SHANNON[element, charge + 1, 6]
        for (element, charge, number), radius in SHANNON.items()
        if number == 6 and charge > 0 and (element, charge + 1, 6) in SHANNON
    ]
    return float(np.mean(steps))


#: Å: 0.28 from six-fold to twelve-fold, 0.12 to eight-fold, 0.10 for each unit of charge.
STEP_12, STEP_8, CHARGE_STEP = _mean_step(12), _mean_step(8), _mean_charge_step()


def ionic_radius(element: str, charge: int, coordination: int) -> IonicRadius:
    """Effective ionic radius, or the best that stands in for it.

    What is not tabulated is taken, in this order, from: another coordination and the mean difference between
    the two over all ions; the same element at other charges (between two by interpolation, beyond by the mean
    difference of neighbouring charges); the covalent radius (B. Cordero et al., Dalton Trans. 2832 (2008), as
    in ASE). Charge +1 of an element tabulated at higher charges only (In, Ga) is given the covalent radius at
    once: the two electrons more make it far larger than neighbouring charges say.

    Parameters
    ----------
    element : str
        Chemical symbol.
    charge : int
        Charge of the ion, e.
    coordination : int
        6 or 12.

    Returns
    -------
    IonicRadius
        Å.

    Raises
    ------
    ValueError
        If the coordination is neither, or the symbol is unknown.
    """
    if coordination not in (6, 12):
        raise ValueError(f"radii are for six-fold and twelve-fold coordination, not {coordination}")
    if atomic_numbers.get(element, 0) < 1:
        raise ValueError(f"{element!r} is no chemical symbol")
    if (element, charge, coordination) in SHANNON:
        return IonicRadius(SHANNON[element, charge, coordination])
    ion = f"{element}{charge:+d}"
    if coordination == 12 and (element, charge, 8) in SHANNON:
        value = SHANNON[element, charge, 8] + STEP_12 - STEP_8
        return IonicRadius(value, f"{ion} in twelve-fold coordination: eight-fold + {STEP_12 - STEP_8:.2f} Å")
    if coordination == 12:
        six = ionic_radius(element, charge, 6)
        note = six.note or f"{ion} in twelve-fold coordination: six-fold + {STEP_12:.2f} Å"
        return IonicRadius(six.value + STEP_12, note)
    if (element, charge, 8) in SHANNON:
        return IonicRadius(
            SHANNON[element, charge, 8] - STEP_8,
            f"{ion} in six-fold coordination: eight-fold - {STEP_8:.2f} Å",
        )
    return _other_charge(element, charge, ion)


def _other_charge(element: str, charge: int, ion: str) -> IonicRadius:
    known = _cation_charges(element)
    below, above = [q for q in known if q < charge], [q for q in known if q > charge]
    if not known or (charge == 1 and not below):
        return IonicRadius(
            float(covalent_radii[atomic_numbers[element]]), f"{ion}: covalent radius of {element}"
        )
    if below and above:
        between = [below[-1], above[0]]
        value = float(np.interp(charge, between, [SHANNON[element, q, 6] for q in between]))
        return IonicRadius(value, f"{ion}: between {element}{between[0]:+d} and {element}{between[1]:+d}")
    nearest = above[0] if above else below[-1]
    value = SHANNON[element, nearest, 6] + CHARGE_STEP * (nearest - charge)
    return IonicRadius(value, f"{ion}: from {element}{nearest:+d}, {CHARGE_STEP:.2f} Å per unit of charge")


def balanced_charges(cations: Sequence[tuple[str, int]], total: int) -> tuple[int, ...] | None:
    """Charges of cations that add up to what the anions need; the commonest that do.

    Parameters
    ----------
    cations : sequence of (str, int)
        Element and how often it occurs, one for each site.
    total : int
        Sum of all charges.

    Returns
    -------
    tuple of int or None
        One for each site, with the lowest sum of ranks in the lists of common charges; None where none do.
        Among equals the one that gives the first sites the lowest charges.
    """
    choices = [CHARGES.get(element, ()) for element, _ in cations]
    fitting = [
        charges
        for charges in product(*choices)
        if sum(n * q for (_, n), q in zip(cations, charges, strict=True)) == total
    ]
    if not fitting:
        return None

    def rank(charges: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        return sum(choice.index(q) for choice, q in zip(choices, charges, strict=True)), charges

    return min(fitting, key=rank)
