"""What a report shows, read from the records of a study."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import pandas as pd

from softmode.records import Record
from softmode.report.bands import BandOverlay, band_overlay
from softmode.study.folder import Study
from softmode.study.results import cell_table, done, extremes, failures, ranking, record_index
from softmode.study.sigma_results import confusion_table, sigma_extremes, with_learnt_classes
from softmode.style import distinct


@dataclass(frozen=True, eq=False)
class ReportData:
    """All a page shows.

    Parameters
    ----------
    study : Study
        Where it comes from.
    cells, ranking, failures, records : pandas.DataFrame
        The tables.
    phonons : callable
        ``harmonic`` record of a material and a potential, kept once it was read; None where there is none.
    overlays : dict of str to list of BandOverlay
        Best, median and worst material by potential.
    confusion : pandas.DataFrame
        Confusion matrices over materials with their figures; empty without trajectories.
    sigma_records : dict of str to dict of str to Record
        ``sigma`` records by potential, of the materials shown in detail.
    """

    study: Study
    cells: pd.DataFrame
    ranking: pd.DataFrame
    failures: pd.DataFrame
    records: pd.DataFrame
    phonons: Callable[[str, str], Record | None]
    overlays: dict[str, list[BandOverlay]]
    confusion: pd.DataFrame
    sigma_records: dict[str, dict[str, Record]]

    @property
    def potentials(self) -> list[str]:
        """Labels of the potentials, in the order of the study."""
        return list(self.overlays)

    @property
    def has_phonons(self) -> bool:
        """Whether any cell has phonons to draw."""
        return not done(self.cells, "harmonic").empty

    @property
    def has_sigma(self) -> bool:
        """Whether any cell has an anharmonicity to draw."""
        return not done(self.cells, "sigma").empty

    def formula(self, material: str) -> str:
        """Formula of a material."""
        return formula_of(self.cells, material)


def records_of(study: Study, measurement: str, materials: Iterable[str]) -> dict[str, dict[str, Record]]:
    """Records of a measurement by material and potential; a material without any is left out.

    Parameters
    ----------
    study : Study
        Where they are.
    measurement : str
        Which.
    materials : iterable of str
        In the order of the result.
    """
    labels = distinct(case.label for case in study.cases)
    found = {
        material: {
            label: record
            for label in labels
            if (record := study.result(material, label, measurement)) is not None
        }
        for material in distinct(materials)
    }
    return {material: records for material, records in found.items() if records}


def formula_of(table: pd.DataFrame, material: str) -> str:
    """Formula of a material in a table."""
    return str(table.loc[table["material"] == material, "formula"].iloc[0])


def collect(study: Study, cells: pd.DataFrame | None = None) -> ReportData:
    """Read everything a report needs from the records of a study; `cells` is its table, where known."""
    cells = cell_table(study) if cells is None else cells
    phonons = cache(lambda material, potential: study.result(material, potential, "harmonic"))
    overlays: dict[str, list[BandOverlay]] = {}
    detailed: list[str] = []
    for potential in distinct(cells["potential"]):
        chosen = extremes(cells, potential)
        found = [band_overlay(study, potential, material, role, phonons) for role, material in chosen.items()]
        overlays[potential] = [overlay for overlay in found if overlay is not None]
        detailed += sigma_extremes(cells, potential).values()
    return ReportData(
        study=study,
        cells=with_learnt_classes(cells, study.settings.conditions.seed),
        ranking=ranking(cells, study.settings.conditions.seed),
        failures=failures(cells),
        records=record_index(study),
        phonons=phonons,
        overlays=overlays,
        confusion=confusion_table(cells, study.settings.conditions.seed),
        sigma_records=records_of(study, "sigma", detailed),
    )
