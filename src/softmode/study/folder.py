"""A study on disk: its settings, its materials and potentials, its cases and their records."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from softmode.datasets.base import MaterialEntry
from softmode.datasets.catalog import open_dataset
from softmode.errors import SettingsError, SoftmodeError, did_you_mean
from softmode.files import write_atomically
from softmode.measurements.declaration import Facts
from softmode.measurements.plan import inputs_and_keys, needs_potential, possible
from softmode.memory import collecting_later
from softmode.panel import RecordLink
from softmode.potentials.resolution import ResolvedPotential, resolve
from softmode.potentials.settings import PotentialSettings
from softmode.processes import available_cores
from softmode.records import Failure, Header, HeaderCache, Record, RecordStore, digest_of, record_holder
from softmode.study.materials import MaterialSummary, remembered_materials, summarise_materials, take
from softmode.study.settings import SETTINGS_FILE, DatasetSettings, StudySettings, parse_study, saved_settings

_MATERIALS_FILE = "materials.json"
_POTENTIALS_FILE = "potentials.json"
_HEADERS_FILE = "cache/headers.jsonl"


@dataclass(frozen=True)
class PotentialInStudy:
    """A potential of the study: ready to load, or the reason why it is not.

    Parameters
    ----------
    label : str
        Name in tables and figures.
    resolved : ResolvedPotential or None
        Set when it can be loaded.
    digest : str
        Of the potential; of its settings when it cannot be loaded.
    level_of_theory : str
        Of what it was trained on, as far as it is known.
    failure : Failure or None
        Why it cannot be loaded.
    """

    label: str
    resolved: ResolvedPotential | None
    digest: str
    level_of_theory: str = ""
    failure: Failure | None = None


@dataclass(frozen=True)
class Case:
    """One material and one potential.

    Parameters
    ----------
    material : MaterialSummary
        The material.
    label : str
        The potential's name in tables.
    facts : Facts
        What it is, by digest.
    inputs : mapping of str to dict
        Inputs of each measurement, in running order.
    keys : mapping of str to str
        Their digests: key of the record of each measurement.
    entry : MaterialEntry or None
        Loads the material; None when the source no longer holds it.
    potential : ResolvedPotential or None
        Loads the potential.
    failure : Failure or None
        Set when material or potential cannot be loaded at all.
    """

    material: MaterialSummary
    label: str
    facts: Facts
    inputs: Mapping[str, dict[str, Any]]
    keys: Mapping[str, str]
    entry: MaterialEntry | None
    potential: ResolvedPotential | None
    failure: Failure | None = None


@dataclass(frozen=True, eq=False)
class Study:
    """An opened study.

    Parameters
    ----------
    folder : Path
        Where it lives.
    settings : StudySettings
        What it measures.
    cases : tuple of Case
        Potential by potential, materials in order.
    store : RecordStore
        Its records.
    of : tuple of Study
        The studies that it joins; empty where it is one by itself.
    """

    folder: Path
    settings: StudySettings
    cases: tuple[Case, ...]
    store: RecordStore
    of: tuple[Study, ...] = ()

    def settled(self, case: Case) -> bool:
        """Whether there is nothing to compute in the case: all there, or a failure that would repeat."""
        failed: set[str] = set()
        for name in possible(case.inputs, failed):
            record = self.store.header(case.keys[name])
            if record is None and case.failure is not None and not needs_potential(name):
                continue  # cannot be made in this case, nor is it about this case's potential
            if record is None or not record.settled:
                return False
            if not record.ok:
                failed.add(name)
        return True

    @cached_property
    def _by_names(self) -> dict[tuple[str, str], Case]:
        return {(case.material.name, case.label): case for case in self.cases}

    def result(self, material: str, label: str, measurement: str) -> Record | None:
        """Record with its arrays, by names of material and potential; None where there is no result."""
        case = self._by_names.get((material, label))
        record = None if case is None else self.record(case, measurement)
        return record if record is not None and record.ok else None

    def link(self, material: str, label: str, measurement: str) -> RecordLink:
        """Where a number comes from, by names of material and potential."""
        key = self._by_names[material, label].keys[measurement]
        return RecordLink(material, label, measurement, key, self.file(key))

    def file(self, key: str) -> str:
        """File of a record, there or not, relative to the study's folder; packing does not change it."""
        return self._inside(self.store.file(key))

    def holder(self, key: str) -> str:
        """File that a record is in now, relative to the study's folder: its own, or a pack."""
        own = self.store.path(key)
        return self._inside(str(record_holder(own) or own))

    def _inside(self, path: str) -> str:
        folder = f"{self.folder}{os.sep}"
        inside = path[len(folder) :] if path.startswith(folder) else os.path.relpath(path, folder)
        return inside.replace(os.sep, "/")

    def record(self, case: Case, measurement: str) -> Record | None:
        """One record of a case with its arrays; None where there is none, or it is damaged."""
        key = case.keys.get(measurement)
        return None if key is None else self.store.find(key)

    def headers(self, case: Case) -> dict[str, Header]:
        """What records of a case say but for inputs and arrays, by measurement, as far as they exist."""
        found = ((name, self.store.known(case.keys[name])) for name in case.inputs)
        return {name: header for name, header in found if header is not None}

    def records(self, case: Case, *, with_arrays: bool = False) -> dict[str, Record]:
        """Records of a case by measurement, as far as they exist."""
        found = {}
        for name, inputs in case.inputs.items():
            key = case.keys[name]
            record = self.store.find(key) if with_arrays else self.store.header(key)
            if record is not None:
                found[name] = record if with_arrays else replace(record, inputs=inputs)
        return found


