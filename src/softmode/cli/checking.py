"""``softmode potentials check``: measures a potential, and says in words whether it can be trusted."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table

from softmode.cli.console import ERROR, busy, out, print_json
from softmode.cli.options import loaded_potential
from softmode.errors import InputDataError, SettingsError
from softmode.numerics import limited_threads
from softmode.potentials.answers import save_answer
from softmode.potentials.conformance import PRECISIONS, Conformance, Figure, measure_conformance, verdict

if TYPE_CHECKING:
    from ase import Atoms

    from softmode.notebook.inputs import Model


def check_potentials(
    names: Sequence[str],
    structure: Path | None = None,
    dtype: str | None = None,
    device: str = "cpu",
    kwargs: str = "{}",
    answer: Path | None = None,
    save_answer_to: Path | None = None,
    *,
    as_json: bool = False,
) -> None:
    """Measure potentials and print the figures; options as of the command.

    Raises
    ------
    typer.Exit
        With status 1, when one breaks a limit.
    SoftmodeError
        If one cannot be used, or does not give its known answer.
    """
    if len(names) > 1 and (answer or save_answer_to):
        raise SettingsError("options", "an answer is that of one potential", "Name one potential")
    crystal = None if structure is None else _read(structure)
    found: list[tuple[Model, Conformance]] = []
    for name in names:
        model = loaded_potential(name, dtype, device, kwargs, answer)
        with closing(model.potential), busy(f"checking {name}"), limited_threads():
            found.append((model, measure_conformance(model.potential, crystal)))
            if save_answer_to is not None:
                save_answer(save_answer_to, model.potential, _what(model), crystal)
        if not as_json:
            _show(*found[-1])
    if as_json:
        print_json([_described(*each) for each in found])
    if any(conformance.broken() for _, conformance in found):
        raise typer.Exit(ERROR)


def _read(path: Path) -> Atoms:
    from ase.io import read

    try:
        atoms = read(path)
    except Exception as error:
        raise InputDataError(
            str(path),
            f"cannot be read as a structure ({type(error).__name__}: {error})",
            "Give a structure file",
        ) from error
    if not atoms.pbc.all():
        raise InputDataError(str(path), "is no crystal, for it is not periodic", "Give a crystal")
    return atoms


def _show(model: Model, conformance: Conformance) -> None:
    """A line on what was checked, the table, and the verdict."""
    out.print(f"{_what(model)}, on a distorted {conformance.crystal}", markup=False)
    out.print(figures_table({name: asdict(each) for name, each in conformance.figures.items()}))
    out.print(f"Known answer: {_answer(model)}", markup=False)
    out.print(verdict(conformance, model.potential.dtype), markup=False)


def figures_table(figures: Mapping[str, Mapping[str, Any]]) -> Table:
    """Figures as in JSON, each with its limits and the precision that it keeps to."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    for column in ("largest", "", "float64", "float32"):
        table.add_column(column, justify="left" if not column else "right", no_wrap=True)
    table.add_column("kept to")
    for figure in figures.values():
        each = Figure(**figure)
        table.add_row(
            each.title,
            f"{each.value:.1e}",
            each.unit,
            *(f"{each.limits[name]:.0e}" for name in PRECISIONS),
            each.precision or "[bold red]broken[/]",
        )
    return table


def _what(model: Model) -> str:
    own = model.potential
    versions = () if model.resolved is None else model.resolved.versions
    here = ", ".join(f"{name} {version}" for name, version in versions)
    return f"{own.info.name} ({here}), {own.dtype} on {own.device}"


def _answer(model: Model) -> str:
    """A potential that does not give its own is refused when it is loaded."""
    answer = None if model.resolved is None else model.resolved.answer
    return "none to compare with" if answer is None else f"reproduced ({answer.source})"


def _described(model: Model, conformance: Conformance) -> dict[str, Any]:
    own, resolved = model.potential, model.resolved
    return {
        "potential": own.info.name,
        "dtype": own.dtype,
        "device": own.device,
        "versions": {} if resolved is None else dict(resolved.versions),
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "known_answer": resolved is not None and resolved.answer is not None,
        "crystal": conformance.crystal,
        "conservative": conformance.conservative,
        "precision": conformance.precision or None,
        "broken": conformance.broken(),
        "verdict": verdict(conformance, own.dtype),
        "figures": {name: asdict(each) for name, each in conformance.figures.items()},
    }
