"""Names of files, and texts that can be shown."""

from __future__ import annotations

import pytest

from softmode.errors import SoftmodeError, printable
from softmode.files import file_name


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
