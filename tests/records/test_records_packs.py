"""Records in packs: read where they lie, and nothing is lost whatever happens."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from softmode.errors import StorageError
from softmode.records import (
    Failure,
    HeaderCache,
    JoinedStores,
    Record,
    RecordStore,
    digest_of,
    open_record,
    pack_records,
    packing,
    packs,
    record_stamp,
    unpack_records,
)

KEYS = tuple(digest_of(number) for number in range(6))
_HOUR = 3600 * 10**9


def a_record(key: str, value: float = 1.5, **changes: Any) -> Record:
    rng = np.random.default_rng(int(key[:6], 16))
    content: dict[str, Any] = {"values": {"value": value}, "arrays": {"numbers": rng.normal(size=(9, 3))}}
    return Record(key, "m", {"of": key}, **(content | changes))


def store_in(folder: Path) -> RecordStore:
    return RecordStore(folder / "records", HeaderCache(folder / "cache" / "headers.jsonl"))


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    """Six records: four results, a failure that would repeat, one that may not."""
    store = store_in(tmp_path / "run")
    for place, key in enumerate(KEYS):
        failure = {4: Failure("X", "for ever"), 5: Failure("Y", "for now", transient=True)}.get(place)
        store.write(
            a_record(key) if failure is None else a_record(key, values={}, arrays={}, failure=failure)
        )
        made = 1_700_000_000_000_000_000 + place * _HOUR + 123_456_789
        os.utime(store.path(key), ns=(made, made))
    return store


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs of a few records."""
    monkeypatch.setattr(packing, "LARGEST", 20_000)


