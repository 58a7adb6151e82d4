"""Panels: what a result gives to a page."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from softmode.panel import (
    NOTHING,
    PUBLISHED,
    Entry,
    RowsLink,
    Table,
    entry,
    interval,
    linked,
    number,
    probability,
    telling,
)


def test_a_row_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="1 entries"):
        Table("t", "", ("a", "b"), (("x",),))
    cells = Table("t", "", ("a", "b"), (("x", Entry("1", PUBLISHED)),)).entries()
    assert cells == [[Entry("x"), Entry("1", PUBLISHED)]]


def test_numbers_as_text() -> None:
    values = (0.012345, 1234.0, 123456.0, -2.0, 1.5e-7, 5e8)
    assert [number(value) for value in values] == ["0.0123", "1230", "123000", "-2", "1.5e-07", "5e+08"]
    assert [number(value) for value in (None, math.nan, math.inf, -math.inf)] == [NOTHING, NOTHING, "∞", "-∞"]
    assert interval(1.0, 0.5, 2.0) == "1 [0.5, 2]"
    assert interval(1.0, math.nan, 2.0) == "1"
    assert [probability(value) for value in (2e-4, 0.0123, 0.5, None)] == [
        "< 0.001",
        "0.012",
        "0.50",
        NOTHING,
    ]


def test_a_dash_has_no_source() -> None:
    link = RowsLink("list", 2, 3)
    assert linked(["1.2", NOTHING], link) == (Entry("1.2", link), Entry(NOTHING))
    assert entry(12, link) == Entry("12", link)
    assert entry(math.nan, link) == Entry(NOTHING)


def test_panels_are_declared_without_drawing_anything() -> None:
    """Measurements import this; neither pandas nor matplotlib is loaded for it."""
    code = "import sys, softmode.panel, softmode.style; print({'pandas', 'matplotlib'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "set()"


def test_columns_that_say_nothing_are_left_out() -> None:
    rows = (("NaCl", "NaCl", "–", "–"), ("KCl", "KCl", "–", "2"))
    shown = telling(Table("t", "T", ("formula", "id", "σ", "n"), rows))
    assert (shown.columns, shown.rows) == (("formula", "n"), (("NaCl", "–"), ("KCl", "2")))
