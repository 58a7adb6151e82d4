"""What is kept of records outside them: it spares opening them, and is never believed when they changed."""

from __future__ import annotations

import shutil
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tiny_study import emt, factory, run_tiny, tiny_study

from softmode.records import Failure, Header, HeaderCache, Record, RecordStore
from softmode.records import headers as header_cache
from softmode.report.build import build_report
from softmode.study.folder import Study, reopen_study
from softmode.study.results import cell_table, record_index

KEY = "ab" * 32


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each record was read."""
    counted: Counter[str] = Counter()
    original = RecordStore.read

    def counting(self: RecordStore, key: str, **named: Any) -> Record:
        counted[key] += 1
        return original(self, key, **named)

    monkeypatch.setattr(RecordStore, "read", counting)
    return counted


@pytest.fixture(scope="module")
def finished(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Not to be changed."""
    potentials = (emt(), factory("scaled_emt", "soft", factor=0.9), factory("nan_emt", "nan"))
    return run_tiny(tiny_study(tiny_dataset, tmp_path_factory.mktemp("finished") / "o", *potentials))[0]


@pytest.fixture
def study(finished: Study, tmp_path: Path) -> Study:
    return reopen_study(Path(shutil.copytree(finished.folder, tmp_path / "o")))


def cache_of(study: Study) -> Path:
    return study.folder / "cache" / "headers.jsonl"


def test_tables_after_a_run_open_no_record(study: Study, opened: Counter[str]) -> None:
    again = reopen_study(study.folder)
    cell_table(again)
    record_index(again)
    assert not opened


def test_a_report_opens_each_record_at_most_once(study: Study, opened: Counter[str]) -> None:
    build_report(reopen_study(study.folder))
    assert opened
    assert set(opened.values()) == {1}


def test_without_the_cache_each_record_is_opened_once(study: Study, opened: Counter[str]) -> None:
    cache_of(study).unlink()
    again = reopen_study(study.folder)
    cell_table(again)
    record_index(again)
    assert len(opened) == len(list(study.store.root.glob("*/*.h5")))
    assert set(opened.values()) == {1}
    opened.clear()
    cell_table(reopen_study(study.folder))
    assert not opened


def test_tables_are_the_same_with_and_without(study: Study) -> None:
    told = reopen_study(study.folder)
    tables = [cell_table(told), record_index(told)]
    cache_of(study).unlink()
    read = reopen_study(study.folder)
    for table, other in zip(tables, [cell_table(read), record_index(read)], strict=True):
        pd.testing.assert_frame_equal(table, other, check_exact=True)


def test_records_are_complete_but_for_their_arrays(study: Study) -> None:
    for cell in study.cases:
        for name, record in study.records(cell).items():
            stored = study.store.read(record.key)
            assert record.values == stored.values
            assert (record.inputs, record.failure) == (stored.inputs, stored.failure)
            assert (record.seconds, record.created) == (stored.seconds, stored.created)
            assert dict(record.arrays) == {}
            assert record.inputs == cell.inputs[name]


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    return RecordStore(tmp_path / "records", HeaderCache(tmp_path / "headers.jsonl"))


def record(value: object, failure: Failure | None = None) -> Record:
    return Record(KEY, "harmonic", {}, values={} if failure else {"value": value}, failure=failure)


def value_of(store: RecordStore) -> object:
    found = store.header(KEY)
    return None if found is None else found.values.get("value")


def test_a_changed_record_is_read_again(store: RecordStore) -> None:
    store.write(record(1.0))
    assert value_of(store) == 1.0
    store.write(record(22.5))
    assert value_of(store) == 22.5


