"""Does the order of potentials survive? Passports of several, in the ways that all of them were made in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import pandas as pd

from softmode.charts import IntervalRow, Intervals
from softmode.measurements.passport.ways import FACTORS, chosen_labels
from softmode.panel import Panel, Table
from softmode.records import Record
from softmode.style import (
    distinct,
    plain,
)

#: What potentials are ordered by, and what else is followed.
ERROR, SOFTENING = "path_rmse_w2_THz2", "path_softening"
#: Crystals that are drawn.
_DRAWN = 8


def ways_table(passports: Iterable[tuple[str, str, Record]]) -> pd.DataFrame:
    """One row for each way in which the phonons of a crystal were made with a potential.

    Parameters
    ----------
    passports : iterable of (str, str, Record)
        Crystal, potential, and their record ``passport``.

    Returns
    -------
    pandas.DataFrame
        With ``crystal``, ``potential``, what was chosen of each factor, ``protocol`` (whether it is that of
        the protocol), ``path_rmse_w2_THz2`` and ``path_softening``. Ways without them are left out.
    """
    parts = []
    for crystal, potential, record in passports:
        names, figures = record.values["figures"], record.arrays["figures"]
        if ERROR in names:
            own = pd.DataFrame(chosen_labels(record.values["choices"], record.arrays["ways"]))
            kept = {name: figures[:, names.index(name)] for name in (ERROR, SOFTENING)}
            parts.append(own.assign(crystal=crystal, potential=potential, protocol=own.index == 0, **kept))
    if not parts:
        return pd.DataFrame(columns=["crystal", "potential", *FACTORS, "protocol", ERROR, SOFTENING])
    ways = pd.concat(parts, ignore_index=True)
    return ways[ways[ERROR].notna()].reset_index(drop=True)


def common_ways(ways: pd.DataFrame) -> pd.DataFrame:
    """The ways that every potential has on every crystal, each in its own precision; ``way`` names them.

    Crystals on which a potential has none are left out, so that all are compared on the same.

    Parameters
    ----------
    ways : pandas.DataFrame
        From :func:`ways_table`.
    """
    cases = ["crystal", "potential"]
    n_potentials = ways.groupby("crystal")["potential"].transform("nunique")
    ways = ways[n_potentials == ways["potential"].nunique()]
    own = ways[ways["protocol"]].set_index(cases)["precision"]
    at_home = ways["precision"].to_numpy() == own.loc[pd.MultiIndex.from_frame(ways[cases])].to_numpy()
    kept = ways[at_home]
    factors = [name for name in FACTORS if name != "precision"]
    kept = kept.assign(way=kept[factors].agg(", ".join, axis=1))
    times = kept.groupby("way")["way"].transform("size")
    return kept[times == len(own)].reset_index(drop=True)


def medians(ways: pd.DataFrame, figure: str = ERROR) -> pd.DataFrame:
    """Median over crystals of a figure, one column for each potential, one row for each common way.

    Parameters
    ----------
    ways : pandas.DataFrame
        From :func:`common_ways`; the protocol's way comes first.
    figure : str
        Of :data:`ERROR` and :data:`SOFTENING`.
    """
    found = ways.groupby(["way", "potential"])[figure].median().unstack("potential")
    return found.loc[distinct(ways["way"]), distinct(ways["potential"])]


def orders(ways: pd.DataFrame) -> pd.DataFrame:
    """Two potentials at a time: is the one that the protocol finds better always the better one?

    Parameters
    ----------
    ways : pandas.DataFrame
        From :func:`common_ways`.

    Returns
    -------
    pandas.DataFrame
        ``better`` and ``worse`` under the protocol; ``same`` of ``ways``: in how many ways that is the order;
        ``apart``: even the worst of the one in any way is better than the best of the other in any way; the
        same count for each structure (``same_reference`` of ``ways_reference``, …).
    """
    found = medians(ways)
    structure = ways.drop_duplicates("way").set_index("way")["structure"].loc[found.index]
    rows = []
    for first, second in combinations(found.columns, 2):
        better, worse = sorted((first, second), key=lambda name: float(found[name].iloc[0]))
        same = found[better] < found[worse]
        rows.append(
            {
                "better": better,
                "worse": worse,
                "ways": len(same),
                "same": int(same.sum()),
                "apart": bool(found[better].max() < found[worse].min()),
                **{f"ways_{name}": int((structure == name).sum()) for name in distinct(structure)},
                **{f"same_{name}": int(same[structure == name].sum()) for name in distinct(structure)},
            }
        )
    return pd.DataFrame(rows)


def ranks(ways: pd.DataFrame) -> pd.DataFrame:
    """Errors and slopes of ω² of each potential, their ranges, and the ranks it takes; the best first.

    Parameters
    ----------
    ways : pandas.DataFrame
        From :func:`common_ways`.
    """
    rows: dict[str, pd.Series] = {}
    found = medians(ways)
    for name, values in (
        ("error", found),
        ("rank", found.rank(axis=1, method="min")),
        ("slope", medians(ways, SOFTENING)),
    ):
        rows |= {name: values.iloc[0], f"{name}_low": values.min(), f"{name}_high": values.max()}
    table = pd.DataFrame(rows).rename_axis("potential")
    return table.astype({name: int for name in table if str(name).startswith("rank")}).sort_values("error")


def orders_sentence(found: pd.DataFrame) -> str:
    """In how many ways orders are those of the protocol, and which are not."""
    n, pairs, always = found["ways"].iloc[0], len(found), int((found["same"] == found["ways"]).sum())
    lost = [
        f"{plain(row.better)} before {plain(row.worse)} ({row.same})"
        for row in found[found["same"] < found["ways"]].itertuples()
    ]
    return (
        f"The order of two potentials is that of the protocol in all {n} ways for {always} of {pairs} pairs; "
        f"for {found['apart'].sum()} it is so even when each is measured in another way."
        + (f" It depends on the way for {', '.join(lost)}." if lost else "")
    )


def _ranged(row: pd.Series, name: str, form: str) -> str:
    return f"{row[name]:{form}} ({row[f'{name}_low']:{form}} … {row[f'{name}_high']:{form}})"


def orders_panel(
    passports: Sequence[tuple[str, str, Record]], formulas: pd.Series, chapter: str = ""
) -> Panel | None:
    """What a page shows of it; None with a single potential, or without errors.

    Parameters
    ----------
    passports
        As of :func:`ways_table`.
    formulas : pandas.Series
        By crystal.
    chapter : str
        Of the page.
    """
    ways = ways_table(passports)
    if ways["potential"].nunique() < 2:
        return None
    shared = common_ways(ways)
    if shared.empty:
        return None
    table = ranks(shared)
    lines = [
        (
            plain(str(name)),
            _ranged(row, "error", ".2f"),
            _ranged(row, "rank", ".0f"),
            _ranged(row, "slope", ".2f"),
        )
        for name, row in table.iterrows()
    ]
    drawn = formulas.loc[distinct(ways["crystal"])].head(_DRAWN)
    columns = ("potential", "RMSE(ω²), THz²", "rank", "slope of ω²")
    return Panel(
        "passport_orders",
        "Does the order of potentials survive?",
        "Median over crystals under the protocol, and its range over the ways that all potentials were "
        f"measured in. {orders_sentence(orders(shared))}",
        tables=(Table("passport_orders", "Potentials in order", columns, tuple(lines)),),
        charts=(ranges_chart(ways, list(table.index), drawn),),
        chapter=chapter,
    )


def ranges_chart(ways: pd.DataFrame, potentials: Sequence[str], formulas: pd.Series) -> Intervals:
    """Range of the error over all ways, and its value under the protocol, crystal by crystal.

    Parameters
    ----------
    ways : pandas.DataFrame
        From :func:`ways_table`.
    potentials : sequence of str
        From top to bottom.
    formulas : pandas.Series
        By crystal; in the order in which they are drawn.
    """
    ranges = ways.groupby(["crystal", "potential"])[ERROR].agg(["min", "max"])
    own = ways[ways["protocol"]].set_index(["crystal", "potential"])[ERROR]
    rows = []
    for crystal, formula in formulas.items():
        for name in (each for each in potentials if (crystal, each) in own.index):
            low, high = map(float, ranges.loc[(crystal, name)])
            rows.append(IntervalRow(name, float(own[crystal, name]), low, high, name, facet=formula))
    return Intervals(
        name="passport_ranges",
        title="RMSE(ω²) over all ways",
        note="Bars: range over all ways, no confidence interval; points: under the protocol.",
        axis="RMSE(ω²), THz²",
        rows=tuple(rows),
        log=True,
    )
