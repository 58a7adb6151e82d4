"""Options that several commands share, and what is made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from softmode.errors import SettingsError
from softmode.measurements.conditions import Conditions, explain
from softmode.potentials import PotentialSettings, resolve
from softmode.potentials.resolution import ResolvedPotential


def resolved_potential(
    name: str, dtype: str | None = None, device: str = "cpu", kwargs: str = "{}"
) -> ResolvedPotential:
    """The potential that options name.

    Raises
    ------
    SettingsError
        If an option is not valid.
    """
    try:
        settings = PotentialSettings.model_validate(
            {"name": name, "dtype": dtype, "device": device, "kwargs": json.loads(kwargs)}
        )
    except ValueError as error:
        reason = explain(error) if isinstance(error, ValidationError) else str(error)
        raise SettingsError(
            f"potential {name!r}", f"its options are not valid ({reason})", "Correct them"
        ) from error
    return resolve(settings)


def conditions_of(command: str, content: Mapping[str, Any]) -> Conditions:
    """Conditions from options, those that are not given left out.

    Raises
    ------
    SettingsError
        If an option is not valid.
    """
    try:
        return Conditions.create(content)
    except ValidationError as error:
        raise SettingsError(command, explain(error), "Correct the option") from error
