"""What a process does before and after its work."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from softmode.deadlines import PausedError, pause_where_asked
from softmode.processes import SingleProcess, restored


def work(ends: bool) -> str:
    while not ends:
        time.sleep(0.01)
        pause_where_asked()
    pause_where_asked()
    return "done"


def test_a_process_pauses_when_it_is_asked_to_and_only_then() -> None:
    process = SingleProcess()
    try:
        future = process.submit(work, False)
        process.pause()
        assert isinstance(future.exception(timeout=60), PausedError)
        assert process.submit(work, True).result(timeout=60) == "done"
    finally:
        process.end()


def test_what_a_library_changes_is_put_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOFTMODE_KEPT", "kept")
    monkeypatch.chdir(tmp_path)
    os.umask(0o022)
    depth, errors = sys.getrecursionlimit(), np.geterr()
    with restored():
        os.environ.pop("SOFTMODE_KEPT")
        os.environ["SOFTMODE_NEW"] = "added"
        os.chdir("/")
        os.umask(0o777)
        sys.setrecursionlimit(depth + 7)
        np.seterr(all="raise")
    assert os.environ["SOFTMODE_KEPT"] == "kept"
    assert os.environ.pop("SOFTMODE_NEW") == "added"
    assert Path.cwd() == tmp_path
    assert (sys.getrecursionlimit(), np.geterr()) == (depth, errors)
    assert os.umask(0o022) == 0o022


def test_a_working_folder_that_is_gone_does_no_harm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with restored():
        pass
