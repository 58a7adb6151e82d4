"""What a study would still have to compute, and about how long that takes."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import fmean

from softmode.cluster.settings import ClusterSettings
from softmode.errors import SoftmodeError
from softmode.measurements.conditions import Conditions
from softmode.measurements.measure import view_of
from softmode.measurements.plan import possible
from softmode.measurements.registry import measurement
from softmode.measurements.shared import plan
from softmode.measurements.view import Sources, View
from softmode.potentials.base import Potential
from softmode.study.costs import Costs
from softmode.study.folder import Case, Study

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
        About how many supercells it will be evaluated on; relaxations are in it, as what they are worth.
    seconds : float or None
        About how long these evaluations take on one worker; None when it cannot be loaded.
    problem : str
        Why it, or one of its materials, cannot be loaded, or it not be evaluated.
    measured : int
        Cells of this study from whose records the time is learnt; 0 where a few evaluations were timed.
    """

    label: str
    cells: int
    settled: int
    records: Mapping[str, int]
    calls: int
    seconds: float | None
    problem: str = ""
    measured: int = 0


@dataclass(frozen=True)
class PoolForecast:
    """What workers of one kind still have to do.

    Parameters
    ----------
    pool : str
        What they are called; empty on processes of this machine.
    workers : int
        As many as have something to do at a time.
    seconds : float
        How long that takes, all of them together.
    core_hours, accelerator_hours : float
        What it costs.
    """

    pool: str
    workers: int
    seconds: float
    core_hours: float
    accelerator_hours: float


def forecast(study: Study) -> list[Forecast]:
    """What each potential of a study still lacks, and about how long its evaluations take.

    Calls are counted in a dozen materials at most and scaled by atoms. Time is what the same measurements
    took with the same potential where this study has records of them. Otherwise it is that of a few
    evaluations made now, of one supercell of the study, scaled by atoms and calls.

    Parameters
    ----------
    study : Study
        Opened.
    """
    seen: set[str] = set()
    lacking = [(case, _missing(study, case, seen)) for case in study.cases]
    read = _sampled_materials([case for case, names in lacking if names])
    calls = _mean_calls(study, read, lacking)
    labels = dict.fromkeys(case.label for case in study.cases)
    recorded = _recorded(study)
    return [_of_potential(study, label, lacking, calls, read, recorded) for label in labels]


def by_pool(
    study: Study, found: Sequence[Forecast], cluster: ClusterSettings | None, workers: int
) -> list[PoolForecast]:
    """How the work is spread over kinds of workers; what several take over their workers alike.

    Parameters
    ----------
    study : Study
        Opened.
    found : sequence of Forecast
        Of its potentials.
    cluster : ClusterSettings or None
        Where it would be run.
    workers : int
        Processes of this machine, where that is on none.
    """
    if cluster is None:
        left = sum(one.cells - one.settled for one in found)
        workers, together = max(1, min(workers, left)), sum(one.seconds or 0.0 for one in found)
        hours = together * study.settings.conditions.threads / 3600
        return [PoolForecast("", workers, together / workers, hours, 0.0)]
    spread = []
    for name, pool in cluster.pools.items():
        taken = [one for one in found if name in cluster.takers(one.label)]
        together = sum(
            (one.seconds or 0.0)
            * pool.slots
            / sum(cluster.pools[other].slots for other in cluster.takers(one.label))
            for one in taken
        )
        workers = max(1, min(pool.slots, sum(one.cells - one.settled for one in taken)))
        hours = together / 3600
        cards = hours * pool.accelerators_per_worker
        spread.append(PoolForecast(name, workers, together / workers, hours * pool.cores_per_worker, cards))
    return spread


def _recorded(study: Study) -> dict[str, Costs]:
    """What each measurement has cost where there are records of it."""
    costs: defaultdict[str, Costs] = defaultdict(Costs)
    seen: set[str] = set()
    for case in study.cases:
        for name, header in study.headers(case).items():
            if header.ok and header.key not in seen:
                seen.add(header.key)
                costs[name].learn(case, header.seconds)
    return costs


