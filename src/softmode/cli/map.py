"""``softmode map``: frames of trajectories as points, and whether the clouds overlap."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import ValidationError
from rich.table import Table

from softmode.cli.console import duration, err, out, print_json, progress, remark, say
from softmode.cli.options import Accept, Every, Skip
from softmode.cli.reference import said_reference
from softmode.configurations import KernelSettings, SoapSettings
from softmode.crystal import Material
from softmode.errors import SettingsError
from softmode.files import file_name
from softmode.measurements.conditions import explain
from softmode.measurements.map import MapSettings
from softmode.measurements.map.clouds import read_clouds, with_sigma
from softmode.measurements.map.trajectories import (
    TrajectoryMap,
    map_trajectories,
    map_values,
    require_maps_extra,
)
from softmode.processes import available_cores
from softmode.report.map_files import stranger_line, write_map_files
from softmode.report.map_page import overlap_row

_WORDS = {"frames": "describing frames", "pairs": "comparing pairs"}


def _settings(soap: dict[str, Any], kernel: dict[str, Any]) -> MapSettings:
    try:
        return MapSettings(soap=SoapSettings(**soap), kernel=KernelSettings(**kernel))
    except ValidationError as error:
        raise SettingsError("softmode map", explain(error), "Correct the option") from error


def _material(supercell: str | None, force_constants: Path | None, accept: Sequence[str]) -> Material | None:
    if force_constants is None:
        if supercell is not None:
            raise SettingsError(
                "--supercell",
                "it is for σ(t), which needs force constants",
                "Give --force-constants too; the map itself does not depend on the order of atoms",
            )
        return None
    return said_reference(force_constants, supercell, accept)


def _tables(content: dict[str, Any]) -> Table:
    table = Table(title=f"Overlap of frames of {content['n_atoms']} atoms", title_justify="left")
    table.add_column("clouds", no_wrap=True)
    for head in ("frames", "blocks", "MMD², relative", "neighbour separation"):
        table.add_column(head, overflow="fold")
    for values in content["overlaps"]:
        row = overlap_row(values)
        table.add_row(
            f"{row['first']} – {row['second']}",
            row["frames"],
            row["blocks"],
            f"{row['relative']} (p {row['mmd_p']})",
            f"{row['separation']} (p {row['near_p']})",
        )
    return table


def map_command(
    trajectories: Annotated[
        list[Path],
        typer.Argument(
            help="vasprun.xml(.gz/.xz), .traj, .extxyz, trajectory.nc, or folders of `softmode md`.",
            show_default=False,
        ),
    ],
    *,
    every: Every = 1,
    skip: Skip = 0,
    labels: Annotated[
        list[str] | None,
        typer.Option(help="One for each trajectory, repeatable; equal ones make one cloud. Default: names."),
    ] = None,
    supercell: Annotated[
        str | None,
        typer.Option(help="For σ(t): file of the supercell of loose force constants; '2 2 2' of a folder."),
    ] = None,
    force_constants: Annotated[
        Path | None,
        typer.Option(help="For σ(t): force_constants.hdf5, FORCE_CONSTANTS, phonopy.yaml, or a folder."),
    ] = None,
    accept: Accept = None,
    alpha: Annotated[float, typer.Option(help="Weight of the entropy in the match.")] = 1.0,
    r_cut: Annotated[float, typer.Option(help="SOAP: radius, Å.")] = 5.0,
    n_max: Annotated[int, typer.Option(help="SOAP: radial functions.")] = 7,
    l_max: Annotated[int, typer.Option(help="SOAP: largest angular momentum.")] = 6,
    sigma: Annotated[float, typer.Option(help="SOAP: width of an atom, Å.")] = 0.1,
    mode: Annotated[
        Literal["fast", "exact"], typer.Option(help="fast: errors below 1 % of the spread; exact: K to 1e-9.")
    ] = "fast",
    memory: Annotated[float, typer.Option(help="That may be used, GiB.")] = 4.0,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Default: one for each core.", show_default=False)
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="Where torch computes the pairs, as cuda. Default: numpy.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the results. Default: map/<labels>.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of samples and significances.")] = 2026,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Map of configuration space: does one trajectory visit what the other visits?

    The first trajectory is the reference. Interrupt it at any time and run the same command to go on.
    """
    require_maps_extra()
    settings = _settings(
        {"r_cut": r_cut, "n_max": n_max, "l_max": l_max, "sigma": sigma},
        {"alpha": alpha, "mode": mode, "memory": memory, "seed": seed},
    )
    material = _material(supercell, force_constants, accept or ())
    clouds = read_clouds(trajectories, labels or (), skip=skip, every=every)
    if material is not None:
        clouds = with_sigma(clouds, material)
    title = ", ".join(cloud.label for cloud in clouds)
    folder = output or Path("map") / file_name("_".join(cloud.label for cloud in clouds))
    with progress() as bar:
        tasks: dict[str, Any] = {}

        def advance(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(_WORDS[what], total=total, completed=done)
            bar.update(tasks[what], completed=done)

        def predicted(what: str, amount: int, seconds: float) -> None:
            text = f"{_WORDS[what]}: {amount:,} of them, about {duration(seconds)}"
            err.print(text)

        result = map_trajectories(
            clouds,
            settings,
            folder,
            threads=threads or available_cores(),
            device=device,
            seed=seed,
            advance=advance,
            predicted=predicted if err.is_terminal else lambda what, amount, seconds: None,
        )
    written = write_map_files(result, title)
    _say(result, written, as_json=as_json)


def _say(result: TrajectoryMap, written: dict[str, Path], *, as_json: bool) -> None:
    content = map_values(result)
    for note in content["notes"]:
        remark(note)
    if as_json:
        files = {name: str(path) for name, path in written.items()}
        timing = {"seconds": result.kernel.seconds, "predicted_seconds": result.kernel.predicted_seconds}
        print_json({**content, **timing, "files": files})
        return
    if content["overlaps"]:
        out.print(_tables(content))
    for found in result.analysis.strangers:
        out.print(stranger_line(found), markup=False, soft_wrap=True)
    kernel = result.kernel
    out.print(
        f"1 - K: median {kernel.diagnostics['median']:.2g}, spread {kernel.diagnostics['spread']:.2g}, error "
        f"below {kernel.diagnostics['largest_error']:.1g} in {kernel.diagnostics['error_pairs']} pairs; "
        f"{duration(kernel.seconds)}",
        soft_wrap=True,
    )
    say("map", written["page"])
