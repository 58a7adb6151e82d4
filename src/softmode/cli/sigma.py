"""``softmode sigma``: the anharmonicity score of a trajectory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from softmode.anharmonic.classes import NO_INTERVAL, WITHOUT_OWN_ERROR
from softmode.cli.console import busy, out, print_json, remark
from softmode.cli.options import POTENTIAL, Accept, Device, Dtype, Every, Skip, loaded_potential
from softmode.cli.reference import said_reference
from softmode.crystal import Material
from softmode.datasets import open_reference
from softmode.errors import SettingsError
from softmode.harmonic.protocol import named_protocol
from softmode.notebook.inputs import Crystal, load
from softmode.notebook.sigma import Anharmonicity, Sigma, anharmonicity
from softmode.records import Record


def _reference(
    trajectories: list[Path], supercell: str | None, force_constants: Path | None, accept: Sequence[str]
) -> Material:
    """Supercell and force constants, from whatever was given."""
    if force_constants is not None:
        return said_reference(force_constants, supercell, accept)
    if supercell is None and trajectories[0].suffix == ".nc":
        return open_reference(trajectories[0], accept=accept)
    raise SettingsError(
        "softmode sigma",
        "no force constants are given",
        "Give --force-constants (only an FHI-vibes trajectory.nc brings its own)",
    )


def _crystal(
    trajectories: list[Path],
    supercell: str | None,
    force_constants: Path | None,
    accept: Sequence[str],
    **frames: int,
) -> Crystal:
    """A crystal with the trajectory; ``example`` is the embedded one, with its own."""
    if trajectories == [Path("example")] and force_constants is None and supercell is None:
        if frames != {"skip": 0, "every": 1}:
            raise SettingsError(
                "softmode sigma",
                "the embedded frames are few",
                "Leave --skip and --every away, or see --frames",
            )
        return load("example", accept=accept)
    material = _reference(trajectories, supercell, force_constants, accept)
    return Crystal(material, accept=tuple(accept)).with_trajectory(trajectories, **frames)


def _json(material: Material, record: Record) -> dict[str, Any]:
    """Everything that was measured, JSON-able."""
    own = {name.removeprefix("sigma_reference_"): value for name, value in record.values.items()}
    modes = zip(
        *(
            record.arrays[f"mode_{name}_reference"].tolist()
            for name in ("frequencies", "qpoints", "multiplicities", "imaginary", "sigma")
        ),
        strict=True,
    )
    low, high = own["mean_t_low"], own["mean_t_high"]
    chances = {name: own[f"p_{name}"] for name in ("weak", "strong", "unstable")}
    return {
        "material": material.name,
        "formula": material.formula,
        "overall": own["overall"],
        "overall_std": own["overall_std"],
        "mean_t": own["mean_t"],
        "mean_t_ci95": None if low is None else [low, high],
        "class": own["class"],
        "class_probability": None if chances["weak"] is None else chances,
        "per_element": own["per_element"],
        "per_element_std": own["per_element_std"],
        "per_site": own["per_site"],
        "mass_weighted": own["mass_weighted"],
        "per_mode": [
            {
                "frequency_THz": frequency,
                "q": [round(x, 6) for x in q],
                "multiplicity": multiplicity,
                "imaginary": imaginary,
                "sigma": None if math.isnan(value) else value,
            }
            for frequency, q, multiplicity, imaginary, value in modes
        ],
        "n_frames": record.values["sigma_n_frames"],
        "n_effective": own["n_effective"],
        "interval_reliable": own["interval_reliable"],
        "autocorrelation_time_frames": own["autocorrelation_time_frames"],
        "natoms": material.n_supercell_atoms,
        "run_lengths": record.arrays["run_lengths"],
        "notes": record.values["sigma_notes"],
    }


def _table(content: dict[str, Any]) -> Table:
    table = Table(
        title=f"{content['formula']}: {content['n_frames']} frames of {content['natoms']} atoms",
        title_justify="left",
        show_header=False,
    )
    interval, chances = content["mean_t_ci95"], content["class_probability"]
    within = f"95 % [{interval[0]:.4f}, {interval[1]:.4f}]" if interval else NO_INTERVAL
    if interval and not content["interval_reliable"]:
        within += ", of too few independent frames to rely on"
    shares = ", ".join(f"{name} {100 * p:.0f} %" for name, p in chances.items()) if chances else "?"
    independent = content["n_effective"]
    for name, text in (
        ("⟨σ(t)⟩, the score", f"{content['mean_t']:.4f}   {within}"),
        ("class", f"{content['class']}   ({shares})"),
        ("σ overall", f"{content['overall']:.6f}   (mean forces removed: {content['overall_std']:.6f})"),
        ("σ by element", _listed(content["per_element"])),
        ("σ by site", _listed(content["per_site"])),
        ("σ mass-weighted", f"{content['mass_weighted']:.4f}"),
        ("independent frames", f"{independent:.1f}" if independent is not None else "unknown"),
    ):
        table.add_row(name, text)
    return table


def _listed(values: dict[str, float | None]) -> str:
    return "   ".join(
        f"{name} {value:.4f}" if value is not None else f"{name} –" for name, value in values.items()
    )


def _model_json(result: Anharmonicity) -> dict[str, Any]:
    """σ of a potential on the trajectory in each approach, and the errors of its forces."""
    values = result.record.values
    errors = {name: value for name, value in values.items() if name.endswith("eV_per_A")}
    names = ("force_error", "hessian_error", "n_evaluated", "stopped", "extent_note")
    more = {f"sigma_{name}": values.get(f"sigma_{name}") for name in names}
    return {"potential": result.potential, **result.sides, **errors} | {
        name: value for name, value in more.items() if value is not None
    }


def _model_table(results: list[Anharmonicity]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("on these frames", overflow="fold")
    own = f"class ({WITHOUT_OWN_ERROR})"
    for column in ("⟨σ(t)⟩", "95 %", own, "MAE(F)", "RMSE(F), eV/Å"):
        table.add_column(column, justify="left" if column == own else "right", no_wrap=column == "95 %")
    for result in results:
        for sigma, what, errors in (
            (result.sides["phi_ref"], "forces", (result.force_mae_eV_per_A, result.force_rmse_eV_per_A)),
            (result.sides["phi_model"], "forces and Φ", ()),
        ):
            table.add_row(
                Text(f"{result.potential}, {what}"), *_score(sigma), *(f"{error:.4f}" for error in errors)
            )
    return table


def _score(sigma: Sigma) -> tuple[str, str, str]:
    within = "–" if sigma.low is None else f"[{sigma.low:.4f}, {sigma.high:.4f}]"
    chance = f" {100 * sigma.probabilities[sigma.class_name]:.0f} %" if sigma.probabilities else " ?"
    return f"{sigma.mean_t:.4f}", within, f"{sigma.class_name}{chance}"


def sigma(
    more: Annotated[
        list[Path] | None, typer.Argument(help="Further trajectories.", show_default=False)
    ] = None,
    *,
    trajectory: Annotated[
        list[Path],
        typer.Option(
            help="vasprun.xml(.gz/.xz), .traj, .extxyz, trajectory.nc or phonopy dataset, repeatable; or "
            "'example'."
        ),
    ],
    supercell: Annotated[
        str | None,
        typer.Option(
            help="File of the supercell (SPOSCAR) of loose force constants; or three or nine integers, as "
            "'2 2 2', of a folder that does not say it."
        ),
    ] = None,
    force_constants: Annotated[
        Path | None,
        typer.Option(
            help="force_constants.hdf5, FORCE_CONSTANTS, FORCE_SETS, phonopy.yaml, or a folder of such files."
        ),
    ] = None,
    potential: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{POTENTIAL}, measured on the same frames; may be given several times.", show_default=False
        ),
    ] = None,
    accept: Accept = None,
    dtype: Dtype = None,
    device: Device = "cpu",
    skip: Skip = 0,
    every: Every = 1,
    frames: Annotated[
        str,
        typer.Option(
            help="Frames that potentials are evaluated on: 'all', 'every=5', 'adaptive' (until the class is "
            "95 % certain), or 'certainty=0.99', 'interval=0.02'."
        ),
    ] = "all",
    symmetrise: Annotated[
        bool, typer.Option("--symmetrise", help="Impose the sum rule on the force constants first.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Anharmonicity σ⁽²⁾ of a trajectory: overall, per frame, element, site and phonon mode."""
    trajectories = [*trajectory, *(more or [])]
    with busy("reading trajectories"):
        crystal = _crystal(trajectories, supercell, force_constants, accept or (), skip=skip, every=every)
    material = crystal.material
    protocol = named_protocol("default", symmetrise=symmetrise)
    content = _json(material, anharmonicity(crystal, protocol=protocol).record)
    results = []
    for name in potential or ():
        model = loaded_potential(name, dtype, device)
        with busy(f"σ of {material.formula} with {name}"):
            results.append(anharmonicity(crystal, model, protocol=protocol, frames=frames))
    for note in (*content["notes"], *(f"{one.potential}: {one.extent}" for one in results if one.extent)):
        remark(note)
    if as_json:
        print_json(content | ({"potentials": [_model_json(result) for result in results]} if results else {}))
        return
    out.print(_table(content))
    if results:
        out.print(_model_table(results))
