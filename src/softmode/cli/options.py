"""Options that several commands share, and what is made of them."""

from __future__ import annotations

import json

from softmode.cli.console import busy
from softmode.errors import SettingsError
from softmode.notebook.inputs import Model, resolved_potential

POTENTIAL = "Name of `softmode potentials`, a .model file, or module:factory"


def loaded_potential(name: str, dtype: str | None = None, device: str = "cpu", kwargs: str = "{}") -> Model:
    """The potential that options name, loaded; a terminal shows that it takes time.

    Raises
    ------
    SettingsError
        If an option is not valid.
    """
    try:
        options = json.loads(kwargs)
        if not isinstance(options, dict):
            raise ValueError("--kwargs is no JSON object")
    except ValueError as error:
        raise SettingsError(
            f"potential {name!r}", f"its options are not valid ({error})", "Correct them"
        ) from error
    with busy(f"loading {name}"):
        resolved = resolved_potential(name, dtype, device, options)
        return Model(resolved.load(), resolved)
