"""Figures of a screening: what is drawn, where, and that nothing is lost or unreadable."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softmode.anharmonic.label_score import score_against_labels
from softmode.report.screening_figures import (
    label_scatter,
    ranked_sigma,
    reliability_diagram,
    shares_figure,
)
from softmode.style import PALETTE

HALIDES = ["F", "Cl", "Br", "I"]


def compounds(n: int, n_failed: int = 0, n_lost: int = 0) -> SimpleNamespace:
    rng = np.random.default_rng(1)
    label = np.geomspace(0.15, 1.9, n)
    model = label * np.exp(rng.normal(0.0, 0.25, n))
    model[:n_failed] = np.nan
    lost = np.arange(n) >= n - n_lost
    model[lost] = 2.0
    p = rng.dirichlet([1, 1, 1], n)
    return SimpleNamespace(
        groups=[HALIDES[i % 4] for i in range(n)],
        label=label,
        model=model,
        low=0.9 * model,
        high=1.2 * model,
        lost=lost,
        score=score_against_labels(label, model, p, seed=0, n_samples=50),
    )


def table(names: list[str], item: SimpleNamespace) -> pd.DataFrame:
    bounds = {"sigma": item.model, "low": item.low, "high": item.high}
    return pd.DataFrame({"formula": names, "group": item.groups, **bounds})


def drawn(figure: Figure) -> Figure:
    FigureCanvasAgg(figure).draw()  # constrained layout warns, and warnings would say so, when it fails
    return figure


def points(axes: Axes, marker: str) -> np.ndarray:
    lines = [line for line in axes.lines if isinstance(line, Line2D) and line.get_marker() == marker]
    return np.concatenate([np.asarray(line.get_xydata(), dtype=float) for line in lines])


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def overlapping(figure: Figure, axes: Axes) -> bool:
    """Whether numbers of the x axis overlap."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    boxes = [label.get_window_extent(renderer) for label in axes.get_xticklabels() if label.get_text()]
    return any(one.x1 > two.x0 for one, two in pairwise(boxes))


def test_scatter_shows_every_compound_and_failures_apart() -> None:
    item = compounds(40, n_failed=3)
    figure = drawn(label_scatter(item))
    [axes] = figure.axes
    shown = np.concatenate([points(axes, marker) for marker in "os^D"])
    assert {tuple(row) for row in shown.round(9)} == {
        tuple(row) for row in np.column_stack([item.label, item.model])[3:].round(9)
    }
    np.testing.assert_allclose(np.sort(points(axes, "x")[:, 0]), item.label[:3])
    [legend] = figure.legends
    assert [text.get_text() for text in legend.texts] == [
        *("fluorides", "chlorides", "bromides", "iodides", "failed (3)")
    ]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    ticks = [label.get_text() for label in axes.get_yticklabels()]
    assert {"0.5", "1"} <= set(ticks)
    assert not any("10^" in tick or "e" in tick for tick in ticks)
    assert not overlapping(figure, axes)
    box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width


def test_crystals_that_left_are_open_and_counted() -> None:
    figure = drawn(label_scatter(compounds(40, n_lost=5)))
    [axes] = figure.axes
    opened = [line for line in axes.lines if line.get_marker() in "os^D" and line.get_mfc() == "white"]
    levels = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in opened])
    np.testing.assert_array_equal(levels, np.full(5, 2.0))
    [legend] = figure.legends
    assert "lost or left its phase (5): drawn at 2" in [text.get_text() for text in legend.texts]


def test_shares_stand_beside_the_published_ones() -> None:
    shares = {
        f"{share}{end}{bound}": [value, value / 2]
        for share in ("called_more_stable", "called_less_stable")
        for end, value in (("", 0.5), ("_of_list", 0.3))
        for bound in ("", "_low", "_high")
    }
    figure = drawn(shares_figure(pd.DataFrame({"name": ["a", "b"], **shares}), ("m", 0.38, 0.06)))
    for axes, printed in zip(figure.axes, (0.38, 0.06), strict=True):
        assert printed in [line.get_xdata()[0] for line in axes.lines]
        shown = np.sort(points(axes, "o")[:, 0])
        np.testing.assert_allclose(shown, [0.15, 0.25, 0.3, 0.5])


def test_a_halide_keeps_its_colour_where_others_are_absent() -> None:
    item = compounds(8)
    item.groups = ["I"] * 4 + ["oxide"] * 4
    [axes] = drawn(label_scatter(item)).axes
    colours = {line.get_color() for line in axes.lines if line.get_marker() not in ("None", "")}
    assert colours == {PALETTE[3], PALETTE[4]}


def test_scatter_without_intervals_or_spread() -> None:
    item = compounds(4)
    item.label, item.model = np.full(4, 0.7), np.array([0.0, 0.7, 0.7, 30.0])
    item.low = item.high = np.full(4, np.nan)
    [axes] = drawn(label_scatter(item)).axes
    low, high = axes.get_ylim()
    assert low < 1e-3 < 30.0 < high  # σ = 0 is drawn at the lower end
    assert len(np.concatenate([points(axes, marker) for marker in "os^D"])) == 4


def test_reliability_diagram_is_that_of_the_score() -> None:
    score = compounds(80, n_failed=2).score
    figure = drawn(reliability_diagram(score))
    assert [axes.get_title() for axes in figure.axes] == ["likeliest class", "weak", "strong", "unstable"]
    for axes, bins in zip(figure.axes, [score.confidence, *score.by_class.values()], strict=True):
        np.testing.assert_allclose(points(axes, "o"), [(b.forecast, b.frequency) for b in bins])
        assert [int(text) for text in texts(axes)] == [b.n for b in bins]
    assert sum(int(text) for text in texts(figure.axes[0])) == 78


@pytest.mark.parametrize("n", [1, 12, 60, 200])
def test_ranking_is_in_order_and_named_while_there_is_room(n: int) -> None:
    item = compounds(n)
    names = [f"Cs2Na{'Y' * (i % 2)}Br{i}" for i in range(n)]
    shuffled = np.random.default_rng(0).permutation(n)
    figure = drawn(ranked_sigma(table(names, item).iloc[shuffled]))
    [axes] = figure.axes
    known = [m for m, group in zip("os^D", HALIDES, strict=True) if group in item.groups]
    shown = np.concatenate([points(axes, marker) for marker in known])
    by_place = shown[shown[:, 1].argsort()]
    np.testing.assert_allclose(by_place[:, 0], np.sort(item.model))
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the most stable on top
    assert {"weak", "strong", "unstable"} <= set(texts(axes))
    labels = [label.get_text() for label in axes.get_yticklabels()]
    if n <= 60:
        first = names[int(np.argmin(item.model))]
        assert len(labels) == n
        assert labels[0].replace("$_{", "").replace("}$", "") == first
    else:
        assert axes.get_ylabel() == "rank"
        assert all("Cs" not in label for label in labels)


def test_ranking_leaves_out_what_has_no_score() -> None:
    item = compounds(6, n_failed=2)
    item.low[3] = np.nan
    figure = drawn(ranked_sigma(table([f"K{i}Cl" for i in range(6)], item)))
    assert len(figure.axes[0].get_yticklabels()) == 4
