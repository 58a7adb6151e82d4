"""``softmode phonons``: one material and its reference, one or several potentials, without a study file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from rich.table import Table
from rich.text import Text

from softmode.cli.console import busy, out, print_json, remark
from softmode.cli.options import (
    POTENTIAL,
    Accept,
    Device,
    Dtype,
    Supercell,
    check_one,
    check_picture,
    loaded_potential,
    save_picture,
)
from softmode.cli.reference import said_reference
from softmode.errors import SettingsError
from softmode.harmonic.protocol import HarmonicProtocol, Structure, named_protocol
from softmode.leaderboard.beside import Candidate, candidate_of_comparison, standings
from softmode.leaderboard.standing import Standing, standing_words
from softmode.measurements.field_metrics import DOS_DISTANCE, DOS_DISTANCE_TITLE, NOTE, SIDED_FIGURES
from softmode.measurements.functionals import functional
from softmode.measurements.harmonic import FIGURES, PUBLISHED_FIGURES, RAW_FIGURES
from softmode.measurements.lattice import FIGURES as LATTICE_FIGURES
from softmode.measurements.lattice import LATTICE_NAMES, LATTICE_RATIO
from softmode.measurements.noise_floor import NOISE_FLOOR
from softmode.notebook.inputs import Crystal, Model
from softmode.notebook.phonons import PhononComparison, PhononFigures, compare_phonons, compare_references
from softmode.notebook.results import kind_of_file
from softmode.panel import NOTHING

_BESIDE = 4  # potentials of one table


def _json(
    result: PhononComparison, model: Model, floor: _Floor | None, beside: dict[str, Any]
) -> dict[str, Any]:
    """Flat figures; those of the path under their plain names, those of the mesh prefixed."""
    forces, record = result.records["displaced_forces"], result.records["harmonic"]
    values = record.values
    plain = {name.removeprefix("path_"): value for name, value in values.items() if name.startswith("path_")}
    return {
        "material": result.material.name,
        "formula": result.material.formula,
        "potential": result.potential,
        "protocol": result.conditions.protocol.name,
        **plain,
        **{name: value for name, value in values.items() if name.startswith("mesh_")},
        "asr_reference": values["asr_reference_eV_per_A2"],
        "asr_model": values["asr_model_eV_per_A2"],
        "noise_floor_reference_THz": values["noise_floor_reference_THz"],
        "noise_floor_model_THz": values["noise_floor_model_THz"],
        **(result.records["noise_floor"].values if "noise_floor" in result.records else {}),
        "nac": values["nac"],
        **{name: value for name, value in values.items() if name.startswith(("level_of_", "functionals_"))},
        **({"lattice": result.lattice} if "lattice" in result.records else {}),
        "residual_force_eV_per_A": forces.values["residual_force_eV_per_A"],
        "lattice_ratio": forces.values["lattice_ratio"],
        **{name: value for name, value in forces.values.items() if name.startswith("relax")},
        **({} if floor is None else {"floor": asdict(floor)}),
        "leaderboard": beside,
        "dtype": model.potential.dtype,
        "device": model.potential.device,
        "seconds": forces.seconds + record.seconds,
    }


@dataclass(frozen=True)
class _Floor:
    """Another reference of the same crystal, and how it differs from the first."""

    level_of_theory: str
    figures: dict[str, PhononFigures]


def _tables(results: Sequence[PhononComparison], floor: _Floor | None) -> Iterator[Table]:
    """Figures on path and mesh, a column for each reference and each potential, so many at a time."""
    for first in range(0, len(results), _BESIDE):
        shown = results[first : first + _BESIDE]
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("", no_wrap=True)
        table.add_column("reference", justify="right", no_wrap=True)
        if floor is not None:
            table.add_column("floor", justify="right", no_wrap=True)
        for result in shown:
            table.add_column(Text(result.potential), justify="right", overflow="fold", min_width=9)
        values = [result.records["harmonic"].values for result in shown]
        others = [own["level_of_theory_potential"] for own in values]
        others = others if floor is None else [floor.level_of_theory, *others]
        levels = (values[0]["level_of_theory_reference"], *others)
        known = (level.partition(" (")[0] if functional(level) else "?" for level in levels)
        table.add_row("functional", *known)
        beside = ("",) if floor is None else ("", "")
        for where, title in (("path", "band path"), ("mesh", "mesh")):
            table.add_row(Text(f"on the {title}", style="dim"))
            figures = [vars(getattr(result, where)) for result in shown]
            if floor is not None:
                figures.insert(0, vars(floor.figures[where]))
            for name, label in FIGURES.items():
                of_model, reference = name.replace("_reference", "_model"), ""
                if of_model != name:
                    label, reference = label.replace(", reference", ""), _cell(figures[0][name])
                elif "_model" in name:
                    continue  # stands beside that of the reference
                table.add_row(label, reference, *(_cell(own[of_model]) for own in figures))
            for name, label in PUBLISHED_FIGURES.items():
                if f"{where}_{name}" in values[0]:
                    table.add_row(label, *beside, *(_cell(own[f"{where}_{name}"]) for own in values))
        table.add_row(Text("force constants as they come", style="dim"))
        for name, label in RAW_FIGURES.items():
            reference, of_model = _cell(values[0][name.format("reference")]), name.format("model")
            table.add_row(label, reference, *beside[1:], *(_cell(own[of_model]) for own in values))
        if all("noise_floor" in result.records for result in shown):
            floors = [result.records["noise_floor"].values for result in shown]
            measured = (f"{own[NOISE_FLOOR]:.2g}, {own['noise_floor_from']}" for own in floors)
            table.add_row("noise, measured, and by what", *beside, *measured)
        table.add_row(Text("field's metrics, at 300 K", style="dim"))
        for name, label in SIDED_FIGURES.items():
            reference = _cell(values[0][f"mesh_{name.format('reference')}"])
            of_model = f"mesh_{name.format('model')}"
            table.add_row(label, reference, *beside[1:], *(_cell(own[of_model]) for own in values))
        table.add_row(DOS_DISTANCE_TITLE, *beside, *(_cell(own[f"mesh_{DOS_DISTANCE}"]) for own in values))
        if all("lattice" in result.records for result in shown):
            for at, title in LATTICE_NAMES.items():
                table.add_row(Text(f"{title}, band path", style="dim"))
                for name, label in LATTICE_FIGURES.items():
                    table.add_row(label, *beside, *(_cell(one.lattice[f"path_{name}_{at}"]) for one in shown))
            table.add_row(LATTICE_RATIO, *beside, *(_cell(one.lattice["lattice_ratio_own"]) for one in shown))
        yield table


def _cell(value: float | bool | None) -> str:
    if value is None:
        return NOTHING
    return ("yes" if value else "no") if isinstance(value, bool) else f"{value:.4g}"


def _within_noise(result: PhononComparison) -> str:
    """What is to be said of an imaginary mode that noise may have made; empty where there is none."""
    lowest = min(result.path.lowest_model_THz, result.mesh.lowest_model_THz)
    values = result.records.get("noise_floor", result.records["harmonic"]).values
    noise = values.get(NOISE_FLOOR, values.get("noise_floor_model_THz", 0.0))
    imaginary = lowest < -result.conditions.protocol.imaginary_tolerance
    if not imaginary or -lowest > noise:
        return ""
    return (
        f"frequencies below {noise:.2g} THz are noise, its imaginary mode of {lowest:.2f} THz is one of them"
    )


def _beside(result: PhononComparison, name: str, kwargs: str) -> tuple[Candidate | None, list[Standing], str]:
    """A comparison beside the packaged potentials on the same crystal, or why it is not."""
    values = {**result.records["harmonic"].values, **getattr(result.records.get("lattice"), "values", {})}
    digest = str(result.records["displaced_forces"].inputs.get("potential", ""))
    who = result.potential, digest, name if kwargs == "{}" else ""
    one, why_not = candidate_of_comparison(result.material, result.conditions, who, values)
    return one, [] if one is None else standings(one), why_not


def _beside_json(stands: Sequence[Standing], why_not: str) -> dict[str, Any]:
    ranks = {
        stand.figure.name: {
            "error": stand.median.value,
            "rank": int(stand.rank.value),
            "of": stand.of,
            "percentile": stand.percentile,
            "best": stand.best,
            "median": stand.typical,
        }
        for stand in stands
    }
    return ranks if ranks else {"why_not": why_not}


def _floor(crystal: Crystal, path: str, protocol: HarmonicProtocol) -> _Floor:
    other = said_reference(path)
    return _Floor(other.tags.get("level_of_theory", ""), compare_references(crystal, other, protocol))


def _protocol(name: str, structure: str | None, *, analytic: bool) -> HarmonicProtocol:
    if structure not in (None, *get_args(Structure)):
        raise SettingsError(
            f"structure {structure!r}", "is not known", f"Say {', '.join(get_args(Structure))}"
        )
    return named_protocol(
        name,
        **({} if structure is None else {"structure": structure}),
        **({"force_constants": "analytic"} if analytic else {}),
    )


def _check_files(plot: Path | None, written: Sequence[Path], potentials: Sequence[str]) -> None:
    """Refuse files that cannot be written before anything is computed."""
    check_picture(plot, potentials)
    for path in written:
        kind_of_file(path)
        check_one(f"--write {path}", potentials)


def phonons(
    reference: Annotated[
        str,
        typer.Option(help="File, folder or archive with DFT force constants or forces; or 'example'."),
    ],
    potential: Annotated[list[str], typer.Option(help=f"{POTENTIAL}; may be given several times.")],
    protocol: Annotated[str, typer.Option(help="'default' or 'yang2026'.")] = "default",
    supercell: Supercell = None,
    accept: Accept = None,
    structure: Annotated[
        str | None,
        typer.Option(
            help="'reference', 'relaxed' (by the potential, symmetry kept) or 'both': what the lattice does "
            "to the error. Default: the protocol's.",
            show_default=False,
        ),
    ] = None,
    analytic: Annotated[
        bool,
        typer.Option("--analytic", help="Force constants as analytic second derivatives of the potential."),
    ] = False,
    dtype: Dtype = None,
    device: Device = "cpu",
    kwargs: Annotated[str, typer.Option(help="Keyword arguments of the potential, as JSON.")] = "{}",
    floor: Annotated[
        str | None,
        typer.Option(
            help="Another DFT reference of the same crystal, as with another functional: what it differs by "
            "stands beside the potentials.",
            show_default=False,
        ),
    ] = None,
    noise: Annotated[
        bool,
        typer.Option(
            help="Measure by more force calls which frequencies are noise; otherwise what the force "
            "constants tell of themselves is shown."
        ),
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as JSON: of several potentials a list.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the band structures to this file (.png, .pdf, .svg).")
    ] = None,
    write: Annotated[
        list[Path] | None,
        typer.Option(
            help="Write phonopy's phonopy_params.yaml, band.yaml, FORCE_CONSTANTS or force_constants.hdf5 of "
            "the potential; may be given several times. The end of the name says which.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Compare the phonons of potentials with the DFT phonons of one material."""
    _check_files(plot, write or (), potential)
    conditions = _protocol(protocol, structure, analytic=analytic)
    crystal = Crystal(said_reference(reference, supercell, accept or ()))
    beside = None if floor is None else _floor(crystal, floor, conditions)
    models, results = [], []
    for name in potential:
        models.append(loaded_potential(name, dtype, device, kwargs))
        with busy(f"phonons of {crystal.material.formula} with {name}"):
            results.append(compare_phonons(crystal, models[-1], conditions, noise=noise))
        if note := results[-1].records["displaced_forces"].values.get("relaxation_note"):
            remark(f"{name}: {note}")
    if plot is not None:
        save_picture(results[0].plot(), plot)
    for path in write or ():
        remark(f"{results[0].write(path)} written")
    packaged = [_beside(result, name, kwargs) for result, name in zip(results, potential, strict=True)]
    if as_json:
        figures = [
            _json(result, model, beside, _beside_json(stands, why_not))
            for result, model, (_, stands, why_not) in zip(results, models, packaged, strict=True)
        ]
        print_json(figures if len(figures) > 1 else figures[0])
        return
    material = crystal.material
    name = f"{material.formula} ({material.name})" if material.name != material.formula else material.name
    out.print(f"{name}, protocol {results[0].conditions.protocol.name}", markup=False)
    for table in _tables(results, beside):
        out.print(table)
    for result in results:
        values = result.records["harmonic"].values
        functionals = result.functionals if values["functionals_differ"] else ""
        notes = (_within_noise(result), functionals, values[f"mesh_{NOTE}"])
        for note in filter(None, notes):
            out.print(Text(f"{result.potential}: {note}"))
    for one, stands, _ in packaged:
        if one is not None:
            out.print(Text(standing_words(one.potential, stands, one.itself)))
    if packaged[0][0] is None:
        remark(f"not set beside other potentials: {packaged[0][2]}")
