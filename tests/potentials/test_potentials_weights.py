from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from weight_server import Answer, WeightServer

from softmode import downloads
from softmode.errors import CorruptWeightsError, MissingWeightsError, StorageError
from softmode.potentials import PotentialSettings, resolve, weights
from softmode.potentials.family import Entry
from softmode.potentials.registry import find
from softmode.potentials.runtime import load_numbers
from softmode.potentials.weights import cached_path, find_cached, obtain, proof

NAME = "a-model_2.model"
URL = f"https://example.org/releases/download/v1/{NAME}"


def archive(n_bytes: int = 200_000) -> bytes:
    """A zip archive as torch saves one: stored, not compressed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as target:
        target.writestr("model/data.pkl", b"pickle")
        target.writestr("model/data/0", bytes(range(256)) * (n_bytes // 256))
    return stream.getvalue()


BODY = archive()
SHA256 = hashlib.sha256(BODY).hexdigest()


def assert_nothing_kept(cache: Path) -> None:
    assert list(cache.glob("*")) == []
    assert find_cached(URL) is None


def assert_only_the_beginning_is_kept(cache: Path) -> None:
    assert [path.name for path in cache.glob("*")] == [f".{NAME}.part"]
    assert find_cached(URL) is None


@pytest.fixture(autouse=True)
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for."""
    monkeypatch.setattr(downloads, "ATTEMPTS", 1)


def test_a_download_is_kept_with_its_checksum(weight_server: WeightServer, isolated_cache: Path) -> None:
    weight_server.answers[NAME] = Answer(BODY)
    found = obtain(URL)
    assert found.path == isolated_cache / NAME
    assert found.path.read_bytes() == BODY
    assert found.sha256 == SHA256
    assert (isolated_cache / f"{NAME}.sha256").read_text() == f"{SHA256}  {NAME}\n"
    assert sorted(path.name for path in isolated_cache.iterdir()) == [NAME, f"{NAME}.sha256"]
    assert weight_server.requested == [f"/{NAME}"]


def test_what_weights_are_checked_against_is_said(weight_server: WeightServer) -> None:
    weight_server.answers[NAME] = Answer(BODY)
    entry = Entry("mine", url=URL)
    assert proof(entry) == "the SHA-256 of the first download, which is kept (upstream publishes none)"
    obtain(URL)
    assert (
        proof(entry) == f"SHA-256 {SHA256}, of the first download on this machine (upstream publishes none)"
    )
    assert proof(replace(entry, sha256="ab" * 32)) == f"SHA-256 {'ab' * 32}, of what upstream publishes"
    assert proof(replace(entry, url=None)) == "its package"


def test_what_is_cached_needs_no_network(
    weight_server: WeightServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight_server.answers[NAME] = Answer(BODY)
    first = obtain(URL)
    monkeypatch.setenv("SOFTMODE_WEIGHTS_URL", "http://127.0.0.1:9")
    assert obtain(URL) == first
    assert len(weight_server.requested) == 1


def test_the_published_url_is_used_without_a_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOFTMODE_WEIGHTS_URL")
    assert weights.download_url(URL) == URL


def test_a_folder_can_be_the_mirror(
    tmp_path: Path, isolated_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / NAME).write_bytes(BODY)
    monkeypatch.setenv("SOFTMODE_WEIGHTS_URL", (tmp_path / "mirror").as_uri())
    assert obtain(URL).sha256 == SHA256


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(Answer(BODY[:90_000], announced=-1), "not a complete model file", id="cut, no length"),
        pytest.param(Answer(BODY, announced=len(BODY) - 40), "not a complete model file", id="short length"),
        pytest.param(Answer(b""), "not a complete model file", id="empty"),
        pytest.param(
            Answer(b"<html>sign in</html>", content_type="text/html; charset=utf-8"), "web page", id="html"
        ),
        pytest.param(Answer(b"<html>sign in</html>"), "not a complete model file", id="html unannounced"),
        pytest.param(
            Answer(BODY[:100_000] + b"\xff\x00" + BODY[100_002:]), "checksum of its part", id="one bad byte"
        ),
    ],
)
def test_a_bad_download_is_refused_and_leaves_nothing(
    weight_server: WeightServer, isolated_cache: Path, answer: Answer, problem: str
) -> None:
    weight_server.answers[NAME] = answer
    with pytest.raises(CorruptWeightsError, match=re.escape(problem)) as caught:
        obtain(URL)
    assert weight_server.url in str(caught.value)
    assert_nothing_kept(isolated_cache)
    weight_server.answers[NAME] = Answer(BODY)
    assert obtain(URL).sha256 == SHA256


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(
            Answer(BODY[:90_000], announced=len(BODY)), f"ended after 90000 of {len(BODY)} bytes", id="cut"
        ),
        pytest.param(Answer(BODY, announced=len(BODY) + 9), f"ended after {len(BODY)} of", id="long length"),
    ],
)
def test_a_cut_download_is_refused_and_gone_on_with(
    weight_server: WeightServer, isolated_cache: Path, answer: Answer, problem: str
) -> None:
    weight_server.answers[NAME] = answer
    with pytest.raises(CorruptWeightsError, match=re.escape(problem)) as caught:
        obtain(URL)
    assert weight_server.url in str(caught.value)
    assert_only_the_beginning_is_kept(isolated_cache)
    weight_server.answers[NAME] = Answer(BODY)
    assert obtain(URL).sha256 == SHA256
    assert weight_server.starts[-1] == len(answer.body)


