"""Commands that make the results of one material again, to be typed where the study's folder is."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from softmode.files import file_name
from softmode.study.folder import Case, Study
from softmode.study.settings import StudyPotential
from softmode.style import distinct

#: Measurements of a comparison, and what the command is called with to make it of the embedded crystal.
_OF_THE_EXAMPLE = {"harmonic": "phonons --reference", "sigma": "sigma --trajectory"}


def commands_of(study: Study, cases: Sequence[Case]) -> tuple[str, ...]:
    """Commands for a material.

    Parameters
    ----------
    study : Study
        Where it is measured.
    cases : sequence of Case
        Those of the material.
    """
    name = cases[0].material.name
    return (*_shorter(study), *distinct(again(one, name) for one in study.of or (study,)))


def again(study: Study, material: str) -> str:
    """The command that runs the study anew for one material, in a folder of its own."""
    folder = study.folder.name
    words = ["softmode", "run", folder, "--only", material, "--output", f"{folder}_{file_name(material)}"]
    return shlex.join(words)


def completing(study: Study, measurement: str) -> str:
    """The command that adds a measurement to a study."""
    return shlex.join(["softmode", "run", study.folder.name, "--also", measurement])


def _shorter(study: Study) -> list[str]:
    """Commands of the embedded crystal, where the study's settings are their defaults."""
    settings = study.settings
    plain = all(one == StudyPotential(name=one.name) for one in settings.potentials)
    if settings.dataset.kind != "example" or not plain or settings.conditions.protocol.name != "default":
        return []
    named = shlex.join(word for one in settings.potentials for word in ("--potential", one.name))
    return [
        f"softmode {command} example {named}"
        for measurement, command in _OF_THE_EXAMPLE.items()
        if measurement in settings.measurements
    ]
