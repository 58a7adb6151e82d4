"""Charts that a page draws itself: what they show, as plain numbers; mirrored by ``web/src/contract.ts``.

Charts of cells name columns of the page's table of cells, so that they follow its filters; the others carry
their own numbers. Nothing here knows of files, studies or pages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

Numbers = tuple[float, ...]
Gaps = tuple[float | None, ...]


@dataclass(frozen=True)
class Guide:
    """A line across a plot at a value of ``x`` or ``y``."""

    axis: str
    value: float
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What all charts have: a name that is unique on the page, a title, and what is to be known of it."""

    kind: ClassVar[str] = ""
    name: str
    title: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class CellPoints(Chart):
    """A point for each cell: two columns of the table of cells against each other."""

    kind: ClassVar[str] = "cell_points"
    x: str
    y: str
    log_x: bool = False
    log_y: bool = False
    equality: bool = False
    guides: tuple[Guide, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CellDistribution(Chart):
    """All values of a column by group and potential."""

    kind: ClassVar[str] = "cell_distribution"
    value: str
    log: bool = False
    guides: tuple[Guide, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CellMatrix(Chart):
    """Counts of cells by two columns of texts, a matrix for each potential."""

    kind: ClassVar[str] = "cell_matrix"
    row: str
    column: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class IntervalRow:
    """An estimate with its interval; `potential` is the label of one in the study, for its colour."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    potential: str | None = None
    strong: bool = True
    facet: str = ""


@dataclass(frozen=True, kw_only=True)
class Intervals(Chart):
    """Estimates with intervals, one below the other.

    Those of errors over a potential's follow the filters of a page: ``over`` is its name, ``columns`` are
    pairs of a facet and the column of the table of cells that its errors stand in.
    """

    kind: ClassVar[str] = "intervals"
    axis: str
    rows: tuple[IntervalRow, ...]
    log: bool = False
    guides: tuple[Guide, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()
    over: str = ""


@dataclass(frozen=True, kw_only=True)
class Heat(Chart):
    """A matrix of numbers, written into its fields.

    That of potentials in pairs follows the filters of a page: ``of`` is the column of the table of cells
    with the errors, ``others`` are p-values of the other tests that its tests are corrected with where
    nothing is filtered.
    """

    kind: ClassVar[str] = "heat"
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    label: str
    row_label: str
    column_label: str
    values: tuple[Gaps, ...]
    texts: tuple[tuple[str, ...], ...]
    strong: tuple[tuple[bool, ...], ...]
    middle: float | None = None
    of: str = ""
    others: Numbers = ()


@dataclass(frozen=True)
class LineSeries:
    """A line, with a band about it or without."""

    name: str
    x: Numbers
    y: Gaps
    low: Gaps | None = None
    high: Gaps | None = None
    potential: str | None = None
    dashed: bool = False
    facet: str = ""


@dataclass(frozen=True, kw_only=True)
class Lines(Chart):
    """Lines over common axes."""

    kind: ClassVar[str] = "lines"
    x_label: str
    y_label: str
    series: tuple[LineSeries, ...]
    log_x: bool = False
    log_y: bool = False
    guides: tuple[Guide, ...] = ()


@dataclass(frozen=True)
class PointSeries:
    """Points; each may lead to a material, by its name."""

    name: str
    x: Numbers
    y: Numbers
    texts: tuple[str, ...]
    low: Gaps | None = None
    high: Gaps | None = None
    materials: tuple[str | None, ...] | None = None
    potential: str | None = None
    facet: str = ""


@dataclass(frozen=True, kw_only=True)
class Points(Chart):
    """Points over common axes."""

    kind: ClassVar[str] = "points"
    x_label: str
    y_label: str
    series: tuple[PointSeries, ...]
    log_x: bool = False
    log_y: bool = False
    equality: bool = False
    guides: tuple[Guide, ...] = ()


@dataclass(frozen=True)
class Packed:
    """Numbers of a matrix in 16 bits: see :func:`softmode.packed_matrices.pack`."""

    shape: tuple[int, int]
    scale: float
    offset: float
    delta: bool
    data: str


@dataclass(frozen=True)
class FrameStructures:
    """Structures of the frames of a trajectory: fractional coordinates, (frames, atoms · 3)."""

    symbols: tuple[str, ...]
    lattice: tuple[Numbers, ...]
    coordinates: Packed


@dataclass(frozen=True, kw_only=True)
class Frames(Chart):
    """Frames of trajectories as points of a map, each with its structure."""

    kind: ClassVar[str] = "frames"
    x_label: str
    y_label: str
    clouds: tuple[str, ...]
    potentials: tuple[str | None, ...]
    x: Numbers
    y: Numbers
    cloud: tuple[int, ...]
    run: tuple[int, ...]
    frame: tuple[int, ...]
    sigma: Gaps | None = None
    structures: tuple[FrameStructures, ...] = field(default=())
