"""``softmode init``: a study file to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from softmode.cli.console import say
from softmode.errors import SettingsError
from softmode.files import write_atomically
from softmode.study.template import study_template


def init(
    study_file: Annotated[Path, typer.Argument(metavar="FILE", help="Study file to write.")] = Path(
        "study.toml"
    ),
) -> None:
    """Write a study file with all settings, their defaults and what they are, to begin with.

    It can be run as it is: CHGNet on the embedded example.
    """
    if study_file.exists():
        raise SettingsError(str(study_file), "exists already", "Give another name, or move it away first")
    write_atomically(study_file, study_template(study_file.stem, str(study_file)).encode())
    say("written", study_file)
    say("next", f"softmode run {study_file} --dry-run")
