"""Records in packs: read where they lie, and nothing is lost whatever happens."""

from __future__ import annotations

import errno
import json
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
    pack_file,
    pack_records,
    packing,
    packs,
    record_stamp,
    unpack_records,
)

KEYS = tuple(digest_of(number) for number in range(6))
pytestmark = pytest.mark.usefixtures("unsynced")
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
    monkeypatch.setattr(pack_file, "_short_directory", lambda stream, size: None)
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


def inside(path: Path, key: str) -> int:
    """A place in a record in a pack."""
    with zipfile.ZipFile(path) as archive:
        return archive.getinfo(f"{key[:2]}/{key}.h5").header_offset + 500


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
    flip(path, inside(path, KEYS[3]))
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


class Unreliable:
    """Opens packs, but for the times that it is told not to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failing: set[int] = set()
        self.times = 0
        original = Path.open

        def opened(path: Path, *given: Any, **named: Any) -> Any:
            if path.suffix == ".zip":
                self.times += 1
                if self.times in self.failing:
                    raise OSError(errno.EIO, "Input/output error")
            return original(path, *given, **named)

        monkeypatch.setattr(Path, "open", opened)


@pytest.mark.parametrize("when", [1, 2])  # its directory, and its records, which nothing says are whole
def test_what_cannot_be_read_for_a_moment_is_not_damaged(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch, when: int
) -> None:
    content = all_of(store)
    pack_records(store)
    [path] = packs_of(store)
    os.utime(path)
    packs.packs_in.cache_clear()
    unreliable = Unreliable(monkeypatch)
    unreliable.failing = {when}
    with pytest.raises(
        StorageError, match=r"\.zip: records packed there cannot be read \(Input/output error\)"
    ):
        store_in(store.root.parent).settled(KEYS[0])
    again = store_in(store.root.parent)
    assert all(again.settled(key) for key in KEYS[:5])
    packs.packs_in.cache_clear()
    os.utime(path)
    unreliable.failing = {unreliable.times + when}
    with pytest.raises(StorageError, match="cannot be read"):
        unpack_records(store_in(store.root.parent), dry_run=True)
    assert unpack_records(store_in(store.root.parent)).left == 0
    assert all_of(store) == content


@pytest.mark.parametrize("error", [errno.EIO, errno.ESTALE])
def test_packs_that_cannot_be_listed_are_not_gone(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    pack_records(store)
    packs.packs_in.cache_clear()

    def fail(*given: object) -> None:
        raise OSError(error, "no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", fail)
        with pytest.raises(StorageError, match="packs: records packed there cannot be read"):
            store_in(store.root.parent)
    assert store_in(store.root.parent).settled(KEYS[0])


def test_a_place_that_cannot_be_read_costs_its_record_only(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    content = all_of(store)
    pack_records(store)
    [path] = packs_of(store)
    os.utime(path)
    original, bad = pack_file.member_content, packs.packs_in(str(store.root)).find(KEYS[1])
    assert bad is not None

    def reading(stream: Any, member: packs.Member) -> bytes:
        if member.offset == bad.offset:
            raise OSError(errno.EIO, "Input/output error")
        return original(stream, member)

    with monkeypatch.context() as patch:
        for module in (packs, pack_file):
            patch.setattr(module, "member_content", reading)
        again = store_in(store.root.parent)
        assert [key for key in KEYS if not again.settled(key)] == [KEYS[1], KEYS[5]]
        assert "1 of 5 records cannot be read" in caplog.text
        done = unpack_records(again)
        assert (done.records, done.left, done.packs, done.kept) == (4, 1, (), (path,))
        assert path.exists()
    done = unpack_records(store_in(store.root.parent))  # it was for a moment only
    assert (done.records, done.left, done.packs, done.kept) == (5, 0, (path,), ())
    assert all_of(store) == content


def test_what_was_noted_to_be_damaged_is_looked_at_again(store: RecordStore) -> None:
    pack_records(store)
    [path] = packs_of(store)
    found = path.stat()
    noted = path.with_name("checked.json")
    noted.write_text(json.dumps([[path.name, found.st_size, found.st_mtime_ns, list(KEYS)]]))
    packs.packs_in.cache_clear()
    assert all(store_in(store.root.parent).settled(key) for key in KEYS[:5])
    assert json.loads(noted.read_text()) == [[path.name, found.st_size, found.st_mtime_ns, []]]


def test_a_pack_stays_until_all_in_it_is_out(store: RecordStore) -> None:
    content = all_of(store)
    pack_records(store)
    [path] = packs_of(store)
    found = path.stat()
    flip(path, inside(path, KEYS[3]))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))  # as a disk damages it: all seems checked
    done = unpack_records(store_in(store.root.parent))
    assert (done.records, done.left, done.packs, done.kept) == (4, 1, (), (path,))
    assert not store.path(KEYS[3]).exists()
    store.write(a_record(KEYS[3]))  # as a run does
    assert unpack_records(store_in(store.root.parent)).packs == (path,)
    assert not path.parent.exists()
    assert all_of(store) == content


def test_a_pack_that_holds_something_else_is_not_deleted(store: RecordStore) -> None:
    content = all_of(store)
    pack_records(store)
    [path] = packs_of(store)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("notes.txt", "of somebody")
    done = unpack_records(store_in(store.root.parent))
    assert (done.records, done.left, done.kept) == (5, 0, (path,))
    assert all_of(store_in(store.root.parent)) == content
    path.write_bytes(path.read_bytes()[:-10])  # nor one of which nobody knows what it holds
    assert unpack_records(store_in(store.root.parent)).kept == (path,)
    assert path.exists()


def test_a_damaged_file_does_not_hide_what_is_packed(store: RecordStore) -> None:
    content = all_of(store)
    pack_records(store)
    store.path(KEYS[0]).parent.mkdir(exist_ok=True)
    store.path(KEYS[0]).write_bytes(b"")  # power failed while packs were undone
    again = store_in(store.root.parent)
    assert again.settled(KEYS[0])
    assert all_of(again) == content
    assert open_record(store.path(KEYS[0])) is not None
    assert pack_records(again).left == 1
    assert not store.path(KEYS[0]).exists()
    assert all_of(again) == content


@pytest.mark.parametrize("work", [pack_records, unpack_records])
def test_what_a_process_is_writing_is_left_alone(store: RecordStore, work: Any) -> None:
    pack_records(store)
    written = store.path(KEYS[5]).with_name(f".{KEYS[5]}.h5.abc.tmp")
    written.write_bytes(b"half")  # by a worker of a run on a cluster that was killed a moment ago
    work(store)
    assert written.exists()


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
    store: RecordStore,
    small: None,
    tmp_path: Path,
    kill_at: list[int],
    work: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("softmode.files._LEFTOVER_SECONDS", -1.0)  # ten minutes later, the command again
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
