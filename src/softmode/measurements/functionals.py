"""Exchange-correlation functionals of reference and potential: what of a difference may be theirs."""

from __future__ import annotations

import re
from typing import Any

from softmode.measurements.conditions import Conditions
from softmode.measurements.declaration import Facts, Given
from softmode.measurements.view import View

#: Functionals that a level of theory names; of two that begin alike the longer one first.
_FUNCTIONALS = (
    *(
        "PBEsol",
        "PBE0",
        "revPBE",
        "RPBE",
        "PBE",
        "r2SCAN",
        "rSCAN",
        "SCAN",
        "HSE06",
        "HSE03",
        "B3LYP",
        "BLYP",
    ),
    *("optB88-vdW", "optB86b-vdW", "vdW-DF2", "AM05", "LDA"),
)
_NAMES = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(_FUNCTIONALS)})(?![A-Za-z0-9])", re.IGNORECASE)


def functional(level_of_theory: str) -> str:
    """The functional that a level of theory names, ``PBE`` of ``PBE+U (VASP)``; empty where it names none."""
    found = _NAMES.search(level_of_theory)
    by_name = {name.lower(): name for name in _FUNCTIONALS}
    return by_name[found[1].lower()] if found else ""


def _levels(conditions: Conditions, facts: Facts) -> list[str]:  # noqa: ARG001  as of every given value
    return [facts.tags.get("level_of_theory", ""), facts.level_of_theory]


#: What a measurement uses that states both levels of theory.
LEVELS_OF_THEORY = Given("levels_of_theory", _levels)


def functional_values(view: View) -> dict[str, Any]:
    """Levels of theory of both sides, and whether their functionals differ (None where one is not known).

    Parameters
    ----------
    view : View
        Of a measurement that uses :data:`LEVELS_OF_THEORY`.
    """
    of_reference, of_potential = view.given(LEVELS_OF_THEORY.name)
    names = functional(of_reference), functional(of_potential)
    return {
        "level_of_theory_reference": of_reference,
        "level_of_theory_potential": of_potential,
        "functionals_differ": names[0] != names[1] if all(names) else None,
    }


def functional_statement(differ: bool | None, of_reference: str, of_potential: str) -> str:
    """What is to be said beside a score; empty where both functionals are the same.

    Parameters
    ----------
    differ : bool or None
        From :func:`functional_values`, as the levels of theory are.
    of_reference, of_potential : str
        Levels of theory.
    """
    if differ is None:
        unknown = " and ".join(
            who
            for who, level in (("reference", of_reference), ("potential", of_potential))
            if not functional(level)
        )
        return f"functional of the {unknown} not known: part of the difference may be that of the functionals"
    if not differ:
        return ""
    return (
        f"reference {functional(of_reference)}, potential trained on {of_potential}: "
        "part of the difference is that of the functionals"
    )
