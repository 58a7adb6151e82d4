"""What figures share."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from softmode.style import colours, markers, order_groups, plain_log, pretty_formula


def test_formulas_and_groups_are_set_as_in_print() -> None:
    assert pretty_formula("Cs2AgBiBr6") == "Cs$_{2}$AgBiBr$_{6}$"
    assert pretty_formula("C12H22O11") == "C$_{12}$H$_{22}$O$_{11}$"
    assert order_groups(["rock_salt", "I", "F", "Br", "Cl", "F"]) == ["F", "Cl", "Br", "I", "rock_salt"]


def test_more_names_than_colours_begin_again() -> None:
    names = [str(number) for number in range(8)]
    assert len(set(colours(names).values())) == len(set(markers(names).values())) == 7
    assert colours(names)["7"] == colours(names)["0"]


@pytest.mark.parametrize("limits", [(1.0, 3.0), (0.1, 20.0), (1e-4, 1e3)])
def test_logarithmic_axes_have_plain_numbers(limits: tuple[float, float]) -> None:
    axes = Figure().subplots()
    axes.plot(limits, limits)
    plain_log(axes, "xy")
    shown = [axes.yaxis.get_major_formatter()(tick) for tick in axes.get_yticks()]
    assert len(shown) >= 3
    assert all(float(text) > 0 and "$" not in text for text in shown)
