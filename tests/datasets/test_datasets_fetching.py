"""Fetching from a server that behaves like a Dataverse, on a network that behaves like one."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataverse_server import DOI, Dataverse, Served, serve_dataverse

from softmode import downloads
from softmode.datasets.fetching import fetch_all
from softmode.datasets.phonondb import remote_files as phonondb_files
from softmode.datasets.remote import dataverse_files
from softmode.downloads import Meter, RemoteFile, fetch
from softmode.errors import DamagedDownloadError, DownloadError, InputDataError, SettingsError, StorageError

BODY = np.random.default_rng(5).bytes(300_000)


@pytest.fixture
def dataverse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dataverse]:
    monkeypatch.setattr(downloads, "BLOCK", 10_000)
    with serve_dataverse() as server:
        server.files = {
            11: Served(BODY, "fluorides", "dpv_Cs2NaAlF6.tar.gz"),
            12: Served(BODY[::-1], "", "double_halide_pv.db"),
            13: Served(b"private", "iodides", "dpv_Cs2AgBiI6.tar.gz", restricted=True),
        }
        monkeypatch.setenv("SOFTMODE_DATAVERSE_URL", server.url + "/")
        yield server


def remote(dataverse: Dataverse) -> RemoteFile:
    return next(file for file in dataverse_files(DOI) if file.path.startswith("fluorides"))


def nothing_left_over(folder: Path) -> bool:
    return not list(folder.rglob(".*.part"))


def no_wait(seconds: float) -> None:
    """In place of waiting."""


def test_a_dataset_is_listed_and_fetched(dataverse: Dataverse, tmp_path: Path) -> None:
    files = dataverse_files("https://doi.org/10.7910/DVN/STANDIN")
    assert [(file.path, file.size, file.restricted) for file in files] == [
        ("double_halide_pv.db", 300_000, False),
        ("fluorides/dpv_Cs2NaAlF6.tar.gz", 300_000, False),
        ("iodides/dpv_Cs2AgBiI6.tar.gz", 7, True),
    ]
    came: list[int] = []
    report = fetch_all(files, tmp_path, advance=came.append)
    assert (tmp_path / "fluorides" / "dpv_Cs2NaAlF6.tar.gz").read_bytes() == BODY
    assert (tmp_path / "double_halide_pv.db").read_bytes() == BODY[::-1]
    assert report.restricted == ("iodides/dpv_Cs2AgBiI6.tar.gz",)
    assert (len(report.fetched), report.failed, report.unverified) == (2, (), ())
    assert sum(came) == 600_000
    assert nothing_left_over(tmp_path)


def test_what_is_there_is_not_fetched_again(dataverse: Dataverse, tmp_path: Path) -> None:
    fetch(remote(dataverse), tmp_path)
    fetch(remote(dataverse), tmp_path)
    assert dataverse.ranges(11) == [""]


def test_a_cut_connection_is_gone_on_with(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.files[11].faults = [("cut", 123_456), ("cut", 100_000)]
    path = fetch(remote(dataverse), tmp_path, pause=no_wait)
    assert path.read_bytes() == BODY
    assert dataverse.ranges(11) == ["", "bytes=123456-", "bytes=223456-"]


def test_an_interrupted_download_is_gone_on_with_by_the_next_command(
    dataverse: Dataverse, tmp_path: Path
) -> None:
    def interrupt(count: int) -> None:
        if count:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(remote(dataverse), tmp_path, Meter(interrupt))
    kept = (tmp_path / "fluorides" / ".dpv_Cs2NaAlF6.tar.gz.part").read_bytes()
    assert 0 < len(kept) < len(BODY)
    assert not (tmp_path / "fluorides" / "dpv_Cs2NaAlF6.tar.gz").exists()
    assert fetch(remote(dataverse), tmp_path).read_bytes() == BODY
    assert dataverse.ranges(11)[-1] == f"bytes={len(kept)}-"


def test_a_server_that_ignores_ranges_starts_over(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.files[11].faults = [("cut", 50_000), ("whole",)]
    came: list[int] = []
    assert fetch(remote(dataverse), tmp_path, Meter(came.append), no_wait).read_bytes() == BODY
    assert sum(came) == len(BODY)


def test_a_wrong_checksum_is_fetched_once_more(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.files[11].faults = [("flip", 200_000)]
    assert fetch(remote(dataverse), tmp_path).read_bytes() == BODY
    assert dataverse.ranges(11) == ["", ""]


def test_a_checksum_that_stays_wrong_is_refused(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.files[11].faults = [("flip", 7), ("flip", 7)]
    with pytest.raises(DownloadError, match=r"has the MD5 checksum .{32}, not .{32}"):
        fetch(remote(dataverse), tmp_path)
    assert not (tmp_path / "fluorides" / "dpv_Cs2NaAlF6.tar.gz").exists()


def test_the_remains_of_another_file_are_thrown_away(dataverse: Dataverse, tmp_path: Path) -> None:
    part = tmp_path / "fluorides" / ".dpv_Cs2NaAlF6.tar.gz.part"
    part.parent.mkdir()
    part.write_bytes(b"x" * 1000)
    assert fetch(remote(dataverse), tmp_path).read_bytes() == BODY
    part.write_bytes(b"x" * 400_000)  # longer than the file, whose size is not known here
    (tmp_path / "fluorides" / "dpv_Cs2NaAlF6.tar.gz").unlink()
    unknown = RemoteFile(f"{dataverse.url}/storage/11", "fluorides/dpv_Cs2NaAlF6.tar.gz")
    assert fetch(unknown, tmp_path, pause=no_wait).read_bytes() == BODY


def test_a_busy_server_is_waited_for(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.files[11].faults = [("busy", 17), ("busy", "Wed, 21 Oct 2015 07:28:00 GMT"), ("busy", 1e9)]
    waited: list[float] = []
    assert fetch(remote(dataverse), tmp_path, pause=waited.append).read_bytes() == BODY
    assert waited == [17.0, 0.0, 4.0]  # what is no number of seconds (1000000000.0) counts as nothing said


def test_a_server_that_stays_busy_is_given_up(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.files[11].faults = [("busy", 1)] * 20
    waited: list[float] = []
    with pytest.raises(DownloadError, match="HTTP 503") as caught:
        fetch(remote(dataverse), tmp_path, pause=waited.append)
    assert caught.value.status == 503
    assert waited == [1.0] * (downloads.ATTEMPTS - 1)


def test_what_one_may_not_have_is_named_and_the_rest_comes(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.files[11].faults = [("forbidden",)]
    report = fetch_all(dataverse_files(DOI), tmp_path)
    assert report.restricted == ("fluorides/dpv_Cs2NaAlF6.tar.gz", "iodides/dpv_Cs2AgBiI6.tar.gz")
    assert [path.name for path in report.fetched] == ["double_halide_pv.db"]
    assert report.failed == ()


def test_one_failure_does_not_keep_the_others_away(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.files[11].faults = [("flip", 7), ("flip", 7)]
    report = fetch_all(dataverse_files(DOI), tmp_path)
    assert [error.subject for error in report.failed] == ["fluorides/dpv_Cs2NaAlF6.tar.gz"]
    assert [path.name for path in report.fetched] == ["double_halide_pv.db"]


def test_a_full_disk_ends_all_downloads(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.files = {n: Served(BODY, "", f"{n}.tar") for n in range(20, 28)}
    dataverse.files[20].faults = [("flip", 1), ("busy", 300)]
    with pytest.raises(StorageError, match="No space left"):
        fetch_all(dataverse_files(DOI), tmp_path, advance=full)
    assert len(list(tmp_path.glob("*.tar"))) < 8


def full(count: int) -> None:
    """A disk that is full as soon as something comes."""
    if count:
        raise StorageError("disk", "No space left on device", "make room")


def test_names_that_lead_out_of_the_folder_are_refused(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.files = {1: Served(BODY, "../elsewhere", "x"), 2: Served(BODY, "", "..\\x")}
    report = fetch_all(dataverse_files(DOI), tmp_path / "into")
    assert len(report.failed) == 2
    assert all("leads out of the folder" in str(error) for error in report.failed)
    assert list(tmp_path.rglob("*")) == []


def test_tables_are_fetched_as_deposited(dataverse: Dataverse, tmp_path: Path) -> None:
    original = {
        "originalFileFormat": "text/csv",
        "originalFileName": "labels.csv",
        "originalFileSize": 300_000,
    }
    dataverse.files = {1: Served(BODY, "", "labels.tab", listed=original)}
    report = fetch_all(dataverse_files(DOI), tmp_path)
    assert [path.name for path in report.fetched] == ["labels.csv"]
    assert report.unverified == ("labels.csv",)


def test_other_checksums_are_verified_too(dataverse: Dataverse, tmp_path: Path) -> None:
    dataverse.files[11].listed = {"checksum": {"type": "SHA-256", "value": "0" * 64}}
    with pytest.raises(DownloadError, match="SHA256 checksum"):
        fetch(remote(dataverse), tmp_path)


def test_listings_that_cannot_be_had(dataverse: Dataverse, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="no DOI"):
        dataverse_files("Harvard")
    with pytest.raises(DownloadError, match="has no such dataset"):
        dataverse_files("10.7910/DVN/OTHER")
    monkeypatch.setattr(downloads, "ATTEMPTS", 1)
    with pytest.raises(DownloadError, match="cannot be fetched"):
        dataverse_files(DOI, server="http://127.0.0.1:9")
    monkeypatch.setattr("softmode.datasets.remote.get_bytes", lambda url: b"<html>sign in</html>")
    with pytest.raises(InputDataError, match="not JSON"):
        dataverse_files(DOI)
    monkeypatch.setattr("softmode.datasets.remote.get_bytes", lambda url: b'{"status": "OK"}')
    with pytest.raises(InputDataError, match="not that of a Dataverse"):
        dataverse_files(DOI)


def test_two_processes_do_not_write_the_same_file(dataverse: Dataverse, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    part = tmp_path / "fluorides" / ".dpv_Cs2NaAlF6.tar.gz.part"
    part.parent.mkdir()
    with part.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="another process is fetching it"):
            fetch(remote(dataverse), tmp_path)
    assert fetch(remote(dataverse), tmp_path).read_bytes() == BODY


@pytest.fixture
def github(dataverse: Dataverse, monkeypatch: pytest.MonkeyPatch) -> Dataverse:
    dataverse.archives = {
        "materials-id-1138-lif-fm-3m-225.tar.lzma": Served(b"LiF" * 100),
        "materials-id-10175-kcdf3-pm-3m-221.tar.lzma": Served(b"KCdF3" * 100),
    }
    monkeypatch.setenv("SOFTMODE_PHONONDB_URL", dataverse.url)
    return dataverse


def test_archives_of_the_phonon_database(github: Dataverse, tmp_path: Path) -> None:
    assert [file.path.split("-")[2] for file in phonondb_files(None)] == ["1138", "10175"]
    report = fetch_all(phonondb_files(["mp-1138"]), tmp_path)
    assert [path.read_bytes() for path in report.fetched] == [b"LiF" * 100]
    assert report.unverified == ()
    with pytest.raises(SettingsError, match="no such material"):
        phonondb_files(["mp-1139"])


def test_the_git_checksum_is_verified(github: Dataverse, tmp_path: Path) -> None:
    [wanted] = phonondb_files(["mp-1138"])
    github.archives[wanted.path].content = b"LjF" * 100
    with pytest.raises(DownloadError, match="GIT checksum"):
        fetch(wanted, tmp_path)


# --- no network ------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", ["refused", "no such host", "no way there"])
def test_without_network_the_first_attempt_is_the_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failure: str
) -> None:
    attempts = []
    errors = {
        "refused": ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        "no such host": socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
        "no way there": OSError(errno.ENETUNREACH, "Network is unreachable"),
    }

    def unreachable(*args: object, **kwargs: object) -> None:
        attempts.append(1)
        raise errors[failure]

    monkeypatch.setattr(socket, "create_connection", unreachable)
    began = time.monotonic()
    with pytest.raises(DownloadError, match="cannot be fetched"):
        dataverse_files(DOI, server="http://data.example")
    with pytest.raises(DownloadError, match="cannot be fetched"):
        fetch(RemoteFile("http://data.example/x", "x"), tmp_path)
    assert time.monotonic() - began < 1.0
    assert len(attempts) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_has_answered_is_asked_again_when_it_is_lost(
    dataverse: Dataverse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = remote(dataverse)
    connect, failures = socket.create_connection, [ConnectionRefusedError()] * 2

    def lost(*args: Any, **kwargs: Any) -> socket.socket:
        if failures:
            raise failures.pop()
        return connect(*args, **kwargs)

    monkeypatch.setattr(socket, "create_connection", lost)
    waited: list[float] = []
    assert fetch(wanted, tmp_path, pause=waited.append).read_bytes() == BODY
    assert waited == [1.0, 2.0]


def test_a_stalled_connection_is_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def stalled(*args: object, **kwargs: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", stalled)
    waited: list[float] = []
    with pytest.raises(DownloadError, match="timed out"):
        fetch(RemoteFile("http://data.example/x", "x"), tmp_path, pause=waited.append)
    assert waited == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("url", ["data.example/x", "gopher://data.example/x", "http://[bad/x"])
def test_what_is_no_address_is_not_tried_again(url: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="cannot be fetched"):
        fetch(RemoteFile(url, "x"), tmp_path, pause=lambda seconds: pytest.fail("waited"))


def test_a_web_page_is_not_taken_for_a_file(dataverse: Dataverse, tmp_path: Path) -> None:
    wanted = RemoteFile(f"{dataverse.url}/page", "data.tar")
    with pytest.raises(DamagedDownloadError, match="web page"):
        fetch(wanted, tmp_path, pause=lambda seconds: pytest.fail("waited"))
    assert list(tmp_path.iterdir()) == []