def test_a_beginning_of_another_file_is_thrown_away(
    weight_server: WeightServer, isolated_cache: Path
) -> None:
    """Where no checksum is published, the archive's own tell that the parts do not belong together."""
    isolated_cache.mkdir(parents=True)
    (isolated_cache / f".{NAME}.part").write_bytes(BODY[:1000] + b"U" * 149_000)
    weight_server.answers[NAME] = Answer(BODY)
    assert obtain(URL).sha256 == SHA256
    assert weight_server.starts == [150_000, 0]


def test_not_found_is_reported(weight_server: WeightServer, isolated_cache: Path) -> None:
    with pytest.raises(MissingWeightsError, match="HTTP 404"):
        obtain(URL)
    assert_nothing_kept(isolated_cache)


def test_offline_the_error_says_which_file_to_put_where(isolated_cache: Path) -> None:
    with pytest.raises(MissingWeightsError) as caught:
        obtain(URL)
    assert f"http://127.0.0.1:9/{NAME}" in str(caught.value)
    assert str(isolated_cache / NAME) in str(caught.value)
    assert_nothing_kept(isolated_cache)


def test_a_stalled_connection_is_a_cut_download(
    weight_server: WeightServer, isolated_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stalled(self: object, size: int = -1) -> bytes:
        raise TimeoutError("timed out")

    monkeypatch.setattr("http.client.HTTPResponse.read", stalled)
    weight_server.answers[NAME] = Answer(BODY)
    with pytest.raises(CorruptWeightsError, match="cut after 0 bytes"):
        obtain(URL)
    assert_nothing_kept(isolated_cache)


def test_an_interrupted_download_is_gone_on_with(
    weight_server: WeightServer, isolated_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "BLOCK", 50_000)
    read, n_reads = HTTPResponse.read, []

    def interrupted(self: object, size: int = -1) -> bytes:
        n_reads.append(size)
        if len(n_reads) == 3:
            part = next(isolated_cache.glob(".*.part"))
            assert part.is_file()
            raise KeyboardInterrupt
        return read(self, size)

    monkeypatch.setattr("http.client.HTTPResponse.read", interrupted)
    weight_server.answers[NAME] = Answer(BODY)
    with pytest.raises(KeyboardInterrupt):
        obtain(URL)
    assert len(n_reads) == 3
    assert_only_the_beginning_is_kept(isolated_cache)
    monkeypatch.setattr("http.client.HTTPResponse.read", read)
    assert obtain(URL).sha256 == SHA256
    assert weight_server.starts == [0, 100_000]


def test_a_full_disk_is_named(
    weight_server: WeightServer, isolated_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    weight_server.answers[NAME] = Answer(BODY)
    with pytest.raises(StorageError, match="No space left") as caught:
        obtain(URL)
    assert str(isolated_cache) in str(caught.value)
    assert "SOFTMODE_CACHE" in str(caught.value)
    assert_only_the_beginning_is_kept(isolated_cache)


def test_a_cache_that_cannot_be_made_is_named(
    weight_server: WeightServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SOFTMODE_CACHE", str(tmp_path / "file"))
    weight_server.answers[NAME] = Answer(BODY)
    with pytest.raises(StorageError, match="file/weights"):
        obtain(URL)


def test_the_pinned_checksum_is_held_against_downloads_and_the_cache(
    weight_server: WeightServer, isolated_cache: Path
) -> None:
    weight_server.answers[NAME] = Answer(BODY)
    with pytest.raises(CorruptWeightsError, match=f"has SHA-256 {SHA256}, but {'0' * 64}"):
        obtain(URL, "0" * 64)
    assert_nothing_kept(isolated_cache)
    assert obtain(URL, SHA256).sha256 == SHA256
    with pytest.raises(CorruptWeightsError, match=NAME):
        obtain(URL, "0" * 64)


def test_a_cached_file_that_changed_is_refused(weight_server: WeightServer) -> None:
    weight_server.answers[NAME] = Answer(BODY)
    path = obtain(URL).path
    path.write_bytes(archive(100_000))
    with pytest.raises(CorruptWeightsError, match=f"{NAME}: has changed since it was verified"):
        obtain(URL)


def test_a_file_put_there_by_hand_is_verified_once(isolated_cache: Path) -> None:
    isolated_cache.mkdir(parents=True)
    path = cached_path(URL)
    path.write_bytes(BODY[:-50])
    with pytest.raises(CorruptWeightsError, match="not a complete model file"):
        obtain(URL)
    path.write_bytes(BODY)
    assert obtain(URL).sha256 == SHA256
    assert (isolated_cache / f"{NAME}.sha256").read_text().startswith(SHA256)


def test_the_cache_of_mace_itself_is_used_and_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "xdg" / "mace" / "amodel_2model"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(BODY)
    assert obtain(URL).path == theirs
    assert list(theirs.parent.iterdir()) == [theirs]
    theirs.write_bytes(BODY[:-50])
    with pytest.raises(CorruptWeightsError, match="amodel_2model"):
        obtain(URL)


def test_remains_of_killed_downloads_are_removed_after_a_day(
    weight_server: WeightServer, isolated_cache: Path
) -> None:
    isolated_cache.mkdir(parents=True)
    old, recent = isolated_cache / f".{NAME}.old.part", isolated_cache / f".{NAME}.new.part"
    own = isolated_cache / f".{NAME}.part"
    for path in (old, recent, own):
        path.write_bytes(b"half")
    for path in (old, own):
        os.utime(path, (time.time() - 2 * 86400,) * 2)
    weight_server.answers[NAME] = Answer(BODY)
    obtain(URL)
    assert weight_server.starts == [0]
    assert not old.exists()
    assert recent.exists()


def test_simultaneous_downloads_do_not_disturb_each_other(
    weight_server: WeightServer, isolated_cache: Path
) -> None:
    weight_server.answers[NAME] = Answer(BODY)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: weights.download(URL), range(8)))
    assert {file.sha256 for file in found} == {SHA256}
    assert sorted(path.name for path in isolated_cache.iterdir()) == [NAME, f"{NAME}.sha256"]
    assert obtain(URL).path.read_bytes() == BODY


def test_progress_is_shown_on_a_terminal_only(
    weight_server: WeightServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weight_server.answers[NAME] = Answer(BODY)
    obtain(URL)
    assert capsys.readouterr() == ("", "")
    cached_path(URL).unlink()
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    assert obtain(URL).sha256 == SHA256
    captured = capsys.readouterr()
    assert NAME in captured.err
    assert captured.out == ""


def test_a_mirror_keeps_the_folders_of_families(
    tmp_path: Path, isolated_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "mirror" / "family" / "its-own-name.bin"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"weights that are no archive")
    sha256 = hashlib.sha256(place.read_bytes()).hexdigest()
    monkeypatch.setenv("SOFTMODE_WEIGHTS_URL", (tmp_path / "mirror").as_uri())
    url, stored_as = "https://example.org/raw/another-name.bin", "family/its-own-name.bin"
    found = obtain(url, sha256, stored_as=stored_as)
    assert found.path == isolated_cache / stored_as
    assert found.sha256 == sha256
    place.unlink()
    assert obtain(url, sha256, stored_as=stored_as) == found
    found.path.write_bytes(b"other weights")
    with pytest.raises(CorruptWeightsError, match=rf"but {sha256} is asked for"):
        obtain(url, sha256, stored_as=stored_as)


def test_a_folder_is_fetched_file_by_file_and_pinned(
    weight_server: WeightServer, isolated_cache: Path
) -> None:
    bodies = {"b.pt": b"second", "a.json": b"first"}
    pins = {name: hashlib.sha256(body).hexdigest() for name, body in bodies.items()}
    for name, body in bodies.items():
        weight_server.answers[f"family/model/{name}"] = Answer(body)
    found = weights.obtain_folder("https://example.org/model", pins, "", "family/model")
    assert found.path == isolated_cache / "family" / "model"
    listing = f"{pins['a.json']}  a.json\n{pins['b.pt']}  b.pt\n"  # as sha256sum * prints it
    assert found.sha256 == hashlib.sha256(listing.encode()).hexdigest()
    assert weights.obtain_folder("https://example.org/model", pins, "", "family/model") == found
    assert len(weight_server.requested) == 2


def test_a_folder_with_a_file_of_another_model_is_refused(
    weight_server: WeightServer, isolated_cache: Path
) -> None:
    weight_server.answers["family/model/a.json"] = Answer(b"another")
    with pytest.raises(CorruptWeightsError, match="is asked for"):
        weights.obtain_folder("https://example.org/model", {"a.json": "0" * 64}, "", "family/model")
    assert not list((isolated_cache / "family" / "model").glob("*"))


@pytest.mark.parametrize(
    ("name", "module", "kind"),
    [("7net-0", "sevenn", "SevenNet"), ("chgnet", "chgnet", "CHGNet"), ("mpa-0-medium", "mace", "MACE")],
)
@pytest.mark.parametrize("what", ["half", "ten bytes", "nothing", "of Nequix"])
def test_weights_that_are_another_model_s_or_cut_short_are_said_in_a_line(
    name: str, module: str, kind: str, what: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip(module)
    found = find(name)
    assert found is not None
    assert found[0].package is not None
    carried = found[0].package.carried(found[1].packaged) if found[1].packaged else None
    whole = (carried or request.getfixturevalue("small_mace_path")).read_bytes()
    path = tmp_path / "weights.pth"
    path.write_bytes(
        {
            "half": whole[: len(whole) // 2],
            "ten bytes": whole[:10],
            "nothing": b"",
            "of Nequix": b'{"cutoff": 6.0, "n_species": 89}\n' + whole[:5000],
        }[what]
    )
    with pytest.raises(CorruptWeightsError) as error:
        resolve(PotentialSettings(name=name, weights=path)).load()
    said = str(error.value)
    assert said.startswith(
        f"{path}: cannot be read as a {kind} model, so it is another's, cut short or damaged ("
    )
    assert len(said.splitlines()) == 1
    assert len(said) < len(str(path)) + 350


class Code:
    """What makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize(("name", "module"), [("7net-0", "sevenn"), ("chgnet", "chgnet")])
def test_weights_that_hold_code_are_refused_and_it_is_not_run(name: str, module: str, tmp_path: Path) -> None:
    pytest.importorskip(module)
    import torch

    path, made = tmp_path / "weights.pth", tmp_path / "made"
    torch.save({"model": {"model_args": Code(made)}, "model_state_dict": {}}, path)
    with pytest.raises(CorruptWeightsError, match=r"asks for .*mkdir, and reading it would run that"):
        resolve(PotentialSettings(name=name, weights=path)).load()
    assert not made.exists()
    torch.load(path, weights_only=False)  # it would have
    assert made.exists()


def test_numbers_of_numpy_are_no_code(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    held = {"a": np.arange(3.0), "b": np.float64(0.5), "c": np.array([True]), "d": [torch.ones(2), "e", None]}
    torch.save(held, tmp_path / "w.pt")
    found = load_numbers(tmp_path / "w.pt", "CHGNet", "No")
    assert found["b"] == 0.5
    np.testing.assert_array_equal(found["a"], held["a"])


def test_own_weights_without_code_are_not_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("chgnet")
    monkeypatch.delenv("SOFTMODE_TRUST", raising=False)
    path = tmp_path / "weights.pth"
    path.write_bytes(b"own")
    resolve(PotentialSettings(name="chgnet", weights=path))
    assert caplog.records == []