def _in_study(settings: PotentialSettings) -> PotentialInStudy:
    label = settings.label or settings.name
    try:
        resolved = resolve(settings)
    except SettingsError:
        raise
    except SoftmodeError as error:
        unresolved = digest_of({"unresolved": settings.model_dump(mode="json")})
        return PotentialInStudy(label, None, unresolved, failure=Failure.from_error(error))
    return PotentialInStudy(label, resolved, resolved.digest, resolved.info.level_of_theory)


def _cases(
    settings: StudySettings,
    materials: Sequence[MaterialSummary],
    entries: Mapping[str, MaterialEntry],
    potentials: Sequence[PotentialInStudy],
) -> tuple[Case, ...]:
    with collecting_later():
        of_potentials = (_cases_of(settings, materials, entries, potential) for potential in potentials)
        return tuple(chain.from_iterable(of_potentials))


def _cases_of(
    settings: StudySettings,
    materials: Sequence[MaterialSummary],
    entries: Mapping[str, MaterialEntry],
    potential: PotentialInStudy,
) -> Iterator[Case]:
    measured = settings.measurements_with(potential.label)
    for material in materials:
        facts = material.facts(potential.digest, potential.level_of_theory)
        failure = material.as_failure() if material.failure else potential.failure
        inputs, keys = inputs_and_keys(measured, facts, settings.conditions)
        yield Case(
            material=material,
            label=potential.label,
            facts=facts,
            inputs=inputs,
            keys=keys,
            entry=entries.get(material.name),
            potential=potential.resolved,
            failure=failure,
        )


def open_study(
    settings: StudySettings,
    *,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Study:
    """Open a study, new or begun: find its materials and potentials and the keys of all its records.

    Weights that are not on this machine are downloaded here.

    Parameters
    ----------
    settings : StudySettings
        From :func:`softmode.study.settings.load_study`.
    advance : callable
        Told how many of how many materials have been read.

    Raises
    ------
    SettingsError
        If dataset, selection or a potential's name is not understood, or nothing is selected.
    StorageError
        If the study's folder cannot be written.
    """
    folder, run = settings.output, settings.run
    dataset = open_dataset(settings.dataset.kind, settings.dataset.path, **settings.dataset.options)
    entries = _accepting(settings.dataset, settings.dataset.select.pick(dataset.entries()))
    materials = summarise_materials(
        entries,
        settings.dataset.select,
        folder / _MATERIALS_FILE,
        advance=advance,
        workers=None if run.executor is not None else run.workers or available_cores(),
        seconds=run.reading_limit,
    )
    if not materials:
        raise SettingsError(
            f"study {settings.name!r}",
            "its selection takes no material",
            "Widen [dataset.select]; `softmode datasets` shows what there is",
        )
    potentials = [_in_study(potential) for potential in settings.potentials]
    known = {one.label: {"digest": one.digest, "level_of_theory": one.level_of_theory} for one in potentials}
    _write_if_changed(folder / _POTENTIALS_FILE, json.dumps(known, indent=1))
    _write_if_changed(folder / SETTINGS_FILE, json.dumps(settings.content(), indent=1))
    by_name = {entry.name: entry for entry in entries}
    return Study(
        folder=folder,
        settings=settings,
        cases=_cases(settings, materials, by_name, potentials),
        store=store_of(folder),
    )


def _accepting(dataset: DatasetSettings, entries: Sequence[MaterialEntry]) -> list[MaterialEntry]:
    """The entries with what is accepted of them.

    Raises
    ------
    SettingsError
        If a material that something is accepted of is not there.
    """
    names = [entry.name for entry in entries]
    for name in dataset.accept if isinstance(dataset.accept, dict) else ():
        if name not in names:
            raise SettingsError(f"accept of {name!r}", "there is no such material", did_you_mean(name, names))
    return [replace(entry, accept=dataset.accepted(entry.name)) for entry in entries]


def store_of(folder: Path) -> RecordStore:
    """The records in a study's folder."""
    return RecordStore(folder / "records", HeaderCache(folder / _HEADERS_FILE))


def _write_if_changed(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_atomically(path, text.encode())


def reopen_study(folder: Path) -> Study:
    """Open the study in `folder` as its last run left it, to read it.

    Needs neither the reference data nor the potentials: what identifies them was remembered.

    Raises
    ------
    SettingsError
        If there is no study, or its files are damaged.
    """
    content = saved_settings(folder)
    try:
        known = json.loads((folder / _POTENTIALS_FILE).read_text(encoding="utf-8"))
        potentials = [
            PotentialInStudy(label, None, **(said if isinstance(said, dict) else {"digest": said}))
            for label, said in known.items()
        ]
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(
            str(folder), "holds no study", "Give the folder that `softmode run` wrote"
        ) from error
    settings = parse_study({**content, "output": str(folder)}, str(folder / SETTINGS_FILE))
    materials = take(remembered_materials(folder / _MATERIALS_FILE), settings.dataset.select)
    if not materials:
        raise SettingsError(
            str(folder),
            f"its list of materials ({_MATERIALS_FILE}) is damaged",
            "Run the study again with `softmode run`, which lists them anew",
        )
    return Study(
        folder=folder,
        settings=settings,
        cases=_cases(settings, materials, {}, potentials),
        store=store_of(folder),
    )
