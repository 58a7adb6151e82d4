"""Published scores of compounds, read from a table, matched by composition, and drawn from with balance."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from softmode.datasets.names import natural_key
from softmode.datasets.plausibility import doubts, refuse_unless_accepted
from softmode.datasets.prototypes import HALIDES
from softmode.errors import InputDataError, SettingsError
from softmode.structures.formula_lists import read_table
from softmode.structures.formulas import assign_sites, parse_formula

#: Columns that are looked for, in this order, without regard to case.
FORMULA_COLUMNS = ("formula", "system", "compound", "material")
SIGMA_COLUMNS = ("sigma_300K_single", "sigma2", "sigma", "sigma_300K", "sigma_reference_mean_t")
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")
#: Name of the class of a score.
ClassOf = Callable[[float], str]


class CompoundKey(NamedTuple):
    """What two writings of one compound share.

    Parameters
    ----------
    composition : tuple of (str, int)
        Elements by name with their smallest whole numbers.
    site_a : str
        Element on A where the composition leaves it open (ABX3), else empty.
    """

    composition: tuple[tuple[str, int], ...]
    site_a: str


@dataclass(frozen=True)
class Label:
    """The score of one compound.

    Parameters
    ----------
    formula : str
        As the table writes it.
    sigma : float
        The score.
    key : CompoundKey
        For matching.
    """

    formula: str
    sigma: float
    key: CompoundKey

    @property
    def group(self) -> str:
        """The halide, or ``ungrouped`` where there is none or several."""
        return _halide(self.key)


@dataclass(frozen=True, eq=False)
class Labels:
    """A table of scores.

    Parameters
    ----------
    labels : tuple of Label
        Each compound once, in the order of the file.
    problems : tuple of str
        Rows that were left out and why, with their line numbers.
    source : str
        The file, with the columns used.
    """

    labels: tuple[Label, ...]
    problems: tuple[str, ...]
    source: str

    @cached_property
    def _by_key(self) -> dict[CompoundKey, Label]:
        return {label.key: label for label in self.labels}

    def find(self, formula: str, tags: Mapping[str, str] | None = None) -> Label | None:
        """The label of a compound, however its formula is written; None when there is none.

        Parameters
        ----------
        formula : str
            Its formula.
        tags : mapping of str to str, optional
            Tags of its material: ``site_A`` says which cation of an ABX3 is on A, where a structure is known.

        Raises
        ------
        InputDataError
            If it is no formula.
        """
        return self._by_key.get(compound_key(formula, (tags or {}).get("site_A")))


def compound_key(formula: str, site_a: str | None = None) -> CompoundKey:
    """Key under which Cs2AgBiBr6, BiAgCs2Br6 and Cs4Ag2Bi2Br12 are the same, and CuGaF3 is not GaCuF3.

    Parameters
    ----------
    formula : str
        In any order.
    site_a : str, optional
        Element on the A site of an ABX3; by default as `softmode.structures.formulas` reads the formula.

    Raises
    ------
    InputDataError
        If it is no formula.
    """
    counts = parse_formula(formula)
    composition = tuple(sorted(counts.items()))
    halides = [symbol for symbol in counts if symbol in HALIDES]
    is_abx3 = sorted(counts.values()) == [1, 1, 3] and len(halides) == 1 and counts[halides[0]] == 3
    if not is_abx3:
        return CompoundKey(composition, "")
    return CompoundKey(composition, site_a or assign_sites(formula, "perovskite").sites["A"])


def _halide(key: CompoundKey) -> str:
    halides = [symbol for symbol, _ in key.composition if symbol in HALIDES]
    return halides[0] if len(halides) == 1 else "ungrouped"


def read_labels(
    path: Path,
    formula_column: str | None = None,
    sigma_column: str | None = None,
    accept: Sequence[str] = (),
) -> Labels:
    """Read a CSV table of scores.

    Rows without a number above zero, without a formula, and compounds that occur before with the same score
    are left out and reported; of compounds that occur with different scores none is kept.

    Parameters
    ----------
    path : Path
        The file.
    formula_column, sigma_column : str, optional
        Names of the columns; by default the first there is of `FORMULA_COLUMNS` and `SIGMA_COLUMNS`.
    accept : sequence of str
        Checks of plausibility whose verdict does not count.

    Raises
    ------
    SettingsError
        If the file or a column that is named does not exist.
    InputDataError
        If a column is not found, numbers have decimal commas, no row is usable, or scores are not plausible.
    """
    subject = str(path)
    if not path.is_file():
        raise SettingsError(subject, "there is no such file", "give a CSV file with formulas and scores")
    header, rows = read_table(path)
    formulas = _column(header, formula_column, FORMULA_COLUMNS, "formulas", "formula_column", subject)
    scores = _column(header, sigma_column, SIGMA_COLUMNS, "scores", "sigma_column", subject)
    labels: dict[CompoundKey, Label] = {}
    lines_of: dict[CompoundKey, int] = {}
    conflicting: set[CompoundKey] = set()
    problems = []
    for line, row in rows:
        if _DECIMAL_COMMA.fullmatch(row[scores]):
            raise InputDataError(
                f"{subject}, line {line}",
                f"{scores} is {row[scores]!r}: a decimal comma",
                "write numbers with a point",
            )
        label = _label(row[formulas], row[scores], scores)
        if isinstance(label, str):
            problems.append(f"line {line}: {label}")
            continue
        known = labels.get(label.key)
        if known is None:
            labels[label.key] = label
            lines_of[label.key] = line
            continue
        same = known.sigma == label.sigma
        problems.append(
            f"line {line}: {label.formula} is in line {lines_of[label.key]} already"
            + ("" if same else f" with {known.sigma:g} instead of {label.sigma:g}: neither is used")
        )
        if not same:
            conflicting.add(label.key)
    kept = tuple(label for key, label in labels.items() if key not in conflicting)
    if not kept:
        shown = f" ({problems[0]})" if problems else ""
        raise InputDataError(subject, f"no row has a formula and a score{shown}", "check the file")
    found = doubts([("label_median", float(np.median([label.sigma for label in kept])))])
    refuse_unless_accepted(found, accept, subject, "labels")
    return Labels(kept, tuple(problems), f"{subject} ({formulas}, {scores})")


def _column(
    header: Sequence[str], wanted: str | None, known: Sequence[str], what: str, option: str, subject: str
) -> str:
    shown = ", ".join(header) or "none"
    if wanted is not None:
        if wanted not in header:
            raise SettingsError(subject, f"there is no column {wanted!r}", f"its columns are: {shown}")
        return wanted
    lowered = {name.lower(): name for name in reversed(header)}
    for name in known:
        if name.lower() in lowered:
            return lowered[name.lower()]
    raise InputDataError(
        subject, f"no column of {what} is recognised", f"set {option} to one of its columns: {shown}"
    )


def _label(text: str, number: str, column: str) -> Label | str:
    if not text:
        return "no formula"
    try:
        key = compound_key(text)
    except InputDataError as error:
        return f"{error.subject}: {error.problem}"
    try:
        sigma = float(number)
    except ValueError:
        return f"{text}: {column} is {number!r}, no number" if number else f"{text}: {column} is empty"
    if not math.isfinite(sigma) or sigma < 0.0:
        return f"{text}: {column} is {number}, no finite number above zero"
    return Label(text, sigma, key)


def balanced_draw(labels: Sequence[Label], n: int, seed: int, class_of: ClassOf) -> tuple[Label, ...]:
    """Draw compounds that are balanced over halide × class, as far as there are enough.

    Every stratum (a halide and a class) gives equally many, or all it has; what is missing is shared by the
    others in the same way, and a remainder goes to strata in an order of the seed. Within a stratum compounds
    are drawn at random. The result depends on the labels and the seed only, never on the order of the file,
    and a smaller draw with the same seed is part of a larger one.

    Parameters
    ----------
    labels : sequence of Label
        To draw from, each compound once.
    n : int
        How many.
    seed : int
        Seed of the draw.
    class_of : callable
        Name of the class of a score: `softmode.anharmonic.classes.classify`.

    Returns
    -------
    tuple of Label
        In natural order of their formulas.

    Raises
    ------
    SettingsError
        If `n` is not between 1 and the number of labels.
    """
    if not 1 <= n <= len(labels):
        raise SettingsError(
            "draw", f"{n} compounds of {len(labels)} were asked for", f"ask for 1 to {len(labels)}"
        )
    strata: dict[tuple[int, str], list[Label]] = {}
    for label in sorted(labels, key=lambda label: label.key):
        halide = HALIDES.index(label.group) if label.group in HALIDES else len(HALIDES)
        strata.setdefault((halide, class_of(label.sigma)), []).append(label)
    members = [strata[name] for name in sorted(strata)]
    shuffled = [
        [members[place][i] for i in np.random.default_rng([seed, place]).permutation(len(members[place]))]
        for place in range(len(members))
    ]
    order = np.random.default_rng(seed).permutation(len(members))
    rounds = range(max(map(len, members)))
    drawn = [shuffled[place][turn] for turn in rounds for place in order if turn < len(shuffled[place])]
    return tuple(sorted(drawn[:n], key=lambda label: natural_key(label.formula)))
