"""What figures share."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from softmode.style import (
    colours,
    figure_style,
    markers,
    order_groups,
    plain_log,
    potential_legend,
    pretty_formula,
)


def test_formulas_and_groups_are_set_as_in_print() -> None:
    assert pretty_formula("Cs2AgBiBr6") == "Cs$_{2}$AgBiBr$_{6}$"
    assert pretty_formula("C12H22O11") == "C$_{12}$H$_{22}$O$_{11}$"
    assert order_groups(["rock_salt", "I", "F", "Br", "Cl", "F"]) == ["F", "Cl", "Br", "I", "rock_salt"]


def test_more_names_than_colours_begin_again() -> None:
    names = [str(number) for number in range(60)]
    assert len(set(colours(names).values())) == 12
    assert colours(names)["12"] == colours(names)["0"]
    # together with the marker each is its own
    assert len(set(zip(colours(names).values(), markers(names).values(), strict=True))) == 60


@pytest.mark.parametrize("n", [1, 3, 10, 24])
def test_a_legend_keeps_within_its_figure(n: int) -> None:
    """Whatever the length of the names; the panels keep their height."""
    with figure_style():
        figure = Figure(figsize=(8.2, 3.8))
        axes = figure.subplots()
        potential_legend(figure, [f"TensorNet-MatPES-r2SCAN-v2025.1-PES {index}" for index in range(n)])
        figure.canvas.draw()
        [legend] = figure.legends
        box = legend.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert axes.get_window_extent().height > 2.0 * figure.dpi


@pytest.mark.parametrize("limits", [(1.0, 3.0), (0.1, 20.0), (1e-4, 1e3)])
def test_logarithmic_axes_have_plain_numbers(limits: tuple[float, float]) -> None:
    axes = Figure().subplots()
    axes.plot(limits, limits)
    plain_log(axes, "xy")
    shown = [axes.yaxis.get_major_formatter()(tick) for tick in axes.get_yticks()]
    assert len(shown) >= 3
    assert all(float(text) > 0 and "$" not in text for text in shown)
