"""Reading a page as its app does: the document inside, its panels and their tables."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.image import imread


def document_of(page: Path) -> dict[str, Any]:
    """The document of a page, plain JSON: no NaN."""
    [packed] = re.findall(r'id="softmode-page">([^<]*)<', page.read_text(encoding="utf-8"))

    def refused(constant: str) -> Any:
        raise AssertionError(f"{constant} is not JSON")

    content: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed)), parse_constant=refused)
    return content


def panel_of(document: dict[str, Any], key: str) -> dict[str, Any]:
    """The one panel of this key."""
    [found] = [panel for panel in document["panels"] if panel["key"] == key]
    return dict(found)


def table_of(document: dict[str, Any], name: str) -> list[dict[str, str]]:
    """Rows of the one table of this name: text by head."""
    [table] = [table for panel in document["panels"] for table in panel["tables"] if table["name"] == name]
    return [dict(zip(table["columns"], map(text_of, row), strict=True)) for row in table["rows"]]


def text_of(entry: str | dict[str, str]) -> str:
    """What is read of an entry."""
    return entry if isinstance(entry, str) else entry["text"]


def charts_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Charts by name."""
    found = [chart for panel in document["panels"] for chart in panel["charts"]]
    assert len({chart["name"] for chart in found}) == len(found)
    return {chart["name"]: chart for chart in found}


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