def test_a_damaged_or_removed_record_is_not_remembered(store: RecordStore) -> None:
    store.write(record(1.0))
    assert value_of(store) == 1.0
    content = bytearray(store.path(KEY).read_bytes())
    content[len(content) // 2] ^= 0xFF
    store.path(KEY).write_bytes(content)
    assert store.header(KEY) is None
    store.path(KEY).unlink()
    assert store.header(KEY) is None
    assert not store.settled(KEY)


@pytest.mark.parametrize("value", [1.5, None, "x", [1, "two"], {"a": 1.0}, float("nan"), 10**20])
def test_values_come_back_as_they_were(tmp_path: Path, store: RecordStore, value: object) -> None:
    store.write(record(value))
    first = repr(value_of(store))
    store.flush()
    assert store.headers is not None
    known = HeaderCache(store.headers.path)
    fresh = RecordStore(store.root, known)
    assert known._loaded()
    assert repr(value_of(fresh)) == first == repr(value)


def test_failures_are_kept_with_their_reason(store: RecordStore) -> None:
    failure = Failure("NonFiniteForces", "in frame 3", transient=True)
    store.write(record(None, failure))
    store.header(KEY)
    store.flush()
    assert store.headers is not None
    found = RecordStore(store.root, HeaderCache(store.headers.path)).header(KEY)
    assert found is not None
    assert found.failure == failure


def header(key: str, **values: object) -> Header:
    return Header(
        key, "sigma", (1, 2), tuple(values), tuple(values.values()), None, 0.5, 7, "then", "softmode"
    )


def saved(path: Path, *headers: Header) -> None:
    cache = HeaderCache(path)
    for each in headers:
        cache.keep(each)
    cache.flush()


@pytest.mark.parametrize("lost", range(1, 60, 7))
def test_a_line_that_a_kill_has_cut_off_costs_that_line_only(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "headers.jsonl"
    saved(path, header("a", x=1), header("b", x=2))
    path.write_bytes(path.read_bytes()[:-lost])
    saved(path, header("c", x=3))
    cache = HeaderCache(path)
    assert cache.find("a", (1, 2)) == header("a", x=1)
    assert cache.find("c", (1, 2)) == header("c", x=3)
    assert cache.find("b", (1, 2)) in (None, header("b", x=2))


def test_a_damaged_line_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "headers.jsonl"
    saved(path, header("a", x=1), header("b", x=2))
    content = path.read_bytes()
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        cache = HeaderCache(path)
        assert cache.find("a", (1, 2)) in (None, header("a", x=1))
        assert cache.find("b", (1, 2)) in (None, header("b", x=2))


def test_a_line_that_is_whole_but_no_json_costs_that_line_only(tmp_path: Path) -> None:
    path = tmp_path / "headers.jsonl"
    saved(path, header("a", x=1))
    with path.open("a") as file:
        file.write(f"{zlib.crc32(b'not json'):08x} not json\n")
    saved(path, header("b", x=2))
    cache = HeaderCache(path)
    assert cache.find("a", (1, 2)) == header("a", x=1)
    assert cache.find("b", (1, 2)) == header("b", x=2)


def test_the_stamp_must_agree(tmp_path: Path) -> None:
    saved(tmp_path / "headers.jsonl", header("a", x=1))
    cache = HeaderCache(tmp_path / "headers.jsonl")
    assert cache.find("a", (1, 3)) is None
    assert cache.find("a", (2, 2)) is None


def test_later_lines_replace_earlier_ones_and_the_file_does_not_grow_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(header_cache, "_SPARE", 3)
    path = tmp_path / "headers.jsonl"
    for value in range(10):
        saved(path, header("a", x=value), header("b", y="fixed"))
    cache = HeaderCache(path)
    assert cache.find("a", (1, 2)) == header("a", x=9)
    assert cache.find("b", (1, 2)) == header("b", y="fixed")
    assert len(path.read_text().split("\n")) < 15


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = RecordStore(tmp_path / "records", HeaderCache(tmp_path / "file" / "headers.jsonl"))
    store.write(record(4.0))
    assert value_of(store) == 4.0
    store.flush()
    assert value_of(store) == 4.0
