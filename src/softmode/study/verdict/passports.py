"""What passports say: whether a verdict of stability survives the choices it is made with."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pandas as pd

from softmode.measurements.noise_floor import NOISE_FLOOR
from softmode.study.results import done, numbers_in
from softmode.study.verdict.leads import called
from softmode.study.verdict.statement import Statement, counted, some
from softmode.style import distinct


def of_passports(cells: pd.DataFrame, tolerance: float) -> Iterator[Statement]:
    """In how many cells the verdict depends on a displacement, a structure, a precision, a symmetrisation.

    Parameters
    ----------
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    tolerance : float
        Modes below minus this count as imaginary, THz.
    """
    rows = done(cells, "passport")
    if rows.empty:
        return
    names = called(rows)
    depends = rows[numbers_in(rows, "passport_agreeing") < numbers_in(rows, "passport_ways")]
    of = counted(len(rows), "cell")
    text = (
        f"Harmonic stability (no mode below −{tolerance:g} THz) depends on how phonons are computed in "
        f"{len(depends)} of {of}"
    )
    if len(depends):
        text += f": {some([_depending(row, names) for row in depends.to_dict('records')])}"
    known = (
        rows.dropna(subset="passport_reference_stable")
        if "passport_reference_stable" in rows
        else rows.iloc[:0]
    )
    text += "."
    sure = rows.drop(index=depends.index)
    noisy = sure[numbers_in(sure, NOISE_FLOOR) > numbers_in(sure, "passport_margin_THz")]
    if len(noisy):
        said = [
            f"{row['potential']} on {names[row['material']]} (margin {row['passport_margin_THz']:.2f}, noise "
            f"{row[NOISE_FLOOR]:.2f} THz)"
            for row in noisy.to_dict("records")
        ]
        text += f" Not resolved, the noise floor being above the margin: {some(said)}."
    if len(known):
        same = (
            known["passport_stable"].astype(bool) == known["passport_reference_stable"].astype(bool)
        ).sum()
        text += f" As most ways have it, {same} of {len(known)} agree with the reference."
    materials = tuple(distinct([*depends["material"], *noisy["material"]]))
    yield Statement("stability", text, materials=materials, panel="passport")


def _depending(row: dict[str, object], names: dict[str, str]) -> str:
    """A cell whose verdict depends on the way: lowest modes, and what the other ways share."""
    ways = json.loads(str(row.get("passport_otherwise") or "[]"))
    choices = [set(way.split(", ")) for way in ways]
    shared = (
        [choice for choice in ways[0].split(", ") if all(choice in each for each in choices)] if ways else []
    )
    verdict = str(row["passport_verdict"]).replace(" -", " −")
    otherwise = (
        f"; otherwise with {' and '.join(each.removeprefix('one- or two-sided ') for each in shared)}"
        if shared
        else ""
    )
    return f"{row['potential']} on {names[str(row['material'])]} ({verdict}{otherwise})"
