"""``softmode sigma``: the anharmonicity score of a trajectory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from softmode.cli.console import err, out, print_json
from softmode.cli.reference import said_reference
from softmode.crystal import Material
from softmode.datasets import (
    align_trajectory,
    open_reference,
    read_trajectory,
    supercell_of,
)
from softmode.errors import SettingsError
from softmode.study.one_off import SigmaOneOff, score_trajectory


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


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _json(result: SigmaOneOff) -> dict[str, Any]:
    given, modes = result.score, result.modes
    return {
        "material": result.material.name,
        "formula": result.material.formula,
        "overall": result.result.overall,
        "overall_std": result.result.overall_std,
        "mean_t": given.mean_t,
        "mean_t_ci95": list(given.interval) if given.interval else None,
        "class": given.class_name,
        "class_probability": given.probabilities,
        "per_element": {name: _finite(value) for name, value in result.per_element.items()},
        "per_element_std": {name: _finite(value) for name, value in result.per_element_std.items()},
        "per_site": {name: _finite(value) for name, value in result.per_site.items()},
        "mass_weighted": modes.mass_weighted,
        "per_mode": [
            {
                "frequency_THz": float(frequency),
                "q": [round(float(x), 6) for x in q],
                "multiplicity": int(multiplicity),
                "imaginary": bool(imaginary),
                "sigma": _finite(value),
            }
            for frequency, q, multiplicity, imaginary, value in zip(
                modes.frequencies,
                modes.qpoints,
                modes.multiplicities,
                modes.imaginary,
                modes.sigma,
                strict=True,
            )
        ],
        "n_frames": result.trajectory.n_frames,
        "n_effective": given.n_effective,
        "interval_reliable": given.reliable,
        "autocorrelation_time_frames": given.autocorrelation_time,
        "natoms": result.trajectory.n_atoms,
        "run_lengths": list(result.trajectory.run_lengths),
        "notes": [*result.trajectory.notes, *([given.note] if given.note else [])],
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
    frames = read_trajectory(trajectories, skip=skip, every=every)
    aligned = align_trajectory(frames, supercell_of(material), frames.source)
    content = _json(score_trajectory(material, aligned, symmetrise=symmetrise))
    for note in content["notes"]:
        err.print(note, highlight=False, markup=False, soft_wrap=True)
    if as_json:
        print_json(content)
    else:
        out.print(_table(content))
