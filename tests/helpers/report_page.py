"""Reading a report as a person would: its sections, tables and pictures."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
from matplotlib.image import imread


def section_of(page: str, heading: str) -> str:
    """The one section under the heading with this id."""
    [found] = re.findall(rf'<h2 id="{heading}">.*?(?=<h2[ >])', page, re.DOTALL)
    return str(found)


def cells_of(table: str) -> list[list[str]]:
    """Texts of the cells of a table's body, row by row."""
    body = table.partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        [html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.DOTALL)
    ]


def tables_of(text: str) -> list[list[list[str]]]:
    """Cells of every table."""
    return [cells_of(table) for table in re.findall(r"<table[^>]*>.*?</table>", text, re.DOTALL)]


def drawn(report: Path, suffix: str = "png") -> set[str]:
    """Names of the figures beside a page."""
    return {path.stem for path in (report.parent / "figures").glob(f"*.{suffix}")}


def assert_not_blank(report: Path, pattern: str = "*") -> None:
    """Every figure of that name is large enough and has more than a few colours."""
    paths = list((report.parent / "figures").glob(f"{pattern}.png"))
    assert paths, pattern
    for path in paths:
        picture = imread(path)[..., :3]
        assert min(picture.shape[:2]) > 250, path
        numbers = (255 * picture[::2, ::2]).astype(int) @ [1, 256, 65536]
        assert len(np.unique(numbers)) > 20, path
