"""Shannon's effective ionic radii, what stands in where he gives none, and the charges ions take.

Values: R. D. Shannon, Acta Crystallogr. A 32, 751 (1976), Table 1, effective ionic radii in Å, six-fold and
twelve-fold coordination (eight-fold where twelve-fold is not given); high spin where there are two, because
halides are weak ligands. His six-fold B, C and N are extrapolated to where no such ions are and left out.
Facts, not a third-party file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from ase.data import atomic_numbers, covalent_radii

#: Element, then charge/coordination:radius.
_TABLE = """
Li +1/6:0.76 +1/8:0.92; Be +2/6:0.45; O -2/6:1.4 -2/8:1.42; F -1/6:1.33;
Na +1/6:1.02 +1/12:1.39; Mg +2/6:0.72 +2/8:0.89; Al +3/6:0.535; Si +4/6:0.4; S -2/6:1.84; Cl
-1/6:1.81; K +1/6:1.38 +1/12:1.64; Ca +2/6:1 +2/12:1.34; Sc +3/6:0.745 +3/8:0.87; Ti +2/6:0.86
+3/6:0.67 +4/6:0.605 +4/8:0.74; V +2/6:0.79 +3/6:0.64 +4/6:0.58 +4/8:0.72 +5/6:0.54; Cr +2/6:0.8
+3/6:0.615 +4/6:0.55 +5/6:0.49 +5/8:0.57; Mn +2/6:0.83 +2/8:0.96 +3/6:0.645 +4/6:0.53; Fe +2/6:0.78
+2/8:0.92 +3/6:0.645 +3/8:0.78 +4/6:0.585; Co +2/6:0.745 +2/8:0.9 +3/6:0.61 +4/6:0.53; Ni +2/6:0.69
+3/6:0.6 +4/6:0.48; Cu +1/6:0.77 +2/6:0.73 +3/6:0.54; Zn +2/6:0.74 +2/8:0.9; Ga +3/6:0.62; Ge
+2/6:0.73 +4/6:0.53; As +3/6:0.58 +5/6:0.46; Se -2/6:1.98 +4/6:0.5; Br -1/6:1.96; Rb +1/6:1.52
+1/12:1.72; Sr +2/6:1.18 +2/12:1.44; Y +3/6:0.9 +3/8:1.019; Zr +4/6:0.72 +4/8:0.84; Nb +3/6:0.72
+4/6:0.68 +4/8:0.79 +5/6:0.64 +5/8:0.74; Mo +3/6:0.69 +4/6:0.65 +5/6:0.61; Tc +4/6:0.645 +5/6:0.6;
Ru +3/6:0.68 +4/6:0.62 +5/6:0.565; Rh +3/6:0.665 +4/6:0.6 +5/6:0.55; Pd +2/6:0.86 +3/6:0.76
+4/6:0.615; Ag +1/6:1.15 +1/8:1.28 +2/6:0.94 +3/6:0.75; Cd +2/6:0.95 +2/12:1.31; In +3/6:0.8
+3/8:0.92; Sn +4/6:0.69 +4/8:0.81; Sb +3/6:0.76 +5/6:0.6; Te -2/6:2.21 +4/6:0.97; I -1/6:2.2; Cs
+1/6:1.67 +1/12:1.88; Ba +2/6:1.35 +2/12:1.61; La +3/6:1.032 +3/12:1.36; Ce +3/6:1.01 +3/12:1.34
+4/6:0.87 +4/12:1.14; Pr +3/6:0.99 +3/8:1.126 +4/6:0.85 +4/8:0.96; Nd +2/8:1.29 +3/6:0.983
+3/12:1.27; Pm +3/6:0.97 +3/8:1.093; Sm +2/8:1.27 +3/6:0.958 +3/12:1.24; Eu +2/6:1.17 +2/8:1.25
+3/6:0.947 +3/8:1.066; Gd +3/6:0.938 +3/8:1.053; Tb +3/6:0.923 +3/8:1.04 +4/6:0.76 +4/8:0.88; Dy
+2/6:1.07 +2/8:1.19 +3/6:0.912 +3/8:1.027; Ho +3/6:0.901 +3/8:1.015; Er +3/6:0.89 +3/8:1.004; Tm
+2/6:1.03 +3/6:0.88 +3/8:0.994; Yb +2/6:1.02 +2/8:1.14 +3/6:0.868 +3/8:0.985; Lu +3/6:0.861
+3/8:0.977; Hf +4/6:0.71 +4/8:0.83; Ta +3/6:0.72 +4/6:0.68 +5/6:0.64 +5/8:0.74; W +4/6:0.66
+5/6:0.62; Re +4/6:0.63 +5/6:0.58; Os +4/6:0.63 +5/6:0.575; Ir +3/6:0.68 +4/6:0.625 +5/6:0.57; Pt
+2/6:0.8 +4/6:0.625 +5/6:0.57; Au +1/6:1.37 +3/6:0.85 +5/6:0.57; Hg +1/6:1.19 +2/6:1.02 +2/8:1.14;
Tl +1/6:1.5 +1/12:1.7 +3/6:0.885 +3/8:0.98; Pb +2/6:1.19 +2/12:1.49 +4/6:0.775 +4/8:0.94; Bi
+3/6:1.03 +3/8:1.17 +5/6:0.76; Th +4/6:0.94 +4/12:1.21; U +3/6:1.025 +4/6:0.89 +4/12:1.17 +5/6:0.76
"""

#: Charges of cations in halides, oxides and the like, the commonest first.
_CHARGES = """
Li 1; Na 1; K 1; Rb 1; Cs 1; Be 2; Mg 2; Ca 2; Sr 2; Ba 2; Al 3; Ga 3 1; In 3 1; Tl 1 3; Si 4 2
Ge 4 2; Sn 4 2; Pb 2 4; P 3 5; As 3 5; Sb 3 5; Bi 3 5; Se 4 2; Te 4 2; Sc 3 2; Y 3 2; La 3; Ce 3 4
Pr 3 4; Nd 3; Pm 3; Sm 3 2; Eu 3 2; Gd 3; Tb 3 4; Dy 3; Ho 3; Er 3; Tm 3 2; Yb 3 2; Lu 3; Ti 4 3 2; Zr 4 3 2
Hf 4 3 2; V 3 2 4 5; Nb 5 4 3 2; Ta 5 4 3 2; Cr 3 2; Mo 4 3 2 5; W 4 3 2 5; Mn 2 3 4; Tc 4 2; Re 4 3 2
Fe 3 2; Ru 3 4 2; Os 4 3 2; Co 2 3; Rh 3 2 4; Ir 3 4 2; Ni 2 3 4; Pd 2 4 3; Pt 4 2; Cu 1 2 3; Ag 1 2 3
Au 1 3; Zn 2; Cd 2; Hg 2 1; Th 4; U 4 3 5
"""

ANION_CHARGES = {"F": -1, "Cl": -1, "Br": -1, "I": -1, "O": -2, "S": -2, "Se": -2, "Te": -2}


class IonicRadius(NamedTuple):
    """A radius in Å, and where it comes from when it is not Shannon's own (else empty)."""

    value: float
    note: str = ""


def _parse(table: str) -> dict[tuple[str, int, int], float]:
    radii = {}
    for row in table.replace("\n", " ").split(";"):
        element, *words = row.split()
        for word in words:
            charge, coordination, radius = re.split("[/:]", word)
            radii[element, int(charge), int(coordination)] = float(radius)
    return radii


#: Radius by element, charge and coordination number.
SHANNON = _parse(_TABLE)
#: Charges of a cation, the commonest first.
CHARGES = {
    row.split()[0]: tuple(int(charge) for charge in row.split()[1:])
    for row in _CHARGES.strip().replace("\n", ";").split(";")
}


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
