"""Orders of potentials whose errors in every way are given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from softmode.harmonic.protocol import HarmonicProtocol
from softmode.measurements.passport.orders import (
    common_ways,
    medians,
    orders,
    orders_panel,
    ranks,
    ways_table,
)
from softmode.measurements.passport.ways import (
    PassportSettings,
    Way,
    choices_of,
    grid,
    protocol_way,
)
from softmode.records import Record

OWN = protocol_way(HarmonicProtocol(), "float32")
WAYS = grid(OWN, PassportSettings(), ("float32", "float64"), analytic=False)
CRYSTALS = pd.Series({"one": "NaCl", "two": "KCl"})


def a_record(ways: list[Way], error: float, relaxed: float) -> Record:
    """A passport with one error at the reference's lattice and another at the potential's own."""
    choices, chosen = choices_of(ways)
    errors = [relaxed if way.structure == "relaxed" else error for way in ways]
    figures = np.column_stack([errors, [0.9 if way.symmetrise else 0.8 for way in ways]])
    known = [not way.supercell for way in ways]
    figures[~np.array(known)] = np.nan
    values = {"figures": ["path_rmse_w2_THz2", "path_softening"], "choices": choices}
    return Record("", "passport", inputs={}, values=values, arrays={"figures": figures, "ways": chosen})


def passports(**errors: tuple[float, float]) -> list[tuple[str, str, Record]]:
    """Of two crystals; the second has errors three times as large."""
    return [
        (crystal, potential, a_record(WAYS, scale * error, scale * relaxed))
        for crystal, scale in (("one", 1.0), ("two", 3.0))
        for potential, (error, relaxed) in errors.items()
    ]


def test_an_order_that_the_lattice_turns_round_is_found() -> None:
    """The counts are those of the ways at each lattice; medians of two crystals lie in the middle."""
    ways = common_ways(ways_table(passports(a=(1.0, 1.5), b=(2.0, 1.2), c=(9.0, 9.0))))
    at = [way.structure for way in WAYS if way.precision == "float32" and not way.supercell]
    np.testing.assert_allclose(medians(ways).iloc[0], [2.0, 4.0, 18.0])
    found = orders(ways).set_index(["better", "worse"])
    for name in ("reference", "relaxed"):
        assert (found[f"ways_{name}"] == at.count(name)).all()
    assert found.loc[("a", "b"), ["same", "same_relaxed"]].tolist() == [at.count("reference"), 0]
    assert found.loc[("a", "c"), "same"] == len(at)
    assert found["apart"].tolist() == [False, True, True]
    table = ranks(ways)
    assert table.loc["b", ["rank", "rank_low", "rank_high"]].tolist() == [2, 1, 2]
    assert table.loc["c", ["slope_low", "slope_high"]].tolist() == [0.8, 0.9]
    panel = orders_panel(passports(a=(1.0, 1.5), b=(2.0, 1.2), c=(9.0, 9.0)), CRYSTALS)
    assert panel is not None
    assert f"a before b ({at.count('reference')})" in panel.caption
    assert f"all {len(at)} ways for 2 of 3 pairs; for 2 it is so even" in panel.caption


def test_only_what_all_have_is_compared() -> None:
    """Ways that one lacks, and crystals on which one has none, are left out of the comparison."""
    rest = [("one", "a", a_record(WAYS, 1.0, 1.0)), ("one", "b", a_record(WAYS[:7], 2.0, 2.0))]
    alone = ("two", "a", a_record(WAYS, 5.0, 5.0))
    ways = common_ways(ways_table([*rest, alone]))
    assert set(ways["crystal"]) == {"one"}
    assert ways["way"].nunique() == 7
    assert medians(ways).iloc[0].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("errors", [{"a": (1.0, 1.0)}, {}])
def test_a_single_potential_has_no_order(errors: dict[str, tuple[float, float]]) -> None:
    """A page has no such section then."""
    assert orders_panel(passports(**errors), CRYSTALS) is None
