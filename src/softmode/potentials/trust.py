"""Code is called code: what loading a potential runs, and what it may be run from."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from softmode.errors import SettingsError
from softmode.potentials.family import Family

log = logging.getLogger(__name__)

_announced: set[str] = set()


def refuse_other_names(path: Path, family: Family) -> None:
    """Refuse to unpickle what is not named like a model.

    Raises
    ------
    SettingsError
        Naming the file and what a model of the family is called.
    """
    if family.pickled and not family.files and not path.name.lower().endswith(family.pickled):
        raise SettingsError(
            str(path),
            f"is not named like a weight file of {family.name} ({', '.join(family.pickled)}), and reading "
            "one runs the code in it",
            "Rename it if it is one and you trust where it comes from",
        )


def announce_code(family: Family, name: str, *, weights: Path | None, module: bool) -> None:
    """Say once that code of a user's own will run, unless ``$SOFTMODE_TRUST`` says that it is known.

    Parameters
    ----------
    family : Family
        Of the potential.
    name : str
        Of the potential.
    weights : Path or None
        Weights that neither the catalogue nor the settings vouch for.
    module : bool
        Whether it is made by a module that is not installed.
    """
    if weights is not None and family.pickled and not family.numbers_only:
        code, besides = f"the weight file {weights}", "; so does its sha256"
    elif module:
        code, besides = f"the Python module of {name}", ""
    else:
        return
    if code not in _announced and not os.environ.get("SOFTMODE_TRUST"):
        _announced.add(code)
        log.warning(
            "%s can do all that you can on this machine: use it if you trust where it comes from. "
            "(softmode --trust …, or trust = true under its [[potential]] in a study, says that you do%s.)",
            code,
            besides,
        )
