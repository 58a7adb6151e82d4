"""``softmode md``: molecular dynamics of a potential, and how anharmonic and stable the crystal is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from rich.table import Table

from softmode.anharmonic.classes import NO_INTERVAL, WITHOUT_OWN_ERROR
from softmode.cli.console import out, print_json, progress, remark
from softmode.cli.options import Accept, Device, Dtype, Relax, Supercell
from softmode.cli.reference import said
from softmode.crystal import Material
from softmode.dynamics import MDRun, export_ase, read_md, thermostat_warning
from softmode.files import file_name
from softmode.harmonic.protocol import named_protocol
from softmode.measurements.md import DynamicsSettings
from softmode.measurements.md.leaving import LEAVING
from softmode.measurements.measure import facts_of, measure
from softmode.measurements.plan import record_inputs
from softmode.notebook.inputs import Crystal, conditions_of, load, resolved_potential
from softmode.records import Record, RecordStore, claim_folder

#: Units of what names of fields do not say.
_UNITS = {
    **{f"settings.{name}": "K" for name in ("temperature", "start_temperature")},
    **{f"settings.{name}": "fs" for name in ("timestep", "thermostat_time")},
    **{f"settings.{name}": "Å" for name in ("closest_pair", "largest_displacement")},
    "settings.friction": "1/fs",
    "replicas.energy_drift": "meV/atom/ps",
    "replicas.conserved_drift": "meV/atom/ps",
}


def _json(
    material: Material,
    potential: str,
    settings: DynamicsSettings,
    records: Mapping[str, Record],
    runs: Sequence[MDRun],
) -> dict[str, Any]:
    """Everything that is told of the runs, JSON-able."""
    md, own = records["md"].values, records["model_only"].values
    low, high = own.get("sigma_model_only_mean_t_low"), own.get("sigma_model_only_mean_t_high")
    return {
        "material": material.name,
        "formula": material.formula,
        "potential": potential,
        "settings": settings.model_dump(mode="json"),
        "units": _UNITS,
        "status": md["md_status"],
        "reason": md["md_reason"],
        "temperature_K": md["md_temperature_K"],
        "sampled_temperature_K": md["md_sampled_temperature_K"],
        "replicas": md["md_replicas"],
        "left": own["model_only_left"],
        **{name: own[f"model_only_{name}"] for name in LEAVING if f"model_only_{name}" in own},
        "sigma": own["sigma_model_only_mean_t"],
        "sigma_ci95": [low, high] if low is not None else None,
        "sigma_overall": own["sigma_model_only_overall"],
        "class": own["sigma_model_only_class"],
        "class_probability": {
            name: own[f"sigma_model_only_p_{name}"] for name in ("weak", "strong", "unstable")
        },
        "n_frames": own["model_only_n_frames"],
        "n_effective": own.get("sigma_model_only_n_effective"),
        "interval_reliable": own.get("sigma_model_only_interval_reliable"),
        "notes": [
            *own["model_only_notes"],
            *([own["model_only_interval_note"]] if own["model_only_interval_note"] else []),
        ],
        "trajectories": [run.source for run in runs],
    }


def _replica_table(content: dict[str, Any]) -> Table:
    table = Table(
        title=f"{content['formula']} × {content['potential']}, {content['settings']['thermostat']}, "
        f"{content['settings']['temperature']:g} K",
        title_justify="left",
    )
    for name in ("replica", "start", "status", "frames", "temperature, K", "energy drift, meV/atom/ps"):
        table.add_column(name, overflow="fold")
    for index, replica in enumerate(content["replicas"]):
        lost = replica["status"] == "collapsed"
        drift, mean = replica["energy_drift"], replica["temperature_K"]
        table.add_row(
            str(index),
            replica["start"],
            f"[red]collapsed at step {replica['last_step']}[/red]" if lost else replica["status"],
            str(replica["n_frames"]),
            "–" if mean is None else f"{mean:.0f} ± {replica['temperature_error_K']:.0f}",
            "–" if drift is None else f"{drift['slope']:+.2g} ± {drift['standard_error']:.1g}",
        )
    return table


def _score_line(content: dict[str, Any]) -> str:
    if content["sigma"] is None:
        return f"class {content['class']}: the crystal is lost before there is a frame"
    interval = content["sigma_ci95"]
    within = f"95 % [{interval[0]:.4f}, {interval[1]:.4f}]" if interval else NO_INTERVAL
    if interval and not content["interval_reliable"]:
        within += ", of too few independent frames to rely on"
    chances = content["class_probability"]
    named = [f"{name} {100 * chance:.0f} %" for name, chance in chances.items() if chance is not None]
    gone = content["status"] == "collapsed" or content["left"]
    before = " (frames before it was lost)" if gone else ""
    return f"⟨σ(t)⟩ {content['sigma']:.4f}{before}   {within}\nclass {content['class']}" + (
        f"   ({', '.join(named)}; {WITHOUT_OWN_ERROR})" if named else ""
    )


def _warnings(content: dict[str, Any]) -> list[str]:
    own = [
        f"replica {index}: {text}"
        for index, replica in enumerate(content["replicas"])
        for text in [*replica["warnings"], *replica["notes"]]
    ]
    return list(dict.fromkeys([*own, *content["notes"]]))


def md(
    crystal: Annotated[
        str,
        typer.Argument(
            help="Structure file (CIF, POSCAR …), a reference as of `softmode phonons`, or 'example'."
        ),
    ],
    *,
    potential: Annotated[
        str, typer.Option(help="Name of `softmode potentials`, a .model file, or module:factory.")
    ],
    protocol: Annotated[
        str, typer.Option(help="'default' (Langevin) or 'yang2026' (Andersen, raw force constants).")
    ] = "default",
    thermostat: Annotated[
        Literal["langevin", "andersen", "nose-hoover"] | None,
        typer.Option(help="Default: that of the protocol.", show_default=False),
    ] = None,
    temperature: Annotated[float, typer.Option(help="K.")] = 300.0,
    steps: Annotated[
        int | None, typer.Option(help="Steps of each run. Default: 2000.", show_default=False)
    ] = None,
    timestep: Annotated[float, typer.Option(help="fs.")] = 1.0,
    sample_every: Annotated[
        int | None, typer.Option(help="Record every n-th step. Default: the protocol's.", show_default=False)
    ] = None,
    discard: Annotated[
        int | None,
        typer.Option(help="Steps left out of σ. Default: 10 %, none in yang2026.", show_default=False),
    ] = None,
    replicas: Annotated[int, typer.Option(help="Independent runs.")] = 2,
    trajectory: Annotated[
        list[Path] | None,
        typer.Option(help="Start in random frames of these instead of thermally displaced supercells."),
    ] = None,
    supercell: Supercell = None,
    accept: Accept = None,
    relax: Relax = False,
    seed: Annotated[int, typer.Option(min=0, help="Of starts, velocities and thermostat.")] = 2026,
    dtype: Dtype = None,
    device: Device = "cpu",
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the trajectories. Default: md/<crystal>_<potential>.", show_default=False
        ),
    ] = None,
    file_format: Annotated[
        Literal["h5", "traj"],
        typer.Option("--format", help="h5: HDF5 after H5MD, in pieces; traj: ASE's format besides."),
    ] = "h5",
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Molecular dynamics of a potential alone: does the crystal survive, and how anharmonic is it?

    Interrupt it at any time and run the same command to go on; with more steps a finished run is continued.
    """
    given = {
        "thermostat": thermostat,
        "temperature": temperature,
        "steps": steps,
        "timestep": timestep,
        "sample_every": sample_every,
        "discard": discard,
        "replicas": replicas,
    }
    conditions = conditions_of(
        "softmode md",
        {
            "protocol": named_protocol(protocol, **({"structure": "relaxed"} if relax else {})),
            "seed": seed,
            "md": {name: value for name, value in given.items() if value is not None},
        },
    )
    settings = conditions.of(DynamicsSettings)
    if warning := thermostat_warning(settings):
        remark(warning)
    material = said(load(crystal, supercell, accept or ()).material, crystal)
    frames = (
        Crystal(material, accept=tuple(accept or ())).with_trajectory(trajectory).trajectory
        if trajectory
        else None
    )
    resolved = resolved_potential(potential, dtype, device)
    folder = output or Path("md") / file_name(f"{material.name}_{potential}")
    inputs = record_inputs(["model_only"], facts_of(material, resolved, frames), conditions)["md"]
    # more steps and more replicas go on with what is there
    settled = {name: value for name, value in inputs.items() if name not in ("md.steps", "md.replicas")}
    what = f"molecular dynamics of {material.name} with {resolved.info.name}"
    claim_folder(folder, settled, what, inputs)
    done = np.zeros(replicas, int)
    with progress() as bar:
        task = bar.add_task("steps", total=replicas * settings.steps)

        def advance(replica: int, step: int) -> None:
            done[replica] = step
            bar.update(task, completed=int(done.sum()))

        records = measure(
            "model_only",
            material,
            resolved,
            conditions,
            RecordStore(folder / "records"),
            trajectory=frames,
            pieces={"md": folder},
            advance=advance,
        )
    runs = [read_md(folder / f"replica_{index}") for index in range(replicas)]
    if file_format == "traj":
        for index, run in enumerate(runs):
            export_ase(run, folder / f"replica_{index}.traj")
    _say(_json(material, resolved.info.name, settings, records, runs), folder, as_json=as_json)


def _say(content: dict[str, Any], folder: Path, *, as_json: bool) -> None:
    for warning in _warnings(content):
        remark(warning)
    if as_json:
        print_json(content)
        return
    out.print(_replica_table(content))
    out.print(_score_line(content))
    out.print(f"trajectories  {folder}", soft_wrap=True)
