"""``softmode phonons``: one material, one potential, without a study file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.table import Table

from softmode.cli.console import out, print_json
from softmode.cli.reference import said_reference
from softmode.errors import SettingsError
from softmode.harmonic.protocol import named_protocol
from softmode.potentials import PotentialSettings, resolve
from softmode.report.bands import BandOverlay, band_figure, overlay_of_record
from softmode.study.one_off import HarmonicOneOff, score_phonons
from softmode.study.records import write_atomically
from softmode.study.settings import explain
from softmode.style import PALETTE


def _json(result: HarmonicOneOff) -> dict[str, Any]:
    """Flat figures; those of the path under their plain names, those of the mesh prefixed."""
    values = result.record.values
    plain = {name.removeprefix("path_"): value for name, value in values.items() if name.startswith("path_")}
    return {
        "material": result.material.name,
        "formula": result.material.formula,
        "potential": result.potential,
        "protocol": result.protocol.name,
        "n_q": plain.pop("n_q"),
        "rmse_w2_THz2": plain.pop("rmse_w2_THz2"),
        "rmse_vg_THzA": plain.pop("rmse_vg_THzA"),
        "lowest_reference_THz": plain.pop("lowest_reference_THz"),
        "lowest_model_THz": plain.pop("lowest_model_THz"),
        "asr_reference": values["asr_reference_eV_per_A2"],
        "asr_model": values["asr_model_eV_per_A2"],
        "softening": plain.pop("softening"),
        **plain,
        **{name: value for name, value in values.items() if name.startswith("mesh_")},
        "nac": values["nac"],
        "residual_force_eV_per_A": result.forces.values["residual_force_eV_per_A"],
        "lattice_ratio": result.forces.values["lattice_ratio"],
        "dtype": result.dtype,
        "device": result.device,
        "seconds": result.forces.seconds + result.record.seconds,
    }


def _table(result: HarmonicOneOff) -> Table:
    values = result.record.values
    table = Table(
        title=f"{result.material.formula} ({result.material.name}) × {result.potential}, "
        f"protocol {result.protocol.name}",
        title_justify="left",
    )
    for name in ("", "path", "mesh"):
        table.add_column(name, justify="left" if not name else "right")
    for label, name in (
        ("RMSE(ω²), THz²", "rmse_w2_THz2"),
        ("RMSE(v_g), THz·Å", "rmse_vg_THzA"),
        ("lowest mode, reference, THz", "lowest_reference_THz"),
        ("lowest mode, potential, THz", "lowest_model_THz"),
        ("mean frequency, reference, THz", "mean_frequency_reference_THz"),
        ("mean frequency, potential, THz", "mean_frequency_model_THz"),
        ("softening (slope of ω²)", "softening"),
        ("q with imaginary modes, reference", "imaginary_share_reference"),
        ("q with imaginary modes, potential", "imaginary_share_model"),
        ("agree on harmonic stability", "stability_agrees"),
    ):
        cells = [values[f"{where}_{name}"] for where in ("path", "mesh")]
        table.add_row(label, *[_cell(value) for value in cells])
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
    try:
        settings = PotentialSettings.model_validate(
            {"name": potential, "dtype": dtype, "device": device, "kwargs": json.loads(kwargs)}
        )
    except ValueError as error:
        reason = explain(error) if isinstance(error, ValidationError) else str(error)
        raise SettingsError(
            f"potential {potential!r}", f"its options are not valid ({reason})", "Correct them"
        ) from error
    changes: dict[str, object] = {"relax": True} if relax else {}
    material = said_reference(reference, supercell)
    result = score_phonons(material, resolve(settings), named_protocol(protocol, **changes))
    if plot is not None:
        overlay = overlay_of_record(
            result.record, result.material.name, result.material.formula, result.potential
        )
        _save_plot(overlay, plot)
    if as_json:
        print_json(_json(result))
    else:
        out.print(_table(result))
