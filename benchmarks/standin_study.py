"""A study of stand-in compounds with four cheap potentials, for benchmarks that run it in different ways."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hdp_potential import VARIANTS

POTENTIAL = "hdp_potential:CheapPotential"


def study_file(
    folder: Path,
    store: Path,
    name: str,
    *,
    run: str,
    every: int = 2,
    potential: str = "hdp_potential:CheapPotential",
    measurements: Sequence[str] = (),
) -> Path:
    """Write the study's settings.

    Parameters
    ----------
    folder : Path
        Where to; the study's own is below it.
    store : Path
        The compounds, ingested.
    name : str
        Of the study's folder.
    run : str
        The table ``[run]``, or those below it.
    every : int
        One frame in so many is used.
    potential : str
        The calculator, which takes the errors of :data:`hdp_potential.VARIANTS`.
    measurements : sequence of str
        Those to make; the default of a study where none is given.
    """
    path = folder / f"{name}.toml"
    potentials = "".join(
        f'[[potential]]\nname = "{potential}"\nlabel = "{label}"\n'
        f"kwargs = {{{', '.join(f'{key} = {value}' for key, value in errors.items())}}}\n"
        for label, errors in VARIANTS.items()
    )
    dataset = f'[dataset]\nkind = "hdp"\npath = "{store}"\noptions = {{skip = 0, every = {every}}}\n'
    made = f"measurements = {json.dumps(list(measurements))}\n" if measurements else ""
    head = f'name = "Stand-in"\noutput = "{folder / name}"\nseed = 2026\n{made}'
    path.write_text(f"{head}{dataset}{potentials}{run}")
    return path


def child(path: Path) -> None:
    """Open and run a study, in a process of its own, and print what it did as a line of JSON."""
    from softmode.study.folder import open_study
    from softmode.study.run import run_study
    from softmode.study.settings import load_study

    started = time.perf_counter()
    study = open_study(load_study(path))
    opened = time.perf_counter() - started
    report = run_study(study)
    said = {"opened": opened, "failed": report.failed, "total": report.total, "computed": report.computed}
    print(json.dumps(said), flush=True)


def complete(folder: Path) -> bool:
    """Whether a folder holds a study of which nothing is left to be computed."""
    from softmode.errors import SettingsError
    from softmode.study.folder import reopen_study

    try:
        study = reopen_study(folder)
    except SettingsError:
        return False
    return all(map(study.settled, study.cases))


def compare(first: Path, second: Path) -> tuple[int, int]:
    """Records of two studies that are equal, bit for bit, and those that are not or are in one only.

    They are known by material, potential and measurement; that the potential's code lay in another file does
    not count.
    """
    from softmode.records import Record
    from softmode.study.folder import reopen_study

    def content(record: Record) -> tuple[Any, ...]:
        arrays = {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in record.arrays.items()}
        inputs = {key: value for key, value in record.inputs.items() if key not in ("potential", "requires")}
        fixed = (record.measurement, inputs, record.values, record.failure)
        return json.dumps(fixed, sort_keys=True, default=str), arrays

    studies = [reopen_study(folder) for folder in (first, second)]
    cases = [{(case.material.name, case.label): case for case in study.cases} for study in studies]
    equal = different = 0
    seen: set[tuple[str, ...]] = set()
    for names in sorted(cases[0].keys() | cases[1].keys()):
        both = [of.get(names) for of in cases]
        keys = [{} if case is None else case.keys for case in both]
        for measurement in dict.fromkeys((*keys[0], *keys[1])):
            pair = tuple(found.get(measurement, "") for found in keys)
            if pair in seen:  # one that potentials share
                continue
            seen.add(pair)
            records = [
                study.store.find(key) if key else None for study, key in zip(studies, pair, strict=True)
            ]
            if records == [None, None]:
                continue
            one, other = records
            same = one is not None and other is not None and content(one) == content(other)
            equal, different = equal + same, different + (not same)
    return equal, different
