"""``softmode potentials``: what potentials softmode knows by name, what is known of one, and checking one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from softmode.cli.checking import check_potentials, figures_table
from softmode.cli.console import Command, Group, broken, out, print_json, remark
from softmode.cli.installing import install_families
from softmode.cli.options import Device, Dtype
from softmode.potentials.conformance import measured
from softmode.potentials.environments import made_for
from softmode.potentials.family import Entry, Family
from softmode.potentials.leakage import UNKNOWN, obtain_split, phonons_seen, seen_statement
from softmode.potentials.modules import distribution_version
from softmode.potentials.registry import families, find_entry, find_family, known
from softmode.potentials.resolution import describe, weights_status
from softmode.potentials.weights import proof

#: Columns of the list and their widths: with a blank between them they fit into 80 characters.
_COLUMNS = {
    **{"name": 18, "el.": 3, "training data": 13, "theory": 6, "con": 3},
    **{"Hess": 4, "size": 5, "licence": 7, "weights": 13},
}
_TO_THE_RIGHT = ("el.", "size")
_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))

AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]

potentials = typer.Typer(
    cls=Group,
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@potentials.callback()
def listed(context: typer.Context, as_json: AsJson = False) -> None:
    """List potentials: training data, level of theory, Hessians, size, licence, weights on this machine.

    Besides these: a path to any MACE .model file, and any ASE calculator as module:factory.
    """
    if context.invoked_subcommand is not None:
        return
    if as_json:
        rows = [
            asdict(entry.info(family.name))
            | {
                "weights": str(weights_status(entry.name)),
                "last_bits": family.last_bits(),
                "measured": measured().get(entry.name),
            }
            for family, entry in known()
        ]
        print_json(rows)
        return
    out.print(_table())
    for family in families():
        if family.entries and family.package is not None:
            out.print(*_where_it_runs(family), markup=False, end="")
    others = "; ".join(family.others for family in families() if family.others)
    out.print(
        "el.: elements covered; con: conservative, as measured; Hess: trained on Hessians; size: parameters."
    )
    out.print("not tried: a recipe written from documentation, which nobody has run here yet.")
    out.print(f"Also: {others}. Case does not matter in names.")
    out.print("All that is known of one: softmode potentials show NAME; of all: softmode potentials --json")


@potentials.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of `softmode potentials`.")],
    material: Annotated[
        list[str] | None,
        typer.Option(help="Say whether it was trained on the phonons of this crystal, as mp-463."),
    ] = None,
) -> None:
    """Show all that is known of a potential, with what was measured of it.

    Of one trained on Hessians the list of crystals is fetched, when it is not on this machine.
    """
    info = describe(name)
    family, entry = find_family(info.family), find_entry(name)
    if entry is not None and entry.split is not None and (problem := obtain_split(entry.split)):
        remark(str(problem))
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    size = f"{info.parameters:,} parameters" if info.parameters else "number of parameters not known"
    hessians = {True: "with Hessians", False: "no Hessians", None: "Hessians: not known"}[info.hessians]
    seen = [f"{one}: {phonons_seen(one, name)}" for one in material or ()]
    rows = {
        "name": ", ".join((info.name, *(() if entry is None else entry.aliases))),
        "family": f"{info.family}, {size}",
        "elements": f"{len(info.elements)}: {' '.join(info.elements)}"
        if info.elements
        else "not known before it is loaded",
        "trained on": f"{info.training_data}, {info.level_of_theory}, {hessians}",
        "phonons seen": "; ".join([UNKNOWN if entry is None else seen_statement(entry), *seen]),
        "licence": info.licence,
        "citation": info.citation,
        "notes": info.notes,
        "weights": str(weights_status(name)),
        **({} if entry is None else {"checked against": proof(entry)}),
        "known answer": "none" if entry is None or entry.answer is None else entry.answer.source,
        "last bits": f"{family.last_bits()}; {family.last_bits('an accelerator')}",
    }
    for title, text in rows.items():
        table.add_row(title, Text(text or "–"))
    out.print(table)
    found = None if entry is None else measured().get(entry.name)
    if found is None:
        out.print(f"Not measured here: softmode potentials check {name}", markup=False)
        return
    versions = ", ".join(f"{package} {version}" for package, version in found["versions"].items())
    out.print(
        f"Measured {found['date']} with {versions}, {found['dtype']}, on {found['crystal']}:", markup=False
    )
    out.print(figures_table(found["figures"]))
    out.print(found["verdict"], markup=False)


@potentials.command(cls=Command)
def check(
    names: Annotated[
        list[str], typer.Argument(help="Names, weight files, or calculators as module:factory.")
    ],
    structure: Annotated[
        Path | None,
        typer.Option(help="Crystal to check it on, a file of a few atoms; a simple one when not given."),
    ] = None,
    dtype: Dtype = None,
    device: Device = "cpu",
    kwargs: Annotated[str, typer.Option(help="Keyword arguments of the potential, as JSON.")] = "{}",
    answer: Annotated[
        Path | None,
        typer.Option(help="Energy and forces of one structure that it must give (extended XYZ)."),
    ] = None,
    save_answer: Annotated[
        Path | None,
        typer.Option(help="Write what it gives, for --answer and for `answer` in a study file."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check potentials: known answer, forces against the energy, invariances, precision.

    Leaves with status 1 if one fails.
    """
    check_potentials(names, structure, dtype, device, kwargs, answer, save_answer, as_json=as_json)


