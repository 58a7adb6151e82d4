"""Which element sits on which site of a prototype, from the formula alone."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from ase.data import atomic_numbers
from ase.formula import Formula

from softmode.datasets.elements import CHARGES, electronegativity
from softmode.datasets.prototypes import HALIDES, prototype_named
from softmode.errors import InputDataError, SettingsError
from softmode.structures.ionic_radii import ANION_CHARGES, ionic_radius

BuildablePrototype = Literal["halide_double_perovskite", "abx3", "a2bx6", "rock_salt"]
BUILDABLE: tuple[BuildablePrototype, ...] = get_args(BuildablePrototype)
#: What a compound of each is.
_WANTS: Mapping[BuildablePrototype, str] = MappingProxyType(
    {
        "halide_double_perovskite": "A2BB'X6 (or A3BX6, or ABX3 with B of two charges) "
        "with X = F, Cl, Br or I",
        "abx3": "ABX3 with X = F, Cl, Br or I and two different cations",
        "a2bx6": "A2BX6 with X = F, Cl, Br or I",
        "rock_salt": f"AX with X = {', '.join(ANION_CHARGES)}",
    }
)


@dataclass(frozen=True)
class SiteAssignment:
    """Elements on the sites of a prototype.

    Parameters
    ----------
    prototype : str
        One of `BUILDABLE`.
    formula : str
        Written as `softmode.datasets.classify` writes it: Cs2AgBiBr6, Cs3TbF6, CsPbBr3, K2PtCl6, KCl.
    sites : mapping of str to str
        Element on ``A``, ``B``, ``B'``, ``X``, as far as the prototype has them.
    """

    prototype: BuildablePrototype
    formula: str
    sites: Mapping[str, str]


def buildable_prototype(name: str) -> BuildablePrototype:
    """A prototype that structures can be built of, by any of its names.

    Raises
    ------
    SettingsError
        If there is none.
    """
    problem = "no structure can be built by that name"
    try:
        found = prototype_named(name)
    except SettingsError as error:
        raise SettingsError(error.subject, problem, error.remedy) from error
    for prototype in BUILDABLE:
        if found == prototype:
            return prototype
    raise SettingsError(f"prototype {name!r}", problem, f"give one of: {', '.join(BUILDABLE)}")


def parse_formula(formula: str) -> dict[str, int]:
    """Elements with their numbers, reduced to the smallest whole ones, in the order they are written.

    Raises
    ------
    InputDataError
        If it is no formula, or names something that is no element.
    """
    text = formula.strip()
    remedy = "write element symbols and whole numbers, as in Cs2AgBiBr6"
    if not re.fullmatch(r"[A-Za-z0-9()]+", text) or (not text[0].isupper() and text[0] != "("):
        raise InputDataError(f"formula {formula!r}", "it is no chemical formula", remedy)
    try:
        counts = Formula(text).count()
    except ValueError as error:
        raise InputDataError(f"formula {formula!r}", "it is no chemical formula", remedy) from error
    for symbol, count in counts.items():
        if atomic_numbers.get(symbol, 0) < 1:
            raise InputDataError(f"formula {formula!r}", f"{symbol!r} is no chemical symbol", remedy)
        if count < 1:
            raise InputDataError(f"formula {formula!r}", f"it holds no {symbol}", remedy)
    divisor = math.gcd(*counts.values())
    return {symbol: count // divisor for symbol, count in counts.items()}


def elements_of(formula: str) -> tuple[str, ...]:
    """Elements of a formula; none where it is not one, but the name of a file."""
    try:
        return tuple(parse_formula(formula))
    except InputDataError:
        return ()


def assign_sites(formula: str, prototype: str) -> SiteAssignment:
    """Which element sits where.

    - ``halide_double_perovskite``: X is the halide (six); A occurs twice. Of the two others B is the more
      electropositive (then the one of lower atomic number), as `softmode.datasets.classify` has it. A3BX6: A
      is on the B site too. ABX3 or A2B2X6, A named first: B is on both octahedral sites, with two charges.
    - ``a2bx6``: A2BX6 with X a halide, A twice.
    - ``abx3``: A is the cation named first, unless it cannot have the charge +1 whereas the other can and is
      the larger (PbCsBr3): then they change places. So LiBaF3 has Li on A, and BaLiF3 has Ba.
    - ``rock_salt``: AX, X one of F, Cl, Br, I, O, S, Se, Te.

    Parameters
    ----------
    formula : str
        In any order, multiples reduced.
    prototype : str
        One of `BUILDABLE` or another name of it.

    Raises
    ------
    InputDataError
        If it is no formula, or no compound of the prototype.
    SettingsError
        If there is no such prototype.
    """
    kind = buildable_prototype(prototype)
    counts = parse_formula(formula)
    written, sites = _rock_salt(formula, counts) if kind == "rock_salt" else _halide(formula, counts, kind)
    return SiteAssignment(kind, written, MappingProxyType(sites))


def _refuse(formula: str, prototype: BuildablePrototype, remedy: str) -> InputDataError:
    problem = f"it is no compound of the prototype {prototype}, which is {_WANTS[prototype]}"
    return InputDataError(f"formula {formula!r}", problem, remedy)


def _halide(formula: str, counts: dict[str, int], kind: BuildablePrototype) -> tuple[str, dict[str, str]]:
    anions = [symbol for symbol in counts if symbol in HALIDES]
    if len(anions) != 1:
        what = f"{len(anions)} halides ({', '.join(anions)})" if anions else "no halide"
        raise _refuse(formula, kind, f"it holds {what}: give a compound with exactly one")
    [x] = anions
    cations = {symbol: count for symbol, count in counts.items() if symbol != x}
    rare_first = sorted(cations, key=lambda symbol: cations[symbol])
    match kind, (*sorted(cations.values()), counts[x]):
        case "halide_double_perovskite", (1, 1, 2, 6):
            a = rare_first[-1]
            b, b_prime = _electropositive_first(rare_first[:2])
            return f"{a}2{b}{b_prime}{x}6", {"A": a, "B": b, "B'": b_prime, "X": x}
        case "halide_double_perovskite", (1, 3, 6):
            single, a = rare_first
            b, b_prime = _electropositive_first((a, single))
            return f"{a}3{single}{x}6", {"A": a, "B": b, "B'": b_prime, "X": x}
        case "halide_double_perovskite", (1, 1, 3):
            a, b = cations
            return f"{a}2{b}2{x}6", {"A": a, "B": b, "B'": b, "X": x}
        case "halide_double_perovskite", (1, 2, 6):
            raise _refuse(formula, kind, "an octahedral site is empty: take the prototype a2bx6")
        case "a2bx6", (1, 2, 6):
            b, a = rare_first
            return f"{a}2{b}{x}6", {"A": a, "B": b, "X": x}
        case "abx3", (1, 1, 3):
            a, b = cations
            if 1 not in CHARGES.get(a, ()) and 1 in CHARGES.get(b, ()) and _size(b) > _size(a):
                a, b = b, a
            return f"{a}{b}{x}3", {"A": a, "B": b, "X": x}
    remedies = {
        "a2bx6": "for A2BB'X6 and A3BX6 take the prototype halide_double_perovskite, for ABX3 abx3",
        "abx3": "for A2BB'X6 and A3BX6 take the prototype halide_double_perovskite, for A2BX6 a2bx6",
    }
    raise _refuse(formula, kind, remedies.get(kind, "check its numbers"))


def _rock_salt(formula: str, counts: dict[str, int]) -> tuple[str, dict[str, str]]:
    if len(counts) == 2 and set(counts.values()) == {1}:
        a, x = _electropositive_first(counts)
        if x in ANION_CHARGES and a not in ANION_CHARGES:
            return f"{a}{x}", {"A": a, "X": x}
    raise _refuse(formula, "rock_salt", "check the formula")


def _electropositive_first(symbols: Iterable[str]) -> list[str]:
    return sorted(symbols, key=lambda symbol: (electronegativity(symbol), atomic_numbers[symbol]))


def _size(symbol: str) -> float:
    """Six-fold radius at the commonest charge, Å."""
    charge = CHARGES.get(symbol, (2,))
    return ionic_radius(symbol, 1 if 1 in charge else charge[0], 6).value
