"""What a report shows, read from the records of a study."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from softmode.report.bands import BandOverlay, band_overlay
from softmode.study.folder import Study
from softmode.study.records import Record
from softmode.study.results import cell_table, done, extremes, failures, ranking, record_index
from softmode.study.sigma_results import confusion_table, sigma_extremes


@dataclass(frozen=True, eq=False)
class ReportData:
    """All a page shows.

    Parameters
    ----------
    study : Study
        Where it comes from.
    cells, ranking, failures, records : pandas.DataFrame
        The tables.
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
        return str(self.cells.loc[self.cells["material"] == material, "formula"].iloc[0])


def _sigma_records(study: Study, cells: pd.DataFrame) -> dict[str, dict[str, Record]]:
    """Records of the materials that are best, median or worst for some potential."""
    potentials = list(dict.fromkeys(cells["potential"]))
    shown = {
        material: None for potential in potentials for material in sigma_extremes(cells, potential).values()
    }
    records: dict[str, dict[str, Record]] = {material: {} for material in shown}
    for cell in study.cells:
        if cell.material.name in records:
            record = study.record(cell, "sigma")
            if record is not None and record.ok:
                records[cell.material.name][cell.label] = record
    return records


def collect(study: Study, cells: pd.DataFrame | None = None) -> ReportData:
    """Read everything a report needs from the records of a study; `cells` is its table, where known."""
    cells = cell_table(study) if cells is None else cells
    overlays: dict[str, list[BandOverlay]] = {}
    for potential in dict.fromkeys(cells["potential"]):
        chosen = extremes(cells, potential)
        found = [band_overlay(study, potential, material, role) for role, material in chosen.items()]
        overlays[potential] = [overlay for overlay in found if overlay is not None]
    return ReportData(
        study=study,
        cells=cells,
        ranking=ranking(cells, study.settings.seed),
        failures=failures(cells),
        records=record_index(study),
        overlays=overlays,
        confusion=confusion_table(cells, study.settings.seed),
        sigma_records=_sigma_records(study, cells),
    )
