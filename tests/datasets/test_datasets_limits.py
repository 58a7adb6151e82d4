"""Files made to fill memory, to lead elsewhere or never to end are refused by name, and quickly."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
import tracemalloc
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import h5py
import numpy as np
import pytest
from tiny_study import write_metal

from softmode.datasets import open_reference
from softmode.datasets.file_kinds import FileKind, kind_of_file
from softmode.datasets.formats import read_force_constants_hdf5
from softmode.datasets.limits import FREE, check_supercell, load_yaml, open_hdf5
from softmode.datasets.phonopy_yaml import parse_phonopy_yaml
from softmode.datasets.reading import ByteStream, read_archive
from softmode.errors import InputDataError

BOMB = 3 * FREE


def archive(path: Path, name: str, size: int) -> Path:
    """A tar archive of zeros, which pack to next to nothing."""
    with tarfile.open(path, "w:xz", preset=0) as tar:
        member = tarfile.TarInfo(f"Cu/{name}")
        member.size = size
        tar.addfile(member, Zeros(size))
    return path


class Zeros(io.RawIOBase):
    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int = -1) -> bytes:
        size = self.left if size < 0 else min(size, self.left)
        self.left -= size
        return bytes(size)


@pytest.mark.parametrize("compressed", [lzma.compress(bytes(BOMB), preset=0), gzip.compress(bytes(BOMB), 9)])
def test_a_file_that_unpacks_without_end_is_refused(tmp_path: Path, compressed: bytes) -> None:
    path = tmp_path / "FORCE_SETS.xz"
    path.write_bytes(compressed)
    tracemalloc.start()
    with pytest.raises(InputDataError, match=r"FORCE_SETS\.xz: its .* unpack to .* over 250 times"):
        ByteStream(path).whole()
    assert tracemalloc.get_traced_memory()[1] < 2 * FREE
    tracemalloc.stop()


def test_an_archive_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "Cu.tar.xz", "FORCE_SETS", BOMB)
    for wanted in (lambda name: True, lambda name: False):
        with pytest.raises(InputDataError, match=r"Cu\.tar\.xz: its .* MiB unpack to"):
            read_archive(path, wanted)
    tail = tmp_path / "tail.tar.xz"
    tail.write_bytes(
        archive(tmp_path / "small.tar.xz", "POSCAR", 10).read_bytes() + lzma.compress(bytes(BOMB))
    )
    with pytest.raises(InputDataError, match=r"tail\.tar\.xz: its .* MiB unpack to"):
        read_archive(tail)


def laughs(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]")
    return "\n".join([*lines, "unit_cell: *a1", ""])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (laughs(12), "uses aliases"),
        ("unit_cell: " + "[" * 200_000, "nested more than 64 levels deep"),
        ("unit_cell: " + "{a: " * 200_000, "nested more than 64 levels deep"),
        ("- " * 200_000, "nested more than 64 levels deep"),
        ("\n".join(" " * n + "a:" for n in range(3000)), "nested more than 64 levels deep"),
    ],
)
def test_yaml_without_end_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InputDataError, match=rf"phonopy\.yaml: it .*{problem}"):
        parse_phonopy_yaml(text, "phonopy.yaml")


def test_other_yaml_is_read() -> None:
    text = "command: phonopy *.yaml &\nname: 'a *b [c'\nrows:\n- [[1, 2], {x: [3]}]\n"
    said = {"command": "phonopy *.yaml &", "name": "a *b [c", "rows": [[[1, 2], {"x": [3]}]]}
    assert load_yaml(text, "x") == said


def declared(file: h5py.File, folder: Path) -> None:
    file.create_dataset("force_constants", shape=(4000, 4000, 3, 3), dtype=float, chunks=(10, 10, 3, 3))


def external_link(file: h5py.File, folder: Path) -> None:
    file["force_constants"] = h5py.ExternalLink(str(folder / "other.hdf5"), "/force_constants")


def external_storage(file: h5py.File, folder: Path) -> None:
    (folder / "secret").write_bytes(np.ones((4, 4, 3, 3)).tobytes())
    external = [(str(folder / "secret"), 0, 4 * 4 * 9 * 8)]
    file.create_dataset("force_constants", shape=(4, 4, 3, 3), dtype=float, external=external)


def virtual(file: h5py.File, folder: Path) -> None:
    layout = h5py.VirtualLayout(shape=(4, 4, 3, 3), dtype=float)
    layout[:] = h5py.VirtualSource(str(folder / "other.hdf5"), "force_constants", shape=(4, 4, 3, 3))
    file.create_virtual_dataset("force_constants", layout)


def circle(file: h5py.File, folder: Path) -> None:
    file["again"] = file["/"]


@pytest.mark.parametrize(
    ("fill", "problem"),
    [
        (declared, r"force_constants: its .* MiB unpack to 1,098\.6 MiB"),
        (external_link, "force_constants leads to another file"),
        (external_storage, "the data of /force_constants lie in another file"),
        (virtual, "the data of /force_constants lie in another file"),
        (circle, "without end"),
    ],
)
def test_hdf5_that_leads_elsewhere_or_declares_too_much_is_refused(
    tmp_path: Path, fill: Callable[[h5py.File, Path], None], problem: str
) -> None:
    folder = write_metal(tmp_path / "Cu", "Cu")
    (folder / "FORCE_SETS").unlink()
    with h5py.File(tmp_path / "other.hdf5", "w") as other:
        other["force_constants"] = np.ones((4, 4, 3, 3))
    with h5py.File(folder / "force_constants.hdf5", "w") as file:
        fill(file, tmp_path)
    with pytest.raises(InputDataError, match=rf"Cu/force_constants\.hdf5.*{problem}"):
        open_reference(folder)


def test_other_hdf5_is_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["x"] = np.arange(5)
        file["deep/er/y"] = h5py.SoftLink("/x")
        file.create_dataset("zeros", data=np.zeros(1_000_000), compression="gzip")
    with open_hdf5(tmp_path / "a.hdf5", "a") as file:
        assert list(file["deep/er/y"]) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("entry", [10**9, 30_000])
def test_a_supercell_that_fills_memory_is_refused(tmp_path: Path, entry: int) -> None:
    path = tmp_path / "phonopy_params.yaml"
    text = (files("softmode") / "data" / "Cs2AgBiBr6" / path.name).read_text()
    matrix = text.index("supercell_matrix")
    path.write_text(text[:matrix] + text[matrix:].replace("0", str(entry), 1))
    tracemalloc.start()
    with pytest.raises(InputDataError, match=r"phonopy_params\.yaml: its supercell matrix spans a box of"):
        open_reference(path)
    assert tracemalloc.get_traced_memory()[1] < FREE
    tracemalloc.stop()


@pytest.mark.parametrize("n", [1, 2, 4, 8])
def test_other_supercells_are_made(n: int) -> None:
    check_supercell("a supercell", 40, n * np.eye(3))
    check_supercell("a supercell", 10, n * (np.ones((3, 3)) - 2 * np.eye(3)))


def test_hdf5_whose_head_names_an_address_beyond_all_files(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["force_constants"] = np.zeros((2, 2, 3, 3))
    data = bytearray(buffer.getvalue())
    data[48] = 0xA0  # address of the block of the driver
    path = tmp_path / "force_constants.hdf5.gz"
    path.write_bytes(gzip.compress(bytes(data)))
    assert kind_of_file(path) is FileKind.HDF5
    with pytest.raises(InputDataError, match=r"force_constants\.hdf5\.gz: this is not a readable"):
        read_force_constants_hdf5(bytes(data), str(path))
