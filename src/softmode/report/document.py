"""What a page is given: one document, mirrored field by field by ``web/src/contract.ts``, and its JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from softmode.charts import Chart
from softmode.study.verdict.statement import Statement

FORMAT = 1
#: Significant digits of numbers: more than can be seen or trusted.
DIGITS = 6


@dataclass(frozen=True)
class Potential:
    """A potential of the page."""

    name: str
    digest: str = ""
    family: str = ""
    training: str = ""
    functional: str = ""


@dataclass(frozen=True)
class Material:
    """A material of the page; `part` says where its details are, -1: nowhere."""

    name: str
    formula: str
    group: str
    group_name: str
    elements: tuple[str, ...] = ()
    part: int = -1
    reference: str = ""


@dataclass(frozen=True)
class Column:
    """A column of the table of cells."""

    name: str
    label: str
    kind: str
    chapter: str
    better: str | None = None
    target: float | None = None
    main: bool = False


@dataclass(frozen=True)
class Cells:
    """Cells, column by column: all arrays are equally long."""

    material: list[int] = field(default_factory=list)
    potential: list[int] = field(default_factory=list)
    state: list[str] = field(default_factory=list)
    seen: list[str | None] = field(default_factory=list)
    values: Mapping[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """A cell that failed, and why."""

    material: int
    potential: int
    kind: str
    reason: str


@dataclass(frozen=True)
class PagePicture:
    """A picture drawn when the page was made; `data` is its address."""

    name: str
    title: str
    width: int
    data: str


@dataclass(frozen=True)
class LinkedEntry:
    """A text of a table with its source."""

    text: str
    kind: str
    href: str
    source: str


@dataclass(frozen=True)
class PageTable:
    """A table of a panel."""

    name: str
    title: str
    columns: tuple[str, ...]
    is_text: tuple[bool, ...]
    rows: tuple[tuple[str | LinkedEntry, ...], ...]
    note: str


@dataclass(frozen=True)
class PagePanel:
    """A panel as a page shows it; `lists` are name and length of what its numbers were made from."""

    key: str
    title: str
    chapter: str
    caption: str
    charts: tuple[Chart, ...] = ()
    pictures: tuple[PagePicture, ...] = ()
    tables: tuple[PageTable, ...] = ()
    missing: tuple[str, ...] = ()
    lists: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """One document, one page: a run, a paper's panels, two runs side by side, or a map."""

    format: int = FORMAT
    kind: str
    title: str
    lead: str
    version: str
    date: str
    protocol: str = ""
    seed: int = 0
    counts: Mapping[str, int] = field(default_factory=lambda: {"done": 0, "failed": 0, "pending": 0})
    verdict: tuple[Statement, ...] = ()
    notices: tuple[str, ...] = ()
    potentials: tuple[Potential, ...] = ()
    materials: tuple[Material, ...] = ()
    columns: tuple[Column, ...] = ()
    cells: Cells = field(default_factory=Cells)
    panels: tuple[PagePanel, ...] = ()
    failures: tuple[Failure, ...] = ()
    method: tuple[str, ...] = ()
    n_parts: int = 0
    parts_inside: bool = True


def document_json(content: Any) -> bytes:
    """JSON (UTF-8) of a page, or of the details that a part holds."""
    text = json.dumps(plain_form(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


def plain_form(value: Any) -> Any:
    """What JSON can hold of a document: rounded numbers, None where there is no finite one, texts that print.

    Raises
    ------
    TypeError
        For what no document has.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _printed(value)
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, Mapping):
        return {_printed(str(key)): plain_form(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        kind = {"kind": value.kind} if isinstance(value, Chart) else {}
        return kind | {each.name: plain_form(getattr(value, each.name)) for each in fields(value)}
    if hasattr(value, "tolist"):
        return plain_form(value.tolist())
    if isinstance(value, list | tuple) and set(map(type, value)) == {float}:
        return _all_rounded(value)
    if isinstance(value, Iterable):
        return [rounded(item) if type(item) is float else plain_form(item) for item in value]
    raise TypeError(f"a page has no {type(value).__name__}")


def rounded(value: float) -> float | None:
    """A number with so many digits as a page has; None where it is not finite."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None


def _all_rounded(values: Sequence[float]) -> list[float | None]:
    """As :func:`rounded` of each, in a third of the time: most of a page are numbers."""
    found = list(map(float, (f"%.{DIGITS}g " * len(values) % tuple(values)).split()))
    return (
        [*found] if math.isfinite(sum(found)) else [each if math.isfinite(each) else None for each in found]
    )


def _printed(text: str) -> str:
    """A text whose lone surrogates (bytes of a file name that is no UTF-8) are written out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
