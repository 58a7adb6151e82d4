"""The sources of reference data by name, and one material from any of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from softmode.crystal import Material
from softmode.datasets import example, hdp, phonondb, phonopy_files, phonopy_options, structures, vibes
from softmode.datasets.base import Dataset, DatasetInfo, MaterialEntry
from softmode.datasets.formats import check_option_keys
from softmode.datasets.hdp_tree import uid_of
from softmode.datasets.reading import ARCHIVE_SUFFIXES
from softmode.datasets.trajectory_source import FrameChoice
from softmode.errors import InputDataError, SettingsError, did_you_mean


def known_datasets() -> list[DatasetInfo]:
    """Every kind of dataset softmode reads."""
    return [phonondb.INFO, hdp.INFO, phonopy_options.INFO, vibes.INFO, example.INFO, structures.INFO]


def open_dataset(kind: str, path: Path | str | None = None, **options: object) -> Dataset:
    """A dataset by its kind.

    Parameters
    ----------
    kind : str
        ``phonondb``, ``hdp``, ``phonopy``, ``vibes``, ``example`` or ``structures``.
    path : Path, optional
        Where the data are; needed by all but ``example``, and ``structures`` when it is given formulas.
    **options
        As `DatasetInfo.options` says.

    Raises
    ------
    SettingsError
        If the kind or an option is unknown, or the path is missing, not there or not wanted.
    """
    infos = {info.name: info for info in known_datasets()}
    if kind not in infos:
        raise SettingsError(
            f"dataset {kind!r}", "there is no such kind of dataset", did_you_mean(kind, list(infos))
        )
    info = infos[kind]
    check_option_keys(options, tuple(info.options), kind)
    if kind == structures.INFO.name:
        given = None if path is None else _existing(Path(path))
        return structures.Structures.create(given, **options)  # type: ignore[arg-type]
    if not info.needs_path:
        if path is not None:
            raise SettingsError(
                f"dataset {kind}", "it comes with softmode and takes no path", "leave the path away"
            )
        return example.Example()
    if path is None:
        raise SettingsError(f"dataset {kind}", "no path is given", "set path to where the data are")
    found = _existing(Path(path))
    if kind == "phonondb":
        return phonondb.PhononDatabase(found)
    if kind == "hdp":
        return hdp.HalideDoublePerovskites.create(found, **options)
    if kind == "vibes":
        return vibes.VibesRuns(found, FrameChoice.create(**options))
    return phonopy_files.PhonopyFiles(found, phonopy_options.PhonopyOptions.create(**options))  # type: ignore[arg-type]


def open_reference(path: Path | str) -> Material:
    """One material: from a file, folder or archive that holds exactly one, or the embedded example by name.

    Parameters
    ----------
    path : Path or str
        A phonopy YAML file, a folder of phonopy files, an archive or folder of the phonon database, a
        compound of the halide double perovskite database (``dpv_…``), a trajectory.nc of FHI-vibes with
        force constants, or ``example`` / ``Cs2AgBiBr6``.

    Raises
    ------
    SettingsError
        If the path does not exist.
    InputDataError
        If it holds no material or several, or the data cannot be used.
    """
    if str(path) in (example.NAME, example.INFO.name) and not Path(path).exists():
        return example.load()
    found = _existing(Path(path))
    entries: Sequence[MaterialEntry]
    if uid_of(found) is not None:
        entries = hdp.HalideDoublePerovskites(found).entries()
    elif _is_database(found):
        entries = phonondb.PhononDatabase(found).entries()
    elif vibes.is_vibes(found) and (found.is_file() or not phonopy_files.holds_one_material(found)):
        entries = vibes.VibesRuns(found).entries()
    else:
        entries = phonopy_files.PhonopyFiles(found).entries()
    if len(entries) != 1:
        names = ", ".join(entry.name for entry in entries[:6]) + (", …" if len(entries) > 6 else "")
        raise InputDataError(
            str(path),
            f"it holds {len(entries)} materials ({names})",
            "point to one of them, or run a study on all",
        )
    return entries[0].load()


def _is_database(path: Path) -> bool:
    """An archive, a folder named as in the database (``mp-…``), or a folder of such."""
    if path.is_file():
        return path.name.lower().endswith(ARCHIVE_SUFFIXES)
    if phonondb.is_phonondb(path):
        return phonondb.material_name(path.resolve().name).startswith("mp-")
    return any(
        phonondb.is_phonondb(p) and (p.is_file() or phonondb.material_name(p.name).startswith("mp-"))
        for p in path.iterdir()
    )


def _existing(path: Path) -> Path:
    if not path.exists():
        raise SettingsError(
            str(path),
            "there is no such file or folder",
            f"give an existing path, or {example.NAME!r} for the embedded example",
        )
    return path
