"""Which element sits on which site of a prototype, from the formula alone."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from ase.data import atomic_numbers
from ase.formula import Formula

from softmode.datasets.electronegativity import electronegativity
from softmode.datasets.ionic_radii import ANION_CHARGES, CHARGES, ionic_radius
from softmode.datasets.prototypes import HALIDES
from softmode.errors import InputDataError, SettingsError, did_you_mean

BuildablePrototype = Literal["elpasolite", "perovskite", "k2ptcl6", "rock_salt"]
BUILDABLE: tuple[str, ...] = get_args(BuildablePrototype)

#: Other names of the prototypes, those of `softmode.datasets.prototypes` among them.
_ALIASES: Mapping[str, BuildablePrototype] = MappingProxyType(
    {
        "double_perovskite": "elpasolite",
        "halide_double_perovskite": "elpasolite",
        "a2bbx6": "elpasolite",
        "abx3": "perovskite",
        "a2bx6": "k2ptcl6",
        "antifluorite": "k2ptcl6",
        "vacancy_ordered_double_perovskite": "k2ptcl6",
        "rocksalt": "rock_salt",
        "halite": "rock_salt",
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


def prototype_named(name: str) -> BuildablePrototype:
    """A prototype by its name or one of its other names (``abx3``, ``antifluorite``, …).

    Raises
    ------
    SettingsError
        If no structure can be built by that name.
    """
    key = name.strip().lower().replace("-", "_").replace(" ", "_")
    for known in (*get_args(BuildablePrototype), *_ALIASES):
        if key == known:
            return _ALIASES.get(known, known)
    raise SettingsError(
        f"prototype {name!r}",
        "no structure can be built by that name",
        did_you_mean(key, [*BUILDABLE, *_ALIASES]),
    )


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


def assign_sites(formula: str, prototype: str) -> SiteAssignment:
    """Which element sits where.

    - ``elpasolite``: X is the halide (six); A occurs twice. Of the two others B is the more electropositive
      (then the one of lower atomic number), as `softmode.datasets.classify` has it. A3BX6: A is on the B site
      too. ABX3 or A2B2X6, with A named first: B is on both octahedral sites, with two charges.
    - ``k2ptcl6``: A2BX6 with X a halide, A twice.
    - ``perovskite``: ABX3. A is the cation named first, unless it cannot have the charge +1 whereas the other
      can and is the larger (PbCsBr3): then they change places. So LiBaF3 has Li on A, and BaLiF3 has Ba.
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
    kind = prototype_named(prototype)
    counts = parse_formula(formula)
    written, sites = _RULES[kind](formula, counts)
    return SiteAssignment(kind, written, MappingProxyType(sites))


def _refuse(formula: str, prototype: str, wants: str, remedy: str) -> InputDataError:
    return InputDataError(
        f"formula {formula!r}", f"it is no compound of the prototype {prototype}, which is {wants}", remedy
    )


def _split_halide(formula: str, counts: dict[str, int], prototype: str, wants: str) -> tuple[str, int]:
    anions = [symbol for symbol in counts if symbol in HALIDES]
    if len(anions) != 1:
        what = f"{len(anions)} halides ({', '.join(anions)})" if anions else "no halide"
        raise _refuse(formula, prototype, wants, f"it holds {what}: give a compound with exactly one")
    return anions[0], counts[anions[0]]


def _elpasolite(formula: str, counts: dict[str, int]) -> tuple[str, dict[str, str]]:
    wants = "A2BB'X6 (or A3BX6, or ABX3 with B of two charges) with X = F, Cl, Br or I"
    x, n_x = _split_halide(formula, counts, "elpasolite", wants)
    cations = {symbol: count for symbol, count in counts.items() if symbol != x}
    shape = (*sorted(cations.values()), n_x)
    if shape == (1, 1, 2, 6):
        a = next(symbol for symbol, count in cations.items() if count == 2)
        b, b_prime = _electropositive_first(symbol for symbol in cations if symbol != a)
        return f"{a}2{b}{b_prime}{x}6", {"A": a, "B": b, "B'": b_prime, "X": x}
    if shape == (1, 3, 6):
        b, a = sorted(cations, key=lambda symbol: cations[symbol])
        first, second = _electropositive_first((a, b))
        return f"{a}3{b}{x}6", {"A": a, "B": first, "B'": second, "X": x}
    if shape == (1, 1, 3):
        a, b = cations
        return f"{a}2{b}2{x}6", {"A": a, "B": b, "B'": b, "X": x}
    remedy = "check its numbers"
    if shape == (1, 2, 6):
        remedy = "an octahedral site is empty: take the prototype k2ptcl6"
    raise _refuse(formula, "elpasolite", wants, remedy)


def _k2ptcl6(formula: str, counts: dict[str, int]) -> tuple[str, dict[str, str]]:
    wants = "A2BX6 with X = F, Cl, Br or I"
    x, n_x = _split_halide(formula, counts, "k2ptcl6", wants)
    cations = {symbol: count for symbol, count in counts.items() if symbol != x}
    if (*sorted(cations.values()), n_x) != (1, 2, 6):
        remedy = "for A2BB'X6 and A3BX6 take the prototype elpasolite, for ABX3 perovskite"
        raise _refuse(formula, "k2ptcl6", wants, remedy)
    b, a = sorted(cations, key=lambda symbol: cations[symbol])
    return f"{a}2{b}{x}6", {"A": a, "B": b, "X": x}


def _perovskite(formula: str, counts: dict[str, int]) -> tuple[str, dict[str, str]]:
    wants = "ABX3 with X = F, Cl, Br or I and two different cations"
    x, n_x = _split_halide(formula, counts, "perovskite", wants)
    cations = [symbol for symbol in counts if symbol != x]
    if len(cations) != 2 or n_x != 3 or any(counts[symbol] != 1 for symbol in cations):
        remedy = "for A2BB'X6 and A3BX6 take the prototype elpasolite, for A2BX6 k2ptcl6"
        raise _refuse(formula, "perovskite", wants, remedy)
    a, b = cations
    if 1 not in CHARGES.get(a, ()) and 1 in CHARGES.get(b, ()) and _size(b) > _size(a):
        a, b = b, a
    return f"{a}{b}{x}3", {"A": a, "B": b, "X": x}


def _rock_salt(formula: str, counts: dict[str, int]) -> tuple[str, dict[str, str]]:
    wants = f"AX with X = {', '.join(ANION_CHARGES)}"
    if len(counts) == 2 and set(counts.values()) == {1}:
        a, x = _electropositive_first(counts)
        if x in ANION_CHARGES and a not in ANION_CHARGES:
            return f"{a}{x}", {"A": a, "X": x}
    raise _refuse(formula, "rock_salt", wants, "check the formula")


def _electropositive_first(symbols: Iterable[str]) -> list[str]:

    return sorted(symbols, key=lambda symbol: (electronegativity(symbol), atomic_numbers[symbol]))


def _size(symbol: str) -> float:
    """Six-fold radius at the commonest charge, Å."""
    charge = CHARGES.get(symbol, (2,))
    return ionic_radius(symbol, 1 if 1 in charge else charge[0], 6).value


_Rule = Callable[[str, dict[str, int]], tuple[str, dict[str, str]]]
_RULES: Mapping[BuildablePrototype, _Rule] = MappingProxyType(
    {"elpasolite": _elpasolite, "perovskite": _perovskite, "k2ptcl6": _k2ptcl6, "rock_salt": _rock_salt}
)
