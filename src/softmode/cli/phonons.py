"""``softmode phonons``: one material, one potential, without a study file."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from softmode.cli.console import busy, out, print_json
from softmode.cli.options import resolved_potential
from softmode.cli.reference import said_reference
from softmode.crystal import Material
from softmode.errors import SettingsError
from softmode.files import write_atomically
from softmode.harmonic.protocol import named_protocol
from softmode.measurements.conditions import Conditions
from softmode.measurements.harmonic import FIGURES
from softmode.measurements.measure import measure
from softmode.potentials.base import Potential
from softmode.records import Record
from softmode.report.bands import BandOverlay, band_figure, overlay_of_record
from softmode.style import PALETTE


@dataclass(frozen=True, eq=False)
class _Compared:
    """A potential against a reference."""

    material: Material
    potential: Potential
    protocol: str
    forces: Record
    record: Record


def _json(result: _Compared) -> dict[str, Any]:
    """Flat figures; those of the path under their plain names, those of the mesh prefixed."""
    values = result.record.values
    plain = {name.removeprefix("path_"): value for name, value in values.items() if name.startswith("path_")}
    return {
        "material": result.material.name,
        "formula": result.material.formula,
        "potential": result.potential.info.name,
        "protocol": result.protocol,
        **plain,
        **{name: value for name, value in values.items() if name.startswith("mesh_")},
        "asr_reference": values["asr_reference_eV_per_A2"],
        "asr_model": values["asr_model_eV_per_A2"],
        "nac": values["nac"],
        "residual_force_eV_per_A": result.forces.values["residual_force_eV_per_A"],
        "lattice_ratio": result.forces.values["lattice_ratio"],
        "dtype": result.potential.dtype,
        "device": result.potential.device,
        "seconds": result.forces.seconds + result.record.seconds,
    }


def _table(result: _Compared) -> Table:
    values = result.record.values
    table = Table(
        title=f"{result.material.formula} ({result.material.name}) × {result.potential.info.name}, "
        f"protocol {result.protocol}",
        title_justify="left",
    )
    for name in ("", "path", "mesh"):
        table.add_column(name, justify="left" if not name else "right")
    for name, label in FIGURES.items():
        table.add_row(label, *[_cell(values[f"{where}_{name}"]) for where in ("path", "mesh")])
    return table


def _cell(value: float | bool) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else f"{value:.4g}"


def _check_plot(path: Path | None) -> None:
    if path is not None and path.suffix not in (".png", ".pdf", ".svg"):
        raise SettingsError(str(path), "is no picture softmode can write", "Use .png, .pdf or .svg")


def _save_plot(overlay: BandOverlay, path: Path) -> None:
    buffer = io.BytesIO()
    band_figure([overlay], PALETTE[1]).savefig(buffer, format=path.suffix[1:])
    write_atomically(path, buffer.getvalue())


def phonons(
    reference: Annotated[
        str,
        typer.Option(help="File, folder or archive with DFT force constants or forces; or 'example'."),
    ],
    potential: Annotated[
        str, typer.Option(help="Name of `softmode potentials`, a .model file, or module:factory.")
    ],
    protocol: Annotated[str, typer.Option(help="'default' or 'yang2026'.")] = "default",
    supercell: Annotated[
        str | None,
        typer.Option(help="Three or nine integers, as '2 2 2', where no file says it; or its file."),
    ] = None,
    relax: Annotated[
        bool, typer.Option("--relax", help="Relax with the potential first, symmetry kept.")
    ] = False,
    dtype: Annotated[str | None, typer.Option(help="'float32' or 'float64'.")] = None,
    device: Annotated[str, typer.Option(help="'cpu' or 'cuda'.")] = "cpu",
    kwargs: Annotated[str, typer.Option(help="Keyword arguments of the potential, as JSON.")] = "{}",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the band structures to this file (.png, .pdf, .svg).")
    ] = None,
) -> None:
    """Compare the phonons of one potential with the DFT phonons of one material."""
    _check_plot(plot)
    resolved = resolved_potential(potential, dtype, device, kwargs)
    material = said_reference(reference, supercell)
    chosen = named_protocol(protocol, **({"relax": True} if relax else {}))
    with busy(f"loading {potential}"):
        loaded = resolved.load()
    with busy("computing forces and phonons"):
        records = measure("harmonic", material, loaded, Conditions.create({"protocol": chosen}))
    result = _Compared(material, loaded, chosen.name, records["displaced_forces"], records["harmonic"])
    if plot is not None:
        _save_plot(overlay_of_record(result.record, material.name, material.formula, loaded.info.name), plot)
    if as_json:
        print_json(_json(result))
    else:
        out.print(_table(result))
