"""``softmode sigma``: the anharmonicity score of a trajectory."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from softmode.cli.console import busy, err, out, print_json
from softmode.cli.options import conditions_of
from softmode.cli.reference import said_reference
from softmode.crystal import Material, Trajectory
from softmode.datasets import (
    align_trajectory,
    open_reference,
    read_trajectory,
    supercell_of,
)
from softmode.errors import SettingsError
from softmode.measurements.measure import measure
from softmode.records import Record


def _reference(trajectories: list[Path], supercell: str | None, force_constants: Path | None) -> Material:
    """Supercell and force constants, from whatever was given."""
    if force_constants is not None:
        return said_reference(force_constants, supercell)
    if supercell is None and trajectories[0].suffix == ".nc":
        return open_reference(trajectories[0])
    raise SettingsError(
        "softmode sigma",
        "no force constants are given",
        "Give --force-constants (only an FHI-vibes trajectory.nc brings its own)",
    )


def _json(material: Material, trajectory: Trajectory, record: Record) -> dict[str, Any]:
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
        "n_frames": trajectory.n_frames,
        "n_effective": own["n_effective"],
        "interval_reliable": own["interval_reliable"],
        "autocorrelation_time_frames": own["autocorrelation_time_frames"],
        "natoms": trajectory.n_atoms,
        "run_lengths": list(trajectory.run_lengths),
        "notes": record.values["sigma_notes"],
    }


def _table(content: dict[str, Any]) -> Table:
    table = Table(
        title=f"{content['formula']}: {content['n_frames']} frames of {content['natoms']} atoms",
        title_justify="left",
        show_header=False,
    )
    interval, chances = content["mean_t_ci95"], content["class_probability"]
    within = f"95 % [{interval[0]:.4f}, {interval[1]:.4f}]" if interval else "no interval: too few frames"
    if interval and not content["interval_reliable"]:
        within += ", of too few independent frames to rely on"
    shares = ", ".join(f"{name} {100 * p:.0f} %" for name, p in chances.items()) if chances else "uncertain"
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


def sigma(
    more: Annotated[
        list[Path] | None, typer.Argument(help="Further trajectories.", show_default=False)
    ] = None,
    *,
    trajectory: Annotated[
        list[Path],
        typer.Option(
            help="vasprun.xml(.gz/.xz), .traj, .extxyz, trajectory.nc or phonopy dataset; repeatable."
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
    skip: Annotated[int, typer.Option(min=0, help="Frames to leave out at the start of each run.")] = 0,
    every: Annotated[int, typer.Option(min=1, help="Use every n-th frame.")] = 1,
    symmetrise: Annotated[
        bool, typer.Option("--symmetrise", help="Impose the sum rule on the force constants first.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Anharmonicity σ⁽²⁾ of a trajectory: overall, per frame, element, site and phonon mode."""
    trajectories = [*trajectory, *(more or [])]
    material = _reference(trajectories, supercell, force_constants)
    with busy("reading trajectories"):
        frames = read_trajectory(trajectories, skip=skip, every=every)
    aligned = align_trajectory(frames, supercell_of(material), frames.source)
    conditions = conditions_of("softmode sigma", {"protocol": {"symmetrise": symmetrise}})
    record = measure("reference_sigma", material, conditions=conditions, trajectory=aligned)[
        "reference_sigma"
    ]
    content = _json(material, aligned, record)
    for note in content["notes"]:
        err.print(note, highlight=False, markup=False, soft_wrap=True)
    if as_json:
        print_json(content)
    else:
        out.print(_table(content))
