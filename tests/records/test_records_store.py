from __future__ import annotations

import errno
import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softmode.errors import StorageError
from softmode.files import write_atomically
from softmode.records import Failure, Record, RecordStore, digest_of, open_record

INPUTS = {"measurement": "m", "version": 1, "number": 0.1, "requires": {}}
KEY = digest_of(INPUTS)


def a_record(**changes: Any) -> Record:
    rng = np.random.default_rng(1)
    content: dict[str, Any] = {
        "key": KEY,
        "measurement": "m",
        "inputs": INPUTS,
        "values": {"rmse": 0.1 + 0.2, "flag": True, "text": "Γ–X", "list": [1, 2.5], "missing": float("nan")},
        "arrays": {
            "big": rng.normal(size=(5, 40, 3)),
            "small": np.arange(6).reshape(2, 3),
            "scalar": np.array(2.5),
            "empty": np.zeros((0, 3)),
            "single": np.array([1.5], dtype=np.float32),
        },
        "seconds": 1.25,
    }
    return Record(**(content | changes))


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return RecordStore(tmp_path / "records")


def test_everything_comes_back_as_it_was(store: RecordStore) -> None:
    record = a_record()
    store.write(record)
    found = store.read(KEY)
    assert found.inputs == record.inputs
    assert found.values["rmse"] == 0.1 + 0.2
    assert np.isnan(found.values["missing"])
    assert {k: v for k, v in found.values.items() if k != "missing"} == {
        k: v for k, v in record.values.items() if k != "missing"
    }
    assert set(found.arrays) == set(record.arrays)
    for name, array in record.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype
    assert (found.key, found.measurement, found.seconds) == (KEY, "m", 1.25)
    assert (found.created, found.software) == (record.created, record.software)
    assert found.ok


def test_a_failure_comes_back(store: RecordStore) -> None:
    failure = Failure(
        "NonFiniteForces", "Cs₂ with x: returned NaN. Look.", transient=True, details="Trace\nback"
    )
    store.write(a_record(values={}, arrays={}, failure=failure))
    found = store.read(KEY)
    assert found.failure == failure
    assert not found.ok
    assert not store.settled(KEY)
    store.write(a_record(values={}, arrays={}, failure=Failure("X", "for ever")))
    assert store.settled(KEY)


def test_values_can_be_read_without_arrays(store: RecordStore) -> None:
    store.write(a_record())
    found = store.read(KEY, with_arrays=False)
    assert found.arrays == {}
    assert found.values["rmse"] == 0.1 + 0.2


def test_it_is_an_hdf5_file_that_other_programs_read(store: RecordStore) -> None:
    record = a_record()
    store.write(record)
    with h5py.File(store.path(KEY), "r") as file:
        np.testing.assert_array_equal(file["big"][()], record.arrays["big"])
        assert file.attrs["measurement"] == "m"


def test_the_address_is_the_content_of_the_inputs() -> None:
    assert digest_of({"a": 1, "b": 2.0}) == digest_of({"b": 2.0, "a": 1})
    assert digest_of({"a": 0.1}) != digest_of({"a": 0.10000000000000002})
    assert digest_of({"a": {"b": None}}) != digest_of({"a": {"b": 0}})
    assert len(KEY) == 64


def test_a_record_of_the_same_key_is_replaced(store: RecordStore) -> None:
    store.write(a_record(values={"x": 1}))
    store.write(a_record(values={"x": 2}))
    assert store.read(KEY).values == {"x": 2}
    assert len(list(store.root.rglob("*"))) == 2  # one folder, one file


