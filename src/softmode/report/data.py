"""What a report shows, read from the records of a study."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from softmode.report.bands import BandOverlay, band_overlay
from softmode.study.folder import Study
from softmode.study.results import cell_table, done, extremes, failures, ranking, record_index


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
    """

    study: Study
    cells: pd.DataFrame
    ranking: pd.DataFrame
    failures: pd.DataFrame
    records: pd.DataFrame
    overlays: dict[str, list[BandOverlay]]

    @property
    def has_results(self) -> bool:
        """Whether any cell has a result to draw."""
        return not done(self.cells, "harmonic").empty


def collect(study: Study) -> ReportData:
    """Read everything a report needs from the records of a study."""
    cells = cell_table(study)
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
    )
