"""``softmode passport``: how sure the figures and the verdict of one crystal and potential are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from softmode.cli.console import busy, out, print_json
from softmode.cli.options import (
    POTENTIAL,
    Accept,
    Device,
    Dtype,
    Supercell,
    check_picture,
    loaded_potential,
    save_picture,
)
from softmode.cli.reference import said
from softmode.measurements.measure import measure
from softmode.measurements.noise_floor import NOISE_FLOOR
from softmode.measurements.passport.panels import SHOWN
from softmode.measurements.passport.ways import FACTORS, chosen_labels
from softmode.notebook.inputs import conditions_of, load
from softmode.records import Record
from softmode.style import plain, pretty_formula

_OTHERS = 3  # ways of another verdict that are named


def _lines(values: Mapping[str, Any], potential: str) -> Iterator[str]:
    """The verdicts, and how they stand to noise and to each other."""
    yield f"{potential}: {values['passport_verdict']} (margin {values['passport_margin_THz']:.2f} THz)"
    if "passport_reference_verdict" in values:
        margin = values["passport_reference_margin_THz"]
        yield f"reference: {values['passport_reference_verdict']} (margin {margin:.2f} THz)"
    else:
        yield "no reference force constants: what is compared with them is left out, the verdict stands"
    if others := values["passport_otherwise"]:
        more = f"; … {len(others) - _OTHERS} more" if len(others) > _OTHERS else ""
        word = "unstable" if values["passport_stable"] else "stable"
        yield f"{word} with {'; '.join(others[:_OTHERS])}{more}"
    beyond = "" if values["passport_beyond_noise"] else "; so is the lowest mode in some ways: it may be 0"
    yield f"frequencies below {values[NOISE_FLOOR]:.2g} THz are noise{beyond}"


def _table(values: Mapping[str, Any]) -> Table:
    """Figures that move: under the protocol, over all ways, and the factor that moves each the most."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True)
    for title in ("protocol", "lowest", "highest"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("most by")
    for name, title in SHOWN.items():
        move = values["moves"].get(name)
        if move is None:
            continue
        ranges = {factor: high - low for factor, (low, high) in move["by"].items()}
        most = max(ranges, key=lambda factor: ranges[factor])
        numbers = (f"{move[key]:.4g}" for key in ("protocol", "lowest", "highest"))
        table.add_row(title, *numbers, f"{FACTORS[most]} ({ranges[most]:.2g})")
    return table


def passport(
    reference: Annotated[
        str, typer.Option(help="As of `softmode phonons`, or a structure file; or 'example'.")
    ],
    potential: Annotated[list[str], typer.Option(help=f"{POTENTIAL}; may be given several times.")],
    protocol: Annotated[str, typer.Option(help="'default' or 'yang2026'.")] = "default",
    displacement: Annotated[
        list[float] | None,
        typer.Option(
            help="Displacement, Å; repeatable. Default: 0.003, 0.01, 0.02, 0.05.", show_default=False
        ),
    ] = None,
    structures: Annotated[bool, typer.Option(help="Also the crystal relaxed by the potential.")] = True,
    precisions: Annotated[bool, typer.Option(help="Also another precision, where there is one.")] = True,
    largest_supercell: Annotated[
        int, typer.Option(min=0, help="Atoms of another supercell for the verdict; 0: none.")
    ] = 300,
    supercell: Supercell = None,
    accept: Accept = None,
    dtype: Dtype = None,
    device: Device = "cpu",
    kwargs: Annotated[str, typer.Option(help="Keyword arguments of the potential, as JSON.")] = "{}",
    plot: Annotated[
        Path | None, typer.Option(help="Draw what moves the figures to this file (.png, .pdf, .svg).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all values as JSON, a list.")] = False,
) -> None:
    """Make the phonons of one material in many ways: how far figures move, how sure 'stable' is."""
    check_picture(plot, potential)
    own: dict[str, Any] = {
        "structures": structures,
        "precisions": precisions,
        "largest_supercell": largest_supercell,
        **({"displacements": displacement} if displacement else {}),
    }
    conditions = conditions_of("softmode passport", {"protocol": protocol, "passport": own})
    material = said(load(reference, supercell, accept or ()).material, reference)
    found = {}
    for name in potential:
        model = loaded_potential(name, dtype, device, kwargs)
        with busy(f"passport of {material.formula} with {name}"):
            found[name] = measure("passport", material, model.potential, conditions)["passport"]
    if plot is not None:
        title = f"{pretty_formula(material.formula)}, {plain(potential[0])}"
        from softmode.measurements.passport.figure import passport_figure

        save_picture(passport_figure(found[potential[0]].values, title), plot)
    if as_json:
        about = {"material": material.name, "formula": material.formula}
        print_json([{**about, "potential": name, **_json(record)} for name, record in found.items()])
        return
    for name, record in found.items():
        _say(name, record.values)


def _json(record: Record) -> dict[str, Any]:
    """All values; ways in words, and each figure in all of them."""
    values = dict(record.values)
    choices, names = values.pop("choices"), values["figures"]
    values["ways"] = chosen_labels(choices, record.arrays["ways"])
    values["figures"] = dict(zip(names, record.arrays["figures"].T.tolist(), strict=True))
    return values


def _say(potential: str, values: Mapping[str, Any]) -> None:
    for line in _lines(values, potential):
        out.print(Text(line), soft_wrap=True)
    table = _table(values)
    out.print(table if table.row_count else "no figure moves")
    for what, why in values["left_out"].items():
        out.print(Text(f"left out: {what}: {why}"), soft_wrap=True)
    out.print(
        f"{values['passport_new_calls']} force calls more than protocol and noise take "
        f"({values['passport_reused']} of theirs used again)"
    )