def _of_potential(
    study: Study,
    label: str,
    lacking: Sequence[tuple[Case, list[str]]],
    calls: Mapping[str, float],
    read: Mapping[str, Sources],
    recorded: Mapping[str, Costs],
) -> Forecast:
    own = [(case, names) for case, names in lacking if case.label == label]
    count = [(calls[name], case.material.n_supercell_atoms) for case, names in own for name in names]
    asked = {name for _, names in own for name in names if calls[name]}
    problem, measured = "", 0
    if asked and all(name in recorded and recorded[name].knows(label) for name in asked):
        measured = min(recorded[name].number(label) for name in asked)
        seconds = sum(
            recorded[name].estimate(case) for case, names in own for name in names if name in recorded
        )
    elif asked:
        per_atom, problem = _seconds_per_atom(own[0][0], read, study.settings.conditions)
        seconds = per_atom * sum(n * atoms for n, atoms in count)
    else:
        seconds = 0.0
    return Forecast(
        label=label,
        cells=len(own),
        settled=sum(study.settled(case) for case, _ in own),
        records=Counter(name for _, names in own for name in names),
        calls=round(sum(n for n, _ in count)),
        seconds=None if math.isnan(seconds) else seconds,
        problem=problem or next((case.failure.message for case, _ in own if case.failure is not None), ""),
        measured=measured,
    )


def _missing(study: Study, case: Case, seen: set[str]) -> list[str]:
    """Measurements of a case that would be made; `seen` are the keys that other cells make before."""
    if case.failure is not None:
        return []
    failed: set[str] = set()
    missing = []
    for name in possible(case.inputs, failed):
        key = case.keys[name]
        record = study.store.header(key)
        if record is not None and record.settled:
            if not record.ok:
                failed.add(name)
        elif key not in seen:
            seen.add(key)
            missing.append(name)
    return missing


def _sampled_materials(cases: Sequence[Case]) -> dict[str, Sources]:
    """Some of the materials in which something is to be made, read; what cannot be read is left out."""
    found = {case.material.name: case for case in cases if case.entry is not None}
    names = list(found)
    step = max(1, -(-len(names) // _SAMPLED))
    read = {}
    for name in names[::step]:
        case, entry = found[name], found[name].entry
        if entry is None:
            continue
        sources = Sources(case.facts, entry.load, entry.load_trajectory if entry.has_trajectory else None)
        try:
            _ = sources.material
        except SoftmodeError:
            continue  # the run will record why
        read[name] = sources
    return read


def _mean_calls(
    study: Study, read: Mapping[str, Sources], lacking: Sequence[tuple[Case, list[str]]]
) -> dict[str, float]:
    """Calls of each measurement that is lacking, on average over the materials read that lack it."""
    conditions = study.settings.conditions
    materials: dict[str, set[str]] = defaultdict(set)
    for case, names in lacking:
        for name in names:
            materials[name].add(case.material.name)
    counts = {
        name: [_calls(name, read[material], conditions) for material in sorted(where & read.keys())]
        for name, where in materials.items()
    }
    return {name: fmean(found) if found else 0.0 for name, found in counts.items()}


def _calls(name: str, sources: Sources, conditions: Conditions) -> int:
    """About how many configurations a measurement of a material evaluates the potential on."""
    one = measurement(name)
    return 0 if one.calls is None else one.calls(view_of(one, sources, conditions))


def _seconds_per_atom(case: Case, read: Mapping[str, Sources], conditions: Conditions) -> tuple[float, str]:
    """Time of an evaluation for each atom, and why it is not known (then NaN)."""
    if case.potential is None:
        return math.nan, "" if case.failure is None else case.failure.message
    try:
        potential = case.potential.load()
    except SoftmodeError as error:
        return math.nan, str(error)
    problem = "none of its materials can be read"
    with closing(potential):
        for sources in read.values():
            try:
                return _timed(potential, sources, conditions), ""
            except SoftmodeError as error:
                problem = str(error)
    return math.nan, problem


def _timed(potential: Potential, sources: Sources, conditions: Conditions) -> float:
    """Seconds for each atom of a supercell, the fastest of a few evaluations."""
    perfect = plan(View(sources, conditions, ("structure",), who="forecast"), 0.01).perfect
    potential.check_elements([perfect])
    times = []
    for index in range(1 + _TIMED):
        moved = perfect.copy()
        moved.positions[0, 0] += 1e-3 * index  # Å; a calculator remembers what it was asked last
        started = time.perf_counter()
        potential.evaluate([moved])
        times.append(time.perf_counter() - started)
    return min(times[1:]) / len(perfect)
