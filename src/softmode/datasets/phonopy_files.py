"""What a phonopy user has: YAML files, or a folder with POSCAR and forces or force constants."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from softmode.datasets.base import DatasetKind, FromPaths, MaterialEntry
from softmode.datasets.phonopy_loading import STRUCTURES, YAML_NAMES, PhonopyOptions, load
from softmode.datasets.reading import fingerprint, source_fingerprint
from softmode.datasets.trajectory_source import (
    DATASET,
    RunsLoader,
    collect_dataset,
    collect_files,
    matching_files,
)
from softmode.errors import InputDataError

YAML_SUFFIXES = (".yaml", ".yaml.xz", ".yaml.lzma", ".yaml.gz", ".yml")


def material_name(path: Path) -> str:
    """Name of the folder, or of the file without its suffixes."""
    name = path.name if path.name else path.resolve().name
    for suffix in sorted(YAML_SUFFIXES, key=len, reverse=True):
        if path.is_file() and name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def holds_one_material(folder: Path) -> bool:
    """Whether a folder holds the files of one material itself."""
    names = {p.name for p in folder.iterdir() if p.is_file()}
    compressed = ("", ".xz", ".lzma", ".gz")
    return any(name + suffix in names for name in (*YAML_NAMES, *STRUCTURES) for suffix in compressed)


def _sources(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    inside = sorted(path.iterdir())
    folders = [p for p in inside if p.is_dir() and holds_one_material(p)]
    if holds_one_material(path):
        if folders:
            raise InputDataError(
                str(path),
                f"it is a material itself and holds others ({folders[0].name}"
                f"{', …' if len(folders) > 1 else ''})",
                "point to one of them, or move the files of this material into a folder of their own",
            )
        return [path]
    return folders + [p for p in inside if p.is_file() and p.name.lower().endswith(YAML_SUFFIXES)]


def entry(path: Path, options: PhonopyOptions) -> MaterialEntry:
    """One material."""
    identity = source_fingerprint(path)
    identity += options.mark
    loader = partial(load, path, options, material_name(path))
    if not options.trajectory:
        return MaterialEntry(material_name(path), identity, loader, place=str(path))
    if options.trajectory == (DATASET,):
        collect = partial(collect_dataset, loader, path)
    else:
        folder = path.parent if path.is_file() else path
        collect = partial(collect_files, loader, folder, options.trajectory)
        identity += f":{fingerprint(matching_files(folder, options.trajectory), folder)}"
    runs = RunsLoader(collect, options.frames)
    return MaterialEntry(
        material_name(path), identity, loader, runs, choice=options.frames.mark, place=str(path)
    )


PHONOPY = DatasetKind(
    name="phonopy",
    title="Your own phonopy files",
    holds="phonopy_params.yaml / phonopy.yaml (also .xz, .gz), or folders with POSCAR and FORCE_SETS, "
    "FORCE_CONSTANTS or force_constants.hdf5; BORN when there",
    citation="yours; phonopy: A. Togo et al., J. Phys. Condens. Matter 35, 353001 (2023)",
    licence="yours",
    entries=FromPaths(
        _sources,
        entry,
        nothing=(
            "no phonopy files are in it",
            f"point to a phonopy YAML file, to a folder with {', '.join(YAML_NAMES)} or POSCAR and "
            "forces, or to a folder of such folders",
        ),
    ),
    options=PhonopyOptions,
)
