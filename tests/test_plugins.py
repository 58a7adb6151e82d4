"""Entry points of other packages: found, and left out with one warning when they cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugin_packages import install_plugin

from softmode.plugins import plugins

GROUP = "softmode.test_words"


def package(folder: Path, name: str, source: str, **points: str) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / f"softmode_test_{name}.py").write_text(source)
    declared = "\n".join(f'{key} = "softmode_test_{name}:{value}"' for key, value in points.items())
    (folder / name / "pyproject.toml").write_text(
        f'[project]\nname = "test-{name}"\nversion = "1.2"\n[project.entry-points."{GROUP}"]\n{declared}\n'
    )


def test_objects_of_all_packages_come_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert plugins(GROUP, str) == ()
    package(tmp_path, "one", "B = 'second'\nC = 'third'", b="B", c="C")
    package(tmp_path, "two", "A = 'first'", a="A")
    for name in ("one", "two"):
        install_plugin(name, tmp_path / "site", monkeypatch, tmp_path)
    assert plugins(GROUP, str) == ("first", "second", "third")
    monkeypatch.undo()
    assert plugins(GROUP, str) == ()


def test_what_cannot_be_used_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    package(tmp_path, "good", "A = 'kept'\nN = 3", a="A", n="N", none="Absent")
    package(tmp_path, "bad", "import softmode_test_absent", b="B")
    for name in ("good", "bad"):
        install_plugin(name, tmp_path / "site", monkeypatch, tmp_path)
    assert plugins(GROUP, str) == ("kept",)
    assert plugins(GROUP, str) == ("kept",)
    assert [record.message.partition(" is left out: ")[0] for record in caplog.records] == [
        f"b of the package test-bad ({GROUP})",
        f"n of the package test-good ({GROUP})",
        f"none of the package test-good ({GROUP})",
    ]
    reasons = " ".join(record.message for record in caplog.records)
    assert "No module named 'softmode_test_absent'" in reasons
    assert "of type int, not str" in reasons
    assert "Absent" in reasons