def age_leftovers(root: Path) -> None:
    for leftover in root.rglob(".*.tmp"):
        os.utime(leftover, (0, 0))


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
def test_an_interrupted_write_leaves_no_visible_record(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def interrupted(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.write(a_record())
    monkeypatch.undo()
    assert store.find(KEY) is None
    assert not list(store.root.glob("*/*.h5"))
    assert store.remove_leftovers() == 0  # young: another process may be about to finish it
    age_leftovers(store.root)
    assert store.remove_leftovers() == 1
    assert not [path for path in store.root.rglob("*") if path.is_file()]


def test_an_interrupted_write_keeps_the_earlier_record(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(a_record(values={"x": 1}))

    def interrupted(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.write(a_record(values={"x": 2}))
    assert store.read(KEY).values == {"x": 1}


def test_leftovers_are_removed_and_records_are_not(store: RecordStore) -> None:
    store.write(a_record())
    folder = store.path(KEY).parent
    for name in (f".{KEY}.h5.abc.tmp", f".{KEY}.h5.def.tmp"):
        (folder / name).write_bytes(b"half")
    age_leftovers(store.root)
    assert store.remove_leftovers() == 2
    assert [path.name for path in folder.iterdir()] == [f"{KEY}.h5"]
    assert RecordStore(store.root / "none").remove_leftovers() == 0


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_record_counts_as_missing(store: RecordStore, kept: float) -> None:
    store.write(a_record())
    path = store.path(KEY)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    assert store.find(KEY) is None
    assert store.find(KEY, with_arrays=False) is None
    assert not store.settled(KEY)
    with pytest.raises(StorageError, match=r"not a readable record.*delete the file"):
        store.read(KEY)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed(store: RecordStore, where: float, bit: int) -> None:
    record = a_record()
    store.write(record)
    path = store.path(KEY)
    content = bytearray(path.read_bytes())
    place = int(where * len(content))
    content[place] ^= 1 << bit
    path.write_bytes(content)
    if place < len(content) - len(b"sha256:") - 32:
        assert store.find(KEY) is None
        assert not store.settled(KEY)
    elif (found := store.find(KEY)) is not None:  # in the checksum: the record itself is whole
        np.testing.assert_array_equal(found.arrays["big"], record.arrays["big"])


def test_a_record_under_another_key_counts_as_missing(store: RecordStore) -> None:
    store.write(a_record())
    other = digest_of({"something": "else"})
    store.path(other).parent.mkdir(exist_ok=True)
    store.path(other).write_bytes(store.path(KEY).read_bytes())
    assert store.find(other) is None


@pytest.mark.parametrize("step", ["fsync", "write", "mkstemp"])
def test_a_full_disk_names_the_folder_and_the_remedy(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    class FullFile(io.BytesIO):
        write = full

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    elif step == "write":
        monkeypatch.setattr(Path, "open", lambda path, mode: FullFile())
    else:
        monkeypatch.setattr("tempfile.mkstemp", full)
    with pytest.raises(StorageError) as caught:
        store.write(a_record())
    message = str(caught.value)
    assert str(store.path(KEY).parent) in message
    assert "disk is full" in message
    assert "make room" in message
    assert caught.value.transient
    monkeypatch.undo()
    assert not [path for path in store.root.rglob("*") if path.is_file()]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"file.*cannot be written.*permissions"):
        write_atomically(tmp_path / "file" / "inside" / "x.json", b"{}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("no mount command")
    if made.returncode != 0:
        pytest.skip("mounting a file system is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_really_full_disk(small_disk: Path) -> None:
    store = RecordStore(small_disk / "records")
    first = a_record(values={"x": 1})
    store.write(first)
    big = {"noise": np.random.default_rng(0).normal(size=20_000)}
    inputs = {"other": 1}
    with pytest.raises(StorageError, match="disk is full") as caught:
        store.write(Record(digest_of(inputs), "m", inputs, arrays=big))
    assert str(small_disk) in str(caught.value)
    assert store.find(digest_of(inputs)) is None
    assert store.read(KEY).values == {"x": 1}
    assert store.remove_leftovers() == 0


def test_what_is_asked_for_of_a_result_is_read_and_nothing_of_a_damaged_one(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    arrays = {"small": np.arange(3), "large": np.linspace(0.0, 1.0, 500).reshape(5, 100), "name": np.array(7)}
    key, other = "ab" * 32, "cd" * 32
    store.write(Record(key, "m", {}, {"text": "a “β”", "n": 1.5}, arrays))
    store.write(Record(other, "m", {}, failure=Failure("Kind", "why")))
    found = open_record(store.path(key))
    assert found is not None
    assert found.values == {"text": "a “β”", "n": 1.5}
    assert all(np.array_equal(found[name], array) for name, array in arrays.items())
    assert "large" in found
    assert "other" not in found
    assert open_record(store.path(other)) is None
    assert open_record(store.path("ef" * 32)) is None
    content = bytearray(store.path(key).read_bytes())
    content[len(content) // 2] ^= 1
    store.path(key).write_bytes(content)
    assert open_record(store.path(key)) is None
