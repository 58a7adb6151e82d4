"""The phonon database of A. Togo (2018, PBEsol): a folder of archives, or of the same archives unpacked."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from softmode.crystal import Material
from softmode.datasets.base import DatasetKind, DatasetOptions, FromPaths, MaterialEntry
from softmode.datasets.formats import parse_conf
from softmode.datasets.names import natural_key
from softmode.datasets.phonopy_loading import PhonopyOptions, load_folder
from softmode.datasets.reading import ARCHIVE_SUFFIXES, Files, source_fingerprint
from softmode.datasets.remote import Remote, github_files
from softmode.downloads import RemoteFile
from softmode.errors import InputDataError, SettingsError, did_you_mean

LEVEL_OF_THEORY = "PBEsol"
#: Where its archives are on GitHub; a mirror can be named in the environment.
REPOSITORY, FOLDER = "WMD-group/phononDB", "phonon_db_tarred"
MIRROR_VARIABLE = "SOFTMODE_PHONONDB_URL"


def is_phonondb(path: Path) -> bool:
    """Whether a path looks like one material of the database, packed or unpacked."""
    if path.is_file():
        return path.name.lower().endswith(ARCHIVE_SUFFIXES)
    return (path / "POSCAR-unitcell").is_file() and (path / "phonopy.conf").is_file()


def material_name(file_name: str) -> str:
    """``mp-989571`` from ``materials-id-989571-….tar.lzma`` or ``mp-989571-20180417``; else as it is."""
    found = re.match(r"(?:materials-id|mp)-(\d+)(?=[-.]|$)", file_name)
    if found:
        return f"mp-{found.group(1)}"
    for suffix in ARCHIVE_SUFFIXES:
        file_name = file_name.removesuffix(suffix)
    return file_name


def recognises(path: Path) -> bool:
    """An archive, a folder named as in the database (``mp-…``), or a folder of such."""
    if path.is_file() or is_phonondb(path):
        return is_phonondb(path) and (path.is_file() or _is_numbered(path.resolve()))
    return any(is_phonondb(p) and (p.is_file() or _is_numbered(p)) for p in path.iterdir())


def _is_numbered(folder: Path) -> bool:
    return material_name(folder.name).startswith("mp-")


def _sources(path: Path) -> Iterator[Path]:
    """A folder's archives or unpacked folders; or one of them."""
    inside = sorted(path.iterdir()) if path.is_dir() and not is_phonondb(path) else [path]
    return filter(is_phonondb, inside)


def entry(path: Path, _options: DatasetOptions) -> MaterialEntry:
    """One material of the database."""
    return MaterialEntry(
        material_name(path.name), source_fingerprint(path), partial(load, path), place=str(path)
    )


def remote_files(ids: Sequence[str] | None, server: str | None = None) -> list[RemoteFile]:
    """Archives of the database on GitHub, by material.

    Parameters
    ----------
    ids : sequence of str or None
        Materials, as ``mp-1138``; all where None.
    server : str, optional
        Address of a mirror; else ``$SOFTMODE_PHONONDB_URL``, else GitHub.

    Raises
    ------
    SettingsError
        If there is no such material.
    DownloadError
        If the listing cannot be fetched.
    InputDataError
        If it is not understood.
    """
    archives = github_files(REPOSITORY, FOLDER, server or os.environ.get(MIRROR_VARIABLE))
    known = {material_name(file.path): file for file in archives if ".tar." in file.path}
    for name in ids or ():
        if name not in known:
            raise SettingsError(
                f"material {name!r}",
                "the phonon database has no such material",
                did_you_mean(name, list(known)),
            )
    return [known[name] for name in sorted(known if ids is None else set(ids), key=natural_key)]


def load(path: Path) -> Material:
    """Read one archive (in memory) or one unpacked folder.

    PRIMITIVE_AXIS absent means that the unit cell is primitive, as in phonopy 1, which made the database.

    Parameters
    ----------
    path : Path
        Archive or folder.

    Raises
    ------
    InputDataError
        If it is truncated, incomplete or inconsistent; the file is named.
    """
    files = Files.open(path)
    name = material_name(path.name)
    inside = material_name(files.folder_name)
    if (
        path.name != files.folder_name
        and name.startswith("mp-")
        and inside.startswith("mp-")
        and inside != name
    ):
        raise InputDataError(
            str(path), f"the archive is named {name} but holds {inside}", "rename it or fetch it again"
        )
    return _material(name, files)


def _material(name: str, files: Files) -> Material:
    for needed in ("POSCAR-unitcell", "phonopy.conf", "FORCE_SETS"):
        files.require(needed)
    subject = files.subject("phonopy.conf")
    if "DIM" not in parse_conf(files.text("phonopy.conf"), subject):
        raise InputDataError(subject, "DIM, the supercell matrix, is missing", "add it, as in 'DIM = 2 2 2'")
    material = load_folder(name, files, PhonopyOptions(level_of_theory=LEVEL_OF_THEORY), axes="P")
    tags = {key: said for key, said in material.tags.items() if key != "reference_source"}
    return replace(material, tags=tags)  # always FORCE_SETS


PHONONDB = DatasetKind(
    name="phonondb",
    title="Phonon database at Kyoto university, 2018-04-17",
    holds="finite-displacement forces (PBEsol, VASP, PAW), Born charges of some; halides, oxides and others",
    citation="A. Togo and I. Tanaka, Scr. Mater. 108, 1 (2015); A. Togo, phonondb.mtl.kyoto-u.ac.jp (2018)",
    licence="CC BY 4.0",
    entries=FromPaths(
        _sources,
        entry,
        nothing=(
            "no material of the phonon database is in it",
            "point to a folder of *.tar.lzma or *.tar.xz archives, or of these unpacked",
        ),
    ),
    recognises=recognises,
    remote=Remote(remote_files, "materials (mp-1138 …), or files that list them"),
)
