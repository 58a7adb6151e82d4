"""The verdict of a study, in words made from its numbers: who leads, how sure, which way errors go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import pandas as pd

from softmode.study.folder import Study
from softmode.study.verdict.anharmonic import of_anharmonicity
from softmode.study.verdict.passports import of_passports
from softmode.study.verdict.phonons import of_phonons
from softmode.study.verdict.sample import of_failures, of_reference, of_sample
from softmode.study.verdict.statement import Statement, in_order

__all__ = ["Statement", "brief", "verdict"]

logger = logging.getLogger(__name__)

#: Those that a short verdict takes first.
_FIRST = (
    "lead",
    "anharmonicity",
    "dynamics",
    "stability",
    "bias",
    "functional",
    "failures",
    "sample",
    "reference",
)


def verdict(study: Study, cells: pd.DataFrame) -> list[Statement]:
    """What a study says, as a page, a terminal and ``--json`` begin with.

    Parameters
    ----------
    study : Study
        Opened or reopened.
    cells : pandas.DataFrame
        Its table, from :func:`softmode.study.results.cell_table`.
    """
    settings = study.settings
    parts: tuple[Callable[[], Iterable[Statement]], ...] = (
        lambda: of_failures(cells),
        lambda: of_phonons(cells),
        lambda: of_anharmonicity(cells, settings),
        lambda: of_passports(cells, settings.conditions.protocol.imaginary_tolerance),
        lambda: of_reference(study, cells),
        lambda: of_sample(cells),
    )
    statements: list[Statement] = []
    for part in parts:
        try:
            statements += part()
        except Exception as error:  # words that fail must not take a run's results with them
            logger.warning("a part of the verdict fails", exc_info=True)
            said = f"{type(error).__name__}: {error}"
            statements.append(Statement("sample", f"A part of the verdict cannot be made ({said})."))
    return in_order(statements)


def brief(statements: Sequence[Statement], most: int = 6) -> list[Statement]:
    """The statements that a terminal has room for: the first of each topic, of all materials.

    Parameters
    ----------
    statements : sequence of Statement
        From :func:`verdict`.
    most : int
        How many.
    """
    overall = [one for one in statements if one.group is None]
    firsts = [next((one for one in overall if one.topic == topic), None) for topic in _FIRST]
    chosen = [one for one in firsts if one is not None][:most]
    return [one for one in statements if one in chosen]
