"""What a study has of one measurement: what its panels are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from softmode.measurements.conditions import Conditions
from softmode.measurements.declaration import Measurement
from softmode.panel import RecordLink
from softmode.records import Record

if TYPE_CHECKING:  # heavy, and not needed to declare a measurement
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Results:
    """All results of a measurement in a study.

    Parameters
    ----------
    measurement : Measurement
        Which one.
    rows : pandas.DataFrame
        One row for each case that has a result: ``material``, ``formula``, ``group``, ``potential`` and the
        values of all its records, as in ``tables/cells.csv``.
    conditions : Conditions
        Of the study.
    record : callable
        Record with arrays of a material and a potential, by their names in `rows`.
    link : callable
        Where a number of that record comes from.
    """

    measurement: Measurement
    rows: pd.DataFrame
    conditions: Conditions
    record: Callable[[str, str], Record]
    link: Callable[[str, str], RecordLink]
