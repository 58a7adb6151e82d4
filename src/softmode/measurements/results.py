"""What a study has of one measurement: what its panels are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from softmode.measurements.conditions import Conditions
from softmode.measurements.declaration import Measurement
from softmode.panel import RecordLink
from softmode.records import Record, RecordFile

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


@dataclass(frozen=True, eq=False)
class MaterialResults:
    """All results of a study for one material: what the material's own page is made from.

    Parameters
    ----------
    material, formula : str
        Whose results.
    potentials : tuple of str
        Labels of those in the study, in its order.
    read : callable
        Result of a potential and a measurement, by their names; None where there is none.
    points : int
        About how many points a series of a chart may have: fewer in a study of many materials.
    """

    material: str
    formula: str
    potentials: tuple[str, ...]
    read: Callable[[str, str], RecordFile | None]
    points: int = 300
    _found: dict[tuple[str, str], RecordFile | None] = field(default_factory=dict, init=False, repr=False)

    def result(self, potential: str, measurement: str) -> RecordFile | None:
        """Result of a potential, read once; None where there is none."""
        if (potential, measurement) not in self._found:
            self._found[potential, measurement] = self.read(potential, measurement)
        return self._found[potential, measurement]

    def results(self, measurement: str) -> dict[str, RecordFile]:
        """Results of a measurement by potential, of those that have one."""
        found = {potential: self.result(potential, measurement) for potential in self.potentials}
        return {potential: one for potential, one in found.items() if one is not None}

    def shared(self, measurement: str) -> RecordFile | None:
        """Result of a measurement that is made without a potential; None where there is none."""
        return next(iter(self.results(measurement).values()), None)