def files_in(folder: Path) -> dict[str, bytes]:
    """Everything that is in a folder but what is noted of packs."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "checked.json"
    }


def times_in(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*/*.h5")}


def all_of(store: RecordStore) -> dict[str, Any]:
    found = {key: store.find(key) for key in KEYS}
    return {
        key: None
        if one is None
        else (one.values, one.failure, {name: a.tolist() for name, a in one.arrays.items()})
        for key, one in found.items()
    }


def packs_of(store: RecordStore) -> list[Path]:
    return sorted((store.root / "packs").glob("*.zip"))


def test_packed_records_are_read_where_they_lie(store: RecordStore, small: None) -> None:
    content, loose = all_of(store), files_in(store.root)
    stamps = {key: record_stamp(store.path(key)) for key in KEYS}
    done = pack_records(store)
    assert (done.records, done.left) == (5, 1)
    assert done.size == sum(len(loose[f"{key[:2]}/{key}.h5"]) for key in KEYS[:5])
    assert [path.name for path in store.root.glob("*/*.h5")] == [f"{KEYS[5]}.h5"]
    assert len(packs_of(store)) == len(done.packs) > 1
    for again in (store, RecordStore(store.root)):
        assert all_of(again) == content
        assert {key: record_stamp(again.path(key)) for key in KEYS} == stamps
        assert all(again.settled(key) for key in KEYS[:5])
        assert not again.settled(KEYS[5])
        assert all(key in again for key in KEYS)
        assert digest_of("other") not in again
    opened = open_record(store.path(KEYS[0]))
    assert opened is not None
    assert opened["numbers"].tolist() == content[KEYS[0]][2]["numbers"]


def test_undone_all_is_as_it_was(store: RecordStore, small: None) -> None:
    loose, times = files_in(store.root), times_in(store.root)
    pack_records(store)
    done = unpack_records(store_in(store.root.parent))
    assert (done.records, done.left) == (5, 0)
    assert files_in(store.root) == loose
    assert times_in(store.root) == times
    assert not (store.root / "packs").exists()


def test_any_tool_takes_them_out(store: RecordStore, small: None, tmp_path: Path) -> None:
    loose = files_in(store.root)
    pack_records(store)
    for path in packs_of(store):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            assert {one.compress_type for one in archive.infolist()} == {zipfile.ZIP_STORED}
            archive.extractall(tmp_path / "out")
    assert files_in(tmp_path / "out").items() <= loose.items()
    assert len(files_in(tmp_path / "out")) == 5


def test_directories_are_read_as_zipfile_reads_them(
    store: RecordStore, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack_records(store)
    quick = packs.Packs(store.root)
    quick.refresh()
    monkeypatch.setattr(packs, "_short_directory", lambda stream, size: None)
    slow = packs.Packs(store.root)
    slow.refresh()
    assert quick.all() == slow.all()
    assert [pack.number for pack in sorted(quick.all(), key=lambda pack: pack.number)] == [1, 2]
    assert len(quick.keys()) == 5


def test_the_same_records_make_the_same_packs(store: RecordStore, small: None, tmp_path: Path) -> None:
    other = store_in(Path(shutil.copytree(store.root.parent, tmp_path / "other")))
    pack_records(store)
    pack_records(other)
    assert files_in(store.root) == files_in(other.root)


def test_what_is_known_of_records_stays_true(store: RecordStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in KEYS:
        store.header(key)
    store.flush()

    def fail(*given: object, **named: object) -> None:
        raise AssertionError("a record was opened")

    monkeypatch.setattr(RecordStore, "read", fail)
    pack_records(store_in(store.root.parent))
    again = store_in(store.root.parent)
    assert all(again.header(key) is not None for key in KEYS)
    copied = Path(
        shutil.copytree(store.root.parent, store.root.parent / "copy", copy_function=shutil.copyfile)
    )
    assert all(
        store_in(copied).header(key) is not None for key in KEYS[:5]
    )  # though their pack has another time


def test_packing_again_adds_what_is_new(store: RecordStore) -> None:
    pack_records(store)
    first = packs_of(store)
    assert pack_records(store).records == 0
    assert packs_of(store) == first
    store.write(a_record(KEYS[5]))
    assert pack_records(store).records == 1
    assert len(packs_of(store)) == 2
    assert set(first) < set(packs_of(store))
    assert all_of(RecordStore(store.root))[KEYS[5]] == all_of(store)[KEYS[5]] is not None


def test_a_file_is_right_where_a_pack_has_the_record_too(store: RecordStore) -> None:
    pack_records(store)
    store.write(a_record(KEYS[0], value=2.5))
    os.utime(store.path(KEYS[0]), (1, 1))  # its time says nothing
    for again in (store, store_in(store.root.parent)):
        assert again.read(KEYS[0]).values == {"value": 2.5}
        header = again.header(KEYS[0])
        assert header is not None
        assert header.values == {"value": 2.5}
    pack_records(store)
    assert not store.path(KEYS[0]).exists()
    assert RecordStore(store.root).read(KEYS[0]).values == {"value": 2.5}
    unpack_records(store)
    assert store.read(KEYS[0]).values == {"value": 2.5}


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_damaged_record_of_a_pack_is_that_one_only(
    store: RecordStore, caplog: pytest.LogCaptureFixture
) -> None:
    content = all_of(store)
    pack_records(store)
    [path] = packs_of(store)
    with zipfile.ZipFile(path) as archive:
        where = archive.getinfo(f"{KEYS[3][:2]}/{KEYS[3]}.h5").header_offset
    flip(path, where + 500)
    again = store_in(store.root.parent)
    assert [key for key in KEYS if not again.settled(key)] == [KEYS[3], KEYS[5]]
    assert caplog.messages == [
        f"{path}: 1 of 5 records are damaged; the next run of the study computes them anew"
    ]
    assert again.find(KEYS[3]) is None
    with pytest.raises(
        StorageError, match=rf"{KEYS[3]}\.h5 in .*\.zip: is not a readable record\. run the study"
    ):
        again.read(KEYS[3])
    assert {key: one for key, one in all_of(again).items() if key != KEYS[3]} == {
        key: one for key, one in content.items() if key != KEYS[3]
    }
    again.write(a_record(KEYS[3]))  # as a run does
    assert all_of(again) == content
    pack_records(again)
    assert all_of(store_in(store.root.parent)) == content


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_of_a_truncated_pack_the_beginning_is_kept(store: RecordStore, kept: float) -> None:
    content = all_of(store)
    pack_records(store)
    [path] = packs_of(store)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    again = store_in(store.root.parent)
    lost = [key for key in KEYS[:5] if not again.settled(key)]
    assert lost == [key for key in KEYS[:5] if again.find(key) is None]
    assert abs(len(lost) - 5 * (1 - kept)) <= 2
    for key in lost:
        again.write(
            a_record(key)
            if key != KEYS[4]
            else a_record(key, values={}, arrays={}, failure=Failure("X", "for ever"))
        )
    assert all_of(again) == content
    pack_records(again)
    unpack_records(again)
    assert all_of(store_in(store.root.parent)) == content


def test_a_damaged_file_is_not_packed(store: RecordStore) -> None:
    flip(store.path(KEYS[2]), 700)
    assert pack_records(store).left == 2
    assert store.path(KEYS[2]).exists()


def test_a_deleted_pack_takes_its_records_along(store: RecordStore, small: None) -> None:
    pack_records(store)
    path = packs_of(store)[0]
    with zipfile.ZipFile(path) as archive:
        gone = {Path(name).stem for name in archive.namelist()}
    path.unlink()
    again = store_in(store.root.parent)
    assert {key for key in KEYS if again.header(key) is None} == gone
    assert {key for key in KEYS if key not in again} == gone


def test_what_another_process_packs_is_found(store: RecordStore) -> None:
    content, reader = all_of(store), packing.packs_in(str(store.root))
    pack_records(store)
    [path] = packs_of(store)
    other = path.with_name(f"{'0' * 32}.zip")
    path.rename(other)  # packed otherwise: what the process knows is out of date
    assert reader.read(KEYS[0]) is not None
    assert all_of(store) == content


def test_packs_of_several_folders(store: RecordStore, tmp_path: Path) -> None:
    content = all_of(store)
    other = RecordStore(tmp_path / "other")
    for key in KEYS[2:]:
        other.root.joinpath(key[:2]).mkdir(parents=True, exist_ok=True)
        store.path(key).rename(other.path(key))
    pack_records(store)
    pack_records(other)
    joined = JoinedStores((store, other))
    assert all_of(joined) == content
    assert joined.settled(KEYS[3])
    assert joined.path(KEYS[3]) == other.path(KEYS[3])


class Killed(BaseException):
    """What a kill is to the code: nothing that is written after it happens."""


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Die before the step so many from now; a step is anything that is done to a file or folder."""
    left = [0]

    def dying(original: Any) -> Any:
        def step(*given: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            if left[0] < 0 and left[0] > -1000:
                raise Killed  # a dead process does nothing any more
            return original(*given, **named)

        return step

    for owner, name in (
        *((Path, name) for name in ("unlink", "replace", "rmdir", "mkdir", "write_bytes", "chmod")),
        (zipfile.ZipFile, "writestr"),
        (os, "utime"),
        (packing, "_compare"),
    ):
        monkeypatch.setattr(owner, name, dying(getattr(owner, name)))
    left[0] = -1000
    return left


@pytest.mark.parametrize("work", [pack_records, unpack_records])
def test_killed_between_any_two_steps_nothing_is_lost(
    store: RecordStore, small: None, tmp_path: Path, kill_at: list[int], work: Any
) -> None:
    if work is unpack_records:
        pack_records(store)
    content = all_of(store)
    whole = store_in(Path(shutil.copytree(store.root.parent, tmp_path / "whole")))
    work(whole)
    step, died = 0, True
    while died:
        step += 1
        folder = Path(shutil.copytree(store.root.parent, tmp_path / str(step)))
        kill_at[0] = step
        try:
            work(store_in(folder))
            died = False
        except Killed:
            pass
        kill_at[0] = -1000
        assert all_of(store_in(folder)) == content, step
        work(store_in(folder))
        assert files_in(folder / "records") == files_in(whole.root), step
        shutil.rmtree(folder)
    assert step > 15


def test_a_pack_that_is_not_what_was_written_is_none(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    loose = files_in(store.root)
    original = zipfile.ZipFile.writestr

    def other(self: zipfile.ZipFile, info: zipfile.ZipInfo, content: bytes) -> None:
        original(self, info, content[:-1] + b"x")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", other)
    with pytest.raises(
        StorageError, match=r"cannot be written .*is not what is read.*records are as they were"
    ):
        pack_records(store)
    assert files_in(store.root) == loose
