"""Folders of phonopy files that no reader should have to meet."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from tiny_study import metal_phonopy


def _bare(folder: Path) -> Path:
    """Without its forces."""
    (folder / "FORCE_SETS").unlink()
    return folder


def _only(folder: Path, name: str, content: bytes) -> None:
    for path in folder.iterdir():
        path.unlink()
    (folder / name).write_bytes(content)


def _write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def _force_constants(folder: Path, p2s: list[int]) -> None:
    n = len(metal_phonopy("Cu").supercell)
    with h5py.File(_bare(folder) / "force_constants.hdf5", "w") as file:
        file["force_constants"] = np.ones((len(p2s), n, 3, 3))
        file["p2s_map"] = p2s


def _external(folder: Path) -> None:
    with h5py.File(_bare(folder) / "force_constants.hdf5", "w") as file:
        file["force_constants"] = h5py.ExternalLink("/etc/passwd", "/force_constants")


def _virtual(folder: Path) -> None:
    layout = h5py.VirtualLayout((8, 8, 3, 3), dtype="f8")
    layout[:] = h5py.VirtualSource("/tmp/elsewhere.h5", "values", (8, 8, 3, 3))
    with h5py.File(_bare(folder) / "force_constants.hdf5", "w") as file:
        file.create_virtual_dataset("force_constants", layout)


def _enormous(folder: Path) -> None:
    with h5py.File(_bare(folder) / "force_constants.hdf5", "w") as file:
        file.create_dataset("force_constants", (10**5, 10**5, 3, 3), dtype="f8", chunks=(8, 8, 3, 3))


_LAUGHS = "a0: &a0 [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)

#: By name of the folder: what is done to the files of a metal; none can be read.
UNREADABLE: dict[str, Callable[[Path], object]] = {
    "foreign index": lambda folder: _force_constants(folder, [10**9]),
    "negative index": lambda folder: _force_constants(folder, [-3]),
    "external link": _external,
    "virtual data": _virtual,
    "enormous data": _enormous,
    "no hdf5": lambda folder: _write("force_constants.hdf5", b"\x89HDF\r\n\x1a\n" + b"\0" * 99)(
        _bare(folder)
    ),
    "brackets": lambda folder: _only(folder, "phonopy_params.yaml", b"[" * 200_000),
    "aliases": lambda folder: _only(folder, "phonopy_params.yaml", _LAUGHS.encode()),
    "bomb": lambda folder: _only(folder, "phonopy_params.yaml.xz", lzma.compress(b" " * (100 << 20))),
    "cut gz": lambda folder: _only(folder, "phonopy.yaml.gz", gzip.compress(os.urandom(9999))[:5000]),
    "empty yaml": lambda folder: _only(folder, "phonopy.yaml", b""),
    "empty forces": _write("FORCE_SETS", b""),
    "empty structure": _write("POSCAR", b""),
    "binary structure": _write("POSCAR", bytes(range(256)) * 8),
    "many atoms": _write("FORCE_SETS", b"999999999999\n1\n\n1\n0.01 0 0\n"),
    "large supercell": _write("phonopy.conf", b"DIM = 100000 100000 100000\n"),
    "folder for a file": lambda folder: (_bare(folder) / "FORCE_SETS").mkdir(),
    "pipe": lambda folder: os.mkfifo(_bare(folder) / "FORCE_SETS"),
    "device": lambda folder: (_bare(folder) / "FORCE_SETS").symlink_to("/dev/zero"),
    "loop": lambda folder: (_bare(folder) / "FORCE_SETS").symlink_to("FORCE_SETS"),
    "nowhere": lambda folder: (_bare(folder) / "FORCE_SETS").symlink_to("nowhere"),
}

#: Names of folders, as bytes; each is a material like any other.
ODD_NAMES = (
    b"caf\xe9",
    b"=HYPERLINK(1)",
    b"<script>alert(1)<",
    b"\x1b[31mred\x07",
    b"two\nlines",
    b"%s {0} [bold]",
    "é\u202eab".encode(),
    b"x" * 200,
)


def write_hostile(root: Path, metal: Path) -> None:
    """Copies of a metal's files with odd names, and copies that cannot be read."""
    for name in ODD_NAMES:
        shutil.copytree(metal, root / os.fsdecode(name))
    for folder, damage in UNREADABLE.items():
        damage(Path(shutil.copytree(metal, root / folder)))
