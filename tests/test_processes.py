"""What a process does before and after its work."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from softmode.processes import restored


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
