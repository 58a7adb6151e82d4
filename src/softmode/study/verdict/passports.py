"""What passports say: whether a verdict of stability survives the choices it is made with."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from softmode.study.results import done, numbers_in
from softmode.study.verdict.leads import called
from softmode.study.verdict.statement import Statement, counted, some
from softmode.style import distinct


def of_passports(cells: pd.DataFrame) -> Iterator[Statement]:
    """In how many cells the verdict depends on a displacement, a structure, a precision, a symmetrisation.

    Parameters
    ----------
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    """
    rows = done(cells, "passport")
    if rows.empty:
        return
    names = called(rows)
    depends = rows[numbers_in(rows, "passport_agreeing") < numbers_in(rows, "passport_ways")]
    of = counted(len(rows), "cell")
    text = f"Passports: in {len(depends)} of {of} harmonic stability depends on how it is computed"
    if len(depends):
        said = [
            f"{row.potential} on {names[row.material]} ({row.passport_verdict})"
            for row in depends.itertuples()
        ]
        text += f": {some(said)}"
    known = (
        rows.dropna(subset="passport_reference_stable")
        if "passport_reference_stable" in rows
        else rows.iloc[:0]
    )
    text += "."
    if len(known):
        same = (
            known["passport_stable"].astype(bool) == known["passport_reference_stable"].astype(bool)
        ).sum()
        text += f" As most ways have it, {same} of {len(known)} agree with the reference."
    yield Statement("stability", text, materials=tuple(distinct(depends["material"])), panel="passport")
