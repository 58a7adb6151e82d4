"""What ``make fuzz`` has found: refused in a line, quickly, and without warnings."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from phonopy.file_IO import write_force_constants_to_hdf5
from tiny_study import write_metal
from trajectory_cases import make_case, write_case

from softmode.crystal import DisplacementForces
from softmode.datasets import open_reference, read_trajectory
from softmode.datasets.plausibility import CHECKS
from softmode.errors import InputDataError, StorageError
from softmode.files import Stamp
from softmode.records import Failure, Record, RecordStore
from softmode.records.headers import HeaderCache, _summed
from softmode.records.store import make_header


@pytest.fixture(autouse=True)
def _no_warnings() -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("FORCE_SETS", "0.0000000000 ", "1e300 ", "over 1e50"),
        ("POSCAR", "3.1499999999999999    0.0", "3e17    0.0", "a lattice vector is 3.0e\\+17 Å long"),
        ("POSCAR", "1.0\n", "1e200\n", "not finite"),
        ("POSCAR", "0.4999999999999999\n", "999999999900000\n", "an atom is 1.0e\\+15 cells away"),
    ],
)
def test_numbers_beyond_measure(tmp_path: Path, file: str, old: str, new: str, said: str) -> None:
    folder = write_metal(tmp_path / "CuAu", "CuAu")
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    with pytest.raises(InputDataError, match=f"{file}.*{said}"):
        open_reference(folder)


def test_atoms_in_one_place_of_a_sheared_cell(tmp_path: Path) -> None:
    """What is found as its symmetry brings two atoms onto one: it is none."""
    folder = write_metal(tmp_path / "CuAu", "CuAu")
    lattice = "3.15 0.0000003709551615 0\n0 3.15 0\n5.0004 0 3.15"
    (folder / "POSCAR").write_text(f"x\n1.0\n{lattice}\nCu Au\n1 1\nDirect\n0 0 0\n0 0 0\n")
    with pytest.raises(InputDataError, match="the shortest bond is 0 times"):
        open_reference(folder)
    open_reference(folder, accept=tuple(CHECKS))


@pytest.mark.parametrize("value", [1e300, 1e-310])
def test_force_constants_beyond_measure(tmp_path: Path, value: float) -> None:
    """A row of next to nothing is not divided by."""
    folder = write_metal(tmp_path / "Cu", "Cu")
    (folder / "FORCE_SETS").unlink()
    phi = np.zeros((8, 8, 3, 3))
    phi[range(8), range(8)] = 5.0 * np.eye(3)
    phi[0, 0] = value * np.eye(3)
    write_force_constants_to_hdf5(phi, str(folder / "force_constants.hdf5"))
    with pytest.raises(InputDataError):
        open_reference(folder)


def test_displacements_of_next_to_nothing() -> None:
    with pytest.raises(InputDataError, match="all zero"):
        DisplacementForces(np.full((1, 2, 3), 1e-300), np.ones((1, 2, 3)))


@pytest.mark.parametrize("encoding", ["ISO-88l9-1", "utf-7"])
def test_an_encoding_that_nobody_reads(tmp_path: Path, encoding: str) -> None:
    path = write_case(make_case(2), tmp_path / "vasprun.xml")
    text = path.read_text()
    assert 'encoding="ISO-8859-1"' in text
    path.write_text(text.replace("ISO-8859-1", encoding))
    with pytest.raises(InputDataError, match=r"vasprun\.xml: this is not the XML of a vasprun\.xml"):
        read_trajectory([path])


def test_a_file_of_many_empty_runs_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "vasprun.xml").write_text('<?xml version="1.0"?><modeling>\n' * 200)
    with pytest.raises(InputDataError, match=r"no frame is left .*\(200 in all\)") as caught:
        read_trajectory([tmp_path / "vasprun.xml"])
    assert len(str(caught.value)) < 2000


def test_a_trajectory_that_announces_more_than_numbers_can_say(tmp_path: Path) -> None:
    whole = write_case(make_case(2), tmp_path / "run.traj").read_bytes()
    (tmp_path / "run.traj").write_bytes(whole[:32] + b"\x7f" * 8 + whole[40:])
    assert read_trajectory([tmp_path / "run.traj"]).n_frames == 2


def test_a_record_without_its_checksum_is_not_read(tmp_path: Path) -> None:
    """What HDF5 does with damaged files may never end."""
    store, record = RecordStore(tmp_path), Record("ab" * 32, "harmonic", {})
    store.write(record)
    path = store.path(record.key)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StorageError, match="is not a readable record"):
        store.read(record.key)


@pytest.mark.parametrize(("old", "new"), [('"message"', '"words"'), ('"x: no."', "3")])
def test_a_header_that_says_nothing_of_a_failure(tmp_path: Path, old: str, new: str) -> None:
    stamp: Stamp = (1, 2)
    record = Record("ab" * 32, "harmonic", {}, failure=Failure("InputData", "x: no."))
    cache = HeaderCache(tmp_path / "headers")
    cache.keep(make_header(record, stamp))
    cache.flush()
    assert HeaderCache(cache.path).find(record.key, stamp) is not None
    said = [_summed(line[9:].replace(old, new)) for line in cache.path.read_text().splitlines()]
    cache.path.write_text("\n".join(said))
    assert HeaderCache(cache.path).find(record.key, stamp) is None
