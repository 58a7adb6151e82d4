"""The kinds of datasets by name, those of other packages included, and one material from any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path

from softmode.crystal import Material
from softmode.datasets.base import Dataset, DatasetKind, MaterialEntry
from softmode.datasets.loose_files import reference_from_supercell, supercell_said
from softmode.datasets.plausibility import known_checks
from softmode.datasets.store import is_store, open_store, read_manifest
from softmode.errors import InputDataError, SettingsError, did_you_mean
from softmode.plugins import plugins

#: Entry points of this group name a `DatasetKind` each: ``name = "module:object"``.
GROUP = "softmode.datasets"
#: Named rather than imported: those of later rooms are in here too.
_BUILT_IN = (
    "softmode.datasets.phonondb:PHONONDB",
    "softmode.datasets.hdp:HDP",
    "softmode.datasets.phonopy_files:PHONOPY",
    "softmode.datasets.vibes:VIBES",
    "softmode.datasets.example:EXAMPLE",
    "softmode.structures.dataset:STRUCTURES",
)
#: What a path is taken for that no kind recognises: its error says best what can be given.
_FALLBACK = "phonopy"


@cache
def _built_in() -> tuple[DatasetKind, ...]:
    parts = (place.split(":") for place in _BUILT_IN)
    return tuple(getattr(import_module(module), name) for module, name in parts)


def known_datasets() -> list[DatasetKind]:
    """Every kind of dataset softmode reads: its own, then those of installed packages, a name only once."""
    kinds = (*_built_in(), *plugins(GROUP, DatasetKind))
    return list({kind.name: kind for kind in reversed(kinds)}.values())[::-1]


def dataset_kind(name: str) -> DatasetKind:
    """A kind of dataset by its name or another name of it, whatever their case.

    Raises
    ------
    SettingsError
        If there is none; names that look like it are given.
    """
    known = known_datasets()
    found = _named(name, known)
    if found is None:
        remedy = did_you_mean(_plain(name), [kind.name for kind in known])
        raise SettingsError(f"dataset {name!r}", "there is no such kind of dataset", remedy)
    return found


def open_dataset(kind: str, path: Path | str | None = None, **options: object) -> Dataset:
    """A dataset by its kind.

    Parameters
    ----------
    kind : str
        A name of ``softmode datasets``: ``phonondb``, ``hdp``, ``phonopy``, ``vibes``, ``example``,
        ``structures``, or that of another package.
    path : Path, optional
        Where the data are, or the store that ``softmode ingest`` made of them; ``example`` needs none, nor
        ``structures`` when it is given formulas.
    **options
        As `DatasetKind.option_meanings` says.

    Raises
    ------
    SettingsError
        If the kind or an option is unknown, or the path is missing, not there or not wanted.
    """
    found = dataset_kind(kind)
    if path is None:
        if found.path == "needed":
            raise SettingsError(f"dataset {found.name}", "no path is given", "set path to where the data are")
        return Dataset(found, None, found.options.create(found.name, options))
    if found.path == "none":
        raise SettingsError(
            f"dataset {found.name}", "it comes with softmode and takes no path", "leave the path away"
        )
    place = _existing(Path(path))
    if is_store(place):
        return open_store(found, place, options)
    return Dataset(found, place, found.options.create(found.name, options))


def recognised(path: Path) -> DatasetKind:
    """The kind of dataset that a file, folder, archive or store is of; phonopy's where none recognises it."""
    if is_store(path):
        return dataset_kind(read_manifest(path).kind)
    kinds = known_datasets()
    for kind in reversed(kinds):  # other packages first: they know of something special
        if kind.recognises is not None and kind.recognises(path):
            return kind
    return dataset_kind(_FALLBACK)


def open_reference(
    path: Path | str, supercell: str | Path | Sequence[int] | None = None, accept: Sequence[str] = ()
) -> Material:
    """One material: from a file, folder or archive that holds exactly one, or the embedded example by name.

    Parameters
    ----------
    path : Path or str
        A phonopy YAML file, a folder of phonopy files, an archive or folder of the phonon database, a
        compound of the halide double perovskite database (``dpv_…``), a trajectory.nc of FHI-vibes with
        force constants, or ``example``.
    supercell : str, Path or sequence of int, optional
        Three or nine integers where phonopy files do not give the supercell; or, where `path` is force
        constants or FORCE_SETS alone, the file of the supercell.
    accept : sequence of str
        Checks of plausibility whose verdict does not count, by name.

    Raises
    ------
    SettingsError
        If the path does not exist, a supercell is said of what brings its own, or there is no such check.
    InputDataError
        If it holds no material or several, or the data cannot be used or are not plausible.
    """
    said = None if supercell is None else supercell_said(supercell)
    if isinstance(said, Path):
        return reference_from_supercell(said, Path(path), known_checks(accept, str(path)))
    return reference_entry(path, said, accept).load()


def reference_entry(
    path: Path | str, supercell: Sequence[int] | None = None, accept: Sequence[str] = ()
) -> MaterialEntry:
    """One material that is not read yet, and its trajectory; otherwise as :func:`open_reference`."""
    found = None if Path(path).exists() else _named(str(path), known_datasets())
    if found is not None and found.path == "none":
        kind, place = found, None
    else:
        place = _existing(Path(path))
        kind = recognised(place)
    options: dict[str, object] = {} if supercell is None else {"supercell_matrix": supercell}
    if options and "supercell_matrix" not in kind.options.model_fields:
        raise SettingsError(str(path), "it brings its own supercell", "leave the supercell away")
    entries = open_dataset(kind.name, place, **options).entries()
    if len(entries) != 1:
        names = ", ".join(entry.name for entry in entries[:6]) + (", …" if len(entries) > 6 else "")
        raise InputDataError(
            str(path),
            f"it holds {len(entries)} materials ({names})",
            "point to one of them, or run a study on all",
        )
    return replace(entries[0], accept=known_checks(accept, str(path)))


def _named(name: str, kinds: list[DatasetKind]) -> DatasetKind | None:
    names = {_plain(each): kind for kind in kinds for each in (*kind.aliases, kind.name)}
    return names.get(_plain(name))


def _plain(name: str) -> str:
    return name.strip().casefold().replace("-", "_")


def _existing(path: Path) -> Path:
    if not path.exists():
        raise SettingsError(
            str(path),
            "there is no such file or folder",
            "give an existing path, or 'example' for the embedded Cs2AgBiBr6",
        )
    return path
