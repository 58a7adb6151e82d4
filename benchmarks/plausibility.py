"""How far real reference data are from the limits of the plausibility checks: no alarm, and by how much.

    python benchmarks/plausibility.py ../shared/data

The table of ``docs/datasets.md`` is made of this. Without an argument the embedded example alone.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from softmode.crystal import Material, Trajectory
from softmode.datasets import MaterialEntry, align_trajectory, open_dataset, read_trajectory, supercell_of
from softmode.datasets.catalog import reference_entry
from softmode.datasets.loose_files import reference_from_supercell
from softmode.datasets.plausibility import CHECKS
from softmode.datasets.plausibility_figures import material_figures, trajectory_figures


def entries(data: Path | None) -> Iterator[MaterialEntry]:
    """All reference data at hand but loose files."""
    yield reference_entry("example")
    if data is None:
        return
    yield from open_dataset("phonondb", data / "phonondb").entries()
    yield from open_dataset("phonopy", data / "kcl_phonopy").entries()
    yield reference_entry(data / "cspbi3_vibes" / "trajectory.nc")


def loose(data: Path | None) -> Iterator[Material]:
    """References of which the files are no dataset."""
    if data is not None:
        folder = data / "srtio3_alamode"
        yield reference_from_supercell(folder / "SPOSCAR", folder / "force_constants.hdf5")


def runs(data: Path | None) -> Iterator[tuple[Trajectory, Material]]:
    """Configurations with forces, and what they belong to."""
    example = reference_entry("example")
    assert example.trajectory_loader is not None
    yield example.trajectory_loader(), example.loader()
    if data is None:
        return
    vibes = reference_entry(data / "cspbi3_vibes" / "trajectory.nc")
    assert vibes.trajectory_loader is not None
    yield vibes.trajectory_loader(), vibes.loader()
    [strontium_titanate] = loose(data)
    frames = read_trajectory([data / "srtio3_alamode" / "frames.extxyz"])
    yield align_trajectory(frames, supercell_of(strontium_titanate), "SrTiO3"), strontium_titanate


def main(data: Path | None) -> None:
    """Print figures and limits, and what the checks cost."""
    figures: dict[str, list[tuple[float, str]]] = defaultdict(list)
    reading = checking = 0.0
    found = list(loose(data))
    n_entries = 0
    for entry in entries(data):
        started = time.process_time()
        material = entry.loader()
        between = time.process_time()
        list(material_figures(material))
        reading, checking = reading + between - started, checking + time.process_time() - between
        n_entries += 1
        found.append(material)
    for material in found:
        for name, figure in material_figures(material):
            figures[name].append((figure, f"{material.formula} {material.name}"))
    for trajectory, material in runs(data):
        for name, figure in trajectory_figures(trajectory, material):
            figures[f"run: {name}"].append((figure, trajectory.source))
    print(
        f"{len(found)} materials; {1e3 * reading / n_entries:.1f} ms to read one, "
        f"{1e3 * checking / n_entries:.1f} ms to check it"
    )
    print(f"{'check':22} {'at least':>10} {'smallest':>12}   {'largest':>12} {'at most':>10}")
    for name, values in figures.items():
        check = CHECKS[name.removeprefix("run: ")]
        (low, where_low), (high, where_high) = min(values), max(values)
        alarms = sum(bool(check.said(figure)) for figure, _ in values)
        print(
            f"{name:22} {check.shown(check.low):>10} {check.shown(low):>12} … {check.shown(high):>12} "
            f"{check.shown(check.high):>10}   {where_low} … {where_high}; {alarms} alarms in {len(values)}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