@potentials.command("install", cls=Command)
def install_command(
    names: Annotated[
        list[str],
        typer.Argument(help="Families, as SevenNet, or potentials, whose weights are then fetched too."),
    ],
    python: Annotated[
        Path | None,
        typer.Option(help="Python to make the environment with, 3.11 or newer; this one when not given."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Give families of potentials environments of their own, in which they run from then on.

    An environment is made in softmode's cache, by uv where it is on PATH, else by venv and pip, from
    the versions that softmode asks for. Before it is used, a potential whose weights are at hand must
    give its known answer there and pass `softmode potentials check`. Install again to renew one. With
    python = "same" in a study file a potential runs beside softmode all the same.
    """
    install_families(names, python, as_json=as_json)


def _where_it_runs(family: Family) -> Iterator[str]:
    """A line on a family that runs in its own environment, or is not installed."""
    own = made_for(family.name)
    if own is not None and family.package is not None and own.python.exists():
        package = family.package.distribution
        version = distribution_version(package, own)
        yield f"{family.name} runs in its own environment ({package} {version}, Python {own.version})\n"
    elif own is not None or not family.is_installed():
        yield f"{family.name} needs: {family.how_to_install()}\n"


def _table() -> Table:
    """One line for each potential, under the name of its family."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for column, width in _COLUMNS.items():
        table.add_column(column, width=width, justify="right" if column in _TO_THE_RIGHT else "left")
    for family in families():
        if family.entries:
            table.add_row(Text(family.name, style="bold"))
        for entry in family.entries:
            table.add_row(
                broken(entry.name, _COLUMNS["name"]),
                str(len(entry.elements)) if entry.elements else "–",
                entry.training_data,
                entry.level_of_theory,
                _conservative(entry.name),
                {True: "yes", False: "no", None: "–"}[entry.hessians],
                _size(entry.parameters),
                _short_licence(entry),
                str(weights_status(entry.name)).removeprefix("package ") if entry.tried else "not tried",
            )
    return table


def _conservative(name: str) -> str:
    """Whether forces were measured to be the derivative of the energy."""
    found = measured().get(name)
    return "–" if found is None else "yes" if found["conservative"] else "no"


def _short_licence(entry: Entry) -> str:
    """Its abbreviation where it gives one, else what stands before the details."""
    abbreviation = re.search(r"\(([A-Z]+)\)", entry.licence)
    if abbreviation:
        return abbreviation.group(1)
    return "see --json" if entry.licence.startswith("see ") else entry.licence.partition(":")[0]


def _size(parameters: int | None) -> str:
    """A number of parameters as ``843 k``, ``1.2 M`` and ``26 M``."""
    if parameters is None:
        return "–"
    scale, unit = next(each for each in _UNITS if parameters >= 0.9995 * each[0] or each[1] == "k")
    value = parameters / scale
    return f"{value:.0f} {unit}" if value >= 9.95 or unit == "k" else f"{value:.1f} {unit}"
