"""Options that several commands share, and what is made of them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from softmode.cli.console import busy
from softmode.errors import SettingsError
from softmode.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from softmode.notebook.inputs import Model

Supercell = Annotated[
    str | None, typer.Option(help="Three or nine integers, as '2 2 2', where no file says it; or its file.")
]
Accept = Annotated[
    list[str] | None,
    typer.Option(
        help="Check of the reference data whose verdict does not count (docs/datasets.md); repeatable.",
        show_default=False,
    ),
]
Relax = Annotated[bool, typer.Option("--relax", help="Relax with the potential first, symmetry kept.")]
Dtype = Annotated[str | None, typer.Option(help="'float32' or 'float64'.")]
Device = Annotated[str, typer.Option(help="'cpu' or 'cuda'.")]
Figures = Annotated[bool, typer.Option("--figures", help="Write figures too, as PNG, SVG and PDF.")]
Skip = Annotated[int, typer.Option(min=0, help="Frames to leave out at the start of each run.")]
Every = Annotated[int, typer.Option(min=1, help="Use every n-th frame.")]

POTENTIAL = "Name of `softmode potentials`, a .model file, or module:factory"


def check_picture(path: Path | None, potentials: Sequence[str]) -> None:
    """Refuse a picture that cannot be written before anything is computed.

    Raises
    ------
    SettingsError
        If its kind is not known, or it would be of several potentials.
    """
    if path is None:
        return
    if path.suffix not in (".png", ".pdf", ".svg"):
        raise SettingsError(f"--plot {path}", "is no picture softmode can write", "Use .png, .pdf or .svg")
    check_one(f"--plot {path}", potentials)


def save_picture(figure: Figure, path: Path) -> None:
    """Write a figure whose path :func:`check_picture` has looked at."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix[1:])
    write_atomically(path, buffer.getvalue())


def check_one(what: str, potentials: Sequence[str]) -> None:
    """Refuse what is of one potential where there are several.

    Raises
    ------
    SettingsError
        If there are several.
    """
    if len(potentials) > 1:
        raise SettingsError(what, "is of one potential, and several are given", "Give one potential")


def loaded_potential(
    name: str,
    dtype: str | None = None,
    device: str = "cpu",
    kwargs: str = "{}",
    answer: Path | None = None,
) -> Model:
    """The potential that options name, loaded; a terminal shows that it takes time.

    Raises
    ------
    SettingsError
        If an option is not valid.
    """
    # here, for `softmode potentials` needs nothing of it
    from softmode.notebook.inputs import Model, resolved_potential

    try:
        options = json.loads(kwargs)
        if not isinstance(options, dict):
            raise ValueError("--kwargs is no JSON object")
    except ValueError as error:
        raise SettingsError(
            f"potential {name!r}", f"its options are not valid ({error})", "Correct them"
        ) from error
    with busy(f"loading {name}"):
        resolved = resolved_potential(name, dtype, device, options, answer)
        return Model(resolved.load(), resolved)
