"""Charts drawn for export: every kind, with what it shows inside its axes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from softmode.charts import (
    CellDistribution,
    CellMatrix,
    CellPoints,
    Chart,
    Frames,
    Guide,
    Heat,
    IntervalRow,
    Intervals,
    Lines,
    LineSeries,
    Points,
    PointSeries,
)
from softmode.report.drawing import Cells, figure_of

TABLE = pd.DataFrame(
    {
        "material": [f"m{place}" for place in range(24)],
        "group": ["F", "Cl"] * 12,
        "potential": ["a$", "b_"] * 6 + ["b_", "a$"] * 6,
        "x": np.geomspace(0.1, 10.0, 24),
        "y": np.geomspace(0.2, 30.0, 24),
        "of": ["weak", "strong"] * 12,
        "called": ["weak"] * 24,
    }
)
CHARTS: tuple[Chart, ...] = (
    CellPoints(name="points", title="T$", x="x", y="y", log_x=True, log_y=True, equality=True),
    CellDistribution(name="distribution", title="T", value="x", log=True, guides=(Guide("y", 1.0),)),
    CellMatrix(name="matrix", title="T", row="of", column="called", classes=("weak", "strong")),
    Intervals(
        name="intervals",
        title="T",
        axis="error",
        rows=(
            IntervalRow("one", 1.0, 0.5, 2.0, potential="a$", facet="f"),
            IntervalRow("two", 3.0, strong=False, facet="g"),
        ),
        log=True,
    ),
    Heat(
        name="heat",
        title="T",
        rows=("r", "s"),
        columns=("c", "d"),
        label="%",
        row_label="row",
        column_label="column",
        values=((None, 20.0), (80.0, None)),
        texts=(("", "20"), ("80", "")),
        strong=((False, True), (True, False)),
        middle=50.0,
    ),
    Lines(
        name="lines",
        title="T",
        x_label="x",
        y_label="y",
        series=(LineSeries("a", (0.0, 1.0), (1.0, None), (0.5, None), (1.5, None), potential="a$"),),
    ),
    Points(
        name="scatter",
        title="T",
        x_label="x",
        y_label="y",
        series=(PointSeries("a", (0.0, 1.0), (1.0, 2.0), ("p", "q"), (0.5, None), (1.5, None)),),
    ),
    Frames(
        name="frames",
        title="T",
        x_label="x",
        y_label="y",
        clouds=("reference", "a$"),
        potentials=(None, "a$"),
        x=(0.0, 1.0),
        y=(0.0, 1.0),
        cloud=(0, 1),
        run=(0, 0),
        frame=(0, 0),
    ),
)


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_every_kind_of_chart_is_drawn(chart: Chart) -> None:
    figure = figure_of(chart, Cells(TABLE, {"x": "quantity, THz"}))
    figure.savefig("/dev/null", format="png", dpi=40)
    assert marks(figure) > 0


def marks(figure: Figure) -> int:
    """How many things are drawn."""
    return sum(len(axes.lines) + len(axes.collections) + len(axes.images) for axes in figure.axes)


def test_all_kinds_are_tried() -> None:
    assert {type(chart) for chart in CHARTS} == set(Chart.__subclasses__())


def test_points_of_cells_are_all_there_by_potential_and_group() -> None:
    [axes] = figure_of(CHARTS[0], Cells(TABLE, {"x": "quantity, THz"})).axes
    shown = np.concatenate([np.asarray(points.get_offsets()) for points in axes.collections])
    assert len(axes.collections) == 4
    np.testing.assert_allclose(sorted(shown.tolist()), TABLE[["x", "y"]].to_numpy())
    assert axes.get_xlabel() == "quantity, THz"


def test_counts_of_a_matrix_are_those_of_the_cells() -> None:
    figure = figure_of(CHARTS[2], Cells(TABLE, {}))
    shown = [[int(text.get_text()) for text in axes.texts] for axes in figure.axes]
    for counts, potential in zip(shown, ("a$", "b_"), strict=True):
        own = TABLE[TABLE["potential"] == potential]
        weak, strong = (int((own["of"] == name).sum()) for name in ("weak", "strong"))
        assert counts == [weak, 0, strong, 0]
