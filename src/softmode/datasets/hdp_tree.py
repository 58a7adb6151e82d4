"""The raw tree of the halide double perovskite database: where its compounds are, and the files of each.

A compound is a folder ``dpv_<formula>`` or an archive of one; nothing is unpacked to disk.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from softmode.datasets.names import natural_key
from softmode.datasets.reading import Files, fingerprint, read_archive
from softmode.errors import InputDataError

#: Files the crystal and its force constants are made from.
MATERIAL_FILES = ("CONTCAR", "SPOSCAR", "force_constants.hdf5")
#: Runs there should be at least.
EXPECTED_RUNS = 2
DATABASE = "double_halide_pv.db"

_UID = re.compile(r"dpv_[A-Za-z0-9().]*[A-Za-z0-9)]")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")
_RUN = re.compile(r"MD/vasprun_prod_(\d+)\.xml(?:\.gz|\.xz)?")


def md_runs(names: Sequence[str]) -> dict[int, str]:
    """MD runs among the files of a compound: by number, in its order."""
    runs: dict[int, str] = {}
    for name in sorted(names):  # a plain file comes before its compressed copy
        found = _RUN.fullmatch(name)
        if found:
            runs.setdefault(int(found.group(1)), name)
    return dict(sorted(runs.items()))


def missing_runs(names: Sequence[str]) -> list[str]:
    """What is missing of the MD runs among the files of a compound."""
    numbers = md_runs(names)
    if not numbers:
        return ["it has no MD run"]
    wanted = range(1, max(EXPECTED_RUNS, *numbers) + 1)
    return [f"MD/vasprun_prod_{number}.xml is missing" for number in wanted if number not in numbers]


def uid_of(path: Path) -> str | None:
    """``dpv_Cs2AgBiBr6`` of a folder, or archive, of that compound; None if the path is neither."""
    name = path.name
    if path.is_dir():
        return name if _UID.fullmatch(name) else None
    suffix = next((s for s in sorted(_ARCHIVES, key=len, reverse=True) if name.lower().endswith(s)), None)
    stem = name[: -len(suffix)] if suffix else ""
    return stem if _UID.fullmatch(stem) else None


def find_compounds(root: Path) -> dict[str, tuple[Path, ...]]:
    """Folders and archives of each compound, by uid, in natural order.

    They are looked for in `root`, in the folders of the halides in it, and `root` may itself be one. More
    than one path is one too many; whoever reads the compound says so.

    Parameters
    ----------
    root : Path
        The tree, or a part of it.
    """
    own = uid_of(root)
    if own is not None:
        return {own: (root,)}
    found: dict[str, list[Path]] = {}
    if root.is_dir():
        inside = sorted(root.iterdir())
        halides = [path for path in inside if path.is_dir() and uid_of(path) is None]
        for path in [*inside, *(p for halide in halides for p in sorted(halide.iterdir()))]:
            uid = uid_of(path)
            if uid is not None:
                found.setdefault(uid, []).append(path)
    return {uid: tuple(found[uid]) for uid in sorted(found, key=natural_key)}


def find_database(root: Path) -> Path | None:
    """The database of labels in the tree, or above a part of it."""
    candidates = (folder / DATABASE for folder in (root, *root.resolve().parents[:2]))
    return next((path for path in candidates if path.is_file()), None)


def source_fingerprint(paths: Sequence[Path]) -> str:
    """Identity of a compound's files on disk (names, sizes, modification times); none is read."""
    sources = {path: [path] if path.is_file() else [path / name for name in _inside(path)] for path in paths}
    return ":".join(fingerprint(files, path.parent) for path, files in sources.items())


def has_runs(path: Path) -> bool:
    """Whether a compound has MD runs; taken for granted of archives, which would have to be read."""
    return path.is_file() or bool(md_runs(_inside(path)))


def open_compound(uid: str, paths: Sequence[Path], *, with_runs: bool) -> Files:
    """The files of a compound, by their paths in its folder.

    Parameters
    ----------
    uid : str
        Its name, ``dpv_<formula>``.
    paths : sequence of Path
        Its folder or archive; several are one too many.
    with_runs : bool
        Whether the contents of the MD runs are wanted too (of an archive they are read at once).

    Raises
    ------
    InputDataError
        If there are several, or an archive is damaged, cut short, or of another compound.
    """
    if len(paths) > 1:
        raise InputDataError(
            uid,
            f"it is there more than once: {', '.join(str(path) for path in paths)}",
            "keep one of them",
        )
    [path] = paths
    if path.is_dir():
        return Files(str(path), uid, tuple(_inside(path)), path, {})
    contents = _archived(path, uid, with_runs)
    return Files(str(path), uid, tuple(sorted(contents)), None, contents)


def _inside(folder: Path) -> list[str]:
    """Names of the files that a compound is read from."""
    runs = [f"MD/{path.name}" for path in (folder / "MD").glob("*") if path.is_file()]
    return [name for name in MATERIAL_FILES if (folder / name).is_file()] + list(md_runs(runs).values())


def _archived(path: Path, uid: str, with_runs: bool) -> dict[str, bytes]:
    """Files of a compound in an archive, relative to its folder; runs that are not wanted are empty."""

    def wanted(member: str) -> bool:
        name, _ = _within_compound(member)
        return name in MATERIAL_FILES or (with_runs and _RUN.fullmatch(name) is not None)

    contents: dict[str, bytes] = {}
    for member, data in read_archive(path, wanted).items():
        name, inside = _within_compound(member)
        if name in MATERIAL_FILES or _RUN.fullmatch(name):
            if inside not in ("", uid):
                raise InputDataError(
                    str(path),
                    f"the archive is named {uid} but holds {inside}",
                    "rename it, or fetch it again",
                )
            contents[name] = data
    return contents


def _within_compound(member: str) -> tuple[str, str]:
    """Path of a member in the folder of its compound, and the name of that folder (empty: none)."""
    parts = [part for part in member.split("/") if part not in ("", ".")]
    at = next((i for i, part in enumerate(parts[:-1]) if _UID.fullmatch(part)), None)
    return ("/".join(parts), "") if at is None else ("/".join(parts[at + 1 :]), parts[at])
