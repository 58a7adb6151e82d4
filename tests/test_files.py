"""Names of files, and texts that can be shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from softmode.errors import SoftmodeError, printable
from softmode.files import file_name, write_atomically


def test_different_names_have_different_files() -> None:
    names = [
        ("a/b",),
        ("a_b",),
        ("a b",),
        ("a", "b_c"),
        ("a_b", "c"),
        ("a", "b", "c"),
        ("x" * 300,),
        ("x" * 301,),
    ]
    made = [file_name(*parts) for parts in names]
    assert len(set(made)) == len(names)
    assert all(len(name) < 200 and "/" not in name and " " not in name for name in made)
    assert file_name("Cs2AgBiBr6", "7net-0") == "Cs2AgBiBr6_7net-0"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("caf\u00e9 \u03c3\u207d\u00b2\u207e \u00c5", "caf\u00e9 \u03c3\u207d\u00b2\u207e \u00c5"),
        ("two\nlines", "two\\nlines"),
        (b"n\xffme".decode("utf-8", "surrogateescape"), "n\\udcffme"),
        ("abc\u202egpj", "abc\\u202egpj"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert str(SoftmodeError(text, "is odd", "Look at it")) == f"{shown}: is odd. Look at it."
    printable(text).encode()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_file_is_on_the_disk_before_its_name_and_both_before_it_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    there: list[bool] = []
    path = tmp_path / "new" / "folder" / "file"
    sync = os.fsync

    def watched(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())
        there.append(path.exists())
        sync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    write_atomically(path, b"content")
    assert synced[0].parent == path.parent
    assert synced[0].suffix == ".tmp"
    assert set(synced[1:]) == {path.parent, tmp_path / "new", tmp_path}
    assert there == [False, True, True, True]
    del synced[:]
    write_atomically(path, b"other")
    assert synced[1:] == [path.parent]
    assert path.read_bytes() == b"other"
