"""What a study would still have to compute, and about how long that takes."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from softmode.errors import SoftmodeError
from softmode.potentials.base import Potential
from softmode.study.folder import Cell, Study
from softmode.study.material_work import MaterialWork
from softmode.study.plan import blocked

_SAMPLED = 12  # materials that are read to count calls
_TIMED = 3  # evaluations, after one that may compile or allocate


@dataclass(frozen=True)
class Forecast:
    """What one potential of a study still lacks.

    Parameters
    ----------
    label : str
        Name in tables.
    cells, settled : int
        Its cells, and those where there is nothing to compute.
    records : mapping of str to int
        Records to be made, by measurement; one that several potentials share stands with the first.
    calls : int
        About how many configurations it will be evaluated on, those of relaxations left out.
    seconds : float or None
        About how long these evaluations take on one worker; None when it cannot be loaded.
    problem : str
        Why it, or one of its materials, cannot be loaded, or it not be evaluated.
    """

    label: str
    cells: int
    settled: int
    records: Mapping[str, int]
    calls: int
    seconds: float | None
    problem: str = ""


def forecast(study: Study) -> list[Forecast]:
    """What each potential of a study still lacks, and about how long its evaluations take.

    Calls are counted in a dozen materials at most and scaled by atoms; time is that of a few evaluations made
    now, of one supercell of the study, scaled by atoms and calls.

    Parameters
    ----------
    study : Study
        Opened.
    """
    seen: set[str] = set()
    lacking = [(cell, _missing(study, cell, seen)) for cell in study.cells]
    works = _sampled_materials(study, [cell for cell, names in lacking if names])
    calls = _mean_calls(study, works, lacking)
    labels = dict.fromkeys(cell.label for cell in study.cells)
    return [_of_potential(study, label, lacking, calls, works) for label in labels]


def _of_potential(
    study: Study,
    label: str,
    lacking: Sequence[tuple[Cell, list[str]]],
    calls: Mapping[str, float],
    works: Mapping[str, MaterialWork],
) -> Forecast:
    own = [(cell, names) for cell, names in lacking if cell.label == label]
    count = [(calls[name], cell.material.n_supercell_atoms) for cell, names in own for name in names]
    per_atom, problem = (0.0, "") if not any(n for n, _ in count) else _seconds_per_atom(own[0][0], works)
    seconds = per_atom * sum(n * atoms for n, atoms in count)
    return Forecast(
        label=label,
        cells=len(own),
        settled=sum(study.settled(cell) for cell, _ in own),
        records=Counter(name for _, names in own for name in names),
        calls=round(sum(n for n, _ in count)),
        seconds=None if math.isnan(seconds) else seconds,
        problem=problem or next((cell.failure.message for cell, _ in own if cell.failure is not None), ""),
    )


def _missing(study: Study, cell: Cell, seen: set[str]) -> list[str]:
    """Measurements of a cell that would be made; `seen` are the keys that other cells make before."""
    if cell.failure is not None:
        return []
    failed: set[str] = set()
    missing = []
    for name in cell.inputs:
        key = cell.keys[name]
        record = study.store.header(key)
        if blocked(name, failed) or (record is not None and record.failure and not record.failure.transient):
            failed.add(name)
        elif (record is None or record.failure is not None) and key not in seen:
            seen.add(key)
            missing.append(name)
    return missing


def _sampled_materials(study: Study, cells: Sequence[Cell]) -> dict[str, MaterialWork]:
    """Some of the materials in which something is to be made, read; what cannot be read is left out."""
    entries = {cell.material.name: cell.entry for cell in cells if cell.entry is not None}
    names = list(entries)
    step = max(1, -(-len(names) // _SAMPLED))
    works = {}
    for name in names[::step]:
        entry = entries[name]
        try:
            load_trajectory = entry.load_trajectory if entry.has_trajectory else None
            works[name] = MaterialWork(entry.load(), study.settings.protocol, load_trajectory)
        except SoftmodeError:
            continue  # the run will record why
    return works


def _mean_calls(
    study: Study, works: Mapping[str, MaterialWork], lacking: Sequence[tuple[Cell, list[str]]]
) -> dict[str, float]:
    """Calls of each measurement that is lacking, on average over the materials read that lack it."""
    materials: dict[str, set[str]] = defaultdict(set)
    for cell, names in lacking:
        for name in names:
            materials[name].add(cell.material.name)
    counts = {
        name: [calls_of(study, name, works[material]) for material in sorted(where & works.keys())]
        for name, where in materials.items()
    }
    return {name: fmean(found) if found else 0.0 for name, found in counts.items()}


def calls_of(study: Study, measurement: str, work: MaterialWork) -> int:
    """About how many configurations a measurement of a material evaluates the potential on.

    Parameters
    ----------
    study : Study
        Its settings count.
    measurement : str
        Name.
    work : MaterialWork
        The material.
    """
    settings = study.settings
    sampling = settings.self_consistent
    match measurement:
        case "displaced_forces":
            return 1 + len(work.plan(settings.protocol.dispersion_displacement).displacements)
        case "displaced_forces_for_sigma" | "displaced_forces_for_dynamics":
            return 1 + len(work.plan(settings.protocol.sigma_displacement).displacements)
        case "trajectory_forces":
            return work.trajectory.n_frames
        case "thermal_forces":
            return settings.one_shot.n_samples if settings.one_shot.method == "random" else 2
        case "self_consistent_forces":
            return sampling.iterations * sampling.samples_per_iteration + sampling.n_samples
        case "md":
            return settings.md.replicas * (settings.md.steps + 1)
    return 0


def _seconds_per_atom(cell: Cell, works: Mapping[str, MaterialWork]) -> tuple[float, str]:
    """Time of an evaluation for each atom, and why it is not known (then NaN)."""
    if cell.potential is None:
        return math.nan, "" if cell.failure is None else cell.failure.message
    try:
        potential = cell.potential.load()
    except SoftmodeError as error:
        return math.nan, str(error)
    problem = "none of its materials can be read"
    for work in works.values():
        try:
            return _timed(potential, work), ""
        except SoftmodeError as error:
            problem = str(error)
    return math.nan, problem


def _timed(potential: Potential, work: MaterialWork) -> float:
    """Seconds for each atom of a supercell, the fastest of a few evaluations."""
    perfect = work.plan(work.protocol.dispersion_displacement).perfect
    potential.check_elements([perfect])
    times = []
    for index in range(1 + _TIMED):
        moved = perfect.copy()
        moved.positions[0, 0] += 1e-3 * index  # Å; a calculator remembers what it was asked last
        started = time.perf_counter()
        potential.evaluate([moved])
        times.append(time.perf_counter() - started)
    return min(times[1:]) / len(perfect)
