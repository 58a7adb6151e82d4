"""``softmode measure``: any measurement of one material; each command is made from the measurement itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

import pandas as pd
import typer
from pydantic import BaseModel
from rich.table import Table

from softmode.cli.console import Command, busy, out, print_json
from softmode.cli.options import Accept, Device, Dtype, Supercell
from softmode.cli.reference import said
from softmode.crystal import Material, Trajectory
from softmode.errors import SettingsError
from softmode.files import write_atomically
from softmode.measurements.conditions import Conditions
from softmode.measurements.declaration import Measurement, SettingsTable
from softmode.measurements.frames import Until
from softmode.measurements.measure import measure as make
from softmode.measurements.plan import with_requirements
from softmode.measurements.registry import measurement, named
from softmode.measurements.results import Results
from softmode.notebook.inputs import conditions_of, load, resolved_potential
from softmode.panel import Panel, RecordLink
from softmode.potentials import ResolvedPotential
from softmode.records import Record
from softmode.report.drawing import Cells, drawn_charts
from softmode.report.pictures import drawn
from softmode.study.template import descriptions

#: Options that every measurement has.
_COMMON: dict[str, tuple[Any, Any]] = {
    "reference": (
        Annotated[str, typer.Option(help="As of `softmode phonons`: file, folder, archive, or 'example'.")],
        ...,
    ),
    "potential": (
        Annotated[list[str] | None, typer.Option(help="Potential; may be given several times.")],
        None,
    ),
    "trajectory": (
        Annotated[list[Path] | None, typer.Option(help="Reference trajectory; may be given several times.")],
        None,
    ),
    "supercell": (Supercell, None),
    "accept": (Accept, None),
    "protocol": (Annotated[str, typer.Option(help="'default' or 'yang2026'.")], "default"),
    "seed": (Annotated[int, typer.Option(min=0, help="Seed of everything random.")], 2026),
    "dtype": (Dtype, None),
    "device": (Device, "cpu"),
    "plot": (
        Annotated[Path | None, typer.Option(help="Draw the measurement's figure to this .png or .pdf.")],
        None,
    ),
    "as_json": (Annotated[bool, typer.Option("--json", help="Print all values as JSON.")], False),
}


def _own_tables(name: str) -> dict[str, type[SettingsTable]]:
    """Settings of a measurement and of those it requires, by table."""
    steps = [measurement(step) for step in with_requirements(name)]
    return {step.table_name: step.settings for step in steps if step.settings is not None}


def _own_options(name: str) -> dict[str, tuple[str, str, Any, str]]:
    """Options from settings: table, field, type and help by the name of the option's parameter."""
    options: dict[str, tuple[str, str, Any, str]] = {}
    for table, model in _own_tables(name).items():
        said = descriptions(model)
        for field, info in model.model_fields.items():
            kind: Any = info.annotation
            parts = (kind, *get_args(kind))
            if any(isinstance(part, type) and issubclass(part, Until) for part in parts):
                kind = str  # which may be said in a word
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                continue  # tables within tables are for study files
            taken = field in options or field in _COMMON
            options[f"{table}_{field}" if taken else field] = (table, field, kind, said.get(field, ""))
    return options


def _first_sentence(text: str) -> str:
    first, dot, _ = text.partition(". ")
    return f"{first}." if dot else first


def _command(one: Measurement) -> Callable[..., None]:
    """The command of a measurement."""
    options = _own_options(one.name)

    def run(**given: Any) -> None:
        tables: dict[str, dict[str, Any]] = {}
        for parameter, (table, field, _, _) in options.items():
            if given[parameter] is not None:
                tables.setdefault(table, {})[field] = given[parameter]
        content = {"protocol": given["protocol"], "seed": given["seed"], **tables}
        _run(one, conditions_of(f"softmode measure {one.name}", content), given)

    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in _COMMON.items()
    ]
    parameters += [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[kind | None, typer.Option(help=_first_sentence(said), show_default=False)],
        )
        for name, (_, _, kind, said) in options.items()
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = f"{one.title}."
    return run


def _run(one: Measurement, conditions: Conditions, given: Mapping[str, Any]) -> None:
    if given["plot"] is not None and given["plot"].suffix not in (".png", ".pdf"):
        raise SettingsError(str(given["plot"]), "is no picture this command can write", "Use .png or .pdf")
    if given["plot"] is not None and one.panels is None:
        raise SettingsError(f"measurement {one.name}", "has no figure of its own", "Leave --plot away")
    crystal = load(given["reference"], given["supercell"], given["accept"] or ())
    material = said(crystal.material, given["reference"])
    if given["trajectory"]:
        crystal = crystal.with_trajectory(given["trajectory"])
    potentials: list[ResolvedPotential | None] = [
        resolved_potential(name, given["dtype"], given["device"]) for name in given["potential"] or ()
    ]
    records = {
        "reference" if potential is None else potential.info.name: _made(
            one, material, potential, conditions, crystal.trajectory
        )
        for potential in potentials or [None]
    }
    if given["plot"] is not None and one.panels is not None:
        _draw(one, one.panels, conditions, material, records, given["plot"])
    if given["as_json"]:
        print_json(
            [
                {"material": material.name, "formula": material.formula, "potential": label, **record.values}
                for label, record in records.items()
            ]
        )
        return
    out.print(_table(one, material, records))


def _made(
    one: Measurement,
    material: Material,
    potential: ResolvedPotential | None,
    conditions: Conditions,
    trajectory: Trajectory | None,
) -> Record:
    with busy(f"{one.name} of {material.formula}"):
        return make(one.name, material, potential, conditions, trajectory=trajectory)[one.name]


def _table(one: Measurement, material: Material, records: Mapping[str, Record]) -> Table:
    """The measurement's columns, one potential beside the other."""
    table = Table(title=f"{material.formula} ({material.name}): {one.name}", title_justify="left")
    table.add_column("")
    for label in records:
        table.add_column(label, justify="right", overflow="fold")
    for column in one.columns:
        table.add_row(column.title, *(_cell(record.values.get(column.name)) for record in records.values()))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else "–" if value is None else str(value)


def _draw(
    one: Measurement,
    panels: Callable[[Results], Iterable[Panel]],
    conditions: Conditions,
    material: Material,
    records: Mapping[str, Record],
    path: Path,
) -> None:
    """The first figure of the measurement's panels."""
    rows = pd.DataFrame(
        {
            "material": material.name,
            "formula": material.formula,
            "group": material.group,
            "potential": label,
            **{name: value for name, value in record.values.items() if not isinstance(value, list | dict)},
        }
        for label, record in records.items()
    )

    def link(material: str, potential: str) -> RecordLink:
        return RecordLink(material, potential, one.name, records[potential].key, "")

    results = Results(one, rows, conditions, lambda material, potential: records[potential], link)
    cells = Cells(rows, {column.name: column.head or column.title for column in one.columns})
    pictures = [
        picture for panel in panels(results) for picture in (*panel.pictures, *drawn_charts(panel, cells))
    ]
    if not pictures:
        raise SettingsError(f"measurement {one.name}", "has no figure of its own", "Leave --plot away")
    [content] = drawn(pictures[0].draw(), [path.suffix[1:]]).values()
    write_atomically(path, content)


measure = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Make one measurement of one material, with its own settings as options.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
for _name in named():
    measure.command(_name, cls=Command)(_command(measurement(_name)))
